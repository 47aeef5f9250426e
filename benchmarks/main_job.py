"""Measure the main job: properties, partners, the cache, the join, the import."""

from __future__ import annotations

import json
import os
import pickle
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import requests
import server
import xarray as xr
from measure import Row, in_own_process, in_turn, make_ids, memory_grown, peak

import pdneuro
from pdneuro.braincircuits import parse

SOURCE = "fruitfly_fafb_flywire"


def settings(url: str, folder: str | Path) -> Any:
    return pdneuro.set_options(
        braincircuits_url=url, cache_dir=folder, source=SOURCE, progress=False, batch_size=1000
    )


# -- properties -----------------------------------------------------------------------------------


#: Workers -> time that is at most needed, as a multiple of a bare session pool.
POOL_GOALS = {4: 1.1, 8: 1.25}


def properties(rounds: int) -> list[Row]:
    return [row for workers in POOL_GOALS for row in properties_with(workers, rounds)]


def properties_with(workers: int, rounds: int) -> list[Row]:
    ids = make_ids(100_000)
    column = pd.Series(ids)
    batches = [ids[i : i + 1000].tolist() for i in range(0, len(ids), 1000)]
    url = f"/circuit/segment/property/link_pre?project={SOURCE}"
    with (
        server.running(0.02, server.link_pre_of(ids)) as running,
        tempfile.TemporaryDirectory() as folder,
    ):
        number = iter(range(1000))

        def bare() -> None:
            session = requests.Session()
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=workers)
            session.mount("http://", adapter)
            with ThreadPoolExecutor(workers) as pool:
                for answer in pool.map(
                    lambda batch: session.post(
                        running.url + url, json={"segments": batch}, headers=server.HEADERS
                    ),
                    batches,
                ):
                    assert answer.content

        def ours() -> None:
            with settings(running.url, Path(folder) / str(next(number))):
                frame = column.neuro.properties("link_pre", max_workers=workers)
            assert frame.shape == (100_000, 2)

        def partly() -> int:
            with settings(running.url, Path(folder) / "partly"):
                column[1000:].neuro.properties("link_pre")
                before = running.count()
                column.neuro.properties("link_pre")
                return running.count() - before

        mine, theirs = in_turn(rounds, ours, bare)
        sent = partly()
    default = pdneuro.get_options()["max_workers"]
    name = f"{workers} workers" + (" (the default)" if workers == default else "")
    return [
        Row(
            f"100,000 IDs, 20 ms latency, {name}: properties to frame and store / bare session pool",
            f"{mine:.2f} s",
            f"{theirs:.2f} s",
            mine / theirs,
            f"<= {POOL_GOALS[workers]}",
            mine / theirs <= POOL_GOALS[workers],
        ),
        Row(
            "requests for 100,000 IDs of which 99,000 are stored / for the 1,000 alone",
            f"{sent}",
            "1",
            sent,
            "= 1",
            sent == 1,
        ),
    ][: 2 if workers == default else 1]


# -- connectivity ---------------------------------------------------------------------------------


def make_bodies(neurons: int, per_body: int) -> tuple[np.ndarray, list[bytes]]:
    """Return connectivity responses with about 200 partners per neuron, consistent at both ends."""
    rng = np.random.default_rng(1)
    brain = make_ids(139_255)
    ids = rng.choice(brain, neurons, replace=False)
    others = np.setdiff1d(brain, ids)
    sides: list[dict[int, list[str]]] = [{n: [] for n in ids.tolist()} for _ in range(2)]
    entry = '{"segmentid":"%d","synaptic_count":%d}'
    for side in sides:
        for found in side.values():
            size = min(int(rng.lognormal(4.2, 0.85)) + 1, 5000)
            partners = rng.choice(others, size, replace=False)  # a repeated one would not be cached
            weights = rng.geometric(0.15, size).tolist()
            found += [entry % pair for pair in zip(partners.tolist(), weights, strict=True)]
    inner = rng.choice(neurons**2, 10 * neurons, replace=False)  # edges among the queried neurons
    for place, weight in zip(inner.tolist(), rng.geometric(0.15, len(inner)).tolist(), strict=True):
        pre, post = int(ids[place // neurons]), int(ids[place % neurons])
        sides[0][pre].append(entry % (post, weight))
        sides[1][post].append(entry % (pre, weight))
    entries = [
        f'"{n}":{{"downstream":[{",".join(sides[0][n])}],"upstream":[{",".join(sides[1][n])}]}}'
        for n in ids.tolist()
    ]
    head = '{"materialized_timestamp":1679889604,"results":{'
    parts = (entries[i : i + per_body] for i in range(0, neurons, per_body))
    return ids, [(head + ",".join(part) + "}}").encode() for part in parts]


def by_lists(bodies: list[bytes]) -> pd.DataFrame:
    rows = [
        {"segment": int(number), "partner": int(p["segmentid"]), "count": p["synaptic_count"], "to": to}
        for body in bodies
        for number, entry in json.loads(body)["results"].items()
        for to in ("downstream", "upstream")
        for p in entry[to]
    ]
    return pd.DataFrame(rows)


def by_normalize(bodies: list[bytes]) -> pd.DataFrame:
    parts = []
    for body in bodies:
        results = json.loads(body)["results"]
        records = [{"segment": number, **entry} for number, entry in results.items()]
        for to in ("downstream", "upstream"):
            part = pd.json_normalize(records, record_path=to, meta="segment")
            parts.append(part.assign(to=to))
    return pd.concat(parts, ignore_index=True)


def by_pdneuro(ids: np.ndarray, bodies: list[bytes]) -> pd.DataFrame:
    forms, entries, order = [], [], []
    for body in bodies:
        answer = parse.batch(body, (), "connectivity")
        order += answer.ids
        forms += answer.encodings
        entries += answer.payloads
    cells = np.empty(len(entries), object)
    cells[:] = entries
    numbers = np.array(order, np.int64)
    return parse.edges(numbers, np.array(forms, np.int8), cells)


WAYS: dict[str, Callable[[np.ndarray, list[bytes]], Any]] = {
    "pdneuro": by_pdneuro,
    "lists": lambda ids, bodies: by_lists(bodies),
    "normalize": lambda ids, bodies: by_normalize(bodies),
}


def records_of(way: str, path: str) -> float:
    """Measure the growth of peak memory in MB, in a separate process that has read the responses."""
    ids, bodies = pickle.loads(Path(path).read_bytes())
    with memory_grown() as grown:
        WAYS[way](ids, bodies)
    return grown()


def connectivity(rounds: int) -> list[Row]:
    ids, bodies = make_bodies(10_000, 100)
    found = by_pdneuro(ids, bodies)
    plain = by_lists(bodies)
    swapped = plain["to"] == "upstream"
    pre = plain["segment"].where(~swapped, plain["partner"])
    post = plain["partner"].where(~swapped, plain["segment"])
    records = len(plain)
    assert set(zip(pre, post, strict=True)) == set(zip(found["pre"], found["post"], strict=True))
    del plain, swapped, pre, post
    mine, lists, normal = in_turn(
        rounds,
        lambda: by_pdneuro(ids, bodies),
        lambda: by_lists(bodies),
        lambda: by_normalize(bodies),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies"
        path.write_bytes(pickle.dumps((ids, bodies)))
        mine_mb, *others_mb = (in_own_process(records_of, way, str(path)) for way in WAYS)
    other_mb = min(others_mb)
    what = f"{records:,} partner records of 10,000 neurons, JSON to edge table"
    return [
        Row(
            f"{what}: json.loads, list, DataFrame / pdneuro",
            f"{mine:.2f} s",
            f"{lists:.2f} s",
            lists / mine,
            ">= 9",
            lists / mine >= 9,
        ),
        Row(
            f"{what}: json_normalize / pdneuro",
            f"{mine:.2f} s",
            f"{normal:.2f} s",
            normal / mine,
            ">= 18",
            normal / mine >= 18,
        ),
        Row(
            "the same, growth of peak resident memory: pdneuro / the smaller of the two",
            f"{mine_mb:.0f} MB",
            f"{other_mb:.0f} MB",
            mine_mb / other_mb,
            "<= 0.25",
            mine_mb / other_mb <= 0.25,
        ),
    ]


# -- warm -----------------------------------------------------------------------------------------


def warm(rounds: int) -> list[Row]:
    return [*(warm_properties(count, rounds) for count in (100_000, 500_000)), warm_partners(rounds)]


def warm_properties(count: int, rounds: int) -> Row:
    ids = make_ids(count)
    column = pd.Series(ids)
    with (
        tempfile.TemporaryDirectory() as folder,
        server.running(0.0, server.link_pre_of(ids)) as running,
        settings(running.url, folder),
    ):
        rows = bare_rows(Path(folder) / "rows.sqlite", ids)
        column.neuro.properties("link_pre")
        mine, theirs = in_turn(
            rounds,
            lambda: column.neuro.properties("link_pre"),
            lambda: bare_read(rows, ids),
        )
    return Row(
        f"warm: {count:,} IDs of link_pre, store to frame / bare SQLite read of as many rows",
        f"{mine:.3f} s",
        f"{theirs:.3f} s",
        mine / theirs,
        "<= 1.3",
        mine / theirs <= 1.3,
    )


def warm_partners(rounds: int) -> Row:
    neurons, bodies = make_bodies(10_000, 100)
    by_id = {
        number: entry
        for body in bodies
        for number, entry in parse._envelope.decode(body).results.items()
    }
    texts = [bytes(entry) for entry in by_id.values()]

    def answer(request: Any) -> Any:
        entries = (b'"%d":%s' % (n, bytes(by_id[n])) for n in request.json()["segments"])
        return server.Response(b'{"materialized_timestamp":1,"results":{' + b",".join(entries) + b"}}")

    with tempfile.TemporaryDirectory() as folder:
        local = server.LocalServer({"/braincircuits": answer})
        with settings(f"{local.url}/braincircuits", folder):
            partners = pd.Series(neurons)
            first = partners.neuro.edges()
            sent = len(local.requests)
            ours, loads = in_turn(
                rounds,
                lambda: partners.neuro.edges(),
                lambda: [json.loads(text) for text in texts],
            )
            assert len(local.requests) == sent
            assert len(first) > 1_500_000
        local.stop()
    return Row(
        "warm: partners of 10,000 neurons: json.loads of the answers / store to edge table",
        f"{ours:.3f} s",
        f"{loads:.2f} s",
        loads / ours,
        ">= 30",
        loads / ours >= 30,
    )


def bare_rows(path: Path, ids: np.ndarray) -> Path:
    """Write a file with the JSON of each ID in a row."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE answers (id INTEGER PRIMARY KEY, batch INTEGER, encoding INTEGER, payload BLOB)"
    )
    body = b'{"nr_pre":%d,"nr_downstream_partner":%d}'
    rows = ((number, body % (number % 9973, number % 997)) for number in ids.tolist())
    connection.executemany("INSERT INTO answers VALUES (?, 1, 2, ?)", rows)
    connection.commit()
    connection.close()
    return path


def bare_read(path: Path, ids: np.ndarray) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT known.id, batch, encoding, payload FROM json_each(?) AS asked "
        "CROSS JOIN answers AS known ON known.id = asked.value",
        (json.dumps(ids.tolist()),),
    ).fetchall()
    connection.close()
    assert len(rows) == len(ids)
    return rows


# -- join -----------------------------------------------------------------------------------------


def make_rows(path: str | None) -> pd.DataFrame:
    """Return a table of 44 times 511,566 rows with 448 IDs."""
    if path:
        table = pd.read_parquet(path)
    else:
        rng = np.random.default_rng(2)
        table = pd.DataFrame(
            {
                "t": rng.random(511_566),
                "trial": rng.integers(0, 30, 511_566),
                "flywire_id": rng.choice(make_ids(448), 511_566),
                "exp_name": "sugarR",
            }
        )
    return pd.concat([table] * 44, ignore_index=True)


def join(rounds: int, path: str | None) -> list[Row]:
    frame = make_rows(path)
    ids = np.sort(frame["flywire_id"].unique())
    size = frame.memory_usage(deep=True).sum() / 1e6
    pre = {number: number % 9973 for number in ids.tolist()}
    partner = {number: number % 997 for number in ids.tolist()}
    with (
        server.running(0.0, server.link_pre_of(ids)) as running,
        tempfile.TemporaryDirectory() as folder,
        settings(running.url, folder),
    ):

        def ours() -> pd.DataFrame:
            return frame.neuro.join_properties("link_pre", on="flywire_id")

        def by_map() -> pd.DataFrame:
            column = frame["flywire_id"]
            return frame.assign(nr_pre=column.map(pre), nr_downstream_partner=column.map(partner))

        joined = ours()
        pd.testing.assert_frame_equal(joined, by_map())
        del joined
        mine, theirs = in_turn(rounds, ours, by_map)
        extra = peak(ours)
    return [
        Row(
            f"{len(frame):,} rows, {len(ids)} IDs: join_properties / Series.map, two columns each",
            f"{mine:.2f} s",
            f"{theirs:.2f} s",
            mine / theirs,
            "<= 1.5",
            mine / theirs <= 1.5,
        ),
        Row(
            "the same, peak memory: frame and join / frame",
            f"{size + extra:.0f} MB",
            f"{size:.0f} MB",
            (size + extra) / size,
            "< 2",
            (size + extra) / size < 2,
        ),
    ]


def dimension(rounds: int) -> list[Row]:
    """Measure a join along a dimension against the same join on a column, both from the cache."""
    ids = make_ids(139_000)
    table = pd.DataFrame({"root_id": ids})
    rates = xr.DataArray(np.zeros((10, len(ids)), np.float32), {"root_id": ids}, ("time", "root_id"))
    with (
        server.running(0.0, server.link_pre_of(ids)) as running,
        tempfile.TemporaryDirectory() as folder,
        settings(running.url, folder),
    ):

        def ours() -> xr.DataArray:
            return rates.neuro.join_properties("link_pre", dim="root_id")

        def of_column() -> pd.DataFrame:
            return table.neuro.join_properties("link_pre", on="root_id")

        assert np.array_equal(ours()["nr_pre"].to_numpy(), of_column()["nr_pre"].to_numpy())
        mine, theirs = in_turn(3 * rounds, ours, of_column)
    return [
        Row(
            "139,000 IDs, link_pre from the cache: join along a dimension / join to a column",
            f"{mine:.3f} s",
            f"{theirs:.3f} s",
            mine / theirs,
            "<= 1.1",
            mine / theirs <= 1.1,
        )
    ]


# -- import ---------------------------------------------------------------------------------------


def imports(rounds: int) -> list[Row]:
    """Measure the processor time of an import after pandas_flavor's, and of commands."""
    script = (
        "import time; start = time.process_time(); import pandas_flavor; between = time.process_time(); "
        "import pdneuro; print(between - start, time.process_time() - between)"
    )
    # An installed package has compiled modules, which the first run writes here.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command_line = [sys.executable, "-c", script]
    runs = [
        subprocess.run(command_line, capture_output=True, text=True, check=True, env=env)
        for _ in range(5 * rounds + 1)
    ]
    times = [tuple(map(float, run.stdout.split())) for run in runs[1:]]
    theirs, mine = (statistics.median(column) * 1e3 for column in zip(*times, strict=True))
    return [
        Row(
            "import pdneuro after import pandas_flavor, processor ms",
            f"{mine:.1f} ms",
            f"{theirs:.0f} ms",
            mine,
            "<= 10",
            mine <= 10,
        ),
        *(command(rounds, *words) for words in (["--version"], ["--help"], ["no-such-command"])),
    ]


def command(rounds: int, *words: str) -> Row:
    """Measure the processor time of a command, which includes the start of Python."""

    def spent() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pdneuro", *words], capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds = statistics.median(spent() for _ in range(rounds))
    what = f"pdneuro {' '.join(words)}, processor seconds"
    return Row(what, f"{seconds:.2f} s", "-", seconds, "<= 0.3", seconds <= 0.3)
