"""Axes, colors, ticks and scale bars for all figures."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pdneuro._compat import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colors of Okabe and Ito, which differ for color-blind readers; neighbors also differ in lightness.
PALETTE = ("#0072B2", "#E69F00", "#000000", "#CC79A7", "#F0E442", "#D55E00", "#56B4E9", "#009E73")
#: Markers, hatches and lines that distinguish groups in print without color.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++", "oo")
LINES = ("-", "--", ":", "-.")
#: Color of everything that is not in a colored group.
OTHER = "#BBBBBB"


def axes(ax: Axes | None, width: float = 6.4, height: float = 4.8) -> Axes:
    """Return the given axes, or the axes of a new figure (size in inches)."""
    if ax is not None:
        return ax
    pyplot = optional("matplotlib.pyplot", "plot")
    new: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return new


def sequential() -> Any:
    """Return a color map from light to dark, whose lightest color still differs from white."""
    shades = optional("matplotlib", "plot").colormaps["cividis_r"](range(40, 256))
    return optional("matplotlib.colors", "plot").ListedColormap(shades)


def palette(groups: Sequence[Hashable]) -> dict[Hashable, str]:
    """Return a color for each group; groups after the eighth share one color."""
    return {group: PALETTE[rank] if rank < len(PALETTE) else OTHER for rank, group in enumerate(groups)}


def short_labels(names: Sequence[Hashable]) -> list[str]:
    """Return names as labels of at most 24 characters."""
    return [text if len(text) <= 24 else f"{text[:21]}..." for text in map(str, names)]


def ticks(axis: Any, names: Sequence[Hashable], most: int = 60) -> bool:
    """Write names along an axis; return False if there are too many, or half as many long ones."""
    longest = max((len(str(name)) for name in names), default=0)
    if len(names) > (most if longest <= 12 else most // 2):
        axis.set_ticks([])
        return False
    axis.set_ticks(range(len(names)), short_labels(names), fontsize=9 if len(names) <= 30 else 6)
    return True


def round_length(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... that is not longer than this length."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9))


def scale_bar(ax: Axes, length: float | None = None, unit: str = "µm") -> None:
    """Add a bar of a round length at the lower right, in the unit of the data."""
    offsetbox = optional("mpl_toolkits.axes_grid1.anchored_artists", "plot")
    low, high = sorted(ax.get_xlim())
    bottom, top = sorted(ax.get_ylim())
    size = round_length((high - low) / 4) if length is None else length
    bar = offsetbox.AnchoredSizeBar(
        ax.transData,
        size,
        f"{size:g} {unit}",
        "lower left",
        pad=0.3,
        sep=4,
        frameon=False,
        color=optional("matplotlib", "plot").rcParams["text.color"],
        bbox_to_anchor=(1.0, 0.0),  # outside the axes, so that it hides no neurite
        bbox_transform=ax.transAxes,
        size_vertical=(top - bottom) / 150,
        fill_bar=True,
    )
    ax.add_artist(bar)


def groups_or_unknown(values: Any) -> pd.Series[Any]:
    """Return groups as text or objects, with "?" for neurons without a group."""
    groups: pd.Series[Any] = pd.Series(values, dtype=object)
    return groups.where(groups.notna(), "?")
