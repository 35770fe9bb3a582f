"""What the dashboards are made of: panels over Prometheus, with colours that mean something.

Green is well, orange wants a look, red is wrong; blue is how much there is, purple what runs beside the champion, grey
what is neither. A panel's limits are those of the alert that it belongs to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "#56A64B", "#FF9830", "#E02F44", "#3274D9", "#8F3BB8", "#8E8E8E"

SOURCE = model.DataSourceRef(type_val="prometheus", uid="prometheus")

Queries = Mapping[str, str]
"""Expressions by their legends; `{{label}}` in a legend is the value of that label."""

Limits = Sequence[tuple[float, str]]
"""Colours from these values on; below the first, it is green."""


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    colours: Mapping[str, str] | None = None,
    limits: Limits = (),
    stacked: bool = False,
    most: float | None = None,
    span: int = 12,
) -> timeseries.Panel:
    """Values over time; limits are dashed lines."""
    panel = (
        timeseries.Panel().line_width(2).fill_opacity(40 if stacked else 8).show_points(options.VisibilityMode.NEVER)
    )
    _common(panel, title, description, unit, queries, span, height=8)
    panel.min(0).legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if limits:
        panel.thresholds(_steps(limits, "transparent"))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.DASHED))
    for name, colour in (colours or {}).items():
        panel.override_by_regexp(f"/^({name})$/", [_colour(colour)])
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    limits: Limits = (),
    colour: str | None = None,
    named: bool = False,
    decimals: int | None = None,
    span: int = 4,
) -> stat.Panel:
    """One figure as of now; `named` shows the legend instead of the value."""
    panel = stat.Panel().graph_mode(options.BigValueGraphMode.NONE if named else options.BigValueGraphMode.AREA)
    _common(panel, title, description, unit, queries, span, height=4)
    panel.text_mode(options.BigValueTextMode.NAME if named else options.BigValueTextMode.VALUE)
    panel.color_mode(options.BigValueColorMode.VALUE)
    if decimals is not None:
        panel.decimals(decimals)
    panel.thresholds(_steps(limits, colour or (GREEN if limits else BLUE)))
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def bars(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    limits: Limits = (),
    most: float | None = None,
    decimals: int | None = None,
    span: int = 12,
    height: int = 8,
) -> bargauge.Panel:
    """A bar for each series, as of now."""
    panel = bargauge.Panel().display_mode(options.BarGaugeDisplayMode.BASIC)
    _common(panel, title, description, unit, queries, span, height, instant=True)
    panel.orientation(options.VizOrientation.HORIZONTAL).min(0)
    if decimals is not None:
        panel.decimals(decimals)
    if most is not None:
        panel.max(most)
    panel.thresholds(_steps(limits, GREEN if limits else BLUE))
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def board(name: str, title: str, description: str, domain: str, panels: Sequence[Any]) -> dashboard.Dashboard:
    """A dashboard that links to the others and to the programs' own pages."""
    made = (
        dashboard.Dashboard(title)
        .uid(f"rakuten-{name}")
        .description(description)
        .tags(["rakuten"])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Dashboards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["rakuten"])
            .include_vars(False)
            .keep_time(True)
        )
    )
    for text, host in (("Dagster", f"dagster.{domain}"), ("MLflow", f"mlflow.{domain}"), ("Web app", domain)):
        made.link(
            dashboard.DashboardLink(text)
            .type(model.DashboardLinkType.LINK)
            .url(f"https://{host}")
            .icon("external link")
            .target_blank(True)
        )
    for at, panel in enumerate(panels, 1):
        made.with_panel(panel.id(at))
    return made


def _common(
    panel: Any,
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    span: int,
    height: int,
    instant: bool = False,
) -> None:
    panel.title(title).description(description).unit(unit).datasource(SOURCE).span(span).height(height)
    for at, (legend, expression) in enumerate(queries.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + at))
        panel.with_target(query.instant() if instant else query.range())


def _steps(limits: Limits, below: str) -> dashboard.ThresholdsConfig:
    steps = [model.Threshold(value=None, color=below)]
    steps += [model.Threshold(value=value, color=colour) for value, colour in limits]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _colour(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
