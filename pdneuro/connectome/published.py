"""Published connectomes by name: their files in public buckets, downloaded and kept with checksums."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import TEXT
from pdneuro.errors import (
    InvalidFileError,
    OfflineError,
    ServiceError,
    StaleAnswerWarning,
    UnknownSourceError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.files import read_neurons, write_table
from pdneuro.options import Fetch, get_option
from pdneuro.sources import SERVICES
from pdneuro.tables import roles
from pdneuro.transport.download import RemoteState, download, remote_state
from pdneuro.transport.http import Client
from pdneuro.transport.store import cache_folder, make_private_folder

_GCS = "flywire-data/codex/data"
_LEE = "lee-lab_brain-and-nerve-cord-fly-connectome/compiled_data/banc_888"
_MALE = "flyem-male-cns/v1.0/connectome-data/flat-connectome"
_MANC = "flyem-manc-exports/v1.0"
_FANC = "lee-lab_female-adult-nerve-cord/CAVE/v1444"
_HEMI = "exported-traced-adjacencies-v1.2"


@dataclass(frozen=True)
class DataSet:
    """The files of a published connectome.

    Attributes
    ----------
    edges : str
        The file of edges: its path in the buckets, or in an archive of ``archives``.
    neurons : tuple of str
        The files of neurons; the first one has a row for each neuron.
    archives : mapping
        Path of an archive in the buckets, to the files in it.
    min_weight : int
        Number of synapses from which the publisher keeps a pair.
    """

    edges: str
    neurons: tuple[str, ...]
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    min_weight: int = 1

    @property
    def downloads(self) -> list[str]:
        """Return the paths in the buckets."""
        inside = {name for names in self.archives.values() for name in names}
        return [*self.archives, *(name for name in (self.edges, *self.neurons) if name not in inside)]


#: The data sets by name, as the facts of their publishers describe them.
DATA_SETS: Mapping[str, DataSet] = {
    "flywire:783": DataSet(
        f"{_GCS}/fafb/783/connections.csv.gz",
        tuple(
            f"{_GCS}/fafb/783/{name}.csv.gz"
            for name in ("neurons", "classification", "consolidated_cell_types")
        ),
        min_weight=5,
    ),
    "banc:888": DataSet(
        f"{_LEE}/banc_888_edgelist_simple_v3.feather", (f"{_LEE}/banc_888_meta.feather",)
    ),
    "male-cns:1.0": DataSet(
        f"{_MALE}/connectome-weights-male-cns-v1.0-minconf-0.5-traced-only.feather",
        (
            f"{_MALE}/body-annotations-male-cns-v1.0-minconf-0.5.feather",
            f"{_MALE}/body-neurotransmitters-male-cns-v1.0.feather",
        ),
    ),
    "hemibrain:1.2": DataSet(
        f"{_HEMI}/traced-total-connections.csv",
        (
            f"{_HEMI}/traced-neurons.csv",
            "hemibrain/v1.2/hemibrain-v1.2-body-mean-neurotransmitters.feather",
        ),
        {
            f"hemibrain/v1.2/{_HEMI}.tar.gz": (
                f"{_HEMI}/traced-total-connections.csv",
                f"{_HEMI}/traced-neurons.csv",
            )
        },
    ),
    "manc:1.0": DataSet(
        f"{_MANC}/manc-traced-adjacencies-v1.0/traced-connections.csv",
        (
            f"{_MANC}/manc-traced-adjacencies-v1.0/traced-neurons.csv",
            f"{_MANC}/manc-v1.0-neuron-properties.feather",
        ),
    ),
    "fanc:1444": DataSet(
        f"{_FANC}/synapses_nov2022_human_readable_connectioncounts_countthresh3.parquet",
        (f"{_FANC}/cell_ids_v2.parquet",),
        min_weight=3,
    ),
}

#: Columns of the files for each column of the table of neurons, the first that exists.
_COLUMNS = {
    "type": ("type", "primary_type", "cell_type", "Primary Cell Type"),
    "class": ("class", "cell_class", "Class", "super_class", "superclass"),
    "side": ("side", "somaSide", "Soma side", "rootSide"),
    "nt": ("nt",),
}
_SIDES = {"l": "left", "lhs": "left", "r": "right", "rhs": "right", "m": "center", "c": "center"}
_TRANSMITTERS = {
    "ach": "acetylcholine",
    "da": "dopamine",
    "glut": "glutamate",
    "oct": "octopamine",
    "ser": "serotonin",
}
_STATE, _NEURONS = "files.json", "neurons.parquet"


class Files(NamedTuple):
    """The complete files of a data set."""

    edges: Path
    neurons: Path


def known(name: str) -> DataSet | None:
    """Return the published data set of a name, None if the name is that of a project of a service.

    >>> known("flywire:783").min_weight, known("fruitfly_fafb_flywire")
    (5, None)
    """
    found = DATA_SETS.get(name)
    service, colon, _ = name.partition(":")
    bare = not colon and name in {known.partition(":")[0] for known in DATA_SETS}
    if found is None and (bare or (colon and service not in SERVICES)):
        raise UnknownSourceError(
            f"there is no published data set {name!r}.{did_you_mean(name, DATA_SETS)} The data sets are "
            f"{listing(map(repr, DATA_SETS), 12)}."
        )
    return found


def files(name: str, folder: Path | None, fetch: Fetch) -> Files:
    """Return the files of a published data set, downloaded if they are not in the folder.

    Parameters
    ----------
    name : str
        Such as ``"flywire:783"``.
    folder : Path, optional
        Default: a folder of the cache.
    fetch : Fetch
        Progress, offline, refresh.

    Raises
    ------
    InvalidFileError
        A file differs from its checksum.
    OfflineError
        pdneuro is offline, and the files are not complete.
    ServiceError
        The request failed. The next call resumes the download.
    """
    data = DATA_SETS[name]
    if folder is None:
        make_private_folder(cache_folder())
        folder = cache_folder() / "downloads" / name.replace(":", "-")
    state = {} if fetch.refresh else _read_state(folder)
    missing = [path for path in data.downloads if path not in state or not _place(folder, path).exists()]
    if missing and fetch.offline:
        raise OfflineError(
            f"pdneuro is offline, and {name} is not complete in {folder}. Call "
            f"pdneuro.Connectome.download({name!r}) once with offline=False."
        )
    for path in set(data.downloads) - set(missing):
        _require_checksum(_place(folder, path), state[path]["sha256"])
    if missing:
        _download(name, folder, missing, state, fetch)
    elif not fetch.offline:
        _warn_if_refreshed(name, data, state, fetch)
    edges, *tables = (_unpacked(folder, data, path) for path in (data.edges, *data.neurons))
    neurons = folder / _NEURONS
    if missing or not neurons.exists():
        write_table(_neuron_table(tables), neurons)
    return Files(edges, neurons)


def _download(name: str, folder: Path, paths: list[str], state: dict[str, Any], fetch: Fetch) -> None:
    """Download files, the size of all first; store the checksum of each as soon as it is complete."""
    states = {path: remote_state(_client(path, fetch), _address(path)) for path in paths}
    sizes = [found.size for found in states.values()]
    if fetch.progress is not False:
        total = "unknown size" if None in sizes else _size(sum(size or 0 for size in sizes))
        print(f"{name}: {len(paths)} files, {total}, to {folder}", file=sys.stderr)
    for path, found in states.items():
        place = _place(folder, path)
        download(
            _client(path, fetch),
            _address(path),
            place,
            version=found.mark,
            check=functools.partial(_fault, found),
            show=fetch.progress,
        )
        state[path] = {"size": found.size, "mark": found.mark, "sha256": _sha256(place)}
        with replacing(folder / _STATE) as unfinished:
            unfinished.write_text(json.dumps(state, indent=1), encoding="utf-8")


def _client(path: str, fetch: Fetch) -> Client:
    return Client(_address(path), fetch)


def _address(path: str) -> str:
    return f"{get_option('published_url')}/{path}"


def _place(folder: Path, path: str) -> Path:
    return folder / path.rpartition("/")[2]


def _read_state(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _fault(found: RemoteState, part: Path) -> str | None:
    """Return what is wrong with a downloaded file, compared with what the server says of it."""
    if found.size is not None and part.stat().st_size != found.size:
        return f"the file has {part.stat().st_size:,} bytes instead of {found.size:,}."
    if found.md5 is not None and _digest(part, "md5") != found.md5:
        return "the checksum of the file differs from that of the server."
    return None


def _require_checksum(file: Path, expected: str) -> None:
    if _sha256(file) != expected:
        raise InvalidFileError(
            f"{file} differs from the checksum of its download: it was changed or is damaged. "
            " Download it again with refresh=True."
        )


def _sha256(file: Path) -> str:
    return _digest(file, "sha256")


def _digest(file: Path, kind: str) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, kind).hexdigest()


def _warn_if_refreshed(name: str, data: DataSet, state: dict[str, Any], fetch: Fetch) -> None:
    """Warn if a publisher has replaced a file since the download; without a connection, do nothing."""
    changed = []
    for path in data.downloads:
        try:
            found = remote_state(Client(_address(path), fetch._replace(retries=0)), _address(path))
        except ServiceError:
            return
        if found.mark and found.mark != state[path]["mark"]:
            changed.append(path.rpartition("/")[2])
    if changed:
        warn(
            f"{name} was published again since you downloaded it: {listing(changed)}. You use the files "
            "of your download. To use the new ones, call download() with refresh=True.",
            StaleAnswerWarning,
        )


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _unpacked(folder: Path, data: DataSet, path: str) -> Path:
    """Return a file of the folder; a file of an archive is extracted if it is not there."""
    archive = next((name for name, inside in data.archives.items() if path in inside), None)
    place = _place(folder, path)
    if archive is None:
        return place
    source = _place(folder, archive)
    if place.exists() and place.stat().st_mtime_ns >= source.stat().st_mtime_ns:
        return place
    try:
        with tarfile.open(source) as opened:
            member = next(
                (
                    item
                    for item in opened.getmembers()
                    if item.isfile() and Path(item.name).name == place.name
                ),
                None,
            )
            content = None if member is None else opened.extractfile(member)
            if content is None:
                raise InvalidFileError(f"{source} does not contain {place.name}.")
            with replacing(place) as unfinished, unfinished.open("wb") as target, content:
                shutil.copyfileobj(content, target)
    except (tarfile.TarError, EOFError) as error:
        raise InvalidFileError(
            f"{source} cannot be unpacked: {error}. Download it again with refresh=True."
        ) from error
    return place


def _neuron_table(paths: list[Path]) -> pd.DataFrame:
    """Return one table of neurons with ``root_id, type, class, side, nt`` and all other columns."""
    table = _with_root_id(read_neurons(paths[0], many="first"))
    for path in paths[1:]:
        other = _with_root_id(read_neurons(path, many="first"))
        new = [name for name in other.columns if name == "root_id" or name not in table.columns]
        table = table.merge(other[new], on="root_id", how="left")
    found: dict[str, Any] = {"root_id": table["root_id"]}
    for name, sources in _COLUMNS.items():
        source = next((column for column in sources if column in table.columns), None)
        cells = table[source] if source is not None else pd.Series(pd.NA, table.index, dtype=TEXT)
        found[name] = cells.astype(TEXT)
    if found["side"].isna().all() and "instance" in table.columns:
        # hemibrain writes the side at the end of the name of a neuron: MBON01_R.
        found["side"] = table["instance"].astype(TEXT).str.extract(r"_([LR])$")[0]
    found["side"] = found["side"].str.strip().map(_side, na_action="ignore").astype(TEXT)
    found["nt"] = found["nt"].str.strip().map(_transmitter, na_action="ignore").astype(TEXT)
    others = {name: table[name] for name in table.columns if name not in found}
    return pd.DataFrame({**found, **others})


def _with_root_id(neurons: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an ID, which becomes the first column, ``root_id``."""
    ids = roles.id_column(neurons)
    name = ids.name
    rest = neurons.drop(columns=[name])
    if name != "root_id" and "root_id" in rest.columns:
        rest = rest.rename(columns={"root_id": "root_id_original"})
    rest.insert(0, "root_id", ids)
    rest = rest[rest["root_id"].notna()]
    return rest.astype({"root_id": "int64"}).reset_index(drop=True)


def _side(text: str) -> str:
    return _SIDES.get(text.casefold(), text.casefold())


def _transmitter(text: str) -> str:
    word = re.sub(r"\s+", "_", text.casefold())
    return _TRANSMITTERS.get(word, word)
