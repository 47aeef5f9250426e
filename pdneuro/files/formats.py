"""The formats of table files: their endings, their first bytes, the files of a folder."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from pdneuro.errors import InvalidFileError, PdneuroError, listing

PathLike = str | os.PathLike[str]

BLANKS = r"\s+"
SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": BLANKS}
ARROW = {".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather"}
EXCEL = ".xlsx"
#: A list of IDs, saved by NumPy.
NUMPY = ".npy"
TEXT_OR_SHEET = (*SEPARATORS, EXCEL)
_FORMATS = (*SEPARATORS, *ARROW, EXCEL, NUMPY)
PACKERS = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bz2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zip": "zip",
}
PACKED = tuple(PACKERS)
#: Number of rows from which the roles of the columns of a file are recognized.
SAMPLE = 1_000
#: Errors of a compressed file that is truncated or of another format.
DAMAGED = (
    EOFError,
    struct.error,
    zlib.error,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zipfile.BadZipFile,
    ImportError,
)
#: The first bytes of files, and what the files are.
_KINDS = (
    (b"version https://git-lfs", "a pointer of git-lfs and not the file itself. Run: git lfs pull"),
    (b"PAR1", "a parquet file. Let its name end in .parquet"),
    (b"ARROW1", "an Arrow file. Let its name end in .feather"),
    (b"FEA1", "a feather file of version 1. Write it again: pyarrow.feather.write_feather()"),
    (b"\xff\xff\xff\xff", "a stream of Arrow. Write its table with pyarrow.feather.write_feather()"),
    (b"\x1f\x8b", "compressed by gzip. Let its name end in .gz"),
    (b"BZh", "compressed by bzip2. Let its name end in .bz2"),
    (b"\xfd7zXZ", "compressed by xz. Let its name end in .xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd. Let its name end in .zst"),
    (b"PK\x03\x04", "a zip archive or an Excel file. Let its name end in .zip or .xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file. Save it as .xlsx or .csv"),
    (b"\x89HDF", "an HDF5 file. Save its table as .csv or .parquet"),
    (b"SQLite format 3", "an SQLite database. Save its table as .csv or .parquet"),
    (b"\xff\xfe", "UTF-16. Save it as UTF-8"),
    (b"\xfe\xff", "UTF-16. Save it as UTF-8"),
    (b"\x93NUMPY", "an array of NumPy. Let its name end in .npy"),
    (b"%PDF", "a PDF file. Save its table as .csv"),
)
#: The first bytes of formats that are not text.
_MARKS = {EXCEL: b"PK\x03\x04", NUMPY: b"\x93NUMPY"}
#: Characters of patterns.
_WILDCARD = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_table(name: str) -> bool:
    """Return True if :func:`read_table` reads files with the ending of this name.

    Examples
    --------
    >>> from pdneuro.files import is_table
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "notes.md") if is_table(name)]
    ['edges.csv.gz', 'neurons.parquet']
    """
    return ending_of(Path(name)) in _FORMATS


def is_text(path: PathLike | None) -> bool:
    """Return True if a file of this name is text (csv, tsv, txt), or if there is no name.

    Examples
    --------
    >>> from pdneuro.files import is_text
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "neurons.tsv") if is_text(name)]
    ['edges.csv.gz', 'neurons.tsv']
    """
    return path is None or ending_of(Path(path)) in SEPARATORS


def table_files(path: PathLike | Sequence[PathLike]) -> list[Path]:
    """Return the file, or the files of a folder or of several paths that contain the table.

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
    return files_of(path)[0]


def local_path(path: PathLike, storage_options: Mapping[str, Any] | None = None) -> Path:
    """Return the path of a file or folder; of a file at an address, the path of its copy.

    >>> local_path("edges.csv").name
    'edges.csv'
    """
    address = os.fspath(path)
    if _ADDRESS.match(address):
        from pdneuro.files.remote import local_copy  # the network is loaded only if it is used

        return local_copy(address, storage_options)
    if storage_options:
        raise ValueError(f"storage_options= is for an address, and {address} is a path. Leave it out.")
    return Path(path).expanduser()


def shown(path: PathLike | Sequence[PathLike]) -> str:
    """Return a path or an address, or several, for messages, without secrets.

    >>> shown("https://me:pw@host/edges.csv?token=123"), shown(["a.csv", "b.csv"])
    ('https://host/edges.csv?token=***', 'a.csv, b.csv')
    """
    if not is_path(path):
        return listing(map(shown, path))
    text = os.fspath(path)
    if not _ADDRESS.match(text):
        return text
    from pdneuro.transport.responses import without_secrets

    return without_secrets(text)


def is_path(path: object) -> TypeGuard[PathLike]:
    """Return whether this is one path, not several."""
    return isinstance(path, str | os.PathLike)


def files_of(path: PathLike | Sequence[PathLike]) -> tuple[list[Path], str, Path]:
    """Return the files of a table: the file, or those of a folder, of a pattern or of several paths.

    Returns
    -------
    tuple
        The files, each once; their ending; and the folder below which folders are partitions.
    """
    if is_path(path):
        target = local_path(path)
        return *_files_of(target), base_of(target)
    found = [_files_of(local_path(one).absolute()) for one in path]
    if not found:
        raise ValueError("the list of files is empty. Give at least one path.")
    # A pattern and a name may be of the same file.
    files = list({file.resolve(): file for tables, _ in found for file in tables}.values())
    endings = sorted({ending for _, ending in found})
    if len(endings) > 1:
        raise ValueError(f"the list mixes formats: {', '.join(endings)}. Use one format.")
    return files, endings[0], Path(os.path.commonpath([file.parent for file in files]))


def _files_of(target: Path) -> tuple[list[Path], str]:
    """Return the files of one path, and their ending."""
    pattern = _is_pattern(target)
    if pattern or target.is_dir():
        base = base_of(target)
        inside = str(target.relative_to(base)) if pattern else "**/*"
        tables = sorted(file for file in base.glob(inside) if file.is_file() and _is_part(file))
        endings = sorted({ending_of(file) for file in tables})
        what = f"the {'pattern' if pattern else 'folder'} {target}"
        if not tables:
            raise FileNotFoundError(
                f"{what} does not contain a table (csv, tsv, txt, parquet, feather, xlsx)."
            )
        if len(endings) > 1:
            raise ValueError(f"{what} mixes formats: {', '.join(endings)}. Use one format.")
        return tables, endings[0]
    if not is_table(target.name):
        raise ValueError(
            f"{target.name} has an unknown format. "
            "Use csv, tsv, txt (also .gz), parquet, feather, xlsx or npy."
        )
    if not target.exists():
        raise FileNotFoundError(f"the file {target} does not exist.")
    return [target], ending_of(target)


def _is_pattern(path: Path) -> bool:
    return bool(_WILDCARD.search(str(path))) and not path.exists()


def base_of(path: Path) -> Path:
    """Return the file or folder of a path; of a pattern such as ``synapses/*.parquet`` its folder.

    >>> base_of(Path("synapses/roi=*/*.parquet")).name
    'synapses'
    """
    if not _is_pattern(path):
        return path
    return next(folder for folder in path.parents if not _WILDCARD.search(str(folder)))


def _is_part(file: Path) -> bool:
    """Return whether a file of a folder is a part of its table."""
    return is_table(file.name) and ending_of(file) != NUMPY and file.name[0] not in "._"


def ending_of(path: Path) -> str:
    """Return the ending that sets the format, without that of the compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


def _name_of(ending: str) -> str:
    return {**ARROW, EXCEL: "Excel", NUMPY: "NumPy"}.get(ending, "text")


def is_hidden(file: Path) -> bool:
    """Return True for a hidden file, such as those that a Mac adds to archives."""
    return file.name.startswith(".") or "__MACOSX" in file.parts


@contextlib.contextmanager
def readable(file: Path, ending: str) -> Iterator[None]:
    """Check the first bytes of a file; turn the errors of its reader into one that names the file."""
    _refuse_other_kind(file, ending)
    try:
        yield
    except (PdneuroError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the content
            raise
        reason = next(iter(str(error).strip().splitlines()), "").rstrip(".") or type(error).__name__
        raise InvalidFileError(
            f"{file} cannot be read or decompressed: {reason}. It may be truncated, damaged or of "
            "another format. Download or write it again."
        ) from error


def _refuse_other_kind(file: Path, ending: str) -> None:
    """Raise an error if the first bytes of a file show that its name has the wrong ending."""
    packed = file.suffix.lower() in PACKED
    with file.open("rb") as opened:
        begin = opened.read(64)
        opened.seek(-min(6, file.stat().st_size), 2)
        end = opened.read()
    if not begin:
        raise InvalidFileError(f"{file} is empty.")
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise InvalidFileError(f"{file} is a web page (HTML), not a table. Download the file itself.")
    kind = next((kind for mark, kind in _KINDS if begin.startswith(mark)), None)
    pointer = _KINDS[0][1]
    if ending in ARROW:
        mark = b"PAR1" if ARROW[ending] == "parquet" else b"ARROW1"
        # Some name the compression inside of a parquet file: edges.parquet.gzip.
        if packed and not begin.startswith(mark):
            raise InvalidFileError(
                f"{file} cannot be read while it is packed by {PACKERS[file.suffix.lower()]}. Unpack it."
            )
        if begin.startswith(mark) and not end.endswith(mark):
            raise InvalidFileError(f"{file} is damaged (truncated). Download or write it again.")
        wrong = not begin.startswith(mark)
    elif ending in _MARKS:
        wrong = not begin.startswith(_MARKS[ending])
    else:
        wrong = kind is not None and (not packed or kind == pointer)
        if kind is None and not packed and b"\0" in begin:
            raise InvalidFileError(f"{file} is a binary file, not a text file. Check its name.")
    if wrong:
        found = (
            f"Its content is {kind}." if kind is not None else "It is damaged, or text. Write it again."
        )
        raise InvalidFileError(f"{file} is not a {_name_of(ending)} file. {found}")
