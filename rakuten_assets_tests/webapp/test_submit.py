"""A seller submits a product and decides its category (U2 with its alternative flows, A1, W8)."""

import asyncio
from threading import Event

import pytest
from nicegui import ui

from rakuten_assets.core.taxonomy import CATEGORIES
from rakuten_assets_tests.webapp.selling import (
    BOOK,
    BOOK_NAME,
    GARDEN,
    GARDEN_NAME,
    POOL,
    POOL_NAME,
    choose,
    classify,
    eventually,
    fill_in,
    only_product,
    photo,
    predicted,
    sees,
    upload,
)


@pytest.fixture
def open_form(user, sign_in, seller):
    async def open_form():
        await sign_in(user, seller)
        await user.open("/submit")

    return open_form


@pytest.fixture
def propose(user, store, seller, open_form):
    """A product that was sent through the form, and classified."""

    async def propose(**answer):
        await open_form()
        await fill_in(user)
        user.find("Envoyer").click()
        await sees(user, "est enregistré")
        await classify(store, said=predicted(**answer))
        await sees(user, marker="confirm")

    return propose


async def test_the_limits_are_said_before_anything_is_sent(user, open_form):
    await open_form()
    await user.should_see("10 Mo au plus")
    await user.should_see("10 000 caractères au plus".replace(" 000", "\u202f000"))


async def test_a_missing_title_and_a_missing_picture_are_said_in_place(user, store, seller, open_form):
    await open_form()
    user.find("Envoyer").click()
    await sees(user, "L’image est obligatoire")
    assert user.find("Titre").elements.pop().error == "Le titre est obligatoire."
    assert not store.products.list(seller.actor).items


async def test_the_message_goes_when_the_title_is_there(user, open_form):
    await open_form()
    user.find("Envoyer").click()
    await sees(user, "L’image est obligatoire")
    field = user.find("Titre").type("Piscine").elements.pop()
    assert field.error is None
    await user.should_see("7 / 10")


@pytest.fixture
def text_only(web_settings):
    web_settings.text_only = True


async def test_where_it_is_set_so_a_title_alone_is_enough(text_only, user, open_form, seller, store):
    await open_form()
    await user.should_see("Image du produit (facultative)")
    user.find("Titre").type("Piscine ronde")
    user.find("Envoyer").click()
    await sees(user, "est enregistré")
    assert only_product(store, seller).image is None


async def test_a_product_is_stored_at_once_and_its_category_comes_without_reloading(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    user.find("Envoyer").click()
    await sees(user, "En attente")
    page = user.client
    product = only_product(store, seller)
    assert (product.designation, product.state, bool(product.image)) == ("Piscine ronde 305 cm", "waiting", True)

    await classify(store)
    await sees(user, POOL_NAME)
    assert user.client is page
    await user.should_see("87")
    await user.should_see(f"{GARDEN_NAME} (8")
    await user.should_see("Proposé")


async def test_the_proposal_is_confirmed_with_one_click(user, store, seller, propose):
    await propose()
    user.find("Confirmer").click()
    await sees(user, "Catégorie que vous avez retenue")
    product = only_product(store, seller)
    assert (product.state, product.category, product.decided_by) == ("confirmed", POOL, "seller")


async def test_a_runner_up_is_taken_with_one_click(user, store, seller, propose):
    await propose()
    user.find(marker=f"runner-up-{GARDEN}").click()
    await sees(user, "Un administrateur vérifiera ce choix")
    product = only_product(store, seller)
    assert (product.state, product.category) == ("confirmed", GARDEN)
    _, (said,) = store.products.history(seller.actor, product.id)
    assert (said.action, said.before, said.after, said.role) == ("choose", POOL, GARDEN, "seller")


async def test_any_of_the_27_categories_can_be_chosen_by_its_french_name(user, store, seller, propose):
    await propose()
    (select,) = user.find(ui.select).elements
    assert select.props["use-input"]
    assert sorted(select.options.values()) == sorted(f"{each.fr} ({each.code})" for each in CATEGORIES)
    choose(user, BOOK)
    user.find("Retenir cette catégorie").click()
    await sees(user, f"Catégorie enregistrée\u00a0: {BOOK_NAME}")
    assert only_product(store, seller).category == BOOK


async def test_none_fits_sends_the_product_to_the_administrators(user, store, seller, propose):
    await propose()
    user.find("Aucune ne convient").click()
    await sees(user, "Ce qu’est le produit")
    user.find("Ce qu’est le produit").type("Un télescope")
    user.find("Transmettre").click()
    await sees(user, "un administrateur va regarder")
    product = only_product(store, seller)
    assert (product.state, product.category, product.review) == ("to_confirm", None, "category_missing")
    assert product.waiting_for_review


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("low_confidence", "pas assez sûr (41"),
        ("text_and_picture_disagree", "Le texte et l’image ne parlent pas du même produit"),
        ("category_missing", "Aucune des 27 catégories ne semble convenir"),
    ],
)
async def test_an_unsure_answer_must_be_confirmed_by_hand_and_says_why(user, store, seller, propose, why, said):
    await propose(confidence=0.41, review=why)
    await user.should_see(said)
    await user.should_see("À confirmer")
    assert only_product(store, seller).state == "to_confirm"
    user.find("Confirmer").click()
    await sees(user, "Catégorie que vous avez retenue")
    assert only_product(store, seller).state == "confirmed"


async def test_the_proposal_can_be_rated_with_a_comment(user, store, seller, propose):
    await propose()
    user.find("Envoyer la note").click()
    await sees(user, "Choisissez d’abord une note")
    (stars,) = user.find(ui.rating).elements
    with user:
        stars.set_value(4)
    user.find("Un commentaire (facultatif)").type("Presque")
    user.find("Envoyer la note").click()
    await sees(user, "votre note est enregistrée")
    product = only_product(store, seller)
    _, (said,) = store.products.history(seller.actor, product.id)
    assert (product.rating, said.rating, said.reason) == (4, 4, "Presque")


async def test_a_double_click_stores_one_product(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    button = user.find("Envoyer")
    button.click()
    button.click()
    await sees(user, "est enregistré")
    await asyncio.sleep(0.3)
    assert only_product(store, seller)


async def test_a_form_that_is_sent_again_after_a_lost_answer_stores_one_product(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    button = user.find("Envoyer").elements.pop()
    (send,) = [each.handler for each in button._event_listeners.values() if each.type == "click"]
    with user:
        send({})
        send({})
    await sees(user, "est enregistré")
    await asyncio.sleep(0.3)
    assert only_product(store, seller)


async def test_another_product_can_follow(user, store, seller, propose):
    await propose()
    user.find("Proposer un autre produit").click()
    await sees(user, "Envoyer")
    await fill_in(user, "Une autre piscine")
    user.find("Envoyer").click()
    await eventually(lambda: len(store.products.list(seller.actor).items) == 2)


async def test_a_product_may_be_classified_while_the_next_one_is_written(user, store, seller, open_form, caplog):
    await open_form()
    await fill_in(user)
    user.find("Envoyer").click()
    await sees(user, "est enregistré")
    user.find("Proposer un autre produit").click()
    await sees(user, "Envoyer")
    user.find("Titre").type("Une autre")
    await classify(store)
    await asyncio.sleep(0.5)
    assert user.find("Titre").elements.pop().value == "Une autre"
    assert not [each for each in caplog.records if each.levelname == "ERROR" or "deleted" in each.getMessage()]


async def test_a_service_that_says_late_that_it_is_there_finds_the_answer_there(
    user, store, open_form, application, monkeypatch, caplog
):
    asked, answers = Event(), Event()
    monkeypatch.setattr(application.client, "ready", lambda: asked.set() or answers.wait(20))
    monkeypatch.setattr("webapp.decision.ASK_SECONDS", 0.1)
    await open_form()
    await fill_in(user)
    user.find("Envoyer").click()
    await sees(user, "est enregistré")
    await eventually(asked.is_set)
    await classify(store)
    await sees(user, marker="confirm")
    answers.set()
    await asyncio.sleep(0.3)
    assert not [each for each in caplog.records if "deleted" in each.getMessage()]


async def test_what_is_no_picture_is_refused_in_place_and_the_one_before_stays(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    await upload(user, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "dessin.jpg")
    await sees(user, "Ce fichier n’est pas une image utilisable")
    user.find("Envoyer").click()
    await sees(user, "est enregistré")
    assert only_product(store, seller).image


async def test_a_picture_above_the_limit_is_refused_even_if_a_browser_sends_it(user, open_form):
    await open_form()
    await upload(user, photo() + bytes(10_000_000))
    await sees(user, "Ce fichier n’est pas accepté")


async def test_script_in_a_title_is_shown_as_it_was_typed(user, open_form):
    await open_form()
    await fill_in(user, "<script>alert(1)</script><img src=x onerror=alert(1)>")
    user.find("Envoyer").click()
    await sees(user, "est enregistré")
    await user.should_see("<script>alert(1)</script>")
    with user:
        drawn = [each for each in user.client.elements.values() if isinstance(each, ui.html)]
    assert not [each for each in drawn if "alert" in each.content]


async def test_who_was_signed_out_meanwhile_is_asked_to_sign_in_and_nothing_is_stored(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    store.accounts.sign_out_everywhere(seller.actor)
    user.find("Envoyer").click()
    await eventually(lambda: user.back_history[-1].startswith("/sign-in"))
    assert not store.products.list(seller.actor).items


async def test_the_form_speaks_english_where_that_is_chosen(user, store, seller, open_form):
    store.accounts.set_language(seller.actor, "en")
    await open_form()
    await user.should_see("Submit a product")
    user.find("Send").click()
    await sees(user, "The picture is missing")


async def test_while_the_service_is_down_the_seller_is_told_that_nothing_is_lost(user, store, seller, open_form):
    await open_form()
    await fill_in(user)
    user.find("Envoyer").click()
    await sees(user, "Votre produit est bien enregistré")
    await user.should_see("il sera classé dès")
    assert only_product(store, seller).state == "waiting"
