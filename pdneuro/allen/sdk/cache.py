"""Cache and cacheable of allensdk: results of calls in files, by path or by manifest."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

from pdneuro._atomic import replacing
from pdneuro.allen.api.cache import call_key, note_of, read_csv, write_csv
from pdneuro.allen.sdk.manifest import ManifestFolder, default_manifest
from pdneuro.errors import CacheError, InvalidQueryError
from pdneuro.tables.columns import from_records

Records = list[dict[str, Any]]
#: Keywords of :func:`cacheable`, which do not go to the decorated function.
KEYWORDS = ("path", "strategy", "pre", "post", "reader", "writer")
_STRATEGIES = ("lazy", "pass_through", "file", "create")


class Cache(ManifestFolder):
    """Files with the results of calls, at paths that you give or that a manifest lists.

    Parameters
    ----------
    manifest : path, optional
        A ``manifest.json``; it is written if it does not exist.
    cache : bool, default True
        False: :meth:`get_cache_path` returns None, so nothing is saved.
    version : str, optional
        Expected version of the manifest. Default: ``MANIFEST_VERSION`` of the class.

    Notes
    -----
    A file is complete or does not exist. A CSV file has a second file ``{name}.csv.json`` with its
    dtypes, so text such as the color ``019399`` stays text. ``strategy="lazy"`` does not read a file
    that contains the result of other arguments. Files of allensdk, which do not state their arguments
    or dtypes, are read as well.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import Cache, RmaApi
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "sets.csv"
    >>> call = {"model": "StructureSet", "order": ["id"], "num_rows": 2}
    >>> first = Cache().wrap(RmaApi().model_query, path=path, cache=True, **call)
    >>> Cache().wrap(RmaApi().model_query, path=path, cache=False, **call)["name"].tolist()
    ['Mouse - Coarse', 'Brain ... Summary Structures']
    """

    # -- calls ------------------------------------------------------------------------------------

    def wrap(
        self,
        fn: Callable[..., Any],
        path: Any,
        cache: bool,
        save_as_json: bool = True,
        return_dataframe: bool = False,
        index: str | None = None,
        rename: Sequence[tuple[str, str]] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the result of a call from a file, with ``cache=True`` after calling and writing.

        Parameters
        ----------
        fn : callable
            Such as ``RmaApi().model_query``.
        path : path
        cache : bool
            True calls ``fn`` and writes the file; False only reads it.
        save_as_json : bool, default True
            False writes CSV, and so does a path that ends in ``.csv``.
        return_dataframe : bool, default False
            Return a DataFrame; this is the default for CSV.
        index : str, optional
            Column that becomes the index, in a DataFrame.
        rename : list of (new, old), optional
            New names of columns, in a DataFrame.
        **kwargs
            Arguments of ``fn``.

        Returns
        -------
        list of dict or DataFrame

        Raises
        ------
        CacheError
            The file does not exist or cannot be read.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "graphs.json"
        >>> graphs = pdneuro.allen.sdk.OntologiesApi().get_structure_graphs
        >>> pdneuro.allen.sdk.Cache().wrap(graphs, path, cache=True)[0]["name"]
        'Mouse Brain Atlas'
        """
        is_csv = not save_as_json or Path(path).suffix == ".csv"
        if cache is True:
            result = fn(**kwargs)
            self.csv_writer(path, result) if is_csv else _write_json(path, result)
        if not is_csv and not return_dataframe:
            return _read_json(path)
        return self.load_csv(path, rename, index) if is_csv else self.load_json(path, rename, index)

    @staticmethod
    def cacher(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function, with its result in a file.

        Parameters
        ----------
        fn : callable
        *args, **kwargs
            Arguments of ``fn``, and the keywords of :func:`cacheable` and ``path``.

        Examples
        --------
        >>> pdneuro.allen.sdk.Cache.cacher(sorted, [2, 1], post=tuple)
        (1, 2)
        """
        how = {name: kwargs.pop(name, None) for name in KEYWORDS}
        path, strategy, reader, writer = (how[key] for key in ("path", "strategy", "reader", "writer"))
        if strategy is None:
            strategy = "lazy" if writer or path else "pass_through"
        if strategy not in _STRATEGIES:
            raise InvalidQueryError(
                f"strategy must be one of {', '.join(_STRATEGIES)}, not {strategy!r}."
            )
        if strategy != "pass_through" and path is None:
            raise InvalidQueryError(f"strategy {strategy!r} requires a path of the file: path=...")
        key = call_key(fn, args, kwargs)
        if strategy == "lazy":
            strategy = "file" if _contains(Path(path), key) else "create"
        result = None
        if strategy in ("pass_through", "create"):
            if strategy == "create":
                Path(path).expanduser().absolute().parent.mkdir(parents=True, exist_ok=True)
            result = fn(*args, **kwargs)
            if strategy == "create" and writer:
                writer(path, how["pre"](result) if how["pre"] else result)
                _note(Path(path), key)
        if reader and strategy != "pass_through":
            result = reader(path)
        return how["post"](result) if how["post"] else result

    @staticmethod
    def pathfinder(
        file_name_position: int,
        secondary_file_name_position: int | None = None,
        path_keyword: str | None = None,
    ) -> Callable[..., Any]:
        """Return a function that finds the path among the arguments of a call.

        Examples
        --------
        >>> find = pdneuro.allen.sdk.Cache.pathfinder(1, path_keyword="file_name")
        >>> find(385, "mask.nrrd"), find(385, file_name="other.nrrd")
        ('mask.nrrd', 'other.nrrd')
        """

        def find(*args: Any, **kwargs: Any) -> Any:
            if path_keyword is not None and path_keyword in kwargs:
                return kwargs[path_keyword]
            for place in (file_name_position, secondary_file_name_position):
                if place is not None and place < len(args) and args[place] is not None:
                    return args[place]
            return None

        return find

    # -- formats ----------------------------------------------------------------------------------

    @staticmethod
    def csv_writer(pth: Any, gen: Iterable[dict[str, Any]]) -> None:
        """Write records as CSV, with their dtypes in a second file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "colors.csv"
        >>> pdneuro.allen.sdk.Cache.csv_writer(path, [{"id": 8, "color": "019399"}])
        >>> pdneuro.allen.sdk.Cache().load_csv(path)
           id   color
        0   8  019399
        """
        table = gen if isinstance(gen, pd.DataFrame) else from_records(list(gen))
        write_csv(table, Path(pth).expanduser())

    def load_csv(
        self, path: Any, rename: Sequence[tuple[str, str]] | None = None, index: str | None = None
    ) -> pd.DataFrame:
        """Read a CSV file as a DataFrame.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "sets.csv"
        >>> pdneuro.allen.sdk.Cache.csv_writer(path, [{"id": 2, "name": "Coarse"}])
        >>> pdneuro.allen.sdk.Cache().load_csv(path, rename=[("set", "id")], index="set")
               name
        set
        2    Coarse
        """
        return _named(_read_table(path), rename, index)

    def load_json(
        self, path: Any, rename: Sequence[tuple[str, str]] | None = None, index: str | None = None
    ) -> pd.DataFrame:
        """Read a JSON file as a DataFrame.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "sets.json"
        >>> _ = path.write_text('[{"id": 2, "name": "Coarse"}]')
        >>> pdneuro.allen.sdk.Cache().load_json(path)
           id    name
        0   2  Coarse
        """
        return _named(pd.DataFrame(_read_json(path)), rename, index)

    @staticmethod
    def cache_csv() -> dict[str, Any]:
        """Return the keywords for CSV files that are read as DataFrames.

        Examples
        --------
        >>> sorted(pdneuro.allen.sdk.Cache.cache_csv())
        ['reader', 'writer']
        """
        return {"writer": Cache.csv_writer, "reader": _read_table}

    @staticmethod
    def cache_csv_dataframe() -> dict[str, Any]:
        """Return the keywords of :meth:`cache_csv`.

        Examples
        --------
        >>> sorted(pdneuro.allen.sdk.Cache.cache_csv_dataframe())
        ['reader', 'writer']
        """
        return Cache.cache_csv()

    @staticmethod
    def cache_csv_json() -> dict[str, Any]:
        """Return the keywords for CSV files that are read as lists of dicts.

        Examples
        --------
        >>> sorted(pdneuro.allen.sdk.Cache.cache_csv_json())
        ['reader', 'writer']
        """
        return {
            "writer": Cache.csv_writer,
            "reader": lambda path: _read_table(path).to_dict("records"),
        }

    @staticmethod
    def cache_json() -> dict[str, Any]:
        """Return the keywords for JSON files.

        Examples
        --------
        >>> sorted(pdneuro.allen.sdk.Cache.cache_json())
        ['reader', 'writer']
        """
        return {"writer": _write_json, "reader": _read_json}

    @staticmethod
    def cache_json_dataframe() -> dict[str, Any]:
        """Return the keywords for JSON files that are read as DataFrames.

        Examples
        --------
        >>> sorted(pdneuro.allen.sdk.Cache.cache_json_dataframe())
        ['reader', 'writer']
        """
        return {"writer": _write_json, "reader": lambda path: pd.DataFrame(_read_json(path))}

    @staticmethod
    def nocache_dataframe() -> dict[str, Any]:
        """Return the keywords for a DataFrame, without a file.

        Examples
        --------
        >>> pdneuro.allen.sdk.Cache.nocache_dataframe()
        {'post': <class 'pandas...DataFrame'>}
        """
        return {"post": pd.DataFrame}

    @staticmethod
    def nocache_json() -> dict[str, Any]:
        """Return the keywords for a list of dicts, without a file.

        Examples
        --------
        >>> pdneuro.allen.sdk.Cache.nocache_json()
        {}
        """
        return {}

    # -- columns ----------------------------------------------------------------------------------

    @staticmethod
    def rename_columns(
        data: pd.DataFrame, new_old_name_tuples: Sequence[tuple[str, str]] | None = None
    ) -> None:
        """Rename columns of a DataFrame, in place.

        Examples
        --------
        >>> table = pd.DataFrame({"id": [2]})
        >>> pdneuro.allen.sdk.Cache.rename_columns(table, [("set", "id")])
        >>> list(table.columns)
        ['set']
        """
        names = {old: new for new, old in new_old_name_tuples or ()}
        data.columns = pd.Index([names.get(name, name) for name in data.columns])

    @staticmethod
    def remove_keys(data: pd.DataFrame, keys: Iterable[str] | None = None) -> None:
        """Remove columns of a DataFrame, in place.

        Examples
        --------
        >>> table = pd.DataFrame({"id": [2], "name": ["Coarse"]})
        >>> pdneuro.allen.sdk.Cache.remove_keys(table, ["name"])
        >>> list(table.columns)
        ['id']
        """
        for key in keys or ():
            del data[key]

    @staticmethod
    def json_rename_columns(
        data: Records, new_old_name_tuples: Sequence[tuple[str, str]] | None = None
    ) -> None:
        """Rename keys of records, in place.

        Examples
        --------
        >>> records = [{"id": 2}]
        >>> pdneuro.allen.sdk.Cache.json_rename_columns(records, [("set", "id")])
        >>> records
        [{'set': 2}]
        """
        for new, old in new_old_name_tuples or ():
            for record in data:
                record[new] = record.pop(old)

    @staticmethod
    def json_remove_keys(data: Records, keys: Iterable[str]) -> Records:
        """Remove keys of records, in place, and return the records.

        Examples
        --------
        >>> pdneuro.allen.sdk.Cache.json_remove_keys([{"id": 2, "name": "Coarse"}], ["name"])
        [{'id': 2}]
        """
        names = list(keys)
        for record in data:
            for name in names:
                del record[name]
        return data


def cacheable(
    strategy: str | None = None,
    pre: Callable[[Any], Any] | None = None,
    writer: Callable[[Any, Any], Any] | None = None,
    reader: Callable[[Any], Any] | None = None,
    post: Callable[[Any], Any] | None = None,
    pathfinder: Callable[..., Any] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function so that its result can be in a file.

    Parameters
    ----------
    strategy : {"create", "file", "lazy"}, optional
        Call the function and write the file; read the file; read it if it contains this call, else call
        and write. Default: ``"lazy"`` if a writer or a path is given, else no file.
    pre : callable, optional
        Changes the result before it is written.
    writer : callable, optional
        Called with the path and the result.
    reader : callable, optional
        Called with the path; returns the result.
    post : callable, optional
        Changes the result before it is returned.
    pathfinder : callable, optional
        Finds the path among the arguments; see :meth:`Cache.pathfinder`.

    Returns
    -------
    callable
        A decorator. The decorated function also takes these keywords and ``path``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import Cache, cacheable
    >>> @cacheable()
    ... def squares(numbers):
    ...     print("computing")
    ...     return [{"square": number**2} for number in numbers]
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "squares.json"
    >>> squares([1, 2], path=path, **Cache.cache_json())
    computing
    [{'square': 1}, {'square': 4}]
    >>> squares([1, 2], path=path, **Cache.cache_json())
    [{'square': 1}, {'square': 4}]
    """
    given = {"strategy": strategy, "pre": pre, "writer": writer, "reader": reader, "post": post}
    defaults = {name: value for name, value in given.items() if value is not None}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def cached(*args: Any, **kwargs: Any) -> Any:
            find = kwargs.pop("pathfinder", pathfinder)
            if find and "path" not in kwargs:
                kwargs["path"] = find(*args, **kwargs)
            return Cache.cacher(function, *args, **{**defaults, **kwargs})

        return cached

    return decorate


def memoize(f: Callable[..., Any]) -> Any:
    """Decorate a function so that each call is computed once, while the program runs.

    Examples
    --------
    >>> double = pdneuro.allen.sdk.memoize(lambda number: 2 * number)
    >>> double(2), double(2), double.cache_size()
    (4, 4, 1)
    """
    cached: Any = functools.cache(f)
    cached.cache_size = lambda: cached.cache_info().currsize
    return cached


def get_default_manifest_file(cache_name: str) -> str:
    """Return the path of the manifest of a class of files.

    An environment variable such as ``MOUSE_CONNECTIVITY_MANIFEST`` sets it.

    Examples
    --------
    >>> pdneuro.allen.sdk.get_default_manifest_file("mouse_connectivity")
    'mouse_connectivity/manifest.json'
    """
    return default_manifest(cache_name)


# -- files ----------------------------------------------------------------------------------------


def _note(path: Path, key: str) -> None:
    """Write in the second file of a path which call its content is of."""
    side = note_of(path.expanduser())
    note = json.loads(side.read_bytes()) if side.exists() and path.suffix != ".json" else {}
    _write_json(side, {**note, "call": key})


def _contains(path: Path, key: str) -> bool:
    """Return whether a file exists and is not known to contain the result of another call."""
    path = path.expanduser()
    if not path.exists():
        return False
    try:
        note = json.loads(note_of(path).read_bytes())
    except (OSError, ValueError):
        return True
    return not isinstance(note, dict) or note.get("call", key) == key


def _write_json(path: Any, result: Any) -> None:
    target = Path(path).expanduser()
    try:
        content = json.dumps(result, indent=2, default=_plain)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            part.write_text(content, "utf-8")
    except (OSError, TypeError, ValueError) as error:
        raise CacheError(f"{target} cannot be written as JSON: {error}.") from error


def _plain(value: Any) -> Any:
    """Return a value of NumPy, or a path, as a JSON type."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} is not a JSON value")


def _read_json(path: Any) -> Any:
    target = Path(path).expanduser()
    try:
        return json.loads(target.read_bytes())
    except (OSError, ValueError) as error:
        raise CacheError(
            f"{target} cannot be read as JSON: {error}. Use cache=True to write it."
        ) from error


def _read_table(path: Any) -> pd.DataFrame:
    """Read a CSV file, or a JSON file that allensdk named .csv, with NumPy's dtypes."""
    target = Path(path).expanduser()
    if target.exists() and note_of(target).exists():
        return _classic(read_csv(target))
    try:
        with target.open("rb") as file:
            if file.read(1) in (b"[", b"{"):
                return pd.DataFrame(_read_json(target))
        # allensdk does not write dtypes. A color such as 019399 is text, and so is NA.
        names = pd.read_csv(target, nrows=0).columns
        texts = {name: str for name in names if name.endswith(("color_hex_triplet", "rgb_triplet"))}
        return pd.read_csv(target, dtype=texts, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise CacheError(
            f"{target} cannot be read as CSV: {error}. Use cache=True to write it."
        ) from error


def _classic(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the dtypes of ``pd.DataFrame(records)``: NaN instead of NA."""
    return pd.DataFrame({name: _classic_cells(cells) for name, cells in table.items()}, table.index)


def _classic_cells(cells: pd.Series[Any]) -> Any:
    if isinstance(cells.dtype, np.dtype | pd.StringDtype):
        return cells
    missing = bool(cells.isna().any())
    if is_bool_dtype(cells.dtype):
        return cells.astype(object).where(cells.notna(), None) if missing else cells.to_numpy(bool)
    if is_integer_dtype(cells.dtype) and not missing:
        return cells.to_numpy(np.int64)
    if is_integer_dtype(cells.dtype) or is_float_dtype(cells.dtype):
        return cells.to_numpy(np.float64, na_value=np.nan)
    return cells


def _named(
    table: pd.DataFrame, rename: Sequence[tuple[str, str]] | None, index: str | None
) -> pd.DataFrame:
    Cache.rename_columns(table, rename)
    return table if index is None else table.set_index(index)
