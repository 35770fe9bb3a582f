"""Legible for everybody: WCAG 2.2 AA, computed from the theme's own colours."""

import re

import pytest

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import STATES
from webapp import theme

TONES = ("good", "warn", "bad", "note", "quiet")
TEXTS = [("text", "page"), ("text", "surface"), ("soft", "page"), ("soft", "surface"), ("link", "page")]
TEXTS += [("link", "surface"), *((tone, f"{tone}-ground") for tone in TONES), ("bad", "surface"), ("good", "surface")]
EDGES = [("edge", "surface"), ("focus", "page"), ("focus", "surface")]


def _colours(block):
    return dict(re.findall(r"--((?:app|q)-[\w-]+): (#[0-9a-f]{6})", block))


LIGHT = _colours(theme.CSS.split("body.body--dark {")[0])
DARK = LIGHT | _colours(theme.CSS.split("body.body--dark {")[1].split("}")[0])


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXTS)
def test_text_stands_out_from_its_ground(colours, ink, ground):
    assert _contrast(colours[f"app-{ink}"], colours[f"app-{ground}"]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("button", ["primary", "positive", "negative", "info", "secondary"])
def test_white_stands_out_on_buttons_and_messages(colours, button):
    assert _contrast("#ffffff", colours[f"q-{button}"]) >= 4.5
    assert _contrast("#ffffff", colours["app-band"]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("edge", "ground"), EDGES)
def test_fields_and_the_focus_are_seen(colours, edge, ground):
    assert _contrast(colours[f"app-{edge}"], colours[f"app-{ground}"]) >= 3


def test_every_state_has_its_looks():
    assert set(theme.STATES) == set(STATES)


async def test_a_page_tells_its_language_title_and_place(user, sign_in, admin):
    await sign_in(user, admin, to="/users")
    answer = await user.http_client.get("/users")
    assert '<html lang="fr"' in answer.text
    assert "<title>Comptes · Rakuten Catégories</title>" in answer.text
    with user:
        elements = list(user.client.elements.values())
    assert [each.props["href"] for each in elements if each.props.get("aria-current")] == ["/users"] * 2
    assert any(each.tag == "main" for each in elements)


async def test_every_button_has_a_name(user, sign_in, admin):
    await sign_in(user, admin, to="/users")
    with user:
        buttons = [each for each in user.client.elements.values() if each.tag == "q-btn"]
    assert buttons
    assert [each for each in buttons if not (each.props.get("label") or each.props.get("aria-label"))] == []


async def test_categories_are_offered_by_name_in_the_visitors_language(user, sign_in, seller):
    class Visit:
        language = "en"

    options = theme.category_options(Visit)
    assert set(options) == set(CODES)
    assert options[2583] == "Pools and spas (2583)"
    assert list(options.values()) == sorted(options.values(), key=str.lower)


def _contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
