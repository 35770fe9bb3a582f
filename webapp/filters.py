"""The fields above a list of products, and what is asked of the store with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from nicegui import ui

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import REVIEW_REASONS, STATES, ProductFilter
from webapp import texts, theme
from webapp.auth import Visit

Name = Literal["text", "category", "state", "review", "seller", "since", "until"]


@dataclass
class Wanted:
    """What somebody looks for, as it stands in the fields and in the page's address."""

    text: str = ""
    category: int | None = None
    state: str | None = None
    review: str | None = None
    seller: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Wanted":
        """What the address says; what cannot be is left out."""
        given = {name: query.get(name, "")[:200] for name in ("text", "seller")}
        days = {name: query.get(name, "") if _day(query.get(name, "")) else "" for name in ("since", "until")}
        code, state, review = query.get("category", ""), query.get("state"), query.get("review")
        return cls(
            category=next((each for each in CODES if str(each) == code), None),
            state=state if state in STATES else None,
            review=review if review in REVIEW_REASONS else None,
            **given,
            **days,
        )

    @property
    def query(self) -> str:
        """The address's part that finds the same again."""
        given = {name: value for name, value in vars(self).items() if value not in (None, "")}
        return f"?{urlencode(given)}" if given else ""

    @property
    def filter(self) -> ProductFilter:
        """What the store is asked; the last day is a whole one."""
        until = _day(self.until)
        return ProductFilter(
            text=self.text.strip(),
            category=self.category,
            states=[each for each in STATES if each == self.state],
            review=self.review,
            seller=self.seller.strip(),
            since=_begins(_day(self.since)),
            until=_begins(until + timedelta(days=1) if until else None),
        )


class Filters:
    """The fields `names`; `changed(wanted)` when somebody asks for another list."""

    def __init__(self, visit: Visit, names: Sequence[Name], wanted: Wanted, changed: Callable[[Wanted], Any]) -> None:
        self.visit, self.wanted, self._changed = visit, wanted, changed
        self._fields: dict[str, Any] = {}
        with ui.element("form").classes("app-card").props("role=search") as form:
            # The fields are read over the websocket; a browser that sent the form would only reload the page.
            form.on("submit.prevent", self._ask)
            with ui.element("div").classes("app-bar items-start"):
                for name in names:
                    self._fields[name] = self._field(name)
            with ui.element("div").classes("app-bar"):
                ui.button(visit.t("app.search"), icon="search", on_click=self._ask).props("unelevated no-caps")
                ui.button(visit.t("app.reset"), on_click=self._reset).props("flat no-caps")

    def _field(self, name: Name) -> Any:
        t, value = self.visit.t, getattr(self.wanted, name)
        if name in ("text", "seller"):
            field: Any = ui.input(t(f"listing.{name}"), value=value).classes("grow").props("clearable maxlength=200")
            field.on("keydown.enter", self._ask)
        elif name in ("since", "until"):
            field = ui.input(t(f"listing.{name}"), value=value).props("type=date stack-label")
        else:
            label = {"category": "listing.category", "state": "listing.state", "review": "listing.reason"}[name]
            field = ui.select(self._options(name), label=t(label), value=value, clearable=True, with_input=True)
            field.classes("grow")
        return field.props("outlined dense").style("min-width: 9.5rem").mark(name)

    def _options(self, name: Name) -> dict[Any, str]:
        if name == "category":
            return dict(theme.category_options(self.visit))
        values, words = (STATES, "state") if name == "state" else (REVIEW_REASONS, "review")
        return {each: self.visit.t(f"{words}.{each}") for each in values}

    async def _ask(self) -> None:
        for name, field in self._fields.items():
            setattr(self.wanted, name, _plain(field.value))
        await self._changed(self.wanted)

    async def _reset(self) -> None:
        for field in self._fields.values():
            field.set_value("" if isinstance(field, ui.input) else None)
        await self._ask()


def _plain(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _begins(day: date | None) -> datetime | None:
    """When the day begins, where the marketplace is."""
    return datetime.combine(day, time(), texts.ZONE) if day else None
