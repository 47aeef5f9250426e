"""Save results of calls in CSV, JSON or parquet files, and read them back unchanged."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype, pandas_dtype

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.allen.api.base import Api
from pdneuro.errors import CacheError, listing
from pdneuro.transport.store import cache_folder, make_private_folder

Function = TypeVar("Function", bound=Callable[..., Any])
#: Contents of the files of one result, by the text that follows the file's name.
Files = dict[str, bytes]
#: Cells of a column as text; None for a missing cell.
Texts = list[str | None]

_FORMATS = ("csv", "json", "parquet")
_LAYOUT = 2
_PARSERS: dict[str, Callable[[str], Any]] = {"b": "True".__eq__, "i": int, "u": int, "f": float}
#: Errors of content that pdneuro did not write.
_UNREADABLE = (AttributeError, ImportError, LookupError, TypeError, ValueError)


class Cache:
    """Files with the results of calls.

    Parameters
    ----------
    folder : path, optional
        Folder of relative paths. Default: the current folder; for :meth:`cacheable` the folder
        ``tables`` of pdneuro's cache.

    Notes
    -----
    A file is complete or does not exist. It contains the call that made it, so it is not used for a
    call with other arguments. Dtypes, index, missing values and nested cells are read back
    unchanged; a table that a format would change is rejected. The dtypes of ``{name}.csv`` are in
    ``{name}.csv.json``; without it, or after a change, the CSV file is rejected. Parquet needs the
    extra ``files``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
    >>> rma = pdneuro.allen.RmaApi()
    >>> first = cache.wrap(rma.model_query, "sets.csv", model="StructureSet", order="id")
    >>> read = cache.wrap(rma.model_query, "sets.csv", model="StructureSet", order="id")
    >>> first.equals(read), read["id"].tolist()
    (True, [2, 167587189, 687527670, 687527945])
    """

    def __init__(self, folder: Any = None) -> None:
        self.folder = None if folder is None else Path(folder).expanduser()

    def wrap(
        self,
        fn: Callable[..., Any],
        path: Any,
        cache: bool | None = None,
        save_as_json: bool = True,
        return_dataframe: bool = True,
        index: str | None = None,
        rename: Sequence[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the result of a call, from a file or from the service.

        Parameters
        ----------
        fn : callable
            Such as ``RmaApi().model_query``.
        path : path
            ``.csv``, ``.json`` or ``.parquet``.
        cache : bool, optional
            True calls ``fn`` and writes the file; False only reads the file. Default: read the file
            if it contains this call, else call and write.
        save_as_json : bool, default True
            Add ``.json`` to a path without an ending; False adds ``.csv``.
        return_dataframe : bool, default True
            Return a DataFrame; False returns a list of records.
        index : str, optional
            Column that becomes the index.
        rename : list of (new, old), optional
            New names of columns.
        **kwargs
            Arguments of ``fn``.

        Returns
        -------
        DataFrame, list, or the result of ``fn``

        Raises
        ------
        CacheError
            With ``cache=False``, the file does not exist or contains another call; or the format
            would change the result.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> sets = pdneuro.allen.OntologiesApi().get_structure_sets
        >>> first = cache.wrap(sets, "sets.json", rename=[("number", "id")], index="number")
        >>> read = cache.wrap(sets, "sets.json", cache=False, return_dataframe=False)
        >>> first.loc[2, "name"], read[0]["name"]
        ('Mouse - Coarse', 'Mouse - Coarse')
        """
        target = self._path(path, "json" if save_as_json else "csv")
        result = self._recall(target, call_key(fn, (), kwargs), lambda: fn(**kwargs), cache)
        if not isinstance(result, pd.DataFrame):
            return result
        if rename:
            result = result.rename(columns={old: new for new, old in rename})
        if index is not None:
            result = result.set_index(index)
        return result if return_dataframe else result.to_dict("records")

    def cacheable(self, fmt: str = "parquet") -> Callable[[Function], Function]:
        """Decorate a function so that each call is saved in a file.

        Parameters
        ----------
        fmt : {"parquet", "csv", "json"}

        Returns
        -------
        callable
            A decorator. The decorated function has an additional argument ``to_cache``: True calls the
            function and writes the file, False only reads the file.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> structures = cache.cacheable("csv")(pdneuro.allen.OntologiesApi().get_structures)
        >>> first = structures(1, order="id")
        >>> read = structures(1, order="id", to_cache=False)
        >>> first.equals(read)
        True
        """
        if fmt not in _FORMATS:
            raise CacheError(f"the format is {', '.join(_FORMATS)}, not {fmt!r}.")

        def decorate(fn: Function) -> Function:
            @functools.wraps(fn)
            def cached(*args: Any, to_cache: bool | None = None, **kwargs: Any) -> Any:
                key = call_key(fn, args, kwargs)
                folder = self.folder
                if folder is None:
                    make_private_folder(cache_folder())
                    folder = cache_folder() / "tables"
                name = re.sub(r"\W+", "_", getattr(fn, "__qualname__", "call"))
                digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
                path = folder / f"{name}-{digest}.{fmt}"
                return self._recall(path, key, lambda: fn(*args, **kwargs), to_cache)

            return cached  # type: ignore[return-value]

        return decorate

    def to_cache(self, result: Any, path: Any, key: str = "") -> Path:
        """Write a DataFrame, or a value of JSON types, to a file.

        Parameters
        ----------
        result : DataFrame, list, dict, str, number or None
        path : path
            ``.csv`` (DataFrames only), ``.json`` or ``.parquet`` (DataFrames only).
        key : str
            The call that made the result.

        Raises
        ------
        CacheError
            The format would change the result, or the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> file = cache.to_cache(pdneuro.sandbox.neurons(), "neurons.csv")
        >>> sorted(path.name for path in file.parent.iterdir())
        ['neurons.csv', 'neurons.csv.json']
        """
        target = self._path(path)
        write_files(target, _checked_dump(result, target.suffix[1:], key))
        return target

    def read(self, path: Any, key: str | None = None) -> Any:
        """Read a file that :meth:`to_cache` wrote.

        Parameters
        ----------
        path : path
        key : str, optional
            Read only the result of this call.

        Raises
        ------
        CacheError
            The file does not exist, was not written by pdneuro, was changed, or contains another
            call.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> parents = pd.DataFrame({"id": [997, 8], "parent": pd.array([None, 997], "Int64")})
        >>> file = cache.to_cache(parents, "parents.csv")
        >>> cache.read("parents.csv")
            id  parent
        0  997    <NA>
        1    8     997
        """
        target = self._path(path)
        found, result = _read_files(target, target.suffix[1:])
        if key is not None and found != key:
            raise CacheError(
                f"{target} contains the result of another call: {found:.300}. Use another file, or "
                "cache=True to replace it."
            )
        return result

    def _recall(self, path: Path, key: str, call: Callable[[], Any], write: bool | None) -> Any:
        """Read a file, or write it first; ``write`` True or False allows one of the two."""
        if write is not True:
            try:
                return self.read(path, key)
            except CacheError:
                if write is False:
                    raise
        self.to_cache(call(), path, key)
        return self.read(path, key)

    def _path(self, path: Any, fmt: str | None = None) -> Path:
        target = Path(path).expanduser()
        if self.folder is not None and not target.is_absolute():
            target = self.folder / target
        if not target.suffix and fmt is not None:
            target = target.with_name(f"{target.name}.{fmt}")
        if target.suffix[1:] not in _FORMATS:
            raise CacheError(f"{target.name} should end in .csv, .json or .parquet.")
        return target


def cacheable(fmt: str = "parquet", folder: Any = None) -> Callable[[Function], Function]:
    """Decorate a function so that each call is saved in a file; see :meth:`Cache.cacheable`.

    Parameters
    ----------
    fmt : {"parquet", "csv", "json"}
    folder : path, optional
        Default: the folder ``tables`` of pdneuro's cache.

    Returns
    -------
    callable

    Examples
    --------
    >>> import tempfile
    >>> @pdneuro.allen.cacheable("json", folder=tempfile.mkdtemp())
    ... def squares(numbers):
    ...     print("computing")
    ...     return [number**2 for number in numbers]
    >>> squares([1, 2]), squares([1, 2])
    computing
    ([1, 4], [1, 4])
    """
    return Cache(folder).cacheable(fmt)


def call_key(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return a call as text: the function, the service's address, the arguments."""
    owner = getattr(fn, "__self__", None)
    place = f" at {owner.api_url}" if isinstance(owner, Api) else ""
    name = f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', repr(fn))}"
    given: dict[Any, Any] = dict(enumerate(args)) | dict(kwargs)
    return f"{name}{place}({', '.join(f'{key}={_argument(value)}' for key, value in given.items())})"


def _argument(value: Any) -> str:
    """Return an argument as text, the same for a list, an array and a Series of equal values."""
    if isinstance(value, pd.DataFrame):
        try:
            hashes = pd.util.hash_pandas_object(value).to_numpy().tobytes()
        except TypeError:  # cells with lists or records
            hashes = pd.util.hash_pandas_object(value.map(_argument)).to_numpy().tobytes()
        names = "|".join(map(str, value.columns))
        return f"DataFrame[{names}:{hashlib.blake2b(hashes, digest_size=16).hexdigest()}]"
    if isinstance(value, pd.Series | pd.Index | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_argument(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_argument, value)) + "]"
    return repr(value.item() if isinstance(value, np.generic) else value)


# -- formats --------------------------------------------------------------------------------------


def note_of(target: Path) -> Path:
    """Return the path of the file with the dtypes and the call of a CSV file."""
    return target.with_name(f"{target.name}.json")


def write_files(target: Path, files: Files) -> None:
    """Write the files of a result, each of them completely."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for ending, content in files.items():
            with replacing(target.with_name(f"{target.name}{ending}")) as part:
                part.write_bytes(content)
    except OSError as error:
        raise CacheError(f"{target} cannot be written: {error}.") from error


def write_csv(table: pd.DataFrame, target: Path) -> None:
    """Write a table as CSV, with its dtypes in a second file."""
    write_files(target, _checked_dump(table, "csv", ""))


def read_csv(target: Path) -> pd.DataFrame:
    """Read a table of :func:`write_csv`."""
    table: pd.DataFrame = _read_files(target, "csv")[1]
    return table


def _read_files(target: Path, fmt: str) -> tuple[str, Any]:
    """Return the call and the result in the files of a result."""
    if not target.exists():
        raise CacheError(f"the file {target} does not exist.")
    side = note_of(target)
    if fmt == "csv" and not side.exists():
        raise CacheError(f"the file {side.name}, with the dtypes, is missing. Use pd.read_csv.")
    if fmt == "parquet":
        optional("pyarrow", "files")
    try:
        paths = {"": target, ".json": side} if fmt == "csv" else {"": target}
        return _load({ending: path.read_bytes() for ending, path in paths.items()}, fmt)
    except (OSError, *_UNREADABLE) as error:
        raise CacheError(
            f"{target} was not written by pdneuro, or was changed since ({error}). Delete it."
        ) from error


def _checked_dump(result: Any, fmt: str, key: str) -> Files:
    """Return the contents of the files of a result; raise if it would not be read back unchanged."""
    if fmt != "json" and not isinstance(result, pd.DataFrame):
        raise CacheError(f"a {type(result).__name__} is not a table; name the file .json, not .{fmt}.")
    if fmt == "parquet":
        optional("pyarrow", "files")
    files = _unchanged(result, fmt, key)
    if files is not None:
        return files
    if not isinstance(result, pd.DataFrame):
        raise CacheError(f"a {type(result).__name__} such as this would be changed as JSON.")
    others = [f".{other}" for other in _FORMATS if other != fmt and _unchanged(result, other, key)]
    parts = [result.iloc[:, [place]].reset_index(drop=True) for place in range(result.shape[1])]
    wrong = [part for part in parts if _unchanged(part, fmt, key) is None]
    what = listing([f"column {part.columns[0]!r} ({part.dtypes.iloc[0]})" for part in wrong])
    raise CacheError(
        f"{what or 'the index, the names or the attrs'} would be changed by .{fmt}. "
        f"{f'Use {listing(others)}' if others else 'Convert it first'}."
    )


def _unchanged(result: Any, fmt: str, key: str) -> Files | None:
    """Return the contents of the files, None if the result would be changed."""
    try:
        files = _dump(result, fmt, key)
        read = _load(files, fmt)[1]
        if not isinstance(result, pd.DataFrame):
            return files if repr(read) == repr(result) else None
        pd.testing.assert_frame_equal(read, result, check_exact=True, check_freq=False)
    except (*_UNREADABLE, ArithmeticError, AssertionError, RuntimeError):
        return None
    # pandas does not distinguish 1, 1.0 and True, or lists and tuples, in object columns.
    columns = [place for place, dtype in enumerate(result.dtypes) if is_object_dtype(dtype)]
    pairs = (zip(read.iloc[:, place], result.iloc[:, place], strict=True) for place in columns)
    same = all(repr(one) == repr(other) for pair in pairs for one, other in pair)
    return files if same and read.attrs == result.attrs else None


def _dump(result: Any, fmt: str, key: str) -> Files:
    """Return the contents of the files of a result."""
    note: dict[str, Any] = {"pdneuro": _LAYOUT, "key": key}
    if not isinstance(result, pd.DataFrame):
        return {"": json.dumps({**note, "value": result}).encode()}
    parts, note["table"] = _parts(result)
    names = [f"index_{place}" for place in range(note["table"]["levels"])]
    names += list(map(str, result.columns))
    if fmt == "parquet":
        cells = {n: _texts(part) if _is_packed(part.dtype) else part for n, part in enumerate(parts)}
        table = pd.DataFrame(cells).set_axis(names, axis=1)
        table.attrs = {"pdneuro": note}
        return {"": table.to_parquet(engine="pyarrow")}
    columns = [_texts(part) for part in parts]
    if fmt == "json":
        return {"": json.dumps({**note, "cells": columns}).encode()}
    file = io.StringIO(newline="")
    csv.writer(file).writerows([names, *zip(*columns, strict=True)])
    content = file.getvalue().encode()
    note["digest"] = hashlib.blake2b(content).hexdigest()
    # An empty cell of the CSV file is either missing or empty text.
    note["missing"] = [[place for place, text in enumerate(texts) if text is None] for texts in columns]
    return {"": content, ".json": json.dumps(note).encode()}


def _load(files: Files, fmt: str) -> tuple[str, Any]:
    """Return the key and the result from the contents of files."""
    if fmt == "parquet":
        table = pd.read_parquet(io.BytesIO(files[""]), engine="pyarrow")
        note = table.attrs["pdneuro"]
        columns: list[Any] = [table.iloc[:, place] for place in range(table.shape[1])]
    else:
        note = json.loads(files[".json" if fmt == "csv" else ""])
        columns = note.get("cells", [])
    if note["pdneuro"] != _LAYOUT:
        raise ValueError("the version of the file differs")
    if "table" not in note:
        return note["key"], note["value"]
    if fmt == "csv":
        if note["digest"] != hashlib.blake2b(files[""]).hexdigest():
            raise ValueError("the digest differs")
        rows = list(csv.reader(io.StringIO(files[""].decode(), newline="")))[1:]
        columns = [[row[n] for row in rows] for n in range(len(note["missing"]))]
        for texts, missing in zip(columns, note["missing"], strict=True):
            for place in missing:
                texts[place] = None
    parts = [
        _column(cells, dtype) if fmt != "parquet" or _is_packed(dtype) else cells
        for cells, dtype in zip(columns, note["table"]["dtypes"], strict=True)
    ]
    return note["key"], _frame(parts, note["table"])


def _parts(table: pd.DataFrame) -> tuple[list[pd.Series[Any]], dict[str, Any]]:
    """Return the index levels and columns of a table, and the rest as JSON types."""
    index, names = table.index, table.columns
    plain = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1 and not index.name
    levels = [] if plain else [index.get_level_values(place) for place in range(index.nlevels)]
    parts = [pd.Series(level, dtype=level.dtype) for level in levels]
    parts += [table.iloc[:, place].reset_index(drop=True) for place in range(table.shape[1])]
    return parts, {
        "rows": len(table),
        "levels": len(levels),
        "index": list(index.names),
        "columns": [_dtype(names.dtype), _texts(names.to_series()), names.name],
        "dtypes": [_dtype(part.dtype) for part in parts],
        "attrs": table.attrs,
    }


def _frame(parts: Sequence[pd.Series[Any]], about: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table that :func:`_parts` took apart."""
    count, (dtype, texts, name) = about["levels"], about["columns"]
    levels = [pd.Index(part, dtype=part.dtype) for part in parts[:count]]
    table = pd.DataFrame(dict(enumerate(parts[count:])), index=pd.RangeIndex(about["rows"]))
    if count > 1:
        table.index = pd.MultiIndex.from_arrays(levels, names=about["index"])
    elif count:
        table.index = levels[0].rename(about["index"][0])
    names = _column(texts, dtype)
    table.columns = pd.Index(names, dtype=names.dtype, name=name)
    table.attrs = about["attrs"]
    return table


def _is_packed(dtype: Any) -> bool:
    """Whether a parquet file contains a column as text: nested cells and categories."""
    return isinstance(dtype, dict | pd.CategoricalDtype) or is_object_dtype(dtype)


def _dtype(dtype: Any) -> Any:
    if isinstance(dtype, pd.CategoricalDtype):
        labels = dtype.categories.to_series()
        return {"of": _dtype(labels.dtype), "labels": _texts(labels), "ordered": bool(dtype.ordered)}
    # Text of a StringDtype omits how it is stored.
    is_string = isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA
    return f"string[{dtype.storage}]" if is_string else str(dtype)


def _texts(values: pd.Series[Any]) -> Texts:
    """Return the cells of a column as text, those of an object column as JSON."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        labels = _texts(dtype.categories.to_series())
        return [None if code < 0 else labels[code] for code in values.cat.codes]
    if is_object_dtype(dtype):
        words = {id(pd.NA): "NA", id(pd.NaT): "NaT"}
        return [words.get(id(cell)) or json.dumps(cell) for cell in values]
    # NaN is missing, but not in NumPy's floats.
    keep = isinstance(dtype, np.dtype) and dtype.kind == "f"
    cells = zip(values.astype(object), values.isna(), strict=True)
    return [None if lost and not keep else str(cell) for cell, lost in cells]


def _column(texts: Any, dtype: Any) -> pd.Series[Any]:
    """Return the column of :func:`_texts`."""
    if isinstance(dtype, dict):
        labels = _column(dtype["labels"], dtype["of"])
        codes = {text: code for code, text in enumerate(dtype["labels"])}
        kind = pd.CategoricalDtype(pd.Index(labels, dtype=labels.dtype), dtype["ordered"])
        return pd.Series(pd.Categorical.from_codes([codes.get(text, -1) for text in texts], dtype=kind))
    parse = _json_cell if dtype == "object" else _PARSERS.get(pandas_dtype(dtype).kind, str)
    cells = np.empty(len(texts), object)
    cells[:] = [None if text is None else parse(text) for text in texts]
    column: pd.Series[Any] = pd.Series(cells, dtype=dtype)
    return column


def _json_cell(text: str) -> Any:
    # JSON text is never one of these two words.
    return pd.NA if text == "NA" else pd.NaT if text == "NaT" else json.loads(text)
