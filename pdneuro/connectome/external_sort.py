"""Build an index of files larger than memory: divide the rows into parts on disk, and sort each part."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.connectome import kept
from pdneuro.connectome.index import Places, small_dtype, sort_records, sum_pairs
from pdneuro.connectome.kept import Column, KeptRows
from pdneuro.connectome.threads import in_threads
from pdneuro.options import Fetch
from pdneuro.tables.collapse import require_total
from pdneuro.tables.edges import COLUMNS
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import require_numbers
from pdneuro.transport.progress import bar

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
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", small_dtype(limit), (2 * count,))
                for name, limit in (("partner", len(ids)), ("weight", top))
            ]
            start = np.zeros(2 * len(ids) + 1, np.int64)
            done = 0

            def sort(part: tuple[Any, ...]) -> tuple[Any, ...]:
                low, high, output, received = part
                pairs = _read_part(output, width), _read_part(received, width)
                return sort_records(*pairs, high - low, low)

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
                    kept.append(folder, {"pair": records[2].astype(small_dtype(count))})
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
        return sum_pairs(place[pre], place[post], weight, columns, cells, before)

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
