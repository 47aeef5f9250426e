"""Download the whole graph of a service, or find the files of an earlier download."""

from __future__ import annotations

import os
from pathlib import Path

from pdneuro.errors import OfflineError, UnknownSourceError
from pdneuro.options import Fetch
from pdneuro.sources import Dump, Dumping, open_source
from pdneuro.transport.store import cache_folder, make_private_folder


def download_dump(
    project: str, folder: str | os.PathLike[str] | None, *, progress: bool | None, refresh: bool
) -> Dump:
    """Return the files of a project's graph; download them if they do not exist."""
    fetch = Fetch.of(progress=progress, refresh=refresh)
    source = open_source(project)
    if not isinstance(source, Dumping):
        raise UnknownSourceError(f"{project!r} offers no download of its whole graph.")
    if folder is None:
        make_private_folder(cache_folder())
        folder = cache_folder() / "downloads" / source.name.replace(":", "-")
    place = Path(folder).expanduser()
    return _newest(place, project) if fetch.offline else source.graph_dump(place, fetch)


def _newest(place: Path, project: str) -> Dump:
    """Return the latest state that was downloaded completely."""
    states = sorted(
        (int(found.parent.name) if found.parent.name.isdigit() else 0, found.parent)
        for found in place.glob("*/edges.parquet")
    )
    if not states:
        raise OfflineError(
            f"offline, and the graph of {project!r} was not downloaded to {place}. Call "
            "Connectome.download() once with offline=False."
        )
    snapshot, latest = states[-1]
    nodes = latest / "nodes.parquet"
    return Dump(latest / "edges.parquet", nodes if nodes.exists() else None, snapshot or None)
