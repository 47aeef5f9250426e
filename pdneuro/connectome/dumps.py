"""Download a service's whole graph, or find an earlier download."""

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
    """Return the files of a project's graph, downloaded if necessary."""
    fetch = Fetch.of(progress=progress, refresh=refresh)
    source = open_source(project)
    if not isinstance(source, Dumping):
        raise UnknownSourceError(
            f"{project!r} does not offer a download of its whole graph. Use a BrainCircuits.io project."
        )
    if folder is None:
        make_private_folder(cache_folder())
        folder = cache_folder() / "downloads" / source.name.replace(":", "-")
    target = Path(folder).expanduser()
    return _newest(target, project) if fetch.offline else source.graph_dump(target, fetch)


def _newest(folder: Path, project: str) -> Dump:
    """Return the latest complete download."""
    states = sorted(
        (int(file.parent.name) if file.parent.name.isdigit() else 0, file.parent)
        for file in folder.glob("*/edges.parquet")
    )
    if not states:
        raise OfflineError(
            f"pdneuro is offline, and the graph of {project!r} was not downloaded to {folder}. Call "
            "Connectome.download() once with offline=False."
        )
    snapshot, latest = states[-1]
    nodes = latest / "nodes.parquet"
    return Dump(latest / "edges.parquet", nodes if nodes.exists() else None, snapshot or None)
