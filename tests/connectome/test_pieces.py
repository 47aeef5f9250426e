"""Files that are read in pieces, and their index that is sorted in parts, as if they were larger than memory."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import Connectome, errors
from pdneuro.files import edge_pieces, read_edges

LARGE = 720575940621522189


def opened(path: Path, rows: int, **roles: Any) -> Any:
    """Return the arrays of the index and the warnings, or the error; of pieces of a number of rows."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as seen:
        patch.setattr("pdneuro.files.edges.PIECE_ROWS", rows)
        warnings.simplefilter("always", errors.PdneuroWarning)
        pdneuro.cache.clear()
        try:
            index = Connectome.from_files(path, **roles)._index
        except errors.PdneuroError as error:
            # A piece counts its own wrong cells; the first one is the same.
            return (
                type(error),
                re.findall(r"first in row (\S+)", str(error)),
                getattr(error, "__notes__", []),
            )
    arrays = [getattr(index, name) for name in ("ids", "start", "partner", "weight")]
    texts = [str(one.message) for one in seen if issubclass(one.category, errors.PdneuroWarning)]
    return [(array.dtype, array.tolist()) for array in arrays], texts


def write(path: Path, table: dict[str, list[Any]]) -> Path:
    columns = {name: pa.array(cells) for name, cells in table.items()}
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(columns), path, row_group_size=4)
    elif path.suffix == ".feather":
        pa.feather.write_feather(pa.table(columns), path, chunksize=4)
    else:
        pd.DataFrame(table, dtype=object).to_csv(path, index=False)
    return path


ids = st.sampled_from([LARGE, LARGE + 1, 2**53 + 1, 7, 8, 9])
cells = {
    "whole": ids,
    "missing": ids | st.none(),
    "zero": ids | st.just(0),
    "negative": ids | st.just(-3),
    "text": ids.map(str) | st.sampled_from(["", '="12"', "+13"]),
    "names": ids.map(str) | st.just("KC"),
}
weights = {
    "whole": st.integers(0, 5),
    "large": st.sampled_from([1, 2**31, 2**40]),
    "too large": st.sampled_from([1, 2**62]),
    "fractions": st.sampled_from([1.0, 2.0, 2.5]),
    "floats": st.sampled_from([1.0, 2.0]),
    "missing": st.none() | st.integers(1, 5),
    "negative": st.integers(-1, 5),
}


@pytest.mark.parametrize("ending", ["parquet", "feather", "csv", "csv.gz"])
@given(data=st.data())
@settings(
    deadline=None,
    max_examples=10,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_pieces_give_the_index_and_the_errors_of_the_whole_file(
    ending: str, tmp_path: Path, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 12))

    odd = data.draw(st.sampled_from(["pre", "post", "weight"]))  # of two faults, the first is reported

    def column(name: str, kinds: dict[str, Any]) -> list[Any]:
        kind = data.draw(st.sampled_from(list(kinds))) if name == odd else "whole"
        return data.draw(st.lists(kinds[kind], min_size=count, max_size=count))

    table = {
        "pre": column("pre", cells),
        "post": column("post", cells),
        "weight": column("weight", weights),
    }
    if data.draw(st.booleans()):
        del table["weight"]
    path = write(tmp_path / f"edges.{ending}", table)
    assert opened(path, 3) == opened(path, 1000)


def test_synapses_of_several_files_are_summed(tmp_path: Path) -> None:
    """One row per synapse, without a column of weights, in files with other columns."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "synapses"
    folder.mkdir()
    tables = []
    for number in range(3):
        table = pd.DataFrame(
            rng.integers(1, 30, (400, 2)) + LARGE, columns=["pre_pt_root_id", "post_pt_root_id"]
        )
        table["size"] = rng.integers(1, 10_000, 400)
        table.to_parquet(folder / f"{number}.parquet", row_group_size=100)
        tables.append(table)
    assert opened(folder, 128) == opened(folder, 10_000)
    expected = pd.concat(tables).value_counts(["pre_pt_root_id", "post_pt_root_id"])
    found = Connectome.from_files(folder).to_frame().set_index(["pre", "post"]).weight
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("1 2 5\n3 4 6\n1 2 7\n5 6 1\n", {}),
        ("pre;post;weight\n1;2;5\n3;4;6\n1;2;7\n5;6;1\n", {}),
        ("pre_root_id,post_root_id,x,y,z\n11,12,1,1,1\n,,2,2,2\n,,3,3,3\n,13,4,4,4\n,,5,5,5\n", {}),
        ("pre,post,w\n1,2,5\n\n3,4,6\n1,2,7\n5,6,1\n", {"weight": "w"}),
        (f"pre,post,weight\n{LARGE},2,5\n1.0,2,6\n1,2,7\n{LARGE}.0,6,1\n3,4,5\n", {}),
        ("pre,post,contacts\n1,2,5\n3,4,6\n1,5,7\n5,6,1\n", {}),
        ("pre,post,roi,weight\n1,2,ME,5\n3,4,LO,6\n1,5,ME,7\n5,6,ME,1\n", {"regions": "ME"}),
        ("pre,post,influence\n1,2,0.5\n3,4,0.6\n1,5,0.7\n5,6,0.8\n", {}),
        ("pre,post,weight\n", {}),
        ("pre,post,weight\n1,2,3\n4,5,6,\n7,8,9\n1,1,1\n", {}),
        ("pre,post,weight\n1,2,3\n4,5,6\n7,8,9\n1,1,1,5\n", {}),
        ("pre_root_id_720575940,post_root_id_720575940\n621522189,621522190\n" * 1 + "621522191,5\n" * 4, {}),
    ],
    ids=[
        "no header", "semicolons", "an ID on the first of its rows", "empty lines", "numbers of two kinds",
        "an unknown weight", "regions", "scores", "empty", "a separator at the end", "a longer row", "prefixes",
    ],
)  # fmt: skip
def test_odd_text_files(text: str, roles: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / ("edges.csv" if "," in text or ";" in text else "edges.txt")
    path.write_text(text)
    assert opened(path, 2, **roles) == opened(path, 1000, **roles)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_pattern_is_the_table_of_its_files(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "synapses"
    for name in ("a", "b", "other"):
        (folder / f"roi={name}").mkdir(parents=True)
        write(
            folder / f"roi={name}" / f"{name}.{ending}",
            {"pre": [1, 2], "post": [2, 3], "weight": [5, 6]},
        )
    pattern = folder / "roi=?" / f"*.{ending}"
    brain = Connectome.from_files(str(pattern), name="synapses")
    assert brain.to_frame().to_numpy().tolist() == [[1, 2, 10], [2, 3, 12]]
    assert sorted(set(pdneuro.read_edges(pattern).roi)) == ["a", "b"]
    write(folder / "roi=b" / f"c.{ending}", {"pre": [9], "post": [2], "weight": [5]})
    assert len(Connectome.from_files(pattern).to_frame()) == 3
    with pytest.raises(FileNotFoundError, match="pattern"):
        Connectome.from_files(folder / f"z*.{ending}")


def test_pieces_are_the_table_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "edges.parquet"
    pdneuro.sandbox.edges().to_parquet(path, row_group_size=7_000)
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 10_000)
    pieces = list(edge_pieces(path))
    assert len(pieces) > 2
    pd.testing.assert_frame_equal(pd.concat(pieces), read_edges(path, only=True))


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 10_000)
    path = tmp_path / "edges.parquet"
    pdneuro.sandbox.edges().to_parquet(path, row_group_size=10_000)
    return path


def folders() -> list[str]:
    home = pdneuro.get_options()["cache_dir"] / "indexes"
    return [path.name for path in home.iterdir()] if home.exists() else []


@pytest.mark.parametrize("after", [1, 3])
def test_an_interruption_leaves_no_files(
    after: int, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **options: Any) -> Iterator[pd.DataFrame]:
        yield from itertools.islice(edge_pieces(*args, **options), after)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pdneuro.connectome.source.edge_pieces", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Connectome.from_files(large, index=True)
    assert folders() == []
    assert len(Connectome.from_files(large).to_frame()) == 45_000


def test_without_a_usable_cache_pieces_are_indexed_in_memory(large: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pdneuro.set_options(cache_dir=tmp_path / "file" / "cache"),
        pytest.warns(errors.CacheWarning, match="built at each start"),
    ):
        brain = Connectome.from_files(large, index=True)
    assert len(brain.to_frame()) == 45_000


def test_neurons_without_edges_are_in_the_index(large: Path, tmp_path: Path) -> None:
    neurons = tmp_path / "neurons.csv"
    neurons.write_text(f"root_id\n5\n{LARGE}\n")
    brain = Connectome.from_files(large, neurons)
    assert {5, LARGE} < set(brain.ids)
    assert pd.Series([5]).neuro.edges(source=brain).empty
    some = brain.ids.sample(20, random_state=1)
    expected = some.neuro.edges(source=Connectome(pdneuro.sandbox.edges()))
    pd.testing.assert_frame_equal(some.neuro.edges(source=brain), expected)


def test_a_progress_bar_is_shown(large: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pdneuro.set_options(progress=True):
        Connectome.from_files(large, index=True)
    shown = capsys.readouterr().err
    assert "Reading edges" in shown
    assert "Sorting edges" in shown


def test_the_first_two_queries_scan_and_the_third_builds_the_index(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neurons = tmp_path / "neurons.csv"
    neurons.write_text("root_id\n5\n")
    brain = Connectome.from_files(large, neurons)
    expected = Connectome(pdneuro.sandbox.edges(), pd.read_csv(neurons))
    some = pd.Series([*expected.ids.sample(20, random_state=1), 5, 99])

    def answers(source: Connectome, name: str, multiple: str) -> pd.DataFrame:
        return some.neuro.properties(name, multiple=multiple, source=source, on_missing="ignore")

    assert repr(brain) == "<Connectome 'edges': no index yet, which query 3 builds>"
    with pdneuro.set_options(progress=True):
        pd.testing.assert_frame_equal(
            answers(brain, "link_pre", "count"), answers(expected, "link_pre", "count")
        )
    assert "query 3 builds an index" in capsys.readouterr().err
    found = some.neuro.edges(source=brain, on_missing="ignore")
    pd.testing.assert_frame_equal(found, some.neuro.edges(source=expected, on_missing="ignore"))
    assert folders() == []
    pd.testing.assert_frame_equal(
        answers(brain, "connectivity", "list"), answers(expected, "connectivity", "list")
    )
    assert len(folders()) == 1
    assert repr(Connectome.from_files(large, neurons)) == repr(brain)


def test_a_copy_of_a_large_connectome_has_an_index(large: Path) -> None:
    brain = pickle.loads(pickle.dumps(Connectome.from_files(large)))
    assert len(folders()) == 1
    assert repr(brain) == "<Connectome 'edges': 2,999 neurons, 45,000 pairs>"
