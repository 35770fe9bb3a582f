"""Small plots for the Dagster UI: drawn with matplotlib, shown as metadata beside the numbers."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Dots per inch at which a plot is legible in the UI and still small in the event log (about 20 KB).
DPI = 72
INK, ACCENT, WARNING = "#334155", "#bf0000", "#d97706"


def bars(counts: Mapping[str, float], title: str, colour: str = ACCENT) -> dg.MetadataValue:
    """Horizontal bars, in the order given."""
    figure, axes = _axes(6, 0.6 + 0.22 * len(counts), title)
    axes.barh(list(counts), list(counts.values()), color=colour)
    axes.invert_yaxis()
    return show(figure)


def histogram(values: Any, title: str, label: str, bins: int = 40) -> dg.MetadataValue:
    """Distribution of one quantity."""
    figure, axes = _axes(6, 2.6, title)
    values = np.asarray(values, np.float64)
    # Bins as narrow as rounding cannot be drawn: values that are all alike get one.
    alike = not len(values) or np.ptp(values) <= 1e-6 * max(1.0, np.abs(values).max())
    axes.hist(values, bins=1 if alike else bins, color=INK)
    axes.set_xlabel(label)
    return show(figure)


def compare(before: Any, after: Any, title: str, label: str) -> dg.MetadataValue:
    """Two distributions of one quantity, before and after a treatment."""
    figure, axes = _axes(6, 2.6, title)
    both = np.concatenate([np.asarray(before), np.asarray(after)])
    low, high = np.percentile(both, [0, 99]) if len(both) else (0.0, 1.0)
    bins = np.linspace(low, max(high, low + 1e-6), 40)
    axes.hist(np.asarray(before), bins=bins, alpha=0.6, color=INK, label="before")
    axes.hist(np.asarray(after), bins=bins, alpha=0.6, color=ACCENT, label="after")
    axes.set_xlabel(label)
    axes.legend()
    return show(figure)


def boxes(counts: Sequence[float], title: str, label: str) -> dg.MetadataValue:
    """One box plot, for outliers among the classes."""
    figure, axes = _axes(6, 1.6, title)
    axes.boxplot(list(counts), orientation="horizontal")
    axes.set_xlabel(label)
    return show(figure)


def lines(
    x: Sequence[float], series: Mapping[str, Sequence[float]], title: str, x_label: str, y_label: str
) -> dg.MetadataValue:
    """One line for each series."""
    figure, axes = _axes(6, 3, title)
    for (name, values), colour in zip(series.items(), (ACCENT, INK, WARNING), strict=False):
        axes.plot(x, values, marker="o", color=colour, label=name)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.legend()
    return show(figure)


def reliability(points: Sequence[tuple[float, float, int, float]], title: str) -> dg.MetadataValue:
    """Calibration curve: accuracy against confidence; on the diagonal, confidence can be believed."""
    figure, axes = _axes(3.6, 3.4, title)
    axes.plot([0, 1], [0, 1], color=INK, linestyle=":", label="believable")
    confidence, accuracy, rows, _ = zip(*points, strict=True) if points else ([], [], [], [])
    axes.scatter(confidence, accuracy, s=[10 + 90 * n / max(rows, default=1) for n in rows], color=ACCENT)
    axes.plot(confidence, accuracy, color=ACCENT)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    return show(figure)


def heat_map(counts: np.ndarray, names: Sequence[str], title: str) -> dg.MetadataValue:
    """Confusion matrix: truth down, prediction across, each row as shares of its class."""
    figure, axes = _axes(7, 6.4, title)
    axes.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Reds", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true")
    return show(figure)


def gallery(rows: Sequence[Sequence[bytes | Image.Image]], side: int = 96) -> dg.MetadataValue:
    """Pictures in rows, as JPEG thumbnails: one row a group, or before beside after."""
    width = max((len(row) for row in rows), default=1)
    sheet = Image.new("RGB", (side * width, side * max(len(rows), 1)), "white")
    for y, row in enumerate(rows):
        for x, given in enumerate(row):
            picture = (Image.open(BytesIO(given)) if isinstance(given, bytes) else given).convert("RGB")
            picture.thumbnail((side - 4, side - 4))
            sheet.paste(picture, (x * side + 2, y * side + 2))
    buffer = BytesIO()
    sheet.save(buffer, "JPEG", quality=75)
    return _inline(buffer.getvalue(), "jpeg")


def show(figure: "Figure") -> dg.MetadataValue:
    """A figure as a picture in the UI."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight")
    return _inline(buffer.getvalue(), "png")


def table(frame: Any, rows: int = 50) -> dg.MetadataValue:
    """The first rows of a table, as Markdown."""
    head = frame.head(rows)
    cells = [[_cell(value) for value in row] for row in head.iter_rows()]
    lines_ = [head.columns, ["---"] * head.width, *cells]
    return dg.MetadataValue.md("\n".join("| " + " | ".join(line) + " |" for line in lines_))


def _cell(value: object) -> str:
    text = f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
    # A seller's text may hold what Markdown or HTML would act on.
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(mark, safe)
    return text[:200]


def _axes(width: float, height: float, title: str) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: steps may draw in several threads, and nothing is left open.
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _inline(data: bytes, kind: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/{kind};base64,{base64.b64encode(data).decode()})")
