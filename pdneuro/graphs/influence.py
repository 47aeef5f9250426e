"""Steady-state influence of neurons on all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import NotConvergedError
from pdneuro.graphs.paths import Ids, distinct_neurons
from pdneuro.graphs.shares import Signed, input_shares, known_positions
from pdneuro.graphs.sparse_arrays import FloatArray, product
from pdneuro.tables.provenance import inherit, note

#: Largest real part of the eigenvalues after scaling.
_GAIN = 0.99
#: Added to the logarithm of an influence; a smaller influence than ``exp(-24)`` counts as none.
_OFFSET = 24.0
#: Components of at most this number of neurons are solved with dense matrices; and those that are hard.
_SMALL, _MEDIUM = 300, 3_000
#: Larger components are factorized if they have at most this number of edges per neuron.
_SPARSE = 4
#: Below this, an eigenvalue is rounding: shares add up to at most 1 per neuron.
_ZERO = 1e-10


def influence(
    edges: pd.DataFrame,
    seeds: Ids,
    targets: Ids | None = None,
    signed: Signed = None,
    silenced: Ids = (),
) -> pd.DataFrame:
    """Return the influence of some neurons on others, over paths of any length.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed. Drop weak edges before, with
        :func:`pdneuro.tables.threshold`: published influences use pairs of at least 5 synapses.
    seeds : int, Series, array or list
        Neurons that are active.
    targets : int, Series, array or list, optional
        Neurons to return, in this order. Default: all neurons of the table, sorted by ID.
    signed : str or list of str, optional
        Inhibitory transmitters, by the column ``nt_pre`` or ``nt``; or the name of a column of numbers
        whose sign counts. Other transmitters, and edges without one, are excitatory. Default: all edges
        are excitatory.
    silenced : int, Series, array or list, optional
        Neurons whose outputs are removed. Seeds among them stay active.

    Returns
    -------
    DataFrame
        Indexed by neuron (``id``, int64): ``influence`` (float64, the activity at steady state),
        ``adjusted`` (float64, 0 or more without ``signed``), ``is_seed`` (bool). A neuron that no path
        reaches has 0; a target that is not in the table has NaN. ``attrs["pdneuro"]`` has
        ``largest_eigenvalue``.

    Raises
    ------
    ValueError
        No seed has an edge in the table.
    MissingColumnsError
        ``signed`` names transmitters, and the table does not have a column of them.
    NotConvergedError
        The equation could not be solved.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Warns
    -----
    DoubtfulParameterWarning
        Some seeds or silenced neurons have no edge in the table.

    Notes
    -----
    The influence is ``r = (I - W)^-1 s``, where ``s`` is 1 for seeds, and ``W`` holds the share of each
    edge in all input that its postsynaptic neuron has in the table, times 0.99 / λ. λ is the largest
    real part of the eigenvalues, after silencing; without a positive one, nothing is scaled. The
    adjusted influence is ``sign(r) * (log(max(abs(r), exp(-24))) + 24)``.

    This is the definition of ConnectomeInfluenceCalculator, and of the paper on the BANC connectome
    (Bates et al. 2025). That package returns absolute values; divides by the input of each neuron in the
    whole data set, which its column ``norm`` contains; and has its own list of inhibitory transmitters.
    All is computed in float64. λ has a relative error of about 1e-12. The residual of the solution is at
    most 1e-9 of the start, and usually below 1e-12; a larger one is an error. Compared with a dense
    solution, influences differ by less than 1e-9 of the largest.

    Examples
    --------
    >>> from pdneuro.graphs import influence
    >>> edges = pd.DataFrame({"pre": [1, 2, 4], "post": [2, 3, 3], "weight": [10, 5, 15]})
    >>> influence(edges, 1).round(3)
        influence  adjusted  is_seed
    id
    1        1.00    24.000     True
    2        1.00    24.000    False
    3        0.25    22.614    False
    4        0.00     0.000    False
    """
    shares = input_shares(edges, signed)
    ids = shares.ids
    is_seed = np.zeros(len(ids), bool)
    is_seed[known_positions(ids, seeds, "seeds")] = True
    matrix = shares.matrix()
    del shares
    quiet = np.zeros(len(ids), bool)
    quiet[known_positions(ids, silenced, "silenced neurons", required=False)] = True
    quiet &= ~is_seed
    if quiet.any():
        matrix.data[quiet[matrix.indices]] = 0
    matrix.eliminate_zeros()
    largest = largest_eigenvalue(matrix)
    if largest > 0:
        matrix.data *= _GAIN / largest
    found = _solve(matrix, is_seed.astype(np.float64))
    adjusted = np.sign(found) * (np.log(np.maximum(np.abs(found), np.exp(-_OFFSET))) + _OFFSET)
    table = pd.DataFrame(
        {"influence": found, "adjusted": adjusted, "is_seed": is_seed}, index=pd.Index(ids, name="id")
    )
    if targets is not None:
        wanted = pd.Index(distinct_neurons(targets, "targets", ids), name="id")
        table = table.reindex(wanted)
        table["is_seed"] = wanted.isin(ids[is_seed])
    return note(inherit(table, edges), largest_eigenvalue=float(largest))


def largest_eigenvalue(matrix: Any) -> float:
    """Return the largest real part of the eigenvalues of a sparse array with one entry per pair.

    It is 0 if no eigenvalue has a positive real part.
    """
    csgraph = optional("scipy.sparse.csgraph", "graph")
    # Without cycles, all eigenvalues are 0, but rounding would give other values.
    _, labels = csgraph.connected_components(matrix, connection="strong")
    in_cycle = np.flatnonzero((np.bincount(labels)[labels] > 1) | (matrix.diagonal() != 0))
    own = in_cycle[np.argsort(labels[in_cycle], kind="stable")]
    components = np.split(own, np.flatnonzero(np.diff(labels[own])) + 1) if len(own) else []
    size, largest = matrix.shape[0], 0.0
    for part in components:
        # Most of a large matrix takes longer to select than it saves; the other eigenvalues count too.
        whole = len(part) > size / 2 and size > _MEDIUM and matrix.nnz > _SPARSE * size
        largest = max(largest, _of_component(matrix if whole else matrix[part][:, part]))
    return largest if largest > _ZERO else 0.0


def _of_component(matrix: Any) -> float:
    """Return the largest real part of the eigenvalues of a strongly connected component."""
    linalg = optional("scipy.sparse.linalg", "graph")
    size = matrix.shape[0]
    if size <= _SMALL:
        return float(np.linalg.eigvals(matrix.toarray()).real.max())
    start = np.random.default_rng(0).random(size)
    operator = linalg.LinearOperator(matrix.shape, lambda vector: product(matrix, vector), dtype=float)
    # Each attempt suits eigenvalues that are closer to each other than the attempt before.
    for ncv, maxiter, tol in ((12, 300, 1e-12), (100, 100, 1e-12), (100, None, 1e-9)):
        limits = {"ncv": ncv, "maxiter": maxiter, "tol": tol, "return_eigenvectors": False}
        try:
            return float(linalg.eigs(operator, 1, which="LR", v0=start, **limits).real.max())
        except linalg.ArpackNoConvergence as error:
            failed = error
        if matrix.data.min() >= 0 and (size <= _MEDIUM or matrix.nnz <= _SPARSE * size):
            return _perron(matrix)
        if ncv == 100 and size <= _MEDIUM:
            return float(np.linalg.eigvals(matrix.toarray()).real.max())
    raise NotConvergedError(
        f"the largest eigenvalue of a matrix of {size:,} neurons was not found in several thousand "
        "iterations. Drop weak edges with .threshold(), or use unsigned weights."
    ) from failed


def _perron(matrix: Any) -> float:
    """Return the largest eigenvalue of a strongly connected component without negative entries.

    It lies between the smallest and the largest sum of a row. Noda's iteration scales the neurons until
    all sums are equal. It needs few steps, also if the component is periodic.
    """
    linalg, sparse = optional("scipy.sparse.linalg", "graph"), optional("scipy.sparse", "graph")
    ones = np.ones(matrix.shape[0])
    largest = np.inf
    for _ in range(100):
        sums = matrix @ ones
        largest = min(largest, float(sums.max()))
        if sums.max() - sums.min() <= 1e-13 * sums.max():
            break
        system = sparse.diags_array((1 + 1e-14) * sums.max() * ones) - matrix
        scale = np.abs(linalg.spsolve(system.tocsc(), ones))
        # Entries that are too small may be rounding; the next steps scale them further.
        scale = np.maximum(scale / scale.max(), 1e-6)
        matrix = sparse.csr_array(sparse.diags_array(1 / scale) @ matrix @ sparse.diags_array(scale))
    return largest


def _solve(matrix: Any, start: FloatArray) -> FloatArray:
    """Return the solution of ``(I - matrix) r = start``; neurons that no path reaches are exactly 0.

    The steps multiply ``start`` by the matrix. Long cycles may need too many steps; then a small matrix
    is factorized.
    """
    linalg = optional("scipy.sparse.linalg", "graph")
    operator = linalg.LinearOperator(
        matrix.shape, matvec=lambda vector: vector - product(matrix, vector), dtype=np.float64
    )
    found, rest = np.zeros_like(start), start
    size = float(np.linalg.norm(start))
    goal = 1e-13 * size
    for _ in range(4):  # each round corrects the rounding of the one before
        step, failed = linalg.bicgstab(operator, rest, rtol=0, atol=goal, maxiter=500)
        if failed or not np.isfinite(step).all():
            step, failed = linalg.gmres(operator, rest, rtol=1e-8, atol=goal, restart=100, maxiter=20)
        if failed and len(start) <= _MEDIUM:
            found = _factorized(matrix, start)
            rest = start - operator @ found
            break
        found = found + step
        rest = start - operator @ found
        if float(np.linalg.norm(rest)) <= 10 * goal:
            break
    if not float(np.linalg.norm(rest)) <= 1e-9 * size:
        raise NotConvergedError(
            f"the influence was not found: the residual is still {np.linalg.norm(rest) / size:.1g} of "
            "the start. Drop weak edges with .threshold(), or use unsigned weights."
        )
    return found


def _factorized(matrix: Any, start: FloatArray) -> FloatArray:
    """Return the solution of ``(I - matrix) r = start`` by a sparse factorization."""
    sparse, linalg = optional("scipy.sparse", "graph"), optional("scipy.sparse.linalg", "graph")
    csgraph = optional("scipy.sparse.csgraph", "graph")
    seeds = np.flatnonzero(start)
    hops = csgraph.dijkstra(abs(matrix).T, indices=seeds, unweighted=True, min_only=True)
    reached = np.flatnonzero(np.isfinite(hops))
    system = sparse.eye_array(len(reached)) - matrix[reached][:, reached]
    found = np.zeros_like(start)
    found[reached] = linalg.spsolve(system.tocsc(), start[reached])
    return found
