"""What the gold set says of a model: scores, confusions, F1 by category, calibration, and the history of verdicts."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from rakuten_assets.store.records import ModelReport, Rate
from webapp import charts, texts, theme
from webapp.auth import Visit

PARTS = ("text", "image", "stacked")
SCORES = ("weighted_f1", "macro_f1", "accuracy")

# What there is to learn from is at the top.
MOST_CONFUSED = 12

# A share of fewer products is chance; the table below has them all.
ENOUGH = 10

CSS = """
.app-main h3 { font-size: 1rem; line-height: 1.4; font-weight: 600; margin: .5rem 0 0; }
.app-card .app-scroll.app-card { border: none; padding: 0; }
.model-pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.25rem; width: 100%; }
.model-tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1rem; margin: 0;
  width: 100%; }
.model-tiles dt { color: var(--app-soft); font-size: .875rem; }
.model-tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.model-matrix { max-height: 30rem; overflow: auto; width: 100%; }
.model-matrix table { border-collapse: collapse; font-size: .75rem; font-variant-numeric: tabular-nums; }
.model-matrix th, .model-matrix td { padding: .15rem .4rem; border: 1px solid var(--app-line); text-align: right; }
.model-matrix th[scope=row] { text-align: left; white-space: nowrap; }
"""


def show(visit: Visit, champion: ModelReport, live: Sequence[Rate]) -> None:
    """All that the report of the champion holds; what it does not hold is left out."""
    report = champion.report
    if report.get("gold"):
        with theme.card():
            theme.title_of(visit.t("model.gold"))
            ui.label(visit.t("model.gold_hint")).classes("app-soft app-small")
            _scores(visit, report["gold"])
    if report.get("confusion"):
        with theme.card():
            theme.title_of(visit.t("model.confusion"))
            _confusion(visit, report)
    with ui.element("div").classes("model-pair"):
        if report.get("per_class"):
            with theme.card():
                theme.title_of(visit.t("model.per_class"))
                _per_class(visit, report["per_class"])
        if report.get("reliability") or live:
            with theme.card():
                theme.title_of(visit.t("model.calibration"))
                _calibration(visit, report.get("reliability") or [], live)


def history(visit: Visit, judged: Sequence[ModelReport]) -> None:
    """Every model that the gate has judged, the newest first, with its verdict."""
    t = visit.t
    if not judged:
        ui.label(t("model.none")).classes("app-soft")
        return
    headings = ("judged", "number", "outcome", "weighted_f1", "gate", "reason")
    theme.table([t(f"model.{each}") for each in headings], [_verdict(visit, each) for each in judged])


def _verdict(visit: Visit, judged: ModelReport) -> list[Any]:
    stacked = (judged.report.get("gold") or {}).get("stacked") or {}
    word, tone = ("promoted", "good") if judged.promoted else ("refused", "warn")
    return [
        texts.moment(judged.at, visit.language),
        f"{judged.number} ({judged.version[:8]})",
        partial(theme.chip, visit.t(f"model.{word}"), tone),  # type: ignore[arg-type]
        charts.share(visit, stacked.get("weighted_f1")),
        _gate(visit, judged.report.get("gate")),
        judged.reason,
    ]


def _gate(visit: Visit, gate: Mapping[str, float] | None) -> str:
    """The difference to the champion of that day, with its interval."""
    if not gate:
        return "–"
    points = {name: _points(visit, gate[name]) for name in ("value", "low", "high")}
    return visit.t("model.gate_value", **points)


def _points(visit: Visit, value: float) -> str:
    sign = "+" if value > 0 else ""
    return sign + texts.percent(value, visit.language, 1)


def _scores(visit: Visit, gold: Mapping[str, Any]) -> None:
    t = visit.t
    headings = [t("model.part"), *(t(f"model.{name}") for name in SCORES), t("model.ece"), t("model.n")]
    rows = []
    for part in PARTS:
        scores = gold.get(part) or {}
        shares = [charts.share(visit, scores.get(name)) for name in (*SCORES, "ece")]
        rows.append([t(f"model.{part}"), *shares, texts.number(scores.get("n", 0), visit.language)])
    theme.table(headings, rows)


def _confusion(visit: Visit, report: Mapping[str, Any]) -> None:
    t, codes, counts = visit.t, report["codes"], report["confusion"]
    names = [theme.category_name(visit, code) for code in codes]
    ui.label(t("model.confusion_hint")).classes("app-soft app-small")
    axes = (t("model.truth"), t("model.predicted"))
    charts.draw(charts.matrix(names, counts, axes), t("model.confusion_alt"), "auto", "chart-square")
    theme.title_of(t("model.confused"), 3)
    _most_confused(visit, names, counts)
    with ui.expansion(t("model.matrix")).classes("w-full").props("dense"):
        _matrix_table(visit, names, counts)


def _most_confused(visit: Visit, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    t = visit.t
    pairs = [
        (count, names[row], names[column], count / sum(line))
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    if not pairs:
        ui.label(t("model.no_confusion")).classes("app-soft")
        return
    worst = sorted(pairs, key=lambda pair: -pair[0])[:MOST_CONFUSED]
    rows = [
        [truth, predicted, texts.number(count, visit.language), charts.share(visit, share)]
        for count, truth, predicted, share in worst
    ]
    theme.table([t("model.truth"), t("model.predicted"), t("model.n"), t("model.share")], rows)


def _matrix_table(visit: Visit, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """The whole matrix for those who read tables; its numbers alone, so that 729 cells stay light."""
    head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{_escaped(name)}</th>' + "".join(f"<td>{int(count)}</td>" for count in line) + "</tr>"
        for name, line in zip(names, counts, strict=True)
    )
    caption = _escaped(f"{visit.t('model.truth')} / {visit.t('model.predicted')}")
    markup = f"<table><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    ui.html(markup).classes("model-matrix").props("tabindex=0")


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


def _per_class(visit: Visit, per_class: Sequence[Mapping[str, Any]]) -> None:
    t = visit.t
    ranked = sorted(per_class, key=lambda each: each["f1"] or 0)
    names = [theme.category_name(visit, each["code"]) for each in ranked]
    charts.draw(charts.bars(names, [each["f1"] or 0 for each in ranked]), t("model.per_class_alt"), "42rem")
    headings = ("category", "precision", "recall", "f1", "n")
    rows = [
        [
            name,
            *(charts.share(visit, each[score]) for score in ("precision", "recall", "f1")),
            texts.number(each["n"], visit.language),
        ]
        for name, each in zip(names, ranked, strict=True)
    ]
    charts.numbers(visit, "model.numbers", [t(f"model.{each}") for each in headings], rows)


def _calibration(visit: Visit, gold: Sequence[Mapping[str, Any]], live: Sequence[Rate]) -> None:
    t = visit.t
    ui.label(t("model.calibration_hint")).classes("app-soft app-small")
    reliable = [(each["confidence"], each["accuracy"], each["n"]) for each in gold if each["n"]]
    taken = [(each.mean_confidence or 0.0, each.acceptance or 0.0, each.decided) for each in live if each.decided]
    series = {t("model.series_gold"): reliable, t("model.series_live"): taken}
    drawn = {name: [(x, y) for x, y, n in points if n >= ENOUGH] for name, points in series.items()}
    lines = {name: points for name, points in drawn.items() if points}
    options = charts.calibration(lines, t("model.series_perfect"), (t("model.bin"), t("model.right")))
    charts.draw(options, t("model.calibration_alt"), "24rem")
    rows = [
        [name, charts.share(visit, x), charts.share(visit, y), texts.number(n, visit.language)]
        for name, points in series.items()
        for x, y, n in points
    ]
    headings = [t(f"model.{each}") for each in ("source", "bin", "right", "n")]
    charts.numbers(visit, "model.numbers", headings, rows)
