"""How far production is from what the champion learnt, and what people were told."""

from collections.abc import Callable, Sequence
from functools import partial

from nicegui import ui

from rakuten_assets.store.records import DriftReport, Notification
from webapp import charts, texts, theme
from webapp.auth import Visit

TONES: dict[str, theme.Tone] = {
    "drift_found": "warn",
    "training_failed": "bad",
    "run_failed": "bad",
    "challenger_refused": "warn",
    "champion_promoted": "good",
    "service_unhealthy": "bad",
    "service_healthy": "good",
    "data_missing": "warn",
    "purged": "warn",
}

# Parts named in the table; the report has all.
NAMED = 3

# Decisions below which a report has no page about the answers.
DRAWN_FROM = 50


def reports(visit: Visit, found: Sequence[DriftReport]) -> None:
    """Scores over time, and each report with what it found."""
    t = visit.t
    ui.label(t("drift.hint")).classes("app-soft app-small")
    if not found:
        ui.label(t("drift.none")).classes("app-soft")
        return
    days = [texts.day(each.until, visit.language) for each in reversed(found)]
    scores = {t("drift.score"): [each.score for each in reversed(found)], t("drift.limit"): [1.0] * len(found)}
    if len(found) > 1:
        charts.draw(charts.weeks(days, scores, shares=False), t("drift.alt"), "14rem")
    headings = [t(f"drift.{each}") for each in ("until", "verdict", "parts", "rows", "labelled", "model", "report")]
    theme.table(headings, [_row(visit, each) for each in found])


def news(visit: Visit, told: Sequence[Notification]) -> None:
    """What people were told, and whether it reached them."""
    t = visit.t
    if not told:
        ui.label(t("news.none")).classes("app-soft")
        return
    headings = [t(f"news.{each}") for each in ("at", "kind", "subject", "sent")]
    theme.table(headings, [_line(visit, each) for each in told])


def _row(visit: Visit, report: DriftReport) -> list[str | Callable[[], object]]:
    t, language = visit.t, visit.language
    largest = sorted(report.parts, key=lambda part: -part["score"])[:NAMED]
    parts = ", ".join(f"{part['name']} {texts.number(part['score'], language)}" for part in largest)
    verdict = t("drift.found" if report.score >= 1 else "drift.quiet", score=texts.number(report.score, language))
    return [
        texts.moment(report.until, language),
        partial(theme.chip, verdict, "warn" if report.score >= 1 else "good"),
        parts or "–",
        texts.number(report.rows, language),
        texts.number(report.labelled, language),
        report.version[:8],
        partial(_links, visit, report),
    ]


def _line(visit: Visit, told: Notification) -> list[str | Callable[[], object]]:
    sent = ", ".join(told.sent) or "–"
    return [
        texts.moment(told.at, visit.language),
        partial(theme.chip, visit.t(f"news.kind.{told.kind}"), TONES.get(told.kind, "quiet")),
        told.subject,
        sent if told.done_at else visit.t("news.waiting", sent=sent, error=told.error or "–"),
    ]


def _links(visit: Visit, report: DriftReport) -> None:
    with ui.row().classes("gap-3"):
        for part in ("features", "answers") if report.labelled >= DRAWN_FROM else ("features",):
            link = ui.link(visit.t(f"drift.open.{part}"), f"/drift/{report.id}/{part}", new_tab=True)
            link.props["rel"] = "noopener"
