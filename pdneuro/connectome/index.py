"""An index of partners by neuron: arrays that are built once and then mapped from disk.

The records of a neuron are adjacent: its downstream partners, then its upstream partners, each sorted
by weight, the largest first. A query for k neurons reads k slices.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import itertools
import json
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.connectome import kept
from pdneuro.connectome.kept import Column, KeptRows
from pdneuro.errors import CacheWarning, warn
from pdneuro.options import Fetch
from pdneuro.tables.collapse import check_total, require_total
from pdneuro.tables.edges import COLUMNS, edge_table
from pdneuro.tables.grouping import group_codes, sort_rows, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import require_numbers
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.partners import PartnerRows
from pdneuro.transport.progress import bar
from pdneuro.transport.store import cache_folder, make_private_folder

T = TypeVar("T")
#: Increased when the layout of the files changes.
_LAYOUT = 1
_ARRAYS = ("ids", "start", "partner", "weight")
#: Number of records that are copied at once, and that are summed at once.
_CHUNK, _BLOCK = 16_384, 1_000_000

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
    rows : KeptRows, optional
        The rows of the files, if further columns are kept.
    """

    ids: Any
    start: Any
    partner: Any
    weight: Any
    rows: KeptRows | None = None

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
    ) -> tuple[Places, Any, Any, npt.NDArray[np.bool_], Places]:
        """Return the records of some neurons, neuron by neuron.

        Returns
        -------
        tuple
            The number of records of each neuron; and for each record the position of the partner, the
            weight, whether the partner is upstream, and its position.
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
        return counts, self.partner[row].astype(np.intp), self.weight[row], incoming, row

    def once(
        self, places: Places, *, upstream: bool = True, downstream: bool = True
    ) -> tuple[Any, Any, Any, Places | None]:
        """Return both ends and weights of the records of some neurons, each edge once.

        The last result is the position of each record, if further columns are kept.
        """
        chosen = np.zeros(len(self.ids), bool)
        chosen[places] = True
        total = int(
            (self.start[2 * places + 1 + upstream] - self.start[2 * places + 1 - downstream]).sum()
        )
        sizes = (total, total, total, 0 if self.rows is None else total)
        pre, post, weight, row = (np.empty(size, np.int64) for size in sizes)

        def cells_of(some: Places) -> list[Any]:
            counts, partner, count, incoming, position = self.records(
                some, upstream=upstream, downstream=downstream
            )
            own, other = np.repeat(self.ids[some], counts), self.ids[partner]
            cells = [np.where(incoming, other, own), np.where(incoming, own, other), count]
            cells += [] if self.rows is None else [position]
            if upstream and downstream:  # an edge between two of them comes from its presynaptic neuron
                keep = ~(incoming & chosen[partner])
                if not keep.all():
                    cells = [cell[keep] for cell in cells]
            return cells

        # Arrays of a few neurons stay in the processor's cache, and need no new memory.
        blocks, each = self._blocks(places, _CHUNK), in_threads if total > _BLOCK else map
        end = 0
        for cells in each(cells_of, blocks):
            here = slice(end, end + len(cells[0]))
            for array, cell in zip((pre, post, weight, row), cells, strict=False):
                array[here] = cell
            end = here.stop
        return pre[:end], post[:end], weight[:end], None if self.rows is None else row[:end]

    def partners(self, places: Places, *, upstream: bool, downstream: bool) -> Iterator[PartnerRows]:
        """Return the partners of some neurons, as positions, for some neurons after the others."""
        for some in self._blocks(places, _BLOCK):
            counts, partner, weight, incoming, _ = self.records(
                some, upstream=upstream, downstream=downstream
            )
            yield PartnerRows(np.repeat(some, counts), partner, incoming, weight)

    def _blocks(self, places: Places, size: int) -> Iterator[Places]:
        """Divide neurons into groups with about this number of records."""
        sizes = self.start[2 * places + 2] - self.start[2 * places]
        before = np.cumsum(sizes) - sizes
        first = np.flatnonzero(np.diff(before // size, prepend=-1))
        return iter(np.split(places, first[1:]) if len(places) else [])

    def edges(self, pre: Any, post: Any, weight: Any, records: Places | None) -> pd.DataFrame:
        """Return the edge table of some records: one row per pair, or the rows with further columns."""
        if self.rows is not None and records is not None:
            return self.rows.table(pre, post, records)
        return edge_table(pre, post, weight)

    def sums(self, places: Places) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
        """Return numbers of synapses and partners downstream, and of synapses and partners upstream."""
        counts, _, weight, incoming, _ = self.records(places)
        rows = np.repeat(np.arange(len(places)), counts)
        down, up = (
            sums_by_code(rows[side], weight[side], len(places)) for side in (~incoming, incoming)
        )
        partners = np.diff(self.start[2 * places[:, None] + np.arange(3)], axis=1)
        return down, partners[:, 0], up, partners[:, 1]

    def totals(self) -> Int64Array:
        """Return the numbers of synapses downstream and upstream of each neuron, in turn."""
        totals = np.zeros(len(self.start) - 1, np.int64)
        for some in self._blocks(np.arange(len(self.ids)), _BLOCK):
            starts = self.start[2 * some[0] : 2 * some[-1] + 3]
            used = np.flatnonzero(np.diff(starts))
            if len(used):
                weight = self.weight[starts[0] : starts[-1]].astype(np.int64)
                totals[2 * some[0] + used] = np.add.reduceat(weight, starts[used] - starts[0])
        return totals

    def table(self) -> pd.DataFrame:
        """Return all edges as an edge table, sorted by presynaptic neuron."""
        counts, partner, weight, _, row = self.records(np.arange(len(self.ids)), upstream=False)
        return self.edges(np.repeat(self.ids, counts), self.ids[partner], weight, row)


def build(edges: pd.DataFrame, neurons: Int64Array) -> Index:
    """Build the index of an edge table; it includes ``neurons`` without edges."""
    require_numbers(edges, "a Connectome")
    check_total(edges)
    ids, pre, post = coded_ends(edges)
    if len(neurons):
        all_ids = np.union1d(ids, neurons)
        positions = np.searchsorted(all_ids, ids).astype(pre.dtype)
        ids, pre, post = all_ids, positions[pre], positions[post]
    columns = [Column(name) for name in edges.columns.drop(list(COLUMNS))]
    cells = kept.encoded(columns, edges)
    pairs, arrays = _summed(pre, post, edges["weight"].to_numpy(), columns, cells)
    if columns:
        pairs = (*pairs, np.arange(len(pairs[0])))
    sizes, partner, weight, *number = _sorted_records(pairs, pairs, len(ids))
    start = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=start[1:])
    top = int(np.max(weight, initial=0))
    index = Index(ids, start, partner.astype(_small(len(ids))), weight.astype(_small(top)))
    return replace(index, rows=KeptRows(columns, {**arrays, "pair": number[0]})) if columns else index


def _small(top: int) -> type[np.signedinteger[Any]]:
    """Return the smaller dtype of an array with numbers up to ``top``."""
    return np.int32 if top < 2**31 else np.int64


def _summed(
    pre: Any,
    post: Any,
    weight: Any,
    columns: Sequence[Column] = (),
    cells: Sequence[Any] = (),
    rows: int = 0,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return distinct pairs of positions, sorted, and the sum of the weights of each.

    With further columns, the second result has the arrays of their rows, which come after ``rows``
    others.
    """
    if columns:
        size = int(max(np.max(pre, initial=0), np.max(post, initial=0))) + 1
        groups = group_codes(pre.astype(np.int64) * size + post, size**2)
        sums = np.add.reduceat(weight[groups.rows], groups.starts) if len(weight) else weight
        first = groups.first
        return (pre[first], post[first], sums), kept.rows_of_pairs(columns, groups, weight, cells, rows)
    pre, post, weight = sort_rows(pre, post, weight)
    new = np.ones(len(pre), bool)
    new[1:] = (pre[1:] != pre[:-1]) | (post[1:] != post[:-1])
    first = np.flatnonzero(new)
    if len(first) == len(pre):
        return (pre, post, weight), {}
    return (pre[first], post[first], np.add.reduceat(weight, first)), {}


def _sorted_records(
    outputs: Sequence[Any], inputs: Sequence[Any], count: int, low: int = 0
) -> tuple[Any, ...]:
    """Return the records of ``count`` neurons in the order of an index.

    Parameters
    ----------
    outputs, inputs : sequence of array
        The pairs of which they are the presynaptic, and the postsynaptic neurons: the positions of both
        ends, the weight, and the number of the pair, if it has one.
    count : int
        Number of neurons.
    low : int
        The position of the first one.

    Returns
    -------
    tuple
        The numbers of downstream and of upstream records of each neuron, in turn; and of each record the
        partner, the weight, and the number of the pair, if it has one.
    """
    (pre, receiver, out_weight, *out_pair), (sender, post, in_weight, *in_pair) = outputs, inputs
    pre, post = pre - low, post - low
    side = np.concatenate([2 * pre.astype(np.int64), 2 * post.astype(np.int64) + 1])
    other, weight = np.concatenate([receiver, sender]), np.concatenate([out_weight, in_weight])
    sizes = np.bincount(side, minlength=2 * count)
    top = np.max(weight, initial=0)
    if out_pair:
        order = np.lexsort((other, top - weight, side))
        return sizes, other[order], weight[order], np.concatenate([*out_pair, *in_pair])[order]
    _, lowered, partner = sort_rows(side, top - weight, other)
    return sizes, partner, top - lowered


# -- from files that are larger than memory --------------------------------------------------------

#: Number of parts, of which three are in memory at once. Each has three open files, and macOS allows
#: 256 by default.
_PARTS = 56


class _Numbers:
    """Numbers of IDs, in order of first appearance."""

    def __init__(self) -> None:
        self._known: pd.Index[Any] = pd.Index([], dtype="int64")
        self._recent: pd.Index[Any] = self._known

    def of(self, ids: Int64Array) -> Places:
        """Return the number of each ID; new ones are added."""
        found = self._known.get_indexer(pd.Index(ids))
        rest = np.flatnonzero(found < 0)
        if len(rest):
            others = pd.Index(ids[rest])
            new = others[self._recent.get_indexer(others) < 0].unique()
            self._recent = self._recent.append(new)
            found[rest] = self._recent.get_indexer(others) + len(self._known)
            # The table of all IDs is not built again for a few new ones.
            if 4 * len(self._recent) > len(self._known):
                self._known, self._recent = self.ids(), self._recent[:0]
        return found

    def ids(self) -> pd.Index[Any]:
        """Return the IDs by number."""
        return self._known.append(self._recent)


def build_on_disk(pieces: Iterable[pd.DataFrame], neurons: Int64Array, folder: Path) -> None:
    """Build the index of pieces of an edge table in a folder; only one part of it is in memory.

    The rows are divided by presynaptic neuron and summed part by part. Then the pairs are divided by
    ranges of neurons, for both ends, and the records of each range are written to the arrays.
    """
    show = Fetch.of().progress
    with contextlib.ExitStack() as stack:

        def parts() -> list[Any]:
            # A temporary file disappears also if the process is killed.
            made = [tempfile.TemporaryFile(dir=folder) for _ in range(_PARTS)]  # noqa: SIM115
            return [stack.enter_context(file) for file in made]

        rows, outputs, inputs = parts(), parts(), parts()
        with bar(None, "Reading edges", "rows", show, scale=True) as progress:
            numbered, degrees, columns = _divide_rows(pieces, rows, progress)
        ids = np.union1d(numbered, neurons)
        place = np.searchsorted(ids, numbered)
        rows_of = np.zeros(len(ids), np.int64)
        rows_of[place] = degrees
        # Each range of neurons has about the same number of rows.
        share = np.cumsum(rows_of)
        inner = np.searchsorted(share, rows_of.sum() * np.arange(1, _PARTS) / _PARTS)
        bounds = np.array([0, *inner, len(ids)])
        with bar(2 * _PARTS, "Sorting edges", "parts", show) as progress:
            count, top = _divide_pairs(rows, place, bounds, outputs, inputs, columns, folder, progress)
            arrays = [
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", _small(limit), (2 * count,))
                for name, limit in (("partner", len(ids)), ("weight", top))
            ]
            start = np.zeros(2 * len(ids) + 1, np.int64)
            done = 0

            def sort(part: tuple[Any, ...]) -> tuple[Any, ...]:
                low, high, output, received = part
                pairs = _read_part(output, width), _read_part(received, width)
                return _sorted_records(*pairs, high - low, low)

            width = 3 if columns else 2
            ranges = zip(bounds, bounds[1:], outputs, inputs, strict=False)
            for (low, high), (sizes, *records) in zip(
                itertools.pairwise(bounds), in_threads(sort, ranges), strict=True
            ):
                start[2 * low + 1 : 2 * high + 1] = done + np.cumsum(sizes)
                end = done + len(records[0])
                for array, values in zip(arrays, records, strict=False):
                    array[done:end] = values
                if columns:
                    kept.append(folder, {"pair": records[2].astype(_small(count))})
                done = end
                progress.update()
        np.save(folder / "ids.npy", ids)
        np.save(folder / "start.npy", start)
    if columns:
        KeptRows(columns, {}).save(folder)


def _divide_rows(
    pieces: Iterable[pd.DataFrame], parts: list[Any], progress: Any
) -> tuple[Any, Any, list[Column]]:
    """Write rows to parts by presynaptic neuron.

    Returns the IDs by number, the rows of each, and the further columns.
    """
    numbers, degrees, total = _Numbers(), np.zeros(0, np.int64), 0.0
    columns: list[Column] = []
    for edges in pieces:
        columns = columns or [Column(name) for name in edges.columns.drop(list(COLUMNS))]
        require_numbers(edges, "a Connectome")
        weight = edges["weight"].to_numpy()
        total += float(weight.sum(dtype=np.float64))
        require_total(total)
        pre, post = (numbers.of(edges[end].to_numpy()) for end in ("pre", "post"))
        size = len(numbers.ids())
        degrees = np.pad(degrees, (0, size - len(degrees)))
        degrees += np.bincount(pre, minlength=size) + np.bincount(post, minlength=size)
        cells = kept.encoded(columns, edges)
        _append(parts, *_by_part((pre % _PARTS).astype(np.int8), pre, post, weight, *cells))
        progress.update(len(edges))
    return numbers.ids().to_numpy(), degrees, columns


def _divide_pairs(
    rows: list[Any],
    place: Places,
    bounds: Any,
    outputs: list[Any],
    inputs: list[Any],
    columns: list[Column],
    folder: Path,
    progress: Any,
) -> tuple[int, int]:
    """Sum the rows of each pair, and write the pairs to ranges of neurons, by each of their ends.

    Rows with further columns are written to the folder, pair by pair. Returns the number of pairs and
    the largest weight.
    """
    width = 2 + len(columns) + bool(columns)
    ends = list(itertools.accumulate(part.tell() // (8 * width) for part in rows))

    def sums(part: tuple[Any, int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        file, before = part
        pre, post, weight, *cells = _read_part(file, width)
        return _summed(place[pre], place[post], weight, columns, cells, before)

    count, top = 0, 0
    for pairs, arrays in in_threads(sums, zip(rows, [0, *ends], strict=False)):
        kept.append(folder, arrays)
        if columns:
            pairs = (*pairs, np.arange(count, count + len(pairs[0])))
        for parts, end in ((outputs, pairs[0]), (inputs, pairs[1])):
            number = np.searchsorted(bounds[1:-1], end, side="right").astype(np.int8)
            _append(parts, *_by_part(number, *pairs))
        count += len(pairs[0])
        top = max(top, int(np.max(pairs[2], initial=0)))
        progress.update()
    return count, top


def in_threads(action: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
    """Return the results of tasks in their order; two are computed ahead, and no more are in memory."""
    with ThreadPoolExecutor(2) as pool:
        ahead: deque[Future[T]] = deque()
        for task in tasks:
            if len(ahead) == 2:
                yield ahead.popleft().result()
            run = contextvars.copy_context().run  # the thread sees the options of the caller
            ahead.append(pool.submit(run, action, task))
        while ahead:
            yield ahead.popleft().result()


def _by_part(number: Any, pre: Any, post: Any, *others: Any) -> tuple[Any, Any]:
    """Return rows sorted by the number of their part, and the end of each part."""
    order = np.argsort(number, kind="stable")  # fast, since the numbers have 8 bits
    records = np.empty((len(order), 1 + len(others)), np.int64)
    for place, column in enumerate((pre << 32 | post, *others)):
        records[:, place] = column[order]
    return records, np.cumsum(np.bincount(number, minlength=_PARTS))


def _append(parts: list[Any], records: Any, ends: Any) -> None:
    """Append each row to its part."""
    for part, begin, end in zip(parts, [0, *ends], ends, strict=False):
        part.write(records[begin:end])


def _read_part(part: Any, width: int = 2) -> tuple[Any, ...]:
    """Return the rows of a part, and free its space on disk."""
    part.seek(0)
    ends, *others = np.frombuffer(part.read(), np.int64).reshape(-1, width).T
    part.truncate(0)
    return ends >> 32, ends & (2**32 - 1), *(column.copy() for column in others)


# -- on disk --------------------------------------------------------------------------------------


def on_disk(
    files: list[Path],
    options: object,
    pieces: Callable[[], Iterator[pd.DataFrame]],
    neurons: Callable[[], Int64Array],
    *,
    large: bool,
) -> Index | None:
    """Return the index of files in their current state: from the cache folder, or built and saved there.

    Parameters
    ----------
    files : list of Path
        Files of the edges and neurons; the first one is named in messages.
    options : object
        The paths that were given and everything else that the index depends on, as JSON. An index with
        the same options and an older state of the files is deleted.
    pieces : callable
        Function that reads the edges, in one piece if they are not many.
    neurons : callable
        Function that returns the IDs of the neurons.
    large : bool
        Also build an index of more than one piece; otherwise return None for it.
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
    read = pieces()
    first, second = next(read), next(read, None)
    if second is not None and not large:
        return None
    index = build(first, neurons()) if second is None else None
    try:
        make_private_folder(cache_folder())
        home.mkdir(exist_ok=True)
        with _unfinished(folder) as part:
            if second is not None:
                build_on_disk(itertools.chain([first, second], read), neurons(), part)
            else:
                assert index is not None
                for name in _ARRAYS:
                    np.save(part / f"{name}.npy", getattr(index, name), allow_pickle=False)
                if index.rows is not None:
                    index.rows.save(part)
    except OSError as error:
        warn(
            f"The index of {files[0].name} cannot be saved in {home} ({error}), so it is built at each "
            "start. Choose another folder with pdneuro.set_options(cache_dir=...).",
            CacheWarning,
        )
        return index or build(pd.concat(pieces()), neurons())
    try:
        index = _open(folder)
    except OSError:  # another process has read a newer state, and deletes this one
        index = index or build(pd.concat(pieces()), neurons())
    for old in home.glob(f"{owner}-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return index


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _open(folder: Path) -> Index:
    arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
    return Index(**arrays, rows=KeptRows.open(folder))


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Rename a new folder to its name when it is complete: other processes never see a part of it."""
    unfinished = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        yield unfinished
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has written it
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
