"""Published connectomes by name: downloaded from a server on loopback, checked, opened again, cited."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.connectome.published import DATA_SETS
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import LocalServer, Request, Response, file_response

A, B, C = 720575940621522189, 720575940632800257, 720575940617869243


def content(table: pd.DataFrame, name: str) -> bytes:
    if name.endswith(".csv.gz"):
        return gzip.compress(table.to_csv(index=False).encode())
    if name.endswith(".csv"):
        return table.to_csv(index=False).encode()
    buffer = io.BytesIO()
    (table.to_feather if name.endswith(".feather") else table.to_parquet)(buffer)
    return buffer.getvalue()


def archive(tables: dict[str, pd.DataFrame]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, table in tables.items():
            data = content(table, name)
            entry = tarfile.TarInfo(f"exported-traced-adjacencies-v1.2/{name}")
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split(","))


def published_files() -> dict[str, bytes]:
    """Return small files in the shape of the published ones, by the last part of their paths."""
    tables = {
        "connections.csv.gz": frame(
            "pre_root_id,post_root_id,neuropil,syn_count,nt_type",
            (A, B, "ME_R", 5, "ACH"),
            (A, B, "LO_R", 4, "ACH"),
        ),
        "neurons.csv.gz": frame("root_id,group,nt_type", (A, "ME", "ACH"), (B, "ME", None)),
        "classification.csv.gz": frame(
            "root_id,super_class,class,side", (A, "optic", "KC", "left"), (B, "central", None, "right")
        ),
        "consolidated_cell_types.csv.gz": frame("root_id,primary_type", (A, "Mi1")),
        "banc_888_edgelist_simple_v3.feather": frame("pre,post,count,norm", (str(A), str(B), 7, 0.5)),
        "banc_888_meta.feather": frame(
            "banc_888_id,root_id,side,cell_class,cell_type,neurotransmitter_predicted",
            (str(A), str(A), "left", "DN", "DNa01", "acetylcholine"),
            (str(B), str(A), "right", "MN", "MNx", "glutamate"),
        ),
        "connectome-weights-male-cns-v1.0-minconf-0.5-traced-only.feather": frame(
            "body_pre,body_post,weight,type_pre,type_post", (10, 11, 30, "KC", "MBON")
        ),
        "body-annotations-male-cns-v1.0-minconf-0.5.feather": frame(
            "bodyId,type,class,somaSide", (10, "KC", "intrinsic", "L"), (11, "MBON", "mbon", "R")
        ),
        "body-neurotransmitters-male-cns-v1.0.feather": frame(
            "body,predicted_nt,consensus_nt",
            (10, "gaba", "acetylcholine"),
            (10, "gaba", "acetylcholine"),
            (11, "gaba", "gaba"),
        ),
        "hemibrain-v1.2-body-mean-neurotransmitters.feather": frame(
            "body,type,predicted_nt", (10, "KC", "dopamine")
        ),
        "traced-connections.csv": frame("bodyId_pre,bodyId_post,weight", (10, 11, 30)),
        "traced-neurons.csv": frame("bodyId,type,instance", (10, "KC", "KC_R"), (11, "MBON", "MBON_L")),
        "manc-v1.0-neuron-properties.feather": frame(
            "bodyId,type,class,somaSide,predictedNt", (10, "KC", "intrinsic", "LHS", "gaba")
        ),
        "synapses_nov2022_human_readable_connectioncounts_countthresh3.parquet": frame(
            "pre_root_id,post_root_id,num_synapses", (A, B, 30)
        ),
        "cell_ids_v2.parquet": frame("id,pt_root_id,user_id,tag", (1, A, 77, "x"), (2, B, 78, "y")),
    }
    return {
        **{name: content(table, name) for name, table in tables.items()},
        "exported-traced-adjacencies-v1.2.tar.gz": archive(
            {
                "traced-total-connections.csv": frame("bodyId_pre,bodyId_post,weight", (10, 11, 30)),
                "traced-neurons.csv": tables["traced-neurons.csv"],
            }
        ),
    }


class Buckets:
    """The public buckets, whose files a test changes."""

    def __init__(self) -> None:
        self.files = published_files()

    def __call__(self, request: Request) -> Response:
        name = request.path.rpartition("/")[2]
        paths = {f"/{path}" for data in DATA_SETS.values() for path in data.downloads}
        if request.path not in paths:
            return Response({"detail": "Not Found"}, 404)
        return file_response(request, self.files[name])


@pytest.fixture
def buckets() -> Buckets:
    return Buckets()


@pytest.fixture
def server(buckets: Buckets, tmp_path: Path) -> Iterator[LocalServer]:
    running = LocalServer({"/buckets": buckets})
    options = {"published_url": f"{running.url}/buckets", "cache_dir": tmp_path / "cache"}
    with pdneuro.set_options(**options, retries=0, progress=False):
        yield running
    running.stop()


EXPECTED = {
    "flywire:783": (
        {(A, B): 9},
        ["Mi1", None],
        ["KC", None],
        ["left", "right"],
        ["acetylcholine", None],
    ),
    "banc:888": (
        {(A, B): 7},
        ["DNa01", "MNx"],
        ["DN", "MN"],
        ["left", "right"],
        ["acetylcholine", "glutamate"],
    ),
    "male-cns:1.0": (
        {(10, 11): 30},
        ["KC", "MBON"],
        ["intrinsic", "mbon"],
        ["left", "right"],
        ["acetylcholine", "gaba"],
    ),
    "hemibrain:1.2": (
        {(10, 11): 30},
        ["KC", "MBON"],
        [None, None],
        ["right", "left"],
        ["dopamine", None],
    ),
    "manc:1.0": ({(10, 11): 30}, ["KC", "MBON"], ["intrinsic", None], ["left", None], ["gaba", None]),
    "fanc:1444": ({(A, B): 30}, [None, None], [None, None], [None, None], [None, None]),
}


@pytest.mark.parametrize("name", DATA_SETS)
def test_each_data_set_has_edges_and_one_table_of_neurons(name: str, server: LocalServer) -> None:
    brain = pdneuro.Connectome.download(name)
    pairs, *columns = EXPECTED[name]
    edges = brain.to_frame()
    assert {(p, q): w for p, q, w in edges.itertuples(index=False)} == pairs
    assert brain.neurons.columns[:5].tolist() == ["root_id", "type", "class", "side", "nt"]
    for column, expected in zip(("type", "class", "side", "nt"), columns, strict=True):
        cells = brain.neurons[column]
        assert [None if pd.isna(cell) else cell for cell in cells] == expected
    first = pd.Series(list(next(iter(pairs)))[:1], name="root_id")
    assert first.neuro.downstream(source=brain).weight.tolist() == list(pairs.values())


def test_complete_files_are_not_downloaded_again(server: LocalServer) -> None:
    pdneuro.Connectome.download("flywire:783")
    before = len(server.requests)
    with pdneuro.set_options(offline=True):
        assert pdneuro.Connectome.download("flywire:783").to_frame().weight.tolist() == [9]
    assert len(server.requests) == before
    pdneuro.Connectome.download("flywire:783")
    assert all("range" not in request.headers for request in server.requests)


def test_the_size_is_shown_before_the_download(
    server: LocalServer, buckets: Buckets, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pdneuro.Connectome.download("fanc:1444", tmp_path / "fanc", progress=True)
    shown = capsys.readouterr().err
    assert shown.startswith(f"fanc:1444: 2 files, 0.0 MB, to {tmp_path / 'fanc'}")
    pdneuro.Connectome.download("flywire:783", tmp_path / "fly", progress=False)
    assert capsys.readouterr().err == ""


def test_an_interrupted_download_resumes(server: LocalServer, buckets: Buckets) -> None:
    ids = np.random.default_rng(0).integers(10**17, 9 * 10**17, (20_000, 2))
    large = pd.DataFrame(ids, columns=["pre_root_id", "post_root_id"]).assign(syn_count=9)
    buckets.files["connections.csv.gz"] = content(large, "connections.csv.gz")
    server.fail(times=2, path="connections.csv.gz", truncate=True)  # the first asks for the state alone
    with pytest.raises(errors.ServiceError):
        pdneuro.Connectome.download("flywire:783")
    brain = pdneuro.Connectome.download("flywire:783")
    assert brain.to_frame().weight.sum() == 180_000
    ranges = [request for request in server.requests if "range" in request.headers]
    assert [request.path.rpartition("/")[2] for request in ranges] == ["connections.csv.gz"]


def test_a_file_that_differs_from_its_checksum_is_an_error(server: LocalServer, tmp_path: Path) -> None:
    pdneuro.Connectome.download("flywire:783", tmp_path / "fly")
    file = tmp_path / "fly" / "connections.csv.gz"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(errors.InvalidFileError, match=r"connections\.csv\.gz.*refresh=True"):
        pdneuro.Connectome.download("flywire:783", tmp_path / "fly")
    brain = pdneuro.Connectome.download("flywire:783", tmp_path / "fly", refresh=True)
    assert brain.to_frame().weight.tolist() == [9]


def test_files_that_were_published_again_are_named(
    server: LocalServer, buckets: Buckets, tmp_path: Path
) -> None:
    pdneuro.Connectome.download("flywire:783", tmp_path / "fly")
    new = frame("pre_root_id,post_root_id,neuropil,syn_count,nt_type", (A, C, "ME_R", 8, "ACH"))
    buckets.files["connections.csv.gz"] = content(new, "connections.csv.gz")
    with pytest.warns(errors.StaleAnswerWarning, match=r"connections\.csv\.gz.*refresh=True"):
        brain = pdneuro.Connectome.download("flywire:783", tmp_path / "fly")
    assert brain.to_frame().weight.tolist() == [9]
    brain = pdneuro.Connectome.download("flywire:783", tmp_path / "fly", refresh=True)
    assert brain.to_frame().weight.tolist() == [8]


def test_a_damaged_transfer_is_found_by_the_checksum_of_the_server(
    server: LocalServer, buckets: Buckets
) -> None:
    def wrong(request: Request) -> Response:
        response = buckets(request)
        response.headers["x-goog-hash"] = "crc32c=AAAA,md5=AAAAAAAAAAAAAAAAAAAAAA=="
        return response

    server.apps["/buckets"] = wrong
    with pytest.raises(errors.InvalidResponseError, match="checksum"):
        pdneuro.Connectome.download("fanc:1444")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flywire:783", ["FlyWire", "CC BY-NC 4.0", "version 783", "Dorkenwald"]),
        ("banc:888", ["BANC", "CC BY 4.0", "version 888", "Bates"]),
        ("male-cns:1.0", ["male CNS", "CC BY 4.0", "version 1.0", "Berg"]),
        ("hemibrain:1.2", ["hemibrain", "CC BY 4.0", "version 1.2", "Scheffer"]),
        ("manc:1.0", ["MANC", "CC BY 4.0", "version 1.0", "Takemura"]),
        ("fanc:1444", ["FANC", "version 1444", "Azevedo"]),
    ],
)
def test_the_license_and_the_papers_are_cited(name: str, words: list[str], server: LocalServer) -> None:
    brain = pdneuro.Connectome.download(name)
    first = pd.Series(brain.ids.iloc[:1], name="root_id")
    for text in (brain.cite(), first.neuro.edges(source=brain).neuro.cite()):
        assert all(word in text for word in words)
    assert brain.cite("bibtex").count("@article") >= 1
    copy = pickle.loads(pickle.dumps(brain))
    assert copy.name == brain.name == f"published:{name}"


@pytest.mark.parametrize("name", ["flywire:784", "flywire", "hemibrain", "male-cns:2.0", "other:1"])
def test_other_names_are_an_error_with_the_known_ones(name: str, server: LocalServer) -> None:
    with pytest.raises(errors.UnknownSourceError, match="'flywire:783'"):
        pdneuro.Connectome.download(name)
    assert not server.requests


def test_offline_without_files_is_an_error(server: LocalServer) -> None:
    with pdneuro.set_options(offline=True), pytest.raises(errors.OfflineError, match="flywire:783"):
        pdneuro.Connectome.download("flywire:783")


def test_the_sandbox_has_flywire(sandbox: Sandbox) -> None:
    brain = pdneuro.Connectome.download("flywire:783")
    assert len(brain.to_frame()) == 45_000
    assert brain.name == "sandbox:published:flywire:783 (synthetic)"
    assert "do not cite" in brain.cite()
    assert brain.neurons.side.isin(["left", "right"]).all()


def test_a_file_of_another_size_than_announced_is_an_error(
    server: LocalServer, buckets: Buckets
) -> None:
    seen: set[str] = set()

    def shrinking(request: Request) -> Response:
        response = buckets(request)
        if "cell_ids" in request.path and request.path in seen:
            response.body = response.body[:-5]
        seen.add(request.path)
        return response

    size = len(buckets.files["cell_ids_v2.parquet"])
    server.apps["/buckets"] = shrinking
    with pytest.raises(
        errors.InvalidResponseError, match=f"the file has {size - 5:,} bytes instead of {size:,}"
    ):
        pdneuro.Connectome.download("fanc:1444")


def test_complete_files_are_used_without_a_connection(server: LocalServer) -> None:
    pdneuro.Connectome.download("flywire:783")
    before = len(server.requests)
    server.fail(times=99, status=503)
    assert pdneuro.Connectome.download("flywire:783").to_frame().weight.tolist() == [9]
    assert len(server.requests) == before + 1  # the first failure is enough


def test_an_archive_is_unpacked_once(server: LocalServer, tmp_path: Path) -> None:
    pdneuro.Connectome.download("hemibrain:1.2", tmp_path / "hemi")
    file = tmp_path / "hemi" / "traced-total-connections.csv"
    written = file.stat()
    assert pdneuro.Connectome.download("hemibrain:1.2", tmp_path / "hemi").to_frame().weight.sum() == 30
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    file.unlink()
    assert pdneuro.Connectome.download("hemibrain:1.2", tmp_path / "hemi").to_frame().weight.sum() == 30


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (archive({"other.csv": frame("a", (1,))}), r"does not contain traced-total-connections\.csv"),
        (b"no archive", r"(?s:cannot be unpacked: .*refresh=True)"),
        (published_files()["exported-traced-adjacencies-v1.2.tar.gz"][:-30], "cannot be unpacked"),
    ],
    ids=["another file", "no archive", "truncated"],
)
def test_a_damaged_archive_is_an_error(
    damaged: bytes, words: str, server: LocalServer, buckets: Buckets
) -> None:
    name = "exported-traced-adjacencies-v1.2.tar.gz"
    buckets.files[name] = damaged
    with pytest.raises(errors.InvalidFileError, match=rf"{name} {words}"):
        pdneuro.Connectome.download("hemibrain:1.2")
