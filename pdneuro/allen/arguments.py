"""Check the arguments of Allen queries, and write them as RMA text: IDs, names, values, quotes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidIdError, InvalidQueryError, PrecisionLossError, listing
from pdneuro.tables.ids import as_series, distinct_ids

#: Text in quotes; an apostrophe in it is doubled.
QUOTED = r"'(?:[^']|'')*'"
_QUOTED_LIST = re.compile(rf"{QUOTED}(?:,{QUOTED})*")
#: Text that does not need quotes: a word, a number, a column, a ``$variable``.
_PLAIN = re.compile(r"\$?[\w.:*/+-]+(?:\$\w+)?")


def quote(the_string: str) -> str:
    """Return a value in quotes, with its apostrophes doubled; quoted text is unchanged.

    Examples
    --------
    >>> pdneuro.allen.payload.quote("Ammon's horn"), pdneuro.allen.RmaApi.quote_string("'Ammon''s horn'")
    ("'Ammon''s horn'", "'Ammon''s horn'")
    """
    text = the_string
    if _QUOTED_LIST.fullmatch(text):
        return text
    if len(text) > 1 and text[0] == text[-1] == "'":  # quoted by hand, an apostrophe inside
        text = text[1:-1]
    return "'" + text.replace("''", "'").replace("'", "''") + "'"


def names(values: Any, what: str) -> str:
    """Return one name or several as a quoted list.

    >>> names(["NHP - Coarse", "'Mouse - Areas'"], "structure_set_names")
    "'NHP - Coarse','Mouse - Areas'"
    """
    given = [values] if isinstance(values, str) else items(values, what)
    wrong = [value for value in given if not isinstance(value, str) or not value.strip("' ")]
    if wrong:
        raise InvalidQueryError(f"{what} takes names as text, not {listing(map(repr, wrong))}.")
    return ",".join(map(quote, given))


def id_list(values: Any, what: str) -> list[int]:
    """Return one ID or several as distinct integers, without missing ones.

    Parameters
    ----------
    values : int, str or iterable
        Also a Series, an Index, an array; nullable columns and NumPy scalars.
    what : str
        Name of the argument, for messages.

    Raises
    ------
    InvalidQueryError
        No ID is left, or a value is not an ID. ID 0 counts as missing: the service would return the
        whole table.
    """
    given = values if isinstance(values, pd.Series | pd.Index) else items(values, what)
    try:
        ids = distinct_ids(as_series(given, what))
    except (InvalidIdError, PrecisionLossError) as error:
        shown = (
            given if isinstance(given, list) and len(given) < 10 else f"these {type(values).__name__}"
        )
        raise InvalidQueryError(f"{what} takes whole numbers from 1 on, not {shown}: {error}") from error
    if not len(ids):
        raise InvalidQueryError(f"{what} holds no ID: it is empty, or its values are missing or 0.")
    return [int(number) for number in ids]


def ids(values: Any, what: str) -> str:
    """Return the IDs of :func:`id_list`, separated by commas."""
    return ",".join(map(str, id_list(values, what)))


def one_id(value: Any, what: str) -> int:
    """Return a single ID."""
    found = id_list(value, what)
    if len(found) > 1:
        raise InvalidQueryError(f"{what} takes one ID, not {len(found):,}.")
    return found[0]


def value(given: Any, what: str) -> str:
    """Return a value as the service reads it: numbers, ``true``, text (with quotes if needed), lists.

    >>> value([315, "Isocortex", True], "structures"), value("Ammon's horn", "name")
    ('315,Isocortex,true', "'Ammon''s horn'")
    """
    if isinstance(given, bool | np.bool_):
        return "true" if given else "false"
    if isinstance(given, int | np.integer):
        return str(int(given))
    if isinstance(given, float | np.floating):
        if not math.isfinite(given):
            raise InvalidQueryError(f"{what} cannot be {given}; leave a missing value out.")
        return repr(float(given))
    if isinstance(given, str):
        if not given:
            raise InvalidQueryError(f"{what} is empty text; leave it out, or pass None.")
        plain = _PLAIN.fullmatch(given) or _QUOTED_LIST.fullmatch(given)
        return given if plain and "+" not in given else quote(given)
    if given is None or given is pd.NA or given is pd.NaT or isinstance(given, Mapping | bytes):
        raise InvalidQueryError(f"{what} cannot be {given!r}; leave a missing value out.")
    return ",".join(value(item, what) for item in items(given, what))


def items(values: Any, what: str) -> list[Any]:
    """Return the items of an iterable; a scalar is one item."""
    if values is None or values is pd.NA:
        raise InvalidQueryError(f"{what} is missing ({values!r}).")
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return [values]
    if isinstance(values, pd.DataFrame | Mapping):
        raise InvalidQueryError(f"{what} takes one column or list, not a {type(values).__name__}.")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        values = values.reshape(-1)
    found = sorted(values, key=str) if isinstance(values, set | frozenset) else list(values)
    if not found:
        raise InvalidQueryError(f"{what} is empty.")
    return found
