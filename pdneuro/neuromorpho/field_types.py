"""Fields of NeuroMorpho.org records: names, dtypes, units, and the words for missing values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    OfflineError,
    ServiceError,
    UnknownFieldError,
    UnreadableValuesWarning,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.tables import columns as records

#: The key of every record; the name is meant to be unique as well.
ID, NAME = "neuron_id", "neuron_name"

LISTS = ("brain_region", "cell_type", "experiment_condition", "reference_pmid", "reference_doi")
#: Numbers that the service writes as text.
NUMBERS = (
    "magnification", "slicing_thickness", "min_age", "max_age", "min_weight", "max_weight",
    "reported_value", "reported_xy", "reported_z", "corrected_value", "corrected_xy", "corrected_z",
    "soma_surface", "surface", "volume",
)  # fmt: skip
DATES = ("upload_date", "deposition_date")
NEURON = (
    ID, NAME, "archive", "species", "strain", "scientific_name", "brain_region", "cell_type", "gender",
    "age_classification", "min_age", "max_age", "age_scale", "min_weight", "max_weight",
    "experiment_condition", "protocol", "stain", "slicing_direction", "slicing_thickness",
    "objective_type", "magnification", "reconstruction_software", "original_format", "domain",
    "attributes", "physical_Integrity", "shrinkage_reported", "shrinkage_corrected", "reported_value",
    "reported_xy", "reported_z", "corrected_value", "corrected_xy", "corrected_z", "soma_surface",
    "surface", "volume", "upload_date", "deposition_date", "reference_pmid", "reference_doi", "png_url",
    "note",
)  # fmt: skip
#: Names that a query can use, and that a record does not contain.
QUERY_ONLY = (
    "brain_region_1", "brain_region_2", "brain_region_3", "cell_type_1", "cell_type_2", "cell_type_3",
    "Physical_Integrity",
)  # fmt: skip
MORPHOMETRY = (
    ID, NAME, "soma_Surface", "n_stems", "n_bifs", "n_branch", "width", "height", "depth", "diameter",
    "eucDistance", "pathDistance", "branch_Order", "contraction", "fragmentation",
    "partition_asymmetry", "pk_classic", "bif_ampl_local", "bif_ampl_remote", "fractal_Dim", "length",
    "surface", "volume",
)  # fmt: skip
PERSISTENCE = (ID, "scaling_factor", "distance", "coefficients")

UNITS: Mapping[str, str] = {
    **dict.fromkeys(("surface", "soma_surface", "soma_Surface"), "µm²"),
    **dict.fromkeys(("width", "height", "depth", "diameter", "eucDistance", "pathDistance"), "µm"),
    **dict.fromkeys(("bif_ampl_local", "bif_ampl_remote"), "degree"),
    "length": "µm",
    "volume": "µm³",
    "slicing_thickness": "µm",
    **dict.fromkeys(("min_age", "max_age"), "age_scale"),
}
#: The license of the data, and the service's research resource identifier.
LICENSE, RRID = "CC BY 4.0", "RRID:SCR_002145"

MISSING = frozenset({"", "not reported", "not applicable"})


def require(names: Iterable[str], known: Sequence[str], more: Callable[[], Iterable[str]]) -> None:
    """Raise UnknownFieldError for a name that no record has; ``more`` requests further names."""
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    with contextlib.suppress(ServiceError, OfflineError):  # then what is known has to do
        known = list(dict.fromkeys([*known, *more()]))
    for name in unknown:
        if name in known:
            continue
        raise UnknownFieldError(
            f"NeuroMorpho.org's records have no field {name!r}.{did_you_mean(name, known)} The "
            f"fields are {', '.join(sorted(known))}. pdneuro.known_names() lists their types and units."
        )


def dtype(name: str) -> Any:
    """Return the dtype of a field's column if values may be missing; text if the field is not known."""
    if name == ID:
        return "Int64"
    if name in DATES:
        return "datetime64[ns]"
    if name in LISTS or name == "coefficients":
        return object
    measured = (*MORPHOMETRY, *PERSISTENCE)
    return "Float64" if name in NUMBERS or (name in measured and name != NAME) else TEXT


def columns(entries: Sequence[dict[str, Any] | None], names: Sequence[str]) -> dict[str, Any]:
    """Return arrays with correct dtypes, one entry per record, missing if a record is None.

    Parameters
    ----------
    entries : sequence of dict or None
        Records as the service sends them.
    names : sequence of str
        Fields, in the order wanted.

    Returns
    -------
    dict
        ``neuron_id`` int64 (Int64 where something is missing); numbers Float64; dates datetime64[ns];
        lists as they are; all else text. The service's spellings of "missing" are NA.
    """
    lost: dict[str, list[Any]] = {}
    found = {}
    for name in names:
        values = _present([None if entry is None else entry.get(name) for entry in entries])
        found[name] = _field_column(name, values, lost)
    for name, odd in lost.items():
        warn(
            f"{len(odd):,} values of {name!r} are no {'dates' if name in DATES else 'numbers'} and are "
            f"NA: {listing(map(repr, odd))}. raw=True returns the values of the service.",
            UnreadableValuesWarning,
        )
    return found


def _present(values: list[Any]) -> list[Any]:
    """Return values with None for each word of the service for a missing value."""
    texts = {value for value in values if isinstance(value, str)}
    gone = {text for text in texts if text.strip().lower() in MISSING}
    lists = {id(value) for value in values if isinstance(value, list) and _says_nothing(value)}
    if not gone and not lists:
        return values
    return [
        None if (isinstance(value, str) and value in gone) or id(value) in lists else value
        for value in values
    ]


def _says_nothing(cell: list[Any]) -> bool:
    return all(
        part is None or (isinstance(part, str) and part.strip().lower() in MISSING) for part in cell
    )


def _field_column(name: str, values: list[Any], lost: dict[str, list[Any]]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if name == ID:
        return records.column(values, name)
    kind = dtype(name)
    if kind == "Float64":
        return _numbers(name, values, lost)
    if kind == "datetime64[ns]":
        given = pd.Series(values, dtype=object)
        moments = pd.to_datetime(given, errors="coerce", format="ISO8601", utc=True)
        odd = given[moments.isna() & given.notna()]
        if len(odd):
            lost[name] = list(odd)
        return moments.dt.tz_localize(None).astype("datetime64[ns]").array
    if kind is object or list in kinds:
        return records.objects([value] if isinstance(value, str) else value for value in values)
    if kinds <= {str}:
        return pd.array(values, dtype=TEXT)
    return records.column(values, name)


def _numbers(name: str, values: list[Any], lost: dict[str, list[Any]]) -> Any:
    numbers = np.array([*map(_number, values)], np.float64)
    absent = ~np.isfinite(numbers)
    odd = [values[place] for place in np.flatnonzero(absent) if values[place] is not None]
    if odd:
        lost[name] = odd
    return pd.arrays.FloatingArray(np.where(absent, 0.0, numbers), absent)


def _number(value: Any) -> float:
    # Python's own: before pandas 3 to_numeric() does not round correctly.
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def frame(entries: Sequence[dict[str, Any]], known: Sequence[str], *, raw: bool = False) -> pd.DataFrame:
    """Return records as a table: the known fields in their order, then the other fields.

    With ``raw`` all keys and values are unchanged.
    """
    keys = dict.fromkeys(chain.from_iterable(entries))
    if raw:
        keys = keys or dict.fromkeys(known)
        cells = {key: pd.Series([entry.get(key) for entry in entries], dtype=object) for key in keys}
        return pd.DataFrame(cells, index=pd.RangeIndex(len(entries)))
    names = [*known, *(key for key in keys if key not in known and key != "_links")]
    return pd.DataFrame(columns(entries, names), index=pd.RangeIndex(len(entries)), copy=False)


def about(names: Iterable[str]) -> dict[str, Any]:
    """Return the provenance of a table: license, identifier, units of its columns."""
    units = "; ".join(f"{name}: {UNITS[name]}" for name in names if name in UNITS)
    return {"license": LICENSE, "rrid": RRID, **({"units": units} if units else {})}
