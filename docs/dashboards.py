"""Draw the dashboards from the answers of a running Prometheus: `python docs/dashboards.py [--minutes 30] [NAME …]`.

Grafana draws them in operation; these pictures are drawn from the same panels' queries, for the documentation.
"""

import json
import re
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx
import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as dates
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

PROJECT = Path(__file__).parent.parent
FOLDER = PROJECT / "docker" / "grafana" / "dashboards"
PALETTE = ["#3274D9", "#FF9830", "#56A64B", "#8F3BB8", "#37872D", "#E0B400", "#1F60C4", "#C4162A", "#8E8E8E", "#FA6400"]

# Inches of a cell of the grid, which is 24 cells wide.
WIDE, HIGH = 0.6, 0.36
INK, FAINT = "#24292e", "#8a9099"

Series = list[tuple[str, list[float], list[float]]]


class Prometheus:
    """Answers over the last minutes."""

    def __init__(self, url: str, minutes: float) -> None:
        self._url, self._end = url, time.time()
        self._start, self.step = self._end - 60 * minutes, max(5, round(60 * minutes / 300))
        self._variables = {"$__rate_interval": "1m", "$__range": f"{60 * minutes:.0f}s", "$version": ".*"}

    def series(self, panel: dict[str, Any]) -> Series:
        """Legend, times and values of everything that the panel shows."""
        found = []
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in self._variables.items():
                expression = expression.replace(name, value)
            asked = {"query": expression, "start": self._start, "end": self._end, "step": self.step}
            if panel["type"] == "bargauge":
                # Sorted as the query says, which an answer over time is not.
                now = {"query": expression, "time": self._end}
                answer = httpx.get(f"{self._url}/api/v1/query", params=now, timeout=60)
            else:
                answer = httpx.get(f"{self._url}/api/v1/query_range", params=asked, timeout=60)
            for each in answer.raise_for_status().json()["data"]["result"]:
                points = each.get("values") or [each["value"]]
                times, values = [float(at) for at, _ in points], [float(value) for _, value in points]
                found.append((_legend(target["legendFormat"], each["metric"]), times, values))
        return found


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(file.stem for file in FOLDER.glob("*.json")))
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    asked = parser.parse_args()
    plt.rcParams |= {"font.size": 8, "text.color": INK, "axes.labelcolor": INK, "xtick.color": FAINT}
    for name in asked.names:
        draw(json.loads((FOLDER / f"{name}.json").read_text()), Prometheus(asked.prometheus, asked.minutes))
        file = asked.folder / f"dashboard-{name}.png"
        plt.savefig(file, dpi=85, facecolor="#f4f5f5")
        plt.close()
        print(file)


def draw(dashboard: dict[str, Any], prometheus: Prometheus) -> None:
    """All panels at their places, below the dashboard's title."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 24 * WIDE, (rows + 2) * HIGH
    figure = plt.figure(figsize=(width, height))
    figure.text(0.012, 1 - 1.3 * HIGH / height, dashboard["title"], size=14, weight="bold")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, bottom = place["x"] * WIDE / width, 1 - (2 + place["y"] + place["h"]) * HIGH / height
        wide, high = place["w"] * WIDE / width, place["h"] * HIGH / height
        gap_x, gap_y = 0.06 / width, 0.06 / height
        card = figure.add_axes((left + gap_x, bottom + gap_y, wide - 2 * gap_x, high - 2 * gap_y))
        card.set(xticks=[], yticks=[], facecolor="white")
        for spine in card.spines.values():
            spine.set_color("#d8d9da")
        figure.text(left + 0.16 / width, bottom + high - 0.26 / height, panel["title"], weight="bold", size=8.5)
        series = prometheus.series(panel)
        if panel["type"] == "stat":
            _number(card, panel, series)
            continue
        names = max((len(name) for name, *_ in series), default=0) if panel["type"] == "bargauge" else 0
        margin = max(0.6, 0.075 * names + 0.25)
        below = 0.2 if panel["type"] == "bargauge" else 0.62
        inner = figure.add_axes(
            (
                left + margin / width,
                bottom + below / height,
                wide - (margin + 0.3) / width,
                high - (below + 0.4) / height,
            )
        )
        if not any(series):
            inner.axis("off")
            card.text(0.5, 0.45, "nothing to show here", ha="center", color=FAINT)
        elif panel["type"] == "bargauge":
            _bars(inner, panel, series)
        else:
            _lines(inner, panel, series)


def _number(axes: Axes, panel: dict[str, Any], series: Series) -> None:
    named = panel["options"]["textMode"] == "name"
    value = series[0][2][-1] if series else float("nan")
    text = "–" if not series else series[0][0] if named else _unit(panel)(value)
    colour = FAINT if not series else _limit(panel, value)
    axes.text(0.5, 0.38, text, ha="center", va="center", size=9 if named else 19, weight="bold", color=colour)


def _bars(axes: Axes, panel: dict[str, Any], series: Series) -> None:
    names, values = [name for name, *_ in series], [found[-1] for *_, found in series]
    axes.barh(names, values, color=[_limit(panel, value) for value in values], height=0.62)
    longest = panel["fieldConfig"]["defaults"].get("max") or max([*values, 1e-9])
    axes.set(xlim=(0, 1.14 * longest), xticks=[])
    # One bar alone would fill the panel.
    axes.set_ylim(max(len(names), 4) - 0.5, -0.5)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    size = 7.5 if len(names) * HIGH < 1.7 * panel["gridPos"]["h"] * HIGH else 6
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=size)
    for at, value in enumerate(values):
        axes.text(max(value, 0) + 0.01 * longest, at, _unit(panel)(value), va="center", size=size)


def _lines(axes: Axes, panel: dict[str, Any], series: Series) -> None:
    style, defaults = panel["fieldConfig"]["defaults"]["custom"], panel["fieldConfig"]["defaults"]
    colours = [_series_colour(panel, name, at) for at, (name, *_) in enumerate(series)]
    if (style.get("stacking") or {}).get("mode") == "normal":
        every = sorted({at for _, times, _ in series for at in times})
        known = [dict(zip(times, values, strict=True)) for _, times, values in series]
        heights = [[found.get(at, 0.0) for at in every] for found in known]
        drawn = [name for name, *_ in series]
        axes.stackplot(_days(every), heights, labels=drawn, colors=colours, alpha=0.75, linewidth=0)
    else:
        for (name, times, values), colour in zip(series, colours, strict=True):
            axes.plot(_days(times), values, label=name, color=colour, linewidth=1.6)
    highest = axes.get_ylim()[1]
    for step in (defaults.get("thresholds") or {}).get("steps", [])[1:]:
        # A limit far above would press what there is into the ground; then it is only named.
        if step["value"] <= 4 * highest:
            axes.axhline(step["value"], color=step["color"], linestyle="--", linewidth=1)
            highest = max(highest, 1.05 * step["value"])
    axes.set_ylim(0, defaults.get("max") or (max(highest, 1) if defaults["unit"] == "short" else highest))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _unit(panel)(value)))
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=4, maxticks=12))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
    axes.grid(axis="y", color="#ececec")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, labelcolor=FAINT)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.14),
        ncols=min(8, len(series)),
        frameon=False,
        fontsize=7,
        handlelength=1.2,
        columnspacing=1.2,
    )


def _days(times: list[float]) -> list[float]:
    return [at / 86400 for at in times]


def _legend(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), template)


def _series_colour(panel: dict[str, Any], name: str, at: int) -> str:
    for override in panel["fieldConfig"]["overrides"]:
        if re.search(override["matcher"]["options"].strip("/"), name):
            return str(override["properties"][0]["value"]["fixedColor"])
    return PALETTE[at % len(PALETTE)]


def _limit(panel: dict[str, Any], value: float) -> str:
    """The colour of the highest limit that the value has reached."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return str([step for step in steps if step["value"] is None or value >= step["value"]][-1]["color"])


def _unit(panel: dict[str, Any]) -> Any:
    if panel["fieldConfig"]["defaults"].get("decimals") == 0:
        return lambda value: f"{value:.0f}"
    return {"percentunit": _percent, "s": _seconds, "bytes": _bytes}.get(
        panel["fieldConfig"]["defaults"]["unit"], _plain
    )


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


def _seconds(value: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if value >= (2 * size if size > 1 else 1):
            return f"{value / size:.0f} {name}" if value >= 10 * size else f"{value / size:.1f} {name}"
    return f"{1000 * value:.0f} ms" if value else "0"


def _bytes(value: float) -> str:
    for size, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if value >= size:
            return f"{value / size:.0f} {name}" if value >= 10 * size else f"{value / size:.1f} {name}"
    return f"{value:.0f}"


def _plain(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f} k"
    return f"{value:.0f}" if value == round(value) or value >= 100 else f"{value:.2g}"


if __name__ == "__main__":
    main()
