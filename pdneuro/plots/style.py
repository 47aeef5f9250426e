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


def ink() -> str:
    """Return the color of text in the current style: black, or white in a dark style."""
    matplotlib = optional("matplotlib", "plot")
    return str(optional("matplotlib.colors", "plot").to_hex(matplotlib.rcParams["text.color"]))


def is_dark() -> bool:
    """Return True if the text of the current style is light."""
    return bool(sum(optional("matplotlib.colors", "plot").to_rgb(ink())) > 1.5)


def paper() -> str:
    """Return the color behind the marks in the current style; of a transparent one, white or black."""
    colors = optional("matplotlib.colors", "plot")
    behind = colors.to_rgba(optional("matplotlib", "plot").rcParams["axes.facecolor"])
    return str(colors.to_hex(behind)) if behind[3] > 0 else ("#000000" if is_dark() else "#ffffff")


def sequential() -> Any:
    """Return a color map that starts near the background, and whose first color differs from it."""
    name, shades = ("cividis", range(60, 256)) if is_dark() else ("cividis_r", range(40, 256))
    colors = optional("matplotlib", "plot").colormaps[name](shades)
    return optional("matplotlib.colors", "plot").ListedColormap(colors)


def diverging() -> Any:
    """Return a color map from orange to purple, whose middle is near the background."""
    if not is_dark():
        return optional("matplotlib", "plot").colormaps["PuOr"]
    colors = optional("matplotlib.colors", "plot").LinearSegmentedColormap
    return colors.from_list("PuOr_dark", ["#FDB863", "#555555", "#B2ABFF"])


def colors() -> tuple[str, ...]:
    """Return the palette, with the color of text in place of black."""
    return tuple(ink() if color == "#000000" else color for color in PALETTE)


def palette(groups: Sequence[Hashable]) -> dict[Hashable, str]:
    """Return a color for each group; groups after the eighth share one color."""
    return dict(zip(groups, [*colors(), *[OTHER] * len(groups)], strict=False))


def series(count: int) -> list[str]:
    """Return this number of colors of a color map, all of which differ from the background."""
    viridis = optional("matplotlib", "plot").colormaps["viridis"]
    low, high = (0.25, 1.0) if is_dark() else (0.0, 0.85)
    to_hex = optional("matplotlib.colors", "plot").to_hex
    return [to_hex(viridis(low + (high - low) * rank / max(count - 1, 1))) for rank in range(count)]


def halo(width: float = 2) -> list[Any]:
    """Return an outline of text in the color of the background."""
    effects = optional("matplotlib.patheffects", "plot")
    return [effects.withStroke(linewidth=width, foreground=paper())]


def short_labels(names: Sequence[Hashable]) -> list[str]:
    """Return names as labels of at most 24 characters, without the middle of longer ones.

    >>> short_labels(["KC", "720575940621234567", "LHPV5a1_right_medial_part_2"])
    ['KC', '720575940621234567', 'LHPV5a1_righ...al_part_2']
    """
    return [text if len(text) <= 24 else f"{text[:12]}...{text[-9:]}" for text in map(str, names)]


def ticks(axis: Any, names: Sequence[Hashable], most: int = 60) -> str:
    """Write names along an axis; above the maximum, write some of them and return which, as text.

    The maximum is half as large for long names.
    """
    longest = max((len(str(name)) for name in names), default=0)
    most = most if longest <= 12 else most // 2
    step = 1 if len(names) <= most else math.ceil(len(names) / (most * 2 / 3))
    places = range(0, len(names), step)
    shown = short_labels([names[place] for place in places])
    axis.set_ticks(places, shown, fontsize=9 if len(shown) <= 30 and longest <= 12 else 6)
    return f", 1 label per {step:,}" if step > 1 else ""


def plain_log(axis: Any, decades: float | None = None) -> None:
    """Write ticks of a logarithmic axis as plain numbers: 1, 10, 100; of few decades 1, 2, 5, 10."""
    ticker = optional("matplotlib.ticker", "plot")
    if decades is not None:
        axis.set_major_locator(ticker.LogLocator(subs=(1,) if decades > 2.5 else (1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(_plain))
    axis.set_minor_formatter(ticker.NullFormatter())


def _plain(number: float, _: Any = None) -> str:
    return f"{number:,.0f}" if abs(number) >= 1 else f"{number:g}"


def round_length(length: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... that is not longer than this length."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9))


def scale_bar(ax: Axes, length: float | None = None, unit: str = "µm") -> None:
    """Add a bar of a round length below the axes, in the unit of the data."""
    offsetbox = optional("mpl_toolkits.axes_grid1.anchored_artists", "plot")
    low, high = sorted(ax.get_xlim())
    bottom, top = sorted(ax.get_ylim())
    size = round_length((high - low) / 4) if length is None else length
    bar = offsetbox.AnchoredSizeBar(
        ax.transData,
        size,
        f"{size:g} {unit}",
        "upper right",
        pad=0.3,
        sep=4,
        frameon=False,
        color=ink(),
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
