"""The ways to judge one product, as buttons and as keys."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nicegui import ui
from nicegui.events import KeyEventArguments

from rakuten_assets.store.records import Candidate, Product
from webapp import theme
from webapp.auth import Visit

CHOICES = 5

# Of all that can have the focus, what takes each key for itself, and what takes only Enter.
TYPING = ["input", "select", "textarea"]
PRESSING = [*TYPING, "button", "a", "div"]


@dataclass(frozen=True)
class Ways:
    """What the administrator can do; `awake` says whether a key means the product now."""

    accept: Callable[[int], Awaitable[object]]
    other: Callable[[], Awaitable[object]]
    reject: Callable[[], Awaitable[object]]
    skip: Callable[[], Awaitable[object]]
    awake: Callable[[], bool]


class Judgement:
    """The buttons and keys of one product.

    They go with it: what is pressed before the next product is there, is not meant for that one.
    """

    def __init__(self, visit: Visit, product: Product, ways: Ways) -> None:
        self.visit, self._ways = visit, ways
        self._standing, self._choices = standing(product), candidates(product)
        self._draw_accept()
        self._draw_choices(self._choices)
        self._draw_others()
        ui.label(visit.t("desk.keys")).classes("app-soft app-small desk-keys")
        ui.keyboard(self._pressed, repeating=False, ignore=TYPING)  # type: ignore[arg-type]
        ui.keyboard(self._entered, repeating=False, ignore=PRESSING)  # type: ignore[arg-type]

    def _draw_accept(self) -> None:
        t, code = self.visit.t, self._standing
        name = theme.category_name(self.visit, code)
        text = t("desk.accept_none") if code is None else t("desk.accept", category=name)
        with ui.button(text, icon="check", on_click=self._accept) as button:
            _key("A")
        button.props("unelevated no-caps aria-keyshortcuts=a").classes("w-full desk-main-button").mark("accept")
        button.set_enabled(code is not None)

    def _draw_choices(self, choices: Sequence[Candidate]) -> None:
        t = self.visit.t
        ui.label(t("desk.candidates" if choices else "desk.no_candidates")).classes("app-soft app-small")
        with ui.element("div").classes("desk-choices"):
            for place, each in enumerate(choices, 1):
                button = ui.button(color=None, on_click=partial(self._ways.accept, each.code))
                button.props(f"flat no-caps aria-keyshortcuts={place}").mark(f"choice-{place}")
                with button, ui.element("span").classes("desk-choice"):
                    _key(str(place))
                    ui.label(theme.category_name(self.visit, each.code))
                    theme.confidence_bar(self.visit, each.confidence)

    def _draw_others(self) -> None:
        with ui.element("div").classes("desk-ways"):
            for word, icon, letter in (("other", "edit", "C"), ("reject", "block", "R"), ("skip", "redo", "S")):
                with ui.button(self.visit.t(f"desk.{word}"), icon=icon, on_click=getattr(self._ways, word)) as button:
                    _key(letter)
                button.props(f"outline no-caps aria-keyshortcuts={letter.lower()}").mark(word)

    async def _pressed(self, e: KeyEventArguments) -> None:
        """Letters are meant by what they are, digits by where they are: French keyboards need Shift for them."""
        held = e.modifiers.ctrl or e.modifiers.alt or e.modifiers.meta
        if held or not e.action.keydown or not self._ways.awake():
            return
        way = self._way(str(e.key.name).lower(), e.key.code.removeprefix("Digit").removeprefix("Numpad"))
        if way is not None:
            await way()

    def _way(self, letter: str, place: str) -> Callable[[], Awaitable[object]] | None:
        if place.isdigit():
            chosen = self._choices[int(place) - 1 : int(place)] if place != "0" else []
            return partial(self._ways.accept, chosen[0].code) if chosen else None
        ways = self._ways
        return {"a": self._accept, "c": ways.other, "r": ways.reject, "s": ways.skip}.get(letter)

    async def _entered(self, e: KeyEventArguments) -> None:
        if e.key.enter and e.action.keydown and self._ways.awake():
            await self._accept()

    async def _accept(self) -> None:
        if self._standing is not None:
            await self._ways.accept(self._standing)


def standing(product: Product) -> int | None:
    """The category that is accepted where nothing else is said: what it counts as, or what was proposed."""
    return product.category if product.category is not None else product.proposed


def candidates(product: Product) -> list[Candidate]:
    """The likeliest categories, a key each."""
    return list(product.prediction.candidates)[:CHOICES] if product.prediction else []


def _key(name: str) -> None:
    """A key's name on its button; screen readers are told by `aria-keyshortcuts`."""
    ui.html(name, sanitize=False, tag="kbd").classes("desk-key").props("aria-hidden=true")
