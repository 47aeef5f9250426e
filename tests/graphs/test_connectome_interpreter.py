"""Effective connectivity is that of connectome-interpreter, which computes in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

interpreter = pytest.importorskip(
    "connectome_interpreter.compress_paths", reason="connectome-interpreter is not installed"
)


def test_signed_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import sparse

    monkeypatch.chdir(tmp_path)  # it writes into the current folder
    rng = np.random.default_rng(0)
    edges = pd.DataFrame(rng.integers(0, [60, 60, 30], (500, 3)), columns=["pre", "post", "weight"]) + 1
    edges = edges.drop_duplicates(["pre", "post"])
    edges["nt"] = np.where(edges["pre"] % 3 == 0, "gaba", "ach")
    matrix, ids = edges.neuro.to_sparse()
    total = np.maximum(np.asarray(matrix.sum(axis=0)), 1)
    signs = {place: -1 if number % 3 == 0 else 1 for place, number in enumerate(ids.tolist())}
    shares = sparse.csc_matrix(matrix / total)
    parts = interpreter.compress_paths_signed(shares, signs, 4, output_threshold=0)
    groups = {place: f"g{place % 4}" for place in range(len(ids))}
    sources, targets = list(range(10)), list(range(5, 40))
    found = edges.neuro.effective(
        ids[sources], ids[targets], 4, group_by=pd.Series(list(groups.values()), ids), signed="gaba"
    )
    for effect, lengths in zip(("excitatory", "inhibitory"), parts, strict=True):
        of_effect = found[found["effect"] == effect]
        for hops, values in enumerate(lengths, 1):
            options = {"display_output": False, "display_threshold": 0}
            wanted = interpreter.result_summary(values, sources, targets, groups, **options)
            table = of_effect.pivot(index="source", columns="target", values=f"hops_{hops}")
            np.testing.assert_allclose(table.reindex_like(wanted).fillna(0), wanted, rtol=1e-5)
