"""Administrators read the card of a model; nobody else does, and a card can do nothing but be read."""

import pytest

from rakuten_assets.assets.model_card import CARDS
from rakuten_assets.store.errors import Refused
from rakuten_assets_tests.webapp.reviewing import no_longer_sees, sees
from webapp import model_cards

VERSION = "0123456789abcdef"
PATH = model_cards.address(VERSION)
CARD = "# Model card: a title\n\n## Scores\n\n| of | F1 |\n| --- | --- |\n| gold | 0.815 |\n"


@pytest.fixture
def stored(web_settings):
    folder = web_settings.root / model_cards.FOLDER
    folder.mkdir(parents=True)
    (folder / f"{VERSION}.md").write_text(CARD)
    (web_settings.root / "secret.md").write_text("# Secret\n\nsecret")


def shown(user):
    """The HTML of the card, and whether the browser is asked to sanitise it."""
    found = [each.props for each in user.client.elements.values() if "innerHTML" in each.props]
    return [(props["innerHTML"], props["sanitize"]) for props in found if "sanitize" in props]


def test_cards_are_looked_for_where_they_are_put():
    assert model_cards.FOLDER == CARDS


async def test_an_administrator_sees_the_card_rendered_and_sanitised(user, sign_in, admin, stored):
    await sign_in(user, admin, to=PATH)
    await sees(user, f"Fiche du modèle {VERSION}")
    [(html, sanitised)] = shown(user)
    assert "<h2>Scores</h2>" in html
    assert "<td>0.815</td>" in html
    assert "<h1>" not in html
    assert sanitised is True


async def test_the_page_speaks_the_language_of_who_reads_it(user, sign_in, admin, stored, store):
    store.accounts.set_language(admin.actor, "en")
    await sign_in(user, admin, to=PATH)
    await sees(user, f"Model card {VERSION}")
    await no_longer_sees(user, "Fiche du modèle")


async def test_a_seller_sees_no_card(user, sign_in, seller, stored):
    await sign_in(user, seller)
    await user.open(PATH)
    assert user.status == 403
    assert shown(user) == []


async def test_who_is_not_signed_in_is_sent_to_the_sign_in(http, stored):
    answer = await http.get(PATH)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


def test_the_verb_itself_asks_for_the_role(application, seller, admin, stored):
    assert model_cards.card(admin.actor, application, VERSION) == CARD
    with pytest.raises(Refused, match="forbidden"):
        model_cards.card(seller.actor, application, VERSION)


@pytest.mark.parametrize(
    "version", ["fedcba9876543210", "..", "../secret", f"../model-cards/{VERSION}", f"{VERSION}\n", VERSION.upper(), ""]
)
def test_what_is_no_version_has_no_card(application, admin, stored, version):
    with pytest.raises(Refused, match="card_not_found"):
        model_cards.card(admin.actor, application, version)


async def test_a_version_without_a_card_is_not_found(user, sign_in, admin, stored):
    await sign_in(user, admin)
    await user.open(model_cards.address("fedcba9876543210"))
    assert user.status == 404
    await sees(user, "Ce modèle n'a pas de fiche.")
