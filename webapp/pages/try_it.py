"""The page on which anybody tries what the model says, and why, without anything being stored."""

import time
from collections.abc import Callable

from nicegui import ui

from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.store.errors import Refused
from serving.client import ServiceRefused, ServiceUnavailable
from serving.schemas import Explanation, Prediction
from webapp import explanation, pictures, texts, theme
from webapp.auth import Visit, page
from webapp.picture_field import PictureField
from webapp.product_form import counted_field


@page("/try")
def build(visit: Visit) -> None:
    """A product to be classified, and below it the answer."""
    with theme.frame(visit, "try.title"):
        ui.label(visit.t("try.lead"))
        Trial(visit)


class Trial:
    """One product that is tried, as often as one likes."""

    def __init__(self, visit: Visit) -> None:
        self._visit, t = visit, visit.t
        with theme.card():
            with ui.row().classes("w-full gap-6 items-start"):
                with ui.column().classes("gap-3").style("flex: 3 1 20rem; min-width: 0"):
                    self._designation = counted_field(visit, "submit.designation", "", MAX_DESIGNATION)
                    self._description = counted_field(visit, "submit.description", "", MAX_DESCRIPTION, lines=True)
                with ui.column().style("flex: 2 1 16rem; min-width: 0"):
                    self._picture = PictureField[bytes](visit, lambda data: pictures.clean(data).data, optional=True)
            with ui.row().classes("gap-2"):
                self._button = ui.button(t("try.send"), icon="science", on_click=self._send)
                self._button.props("unelevated no-caps")
                ui.button(t("try.example"), on_click=self._fill_in).props("flat no-caps")
        self._result = ui.column().classes("w-full gap-4")
        self._result.props("aria-live=polite")

    def _fill_in(self) -> None:
        self._designation.value = self._visit.t("try.example_designation")
        self._description.value = self._visit.t("try.example_description")

    async def _send(self) -> None:
        if self._picture.busy:
            self._visit.tell("submit.uploading", "info")
            return
        asked = (str(self._designation.value or ""), str(self._description.value or ""), self._picture.value)
        self._result.clear()
        if not any(part.strip() for part in asked if part):
            self._say("try.nothing")
            return
        self._button.disable()
        await self._answer(asked)
        self._button.enable()

    async def _answer(self, asked: tuple[str, str, bytes | None]) -> None:
        client, started = self._visit.app.client, time.monotonic()
        prediction = await self._asked(lambda: client.predict(*asked))
        if prediction is None:
            return
        with self._result:
            self._show(prediction, time.monotonic() - started)
            with theme.card() as place:
                theme.title_of(self._visit.t("try.why"))
                with ui.row().classes("items-center gap-3") as waiting:
                    ui.spinner().props("aria-hidden=true")
                    ui.label(self._visit.t("try.why_busy"))
        found = await self._explained(lambda: client.explain(*asked))
        waiting.delete()
        with place:
            if found is None:
                ui.label(self._visit.t("try.no_explanation"))
            else:
                explanation.show(self._visit, found, *asked[:2])

    async def _asked(self, call: Callable[[], Prediction]) -> Prediction | None:
        try:
            return await self._visit.ask(call)
        except ServiceUnavailable:
            self._say("try.unavailable")
        except ServiceRefused as error:
            said = texts.said(Refused("invalid", error.code), self._visit.language)
            self._say("try.refused", reason=said)
        return None

    async def _explained(self, call: Callable[[], Explanation]) -> Explanation | None:
        """None where the answer has to do without."""
        try:
            return await self._visit.ask(call)
        except (ServiceUnavailable, ServiceRefused):
            return None

    def _say(self, key: str, **params: object) -> None:
        with self._result:
            theme.notice(self._visit.t(key, **params), "bad")

    def _show(self, prediction: Prediction, seconds: float) -> None:
        visit = self._visit
        with theme.card():
            theme.title_of(visit.t("try.result"))
            with ui.element("ol").style("margin: 0; padding: 0; width: min(100%, 32rem)").mark("categories"):
                for at, each in enumerate(prediction.categories):
                    with ui.element("li"), ui.row().classes("items-center justify-between gap-3"):
                        name = ui.label(theme.category_name(visit, each.code))
                        name.classes("text-xl font-semibold" if at == 0 else "")
                        theme.confidence_bar(visit, each.confidence)
            if prediction.review:
                theme.notice(visit.t(f"try.review.{prediction.review.code}"), "warn")
            said = visit.t("try.model", version=prediction.model_version, milliseconds=round(seconds * 1000))
            ui.label(said).classes("app-soft app-small app-break")
