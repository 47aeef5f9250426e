"""Return rows of a class of the service as a table."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from pdneuro.allen import payload, send
from pdneuro.errors import InvalidQueryError
from pdneuro.options import Fetch, get_option
from pdneuro.tables.columns import NESTED, from_records
from pdneuro.tables.provenance import stamp
from pdneuro.transport.http import all_or_none


@all_or_none()
def model_rows(
    query: payload.ModelQuery, fetch: Fetch, *, nested: str = "keep", page_size: int | None = None
) -> pd.DataFrame:
    """Return the rows that a query selects.

    Parameters
    ----------
    query : ModelQuery
    fetch : Fetch
    nested : {"keep", "flatten", "explode"}, default "keep"
        What to do with records in a cell; see :func:`pdneuro.tables.from_records`.
    page_size : int, optional
        Number of rows per request. Default: all rows in one request.
    """
    if nested not in NESTED:
        raise InvalidQueryError(f"nested must be one of {', '.join(NESTED)}, not {nested!r}.")
    if page_size is not None and (not isinstance(page_size, int) or page_size < 1):
        raise InvalidQueryError(f"page_size must be a positive number of rows, not {page_size!r}.")
    return as_table(model_records(query, fetch, page_size), nested)


def model_records(query: payload.ModelQuery, fetch: Fetch, page_size: int | None = None) -> send.Table:
    """Return the records that a query selects, in its order."""
    if len(query.ids) <= payload.MAX_IDS:
        return send.rows(query, fetch, page_size)
    # The service orders and counts the rows of each request, and there are several.
    options, limit = dict(query.options), payload.row_limit(query.options)
    start = int(options.pop("start_row", None) or 0)
    if limit is not None:
        options["num_rows"] = start + limit
    found = send.rows(query._replace(options=options), fetch, page_size)
    places = _in_order(as_table(found), options.get("order")).index
    chosen = places[start : None if limit is None else start + limit]
    return found._replace(rows=[found.rows[place] for place in chosen])


def all_rows(model: str, ids: Any = (), *, refresh: bool = False, **options: Any) -> pd.DataFrame:
    """Return all rows of a class, from the address in the options."""
    endpoint = f"{get_option('allen_url')}/api/v2/data"
    query = payload.ModelQuery(endpoint, model, {**options, "num_rows": "all"}, ids)
    return model_rows(query, Fetch.of(refresh=refresh))


def as_table(table: send.Table, nested: str = "keep") -> pd.DataFrame:
    """Return records as a table, with the address of the request as its provenance."""
    return stamp(from_records(table.rows, nested), source="allen", query=table.url)


def _in_order(table: pd.DataFrame, order: Any) -> pd.DataFrame:
    """Sort the rows of several responses by the order of the query, if the table has its columns."""
    parts = [order] if isinstance(order, str) else list(order or ())
    keys = [re.split(r"[+ $]+", part.strip("'")) for part in parts]
    names = [key[0].rpartition(".")[2] for key in keys]
    if not names or not set(names) <= set(table.columns):
        return table
    ascending = [key[-1].lower() != "desc" for key in keys]
    return table.sort_values(names, ascending=ascending, kind="stable")
