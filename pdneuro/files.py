"""Tables from files, and back, without harming an ID or a number."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import ROUND_TRIP, optional
from pdneuro.errors import InvalidSwcError, PdneuroError, listing
from pdneuro.tables import skeletons, swc
from pdneuro.tables.edges import as_edges, edge_roles
from pdneuro.tables.ids import MAX_EXACT_FLOAT

_BLANKS = r"\s+"
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": _BLANKS}
_ARROW = {".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather"}
_TYPED: dict[str, Any] = {"dtype_backend": "numpy_nullable", **ROUND_TRIP}
#: What a packed file that is cut or of no such kind gives.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, ImportError)
_AS_WRITTEN: dict[str, Any] = {"dtype": str, "keep_default_na": False}
_PACKERS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_PACKED = tuple(_PACKERS)


def is_table(name: str) -> bool:
    """Whether a name ends like a table that :func:`read_table` reads.

    Examples
    --------
    >>> from pdneuro.files import is_table
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "notes.md") if is_table(name)]
    ['edges.csv.gz', 'neurons.parquet']
    """
    return _ending(Path(name)) in (*_SEPARATORS, *_ARROW)


def is_text(path: str | os.PathLike[str] | None) -> bool:
    """Whether a table of this name holds text: csv, tsv, txt; also where there is no name.

    Examples
    --------
    >>> from pdneuro.files import is_text
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "neurons.tsv") if is_text(name)]
    ['edges.csv.gz', 'neurons.tsv']
    """
    return path is None or _ending(Path(path)) in _SEPARATORS


def read_table(
    path: str | os.PathLike[str] | IO[str],
    columns: Sequence[Hashable] | None = None,
    *,
    verbatim: bool = False,
) -> pd.DataFrame:
    r"""Read a table; integers stay exact, also beside missing values.

    Parameters
    ----------
    path : path or file
        csv, tsv, txt (separated by blanks), each also compressed; parquet, feather; an open file is
        csv. Or a folder of
        such files of one kind, with partitions (``roi=ME/...``) as columns. A text file whose first
        line holds numbers only has no header: its columns are ``0, 1, 2, ...``.
    columns : sequence, optional
        Only these.
    verbatim : bool
        Leave all cells of text files as text, so that they are written as they were read: zeros in
        front, ``1.50``, ``NA``.

    Returns
    -------
    DataFrame
        Nullable dtypes (``Int64``, ``Float64``, text).

    Raises
    ------
    FileNotFoundError
        There is no such file, or no table in the folder.
    ValueError
        The ending is of no known format.
    MissingDependencyError
        Parquet and feather need the extra ``files``.

    Examples
    --------
    >>> import io
    >>> from pdneuro.files import read_table
    >>> read_table(io.StringIO("root_id,size\n720575940621522189,1.5\n,2"))
                  root_id  size
    0  720575940621522189   1.5
    1                <NA>   2.0
    """
    if not isinstance(path, str | os.PathLike):
        return _read_text(io.StringIO(path.read()), ",", columns, verbatim=verbatim)
    files, ending = _files(path)
    if ending in _ARROW:
        data = _dataset(path, files, ending).to_table(columns=None if columns is None else list(columns))
        # Not to_pandas() as it is: a column of integers with a missing one would become floats.
        table: pd.DataFrame = data.to_pandas(types_mapper=_nullable().get, ignore_metadata=True)
        for name in data.schema.names:
            if data.schema.field(name).type.num_fields == 1:  # lists: as arrays, integers become floats
                cells = data.column(name).to_pylist()
                table[name] = pd.Series(cells, index=table.index, dtype=object)
        about = json.loads((data.schema.metadata or {}).get(b"pandas", b"{}"))
        table.attrs = dict(about.get("attributes") or {})
        return table
    parts = [_read_text(file, _SEPARATORS[ending], columns, verbatim=verbatim) for file in files]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def write_table(table: pd.DataFrame, path: str | os.PathLike[str] | IO[str]) -> None:
    """Write a table without its index; integers stay integers, also beside missing values.

    Parameters
    ----------
    table : DataFrame
        Lists in cells are joined by ``"; "`` in text files.
    path : path or file
        Written at once, by its ending: csv, tsv, each also compressed; parquet, feather.
        An open file gets csv.

    Raises
    ------
    ValueError
        The ending is of no known format.
    MissingDependencyError
        Parquet and feather need the extra ``files``.

    Examples
    --------
    >>> import sys
    >>> from pdneuro.files import write_table
    >>> ids = pd.array([720575940621522189, None], "Int64")
    >>> write_table(pd.DataFrame({"root_id": ids, "size": [1.5, 2]}), sys.stdout)
    root_id,size
    720575940621522189,1.5
    ,2.0
    """
    if not isinstance(path, str | os.PathLike):
        _listed(table).to_csv(path, index=False)
        return
    place = writable(path)
    ending = _ending(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with replacing(place) as unfinished:
        if ending in _ARROW:
            rows = table.reset_index(drop=True)
            write = rows.to_parquet if _ARROW[ending] == "parquet" else rows.to_feather
            write(unfinished)
        else:
            separator = "," if ending == ".csv" else "\t"
            # The unfinished file has another name, so that the ending is told here.
            packed: Any = {"compression": _PACKERS.get(place.suffix.lower())}
            _listed(table).to_csv(unfinished, sep=separator, index=False, **packed)


def writable(path: str | os.PathLike[str]) -> Path:
    """The place of a table to write, or an error that says why it cannot be one.

    >>> writable("known.parquet").name
    'known.parquet'
    """
    place = Path(path).expanduser()
    if not is_table(place.name) or _ending(place) == ".txt":  # blanks cannot tell an empty cell
        raise ValueError(
            f"{place.name} is of no format to write; use csv, tsv (also .gz), parquet or feather."
        )
    if place.is_dir():
        raise ValueError(f"{place} is a folder; name a file in it.")
    if _ending(place) in _ARROW:
        optional("pyarrow", "files")
    return place


def _listed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with lists in its cells as text."""
    parts = []
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        if pd.api.types.is_object_dtype(column.dtype):
            column = column.map(_as_text)
        parts.append(column)
    return pd.concat(parts, axis=1) if parts else table


def _as_text(cell: Any) -> Any:
    return "; ".join(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Names of a table's columns, without reading the table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import column_names, write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "neurons.csv.gz"
    >>> write_table(pdneuro.sandbox.neurons(), path)
    >>> column_names(path)
    ['root_id', 'side', 'cell_class', 'cell_type']
    """
    files, ending = _files(path)
    if ending in _ARROW:
        return list(_dataset(path, files, ending).schema.names)
    return list(_read_text(files[0], _SEPARATORS[ending], None, nrows=1).columns)


def read_edges(
    edges: pd.DataFrame | str | os.PathLike[str], *, only: bool = False, **roles: Hashable | None
) -> pd.DataFrame:
    """An edge table from a frame or a file in any dialect.

    Parameters
    ----------
    edges : DataFrame or path
        Without a header the columns are ``pre``, ``post`` and, if there is a third, ``weight``.
    only : bool
        Read ``pre``, ``post`` and ``weight`` only.
    **roles
        ``pre=``, ``post=``, ``weight=``, as for :func:`pdneuro.tables.as_edges`.

    Examples
    --------
    >>> from pdneuro.files import read_edges
    >>> table = pd.DataFrame({"pre_pt_root_id": [11], "post_pt_root_id": [12], "n_syn": [5]})
    >>> read_edges(table)
       pre  post  weight
    0   11    12       5
    """
    if not isinstance(edges, pd.DataFrame | str | os.PathLike):
        raise TypeError(f"edges are a DataFrame or the path of a file, not a {type(edges).__name__}.")
    given = edges if isinstance(edges, pd.DataFrame) else pd.DataFrame(columns=column_names(edges))
    columns: list[Hashable] = list(given.columns)
    if columns[:2] == ["0", "1"]:
        roles = {"pre": "0", "post": "1", "weight": "2" if len(columns) > 2 else None, **roles}
    if only:
        found = edge_roles(given, **roles)[:3]
        columns = [name for name in found if name is not None]
        roles = dict(zip(("pre", "post", "weight"), found, strict=True))
    if isinstance(edges, pd.DataFrame):
        return as_edges(edges[columns], **roles)
    try:
        return as_edges(read_table(edges, columns), **roles)
    except PdneuroError as error:
        error.add_note(f"The file is {os.fspath(edges)}.")
        raise


def read_swc(
    path: str | os.PathLike[str] | IO[Any] | Iterable[Any],
    *,
    neuron: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    r"""Read a reconstruction in SWC format, as clean or as messy as it comes.

    Parameters
    ----------
    path : path, file or several of them
        Any encoding, line ends, blanks and tabs; with or without a header, comments anywhere, further
        columns. Several files become one table.
    neuron : str, optional
        What the neuron is called. Default: the file's name, up to ``.CNG.swc`` or ``.swc``.
    strict : bool
        Refuse a file with anything that :func:`pdneuro.tables.check` lists.

    Returns
    -------
    DataFrame
        Node table: ``neuron`` (category), ``node``, ``type`` (int64), ``x, y, z, radius`` (float64, in
        the file's unit: µm in NeuroMorpho.org's standard files), ``parent`` (int64, -1 for a root), in
        the order of the file; further columns are ``column_8`` ... (text). Nothing is repaired: where
        something is wrong, ``attrs["pdneuro"]["problems"]`` counts it. A radius written as ``NA``, or
        not at all, is NaN.

    Raises
    ------
    InvalidSwcError
        The file holds no nodes, or is a web page; with ``strict``, what is wrong with it. Several files
        of one name.
    FileNotFoundError
        There is no such file.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are no nodes were left out.

    Notes
    -----
    Types: 1 soma, 2 axon, 3 basal dendrite, 4 apical dendrite; others are custom.

    Examples
    --------
    >>> import io
    >>> from pdneuro.files import read_swc
    >>> read_swc(io.StringIO("1 1 0 0 0 5 -1\n2 3 0 3 4 1 1"), neuron="a")
      neuron  node  type    x    y    z  radius  parent
    0      a     1     1  0.0  0.0  0.0     5.0      -1
    1      a     2     3  0.0  3.0  4.0     1.0       1
    """
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "read"):
        if neuron is not None:
            raise TypeError("neuron= names one neuron; of several files each is called after its file.")
        tables = [read_swc(one, strict=strict) for one in path]
        names = [table[skeletons.NEURON].cat.categories[0] for table in tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidSwcError(
                f"several files are called {listing(map(repr, twice))}, so their neurons would be one. "
                "Read them apart, with neuron=... for each."
            )
        return skeletons.joined(tables, names)
    if isinstance(path, str | os.PathLike):
        place = Path(path).expanduser()
        content, name = place.read_bytes(), place.name
    else:
        read = cast(IO[Any], path).read()
        content = read.encode() if isinstance(read, str) else read
        name = Path(str(getattr(path, "name", ""))).name
    return swc.parse(content, swc.neuron_name(name) if neuron is None else neuron, strict=strict)


def to_swc(nodes: pd.DataFrame, path: str | os.PathLike[str]) -> list[Path]:
    """Write reconstructions in SWC format; every number reads back as it was.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    path : path
        A file that ends in ``.swc``, for one neuron; else a folder, for one file a neuron.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingColumnsError
        The table is no node table.
    InvalidSwcError
        Several neurons and one file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> nodes = pdneuro.neuromorpho.swc([1, 2])
    >>> [file.name for file in nodes.neuro.to_swc(folder)]
    ['1.swc', '2.swc']
    """
    place = Path(path).expanduser()
    parts = skeletons.by_neuron(nodes)
    single = place.suffix.lower() == ".swc"
    if single and len(parts) != 1:
        raise InvalidSwcError(
            f"{place} is one file and the table holds {len(parts):,} neurons; name a folder."
        )
    (place.parent if single else place).mkdir(parents=True, exist_ok=True)
    written = []
    for name, part in parts:
        # A name may hold what no file name can.
        file = place if single else place / f"{quote(str(name), safe=' ()[]+,;=@!$&')}.swc"
        with replacing(file) as unfinished:
            unfinished.write_text(swc.text(part), encoding="utf-8", newline="\n")
        written.append(file)
    return written


def table_files(path: str | os.PathLike[str]) -> list[Path]:
    """The file, or the files of a folder that hold the table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import table_files, write_table
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for side, part in pdneuro.sandbox.neurons().groupby("side"):
    ...     write_table(part, folder / f"side={side}" / "neurons.csv")
    >>> [file.relative_to(folder).as_posix() for file in table_files(folder)]
    ['side=left/neurons.csv', 'side=right/neurons.csv']
    """
    return _files(path)[0]


def _files(path: str | os.PathLike[str]) -> tuple[list[Path], str]:
    place = Path(path).expanduser()
    if place.is_dir():
        inside = sorted(
            file
            for file in place.rglob("*")
            if file.is_file() and is_table(file.name) and file.name[0] not in "._"
        )
        endings = sorted({_ending(file) for file in inside})
        if not inside:
            raise FileNotFoundError(
                f"the folder {place} holds no table (csv, tsv, txt, parquet, feather)."
            )
        if len(endings) > 1:
            raise ValueError(f"the folder {place} holds tables of several kinds: {', '.join(endings)}.")
        return inside, endings[0]
    if not is_table(place.name):
        raise ValueError(
            f"{place.name} is of no known format; use csv, tsv, txt (also .gz), parquet or feather."
        )
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}.")
    return [place], _ending(place)


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")


def _dataset(path: str | os.PathLike[str], files: list[Path], ending: str) -> Any:
    dataset = optional("pyarrow.dataset", "files")
    base = Path(path).expanduser()
    return dataset.dataset(
        [str(file) for file in files],
        format=_ARROW[ending],
        partitioning=dataset.HivePartitioning.discover(infer_dictionary=False),
        partition_base_dir=str(base) if base.is_dir() else None,
    )


def _nullable() -> dict[Any, Any]:
    arrow = optional("pyarrow", "files")
    signed = {
        getattr(arrow, f"int{bits}")(): getattr(pd, f"Int{bits}Dtype")() for bits in (8, 16, 32, 64)
    }
    unsigned = {
        getattr(arrow, f"uint{bits}")(): getattr(pd, f"UInt{bits}Dtype")() for bits in (8, 16, 32, 64)
    }
    text = dict.fromkeys((arrow.string(), arrow.large_string()), pd.StringDtype())
    other = {
        arrow.bool_(): pd.BooleanDtype(),
        arrow.float32(): pd.Float32Dtype(),
        arrow.float64(): pd.Float64Dtype(),
    }
    return {**signed, **unsigned, **text, **other}


def _read_text(
    path: Path | io.StringIO,
    separator: str,
    columns: Sequence[Hashable] | None,
    nrows: int | None = None,
    *,
    verbatim: bool = False,
) -> pd.DataFrame:
    def rows(**how: Any) -> pd.DataFrame:
        if isinstance(path, io.StringIO):
            path.seek(0)
        with warnings.catch_warnings():
            # Separators at the ends of lines, which have been looked at.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            found: pd.DataFrame = pd.read_csv(path, sep=separator, index_col=False, **how)
        return found

    name = path.name if isinstance(path, Path) else "the input"
    try:
        if separator == _BLANKS and _has_tabs(path):
            separator = "\t"
        first = rows(header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
        headless = _is_headless(first)
        _refuse_ragged(name, first, rows, separator)
        table = rows(
            header=None if headless else 0,
            usecols=None if columns is None else [int(str(c)) if headless else c for c in columns],
            nrows=nrows,
            # In a file of one column an empty line is a missing value.
            skip_blank_lines=len(first) > 1,
            **(_AS_WRITTEN if verbatim else _TYPED),
        )
        if not verbatim:
            table = _exact(table, rows, headless=headless, nrows=nrows, alone=len(first) == 1)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{name} is empty.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not in UTF-8 ({error.reason}); save it so, then read it.") from None
    except pd.errors.ParserError as error:
        raise ValueError(f"{name} is no table: {str(error).strip()}.") from None
    except _DAMAGED as error:
        raise ValueError(f"{name} cannot be unpacked: {error}.") from None
    if headless:
        table.columns = [str(column) for column in table.columns]
    return table if columns is None else table[list(columns)]


def _has_tabs(path: Path | io.StringIO) -> bool:
    """Whether the first line of a text file is parted by tabs."""
    line = pd.read_csv(path, sep="\t", header=None, nrows=1, dtype=str)
    return line.shape[1] > 1


def _is_headless(first: pd.Series[Any]) -> bool:
    """Whether the first line of a file holds numbers, or an ID, and no names."""
    known = first[first != ""]
    numbers = pd.to_numeric(known, errors="coerce").notna()
    long = known.str.fullmatch(r"\d{12,}")
    return bool(len(known) and (numbers.all() or long.any()))


def _refuse_ragged(name: str, first: pd.Series[Any], rows: Any, separator: str) -> None:
    """Refuse what pandas would take for an index, or what is parted by something else."""
    if len(first) == 1 and separator == "," and ";" in str(first[0]):
        raise ValueError(
            f"{name} is parted by semicolons; save it with commas, or as .tsv with tabs, and read that."
        )
    try:
        second = rows(header=None, skiprows=1, nrows=1, dtype=str)
    except pd.errors.EmptyDataError:
        return
    beyond = range(len(first), second.shape[1])
    # Separators at the ends of lines are no cells, as long as nothing stands behind one of them.
    if len(beyond) and rows(header=None, skiprows=1, usecols=beyond, dtype=str).notna().any(axis=None):
        raise ValueError(
            f"{name} has rows with more cells than its header ({len(first)}): a column name is missing "
            "(in R: write.csv(..., row.names = FALSE))."
        )


def _exact(
    table: pd.DataFrame, rows: Any, *, headless: bool, nrows: int | None, alone: bool
) -> pd.DataFrame:
    """Columns in which large whole numbers stand beside others, as they are written: as text."""
    rounded = [
        name
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name].dtype)
        and bool((table[name].abs() > MAX_EXACT_FLOAT).any())
    ]
    if not rounded:
        return table
    how: Any = {"header": None if headless else 0, "nrows": nrows, "skip_blank_lines": not alone}
    texts = rows(usecols=rounded, dtype=str, **how)
    whole = [name for name in rounded if texts[name].str.fullmatch(r"\s*\d{16,}\s*").any()]
    return table.assign(**{str(name): texts[name].astype("string") for name in whole})
