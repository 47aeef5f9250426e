"""Read and write reconstructions in SWC format."""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.errors import InvalidSwcError, listing
from pdneuro.files.formats import DAMAGED, is_hidden
from pdneuro.tables import skeletons, swc


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
        A file, also compressed (.gz, .zip), a folder, or a pattern such as ``"cells/*.swc"``. Any
        encoding, line ends, spaces, tabs and commas; comments anywhere, further columns. If a header
        names the columns, they may be in any order. Several files become one table.
    neuron : str, optional
        Name of the neuron. Default: the file's column ``neuron``, or its name without ``.CNG.swc`` or
        ``.swc``.
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
        The file does not contain nodes, is damaged or a web page, or its header does not fit; with
        ``strict``, it has problems. Or several files have the same name.
    PrecisionLossError
        The number of a node lost digits, as in ``7.2E+17``.
    FileNotFoundError
        The file does not exist, or the folder does not contain an SWC file.

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
    several = not isinstance(path, str | os.PathLike) and not hasattr(path, "read")
    sources = list(swc_contents(path))
    if neuron is not None and (several or len(sources) != 1):
        raise TypeError("neuron= requires one file. With several, neurons are named after their files.")
    named = [(swc.neuron_name(name) if neuron is None else neuron, content) for name, content in sources]
    unique = len({name for name, _ in named}) == len(named)
    at_once = swc.parse_at_once(named) if len(named) > 1 and unique and not strict else None
    if at_once is not None:
        return at_once
    tables = [
        swc.parse(content, name, strict=strict, own_names=neuron is None) for name, content in named
    ]
    if len(tables) == 1 and not several:
        return tables[0]
    names = [name for table in tables for name in table[skeletons.NEURON].unique()]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidSwcError(
            f"several files have the same name: {listing(map(repr, repeated))}. "
            "Read them one by one, with neuron=... for each."
        )
    return skeletons.joined(tables)


def swc_contents(
    path: Any, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of files: a file, an archive, a folder, a pattern or several.

    Parameters
    ----------
    path : path, file or several of them
    wanted : callable
        Whether a file of this name is read. Default: all.

    >>> import io
    >>> list(swc_contents(io.StringIO("1 1 0 0 0 1 -1")))
    [('', b'1 1 0 0 0 1 -1')]
    """
    if hasattr(path, "read"):
        content = path.read()
        name = Path(str(getattr(path, "name", ""))).name
        yield name, content.encode() if isinstance(content, str) else content
        return
    if not isinstance(path, str | os.PathLike):
        for one in path:
            yield from swc_contents(one, wanted)
        return
    target = Path(path).expanduser()
    if target.is_dir():
        found = sorted(file for file in target.rglob("*") if _is_swc(file))
    elif target.exists() or not re.search(r"[*?[]", str(target)):
        found = [target]
    else:
        matches = Path(target.anchor).glob(str(target.relative_to(target.anchor)))
        found = sorted(file for file in matches if not is_hidden(file))
    if not found:
        raise FileNotFoundError(f"{target} does not contain an SWC file (.swc, .swc.gz).")
    for file in found:
        if _is_swc(file) and not wanted(file.name):
            continue
        try:
            yield from _unpacked(file, wanted)
        except (*DAMAGED, NotImplementedError, RuntimeError) as error:
            raise InvalidSwcError(
                f"{file} cannot be decompressed: {error}. Download it again."
            ) from error


def _unpacked(file: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        yield file.name, gzip.decompress(content)
    elif content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if _is_swc(Path(name))]
            if not members:
                raise InvalidSwcError(f"{file} does not contain an SWC file (.swc, .swc.gz).")
            for member in sorted(filter(lambda name: wanted(Path(name).name), members)):
                data = archive.read(member)
                yield Path(member).name, gzip.decompress(data) if member.endswith(".gz") else data
    else:
        yield file.name, content


def _is_swc(file: Path) -> bool:
    return not is_hidden(file) and bool(re.search(r"\.swc(\.gz)?$", file.name, re.I))


def to_swc(nodes: pd.DataFrame, path: str | os.PathLike[str]) -> list[Path]:
    """Write reconstructions in SWC format; numbers are the same when they are read again.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    path : path
        For one neuron, a file name that ends in ``.swc``; otherwise a folder for one file per neuron.
        Nodes without a neuron are written to ``unnamed.swc``.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.
    InvalidSwcError
        The table has several neurons, and ``path`` is one file; or two neurons have one file name.

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
    # Names of neurons may contain characters that are invalid in file names.
    stems = [quote(_stem(name), safe=" ()[]+,;=@!$&") for name, _ in parts]
    repeated = [stem for stem in dict.fromkeys(stems) if stems.count(stem) > 1]
    if repeated:
        raise InvalidSwcError(
            f"several neurons would be written to one file: {listing(repeated)}. Rename them."
        )
    written = []
    for stem, (_, part) in zip(stems, parts, strict=True):
        file = target if single else target / f"{stem}.swc"
        with replacing(file) as unfinished:
            unfinished.write_text(swc.text(part), encoding="utf-8", newline="\n")
        written.append(file)
    return written


def _stem(name: Any) -> str:
    return "unnamed" if pd.isna(name) else str(name)
