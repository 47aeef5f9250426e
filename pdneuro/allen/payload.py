"""Build requests to the Allen Brain Atlas: queries in its language RMA, as text.

Grammar: http://help.brain-map.org/display/api/RESTful+Model+Access+(RMA).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote as percent_encode

import numpy as np

from pdneuro.allen.arguments import QUOTED, id_list, ids, items, names, one_id, quote, value
from pdneuro.errors import InvalidQueryError, listing
from pdneuro.transport.http import JSON, Request

#: Values are written by :mod:`pdneuro.allen.arguments`.
__all__ = ["id_list", "ids", "names", "one_id", "quote", "value"]

#: What the service can do, with a call that does it.
CAPABILITIES = {
    "structures": "Structures by ID or acronym: ids.neuro.structures(), .rollup(), .is_under().",
    "experiments": "Projection experiments: pdneuro.allen.experiments(structure).",
    "cells": "Cells of the Cell Types Database: pdneuro.allen.cells().",
}
#: Volumes of an expression experiment, and of a projection experiment.
EXPRESSION = ("energy", "density", "intensity")
PROJECTION = (
    "projection_density",
    "projection_energy",
    "injection_fraction",
    "injection_density",
    "injection_energy",
    "data_mask",
)
#: Voxel sizes of the reference space in µm, and its default version.
RESOLUTIONS = (10, 25, 50, 100)
CCF_VERSION = "annotation/ccf_2017"
#: Maximum number of IDs in one address; the IDs of a longer list are divided into several requests.
MAX_IDS = 400
#: Column that identifies the rows of a class, if it is not ``id``.
_KEYS = {"ApiCellTypesSpecimenDetail": "specimen__id", "ApiConnectivity": "data_set_id"}
#: Options of a model stage, in the order in which they are written.
OPTIONS = ("only", "except", "tabular", "num_rows", "start_row", "order", "debug", "count")

_NAME = re.compile(r"[A-Za-z_]\w*")
#: Characters that go into an address as they are; within quotes ``&`` and ``+`` mean themselves.
_SAFE = "-_.~;/?:@=$,"
_PAIRS = {"]": "[", ")": "("}


# -- clauses --------------------------------------------------------------------------------------


def clause(name: str, given: Any) -> str:
    """Return criteria or includes: one text, or several that are joined with nothing between them.

    Raises
    ------
    InvalidQueryError
        The text is empty, or its brackets or quotes are not closed.
    """
    parts = [given] if isinstance(given, str) else items(given, name)
    text = "".join(str(part) for part in parts)
    if not text.strip():
        raise InvalidQueryError(f"{name} is empty; leave it out for the whole table.")
    _check_balance(name, text)
    return text


def _check_balance(name: str, text: str) -> None:
    """Raise InvalidQueryError for a bracket or quote that is not closed."""
    bare = re.sub(QUOTED, lambda found: "_" * len(found[0]), text)
    if "'" in bare:
        raise InvalidQueryError(
            f"{name} has a quote at character {bare.index(chr(39)) + 1} that is not closed: {text!r}. "
            "An apostrophe within quotes is written twice: 'Ammon''s horn', as "
            "pdneuro.allen.payload.quote() does."
        )
    opened: list[tuple[str, int]] = []
    for place, character in enumerate(bare, 1):
        if character in "[(":
            opened.append((character, place))
        elif character in _PAIRS and (not opened or opened.pop()[0] != _PAIRS[character]):
            raise InvalidQueryError(f"{name} has {character!r} too many at character {place}: {text!r}.")
    if opened:
        raise InvalidQueryError(
            f"{name} has {opened[-1][0]!r} at character {opened[-1][1]} that is not closed: {text!r}."
        )


def filters(given: Mapping[str, Any] | Iterable[Sequence[Any]] | None, *, ordered: bool = False) -> str:
    """Return filters in brackets from a mapping, ``(name, value)`` or ``(name, operator, value)``.

    ``ordered`` sorts them by name, as service parameters are. Values of None are left out. An operator
    is ``eq`` or ``$eq``.

    >>> filters({"graph_id": 1}), filters([("genes", "is", "'id'")])
    ('[graph_id$eq1]', "[genes$is'id']")
    """
    entries = list(given.items() if isinstance(given, Mapping) else given or ())
    wrong = [
        entry
        for entry in entries
        if isinstance(entry, str) or not isinstance(entry, Collection) or len(entry) not in (2, 3)
    ]
    if wrong:
        raise InvalidQueryError(
            f"a filter is (name, value) or (name, operator, value), not {listing(map(repr, wrong))}."
        )
    if ordered:
        entries.sort(key=lambda entry: str(entry[0]))
    text = ""
    for name, *operator, given_value in entries:
        if given_value is None:
            continue
        many = not isinstance(given_value, str) and isinstance(given_value, Iterable)
        sign = str(operator[0]).removeprefix("$") if operator else "in" if many and not ordered else "eq"
        text += f"[{name}${sign}{value(given_value, str(name))}]"
    return text


def options(given: Mapping[str, Any]) -> str:
    """Return the options of a model stage, after ``rma::options``; empty if none is given."""
    unknown = sorted(given.keys() - set(OPTIONS))
    if unknown:
        raise InvalidQueryError(
            f"unknown option {listing(map(repr, unknown))}; RMA has {', '.join(OPTIONS)}."
        )
    written = "".join(option(name, given[name]) for name in OPTIONS if given.get(name) is not None)
    return f"rma::options{written}" if written else ""


def option(name: str, given: Any) -> str:
    """Return an option of a model stage as text.

    >>> option("order", ["name", "id+desc"]), option("num_rows", "all")
    ('[order$eqname,id+desc]', "[num_rows$eq'all']")
    """
    return f"[{name}$eq{_OPTION_TEXT[name](name, given)}]"


def _columns(name: str, given: Any) -> str:
    parts = [given] if isinstance(given, str) else items(given, name)
    wrong = [part for part in parts if not isinstance(part, str) or not part]
    if wrong:
        raise InvalidQueryError(f"{name} takes column names, not {listing(map(repr, wrong))}.")
    return ",".join(parts)


def _whole(name: str, given: Any) -> str:
    if name == "num_rows" and isinstance(given, str) and given.strip("'") == "all":
        return "'all'"
    number = None
    if isinstance(given, str) and given.isdecimal():
        number = int(given)
    elif isinstance(given, int | float | np.number) and not isinstance(given, bool):
        number = int(given) if math.isfinite(given) and given == int(given) else None
    if number is None or number < 0:
        rest = " or 'all'" if name == "num_rows" else ""
        raise InvalidQueryError(f"{name} takes a whole number from 0 on{rest}, not {given!r}.")
    return str(number)


def _flag(name: str, given: Any) -> str:
    if isinstance(given, bool | np.bool_):
        return "true" if given else "false"
    words = ("true", "false", *(["preview"] if name == "debug" else []))
    if isinstance(given, str) and given.strip("'").lower() in words:
        word = given.strip("'").lower()
        return "'preview'" if word == "preview" else word
    raise InvalidQueryError(f"{name} takes {' or '.join(words)}: {given!r}.")


_OPTION_TEXT = {
    **dict.fromkeys(("only", "except", "tabular", "order"), _columns),
    **dict.fromkeys(("num_rows", "start_row"), _whole),
    **dict.fromkeys(("debug", "count"), _flag),
}


# -- stages ---------------------------------------------------------------------------------------


def model_name(given: Any) -> str:
    """Return a class of the schema; only its spelling is checked."""
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise InvalidQueryError(f"a model is a class name such as 'Structure', not {given!r}.")
    return given


def model_stage(
    model: str,
    *,
    filters: Mapping[str, Any] | Iterable[Sequence[Any]] | None = None,
    criteria: str | Sequence[str] | None = None,
    include: str | Sequence[str] | None = None,
    **given: Any,
) -> str:
    """Return a model stage as text: which rows of which class.

    Parameters
    ----------
    model : str
        A class of Allen's schema, such as ``"Structure"``.
    filters : mapping or list, optional
        Filters after the class name: ``{name: value}``, or ``(name, operator, value)`` in a list.
    criteria, include : str or list of str, optional
        Rows to select, and associated tables to add to them.
    **given
        ``only, except`` (or ``excpt``)``, tabular, num_rows, start_row, order, debug, count``.

    Returns
    -------
    str

    Examples
    --------
    >>> stage = pdneuro.allen.payload.model_stage
    >>> stage("Structure", criteria="[graph_id$eq1]", order="graph_order", num_rows=5)
    'model::Structure,rma::criteria,[graph_id$eq1],rma::options[num_rows$eq5][order$eqgraph_order]'
    """
    model = model_name(model)
    if given.get("excpt") is not None:
        given["except"] = given["excpt"]
    given.pop("excpt", None)
    parts = [f"model::{model}{_filters(filters)}"]
    if criteria is not None:
        parts += ["rma::criteria", clause("criteria", criteria)]
    if include is not None:
        parts += ["rma::include", clause("include", include)]
    written = options(given)
    return ",".join([*parts, written] if written else parts)


_filters = filters


class ModelQuery(NamedTuple):
    """A query for the rows of one class.

    ``options`` are the arguments of :func:`model_stage`; ``{ids}`` in their criteria is replaced by
    ``ids``. ``before`` are the stages in front.
    """

    endpoint: str
    model: str
    options: Mapping[str, Any]
    ids: Sequence[int] = ()
    before: Sequence[str] = ()

    @property
    def key(self) -> str:
        """Name of the column that identifies a row."""
        return _KEYS.get(self.model, "id")

    def url(self, **changes: Any) -> str:
        """Return the address of the query, with other options."""
        given = {**self.options, **changes}
        if self.ids:
            given["criteria"] = given["criteria"].replace("{ids}", ",".join(map(str, self.ids)))
        return f"{self.endpoint}/{query([*self.before, model_stage(self.model, **given)])}"


def row_limit(options: Mapping[str, Any]) -> int | None:
    """Return the maximum number of rows of a query, None for all rows or the service's own limit."""
    limit = options.get("num_rows")
    return None if limit is None or str(limit).strip("'") == "all" else int(limit)


def pipe_stage(
    pipe_name: str, parameters: Mapping[str, Any] | Iterable[Sequence[Any]] | None = None
) -> str:
    """Return a pipe as text: it names a column of the previous stage, for ``$name`` in the next one.

    Examples
    --------
    >>> pdneuro.allen.payload.pipe_stage("list", [("type_name", "is", "'image_type'")])
    "pipe::list[type_name$is'image_type']"
    """
    return f"pipe::{pipe_name}{filters(parameters, ordered=True)}"


def service_stage(
    service_name: str, parameters: Mapping[str, Any] | Iterable[Sequence[Any]] | None = None
) -> str:
    """Return a connected service as text, with its parameters sorted by name.

    Examples
    --------
    >>> parameters = {"set": "mouse", "row": 1, "structures": ["TH", "CTX"]}
    >>> pdneuro.allen.payload.service_stage("mouse_correlation", parameters)
    'service::mouse_correlation[row$eq1][set$eqmouse][structures$eqTH,CTX]'
    """
    return f"service::{service_name}{filters(parameters, ordered=True)}"


def query(stages: str | Iterable[str], fmt: str = "json") -> str:
    """Return the path of a query, below ``api/v2/data``: its stages joined by commas.

    >>> query("model::Atlas")
    'query.json?q=model::Atlas'
    """
    if fmt not in ("json", "xml", "csv"):
        raise InvalidQueryError(f"fmt is json, xml or csv, not {fmt!r}.")
    return f"query.{fmt}?q={stages if isinstance(stages, str) else ','.join(stages)}"


def expression_url(api_url: str, section_data_set_id: Any, include: Any = None) -> str:
    """Return the address of the volumes of a gene expression experiment."""
    number = one_id(section_data_set_id, "section_data_set_id")
    query = "" if include is None else f"?include={_kinds(include, EXPRESSION, 'include')}"
    return f"{api_url}/grid_data/download/{number}{query}"


def projection_url(
    api_url: str, section_data_set_id: Any, image: Any = None, resolution: Any = None
) -> str:
    """Return the address of a volume of a projection experiment."""
    number = one_id(section_data_set_id, "section_data_set_id")
    query = []
    if image is not None:
        query.append(f"image={_kinds(image, PROJECTION, 'image')}")
    if resolution is not None:
        query.append(f"resolution={one_id(resolution, 'resolution')}")
    return f"{api_url}/grid_data/download_file/{number}{'?' if query else ''}{'&'.join(query)}"


def archive_url(
    files_url: str,
    data_path: str,
    file_name: str,
    release: str | None = None,
    coordinate_framework: str | None = None,
) -> str:
    """Return the address of a file of the archive of reference volumes."""
    folder = f"{release or 'current-release'}/{coordinate_framework or 'mouse_ccf'}"
    return f"{files_url}/informatics-archive/{folder}/{data_path}/{file_name}"


def checked_resolution(given: Any) -> int:
    """Return a resolution in µm, if the archive has it."""
    if given not in RESOLUTIONS:
        raise InvalidQueryError(f"resolution must be 10, 25, 50 or 100 µm, not {given!r}.")
    return int(given)


def _kinds(given: Any, known: tuple[str, ...], what: str) -> str:
    kinds = [given] if isinstance(given, str) else list(given)
    wrong = [kind for kind in kinds if kind not in known]
    if wrong or not kinds:
        raise InvalidQueryError(
            f"{what} is among {', '.join(known)}, not {listing(map(repr, wrong)) or 'empty'}."
        )
    return ",".join(kinds)


def get(url: str) -> Request:
    """Return the request for a document of an encoded address."""
    return Request("GET", url, headers=JSON)


def encoded(address: str) -> str:
    """Return an address ready to be sent; ``&`` and ``+`` within quotes are part of the value.

    >>> encoded("http://host/query.json?q=model::Gene,rma::criteria,[name$eq'A&B']")
    'http://host/query.json?q=model::Gene,rma::criteria,%5Bname$eq%27A%26B%27%5D'
    """
    pieces = re.split(f"({QUOTED})", address)
    return "".join(
        percent_encode(piece, safe=_SAFE if place % 2 else f"{_SAFE}&+")
        for place, piece in enumerate(pieces)
    )
