"""Charts that can be read in light and in dark, and by those who see none: each comes with its numbers as a table.

They are drawn as SVG, whose words take the page's colour (`CSS`); what carries a meaning has its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from webapp import texts, theme
from webapp.auth import Visit

# Told apart by everybody, also by their marks; readable on both grounds.
BLUE, ORANGE, GREY = "#3b82c4", "#d97706", "#8a979c"
LINE = "rgba(138, 151, 156, .35)"

CSS = """
.chart { width: 100%; }
.chart svg text { fill: currentColor; stroke: none; }
.chart-square { aspect-ratio: 1; min-width: 44rem; max-width: 60rem; }
"""

# Shares are drawn as whole percent: a chart knows no language, and would write a decimal point.
PERCENT = {"axisLabel": {"formatter": "{value} %"}}

Series = Sequence[tuple[float, float]]


def draw(options: dict[str, Any], alternative: str, height: str = "20rem", classes: str = "") -> None:
    """The chart; `alternative` is what is read out instead."""
    ui.add_css(CSS)
    with ui.element("div").classes("app-scroll"):
        chart = ui.echart({"animation": False, "textStyle": {"fontFamily": "inherit"}, **options}, renderer="svg")
        chart.classes(f"chart {classes}").style(f"height: {height}")
        chart.props["role"], chart.props["aria-label"] = "img", alternative


def numbers(visit: Visit, key: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The numbers behind a chart, folded away; `key` names what is to be unfolded."""
    with ui.expansion(visit.t(key)).classes("w-full").props("dense"):
        theme.table(headings, rows)


def matrix(names: Sequence[str], counts: Sequence[Sequence[int]], axes: tuple[str, str]) -> dict[str, Any]:
    """A confusion matrix whose rows are shares of the true category; `axes` names the truth and the prediction."""
    cells = [
        [column, len(names) - 1 - row, round(100 * count / (sum(line) or 1))]
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count
    ]
    axis = {"type": "category", "axisTick": {"show": False}, "nameLocation": "middle", "splitArea": {"show": False}}
    label = {"fontSize": 11, "width": 130, "overflow": "truncate"}
    return {
        "tooltip": {"confine": True},
        "grid": {"left": 165, "right": 10, "top": 10, "bottom": 200},
        "xAxis": {**axis, "data": list(names), "name": axes[1], "nameGap": 140, "axisLabel": {**label, "rotate": 60}},
        "yAxis": {**axis, "data": list(reversed(names)), "name": axes[0], "nameGap": 145, "axisLabel": label},
        "visualMap": {
            "min": 0,
            "max": 100,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "calculable": False,
            "inRange": {"color": ["rgba(59, 130, 196, .08)", "rgba(59, 130, 196, 1)"]},
            "text": ["100 %", "0 %"],
        },
        "series": [{"type": "heatmap", "data": cells, "itemStyle": {"borderWidth": 1, "borderColor": LINE}}],
    }


def bars(names: Sequence[str], shares: Sequence[float]) -> dict[str, Any]:
    """Horizontal bars of shares, the first at the top."""
    return {
        "tooltip": {"confine": True},
        "grid": {"left": 8, "right": 48, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": 100, "splitLine": {"lineStyle": {"color": LINE}}, **PERCENT},
        "yAxis": {
            "type": "category",
            "data": list(names),
            "inverse": True,
            "axisTick": {"show": False},
            "axisLabel": {"width": 140, "overflow": "truncate", "fontSize": 12, "interval": 0},
        },
        "series": [
            {
                "type": "bar",
                "data": [round(100 * share) for share in shares],
                "itemStyle": {"color": BLUE},
                "label": {"show": True, "position": "right", "fontSize": 11, "formatter": "{c} %"},
            }
        ],
    }


def calibration(series: Mapping[str, Series], perfect: str, axes: tuple[str, str]) -> dict[str, Any]:
    """Accuracy by confidence for each named series, with the diagonal that would be perfect."""
    looks = (("circle", BLUE), ("diamond", ORANGE))
    lines = [_line(name, points, *look) for (name, points), look in zip(series.items(), looks, strict=False)]
    # The second series rests on fewer products, in bins that may be far apart: points, not a course.
    for line in lines[1:]:
        line["lineStyle"] |= {"width": 0}
    diagonal = _line(perfect, [(0, 0), (1, 1)], "none", GREY)
    diagonal["lineStyle"] |= {"type": "dashed"}
    axis = {
        "type": "value",
        "min": 0,
        "max": 100,
        "nameLocation": "middle",
        "nameGap": 40,
        **PERCENT,
        "splitLine": {"lineStyle": {"color": LINE}},
    }
    return {
        **_common([*series, perfect]),
        "grid": {"left": 70, "right": 24, "top": 64, "bottom": 56},
        "xAxis": {**axis, "name": axes[0]},
        "yAxis": {**axis, "name": axes[1]},
        "series": [*lines, diagonal],
    }


def weeks(days: Sequence[str], series: Mapping[str, Sequence[float | None]], shares: bool) -> dict[str, Any]:
    """Values over the weeks, perhaps `shares`; a week that has none leaves a gap."""
    scale = {"max": 100, **PERCENT} if shares else {}
    looks = (("circle", BLUE), ("diamond", ORANGE))
    lines = []
    for (name, values), look in zip(series.items(), looks, strict=False):
        line = _line(name, [], *look)
        line["data"] = [
            None if value is None else round(100 * value) if shares else round(value, 2) for value in values
        ]
        lines.append(line)
    return {
        **_common(list(series)),
        "xAxis": {"type": "category", "data": list(days)},
        "yAxis": {"type": "value", "min": 0, "splitLine": {"lineStyle": {"color": LINE}}, **scale},
        "series": lines,
    }


def _common(names: Sequence[str]) -> dict[str, Any]:
    return {
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"data": list(names), "top": 0},
        "grid": {"left": 8, "right": 24, "top": 48, "bottom": 24, "containLabel": True},
    }


def _line(name: str, points: Series, symbol: str, colour: str) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "data": [[round(100 * x), round(100 * y)] for x, y in points],
        "symbol": symbol,
        "symbolSize": 9,
        "lineStyle": {"color": colour, "width": 2},
        "itemStyle": {"color": colour},
    }


def share(visit: Visit, value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return texts.percent(value, visit.language, 1)
