"""The model page: what answers, how good it is, how people take it, and whether the service is there at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nicegui import ui

from rakuten_assets.store.records import (
    Actor,
    Backlog,
    DriftReport,
    ModelReport,
    Notification,
    Numbers,
    Rate,
    Retraining,
    Week,
)
from rakuten_assets.store.store import Store
from serving.client import ServiceRefused, ServiceUnavailable
from serving.schemas import ModelInfo
from webapp import model_cards, model_drift, model_live, model_report, texts, theme
from webapp.app import Application
from webapp.auth import Visit, page

WEEKS = 12

STATES: dict[str, theme.Tone] = {
    "asked": "note",
    "started": "note",
    "succeeded": "good",
    "refused": "warn",
    "failed": "bad",
}


@dataclass(frozen=True)
class Known:
    """All that the database knows for this page."""

    champion: ModelReport | None
    history: Sequence[ModelReport]
    numbers: Numbers
    by_category: Sequence[Rate]
    by_version: Sequence[Rate]
    calibration: Sequence[Rate]
    weeks: Sequence[Week]
    retrainings: Sequence[Retraining]
    backlog: Backlog
    drift: Sequence[DriftReport]
    news: Sequence[Notification]


def known(actor: Actor, store: Store) -> Known:
    """Read it, for an administrator."""
    champion = store.models.champion()
    version = champion.version if champion else None
    return Known(
        champion=champion,
        history=store.models.history(actor),
        numbers=store.quality.numbers(actor),
        by_category=store.quality.by_category(actor, version),
        by_version=store.quality.by_version(actor),
        calibration=store.quality.calibration(actor, version),
        weeks=store.quality.weeks(actor, WEEKS),
        retrainings=store.retrainings.list(actor),
        backlog=store.outbox.backlog(),
        drift=store.drift.history(actor),
        news=store.notifications.history(actor),
    )


@page("/model", role="admin")
async def model(visit: Visit) -> None:
    """Service first, then the model, then people, then what can be done."""
    found = await visit.read(known, visit.app.store)
    with theme.frame(visit, "model.title"):
        ui.add_css(model_report.CSS)
        _links(visit)
        with ui.element("div").classes("model-pair"):
            with theme.card():
                theme.title_of(visit.t("model.champion"))
                _champion(visit, found.champion)
            with theme.card():
                theme.title_of(visit.t("model.service"))
                Service(visit, found)
        with theme.card():
            theme.title_of(visit.t("drift.title"))
            model_drift.reports(visit, found.drift)
        with theme.card():
            theme.title_of(visit.t("model.market"))
            model_live.market(visit, found.numbers)
        if found.champion:
            model_report.show(visit, found.champion, found.calibration)
        model_live.show(visit, found.by_category, found.by_version, found.weeks, found.history)
        with theme.card():
            theme.title_of(visit.t("model.retrain"))
            Retrain(visit, found.retrainings)
        with theme.card():
            theme.title_of(visit.t("news.title"))
            model_drift.news(visit, found.news)
        with theme.card():
            theme.title_of(visit.t("model.history"))
            model_report.history(visit, found.history)


def _links(visit: Visit) -> None:
    settings = visit.app.settings
    with ui.element("div").classes("app-bar"):
        for key, url in (
            ("model.open_dagster", settings.dagster_url),
            ("model.open_mlflow", settings.mlflow_url),
            ("model.open_drift", f"{settings.dagster_url}/assets/drift_report"),
        ):
            link = ui.link(visit.t(key), url, new_tab=True)
            link.props["rel"] = "noopener"


def _champion(visit: Visit, champion: ModelReport | None) -> None:
    t = visit.t
    if champion is None:
        theme.empty_state(visit, "model.none", icon="model_training")
        return
    ui.label(t("model.version", number=champion.number, version=champion.version)).classes("text-lg font-medium")
    ui.label(t("model.since", at=champion.at)).classes("app-soft")
    ui.label(t("model.why", reason=champion.reason)).classes("app-break")
    ui.link(t("card.open"), model_cards.address(champion.version))
    if url := str(champion.report.get("mlflow") or ""):
        ui.link(t("model.open_mlflow"), url, new_tab=True).props["rel"] = "noopener"


class Service:
    """Whether the service answers, and what waits for it; asked when the page is there, since it may take long."""

    def __init__(self, visit: Visit, found: Known) -> None:
        self.visit, self.champion = visit, found.champion
        ui.label(visit.t("model.service_hint")).classes("app-soft app-small")
        self._place = ui.column().classes("w-full gap-2").props("aria-live=polite")
        with self._place, ui.row().classes("items-center gap-3"):
            ui.spinner(size="1.5em").props("aria-hidden=true")
            ui.label(visit.t("model.service.asking"))
        _backlog(visit, found.backlog)
        ui.timer(0, self._ask, once=True)

    async def _ask(self) -> None:
        info = await self.visit.ask(lambda: (serving(self.visit.app),))
        self._place.clear()
        with self._place:
            self._draw(info[0] if info else None)

    def _draw(self, info: ModelInfo | None) -> None:
        t = self.visit.t
        if info is None:
            theme.notice(t("model.service.down"), "bad")
            return
        theme.notice(t("model.service.up"), "good")
        if self.champion and self.champion.version != info.version:
            versions = {"version": info.version, "champion": self.champion.version}
            theme.notice(t("model.service.other", **versions), "warn")
        else:
            ui.label(t("model.service.serves", version=info.version))
        if info.challenger:
            ui.label(t("model.service.challenger", version=info.challenger))


def serving(app: Application) -> ModelInfo | None:
    """What the service says of itself; None where it says nothing."""
    try:
        return app.client.model() if app.client.ready() else None
    except (ServiceUnavailable, ServiceRefused):
        return None


def _backlog(visit: Visit, backlog: Backlog) -> None:
    t = visit.t
    if not backlog.waiting:
        ui.label(t("model.backlog.none"))
        return
    ui.label(t("model.backlog", count=backlog.waiting, oldest=texts.moment(backlog.oldest, visit.language)))
    if backlog.failing:
        theme.notice(t("model.backlog.failing", count=backlog.failing), "warn")


class Retrain:
    """Asks for a retraining, and shows what became of those that were asked for."""

    def __init__(self, visit: Visit, asked: Sequence[Retraining]) -> None:
        self.visit = visit
        ui.label(visit.t("model.retrain_hint")).classes("app-soft app-small")
        with ui.element("div").classes("app-bar"):
            self._reason = ui.input(visit.t("model.retrain_reason")).classes("grow")
            self._reason.props("outlined dense maxlength=2000").mark("retrain-reason")
            self._reason.on("keydown.enter", self._ask)
            ask = ui.button(visit.t("model.retrain_ask"), icon="model_training", on_click=self._ask)
            ask.props("unelevated no-caps")
        self._place = ui.column().classes("w-full")
        self._draw(asked)

    async def _ask(self) -> None:
        retrainings = self.visit.app.store.retrainings
        if await self.visit.act(retrainings.ask, str(self._reason.value or "")) is None:
            return
        self._reason.set_value("")
        self.visit.tell("model.retrain_asked")
        asked = await self.visit.act(retrainings.list)
        if asked is not None:
            self._draw(asked)

    def _draw(self, asked: Sequence[Retraining]) -> None:
        t = self.visit.t
        self._place.clear()
        with self._place:
            if not asked:
                ui.label(t("model.retrain_none")).classes("app-soft")
                return
            headings = [t(f"model.retrain_{each}") for each in ("at", "by")] + [t("model.reason")]
            theme.table(
                [*headings, t("model.retrain_state"), t("model.retrain_run")], [self._row(each) for each in asked]
            )

    def _row(self, asked: Retraining) -> list[str | Callable[[], object]]:
        return [
            texts.moment(asked.asked_at, self.visit.language),
            asked.by,
            asked.reason,
            partial(theme.chip, self.visit.t(f"model.retrain.{asked.state}"), STATES.get(asked.state, "quiet")),
            partial(self._run, asked.run_id),
        ]

    def _run(self, run_id: str | None) -> None:
        if run_id is None:
            ui.label("–")
            return
        url = f"{self.visit.app.settings.dagster_url}/runs/{run_id}"
        ui.link(self.visit.t("model.retrain_open"), url, new_tab=True).props["rel"] = "noopener"
