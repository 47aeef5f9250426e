"""ConnectedServices: the thirty searches of the Allen Institute, with a check of their parameters.

Source: http://help.brain-map.org/display/api/Connected+Services+and+Pipes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import DoubtfulParameterWarning, InvalidQueryError, did_you_mean, listing, warn
from pdneuro.tables.columns import from_records


class Service(NamedTuple):
    """A search: its parameters in order, the required ones, and the allowed values of some."""

    parameters: tuple[str, ...]
    required: frozenset[str]
    values: Mapping[str, tuple[str, ...]]


#: Values of parameters, by the parameter's name; ``set`` depends on the service.
_VALUES = {
    "sort_order": ("asc", "desc"),
    "sort_by": ("p-value", "fold-change"),
    "hemisphere": ("right", "left"),
    "injection_hemisphere": ("right", "left"),
    "target_hemisphere": ("right", "left"),
}
_SETS: dict[str, tuple[str, ...]] = {
    "mouse": ("mouse", "mouse_coronal"),
    "dev_human": ("rna_seq_genes", "rna_seq_exons", "exon_microarray_genes", "exon_microarray_exons"),
}
_DIFFERENTIAL = "donors1 structures1* donors2 structures2* sort_by"
_CORRELATION = "donors structures* probes* sort_order"
_EXPRESSION = "probes* donors structures"
_CONNECTIVITY = "transgenic_lines injection_structures product_ids primary_structure_only"
_MICROARRAY = (
    "dev_human_microarray",
    "gbm",
    "human_microarray",
    "nhp_lmd_microarray",
    "nhp_macro_microarray",
)
#: Parameters by service; a star marks required ones.
_WRITTEN = {
    "dev_human_correlation": "set donors structures* probes* sort_order",
    "dev_human_differential": f"set* {_DIFFERENTIAL}",
    "dev_human_expression": "set* probes* donors structures",
    **{f"{name}_correlation": _CORRELATION for name in _MICROARRAY},
    **{f"{name}_differential": _DIFFERENTIAL for name in _MICROARRAY},
    **{f"{name}_expression": _EXPRESSION for name in _MICROARRAY},
    "human_microarray_differential": f"{_DIFFERENTIAL}*",
    "nhp_lmd_microarray_expression": "probes*",
    "nhp_macro_microarray_expression": "probes*",
    "dev_mouse_agea": (
        "seed_age* map_age* seed_point* seed_threshold* map_threshold* contrast_threshold "
        "target_threshold"
    ),
    "dev_mouse_correlation": "row* structures ages sort_order",
    "gbm_ish_differential": "structures1* structures2* threshold1 threshold2",
    "gbm_ish_expression": "structures* threshold",
    "mouse_agea": (
        "set* seed_age* map_age* seed_point* correlation_threshold1 correlation_threshold2 threshold1 "
        "threshold2"
    ),
    "mouse_correlation": "set* structures row* sort_order",
    "mouse_differential": "set* structures1* structures2* threshold1 threshold2",
    "mouse_connectivity_correlation": (
        "row* structures product_ids hemisphere transgenic_lines injection_structures "
        "primary_structure_only sort_order"
    ),
    "mouse_connectivity_injection_coordinate": f"seed_point* {_CONNECTIVITY}",
    "mouse_connectivity_injection_structure": (
        "injection_structures* target_domain injection_hemisphere target_hemisphere transgenic_lines "
        "injection_domain product_ids primary_structure_only"
    ),
    "mouse_connectivity_target_spatial": f"seed_point* section_data_set {_CONNECTIVITY}",
    "text_search": "query_string* k*",
}


def _read(name: str, written: str) -> Service:
    words = written.split() + ([] if name == "text_search" else ["start_row", "num_rows"])
    parameters = tuple(word.rstrip("*") for word in words)
    family = next((family for family in _SETS if name.startswith(f"{family}_")), None)
    values: dict[str, tuple[str, ...]] = {k: _VALUES[k] for k in parameters if k in _VALUES}
    # For mouse_agea, any set is allowed.
    if "set" in parameters and family and name != "mouse_agea":
        values["set"] = _SETS[family]
    return Service(parameters, frozenset(w[:-1] for w in words if w.endswith("*")), values)


#: All services by name.
SERVICES = {name: _read(name, written) for name, written in sorted(_WRITTEN.items())}
#: Services that the service's description omits, but its documentation lists.
UNDECLARED = ("tbi_correlation", "tbi_differential", "tbi_expression")
#: Parameters by their names in an old client.
_OTHER_NAMES = {"mouse_connectivity_target_spatial": ("section_data_sets",)}


def check(name: str, parameters: Mapping[str, Any]) -> None:
    """Check that a service exists and that its parameters are complete.

    Raises
    ------
    InvalidQueryError
        The service does not exist, a required parameter is missing, or a value is invalid.

    Warns
    -----
    DoubtfulParameterWarning
        The service does not declare this parameter or value.
    """
    if name in UNDECLARED:
        return
    if name not in SERVICES:
        raise InvalidQueryError(
            f"unknown service {name!r}.{did_you_mean(name, SERVICES)} "
            "pdneuro.allen.ConnectedServices.services() lists them."
        )
    service = SERVICES[name]
    arguments = {key: value for key, value in parameters.items() if value is not None}
    missing = [key for key in service.parameters if key in service.required - arguments.keys()]
    if missing:
        raise InvalidQueryError(
            f"{name} requires {listing(missing)}. Its parameters are {_listed(service)}."
        )
    for key, value in arguments.items():
        payload.value(value, key)
    doubts = [
        f"{key!r} is not declared"
        for key in arguments
        if key not in (*service.parameters, *_OTHER_NAMES.get(name, ()))
    ]
    doubts += [
        f"{key} must be one of {', '.join(allowed)}, not {arguments[key]!r}"
        for key, allowed in service.values.items()
        if key in arguments and arguments[key] not in allowed
    ]
    point = arguments.get("seed_point")
    if point is not None and np.size(np.asarray(point, object)) != 3:
        doubts.append(f"seed_point must be three numbers, not {point!r}")
    if doubts:
        warn(
            f"{name}: {'; '.join(doubts)}. Its parameters are {_listed(service)}.",
            DoubtfulParameterWarning,
        )


def _listed(service: Service) -> str:
    words = (f"{key} (required)" if key in service.required else key for key in service.parameters)
    return ", ".join(words)


@documented
class ConnectedServices(RmaApi):
    """Searches that RMA queries can call.

    {base_uri}

    Examples
    --------
    >>> pdneuro.allen.ConnectedServices("https://host").build_url(
    ...     "mouse_differential", {"set": "mouse", "structures1": [315], "structures2": [549]}
    ... )
    'https://host/api/v2/data/query.json?q=service::mouse_differential[set$eqmouse][structures1$eq315][structures2$eq549]'
    """

    def build_url(self, service_name: str, kwargs: Mapping[str, Any]) -> str:
        """Return the address of a search.

        Parameters
        ----------
        service_name : str
        kwargs : mapping
            Parameters by name. Values can also be lists, arrays and NumPy numbers. A parameter that
            is None is not sent. ``fmt`` is ``"json"`` or ``"xml"``. Parameters that the service does
            not declare are omitted, with a warning.

        Raises
        ------
        InvalidQueryError
            The service does not exist, a required parameter is missing, or a value is invalid.

        Warns
        -----
        DoubtfulParameterWarning
            The service does not declare this parameter or value.

        Examples
        --------
        >>> services = pdneuro.allen.ConnectedServices("https://host")
        >>> services.build_url("mouse_correlation", {"set": "mouse", "row": 75147760})
        'https://host/api/v2/data/query.json?q=service::mouse_correlation[row$eq75147760][set$eqmouse]'
        """
        arguments = dict(kwargs)
        fmt = arguments.pop("fmt", "json")
        check(service_name, arguments)
        if service_name in SERVICES:
            declared = SERVICES[service_name].parameters
            arguments = {key: value for key, value in arguments.items() if key in declared}
        return self._query(payload.service_stage(service_name, arguments), fmt)

    def query(self, service_name: str, **parameters: Any) -> pd.DataFrame:
        """Return the result of a search as a DataFrame.

        Parameters
        ----------
        service_name : str
        **parameters
            Parameters of the service by name; see :meth:`build_url`.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> pdneuro.allen.ConnectedServices().query("mouse_correlation", set="mouse", row=75147760)
               id gene-symbol    r
        0  183760        Pdyn  1.0
        1  183770         Dbp  0.9
        2  183780         A&B  0.8
        """
        return self._records(self.build_url(service_name, parameters))

    @staticmethod
    def services(names: Iterable[str] | None = None) -> pd.DataFrame:
        """Return a table of the services and their parameters.

        Returns
        -------
        DataFrame
            One row per parameter: ``service``, ``parameter`` (text), ``required`` (bool), ``values``
            (text; NA if any value is allowed).

        Examples
        --------
        >>> table = pdneuro.allen.ConnectedServices.services()
        >>> table["service"].nunique()
        30
        """
        chosen = SERVICES if names is None else {name: SERVICES[name] for name in names}
        rows = [
            {
                "service": name,
                "parameter": key,
                "required": key in service.required,
                "values": ", ".join(service.values[key]) if key in service.values else None,
            }
            for name, service in chosen.items()
            for key in service.parameters
        ]
        return from_records(rows)
