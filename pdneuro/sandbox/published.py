"""Public buckets of files: the sandbox's brain as FlyWire's files, and terms of the parcellation."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable

import pandas as pd

from pdneuro.sandbox.connectome import Connectome
from pdneuro.sandbox.server import Request, Response, file_response

_FLYWIRE = "/flywire-data/codex/data/fafb/783"
_TERMS = "/metadata/Allen-CCF-2020/20230630/parcellation_to_parcellation_term_membership"
#: Index, and the acronym, name and color of organ, category, division, structure and substructure.
_PARCELLATION = [
    (0, "unassigned", "unassigned", "unassigned", "unassigned", "unassigned"),
    (5, "brain", "grey", "Isocortex", "VISp", "VISp5"),
    (778, "brain", "grey", "Isocortex", "VISp", "VISp5"),
    (1, "brain", "grey", "HY", "TMv", "TMv"),
    (526, "brain", "grey", "TH", "LGd", "LGd-unassigned"),
]
_LEVELS = ("organ", "category", "division", "structure", "substructure")


class PublishedApp:
    """Files of a published connectome and of an atlas, by their paths in the buckets."""

    def __init__(self, connectome: Connectome) -> None:
        self.files: dict[str, Callable[[], bytes]] = {
            f"{_FLYWIRE}/connections.csv.gz": functools.cache(lambda: _connections(connectome)),
            f"{_FLYWIRE}/neurons.csv.gz": lambda: _columns(connectome, {"nt_type": "nt_type"}),
            f"{_FLYWIRE}/classification.csv.gz": lambda: _columns(
                connectome, {"class": "cell_class", "side": "side"}
            ),
            f"{_FLYWIRE}/consolidated_cell_types.csv.gz": lambda: _columns(
                connectome, {"primary_type": "cell_type"}
            ),
            **{
                f"{_TERMS}_{kind}.csv": functools.partial(_terms, kind)
                for kind in ("acronym", "name", "color")
            },
        }

    def __call__(self, request: Request) -> Response:
        """Return a file."""
        if request.path not in self.files:
            return Response({"detail": "Not Found"}, 404)
        return file_response(request, self.files[request.path]())


def _packed(table: pd.DataFrame) -> bytes:
    return gzip.compress(table.to_csv(index=False).encode(), mtime=0)


def _connections(connectome: Connectome) -> bytes:
    _, edges = connectome.dump
    table = pd.DataFrame({"pre_root_id": edges["src"], "post_root_id": edges["dst"]})
    return _packed(table.assign(neuropil="UNASGD", syn_count=edges["count"], nt_type=""))


def _columns(connectome: Connectome, columns: dict[str, str]) -> bytes:
    """Return a file of neurons: its columns, and the columns of the brain that they have."""
    table = pd.DataFrame({"root_id": connectome.ids})
    known = pd.DataFrame() if connectome.table is None else connectome.table.reindex(connectome.ids)
    for name, column in columns.items():
        table[name] = known[column].to_numpy() if column in known else None
    return _packed(table)


def _terms(kind: str) -> bytes:
    table = pd.DataFrame(_PARCELLATION, columns=["parcellation_index", *_LEVELS])
    if kind == "color":
        table[list(_LEVELS)] = "#70FF71"
    elif kind == "name":
        table[list(_LEVELS)] = table[list(_LEVELS)].map(lambda text: f"name of {text}")
    return table.to_csv(index=False).encode()
