"""Why a product was put into its category, drawn: the words that counted and the regions of its picture."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Protocol

from nicegui import ui

from serving.schemas import Explanation, PictureExplanation, TextExplanation, Word
from webapp.texts import category

# More words than anybody reads; a longer text is shown by its beginning.
MOST_WORDS = 400
NAMED_WORDS = 6
SHADES = 5

# What is weaker than this share of the strongest word or region is not worth a colour.
FAINT = 0.08

BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")

CSS = """
.why-text { line-height: 2; overflow-wrap: anywhere; max-width: 70ch; white-space: pre-wrap; }
.why-text mark { color: inherit; background: none; border-radius: 3px; padding: 1px 2px; }
.why-for { text-decoration: underline 2px solid; text-underline-offset: 4px; }
.why-against { text-decoration: underline 2px dotted; text-underline-offset: 4px; }
.why-for { text-decoration-color: #0b7a4b; } .why-against { text-decoration-color: #b3541e; }
body.body--dark .why-for { text-decoration-color: #5fd3a1; }
body.body--dark .why-against { text-decoration-color: #f0a36b; }
.why-picture { position: relative; width: 100%; max-width: 360px; margin: 0; }
.why-picture img { display: block; width: 100%; height: auto; border-radius: 8px; }
.why-picture svg { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 8px; }
.why-plain svg { display: none; }
"""


# The shades of both sides, the faintest first.
for _side, _colour in (("for", "16, 150, 96"), ("against", "214, 106, 37")):
    for _shade in range(1, SHADES + 1):
        CSS += f".why-text mark.why-{_side}-{_shade} {{ background: rgba({_colour}, {_shade * 0.08:.2f}); }}\n"


class Speaks(Protocol):
    """What a drawing needs of a visit: its language and its texts."""

    @property
    def language(self) -> str: ...

    def t(self, key: str, **params: object) -> str: ...


def show(visit: Speaks, explanation: Explanation, designation: str = "", description: str = "") -> None:
    """Draws the explanation where the page stands: a sentence, the words, the heat map.

    The text is the one that the model read; `designation` and `description` stand in where it read none.
    """
    ui.add_css(CSS)
    with ui.column().classes("w-full gap-4").mark("explanation"):
        _sentence(visit, explanation)
        with ui.row().classes("w-full gap-6 items-start"):
            if explanation.image:
                _picture(visit, explanation.image)
            with ui.column().classes("gap-2").style("flex: 1 1 280px; min-width: 0"):
                _text(visit, explanation.text, f"{designation}\n{description}".strip())


def words_html(found: TextExplanation, strongest: float) -> str:
    """The text that was read, each word in the shade of what it says; everything in it is escaped."""
    shown = found.words[:MOST_WORDS]
    pieces, at = [], 0
    for word in shown:
        pieces += [escape(found.read[at : word.start]), _marked(word, strongest)]
        at = word.end
    rest = "" if len(shown) < len(found.words) else escape(found.read[at:])
    return f'<div class="why-text">{"".join(pieces)}{rest or ("…" if found.words[MOST_WORDS:] else "")}</div>'


def picture_html(found: PictureExplanation, alternative: str) -> str:
    """The picture below its heat map: warm where a region spoke for the category, cold where against it."""
    if not BASE64.fullmatch(found.picture):
        raise ValueError("The picture of an explanation is not base64.")
    cells = "".join(_cell(row, column, shade) for row, column, shade in _shades(found))
    return (
        f'<figure class="why-picture"><img src="data:image/jpeg;base64,{found.picture}" alt="{escape(alternative)}">'
        f'<svg viewBox="0 0 {found.columns} {found.rows}" preserveAspectRatio="none" aria-hidden="true">{cells}</svg>'
        "</figure>"
    )


def strong_words(words: Sequence[Word]) -> tuple[list[str], list[str]]:
    """The words that spoke most for the category, and most against it, each once, the strongest first."""
    sums: dict[str, float] = {}
    for word in words:
        name = word.word.strip(".,;:!?()\"'«»").lower() or word.word
        sums[name] = sums.get(name, 0) + word.contribution
    faint = FAINT * max((abs(each) for each in sums.values()), default=0)
    ranked = sorted(sums, key=lambda name: -abs(sums[name]))
    pro = [name for name in ranked if sums[name] > faint]
    contra = [name for name in ranked if sums[name] < -faint]
    return pro[:NAMED_WORDS], contra[:NAMED_WORDS]


def strong_places(found: PictureExplanation) -> list[str]:
    """Where the picture spoke most for the category, as keys of nine places (`top_left` …); at most three."""
    sums: dict[str, float] = {}
    for row, values in enumerate(found.regions):
        for column, value in enumerate(values):
            place = _place(row, found.rows, ("top", "middle", "bottom"))
            side = _place(column, found.columns, ("left", "centre", "right"))
            sums[f"{place}_{side}"] = sums.get(f"{place}_{side}", 0) + max(value, 0)
    ranked = sorted((name for name in sums if sums[name] > 0), key=lambda name: -sums[name])
    return [name for name in ranked if sums[name] >= sums[ranked[0]] / 2][:3]


def _sentence(visit: Speaks, found: Explanation) -> None:
    key = f"explain.sentence.{found.rests_on}"
    first, second = found.category, found.runner_up
    ui.label(
        visit.t(
            key,
            category=category(first.code, visit.language),
            confidence=first.confidence,
            other=category(second.code, visit.language),
            other_confidence=second.confidence,
        )
    )
    if found.text_opinion and found.image_opinion:
        said = visit.t("explain.opinions", text=found.text_opinion.confidence, image=found.image_opinion.confidence)
        ui.label(said).classes("text-sm opacity-80")


def _text(visit: Speaks, found: TextExplanation | None, instead: str) -> None:
    ui.label(visit.t("explain.words")).classes("font-medium")
    if found is None:
        ui.label(visit.t("explain.no_text")).classes("text-sm opacity-80")
        ui.label(instead).classes("why-text")
        return
    strongest = max((abs(word.contribution) for word in found.words), default=0)
    ui.html(words_html(found, strongest))
    pro, contra = strong_words(found.words)
    for key, words in (("explain.words_for", pro), ("explain.words_against", contra)):
        if words:
            ui.label(visit.t(key, words=", ".join(words))).classes("text-sm opacity-80")


def _picture(visit: Speaks, found: PictureExplanation) -> None:
    places = strong_places(found)
    said = ", ".join(visit.t(f"explain.place.{place}") for place in places)
    alternative = visit.t("explain.picture_alt", places=said) if places else visit.t("explain.picture_nothing")
    with ui.column().classes("gap-2").style("flex: 0 1 360px; min-width: 0"):
        ui.label(visit.t("explain.picture")).classes("font-medium")
        drawn = ui.html(picture_html(found, alternative)).classes("w-full")
        ui.label(alternative).classes("text-sm opacity-80")
        switch = ui.switch(visit.t("explain.show_map"), value=True).props("dense")
        switch.on_value_change(lambda e: drawn.classes(remove="why-plain") if e.value else drawn.classes("why-plain"))


def _marked(word: Word, strongest: float) -> str:
    share = abs(word.contribution) / strongest if strongest else 0
    if share < FAINT:
        return escape(word.word)
    side = "for" if word.contribution > 0 else "against"
    shade = min(SHADES, 1 + int(share * SHADES))
    return f'<mark class="why-{side} why-{side}-{shade}" title="{word.contribution:+.2f}">{escape(word.word)}</mark>'


def _shades(found: PictureExplanation) -> Iterator[tuple[int, int, float]]:
    """Each region worth a colour, with its strength from -1 to 1."""
    strongest = max((abs(value) for row in found.regions for value in row), default=0)
    for row, values in enumerate(found.regions):
        for column, value in enumerate(values):
            if strongest and abs(value) / strongest >= FAINT:
                yield row, column, value / strongest


def _cell(row: int, column: int, shade: float) -> str:
    colour = "#ff2d00" if shade > 0 else "#0057ff"
    # A hair more than a unit, so that no seams show between the regions.
    return (
        f'<rect x="{column}" y="{row}" width="1.02" height="1.02" fill="{colour}" '
        f'fill-opacity="{0.6 * abs(shade):.2f}"></rect>'
    )


def _place(at: int, count: int, names: tuple[str, str, str]) -> str:
    return names[min(2, at * 3 // max(count, 1))]
