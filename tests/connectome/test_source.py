"""A local connectome as a source: the same results as the service, from files of any format."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.connectome.index import build
from pdneuro.sandbox import Sandbox

BASE = 720575940600000000
COLUMNS = ["pre", "post", "weight"]
SERVICE = "fruitfly_fafb_flywire"


def ordered(edges: pd.DataFrame) -> pd.DataFrame:
    return edges[COLUMNS].sort_values(COLUMNS, ignore_index=True)


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sandbox's brain to two files, with the properties of the service, once for all tests."""
    folder = tmp_path_factory.mktemp("brain")
    with pdneuro.sandbox.start(cache_dir=folder / "cache"):
        neurons = pdneuro.sandbox.neurons()
        known = neurons.neuro.join_properties("size", "neurotransmitter", "soma", "mitochondria")
    known.to_parquet(folder / "neurons.parquet")
    pdneuro.sandbox.edges().to_parquet(folder / "edges.parquet", row_group_size=1000)
    return folder


@pytest.fixture
def files(tmp_path: Path, sandbox: Sandbox, brain: Path) -> tuple[Path, Path]:
    """Return copies of the brain's two files, which a test may change."""
    names = ("edges.parquet", "neurons.parquet")
    edges, neurons = (Path(shutil.copy(brain / name, tmp_path / name)) for name in names)
    return edges, neurons


@pytest.fixture
def local(files: tuple[Path, Path]) -> pdneuro.Connectome:
    return pdneuro.Connectome.from_files(*files)


#: Queries that must give the same result with each source.
VERBS: dict[str, Callable[[pd.Series, Any], Any]] = {
    "link_pre": lambda ids, s: ids.neuro.properties("link_pre", source=s),
    "link_post": lambda ids, s: ids.neuro.properties("link_post", source=s),
    "size": lambda ids, s: ids.neuro.properties("size", source=s),
    "text": lambda ids, s: ids.neuro.properties("neurotransmitter", source=s),
    "several": lambda ids, s: ids.neuro.properties("size", "link_pre", "connectivity", source=s),
    "nested": lambda ids, s: ids.neuro.properties("soma", source=s),
    "counts": lambda ids, s: ids.neuro.properties("connectivity", source=s),
    "lists": lambda ids, s: ids.neuro.properties("connectivity", source=s, multiple="list"),
    "join": lambda ids, s: ids.to_frame().neuro.join_properties("mitochondria", source=s),
    "records": lambda ids, s: ids.neuro.records("connectivity", source=s),
    "edges": lambda ids, s: ids.neuro.edges(source=s),
    "upstream": lambda ids, s: ids.neuro.upstream(source=s, min_weight=3),
    "downstream": lambda ids, s: ids.neuro.downstream(source=s, autapses=False),
    "within": lambda ids, s: ids.neuro.edges(source=s, within=True),
    "hops": lambda ids, s: ids.neuro.edges(source=s, hops=3, min_weight=15),
    "partners": lambda ids, s: ids.neuro.partners(source=s),
    "partners by label": lambda ids, s: ids.neuro.partners(
        source=s, group_by=pdneuro.sandbox.neurons().set_index("root_id")["cell_type"]
    ),
    "graph": lambda ids, s: dict(ids.neuro.graph(source=s).adjacency()),
    "groups": lambda ids, s: ids.groupby(ids % 3).neuro.edges(source=s),
    "expand": lambda ids, s: ids.neuro.edges(source=s, min_weight=20).neuro.expand(source=s),
    "fractions": lambda ids, s: ids.neuro.edges(source=s).neuro.fractions(total="source", source=s),
}


def bare(result: Any) -> Any:
    if isinstance(result, pd.DataFrame):
        result = result.copy()
        result.attrs = {}
    return result


@pytest.mark.filterwarnings("ignore::pdneuro.errors.UnknownIdsWarning")
@pytest.mark.parametrize("verb", VERBS)
def test_a_file_gives_the_same_results_as_the_service(
    verb: str, local: pdneuro.Connectome, sandbox: Sandbox
) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].iloc[::70].reset_index(drop=True)
    columns = [ids, pd.concat([ids, ids[:3]]).astype("Int64")]
    if "edges" in verb or "partners" in verb:
        columns.append(ids[:0])
    for column in columns:
        theirs = VERBS[verb](column, SERVICE)
        sent = len(sandbox.requests)
        mine = VERBS[verb](column, local)
        assert len(sandbox.requests) == sent
        if isinstance(theirs, pd.DataFrame):
            pd.testing.assert_frame_equal(bare(mine), bare(theirs))
        else:
            assert mine == theirs


@pytest.mark.parametrize("name", ["link_pre", "size", "neurotransmitter", "connectivity"])
def test_missing_and_unknown_ids_have_the_same_states_as_with_the_service(
    name: str, local: Any, sandbox: Sandbox
) -> None:
    known = pdneuro.sandbox.neurons()["root_id"].iloc[0]
    column = pd.Series([known, None, 0, 12345, known], dtype="Int64", index=list("abcde"))
    tables = []
    for source in (SERVICE, local):
        with pytest.warns(errors.UnknownIdsWarning, match="1 of the IDs: 12345"):
            tables.append(column.neuro.properties(name, source=source))
        report = pdneuro.last_report()
        assert report[["id", "status"]].to_numpy().tolist() == [[known, "found"], [12345, "unknown"]]
    pd.testing.assert_frame_equal(bare(tables[0]), bare(tables[1]))
    with pytest.raises(errors.UnknownIdsError):
        column.neuro.edges(source=local, on_missing="raise")
    with pytest.raises(errors.PrecisionLossError):
        pd.Series([float(BASE)]).neuro.edges(source=local)


edge_lists = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(0, 9)), max_size=30)


@given(rows=edge_lists, asked=st.sets(st.integers(1, 8)), up=st.booleans(), down=st.booleans())
@settings(deadline=None)
def test_the_index_returns_the_same_edges_as_a_scan(
    rows: list[tuple[int, int, int]], asked: set[int], up: bool, down: bool
) -> None:
    edges = pd.DataFrame(rows, columns=COLUMNS, dtype="int64")
    brain = pdneuro.Connectome(edges, pd.DataFrame({"root_id": range(1, 9)}))
    column = pd.Series(sorted(asked), dtype="int64")
    pairs = edges.neuro.collapse()
    if up or down:
        found = column.neuro.edges(source=brain, upstream=up, downstream=down, min_weight=0)
        scan = pairs[(down & pairs["pre"].isin(asked)) | (up & pairs["post"].isin(asked))]
        pd.testing.assert_frame_equal(ordered(found), ordered(scan))
    pd.testing.assert_frame_equal(ordered(brain.to_frame()), ordered(pairs))
    sums = column.neuro.properties("link_pre", "link_post", source=brain)
    for name, end in (("nr_pre", "pre"), ("nr_post", "post")):
        totals = pairs.groupby(end)["weight"].sum()
        assert sums[name].tolist() == column.map(totals).fillna(0).astype(int).tolist()
    assert sums["nr_downstream_partner"].tolist() == [int((pairs["pre"] == n).sum()) for n in column]


def test_wide_numbers_are_indexed_exactly() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 2**62], "post": [2**62, 2**62, 1], "weight": [2**61, 1, 5]})
    brain = pdneuro.Connectome(edges)
    found = pd.Series([2**62]).neuro.edges(source=brain)
    assert ordered(found).to_numpy().tolist() == [[1, 2**62, 2**61 + 1], [2**62, 1, 5]]


class TestFiles:
    """Edges in files of all supported formats."""

    def write(self, kind: str, folder: Path) -> Path:
        edges = pdneuro.sandbox.edges()
        regions = edges.assign(
            pre_root_id=edges["pre"],
            post_root_id=edges["post"],
            syn_count=edges["weight"],
            neuropil="ME",
        ).drop(columns=COLUMNS)
        path = folder / f"edges.{kind}"
        if kind == "parquet":
            edges.to_parquet(path)
        elif kind == "feather":
            regions.to_feather(path)
        elif kind in ("csv", "csv.gz"):
            regions.to_csv(path, index=False)
        elif kind == "tsv":
            edges.to_csv(path, index=False, sep="\t")
        elif kind == "txt.gz":
            edges.to_csv(path, index=False, header=False, sep=" ")
        elif kind == "uint64":
            path = folder / "dump.parquet"
            names = {"pre": "src", "post": "dst", "weight": "count"}
            edges.astype("uint64").rename(columns=names).to_parquet(path)
        elif kind == "text":
            path = folder / "text.parquet"
            edges.astype({"pre": str, "post": "category"}).to_parquet(path)
        elif kind == "partitioned":
            path = folder / "parts"
            # Each pair in two regions, in separate folders.
            halves = [
                edges.assign(neuropil="ME", weight=1),
                edges.assign(neuropil="LO", weight=edges["weight"] - 1),
            ]
            pd.concat(halves).to_parquet(path, partition_cols=["neuropil"])
        elif kind == "many":
            path = folder / "many"
            path.mkdir()
            for number in range(3):
                edges.iloc[number::3].to_csv(path / f"{number}.csv.gz", index=False)
            (path / ".hidden.csv").write_text("x")
        return path

    @pytest.mark.parametrize(
        "kind",
        [
            "parquet",
            "feather",
            "csv",
            "csv.gz",
            "tsv",
            "txt.gz",
            "uint64",
            "text",
            "partitioned",
            "many",
        ],
    )
    def test_every_kind_of_file(self, kind: str, tmp_path: Path, sandbox: Sandbox) -> None:
        path = self.write(kind, tmp_path)
        brain = pdneuro.Connectome.from_files(path)
        pd.testing.assert_frame_equal(ordered(brain.to_frame()), ordered(pdneuro.sandbox.edges()))
        ids = pdneuro.sandbox.neurons()["root_id"].head(5)
        # source= accepts a path and a text.
        for source in (path, str(path)):
            pd.testing.assert_frame_equal(
                bare(ids.neuro.edges(source=source)), bare(ids.neuro.edges(source=brain))
            )

    def test_a_connectome_can_be_the_option_source(self, files: tuple[Path, Path], local: Any) -> None:
        ids = pdneuro.sandbox.neurons()["root_id"].head(5)
        for source in (local, files[0], str(files[0])):
            with pdneuro.set_options(source=source):
                assert ids.neuro.edges().attrs["pdneuro"]["source"] == "connectome:edges"

    def test_integers_in_a_column_with_missing_ones_stay_exact(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(
            {"pre": pd.array([BASE + 1, None], "Int64"), "post": [BASE + 3, 5], "weight": 1}
        )
        for name in ("e.parquet", "e.feather", "e.csv"):
            writer = {"e.parquet": frame.to_parquet, "e.feather": frame.to_feather}.get(
                name, lambda p: frame.to_csv(p, index=False)
            )
            writer(tmp_path / name)
            with pytest.warns(errors.DroppedRowsWarning, match="1 of 2"):
                brain = pdneuro.Connectome.from_files(tmp_path / name)
            assert brain.to_frame().to_numpy().tolist() == [[BASE + 1, BASE + 3, 1]]

    def test_errors_name_the_file_and_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"the file .*nothing\.csv does not exist"):
            pdneuro.Connectome.from_files(tmp_path / "nothing.csv")
        (tmp_path / "empty").mkdir()
        with pytest.raises(FileNotFoundError, match="does not contain a table"):
            pdneuro.Connectome.from_files(tmp_path / "empty")
        (tmp_path / "x.docx").write_text("")
        with pytest.raises(ValueError, match="has an unknown format"):
            pdneuro.Connectome.from_files(tmp_path / "x.docx")
        pd.DataFrame({"a": [1], "b": [2]}).to_csv(tmp_path / "e.csv", index=False)
        with pytest.raises(errors.MissingColumnsError, match="pre="):
            pdneuro.Connectome.from_files(tmp_path / "e.csv")
        brain = pdneuro.Connectome.from_files(tmp_path / "e.csv", pre="a", post="b")
        assert brain.to_frame().to_numpy().tolist() == [[1, 2, 1]]
        (tmp_path / "floats.csv").write_text(f"pre,post\n{BASE}.0,1\n")
        with pytest.raises(errors.PrecisionLossError, match="'pre'") as caught:
            pdneuro.Connectome.from_files(tmp_path / "floats.csv")
        assert "floats.csv" in caught.value.__notes__[0]
        with pytest.raises(errors.UnknownSourceError, match=r"Connectome\(edges\)"):
            pd.Series([1]).neuro.edges(source=pd.DataFrame())
        mixed = tmp_path / "mixed"
        mixed.mkdir()
        for name in ("a.csv", "b.tsv"):
            (mixed / name).write_text("pre,post\n1,2\n")
        with pytest.raises(ValueError, match="mixes formats"):
            pdneuro.Connectome.from_files(mixed)

    def test_a_neurons_file_with_ids_in_an_unnamed_column(self, tmp_path: Path) -> None:
        pd.DataFrame({"pre": [BASE + 1], "post": [BASE + 2], "weight": [3]}).to_csv(
            tmp_path / "e.csv", index=False
        )
        pd.DataFrame({"Completed": [True, False]}, index=[BASE + 1, BASE + 7]).to_csv(tmp_path / "n.csv")
        brain = pdneuro.Connectome.from_files(tmp_path / "e.csv", tmp_path / "n.csv")
        found = pd.Series([BASE + 1, BASE + 2, BASE + 7]).neuro.properties("Completed", source=brain)
        assert found["Completed"].tolist() == [True, pd.NA, False]
        assert brain.ids.tolist() == [BASE + 1, BASE + 2, BASE + 7]
        assert brain.neurons.shape == (2, 2)


class TestIndex:
    """The index is built once and saved in the cache folder."""

    def count_builds(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        calls: list[int] = []
        monkeypatch.setattr(
            "pdneuro.connectome.saved_index.build", lambda *given: calls.append(1) or build(*given)
        )
        return calls

    def test_built_once_and_again_when_a_file_changes(
        self, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        builds = self.count_builds(monkeypatch)
        for _ in range(3):
            brain = pdneuro.Connectome.from_files(*files)
        assert len(builds) == 1
        index = brain._index
        assert isinstance(index.partner.base, np.memmap)
        shorter = pdneuro.sandbox.edges().head(10)
        shorter.to_parquet(files[0])
        assert len(pdneuro.Connectome.from_files(*files).to_frame()) == 10
        assert len(builds) == 2
        home = pdneuro.get_options()["cache_dir"] / "indexes"
        assert len(list(home.iterdir())) == 1  # the old index was deleted
        assert home.parent.stat().st_mode & 0o077 == 0

    def test_a_damaged_index_is_built_again(
        self, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        builds = self.count_builds(monkeypatch)
        whole = pdneuro.Connectome.from_files(*files).to_frame()
        home = pdneuro.get_options()["cache_dir"] / "indexes"
        for damage in (b"", b"no numpy file"):
            for path in home.glob("*/partner.npy"):
                path.unlink()
                path.write_bytes(damage)
            pd.testing.assert_frame_equal(pdneuro.Connectome.from_files(*files).to_frame(), whole)
        assert len(builds) == 3

    def test_without_a_usable_cache_the_index_is_built_in_memory(
        self, files: tuple[Path, Path], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        with (
            pdneuro.set_options(cache_dir=tmp_path / "file" / "cache"),
            pytest.warns(errors.CacheWarning, match="built at each start"),
        ):
            brain = pdneuro.Connectome.from_files(*files)
        assert len(brain.to_frame()) == 45_000

    def test_clearing_the_cache_removes_indexes(self, files: tuple[Path, Path]) -> None:
        pdneuro.Connectome.from_files(*files)
        home = pdneuro.get_options()["cache_dir"] / "indexes"
        pdneuro.cache.clear(property="size")
        assert list(home.iterdir())
        pdneuro.cache.clear()
        assert not home.exists()
        assert len(pdneuro.Connectome.from_files(*files).to_frame()) == 45_000

    def test_copies_for_other_processes(
        self, files: tuple[Path, Path], local: pdneuro.Connectome
    ) -> None:
        assert len(pickle.dumps(local)) < 2_000  # a pickle contains the path, not the edges
        in_memory = pdneuro.Connectome(pdneuro.sandbox.edges(), name="mine")
        ids = pdneuro.sandbox.neurons()["root_id"].head(5)
        for brain in (local, in_memory):
            copy = pickle.loads(pickle.dumps(brain))
            pd.testing.assert_frame_equal(ids.neuro.edges(source=copy), ids.neuro.edges(source=brain))
            assert repr(copy) == repr(brain)


class TestProperties:
    def test_sums_of_the_table_of_neurons_replace_sums_of_thresholded_edges(self) -> None:
        edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [9, 8, 7]})
        neurons = pd.DataFrame(
            {"segment_id": np.array([1, 2], np.uint64), "nr_pre": [20.0, None], "size": [5, 6]}
        )
        brain = pdneuro.Connectome(edges, neurons)
        found = pd.Series([1, 2, 3]).neuro.properties("link_pre", source=brain)
        assert found["nr_pre"].tolist() == [
            20,
            7,
            0,
        ]  # a missing number is replaced by the sum of the edges
        assert found["nr_downstream_partner"].tolist() == [2, 1, 0]
        assert found.dtypes.eq("int64").all()
        sizes = pd.Series([1, 3]).neuro.properties("size", source=brain)
        assert sizes["size"].dtype == "Int64"
        report = pdneuro.last_report()
        assert report["status"].tolist() == ["found", "none"]

    def test_an_unknown_property_is_an_error_that_lists_the_properties(
        self, local: pdneuro.Connectome
    ) -> None:
        with pytest.raises(
            errors.NotFoundError, match=r"does not have a property 'celltype'.*Did you mean 'cell_type'"
        ):
            pdneuro.sandbox.neurons().head(2).neuro.join_properties("celltype", source=local)

    def test_labels_keep_their_dtype(self) -> None:
        neurons = pd.DataFrame(
            {
                "root_id": [1, 2],
                "side": pd.Categorical(["l", "r"]),
                "when": pd.to_datetime(["2020-01-01", None]),
                "score": [0.5, 1],
            }
        )
        brain = pdneuro.Connectome(pd.DataFrame({"pre": [1], "post": [2]}), neurons)
        found = pd.Series([2, 1, 2]).neuro.properties("side", "when", "score", source=brain)
        assert isinstance(found["side"].dtype, pd.CategoricalDtype)
        assert found["score"].dtype == "Float64"
        assert found["when"].isna().tolist() == [True, False, True]
        unknown = pd.Series([1, None], dtype="Int64").neuro.properties("when", "score", source=brain)
        assert unknown["when"].tolist() == [pd.Timestamp("2020-01-01"), pd.NaT]


class TestDownload:
    def test_the_whole_graph(self, sandbox: Sandbox, tmp_path: Path) -> None:
        brain = pdneuro.Connectome.download(SERVICE)
        pd.testing.assert_frame_equal(ordered(brain.to_frame()), ordered(pdneuro.sandbox.edges()))
        assert brain.materialized_timestamp
        sent = len(sandbox.requests)
        again = pdneuro.Connectome.download(SERVICE)
        assert [r.path for r in sandbox.requests[sent:]] == ["/braincircuits/circuit/graph/dump"]
        assert repr(again) == repr(brain)
        ids = pdneuro.sandbox.neurons()["root_id"]
        for name in ("link_pre", "link_post", "size"):
            mine, theirs = (ids.neuro.properties(name, source=s) for s in (brain, SERVICE))
            pd.testing.assert_frame_equal(bare(mine), bare(theirs))
        assert mine.attrs["pdneuro"]["materialized_timestamp"] == [brain.materialized_timestamp]
        with pdneuro.set_options(offline=True):
            assert repr(pdneuro.Connectome.download(SERVICE)) == repr(brain)
            with pytest.raises(errors.OfflineError, match="not downloaded"):
                pdneuro.Connectome.download(f"{SERVICE}_public")
        elsewhere = pdneuro.Connectome.download(SERVICE, tmp_path / "here")
        assert repr(elsewhere) == repr(brain)
        found = sorted(p.name for p in (tmp_path / "here").rglob("*") if p.is_file())
        assert found == ["edges.parquet", "nodes.parquet"]

    def test_the_token_goes_to_the_service_and_not_to_the_files_host(self, sandbox: Sandbox) -> None:
        app = sandbox.braincircuits
        real = app._dump

        def elsewhere(request: Any) -> Any:
            response = real(request)
            for name in ("nodes_url", "edges_url"):
                response.body[name] = response.body[name].replace("127.0.0.1", "localhost")
            return response

        app._dump = elsewhere
        pdneuro.Connectome.download(SERVICE)
        sent = {r.path.rpartition("/")[2]: r.headers for r in sandbox.requests}
        assert sent["dump"]["authorization"] == "Bearer sandbox-token"
        assert "authorization" not in sent["edges.parquet"]
        assert "authorization" not in sent["nodes.parquet"]

    def test_an_interrupted_download_resumes(self, sandbox: Sandbox) -> None:
        sandbox.fail(path="edges.parquet", truncate=True)
        with pytest.raises(errors.TruncatedResponseError, match="truncated"):
            pdneuro.Connectome.download(SERVICE)
        home = pdneuro.get_options()["cache_dir"] / "downloads"
        assert not list(home.rglob("edges.parquet"))
        part = next(home.rglob("edges.parquet.part")).stat().st_size
        assert part > 1000
        brain = pdneuro.Connectome.download(SERVICE)
        last = sandbox.requests[-1]
        assert last.headers["range"] == f"bytes={part}-"
        assert len(brain.to_frame()) == 45_000
        assert not list(home.rglob("*.part*"))

    def test_retries_resume_too(self, sandbox: Sandbox) -> None:
        sandbox.fail(path="edges.parquet", truncate=True, times=2)
        with pdneuro.set_options(retries=2):
            assert len(pdneuro.Connectome.download(SERVICE).to_frame()) == 45_000
        ranges = [r.headers.get("range") for r in sandbox.requests if "edges.parquet" in r.path]
        assert ranges[0] is None
        assert all(ranges[1:])

    def test_a_file_that_changed_is_downloaded_from_the_start(self, sandbox: Sandbox) -> None:
        sandbox.fail(path="edges.parquet", truncate=True)
        with pytest.raises(errors.TruncatedResponseError):
            pdneuro.Connectome.download(SERVICE)
        body = sandbox.braincircuits._parquet("edges")
        another = pd.read_parquet(io.BytesIO(body)).to_parquet(compression="gzip", index=False)
        sandbox.braincircuits._parquet = lambda name: another
        assert len(pdneuro.Connectome.download(SERVICE).to_frame()) == 45_000

    @pytest.mark.parametrize(
        ("fault", "error", "words"),
        [
            ({"path": "dump", "status": 500}, errors.ServerError, "500"),
            ({"path": "dump", "body": b"sorry"}, errors.InvalidResponseError, "not valid JSON"),
            ({"path": "dump", "body": b"{}"}, errors.InvalidResponseError, "edges_url"),
            ({"path": "edges", "html": True}, errors.InvalidResponseError, "HTML page"),
            (
                {"path": "edges", "body": b"not parquet at all"},
                errors.InvalidResponseError,
                "not a complete parquet file",
            ),
            ({"path": "edges", "status": 404}, errors.NotFoundError, "404"),
            ({"path": "edges", "reset": True}, errors.ConnectionFailedError, "connection"),
        ],
    )
    def test_faults(
        self, fault: dict[str, Any], error: type[Exception], words: str, sandbox: Sandbox
    ) -> None:
        sandbox.fail(**fault)
        with pytest.raises(error, match=words) as caught:
            pdneuro.Connectome.download(SERVICE)
        assert "sandbox-token" not in str(caught.value)
        assert "signature=abc" not in str(caught.value)
        home = pdneuro.get_options()["cache_dir"] / "downloads"
        assert not list(home.rglob("edges.parquet"))
        assert len(pdneuro.Connectome.download(SERVICE).to_frame()) == 45_000

    def test_refresh_downloads_again(self, sandbox: Sandbox) -> None:
        pdneuro.Connectome.download(SERVICE)
        sent = len(sandbox.requests)
        pdneuro.Connectome.download(SERVICE, refresh=True)
        assert len(sandbox.requests) == sent + 3

    def test_a_local_source_cannot_be_downloaded(self, files: tuple[Path, Path]) -> None:
        with pytest.raises(errors.UnknownSourceError, match="does not offer a download"):
            pdneuro.Connectome.download(str(files[0]))


def test_the_files_may_be_deleted_after_indexing(files: tuple[Path, Path], tmp_path: Path) -> None:
    brain = pdneuro.Connectome.from_files(files[0])
    shutil.move(files[0], tmp_path / "moved.parquet")
    assert len(brain.to_frame()) == 45_000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tags", [{"segment_id": 11, "tag": "a"}, {"segment_id": 11, "tag": "b"}]),
        ("x", [{"segment_id": 11, "value": 1.5}]),
    ],
)
def test_columns_of_the_table_of_neurons_as_records(name: str, expected: list[dict]) -> None:
    edges = pd.DataFrame({"pre": [11, 13], "post": [13, 11], "weight": [5, 4]})
    neurons = pd.DataFrame({"root_id": [11, 13], "x": [1.5, None]})
    neurons["tags"] = pd.Series([[{"tag": "a"}, {"tag": "b"}], None], dtype=object)
    found = pd.Series([13, 11]).neuro.records(name, source=pdneuro.Connectome(edges, neurons))
    assert found.to_dict("records") == expected


def test_several_columns_of_the_table_of_neurons_as_one_record() -> None:
    edges = pd.DataFrame({"pre": [11, 13], "post": [13, 11], "weight": [5, 4]})
    neurons = pd.DataFrame({"root_id": [11, 13], "soma_x": [1, 2], "soma_y": [3, 4]})
    found = pd.Series([13, 11]).neuro.records("soma", source=pdneuro.Connectome(edges, neurons))
    assert found.columns.tolist() == ["segment_id", "soma_x", "soma_y"]
    assert found.to_numpy().tolist() == [[13, 2, 4], [11, 1, 3]]
