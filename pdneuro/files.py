"""Read and write tables; IDs and numbers stay exact."""

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
#: Errors of a compressed file that is truncated or of another format.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, ImportError)
_AS_WRITTEN: dict[str, Any] = {"dtype": str, "keep_default_na": False}
_PACKERS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_PACKED = tuple(_PACKERS)


def is_table(name: str) -> bool:
    """Return True if :func:`read_table` reads files with the ending of this name.

    Examples
    --------
    >>> from pdneuro.files import is_table
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "notes.md") if is_table(name)]
    ['edges.csv.gz', 'neurons.parquet']
    """
    return _ending(Path(name)) in (*_SEPARATORS, *_ARROW)


def is_text(path: str | os.PathLike[str] | None) -> bool:
    """Return True if a file of this name is text (csv, tsv, txt), or if there is no name.

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
    r"""Read a table; integers stay exact, also in columns with missing values.

    Parameters
    ----------
    path : path or file
        csv, tsv, txt (separated by spaces), also compressed; parquet; feather; or an open csv file.
        A folder can contain several files of one format; partitions (``roi=ME/...``) become columns.
        A text file whose first line contains only numbers has no header: its columns are
        ``0, 1, 2, ...``.
    columns : sequence, optional
        Names of the columns to read. Default: all.
    verbatim : bool, default False
        Read all cells of text files as text, so that leading zeros, ``1.50`` and ``NA`` are written
        unchanged.

    Returns
    -------
    DataFrame
        Nullable dtypes (``Int64``, ``Float64``, text).

    Raises
    ------
    FileNotFoundError
        The file does not exist, or the folder does not contain a table.
    ValueError
        The ending of the name is not a supported format.
    MissingDependencyError
        pyarrow, which reads and writes parquet and feather, is not installed (extra ``files``).

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
        # By default, to_pandas() converts integers with missing values to floats.
        table: pd.DataFrame = data.to_pandas(types_mapper=_nullable().get, ignore_metadata=True)
        for name in data.schema.names:
            if data.schema.field(name).type.num_fields == 1:  # in arrays, integers would become floats
                lists = data.column(name).to_pylist()
                table[name] = pd.Series(lists, index=table.index, dtype=object)
        metadata = json.loads((data.schema.metadata or {}).get(b"pandas", b"{}"))
        table.attrs = dict(metadata.get("attributes") or {})
        return table
    parts = [_read_text(file, _SEPARATORS[ending], columns, verbatim=verbatim) for file in files]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def write_table(table: pd.DataFrame, path: str | os.PathLike[str] | IO[str]) -> None:
    """Write a table without its index; integers stay integers, also in columns with missing values.

    Parameters
    ----------
    table : DataFrame
        In text files, the items of a list are joined by ``"; "``.
    path : path or file
        The ending sets the format: csv, tsv (also compressed), parquet, feather. An open file is
        written as csv. The file is replaced only when it is complete.

    Raises
    ------
    ValueError
        The ending of the name is not a supported format.
    MissingDependencyError
        pyarrow, which reads and writes parquet and feather, is not installed (extra ``files``).

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
    target = writable(path)
    ending = _ending(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        if ending in _ARROW:
            rows = table.reset_index(drop=True)
            write = rows.to_parquet if _ARROW[ending] == "parquet" else rows.to_feather
            write(unfinished)
        else:
            separator = "," if ending == ".csv" else "\t"
            # The temporary file has another ending, so pandas cannot infer the compression.
            packed: Any = {"compression": _PACKERS.get(target.suffix.lower())}
            _listed(table).to_csv(unfinished, sep=separator, index=False, **packed)


def writable(path: str | os.PathLike[str]) -> Path:
    """Return the path of a table to write, or raise an error if it cannot be written.

    >>> writable("known.parquet").name
    'known.parquet'
    """
    target = Path(path).expanduser()
    if not is_table(target.name) or _ending(target) == ".txt":  # spaces cannot separate an empty cell
        raise ValueError(
            f"the format of {target.name} cannot be written. Use csv, tsv (.gz), parquet or feather."
        )
    if target.is_dir():
        raise ValueError(f"{target} is a folder. Name a file in it.")
    if _ending(target) in _ARROW:
        optional("pyarrow", "files")
    return target


def _listed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with lists converted to text."""
    parts = []
    for position in range(table.shape[1]):
        column = table.iloc[:, position]
        if pd.api.types.is_object_dtype(column.dtype):
            column = column.map(_as_text)
        parts.append(column)
    return pd.concat(parts, axis=1) if parts else table


def _as_text(cell: Any) -> Any:
    return "; ".join(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the column names of a file, without reading the whole table.

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
    """Return an edge table from a frame or a file with any known column names.

    Parameters
    ----------
    edges : DataFrame or path
        Without a header the columns are ``pre``, ``post`` and, if there is a third, ``weight``.
    only : bool, default False
        Read only ``pre``, ``post`` and ``weight``.
    **roles
        ``pre=``, ``post=``, ``weight=``: names of columns that are not recognized.

    Examples
    --------
    >>> from pdneuro.files import read_edges
    >>> table = pd.DataFrame({"pre_pt_root_id": [11], "post_pt_root_id": [12], "n_syn": [5]})
    >>> read_edges(table)
       pre  post  weight
    0   11    12       5
    """
    if not isinstance(edges, pd.DataFrame | str | os.PathLike):
        raise TypeError(f"edges must be a DataFrame or the path of a file, not {type(edges).__name__}.")
    header = edges if isinstance(edges, pd.DataFrame) else pd.DataFrame(columns=column_names(edges))
    columns: list[Hashable] = list(header.columns)
    if columns[:2] == ["0", "1"]:
        roles = {"pre": "0", "post": "1", "weight": "2" if len(columns) > 2 else None, **roles}
    if only:
        names = edge_roles(header, **roles)[:3]
        columns = [name for name in names if name is not None]
        roles = dict(zip(("pre", "post", "weight"), names, strict=True))
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
    r"""Read reconstructions in SWC format, also files that break the format's rules.

    Parameters
    ----------
    path : path, file or several of them
        Any encoding, line ends, spaces and tabs; with or without a header, comments anywhere, further
        columns. Several files become one table.
    neuron : str, optional
        Name of the neuron. Default: the file's name without ``.CNG.swc`` or ``.swc``.
    strict : bool, default False
        Raise an error for a file with a problem that :func:`pdneuro.tables.check` lists.

    Returns
    -------
    DataFrame
        Node table: ``neuron`` (category), ``node``, ``type`` (int64), ``x, y, z, radius`` (float64, in
        the file's unit: µm in NeuroMorpho.org's standard files), ``parent`` (int64, -1 for a root), in
        the order of the file; further columns are ``column_8`` ... (text). Nothing is repaired:
        ``attrs["pdneuro"]["problems"]`` counts the problems. A radius that is ``NA`` or missing is
        NaN.

    Raises
    ------
    InvalidSwcError
        The file does not contain nodes, or is a web page; with ``strict``, it has problems. Or several
        files have the same name.
    FileNotFoundError
        The file does not exist.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are not nodes were skipped.

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
            raise TypeError(
                "neuron= requires one file. With several, neurons are named after their files."
            )
        tables = [read_swc(one, strict=strict) for one in path]
        names = [table[skeletons.NEURON].cat.categories[0] for table in tables]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise InvalidSwcError(
                f"several files have the same name: {listing(map(repr, repeated))}. "
                "Read them one by one, with neuron=... for each."
            )
        return skeletons.joined(tables, names)
    if isinstance(path, str | os.PathLike):
        target = Path(path).expanduser()
        content, name = target.read_bytes(), target.name
    else:
        read = cast(IO[Any], path).read()
        content = read.encode() if isinstance(read, str) else read
        name = Path(str(getattr(path, "name", ""))).name
    return swc.parse(content, swc.neuron_name(name) if neuron is None else neuron, strict=strict)


def to_swc(nodes: pd.DataFrame, path: str | os.PathLike[str]) -> list[Path]:
    """Write reconstructions in SWC format; numbers are the same when they are read again.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    path : path
        For one neuron, a file name that ends in ``.swc``; otherwise a folder for one file per neuron.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.
    InvalidSwcError
        The table has several neurons, and ``path`` is one file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> nodes = pdneuro.neuromorpho.swc([1, 2])
    >>> [file.name for file in nodes.neuro.to_swc(folder)]
    ['1.swc', '2.swc']
    """
    target = Path(path).expanduser()
    parts = skeletons.by_neuron(nodes)
    single = target.suffix.lower() == ".swc"
    if single and len(parts) != 1:
        raise InvalidSwcError(
            f"{target} is one file, and the table has {len(parts):,} neurons. Name a folder."
        )
    (target.parent if single else target).mkdir(parents=True, exist_ok=True)
    written = []
    for name, part in parts:
        # Names of neurons may contain characters that are invalid in file names.
        file = target if single else target / f"{quote(str(name), safe=' ()[]+,;=@!$&')}.swc"
        with replacing(file) as unfinished:
            unfinished.write_text(swc.text(part), encoding="utf-8", newline="\n")
        written.append(file)
    return written


def table_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the file, or the files of a folder that contain the table.

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
    target = Path(path).expanduser()
    if target.is_dir():
        tables = sorted(
            file
            for file in target.rglob("*")
            if file.is_file() and is_table(file.name) and file.name[0] not in "._"
        )
        endings = sorted({_ending(file) for file in tables})
        if not tables:
            raise FileNotFoundError(
                f"the folder {target} does not contain a table (csv, tsv, txt, parquet, feather)."
            )
        if len(endings) > 1:
            raise ValueError(f"the folder {target} mixes formats: {', '.join(endings)}. Use one format.")
        return tables, endings[0]
    if not is_table(target.name):
        raise ValueError(
            f"{target.name} has an unknown format. Use csv, tsv, txt (also .gz), parquet or feather."
        )
    if not target.exists():
        raise FileNotFoundError(f"the file {target} does not exist.")
    return [target], _ending(target)


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
    def rows(**options: Any) -> pd.DataFrame:
        if isinstance(path, io.StringIO):
            path.seek(0)
        with warnings.catch_warnings():
            # pandas warns of separators at the ends of lines, which are checked below.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            read: pd.DataFrame = pd.read_csv(path, sep=separator, index_col=False, **options)
        return read

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
            # In a file with one column, an empty line is a missing value.
            skip_blank_lines=len(first) > 1,
            **(_AS_WRITTEN if verbatim else _TYPED),
        )
        if not verbatim:
            table = _exact(table, rows, headless=headless, nrows=nrows, one_column=len(first) == 1)
    except pd.errors.EmptyDataError:
        raise ValueError(f"{name} is empty.") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise ValueError(f"{name} is not a table: {str(error).strip()}.") from None
    except _DAMAGED as error:
        raise ValueError(f"{name} cannot be decompressed: {error}.") from None
    if headless:
        table.columns = [str(column) for column in table.columns]
    return table if columns is None else table[list(columns)]


def _has_tabs(path: Path | io.StringIO) -> bool:
    """Return True if the first line of a text file contains tabs."""
    line = pd.read_csv(path, sep="\t", header=None, nrows=1, dtype=str)
    return line.shape[1] > 1


def _is_headless(first: pd.Series[Any]) -> bool:
    """Return True if the first line of a file contains numbers or an ID instead of names."""
    texts = first[first != ""]
    numbers = pd.to_numeric(texts, errors="coerce").notna()
    long = texts.str.fullmatch(r"\d{12,}")
    return bool(len(texts) and (numbers.all() or long.any()))


def _refuse_ragged(name: str, first: pd.Series[Any], rows: Any, separator: str) -> None:
    """Raise an error if rows have more cells than the header, or semicolons separate them."""
    if len(first) == 1 and separator == "," and ";" in str(first[0]):
        raise ValueError(
            f"{name} is separated by semicolons. Save it with commas, or as .tsv with tabs."
        )
    try:
        second = rows(header=None, skiprows=1, nrows=1, dtype=str)
    except pd.errors.EmptyDataError:
        return
    beyond = range(len(first), second.shape[1])
    # Separators at the ends of lines do not count as cells if they are followed by nothing.
    if len(beyond) and rows(header=None, skiprows=1, usecols=beyond, dtype=str).notna().any(axis=None):
        raise ValueError(
            f"{name} has rows with more cells than its header ({len(first)}). Add a missing column name "
            "(in R: write.csv(..., row.names = FALSE))."
        )


def _exact(
    table: pd.DataFrame, rows: Any, *, headless: bool, nrows: int | None, one_column: bool
) -> pd.DataFrame:
    """Read columns that mix large integers with other numbers again as text, to keep every digit."""
    rounded = [
        name
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name].dtype)
        and bool((table[name].abs() > MAX_EXACT_FLOAT).any())
    ]
    if not rounded:
        return table
    header = None if headless else 0
    texts = rows(usecols=rounded, dtype=str, header=header, nrows=nrows, skip_blank_lines=not one_column)
    whole = [name for name in rounded if texts[name].str.fullmatch(r"\s*\d{16,}\s*").any()]
    return table.assign(**{str(name): texts[name].astype("string") for name in whole})
