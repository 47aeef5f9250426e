"""What is known of the neurons of a column: which they are, their records, their files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from pdneuro.errors import InvalidIdError, MultipleRecordsError, listing
from pdneuro.neuromorpho import catalogue, parse, payload, questions
from pdneuro.neuromorpho import field_types as vocabulary
from pdneuro.neuromorpho.field_types import ID, NAME
from pdneuro.options import Fetch
from pdneuro.tables.ids import MISSING_TEXT, Int64Array
from pdneuro.tables.joins import distinct_rows
from pdneuro.transport.answers import Answers
from pdneuro.transport.fetch import fetch_by_id

Record = dict[str, Any]
#: Fields of each kind of record, and the service's word for it.
KINDS = {
    "neuron": ("neuron", vocabulary.NEURON),
    "morphometry": ("morphometry", vocabulary.MORPHOMETRY),
    "persistence": ("pvec", vocabulary.PERSISTENCE),
}


class Neurons(NamedTuple):
    """The distinct neurons of a column, and for each row its place among them."""

    #: ``"neuron_id"`` or ``"neuron_name"``.
    key: str
    #: IDs, or numbers that stand for names; 0 for a missing one.
    keys: Int64Array
    #: Names by key; empty where IDs were given.
    names: dict[int, str]
    rows: Any

    def labels(self) -> list[Any]:
        """What the caller calls them."""
        return [self.names.get(key, key) for key in self.keys.tolist()]


def neurons(column: pd.Series[Any], key: str | None = None) -> Neurons:
    """Tell the neurons of a column apart.

    Parameters
    ----------
    column : Series
        Integers are IDs, text is names; but for a column called ``neuron_id`` or ``neuron_name``.
    key : {"neuron_id", "neuron_name"}, optional
        What the column holds, where that is not what it looks like.

    Raises
    ------
    InvalidIdError
        IDs and names are mixed; or numbers that are no IDs.
    """
    if key not in (None, ID, NAME):
        raise ValueError(f"key must be {ID!r} or {NAME!r}, not {key!r}.")
    # The name of the column decides, in any case: the names of neurons may be numbers.
    called = str(column.name).casefold()
    key = key or (called if called in (ID, NAME) else None)
    if key == ID or (key is None and not _holds_text(column)):
        keys, rows = distinct_rows(column)
        return Neurons(ID, keys, {}, rows)
    text = column.astype(object).where(column.notna(), "").map(_as_name)
    rows, distinct = pd.factorize(text.where(~text.isin(MISSING_TEXT - {"NA", "nan"}), ""))
    keys = np.array([questions.key_of_name(name) if name else 0 for name in distinct], np.int64)
    return Neurons(
        NAME, keys, {int(key): name for key, name in zip(keys, distinct, strict=True) if key}, rows
    )


def _as_name(cell: Any) -> str:
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)


def _holds_text(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.cat.categories, name=column.name)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if not kind.startswith("mixed"):
        return kind == "string"
    present = column[column.notna()]
    is_text = present.map(lambda cell: isinstance(cell, str)).to_numpy(bool)
    if not is_text.any():
        return False
    number, name = present[~is_text].index[0], present[is_text].index[0]
    raise InvalidIdError(
        f"column {column.name!r} mixes IDs and names: {present[number]!r} (row {number!r}) and "
        f"{present[name]!r} (row {name!r}). Look them up apart, or by one of them: key={ID!r}."
    )


def records(kind: str, asked: Neurons, fetch: Fetch) -> list[Record | None]:
    """The record of each distinct neuron, None where there is none.

    Raises
    ------
    MultipleRecordsError
        Several neurons have one name.
    ServiceError, OfflineError
        As for :func:`pdneuro.transport.fetch.fetch_by_id`.
    """
    if asked.key == ID:
        return _by_id(KINDS[kind][0], asked.keys, fetch)
    found = _by_name(asked, fetch)
    if kind == "neuron":
        return found
    # Other records are asked for by ID, which the neuron's own record tells.
    ids = np.array([0 if record is None else record[ID] for record in found], np.int64)
    distinct, places = np.unique(ids, return_inverse=True)
    others = _by_id(KINDS[kind][0], distinct, fetch)
    return [others[place] for place in places]


def _by_id(resource: str, ids: Int64Array, fetch: Fetch) -> list[Record | None]:
    question = questions.by_id(resource, fetch)
    size = min(fetch.batch_size, questions.IDS_AT_ONCE)
    answers = fetch_by_id(ids[ids != 0], question, fetch._replace(batch_size=size))
    return _spread(
        ids, answers, [None if body is None else parse.decoded(body) for body in answers.bodies]
    )


def _by_name(asked: Neurons, fetch: Fetch) -> list[Record | None]:
    question = questions.by_name(asked.names, fetch)
    size = min(fetch.batch_size, questions.NAMES_AT_ONCE)
    keys = asked.keys[asked.keys != 0]
    answers = fetch_by_id(keys, question, fetch._replace(batch_size=size))
    lists = [None if body is None else msgspec.json.decode(body) for body in answers.bodies]
    several = [
        f"{asked.names[key]!r} (IDs {', '.join(str(record.get(ID)) for record in found)})"
        for key, found in zip(keys.tolist(), lists, strict=True)
        if found is not None and len(found) > 1
    ]
    if several:
        raise MultipleRecordsError(
            f"{len(several):,} names are of several neurons: {listing(several, 3)}. Look them up "
            f"by {ID}."
        )
    return _spread(asked.keys, answers, [None if found is None else found[0] for found in lists])


def _spread(ids: Int64Array, answers: Answers, entries: Sequence[Record | None]) -> list[Record | None]:
    """Entries of the IDs that were asked, with None for the missing one."""
    rest = iter(entries)
    return [None if number == 0 else next(rest) for number in ids]


def table(
    kind: str, asked: Neurons, wanted: Sequence[str], fetch: Fetch, *, raw: bool = False
) -> dict[str, Any]:
    """Columns of the distinct neurons' records.

    Raises
    ------
    UnknownFieldError
        A field that the records do not have.
    """
    known = KINDS[kind][1]
    more = catalogue.fields if kind == "neuron" else tuple
    vocabulary.require(wanted, (*known, "_links") if raw else known, more)
    names = list(dict.fromkeys(wanted or known))
    if {"min_age", "max_age"} & set(names) and "age_scale" not in names:
        names.append("age_scale")  # without it an age says nothing
    entries = records(kind, asked, fetch)
    if not raw:
        return vocabulary.columns(entries, names)
    columns = {}
    for name in names:
        columns[name] = np.empty(len(entries), object)
        columns[name][:] = [None if entry is None else entry.get(name) for entry in entries]
    return columns


def files(asked: Neurons, version: str, fetch: Fetch) -> list[tuple[Record | None, bytes | None]]:
    """Record and file of each distinct neuron, None where there is none."""
    found = records("neuron", asked, fetch)
    where = questions.files_address()
    urls = {
        int(record[ID]): payload.file_url(
            where,
            str(record["archive"]),
            str(record[NAME]),
            version,
            payload.source_ending(record.get("original_format")),
        )
        for record in found
        if record is not None and record.get("archive")
    }
    ids = np.array(sorted(urls), np.int64)
    answers = fetch_by_id(ids, questions.files(urls, version, fetch), fetch._replace(batch_size=1))
    contents = {
        number: zlib.decompress(body)
        for number, body in zip(ids.tolist(), answers.bodies, strict=True)
        if body is not None
    }
    return [(record, None if record is None else contents.get(int(record[ID]))) for record in found]
