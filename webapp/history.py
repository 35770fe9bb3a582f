"""What models and people said of a product, the newest first."""

from collections.abc import Sequence

from nicegui import ui

from rakuten_assets.store.records import Feedback, PredictionRecord
from webapp import texts
from webapp.auth import Visit
from webapp.decision import named

RUNNERS_UP = 3

CSS = """
.history { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; width: 100%; }
.history > li { position: relative; padding: 0 0 1.25rem 1.75rem; border-left: 2px solid var(--app-line);
  margin-left: .5rem; }
.history > li:last-child { border-left-color: transparent; padding-bottom: 0; }
.history > li > .q-icon { position: absolute; left: -.8rem; top: 0; font-size: 1.1rem; padding: .2rem;
  border-radius: 50%; background: var(--app-surface); border: 1px solid var(--app-edge); }
"""

ICONS = {
    "confirm": "check",
    "choose": "swap_horiz",
    "missing": "help_outline",
    "rate": "star",
    "accept": "verified",
    "fix": "edit",
    "reject": "block",
    "skip": "skip_next",
    "change": "swap_horiz",
}


def show(visit: Visit, predictions: Sequence[PredictionRecord], feedback: Sequence[Feedback]) -> None:
    """Draws both as one list."""
    ui.add_css(CSS)
    lines = [(each.created_at, each) for each in predictions] + [(each.at, each) for each in feedback]
    if not lines:
        ui.label(visit.t("product.history_empty")).classes("app-soft")
        return
    with ui.element("ol").classes("history"):
        for at, each in sorted(lines, key=lambda line: line[0], reverse=True):
            with ui.element("li"):
                _predicted(visit, each) if isinstance(each, PredictionRecord) else _said(visit, each)
                ui.label(texts.moment(at, visit.language)).classes("app-soft app-small")


def _predicted(visit: Visit, each: PredictionRecord) -> None:
    first, *others = each.candidates
    ui.icon("smart_toy").props("aria-hidden=true")
    name = texts.category(first.code, visit.language)
    ui.label(visit.t("product.predicted", category=name, confidence=first.confidence)).classes("font-medium")
    rests_on = visit.t(f"product.rests_on.{each.rests_on}")
    detail = visit.t("product.predicted_detail", version=each.model_version, seconds=each.seconds, rests_on=rests_on)
    ui.label(detail).classes("app-small app-break")
    if others:
        categories = ", ".join(named(visit, other) for other in others[:RUNNERS_UP])
        ui.label(visit.t("product.then", categories=categories)).classes("app-small")


def _said(visit: Visit, each: Feedback) -> None:
    ui.icon(ICONS[each.action]).props("aria-hidden=true")
    after = texts.category(each.after, visit.language)
    by = f"{each.by} ({visit.t(f'product.role.{each.role}')})"
    said = visit.t(f"product.said.{each.action}", by=by, after=after, rating=each.rating)
    ui.label(said).classes("font-medium app-break")
    if each.before is not None and each.before != each.after:
        ui.label(visit.t("product.before", category=texts.category(each.before, visit.language))).classes("app-small")
    if each.reason:
        ui.label(visit.t("product.why", reason=each.reason)).classes("app-small app-break")
