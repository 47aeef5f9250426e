"""An index of partners by neuron: arrays that are built once and then mapped from disk.

The records of a neuron are adjacent: its downstream partners, then its upstream partners, each sorted
by weight, the largest first. A query for k neurons reads k slices.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import CacheWarning, warn
from pdneuro.tables.edges import check_total, edge_table
from pdneuro.tables.grouping import group_codes, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import require_numbers
from pdneuro.tables.pairs import coded_ends
from pdneuro.transport.store import cache_folder, make_private_folder

#: Increased when the layout of the files changes.
_LAYOUT = 1
_ARRAYS = ("ids", "start", "partner", "weight")

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Index:
    """Partners by neuron.

    Attributes
    ----------
    ids : array of int64
        Sorted IDs of the neurons.
    start : array of int64
        The downstream records of neuron ``i`` are ``start[2 * i]`` to ``start[2 * i + 1]``, its upstream
        records ``start[2 * i + 1]`` to ``start[2 * i + 2]``.
    partner : array of int
        Position of the partner in ``ids``.
    weight : array of int
        Number of synapses.
    """

    ids: Any
    start: Any
    partner: Any
    weight: Any

    @property
    def pairs(self) -> int:
        """Return the number of pairs with an edge."""
        return len(self.partner) // 2

    def places(self, ids: Int64Array) -> Places:
        """Return the positions of neurons in ``ids``, -1 if they are not in it."""
        positions = np.searchsorted(self.ids, ids)
        positions[positions == len(self.ids)] = 0
        exists = self.ids[positions] == ids if len(self.ids) else np.zeros(len(ids), bool)
        return np.where(exists, positions, -1)

    def records(
        self, places: Places, *, upstream: bool = True, downstream: bool = True
    ) -> tuple[Places, Any, Any, npt.NDArray[np.bool_]]:
        """Return the records of some neurons, neuron by neuron.

        Returns
        -------
        tuple
            The number of records of each neuron; and for each record the position of the partner, the
            weight, and whether the partner is upstream.
        """
        bounds = self.start[2 * places[:, None] + np.arange(3)]
        sizes = np.diff(bounds, axis=1)
        sizes[:, 0] *= downstream
        sizes[:, 1] *= upstream
        counts = sizes.sum(axis=1)
        begin = bounds[:, 0 if downstream else 1]
        row = np.repeat(begin - (np.cumsum(counts) - counts), counts)
        row += np.arange(len(row))
        incoming = np.repeat(np.tile([False, True], len(places)), sizes.ravel())
        # NumPy would convert int32 positions at each use.
        return counts, self.partner[row].astype(np.intp), self.weight[row], incoming

    def sums(self, places: Places) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
        """Return numbers of synapses and partners downstream, and of synapses and partners upstream."""
        counts, _, weight, incoming = self.records(places)
        rows = np.repeat(np.arange(len(places)), counts)
        down, up = (
            sums_by_code(rows[side], weight[side], len(places)) for side in (~incoming, incoming)
        )
        partners = np.diff(self.start[2 * places[:, None] + np.arange(3)], axis=1)
        return down, partners[:, 0], up, partners[:, 1]

    def table(self) -> pd.DataFrame:
        """Return all pairs as an edge table, sorted by presynaptic neuron."""
        counts, partner, weight, _ = self.records(np.arange(len(self.ids)), upstream=False)
        return edge_table(np.repeat(self.ids, counts), self.ids[partner], weight)


def build(edges: pd.DataFrame, neurons: Int64Array) -> Index:
    """Build the index of an edge table; it includes ``neurons`` without edges."""
    require_numbers(edges, "a Connectome")
    check_total(edges)
    ids, pre, post = coded_ends(edges)
    if len(neurons):
        all_ids = np.union1d(ids, neurons)
        positions = np.searchsorted(all_ids, ids).astype(pre.dtype)
        ids, pre, post = all_ids, positions[pre], positions[post]
    count, weight = len(ids), edges["weight"].to_numpy()
    pairs = group_codes(pre.astype(np.int64) * count + post, max(count**2, 1))
    first = pairs.first
    if len(first) < len(edges):
        weight = np.add.reduceat(weight[pairs.rows], pairs.starts) if len(first) else weight
    else:
        weight = weight[first]
    pre, post = pre[first], post[first]
    sides = [_by_weight(own, other, weight, count) for own, other in ((pre, post), (post, pre))]
    counts = [np.bincount(own, minlength=count) for own in (pre, post)]
    start = np.zeros(2 * count + 1, np.int64)
    np.cumsum(np.column_stack(counts).ravel(), out=start[1:])
    partner = np.empty(2 * len(first), np.int32 if count < 2**31 else np.int64)
    small = not len(weight) or int(np.max(weight)) < 2**31
    weights = np.empty(len(partner), np.int32 if small else np.int64)
    for side, ((other, side_weight), number) in enumerate(zip(sides, counts, strict=True)):
        row = np.arange(len(first)) + np.repeat(
            start[side : 2 * count : 2] - (np.cumsum(number) - number), number
        )
        partner[row], weights[row] = other, side_weight
    return Index(ids, start, partner, weights)


def _by_weight(own: Any, other: Any, weight: Int64Array, count: int) -> tuple[Any, Int64Array]:
    """Sort partners and weights by neuron, then by weight (the largest first), then by partner."""
    by_partner = group_codes(own.astype(np.int64) * count + other, max(count**2, 1)).rows
    own, other, weight = own[by_partner], other[by_partner], weight[by_partner]
    top = int(np.max(weight)) if len(weight) else 0
    if count * (top + 1) < 2**62:
        order = group_codes(own.astype(np.int64) * (top + 1) + (top - weight), count * (top + 1)).rows
    else:
        order = np.lexsort((-weight, own))
    return other[order], weight[order]


# -- on disk --------------------------------------------------------------------------------------


def on_disk(files: list[Path], options: object, make: Callable[[], Index]) -> Index:
    """Return the index of files in their current state: from the cache folder, or built and saved there.

    Parameters
    ----------
    files : list of Path
        Files of the edges and neurons; the first one is named in messages.
    options : object
        The paths that were given and everything else that the index depends on, as JSON. An index with
        the same options and an older state of the files is deleted.
    make : callable
        Function that builds the index.
    """
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    owner, content = _digest(options), _digest([_LAYOUT, state, options])
    home = cache_folder() / "indexes"
    folder = home / f"{owner}-{content}"
    if folder.is_dir():
        try:
            return _open(folder)
        except (OSError, ValueError, EOFError):  # a damaged index is built again
            shutil.rmtree(folder, ignore_errors=True)
    index = make()
    try:
        make_private_folder(cache_folder())
        home.mkdir(exist_ok=True)
        _save(index, folder)
    except OSError as error:
        warn(
            f"The index of {files[0].name} cannot be saved in {home} ({error}), so it is built at each "
            "start. Choose another folder with pdneuro.set_options(cache_dir=...).",
            CacheWarning,
        )
        return index
    with contextlib.suppress(OSError):  # another process has read a newer state, and deletes this one
        index = _open(folder)
    for old in home.glob(f"{owner}-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return index


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _open(folder: Path) -> Index:
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS]
    return Index(*(np.asarray(array) for array in arrays))


def _save(index: Index, folder: Path) -> None:
    """Write a complete index: other processes never see a part of it."""
    unfinished = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        for name in _ARRAYS:
            np.save(unfinished / f"{name}.npy", getattr(index, name), allow_pickle=False)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has written it
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
