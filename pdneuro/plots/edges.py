"""Pictures of edge tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro import tables
from pdneuro._compat import optional
from pdneuro.errors import MissingColumnsError, TooLargeError
from pdneuro.graphs import to_matrix, to_networkx
from pdneuro.plots import style
from pdneuro.tables import roles
from pdneuro.tables.edges import label_columns, require_edges
from pdneuro.tables.labels import Labels, are_labels, labels_of
from pdneuro.tables.provenance import facts
from pdneuro.tables.weights import END_OF

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Largest side of a picture of a matrix: a screen has no more pixels.
MAX_SIDE = 3_000
#: Most nodes of a drawn graph.
MAX_NODES = 300
_OTHER = "other"
Groups = Hashable | Sequence[Hashable] | Labels


def matrix(
    edges: pd.DataFrame,
    group_by: Groups | None = None,
    *,
    order: str = "sorted",
    bars: Hashable | Labels | None = None,
    values: str = "weight",
    log: bool | None = None,
    ids: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """The adjacency matrix: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    group_by, values, ids
        As for :func:`pdneuro.graphs.to_matrix`.
    order : {"sorted", "clustered", "given"}
        By falling sums of rows and columns; by similarity (average linkage of cosine distances); the
        same order for both sides of a square matrix. Or as ``to_matrix`` gives it.
    bars : hashable or labels, optional
        The group of each row and column, drawn as bars of colours beside the matrix; rows of a group
        stay together. A column that :func:`pdneuro.tables.annotate` put beside the edges
        (``"cell_type"`` for ``cell_type_pre`` and ``cell_type_post``), or a Series or mapping by ID.
    log : bool, optional
        Colours on a logarithmic scale. Default: for integers whose largest is 20 or more.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With a colour bar. White is no connection; negative values get a scale with white at 0.

    Raises
    ------
    TooLargeError
        A side of more than 3,000: group it.
    MissingDependencyError
        Needs matplotlib: the extra ``plot``.

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.matrix().get_xlabel()
    'postsynaptic (3)'
    """
    colors = optional("matplotlib.colors", "plot")
    if order not in ("sorted", "clustered", "given"):
        raise ValueError(f"order must be 'sorted', 'clustered' or 'given', not {order!r}.")
    edges = require_edges(edges)
    table = to_matrix(edges, group_by, values=values, ids=ids)
    if max(table.shape, default=0) > MAX_SIDE:
        raise TooLargeError(
            f"a picture of {table.shape[0]:,} x {table.shape[1]:,} has more cells than a screen has "
            "pixels. Draw types: group_by=..., or some neurons: ids=...."
        )
    sides = [_bar_groups(edges, side, bars) for side in (table.index, table.columns)]
    rows, columns = _orders(table, order, sides)
    table = table.iloc[rows, columns]
    cells = table.to_numpy(dtype=float, na_value=np.nan)
    present = cells[np.isfinite(cells) & (cells != 0)]
    if log is None:
        log = (
            pd.api.types.is_integer_dtype(table.to_numpy().dtype)
            and np.abs(present).max(initial=0) >= 20
        )
    largest = float(np.abs(present).max(initial=1))
    if (present < 0).any():
        least = float(np.abs(present).min()) / 4  # the weakest still has a colour
        norm = colors.SymLogNorm(least, vmin=-largest, vmax=largest) if log else None
        look = {"cmap": "PuOr", "norm": norm or colors.CenteredNorm(halfrange=largest)}
    elif log:
        look = {
            "cmap": style.sequential(),
            "norm": colors.LogNorm(present.min(initial=1), max(largest, 10.0)),
        }
    else:
        look = {"cmap": style.sequential(), "norm": colors.Normalize(0, largest)}
    ax = style.axes(ax, 6.6, 5.8)
    if not table.size:
        ax.set_title("no edges", fontsize=10)
        return ax
    image = ax.imshow(np.where(cells == 0, np.nan, cells), interpolation="nearest", **look)
    groups = [
        None if side is None else side.iloc[place]
        for side, place in zip(sides, (rows, columns), strict=True)
    ]
    _draw_bars(ax, groups)
    style.ticks(ax.xaxis, table.columns.tolist())
    ax.tick_params("x", rotation=90)
    told = style.ticks(ax.yaxis, table.index.tolist())
    ax.set_xlabel(f"postsynaptic ({table.shape[1]:,})")
    ax.set_ylabel(f"presynaptic ({table.shape[0]:,})", labelpad=4 if told or bars is None else 16)
    what = "synapses" if values == "weight" else str(values).replace("_", " ")
    ax.figure.colorbar(image, ax=ax, label=f"{what} (white: none)", shrink=0.8)
    return ax


def degree(
    edges: pd.DataFrame, *, of: str = "both", weighted: bool = False, ax: Axes | None = None
) -> Axes:
    """How many neurons have how many partners: the share with at least so many, on logarithmic axes.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    of : {"both", "in", "out"}
    weighted : bool
        Synapses rather than partners.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.degree().get_xlabel()
    'partners'
    """
    if of not in ("both", "in", "out"):
        raise ValueError(f"of must be 'both', 'in' or 'out', not {of!r}.")
    counts = tables.degree(edges)
    ax = style.axes(ax)
    names = {"in": "input from", "out": "output to"}
    for place, (side, words) in enumerate(names.items()):
        if of not in ("both", side):
            continue
        found = counts[f"{side}_{'weight' if weighted else 'degree'}"].to_numpy()
        values, times = np.unique(found[found > 0], return_counts=True)
        share = times[::-1].cumsum()[::-1] / max(len(found), 1)
        label = f"{words} (mean {found.mean() if len(found) else 0:,.1f})"
        ax.step(
            values,
            share,
            where="pre",
            label=label,
            color=style.PALETTE[place],
            ls=style.LINES[place],
            lw=2,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("synapses" if weighted else "partners")
    ax.set_ylabel("share of neurons with at least as many")
    ax.set_title(f"{len(counts):,} neurons", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax


def graph(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    *,
    group_by: Groups | None = None,
    color: Hashable | None = None,
    labels: bool | Hashable | None = None,
    layout: str = "spring",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """A small graph: arrows from pre to post, the wider the more synapses.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nodes : DataFrame, optional
        The neurons' own table, with a column of IDs; those without an edge are left out.
    group_by : optional
        Draw groups in place of neurons, as for :func:`pdneuro.tables.collapse`.
    color : hashable, optional
        Column of ``nodes``: its eight most frequent values get a colour and a shape each.
    labels : bool or hashable, optional
        Write the IDs (or groups), or a column of ``nodes``. Default: for up to 25 neurons or 40
        groups.
    layout : {"spring", "kamada_kawai", "circular", "shell"}
        networkx' layouts.
    seed : int
        Of the layout: the same picture each time.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        A node with a black ring has a connection onto itself.

    Raises
    ------
    TooLargeError
        More than 300 nodes.

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.graph().get_title()
    '3 nodes, 3 edges'
    """
    import networkx as nx

    layouts: dict[str, Callable[[Any], dict[Any, Any]]] = {
        "spring": lambda drawn: nx.spring_layout(
            drawn.to_undirected(), weight=None, seed=seed, method="energy", iterations=150
        ),
        "kamada_kawai": lambda drawn: nx.kamada_kawai_layout(drawn, weight=None),
        "circular": nx.circular_layout,
        "shell": nx.shell_layout,
    }
    if layout not in layouts:
        raise ValueError(f"layout must be one of {', '.join(layouts)}, not {layout!r}.")
    if group_by is not None and (color is not None or nodes is not None):
        raise ValueError("groups have no table of neurons: leave out nodes= and color=, or group_by=.")
    if color is not None:
        if nodes is None:
            raise ValueError("color= names a column of nodes=, the neurons' own table.")
        roles.named_column(nodes, color)
    edges = require_edges(edges)
    if group_by is None:
        ends: Any = pd.unique(pd.concat([edges["pre"], edges["post"]]))
        if len(ends) > MAX_NODES:
            _refuse(len(ends), "neurons")
        drawn: nx.DiGraph[Any] = to_networkx(edges, nodes)
        drawn.remove_nodes_from(set(drawn) - set(ends.tolist()))
    else:
        sums = to_matrix(edges, group_by)
        names = sums.index.union(sums.columns, sort=False)
        if len(names) > MAX_NODES:
            _refuse(len(names), "groups")
        drawn = nx.DiGraph()
        for start, row in zip(sums.index, sums.to_numpy(), strict=True):
            drawn.add_weighted_edges_from(
                (start, end, weight) for end, weight in zip(sums.columns, row, strict=True) if weight
            )
    places = layouts[layout](drawn)
    ax = style.axes(ax, 7, 6)
    _draw_arrows(ax, drawn, places)
    told: Any = drawn.nodes
    groups: Any = pd.Series(dict(told(data=color)) if color is not None else {}, dtype=object)
    _draw_nodes(ax, drawn, places, groups, color)
    if labels is None:
        labels = len(drawn) <= (40 if group_by is not None else 25)
    if labels is not False:
        own = {node: node for node in drawn} if labels is True else dict(told(data=labels))
        text = {node: style.named([name])[0] for node, name in own.items() if name is not None}
        _write_labels(ax, text, places)
    ax.set_title(f"{len(drawn):,} nodes, {drawn.number_of_edges():,} edges", fontsize=10)
    ax.margins(0.08)
    ax.set_axis_off()
    return ax


def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    *,
    group_by: Hashable | None = None,
    top: int = 7,
    most: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """Where each neuron's input comes from, or its output goes: a bar each, parted by partner.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Its column ``input_fraction`` or ``output_fraction`` is taken where there is one;
        else the shares are of the edges present, as for :func:`pdneuro.tables.fractions`.
    of : {"input", "output"}
    group_by : hashable, optional
        A column that :func:`pdneuro.tables.annotate` put beside the edges (``"cell_type"``): bars and
        their parts are groups. Default: neurons.
    top : int
        Partners with a colour of their own (at most 8); the others are one part.
    most : int
        Bars; the neurons or groups with the most synapses.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingColumnsError
        ``group_by`` is not beside the edges.

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> edges = pd.DataFrame({"pre": [11, 12, 12], "post": [13, 13, 14], "weight": [3, 1, 5]})
    >>> edges.neuro.plot.fractions().get_xlabel()
    'share of input'
    """
    if of not in END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    if not 1 <= top <= len(style.PALETTE):
        raise ValueError(f"top must be from 1 to {len(style.PALETTE)}, not {top!r}.")
    edges = require_edges(edges)
    share = f"{of}_fraction"
    if share not in edges:
        edges = tables.fractions(edges, of)
    own = END_OF[of]
    partner = "pre" if own == "post" else "post"
    keys: list[Any] = [own, partner]
    if group_by is not None:
        starts, ends = label_columns(edges, [group_by])
        keys = [ends, starts] if own == "post" else [starts, ends]
    weight = edges["weight"].to_numpy(float)
    part = edges[share].to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        totals = pd.Series(weight / part, index=edges[own].to_numpy())
    whole = totals[np.isfinite(totals)].groupby(level=0).first()
    bar, half = (_known(edges[key].to_numpy()) for key in keys)
    synapses = pd.Series(weight).groupby(bar).sum().nlargest(most)
    kept = bar.isin(synapses.index)
    named = pd.Series(weight)[kept].groupby(half[kept]).sum().nlargest(top).index
    half = half.where(half.isin(named), _OTHER)
    sums = pd.Series(weight)[kept].groupby([bar[kept], half[kept]]).sum().unstack(fill_value=0)
    pairs = pd.DataFrame({"bar": bar, "neuron": edges[own].to_numpy()}).drop_duplicates()
    wholes = pairs["neuron"].map(whole).groupby(pairs["bar"]).sum()
    shares = sums.div(wholes.reindex(sums.index), axis=0).reindex(synapses.index[::-1])
    ax = style.axes(ax, 7, 1.4 + 0.26 * len(shares))
    colors = {**style.palette(list(named)), _OTHER: style.OTHER}
    left = np.zeros(len(shares))
    for place, name in enumerate([*named, *([_OTHER] if _OTHER in shares else [])]):
        wide = shares[name].fillna(0).to_numpy()
        hatch = "" if name == _OTHER else style.HATCHES[place]
        look: Any = {"color": colors[name], "hatch": hatch, "edgecolor": "white", "linewidth": 0.5}
        ax.barh(range(len(shares)), wide, left=left, label=style.named([name])[0], **look)
        left += wide
    style.ticks(ax.yaxis, shares.index.tolist())
    ax.set_xlim(0, max([1.0, *left.tolist()]))
    ax.set_xlabel(f"share of {of}")
    side = "postsynaptic" if own == "post" else "presynaptic"
    ax.set_ylabel(f"{side} {'neuron' if group_by is None else group_by}")
    if len(shares):
        title = "from" if of == "input" else "to"
        ax.legend(title=title, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return ax


def hops(edges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """How far an expansion went: edges, and neurons met for the first time, at each hop.

    Parameters
    ----------
    edges : DataFrame
        An edge table with the column ``hop``, from ``.edges(hops=2)`` or ``.expand(hops=2)``.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingColumnsError
        There is no column ``hop``.

    Examples
    --------
    >>> import pandas as pd, pdneuro
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 13], "weight": [3, 4], "hop": [1, 2]})
    >>> edges.neuro.plot.hops().get_xlabel()
    'hop'
    """
    edges = require_edges(edges)
    if "hop" not in edges:
        raise MissingColumnsError(
            "the edges have no column 'hop'; .edges(hops=2) and .expand(hops=2) give one."
        )
    hop = edges["hop"].to_numpy()
    ends = pd.Series(np.tile(hop, 2), index=np.concatenate([edges["pre"], edges["post"]]))
    counts = (
        pd.DataFrame(
            {
                "edges": pd.Series(hop).value_counts(),
                "neurons met first": ends.groupby(level=0).min().value_counts(),
            }
        )
        .fillna(0)
        .sort_index()
    )
    ax = style.axes(ax)
    for place, name in enumerate(counts):
        bars = ax.bar(
            np.arange(len(counts)) + (place - 0.5) * 0.38,
            counts[name],
            0.36,
            label=name,
            color=style.PALETTE[place],
            hatch=style.HATCHES[place],
            edgecolor="white",
        )
        ax.bar_label(bars, [f"{number:,.0f}" for number in counts[name]], fontsize=8)
    ax.set_xticks(range(len(counts)), [str(number) for number in counts.index])
    ax.set_xlabel("hop")
    ax.set_ylabel("number")
    least = int(facts(edges).get("min_weight", 1))
    if least > 1:
        ax.set_title(f"pairs of at least {least:,} synapses", fontsize=10)
    if len(counts) and counts.to_numpy().max() > 50 * max(counts.to_numpy().min(), 1):
        ax.set_yscale("log")
    ax.legend(frameon=False)
    return ax


# -- parts of the pictures -------------------------------------------------------------------------


def _bar_groups(edges: pd.DataFrame, side: pd.Index[Any], bars: Any) -> pd.Series[Any] | None:
    """The group of each row or column of a matrix."""
    if bars is None:
        return None
    if are_labels(bars):
        found = pd.Series(labels_of(np.asarray(side, np.int64), bars))
    else:
        known = [
            pd.Series(edges[name].to_numpy(), index=edges[end].to_numpy())
            for name, end in zip(label_columns(edges, [bars]), ("pre", "post"), strict=True)
        ]
        labels = pd.concat(known)
        found = side.to_series().map(labels[~labels.index.duplicated()])
    return _known(found.array).astype(str)


def _known(values: Any) -> pd.Series[Any]:
    """Groups, with a question mark for neurons of none."""
    groups: pd.Series[Any] = pd.Series(values, dtype=object)
    return groups.where(groups.notna(), "?")


def _orders(
    table: pd.DataFrame, order: str, sides: Sequence[pd.Series[Any] | None]
) -> list[npt.NDArray[np.intp]]:
    cells = np.nan_to_num(table.to_numpy(dtype=float, na_value=0.0))
    if order == "given":
        places = [np.arange(length) for length in cells.shape]
    elif order == "sorted":
        both = np.abs(cells)
        if table.index.equals(table.columns):
            places = [np.argsort(-(both.sum(1) + both.sum(0)), kind="stable")] * 2
        else:
            places = [np.argsort(-both.sum(1 - axis), kind="stable") for axis in (0, 1)]
    elif table.index.equals(table.columns):
        places = [_clustered(np.hstack([cells, cells.T]))] * 2
    else:
        places = [_clustered(cells), _clustered(cells.T)]
    arranged = []
    for place, groups in zip(places, sides, strict=True):
        if groups is not None:  # the largest group first, its members in the order found
            sizes = groups.map(groups.value_counts())
            ranked = pd.DataFrame({"size": -sizes, "group": groups}).iloc[place]
            place = place[np.lexsort((np.arange(len(place)), ranked["group"], ranked["size"]))]
        arranged.append(place)
    return arranged


def _clustered(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    if len(rows) < 3:
        return np.arange(len(rows))
    hierarchy = optional("scipy.cluster.hierarchy", "plot")
    # Rows of zeros have no direction: a small number of their own keeps them together, at the end.
    scaled = np.log1p(np.abs(rows)) + 1e-9
    norm = np.linalg.norm(scaled, axis=1, keepdims=True)
    tree = hierarchy.linkage(scaled / norm, "average", optimal_ordering=len(rows) <= 500)
    return np.asarray(hierarchy.leaves_list(tree), np.intp)


def _draw_bars(ax: Axes, groups: Sequence[pd.Series[Any] | None]) -> None:
    if groups[0] is None or groups[1] is None:
        return
    patches = optional("matplotlib.patches", "plot")
    counted = pd.concat([side for side in groups if side is not None]).value_counts()
    colors = style.palette(counted.index.tolist())
    for side, where in zip(groups, ("row", "column"), strict=True):
        assert side is not None
        values = side.to_numpy()
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(values)], strict=True):
            # In axes' coordinates across, in cells along.
            if where == "row":
                box = {"xy": (-0.03, start - 0.5), "width": 0.02, "height": end - start}
                transform = ax.get_yaxis_transform()
            else:
                box = {"xy": (start - 0.5, 1.01), "width": end - start, "height": 0.02}
                transform = ax.get_xaxis_transform()
            look = {"facecolor": colors[values[start]], "edgecolor": "white", "linewidth": 0.5}
            ax.add_patch(patches.Rectangle(**box, **look, transform=transform, clip_on=False))
    ax.tick_params("y", pad=12)
    keys = [
        patches.Patch(color=color, label=name)
        for name, color in list(colors.items())[: len(style.PALETTE)]
    ]
    if len(colors) > len(style.PALETTE):
        keys.append(
            patches.Patch(color=style.OTHER, label=f"{len(colors) - len(style.PALETTE):,} others")
        )
    ax.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=(0, 1.04),
        ncols=min(len(keys), 5),
        frameon=False,
        fontsize=8,
    )


def _refuse(count: int, what: str) -> None:
    raise TooLargeError(
        f"a drawing of {count:,} {what} cannot be read; {MAX_NODES} are the most. Keep the strong "
        "edges (.neuro.threshold(20)), draw groups (group_by=...), or lay it out elsewhere: "
        ".neuro.to_gephi(folder)."
    )


def _draw_arrows(ax: Axes, drawn: Any, places: dict[Any, Any]) -> None:
    import networkx as nx

    others = [(pre, post) for pre, post in drawn.edges if pre != post]
    weights = np.array([drawn.edges[pair].get("weight", 1) for pair in others], float)
    wide = 0.4 + 2.6 * np.log1p(weights) / max(float(np.log1p(weights).max(initial=1)), 1e-9)
    nx.draw_networkx_edges(
        drawn,
        places,
        others,
        ax=ax,
        width=wide.tolist(),
        edge_color="#777777",
        alpha=0.6,
        arrowsize=8,
        node_size=70,
        connectionstyle="arc3,rad=0.08",
    )


def _write_labels(ax: Axes, text: dict[Any, str], places: dict[Any, Any]) -> None:
    effects = optional("matplotlib.patheffects", "plot")
    halo = [effects.withStroke(linewidth=2, foreground="white")]
    for node, name in text.items():
        ax.annotate(
            name,
            tuple(places[node]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            path_effects=halo,
        )


def _draw_nodes(
    ax: Axes, drawn: Any, places: dict[Any, Any], groups: pd.Series[Any], color: Hashable | None
) -> None:
    import networkx as nx

    names = groups.value_counts().index.tolist()[: len(style.PALETTE)]
    colors = style.palette(names)
    parts = {name: [node for node in drawn if groups.get(node) == name] for name in names}
    rest = [node for node in drawn if groups.get(node) not in colors]
    rings = {pre for pre, post in drawn.edges if pre == post}
    for place, (name, members) in enumerate(parts.items()):
        nx.draw_networkx_nodes(
            drawn,
            places,
            members,
            ax=ax,
            node_color=colors[name],
            node_shape=style.MARKERS[place],
            node_size=70,
            linewidths=1.5,
            edgecolors=["black" if node in rings else "white" for node in members],
            label=style.named([name])[0],
        )
    plain = style.PALETTE[0] if color is None else style.OTHER
    nx.draw_networkx_nodes(
        drawn,
        places,
        rest,
        ax=ax,
        node_color=plain,
        node_size=70,
        edgecolors=["black" if node in rings else "white" for node in rest],
        linewidths=1.5,
        label=None if color is None or not rest else _OTHER,
    )
    if color is not None:
        ax.legend(title=str(color), loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
