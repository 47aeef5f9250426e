"""Plot edge tables: degrees, fractions, hops."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro import tables
from pdneuro._compat import optional
from pdneuro.errors import MissingColumnsError
from pdneuro.plots import style
from pdneuro.tables.collapse import label_columns
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels, are_labels, labels_of
from pdneuro.tables.provenance import facts
from pdneuro.tables.thresholds import END_OF

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colors of parts of a bar without an entry in the legend: with a name in the bar, and all others.
_NAMED, _REST = "#C9B8A0", "#9A9A9A"


def degree(
    edges: pd.DataFrame, *, of: str = "both", weighted: bool = False, ax: Axes | None = None
) -> Axes:
    """Plot the share of neurons with at least a number of partners.

    The axes are logarithmic if a neuron has at least 20 partners.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    of : {"both", "in", "out"}, default "both"
        Partners to count: presynaptic (``"in"``), postsynaptic (``"out"``), or both as two lines.
    weighted : bool, default False
        Count synapses instead of partners.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.degree().get_xlabel()
    'partners'
    """
    check_choice("of", of, ("both", "in", "out"))
    counts = tables.degree(edges)
    ax = style.axes(ax)
    names = {"in": "input from", "out": "output to"}
    largest = 0
    for line, (side, words) in enumerate(names.items()):
        if of not in ("both", side):
            continue
        numbers = counts[f"{side}_{'weight' if weighted else 'degree'}"].to_numpy()
        values, times = np.unique(numbers[numbers > 0], return_counts=True)
        share = times[::-1].cumsum()[::-1] / max(len(numbers), 1)
        label = f"{words} (mean {numbers.mean() if len(numbers) else 0:,.1f})"
        ax.step(
            values,
            share,
            where="pre",
            label=label,
            color=style.colors()[line],
            ls=style.LINES[line],
            lw=2,
            marker="o" if len(values) <= 30 else "",
            ms=4,
        )
        largest = max(largest, int(values.max(initial=0)))
    if largest >= 20:
        ax.set_xscale("log")
        ax.set_yscale("log")
        style.plain_log(ax.xaxis, np.log10(largest))
        style.plain_log(ax.yaxis, np.log10(len(counts)))
    else:
        ax.set_ylim(0, 1.05)
        ax.xaxis.set_major_locator(optional("matplotlib.ticker", "plot").MaxNLocator(integer=True))
    ax.set_xlabel("synapses" if weighted else "partners")
    ax.set_ylabel("share of neurons with at least as many")
    ax.set_title(f"{len(counts):,} neurons", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax


def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    *,
    group_by: Hashable | Labels | None = None,
    top: int = 7,
    most: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """Plot a bar per neuron that is divided by the partners of its input or output.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Its column ``input_fraction`` or ``output_fraction`` is used if it exists;
        otherwise the fractions of the edges in the table, see :func:`pdneuro.tables.fractions`.
    of : {"input", "output"}, default "input"
    group_by : hashable or labels, optional
        A column that :func:`pdneuro.tables.annotate` adds to the edges (``"cell_type"``), or a Series
        or mapping by ID: bars and their parts are groups. Default: neurons.
    top : int, default 7
        Number of partners per bar with their own part (at most 8), the largest first; the others of the
        bar are one part. The eight largest partners of all bars have a color; the names of others are
        written in the bar if they fit.
    most : int, default 30
        Maximum number of bars: the neurons or groups with the most synapses.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingColumnsError
        The edges do not have the column ``group_by``.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 12, 12], "post": [13, 13, 14], "weight": [3, 1, 5]})
    >>> edges.neuro.plot.fractions().get_xlabel()
    'share of input'
    """
    check_choice("of", of, END_OF)
    if not 1 <= top <= len(style.PALETTE):
        raise ValueError(f"top must be from 1 to {len(style.PALETTE)}, not {top!r}.")
    edges = require_edges(edges)
    share = f"{of}_fraction"
    if share not in edges:
        edges = tables.fractions(edges, of)
    own = END_OF[of]
    partner = "pre" if own == "post" else "post"
    keys: list[Any] = [own, partner]
    if are_labels(group_by):
        name = str(getattr(group_by, "name", None) or "group")
        both = {f"{name}_{end}": labels_of(edges[end].to_numpy(), group_by) for end in ("pre", "post")}
        edges, group_by = edges.assign(**both), name
    if group_by is not None:
        starts, ends = label_columns(edges, [group_by])
        keys = [ends, starts] if own == "post" else [starts, ends]
    weight = edges["weight"].to_numpy(float)
    part = edges[share].to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        totals = pd.Series(weight / part, index=edges[own].to_numpy())
    whole = totals[np.isfinite(totals)].groupby(level=0).first()
    bar, half = (style.groups_or_unknown(edges[key].to_numpy()) for key in keys)
    rows = pd.DataFrame({"bar": bar, "partner": half, "neuron": edges[own].to_numpy(), "weight": weight})
    bars = rows.groupby("bar")["weight"].sum().nlargest(most).index[::-1]
    rows = rows[rows["bar"].isin(bars)]
    owners = rows[["bar", "neuron"]].drop_duplicates()
    wholes = owners["neuron"].map(whole).groupby(owners["bar"]).sum()
    parts = rows.groupby(["bar", "partner"])["weight"].sum().reset_index()
    parts["share"] = (parts["weight"] / parts["bar"].map(wholes).astype(float)).fillna(0)
    parts = parts.sort_values(["share", "weight"], ascending=False, kind="stable")
    parts["rank"] = parts.groupby("bar").cumcount().clip(upper=top)
    # Colors are those of the partners with the largest shares of all bars.
    large = parts[parts["rank"] < top].groupby("partner")["share"].sum()
    named = large.nlargest(len(style.PALETTE)).index.tolist()
    ax = style.axes(ax, 7.5, max(2.6, 1.4 + 0.26 * len(bars)))
    ax.set_xlim(0, 1)
    if len(bars):
        _draw_parts(ax, parts, bars, named, top)
    style.ticks(ax.yaxis, bars.tolist())
    if len(bars):
        ax.set_ylim(-0.6, len(bars) - 0.4)
    ax.set_xlabel(f"share of {of}")
    side = "postsynaptic" if own == "post" else "presynaptic"
    ax.set_ylabel(f"{side} {'neuron' if group_by is None else group_by}")
    if len(bars):
        title = "from" if of == "input" else "to"
        ax.legend(title=title, loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    return ax


def _draw_parts(ax: Axes, parts: pd.DataFrame, bars: pd.Index[Any], named: list[Any], top: int) -> None:
    """Draw the parts of bars: the largest first, with a color or a name, then all others."""
    rest = parts["rank"] == top
    # Partners are numbered, since any name may be a partner, also "all others".
    number = parts["partner"].map({name: row for row, name in enumerate(named)})
    row = bars.get_indexer(pd.Index(parts["bar"]))
    labels = style.short_labels(parts["partner"].tolist())
    parts = parts.assign(row=row, number=number.fillna(-1).astype(int).mask(rest, -2), label=labels)
    parts = pd.concat([parts[~rest], parts[rest].groupby("row", as_index=False).agg(
        {"share": "sum", "number": "first", "rank": "first", "label": "first"})])  # fmt: skip
    parts["left"] = parts.groupby("row")["share"].cumsum() - parts["share"]
    looks = {code: (color, style.HATCHES[code], name) for code, (color, name) in
             enumerate(zip(style.colors(), style.short_labels(named), strict=False))}  # fmt: skip
    looks |= {-1: (_NAMED, "", "other top partners"), -2: (_REST, "", "all others")}
    for code, (color, hatch, name) in looks.items():
        some = parts[parts["number"] == code]
        if len(some):
            look: Any = {"color": color, "hatch": hatch, "edgecolor": style.paper(), "linewidth": 0.5}
            ax.barh(some["row"], some["share"], left=some["left"], label=name, **look)
    end = max(1.0, float((parts["left"] + parts["share"]).max()))
    ax.set_xlim(0, end)
    # Characters of 6 points are about 4 points wide; a legend and labels take some of the width.
    letters = ax.get_window_extent().width / ax.figure.dpi * 72 * 0.77 / 4 / end
    fits = (parts["number"] == -1) & (parts["label"].str.len() < parts["share"] * letters)
    middle, height, label = parts["left"] + parts["share"] / 2, parts["row"], parts["label"]
    for x, y, text in zip(
        middle[fits].tolist(), height[fits].tolist(), label[fits].tolist(), strict=True
    ):
        ax.text(x, y, text, ha="center", va="center", fontsize=6, color="black")


def hops(edges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Plot the number of edges and of new neurons at each hop.

    New neurons of the first hop are the queried neurons and their partners.

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
        The edges do not have a column ``hop``.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 13], "weight": [3, 4], "hop": [1, 2]})
    >>> edges.neuro.plot.hops().get_xlabel()
    'hop'
    """
    edges = require_edges(edges)
    if "hop" not in edges:
        raise MissingColumnsError(
            "the edges do not have a column 'hop'. Use .edges(hops=2) or .expand(hops=2), which add it."
        )
    hop = edges["hop"].to_numpy()
    ends = pd.Series(np.tile(hop, 2), index=np.concatenate([edges["pre"], edges["post"]]))
    counts = (
        pd.DataFrame(
            {
                "edges": pd.Series(hop).value_counts(),
                "neurons not seen before": ends.groupby(level=0).min().value_counts(),
            }
        )
        .fillna(0)
        .sort_index()
    )
    ax = style.axes(ax)
    for number, name in enumerate(counts):
        bars = ax.bar(
            np.arange(len(counts)) + (number - 0.5) * 0.38,
            counts[name],
            0.36,
            label=name,
            color=style.colors()[number],
            hatch=style.HATCHES[number],
            edgecolor=style.paper(),
        )
        ax.bar_label(bars, [f"{number:,.0f}" for number in counts[name]], fontsize=8)
    ax.set_xticks(range(len(counts)), [str(number) for number in counts.index])
    ax.set_xlabel("hop")
    ax.set_ylabel("number")
    minimum = int(facts(edges).get("min_weight", 1))
    if minimum > 1:
        ax.set_title(f"pairs of at least {minimum:,} synapses", fontsize=10)
    if len(counts) and counts.to_numpy().max() > 50 * max(counts.to_numpy().min(), 1):
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.8)
    ax.legend(frameon=False)
    return ax
