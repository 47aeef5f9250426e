"""What all pictures share: axes, colours that differ in lightness too, scale bars."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pdneuro._compat import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, which the colour-blind tell apart; neighbours differ in lightness as well.
PALETTE = ("#0072B2", "#E69F00", "#000000", "#CC79A7", "#F0E442", "#D55E00", "#56B4E9", "#009E73")
#: What tells groups apart where there is no colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "//", "..", "xx", "\\\\", "--", "++", "oo")
LINES = ("-", "--", ":", "-.")
#: For all that has no group of its own.
OTHER = "#BBBBBB"


def axes(ax: Axes | None, width: float = 6.4, height: float = 4.8) -> Axes:
    """The given axes, or those of a new figure (inches)."""
    if ax is not None:
        return ax
    pyplot = optional("matplotlib.pyplot", "plot")
    made: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return made


def sequential() -> Any:
    """From light to dark, evenly also for the colour-blind; the lightest still is told from white."""
    shades = optional("matplotlib", "plot").colormaps["cividis_r"](range(40, 256))
    return optional("matplotlib.colors", "plot").ListedColormap(shades)


def palette(groups: Sequence[Hashable]) -> dict[Hashable, str]:
    """A colour for each group; from the ninth on they are all alike."""
    return {
        group: PALETTE[place] if place < len(PALETTE) else OTHER for place, group in enumerate(groups)
    }


def named(names: Sequence[Hashable]) -> list[str]:
    """Labels of a reader's length."""
    return [text if len(text) <= 24 else f"{text[:21]}..." for text in map(str, names)]


def ticks(axis: Any, names: Sequence[Hashable], most: int = 60) -> bool:
    """Write names along an axis, where there are not too many to read: half as many IDs as words."""
    wide = max((len(str(name)) for name in names), default=0)
    if len(names) > (most if wide <= 12 else most // 2):
        axis.set_ticks([])
        return False
    axis.set_ticks(range(len(names)), named(names), fontsize=9 if len(names) <= 30 else 6)
    return True


def round_length(length: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9))


def scale_bar(ax: Axes, length: float | None = None, unit: str = "µm") -> None:
    """A bar of a round length at the lower right, in the data's unit."""
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
        bbox_to_anchor=(1.0, 0.0),  # beside the picture, where no neurite is
        bbox_transform=ax.transAxes,
        size_vertical=(top - bottom) / 150,
        fill_bar=True,
    )
    ax.add_artist(bar)


def known(values: Any) -> pd.Series[Any]:
    """Groups, with a question mark for neurons of none."""
    groups: pd.Series[Any] = pd.Series(values, dtype=object)
    return groups.where(groups.notna(), "?")
