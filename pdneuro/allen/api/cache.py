"""Answers in files of your own: CSV, JSON or parquet that read back as what was written."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.allen.api import storable
from pdneuro.allen.api.base import Api
from pdneuro.errors import CacheError
from pdneuro.transport.store import cache_folder, make_private_folder

Function = TypeVar("Function", bound=Callable[..., Any])

_FORMATS = ("csv", "json", "parquet")
_LAYOUT = 1


class Cache:
    """Keeps the results of calls in files, and reads them back as they were.

    Parameters
    ----------
    folder : path, optional
        Where relative paths begin. Default: the current folder; for :meth:`cacheable` the folder
        ``tables`` of pdneuro's cache.

    Notes
    -----
    A file is written under another name first, so that it is whole or not there. It knows the call
    that made it: with other arguments it is not taken for the answer. Dtypes, index, missing values
    and nested cells come back as they were. A CSV file has these in a file ``{name}.csv.json`` beside
    it; without that, or when the CSV was changed since, it is not read back. Parquet needs the extra
    ``files``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
    >>> rma = pdneuro.allen.RmaApi()
    >>> asked = cache.wrap(rma.model_query, "sets.csv", model="StructureSet", order="id")
    >>> read = cache.wrap(rma.model_query, "sets.csv", model="StructureSet", order="id")
    >>> asked.equals(read), read["id"].tolist()
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
        """The result of a call, from a file or from the service.

        Parameters
        ----------
        fn : callable
            Such as ``RmaApi().model_query``.
        path : path
            ``.csv``, ``.json`` or ``.parquet``.
        cache : bool, optional
            True asks and writes the file; False reads the file and never asks. Default: read when the
            file is there and holds this call, else ask and write.
        save_as_json : bool
            For a path without an ending: JSON, else CSV.
        return_dataframe : bool
            A frame; False for a list of records.
        index : str, optional
            Column to become the index.
        rename : list of (new, old), optional
            Columns to be called otherwise.
        **kwargs
            Arguments of ``fn``.

        Returns
        -------
        DataFrame, list, or what ``fn`` gives

        Raises
        ------
        CacheError
            ``cache=False`` and there is no such file, or it holds another call; or the result cannot
            be kept as it is.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> sets = pdneuro.allen.OntologiesApi().get_structure_sets
        >>> asked = cache.wrap(sets, "sets.json", rename=[("number", "id")], index="number")
        >>> read = cache.wrap(sets, "sets.json", cache=False, return_dataframe=False)
        >>> asked.loc[2, "name"], read[0]["name"]
        ('Mouse - Coarse', 'Mouse - Coarse')
        """
        target = self._path(path, "json" if save_as_json else "csv")
        key = call_key(fn, (), kwargs)
        result = self._recall(target, key, fn, (), kwargs, cache)
        if not isinstance(result, pd.DataFrame):
            return result
        if rename:
            result = result.rename(columns={old: new for new, old in rename})
        if index is not None:
            result = result.set_index(index)
        return result if return_dataframe else result.to_dict("records")

    def cacheable(self, fmt: str = "parquet") -> Callable[[Function], Function]:
        """A decorator: each call of a function is kept in a file for its arguments.

        Parameters
        ----------
        fmt : {"parquet", "csv", "json"}

        Returns
        -------
        callable
            The decorated function takes ``to_cache=`` besides its own arguments: True asks and
            writes, False only reads.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> structures = cache.cacheable("csv")(pdneuro.allen.OntologiesApi().get_structures)
        >>> asked = structures(1, order="id")
        >>> read = structures(1, order="id", to_cache=False)
        >>> asked.equals(read)
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
                return self._recall(path, key, fn, args, kwargs, to_cache)

            return cached  # type: ignore[return-value]

        return decorate

    def to_cache(self, result: Any, path: Any, key: str = "") -> Path:
        """Write a frame, or anything that JSON can hold, whole or not at all.

        Parameters
        ----------
        result : DataFrame, list, dict, text, number or None
        path : path
            ``.csv`` (frames only), ``.json`` or ``.parquet`` (frames only).
        key : str
            What the content depends on.

        Returns
        -------
        Path

        Raises
        ------
        CacheError
            The result cannot be kept as it is, or the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> cache = pdneuro.allen.Cache(tempfile.mkdtemp())
        >>> file = cache.to_cache(pdneuro.sandbox.neurons(), "neurons.csv")
        >>> sorted(path.name for path in file.parent.iterdir())
        ['neurons.csv', 'neurons.csv.json']
        """
        target = self._path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _WRITERS[target.suffix](result, target, key)
        except OSError as error:
            raise CacheError(f"{target} cannot be written: {error}.") from error
        return target

    def read(self, path: Any, key: str | None = None) -> Any:
        """What :meth:`to_cache` wrote.

        Parameters
        ----------
        path : path
        key : str, optional
            Read only what was written for this key.

        Raises
        ------
        CacheError
            There is no such file, it was not written by pdneuro, was changed since, or is for
            another key.

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
        if not target.exists():
            raise CacheError(f"there is no file {target}.")
        try:
            found, result = _READERS[target.suffix](target)
        except CacheError:
            raise
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise CacheError(f"{target} is not as pdneuro wrote it ({error}); delete it.") from error
        if key is not None and found != key:
            raise CacheError(
                f"{target} holds the answer to another call: {found:.300}. Name another file, or write "
                "it anew with cache=True."
            )
        return result

    def _recall(
        self,
        path: Path,
        key: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        write: bool | None,
    ) -> Any:
        if write is not True:
            try:
                return self.read(path, key)
            except CacheError:
                if write is False:
                    raise
        self.to_cache(fn(*args, **kwargs), path, key)
        return self.read(path, key)

    def _path(self, path: Any, fmt: str | None = None) -> Path:
        target = Path(path).expanduser()
        if self.folder is not None and not target.is_absolute():
            target = self.folder / target
        if not target.suffix and fmt is not None:
            target = target.with_name(f"{target.name}.{fmt}")
        if target.suffix not in _WRITERS:
            raise CacheError(f"{target.name} should end in .csv, .json or .parquet.")
        return target


def cacheable(fmt: str = "parquet", folder: Any = None) -> Callable[[Function], Function]:
    """A decorator that keeps each call of a function in a file; see :meth:`Cache.cacheable`.

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
    """A call in words: the function, the service it asks, the arguments."""
    owner = getattr(fn, "__self__", None)
    place = f" at {owner.api_url}" if isinstance(owner, Api) else ""
    name = f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', repr(fn))}"
    given: dict[Any, Any] = dict(enumerate(args)) | dict(kwargs)
    return f"{name}{place}({', '.join(f'{key}={_said(value)}' for key, value in given.items())})"


def _said(value: Any) -> str:
    """An argument in words; equal values in one way, whatever holds them."""
    if isinstance(value, pd.DataFrame):
        hashes = pd.util.hash_pandas_object(value).to_numpy().tobytes()
        names = "|".join(map(str, value.columns))
        return f"DataFrame[{names}:{hashlib.blake2b(hashes, digest_size=16).hexdigest()}]"
    if isinstance(value, pd.Series | pd.Index | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_said(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_said, value)) + "]"
    return repr(value.item() if isinstance(value, np.generic) else value)


# -- formats --------------------------------------------------------------------------------------


def _frame(result: Any, target: Path) -> pd.DataFrame:
    if not isinstance(result, pd.DataFrame):
        raise CacheError(
            f"{target.name} would hold a {type(result).__name__}; only tables go into {target.suffix} "
            "files, name it .json."
        )
    return result


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _write_csv(result: Any, target: Path, key: str) -> None:
    schema, columns = storable.dump(_frame(result, target))
    marks = [_mark(texts) for texts in columns]
    names = [f"index_{place}" for place in range(schema["levels"])] + list(map(str, schema["columns"]))

    filled = (
        [mark if text is None else text for text in texts]
        for texts, mark in zip(columns, marks, strict=True)
    )
    with (
        replacing(target) as part,
        part.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(names)
        writer.writerows(zip(*filled, strict=True))
    note = {
        "pdneuro": _LAYOUT,
        "key": key,
        "digest": _digest(target),
        "missing": marks,
        "schema": schema,
    }
    _put(target.with_name(f"{target.name}.json"), note)


def _mark(texts: storable.Texts) -> str:
    """What stands for a missing cell: nothing, unless a cell is empty text."""
    mark, known = "", set(texts)
    while mark in known:
        mark = f"{mark or '<NA'}>"
    return mark


def _read_csv(target: Path) -> tuple[str, Any]:
    beside = target.with_name(f"{target.name}.json")
    if not beside.exists():
        raise CacheError(f"{target} has no {beside.name} beside it, so its dtypes are not known.")
    note = json.loads(beside.read_text(encoding="utf-8"))
    if note.get("pdneuro") != _LAYOUT or note["digest"] != _digest(target):
        raise CacheError(f"{target} was changed since pdneuro wrote it; delete it, or use pd.read_csv.")
    with target.open(encoding="utf-8", errors="surrogatepass", newline="") as file:
        rows = list(csv.reader(file))[1:]
    width = len(note["missing"])
    columns = [list(texts) for texts in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
    filled: list[storable.Texts] = [
        [None if text == mark else text for text in texts]
        for texts, mark in zip(columns, note["missing"], strict=True)
    ]
    return note["key"], storable.load(note["schema"], filled)


def _write_json(result: Any, target: Path, key: str) -> None:
    note: dict[str, Any] = {"pdneuro": _LAYOUT, "key": key}
    if isinstance(result, pd.DataFrame):
        note["schema"], note["columns"] = storable.dump(result)
    else:
        note["value"] = result
        try:
            same = storable.same(json.loads(json.dumps(result)), result)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise CacheError(f"a {type(result).__name__} cannot be kept as JSON as it is.")
    _put(target, note)


def _put(target: Path, note: Any) -> None:
    with replacing(target) as part:
        part.write_text(json.dumps(note), encoding="utf-8")


def _read_json(target: Path) -> tuple[str, Any]:
    note = json.loads(target.read_text(encoding="utf-8"))
    if not isinstance(note, dict) or note.get("pdneuro") != _LAYOUT:
        raise CacheError(f"{target} was not written by pdneuro.")
    if "schema" in note:
        return note["key"], storable.load(note["schema"], note["columns"])
    return note["key"], note["value"]


def _write_parquet(result: Any, target: Path, key: str) -> None:
    pa = optional("pyarrow", "files")
    parquet = optional("pyarrow.parquet", "files")
    schema, columns = storable.dump(_frame(result, target))
    arrays = [_arrow(pa, kind, texts) for kind, texts in zip(schema["kinds"], columns, strict=True)]
    names = [f"index_{place}" for place in range(schema["levels"])] + list(map(str, schema["columns"]))
    table = pa.Table.from_arrays(arrays, names=names)
    table = table.replace_schema_metadata(
        {"pdneuro": json.dumps({"layout": _LAYOUT, "key": key, "schema": schema})}
    )
    with replacing(target) as part:
        parquet.write_table(table, part)


def _arrow(pa: Any, kind: Mapping[str, Any], texts: storable.Texts) -> Any:
    """Numbers as numbers, for other readers of the file; the rest as text."""
    if kind["is"] == "int":
        wide = pa.uint64() if "uint" in kind["dtype"].lower() else pa.int64()
        return pa.array([None if text is None else int(text) for text in texts], wide)
    if kind["is"] == "float":
        return pa.array([None if text is None else float(text) for text in texts], pa.float64())
    return pa.array(texts, pa.string())


def _read_parquet(target: Path) -> tuple[str, Any]:
    table = optional("pyarrow.parquet", "files").read_table(target)
    metadata = (table.schema.metadata or {}).get(b"pdneuro")
    if metadata is None:
        raise CacheError(f"{target} was not written by pdneuro.")
    note = json.loads(metadata)
    if note["layout"] != _LAYOUT:
        raise CacheError(f"{target} was written by another version of pdneuro; delete it.")
    columns = [
        [
            None if cell is None else cell if isinstance(cell, str) else repr(cell)
            for cell in column.to_pylist()
        ]
        for column in table.columns
    ]
    return note["key"], storable.load(note["schema"], columns)


_WRITERS = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}
_READERS = {".csv": _read_csv, ".json": _read_json, ".parquet": _read_parquet}
