"""The review desk: administrators judge products one by one, with the keyboard, and never the same one (A2)."""

import asyncio
from datetime import timedelta

import pytest
from nicegui import ui

from rakuten_assets.store import reviews
from rakuten_assets_tests.webapp.reviewing import (
    audit_of,
    empty_the_queue,
    hears,
    no_longer_sees,
    now,
    press,
    sees,
    waiting,
)
from rakuten_assets_tests.webapp.selling import (
    BOOK,
    BOOK_NAME,
    GARDEN,
    GARDEN_NAME,
    POOL,
    POOL_NAME,
    eventually,
    submitted,
)
from webapp.desk import readable
from webapp.picker import fitting

BABY = 1320


@pytest.fixture(autouse=True)
def quiet(store):
    empty_the_queue(store)


@pytest.fixture
def desk(user, sign_in, admin):
    """The administrator's browser, at the desk."""

    async def desk(path="/review"):
        await sign_in(user, admin)
        # The sign-in leads administrators to the desk.
        if user.back_history[-1] != path:
            await user.open(path)
        return user

    return desk


def holder(store, admin, product):
    """Who looks at the product now."""
    items = store.reviews.queue(admin.actor, size=200).items
    return next(each.claimed_by for each in items if each.product.id == product.id)


async def test_the_desk_shows_what_there_is_to_judge_and_why(desk, application, seller):
    product = waiting(application, seller, "Échelle de piscine", "En acier", "text_and_picture_disagree")
    user = await desk()
    await sees(user, "1 produit attend une vérification.")
    await sees(user, "Échelle de piscine")
    await sees(user, "En acier")
    await sees(user, "Le texte et l'image ne désignent pas la même catégorie.")
    await sees(user, f"Accepter : {POOL_NAME}")
    for name in (POOL_NAME, GARDEN_NAME, BOOK_NAME):
        await sees(user, name)
    pictures = [each.props.get("src", "") for each in user.client.elements.values()]
    assert any(source.startswith(f"/pictures/{product.id}?size=full") for source in pictures)


@pytest.mark.parametrize(("key", "code"), [("a", "KeyQ"), ("Enter", "Enter"), ("A", "KeyA")])
async def test_one_key_accepts_and_the_next_product_is_there(desk, application, store, admin, seller, key, code):
    first = waiting(application, seller, "Piscine en bois", confidence=0.3)
    waiting(application, seller, "Piscine en acier", confidence=0.6)
    user = await desk()
    await sees(user, "Piscine en bois")
    press(user, key, code)
    await sees(user, "Piscine en acier")
    assert (now(store, first).state, now(store, first).category) == ("accepted", POOL)
    assert audit_of(store, admin, first)[0] == ("product_accept", admin.email)
    await sees(user, "1 produit traité depuis l'ouverture de la page.")


@pytest.mark.parametrize(("key", "code"), [("2", "Digit2"), ("é", "Digit2"), ("2", "Numpad2")])
async def test_a_digit_takes_that_proposal_on_every_keyboard(desk, application, store, seller, key, code):
    product = waiting(application, seller)
    user = await desk()
    press(user, key, code)
    await sees(user, "Rien à vérifier")
    assert now(store, product).category == GARDEN


async def test_another_category_is_found_by_some_letters_and_taken_by_enter(desk, application, store, seller):
    product = waiting(application, seller)
    user = await desk()
    press(user, "c")
    await sees(user, "Choisir une autre catégorie")
    field = user.find(marker="category-field").type("bebe")
    await sees(user, f"Autour du bébé ({BABY})")
    await no_longer_sees(user, f"{BOOK_NAME} ({BOOK})")
    field.trigger("keydown.enter")
    await sees(user, "Autour du bébé")
    field.trigger("keydown.enter")
    await sees(user, "Rien à vérifier")
    assert (now(store, product).state, now(store, product).category) == ("accepted", BABY)


async def test_a_category_that_does_not_exist_is_refused_with_the_allowed_ones(desk, application, store, seller):
    product = waiting(application, seller)
    user = await desk()
    press(user, "c")
    await sees(user, "Choisir une autre catégorie")
    field = user.find(marker="category-field").type("9999")
    await sees(user, "Voici les 27 catégories autorisées")
    await sees(user, f"{BOOK_NAME} ({BOOK})")
    field.trigger("keydown.enter")
    await hears(user, "9999 n'est pas autorisée")
    assert now(store, product).state == "to_confirm"


async def test_a_rejection_needs_a_reason_which_the_seller_reads(desk, application, store, seller):
    product = waiting(application, seller)
    user = await desk()
    press(user, "r")
    await sees(user, "Le vendeur lira ce motif")
    user.find(marker="confirm").click()
    await hears(user, "Indiquez un motif.")
    user.find("L’image ne montre pas le produit décrit.").click()
    user.find(marker="confirm").click()
    await sees(user, "Rien à vérifier")
    refused = now(store, product)
    assert (refused.state, refused.reason) == ("rejected", "L’image ne montre pas le produit décrit.")


async def test_what_is_skipped_is_left_to_the_others(desk, application, store, make_account, seller):
    product = waiting(application, seller)
    user = await desk()
    press(user, "s")
    await sees(user, "Plus rien pour vous")
    assert store.reviews.next(make_account("admin").actor).product.id == product.id


async def test_keys_sleep_while_something_is_asked_and_with_ctrl(desk, application, store, seller):
    product = waiting(application, seller)
    user = await desk()
    press(user, "a", ctrl=True)
    press(user, "r")
    press(user, "a")
    press(user, "1", "Digit1")
    press(user, "Enter", "Enter")
    await asyncio.sleep(0.3)
    assert now(store, product).state == "to_confirm"


async def test_two_administrators_never_have_the_same_product(
    desk, new_user, sign_in, application, make_account, seller
):
    waiting(application, seller, "Piscine en bois", confidence=0.3)
    waiting(application, seller, "Piscine en acier", confidence=0.6)
    other_admin = make_account("admin", "Bernard Petit")
    user, other = await desk(), new_user()
    await sign_in(other, other_admin)
    await other.open("/review")
    await sees(other, "Piscine en acier")
    await no_longer_sees(other, "Piscine en bois")
    press(user, "s")
    await sees(user, "Plus rien pour vous")
    await sees(user, "En cours chez les autres : Bernard Petit")


async def test_a_product_that_somebody_holds_is_not_handed_out(desk, application, store, make_account, seller):
    product = waiting(application, seller)
    holder = make_account("admin", "Bernard Petit")
    store.reviews.claim(holder.actor, product.id)
    user = await desk(f"/review?id={product.id}")
    await sees(user, "Bernard Petit examine déjà ce produit.")
    await sees(user, "Plus rien pour vous")


async def test_who_leaves_lets_the_product_go_and_who_reloads_keeps_it(desk, application, store, admin, seller):
    product = waiting(application, seller)
    user = await desk()
    before = user.client
    await user.open("/review")
    before.delete()
    await asyncio.sleep(0.2)
    assert holder(store, admin, product) == admin.actor.name
    user.client.delete()
    await eventually(lambda: holder(store, admin, product) is None)


async def test_a_hold_that_ends_is_said_and_can_be_renewed(desk, application, store, admin, seller, monkeypatch):
    product = waiting(application, seller)
    monkeypatch.setattr(reviews, "CLAIMED", timedelta(seconds=0.2))
    user = await desk()
    await sees(user, "Votre réservation est terminée")
    monkeypatch.undo()
    user.find("Réserver encore 10 minutes").click()
    await sees(user, "Réservé pour vous jusqu'à")
    assert holder(store, admin, product) == admin.actor.name


async def test_an_idle_desk_hears_of_new_work_and_claims_nothing_unasked(desk, application, store, admin, seller):
    user = await desk()
    await sees(user, "Rien à vérifier")
    product = await asyncio.to_thread(waiting, application, seller, "Piscine tardive")
    await sees(user, "De nouveaux produits attendent.")
    assert holder(store, admin, product) is None
    user.find("Commencer").click()
    await sees(user, "Piscine tardive")


async def test_what_its_seller_takes_back_leaves_the_desk(desk, application, store, seller):
    first = waiting(application, seller, "Piscine en bois", confidence=0.3)
    waiting(application, seller, "Piscine en acier", confidence=0.6)
    user = await desk()
    await sees(user, "Piscine en bois")
    await asyncio.to_thread(store.products.withdraw, seller.actor, first.id)
    await sees(user, "Piscine en acier")


async def test_a_reason_that_is_being_typed_never_hits_another_product(desk, application, store, seller):
    first = waiting(application, seller, "Piscine en bois", confidence=0.3)
    second = waiting(application, seller, "Piscine en acier", confidence=0.6)
    user = await desk()
    press(user, "r")
    await sees(user, "Refuser ce produit")
    await asyncio.to_thread(store.products.withdraw, seller.actor, first.id)
    await sees(user, "Piscine en acier")
    (dialog,) = user.find(ui.dialog).elements
    assert not dialog.value
    assert now(store, second).state == "to_confirm"


async def test_the_sellers_choice_comment_and_rating_are_there(desk, application, store, seller):
    product = waiting(application, seller)
    store.products.rate(seller.actor, product.id, 2, "C’est un spa")
    store.products.decide(seller.actor, product.id, GARDEN)
    user = await desk()
    await sees(user, "Le vendeur a choisi une autre catégorie que celle du modèle.")
    await sees(user, f"Choix du vendeur : {GARDEN_NAME}")
    await sees(user, "Note du vendeur pour la proposition : 2 sur 5")
    await sees(user, "Commentaire du vendeur : « C'est un spa »")
    await sees(user, f"Accepter : {GARDEN_NAME}")


async def test_what_the_service_refused_is_judged_by_hand(desk, application, store, seller):
    product = await asyncio.to_thread(_refused, application, seller)
    user = await desk()
    await sees(user, "Le service de classement n'a pas su traiter ce produit.")
    press(user, "a")
    press(user, "1", "Digit1")
    await asyncio.sleep(0.2)
    assert now(store, product).state == "failed"


def _refused(application, seller):
    product = submitted(application, seller)
    for job in application.store.outbox.take(100_000, lease_seconds=0, kind="classify"):
        if job.subject_id == product.id:
            application.store.outbox.refused(job, "bad_picture", "L'image est illisible.")
    return product


async def test_without_the_service_there_is_a_sentence_and_the_decision_can_be_made(desk, application, store, seller):
    product = waiting(application, seller)
    user = await desk()
    await sees(user, "Le service de classement ne répond pas")
    press(user, "a")
    await eventually(lambda: now(store, product).state == "accepted")


async def test_the_explanation_and_similar_products_come_after_the_page(served, desk, application, seller):
    waiting(application, seller, "Piscine gonflable ronde", "Avec échelle et bâche")
    user = await desk()
    await sees(user, marker="explanation", seconds=30)
    await sees(user, "Produits semblables déjà connus")
    await sees(user, "Ressemblance")
    await no_longer_sees(user, "L'explication arrive…")


@pytest.fixture
def served(web_settings, service):  # noqa: F811
    """A web app whose prediction service is the real one."""
    web_settings.serving_url = service.url


async def test_markup_in_a_product_is_only_words(desk, application, seller):
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    waiting(application, seller, f"Piscine {attack}", f"{attack}<p>Bleue</p>")
    user = await desk()
    raw = [each for each in user.client.elements.values() if "innerHTML" in each.props or isinstance(each, ui.html)]
    assert not any("alert(1)" in str(each.props) for each in raw)
    await sees(user, "Bleue")


async def test_a_seller_has_no_desk(user, sign_in, seller):
    await sign_in(user, seller)
    for path in ("/review", "/review/queue", "/search", "/model"):
        await user.open(path)
        assert user.status == 403
        await sees(user, "Accès refusé")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<b>Bleue</b><ul><li>5 m</li><li>Ronde</li></ul>", "Bleue\n5 m\nRonde"),
        ("a < b & c", "a < b & c"),
        ("Prix&nbsp;: 5 &euro;<br/>neuf", "Prix : 5 €\nneuf"),
        ("", ""),
    ],
)
def test_descriptions_are_read_without_their_tags(text, read):
    assert readable(text) == read


@pytest.mark.parametrize(
    ("typed", "first"), [("pisc", 2583), ("BEBE", 1320), ("livre n", 2705), ("25", 2522), ("jeu pc", 2905)]
)
def test_letters_without_accents_and_digits_find_a_category(typed, first):
    assert fitting(typed, "fr")[0] == first


def test_what_no_category_is_called_finds_none():
    assert fitting("voiture", "fr") == []
    assert len(fitting("", "en")) == 27
