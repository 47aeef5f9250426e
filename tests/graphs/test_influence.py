"""Influence and effective connectivity agree with dense matrices."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import errors
from pdneuro.graphs.influence import largest_eigenvalue

BASE = 720575940600000000


def random_edges(seed: int, neurons: int = 30, rows: int = 200) -> pd.DataFrame:
    """Return random rows, several per pair, with a transmitter per presynaptic neuron."""
    rng = np.random.default_rng(seed)
    pre, post = rng.integers(0, neurons, (2, rows))
    nt = np.array(["ACH", "GABA", "GLUT"])[rng.integers(0, 3, neurons)]
    return pd.DataFrame(
        {"pre": BASE + pre, "post": BASE + post, "weight": rng.integers(1, 30, rows), "nt": nt[pre]}
    )


def dense(edges: pd.DataFrame, inhibitory: tuple[str, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return IDs and shares of input, rows postsynaptic, by loops over the rows."""
    ids = np.union1d(edges["pre"], edges["post"])
    place = {number: k for k, number in enumerate(ids.tolist())}
    shares = np.zeros((len(ids), len(ids)))
    total = np.zeros(len(ids))
    for row in edges.itertuples():
        total[place[row.post]] += row.weight
    for row in edges.itertuples():
        sign = -1 if inhibitory and row.nt in inhibitory else 1
        shares[place[row.post], place[row.pre]] += sign * row.weight / total[place[row.post]]
    return ids, shares


def expected(
    edges: pd.DataFrame, seeds: list[int], inhibitory: tuple[str, ...] = (), silenced: tuple = ()
):
    ids, shares = dense(edges, inhibitory)
    for neuron in set(silenced) - set(seeds):
        shares[:, ids == neuron] = 0
    largest = np.linalg.eigvals(shares).real.max()
    scaled = shares * 0.99 / largest if largest > 1e-6 else shares
    return np.linalg.solve(np.eye(len(ids)) - scaled, np.isin(ids, seeds).astype(float))


class TestInfluence:
    @given(seed=st.integers(0, 10_000), signed=st.booleans())
    @settings(max_examples=25)
    def test_is_the_dense_solution(self, seed: int, signed: bool) -> None:
        edges = random_edges(seed)
        seeds = edges["pre"].drop_duplicates().head(2).tolist()
        quiet = edges["pre"].drop_duplicates().iloc[1:4].tolist()
        inhibitory = ("GABA", "GLUT") if signed else ()
        found = edges.neuro.influence(seeds, signed=["gaba", "glut"] if signed else None, silenced=quiet)
        wanted = expected(edges, seeds, inhibitory, quiet)
        np.testing.assert_allclose(found["influence"], wanted, rtol=1e-9, atol=1e-11 * abs(wanted).max())
        large = abs(wanted) > 1e-6
        np.testing.assert_allclose(
            found["adjusted"][large], np.sign(wanted[large]) * (np.log(abs(wanted[large])) + 24)
        )
        assert found.index[found["is_seed"]].tolist() == sorted(seeds)
        assert found.index.dtype == np.int64

    def test_a_large_table_is_the_dense_solution_too(self) -> None:
        edges = random_edges(1, neurons=400, rows=4_000)  # more than are solved with dense matrices
        seeds = edges["pre"].head(5).tolist()
        for signed, inhibitory in ((None, ()), ("gaba", ("GABA",))):
            found = edges.neuro.influence(seeds, signed=signed)["influence"]
            wanted = expected(edges, seeds, inhibitory)
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9 * abs(wanted).max())

    def test_long_cycles_are_the_dense_solution_too(self) -> None:
        # Methods that only multiply need more steps than the ring has neurons.
        rng = np.random.default_rng(4)
        pre = np.tile(np.arange(400), 6)
        post = (pre + rng.integers(1, 4, len(pre))) % 400
        edges = pd.DataFrame({"pre": BASE + pre, "post": BASE + post, "weight": 3})
        edges["weight"] += rng.integers(0, 30, len(pre))
        edges["nt"] = np.where(pre % 3 == 0, "GABA", "ACH")
        edges.loc[len(edges)] = [BASE + 900, BASE, 5, "ACH"]
        found = edges.neuro.influence([BASE], signed="gaba")["influence"]
        wanted = expected(edges, [BASE], ("GABA",))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * abs(wanted).max())
        assert found[BASE + 900] == 0

    def test_without_cycles_nothing_is_scaled(self) -> None:
        chain = pd.DataFrame({"pre": range(1, 60), "post": range(2, 61), "weight": 3})
        found = chain.neuro.influence(1)
        assert found["influence"].tolist() == pytest.approx([1.0] * 60)
        assert found.attrs["pdneuro"]["largest_eigenvalue"] == 0

    def test_a_negative_cycle_is_not_scaled(self) -> None:
        edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": 5, "s": [1, -1]})
        found = edges.neuro.influence(1, signed="s")
        assert found.attrs["pdneuro"]["largest_eigenvalue"] == 0
        np.testing.assert_allclose(found["influence"], [0.5, 0.5])

    def test_what_no_path_reaches_is_exactly_0(self) -> None:
        edges = pd.DataFrame({"pre": [1, 2, 3, 4], "post": [2, 1, 1, 3], "weight": 5})
        found = edges.neuro.influence(1)
        assert found.loc[[3, 4], ["influence", "adjusted"]].to_numpy().tolist() == [[0, 0], [0, 0]]

    def test_targets_keep_their_order(self) -> None:
        edges = random_edges(3)
        everyone = edges.neuro.influence(edges["pre"].iloc[0])
        some = [int(everyone.index[7]), 5, int(everyone.index[2])]
        found = edges.neuro.influence(edges["pre"].iloc[0], some)
        assert found.index.tolist() == some
        assert found["influence"].isna().tolist() == [False, True, False]
        assert found["is_seed"].dtype == bool
        assert found["influence"].iloc[0] == everyone["influence"].iloc[7]

    def test_rows_of_a_pair_are_summed_and_the_table_is_not_changed(self) -> None:
        edges = random_edges(4)
        before = edges.copy()
        summed = edges.groupby(["pre", "post", "nt"], as_index=False)["weight"].sum()
        seeds = edges["pre"].head(3)
        one, two = edges.neuro.influence(seeds), summed.neuro.influence(seeds)
        np.testing.assert_allclose(one["influence"], two["influence"])
        pd.testing.assert_frame_equal(edges, before)

    def test_seeds_that_are_not_in_the_table(self) -> None:
        edges = random_edges(5)
        with pytest.raises(ValueError, match="none of the 1 seeds"):
            edges.neuro.influence(1)
        with pytest.warns(errors.DoubtfulParameterWarning, match=r"1 of 2 seeds.*: 7"):
            edges.neuro.influence([7, edges["pre"].iloc[0]])

    def test_transmitters_need_a_column(self) -> None:
        with pytest.raises(errors.MissingColumnsError, match="nt_pre"):
            random_edges(6).drop(columns="nt").neuro.influence(BASE, signed=["gaba"])

    def test_an_eigenvalue_that_is_not_found_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from scipy.sparse import linalg

        def fails(*_: object, **__: object) -> None:
            raise linalg.ArpackNoConvergence("no", np.empty(0), np.empty((0, 0)))

        monkeypatch.setattr(linalg, "eigs", fails)
        module = sys.modules["pdneuro.graphs.influence"]
        monkeypatch.setattr(module, "_SMALL", 2)
        edges = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": 5, "nt": ["a", "a", "b"]})
        found = edges.neuro.influence(1, signed="b").attrs["pdneuro"]["largest_eigenvalue"]
        assert found == pytest.approx(0.5)  # of a dense matrix
        monkeypatch.setattr(module, "_MEDIUM", 2)
        with pytest.raises(errors.NotConvergedError, match=r"of 3 neurons was not found.*\.threshold"):
            edges.neuro.influence(1, signed="b")

    def test_a_residual_that_is_too_large_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from scipy.sparse import linalg

        for name in ("bicgstab", "gmres"):
            monkeypatch.setattr(linalg, name, lambda _, rest, **options: (0 * rest, 1))
        edges = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": 5})
        found = edges.neuro.influence(1)  # a small matrix is factorized
        np.testing.assert_allclose(found["influence"], expected(edges, [1]))
        monkeypatch.setattr(sys.modules["pdneuro.graphs.influence"], "_MEDIUM", 2)
        with pytest.raises(
            errors.NotConvergedError, match=r"the residual is still 1 of the start.*weak"
        ):
            edges.neuro.influence(1)

    def test_the_eigenvalue_of_a_known_matrix(self) -> None:
        from scipy import sparse

        cycle = sparse.csr_array(([0.5, 0.5, 1.0], ([0, 1, 2], [1, 0, 0])), shape=(3, 3))
        assert largest_eigenvalue(cycle) == pytest.approx(0.5)


def walks(edges: pd.DataFrame, sources: list[int], targets: list[int], hops: int, inhibitory=()):
    """Return excitatory and inhibitory contributions of each length, by adding paths one by one."""
    ids, shares = dense(edges, inhibitory)
    ways = {(s, False): np.eye(len(ids))[np.flatnonzero(ids == s)[0]] for s in sources}
    found = {}
    for length in range(1, hops + 1):
        moved: dict = {}
        for (source, odd), state in ways.items():
            for positive, matrix in ((True, np.maximum(shares, 0)), (False, np.maximum(-shares, 0))):
                key = (source, odd != (not positive))
                moved[key] = moved.get(key, 0) + matrix @ state
        ways = moved
        for (source, odd), state in ways.items():
            for target in targets:
                found[source, target, odd, length] = state[np.flatnonzero(ids == target)[0]]
    return found


class TestEffective:
    @given(seed=st.integers(0, 10_000), hops=st.integers(1, 5), signed=st.booleans())
    @settings(max_examples=25)
    def test_is_the_sum_over_all_walks(self, seed: int, hops: int, signed: bool) -> None:
        # Pairs occur once, since entries of opposite signs would cancel in the dense matrix.
        edges = random_edges(seed).drop_duplicates(["pre", "post"])
        ids = np.union1d(edges["pre"], edges["post"]).tolist()
        sources, targets = ids[:3], ids[2:9]
        found = edges.neuro.effective(sources, targets, hops, signed=["gaba"] if signed else None)
        wanted = walks(edges, sources, targets, hops, ("GABA",) if signed else ())
        for row in found.to_dict("records"):
            odd = row.get("effect") == "inhibitory"
            values = [
                wanted.pop((row["source"], row["target"], odd, k), 0.0) for k in range(1, hops + 1)
            ]
            np.testing.assert_allclose([row[f"hops_{k}"] for k in range(1, hops + 1)], values, rtol=1e-9)
            assert row["total"] == pytest.approx(sum(values))
        assert sum(wanted.values()) == 0

    def test_sources_are_summed_and_targets_averaged(self) -> None:
        edges = random_edges(11).drop_duplicates(["pre", "post"])
        ids = np.union1d(edges["pre"], edges["post"])
        labels = pd.Series(np.where(np.arange(len(ids)) % 3, "A", "B"), ids)
        single = edges.neuro.effective(ids, ids, 3)
        grouped = edges.neuro.effective(ids, ids, 3, group_by=labels).set_index(["source", "target"])
        single["s"], single["t"] = single["source"].map(labels), single["target"].map(labels)
        sums = single.groupby(["s", "t"])["total"].sum()
        sizes = labels.value_counts()
        for (source, target), total in sums.items():
            np.testing.assert_allclose(grouped.loc[(source, target), "total"], total / sizes[target])
        # One side alone: neurons of the other.
        half = edges.neuro.effective(ids, ids, 3, group_by={"post": labels})
        assert half["source"].dtype == np.int64
        np.testing.assert_allclose(half["total"].sum(), grouped["total"].sum())

    def test_groups_by_column_and_neurons_without_a_label(self) -> None:
        edges = pd.DataFrame({"pre": [1, 2, 4], "post": [3, 3, 5], "weight": [1, 3, 2]})
        typed = edges.neuro.annotate({1: "A", 2: "A", 3: "B"}, "cell_type")
        found = typed.neuro.effective([1, 2, 4], [3, 5], 1, group_by="cell_type")
        assert found["source"].tolist()[0] == "A" or found["source"].isna()[0]
        by_label = {str(s): t for s, t in zip(found["source"], found["total"], strict=True)}
        assert by_label["A"] == 1.0
        assert found["source"].isna().sum() == found["target"].isna().sum() == 1

    @pytest.mark.parametrize("columns", [20, 200])
    def test_dense_and_sparse_steps_agree(self, columns: int) -> None:
        edges = random_edges(12, neurons=400, rows=6000).drop_duplicates(["pre", "post"])
        ids, shares = dense(edges, ("GABA",))
        sources = ids[:columns].tolist()
        found = edges.neuro.effective(sources, ids, 4, signed="gaba")
        net = found["total"] * np.where(found["effect"] == "inhibitory", -1, 1)
        power = sum(np.linalg.matrix_power(shares, k) for k in range(1, 5))
        np.testing.assert_allclose(net.sum(), power[:, :columns].sum(), rtol=1e-9)
        unsigned = sum(np.linalg.matrix_power(abs(shares), k) for k in range(1, 5))
        np.testing.assert_allclose(found["total"].sum(), unsigned[:, :columns].sum(), rtol=1e-9)

    @pytest.mark.parametrize("groups", [None, {"post": 3}, {"pre": 3}])
    def test_blocks_of_groups_agree_with_all_at_once(
        self, groups: dict | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        edges = random_edges(15)
        ids = np.union1d(edges["pre"], edges["post"])
        group_by = groups and {end: pd.Series(ids % count, ids) for end, count in groups.items()}
        options = {"max_hops": 4, "group_by": group_by, "signed": "gaba"}
        keys = ["source", "target", "effect"]
        whole = edges.neuro.effective(ids[:9], ids[3:], **options).set_index(keys)
        module = sys.modules["pdneuro.graphs.effective"]
        monkeypatch.setattr(module, "_MAX_CELLS", 8 * len(ids))  # two groups per block
        found = edges.neuro.effective(ids[:9], ids[3:], **options).set_index(keys)
        pd.testing.assert_frame_equal(found.reindex(whole.index), whole, rtol=1e-12)

    @given(seed=st.integers(0, 10_000), signed=st.booleans(), turned=st.booleans())
    @settings(max_examples=10)
    def test_few_neurons_of_a_sparse_table(self, seed: int, signed: bool, turned: bool) -> None:
        # Most neurons do not lead from the sources to the targets, so their rows are left out.
        edges = random_edges(seed, neurons=300, rows=450).drop_duplicates(["pre", "post"])
        ids, shares = dense(edges)
        one, two = [ids[::30], edges["post"].unique()[:2]]
        sources, targets = (two, one) if turned else (one, two)
        found = edges.neuro.effective(sources, targets, 4, signed="gaba" if signed else None)
        sums = found.groupby(["source", "target"]).sum(numeric_only=True)
        rows, columns = (np.searchsorted(ids, end) for end in (targets, sources))
        for hops in range(1, 5):
            power = np.linalg.matrix_power(shares, hops)[np.ix_(rows, columns)]
            wanted = pd.DataFrame(power.T, sources, targets).stack()
            values = sums[f"hops_{hops}"].reindex(wanted.index, fill_value=0.0)
            np.testing.assert_allclose(values, wanted, rtol=1e-12, atol=0)

    def test_errors(self) -> None:
        edges = random_edges(13)
        with pytest.raises(ValueError, match="max_hops"):
            edges.neuro.effective(BASE, BASE, 0)
        with pytest.raises(ValueError, match="none of the 1 targets"):
            edges.neuro.effective(edges["pre"], 3)
        with pytest.raises(errors.MissingColumnsError, match="cell_type_pre"):
            edges.neuro.effective(edges["pre"], edges["pre"], group_by="cell_type")

    def test_too_many_pairs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        edges = random_edges(13)
        ids = np.union1d(edges["pre"], edges["post"])
        monkeypatch.setattr(sys.modules["pdneuro.graphs.effective"], "_MAX_PAIRS", 12)
        assert len(edges.neuro.effective(ids[:3], ids[:4], 3))
        with pytest.raises(errors.TooLargeError, match="7 sources and 2 targets are too many pairs"):
            edges.neuro.effective(ids[:7], ids[:2], 3)
        assert len(edges.neuro.effective(ids[:7], ids[:2], 3, group_by={"pre": dict.fromkeys(ids, "A")}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 2.5}, "n must be"),
        ({"n": "x"}, "n must be"),
        ({"threshold": "x"}, "threshold must be"),
        ({"max_hops": -1}, "max_hops must be"),
        ({"max_hops": 1.5}, "max_hops must be"),
        ({"threshold": None, "max_hops": "x"}, "max_hops must be"),
    ],
)
def test_numbers_of_layers_are_checked(wrong: dict, message: str) -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [5, 6]})
    with pytest.raises(ValueError, match=message):
        edges.neuro.layers(1, **wrong)


@pytest.mark.parametrize("signed", [5, [1, 2], ["gaba", None]])
def test_transmitters_are_texts(signed: object) -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": 5, "nt": ["ach", "gaba"]})
    with pytest.raises(ValueError, match="transmitters must be a text or a list of texts"):
        edges.neuro.influence(1, signed=signed)


def ring(size: int, weights: np.ndarray) -> np.ndarray:
    return np.roll(np.diag(weights), 1, axis=0)


def of_ring_with_chords(weights: np.ndarray, chords: np.ndarray) -> float:
    """Return the largest eigenvalue of a ring with the chords 200 -> 5 and 7 -> 100.

    No two of its cycles are without a common neuron, so it is the root of 1 = sum(weight / x**length).
    A dense solver loses up to ten digits of it.
    """
    from scipy.optimize import brentq
    from scipy.special import logsumexp

    along = np.concatenate([[0.0], np.log(weights).cumsum()])
    size, (first, second) = len(weights), np.log(chords)
    whole, inner = along[-1], along[100] - along[7]
    cycles = [
        (whole, size),
        (along[200] - along[5] + first, 196),
        (whole - inner + second, size - 92),
        (along[7] - along[5] + along[200] - along[100] + first + second, 104),
    ]
    return math.exp(brentq(lambda x: logsumexp([log - n * x for log, n in cycles]), -9, 1, xtol=1e-14))


class TestLargestEigenvalue:
    """Components of more neurons than are solved with dense matrices at once."""

    @given(seed=st.integers(0, 10_000), kind=st.sampled_from(["ring", "periodic", "chords", "mixed"]))
    @settings(max_examples=8)
    def test_is_that_of_the_dense_matrix(self, seed: int, kind: str) -> None:
        from scipy import sparse

        rng = np.random.default_rng(seed)
        size = 310
        matrix = ring(size, rng.random(size))
        wanted = np.exp(np.log(np.diag(np.roll(matrix, -1, axis=0))).mean())
        if kind == "periodic":
            half = size // 2
            matrix = np.where(rng.random((size, size)) < 0.05, rng.random((size, size)), 0.0)
            matrix[:half, :half] = matrix[half:, half:] = 0
            wanted = np.linalg.eigvals(matrix).real.max()
        elif kind == "chords":
            chords = rng.random(2)
            wanted = of_ring_with_chords(np.diag(np.roll(matrix, -1, axis=0)), chords)
            matrix[5, 200], matrix[100, 7] = chords
        elif kind == "mixed":  # two components, one feeds the other, and a neuron without a cycle
            other = ring(size, np.full(size, 0.9))
            matrix = np.block([[matrix, np.zeros((size, size))], [np.eye(size), other]])
            matrix = np.pad(matrix, (0, 1), constant_values=0.3)
            matrix[-1] = 0
            wanted = 0.9
        found = largest_eigenvalue(sparse.csr_array(matrix))
        assert found == pytest.approx(wanted, rel=1e-10)

    def test_a_table_without_cycles_has_none(self) -> None:
        from scipy import sparse

        upper = np.triu(np.random.default_rng(0).random((400, 400)), 1)
        assert largest_eigenvalue(sparse.csr_array(upper)) == 0

    def test_signs(self) -> None:
        from scipy import sparse

        rng = np.random.default_rng(2)
        matrix = np.where(rng.random((320, 320)) < 0.1, rng.normal(size=(320, 320)), 0.0)
        wanted = np.linalg.eigvals(matrix).real.max()
        assert largest_eigenvalue(sparse.csr_array(matrix)) == pytest.approx(wanted, rel=1e-9)


def test_many_edges_are_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = random_edges(12, neurons=300, rows=6000)
    ids = np.union1d(edges["pre"], edges["post"])
    keys = ["source", "target", "effect"]
    precise = edges.neuro.effective(ids[:50], ids, 5, signed="gaba").set_index(keys)
    monkeypatch.setattr(sys.modules["pdneuro.graphs.effective"], "_MAX_PRECISE", 1)
    monkeypatch.setattr(sys.modules["pdneuro.graphs.sparse_arrays"], "_LARGE", 1)  # also with threads
    single = edges.neuro.effective(ids[:50], ids, 5, signed="gaba").set_index(keys)
    assert single["total"].dtype == np.float64
    pd.testing.assert_frame_equal(single.reindex(precise.index), precise, rtol=1e-5, atol=0)
    assert not single.equals(precise)


@pytest.mark.parametrize("wrong", [["input"], {"input"}, np.array(["input"]), 5])
def test_a_choice_is_one_text(wrong: object) -> None:
    edges = random_edges(14)
    calls = [
        lambda: edges.neuro.to_matrix(normalize=wrong),
        lambda: edges.neuro.threshold(0.1, of=wrong),
        lambda: edges.neuro.fractions(of=wrong),
        lambda: edges.neuro.completeness(edges["pre"], of=wrong),
        lambda: edges.neuro.similarity(of=wrong),
        lambda: edges.neuro.similarity(metric=wrong),
        lambda: edges.neuro.plot.fractions(of=wrong),
        lambda: edges.neuro.plot.graph(layout=wrong),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r" must be .*'.* or '.*', not "):
            call()
