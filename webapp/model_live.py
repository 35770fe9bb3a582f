"""What daily life says of the model: how people take its answers, how it drifts, how the marketplace does."""

from collections.abc import Mapping, Sequence

from babel.dates import format_timedelta
from nicegui import ui

from rakuten_assets.store.records import ModelReport, Numbers, Rate, Week
from webapp import charts, texts, theme
from webapp.auth import Visit


def market(visit: Visit, numbers: Numbers) -> None:
    """The aims of the platform as numbers: time to decision, acceptance, review load."""
    accepted = numbers.accepted / numbers.decided if numbers.decided else None
    rating = texts.number(numbers.mean_rating, visit.language) if numbers.mean_rating is not None else None
    tiles = {
        "time": _duration(visit, numbers.median_seconds_to_decision),
        "acceptance": texts.percent(accepted, visit.language),
        "to_review": texts.number(numbers.to_review, visit.language),
        "waiting": texts.number(numbers.waiting, visit.language),
        "decided": texts.number(numbers.decided, visit.language),
        "products": texts.number(numbers.products, visit.language),
        "rating": visit.t("model.market.rating_value", rating=rating) if rating else "–",
    }
    with ui.element("dl").classes("model-tiles"):
        for word, value in tiles.items():
            with ui.element("div"):
                with ui.element("dt"):
                    ui.label(visit.t(f"model.market.{word}"))
                with ui.element("dd"):
                    ui.label(value).mark(f"market-{word}")


def show(
    visit: Visit,
    by_category: Sequence[Rate],
    by_version: Sequence[Rate],
    weeks: Sequence[Week],
    judged: Sequence[ModelReport],
) -> None:
    """Rates of acceptance and their course."""
    t = visit.t
    with theme.card():
        theme.title_of(t("model.drift"))
        _weeks(visit, weeks)
    with theme.card():
        theme.title_of(t("model.live"))
        if not any(each.decided for each in by_version):
            ui.label(t("model.no_rates")).classes("app-soft")
            return
        theme.title_of(t("model.rates_version"), 3)
        numbers = {each.version: f"{each.number} ({each.version[:8]})" for each in judged}
        _rates(visit, "model.number", {each.key: numbers.get(each.key, each.key) for each in by_version}, by_version)
        theme.title_of(t("model.rates_category"), 3)
        names = {each.key: theme.category_name(visit, int(each.key)) for each in by_category}
        _rates(visit, "model.category", names, sorted(by_category, key=lambda each: each.acceptance or 0))


def _rates(visit: Visit, heading: str, names: Mapping[str, str], rates: Sequence[Rate]) -> None:
    t = visit.t
    rows = [
        [
            names[each.key],
            texts.number(each.decided, visit.language),
            texts.percent(each.acceptance, visit.language),
            texts.percent(None if each.acceptance is None else 1 - each.acceptance, visit.language),
            texts.percent(each.mean_confidence, visit.language),
        ]
        for each in rates
        if each.decided
    ]
    theme.table(
        [t(heading), *(t(f"model.{each}") for each in ("decided", "acceptance", "override", "confidence"))], rows
    )


def _weeks(visit: Visit, weeks: Sequence[Week]) -> None:
    t = visit.t
    if not weeks:
        ui.label(t("model.no_weeks")).classes("app-soft")
        return
    ui.label(t("model.drift_hint")).classes("app-soft app-small")
    days = [texts.day(each.week, visit.language) for each in weeks]
    accepted = [each.accepted / each.decided if each.decided else None for each in weeks]
    confidence = [each.mean_confidence for each in weeks]
    with ui.element("div").classes("model-pair"):
        lines = {t("model.acceptance"): accepted, t("model.confidence"): confidence}
        charts.draw(charts.weeks(days, lines, shares=True), t("model.drift_alt"), "18rem")
        if any(each.drift is not None for each in weeks):
            drift = {t("model.drift_value"): [each.drift for each in weeks]}
            charts.draw(charts.weeks(days, drift, shares=False), t("model.drift_bars_alt"), "18rem")
        else:
            ui.label(t("model.no_drift")).classes("app-soft")
    rows = [
        [
            day,
            texts.number(each.predictions, visit.language),
            texts.percent(rate, visit.language),
            texts.percent(each.mean_confidence, visit.language),
            "–" if each.drift is None else texts.number(each.drift, visit.language),
        ]
        for day, each, rate in zip(days, weeks, accepted, strict=True)
    ]
    headings = ("week", "predictions", "acceptance", "confidence", "drift_value")
    charts.numbers(visit, "model.numbers", [t(f"model.{each}") for each in headings], rows)


def _duration(visit: Visit, seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return str(format_timedelta(round(seconds), locale=texts.LOCALES[visit.language]))
