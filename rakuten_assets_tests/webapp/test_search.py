"""Administrators find products and change their categories (U3), one by one and many at once, also in the queue."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from nicegui import ui
from starlette.datastructures import QueryParams

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets_tests.webapp.reviewing import (
    all_waiting,
    audit_of,
    empty_the_queue,
    hears,
    no_longer_sees,
    now,
    sees,
    waiting,
)
from rakuten_assets_tests.webapp.selling import BOOK, GARDEN, GARDEN_NAME, POOL, POOL_NAME, eventually
from webapp.filters import Wanted

NUMBERS = itertools.count(1)


@pytest.fixture
def search(user, sign_in, admin):
    """The administrator's browser, at the search or another list."""

    async def search(path="/search"):
        await sign_in(user, admin, to=path)
        return user

    return search


@pytest.fixture
def word():
    """A word that no other test's product has."""
    return f"zyxw{next(NUMBERS)}"


def ask(user, **fields):
    """Fill in the fields above the list, and search."""
    for name, value in fields.items():
        (field,) = user.find(marker=name).elements
        with user:
            field.set_value(value)
    user.find(kind=ui.button, content="Rechercher").click()


def pick(user, code):
    """Take a category in the dialog that is open."""
    user.find(marker=f"category-{code}").click()


async def test_the_category_of_a_product_that_was_found_is_changed_and_kept(search, application, store, admin, seller):
    product = waiting(application, seller, "Tuyau de piscine", review=None)
    user = await search()
    ask(user, text=str(product.id))
    await sees(user, "Tuyau de piscine")
    await sees(user, "1 résultat")
    user.find(marker=f"change-{product.id}").click()
    await sees(user, f"Catégorie actuelle : {POOL_NAME}")
    pick(user, GARDEN)
    user.find(marker="confirm").click()
    await hears(user, f"Produit n° {product.id} : la catégorie est maintenant « {GARDEN_NAME} ».")
    assert now(store, product).category == GARDEN
    assert audit_of(store, admin, product)[0] == ("product_change", admin.email)
    await sees(user, GARDEN_NAME)


async def test_a_product_that_is_not_there_is_said_to_be_so(search, application, seller):
    user = await search()
    ask(user, text="999999999")
    await sees(user, "Le produit n° 999999999 est introuvable.")


async def test_a_category_that_is_not_allowed_is_refused_with_those_that_are(search, application, store, seller):
    product = waiting(application, seller)
    user = await search()
    ask(user, text=str(product.id))
    await sees(user, marker=f"change-{product.id}")
    user.find(marker=f"change-{product.id}").click()
    await sees(user, marker="category-field")
    user.find(marker="category-field").type("4711")
    await sees(user, "Voici les 27 catégories autorisées")
    for code in CODES:
        await sees(user, marker=f"category-{code}")
    user.find(marker="confirm").click()
    await hears(user, "La catégorie 4711 n'est pas autorisée")
    assert now(store, product).category == POOL


async def test_a_change_without_a_category_asks_for_one(search, application, store, seller):
    product = waiting(application, seller)
    user = await search()
    ask(user, text=str(product.id))
    await sees(user, marker=f"change-{product.id}")
    user.find(marker=f"change-{product.id}").click()
    await sees(user, marker="confirm")
    user.find(marker="confirm").click()
    await sees(user, "Choisissez une catégorie.")


async def test_products_are_found_by_what_is_known_of_them(search, application, store, seller, other_seller, word):
    pool = waiting(application, seller, f"Piscine {word}", review=None)
    book = waiting(application, other_seller, f"Livre {word}", review=None, code=BOOK)
    store.products.decide(other_seller.actor, book.id, BOOK)
    today = datetime.now(UTC).date()
    user = await search()
    for fields, found, other in (
        ({"text": word, "category": BOOK}, book, pool),
        ({"category": None, "state": "confirmed"}, book, pool),
        ({"state": None, "seller": seller.email}, pool, book),
        ({"seller": other_seller.actor.name}, book, pool),
        ({"seller": "", "text": f"piscine {word}"}, pool, book),
    ):
        ask(user, **fields)
        await no_longer_sees(user, other.designation)
        await sees(user, found.designation)
    ask(user, text=word, until=str(today - timedelta(days=7)))
    await sees(user, "Aucun produit ne correspond à cette recherche.")
    ask(user, until="", since=str(today - timedelta(days=7)))
    await sees(user, "2 résultats")


async def test_the_way_back_leads_to_the_same_search(search, application, seller, word):
    waiting(application, seller, f"Piscine {word}")
    waiting(application, seller, f"Chaise {word}", code=GARDEN)
    user = await search(f"/search?text={word}&category={GARDEN}")
    await sees(user, f"Chaise {word}")
    await no_longer_sees(user, f"Piscine {word}")


@pytest.mark.parametrize("query", ["category=99", "state=x", "since=hier", "review=' OR 1=1", "text=%00", "until=0"])
async def test_an_address_that_makes_no_sense_is_a_list_all_the_same(user, sign_in, admin, query):
    await sign_in(user, admin)
    await user.open(f"/search?{query}")
    assert user.status in (200, 400)


async def test_pages_follow_each_other_and_the_selection_stays(search, application, store, seller, word):
    all_waiting(application, seller, [f"Piscine {word} {number:02}" for number in range(27)], review=None)
    user = await search(f"/search?text={word}")
    await sees(user, "27 résultats")
    await sees(user, f"Piscine {word} 26")
    await no_longer_sees(user, f"Piscine {word} 00")
    user.find("Sélectionner la page").click()
    await sees(user, "25 produits sélectionnés")
    user.find("Suivants").click()
    await sees(user, f"Piscine {word} 00")
    await sees(user, "25 produits sélectionnés")
    user.find("Sélectionner tous les résultats").click()
    await sees(user, "27 produits sélectionnés")


async def test_many_are_given_another_category_at_once_with_a_result_for_each(search, application, store, seller, word):
    products = all_waiting(application, seller, [f"Piscine {word} {number}" for number in range(3)])
    store.products.withdraw(seller.actor, products[1].id)
    user = await search(f"/search?text={word}")
    user.find("Sélectionner la page").click()
    await sees(user, "3 produits sélectionnés")
    user.find(marker="bulk-fix").click()
    await sees(user, "Changer la catégorie de 3 produits")
    pick(user, BOOK)
    user.find(marker="confirm").click()
    await sees(user, "2 produits traités, 1 refusé.")
    await sees(user, "Ce produit a été retiré.")
    await sees(user, f"n° {products[1].id}")
    assert [now(store, each).category for each in products] == [BOOK, POOL, BOOK]
    user.find(marker="close").click()
    await sees(user, "Aucun produit sélectionné")


@pytest.fixture
def queue(search, store):
    async def queue(query=""):
        return await search(f"/review/queue{query}")

    empty_the_queue(store)
    return queue


async def test_the_queue_says_why_and_with_whom_each_product_is(queue, application, store, make_account, seller):
    waiting(application, seller, "Piscine en bois", confidence=0.6)
    held = waiting(application, seller, "Piscine en acier", "", "text_and_picture_disagree", confidence=0.3)
    store.reviews.claim(make_account("admin", "Bernard Petit").actor, held.id)
    user = await queue()
    await sees(user, "Bernard Petit jusqu'à")
    await sees(user, "Libre")
    places = [each.id for name in ("Piscine en acier", "Piscine en bois") for each in user.find(name).elements]
    assert places == sorted(places)
    ask(user, review="low_confidence")
    await no_longer_sees(user, "Piscine en acier")
    await sees(user, "Piscine en bois")


async def test_an_empty_queue_says_so(queue):
    user = await queue()
    await sees(user, "La file d'attente est vide.")
    ask(user, text="rien")
    await sees(user, "Aucun produit en attente ne correspond.")


async def test_many_are_accepted_at_once_but_not_what_another_looks_at(queue, application, store, make_account, seller):
    free, held = all_waiting(application, seller, ["Piscine libre", "Piscine prise"])
    store.reviews.claim(make_account("admin").actor, held.id)
    user = await queue()
    user.find(marker=f"select-{free.id}").click()
    user.find(marker=f"select-{held.id}").click()
    await sees(user, "2 produits sélectionnés")
    user.find(marker="bulk-accept").click()
    await sees(user, "Chaque produit garde la catégorie qu'il a maintenant.")
    user.find(marker="confirm").click()
    await sees(user, "1 produit traité, 1 refusé.")
    await sees(user, "Un autre administrateur examine ce produit.")
    assert [now(store, each).state for each in (free, held)] == ["accepted", "to_confirm"]


async def test_many_are_rejected_at_once_with_one_reason(queue, application, store, seller):
    products = all_waiting(application, seller, ["Piscine ronde", "Piscine carrée"])
    user = await queue()
    user.find("Sélectionner la page").click()
    await sees(user, marker="bulk-reject")
    user.find(marker="bulk-reject").click()
    await sees(user, "Refuser 2 produits")
    user.find(marker="confirm").click()
    await sees(user, "0 produit traité, 2 refusés.")
    user.find(marker="close").click()
    await asyncio.sleep(0.2)
    user.find("Sélectionner la page").click()
    await sees(user, "2 produits sélectionnés")
    user.find(marker="bulk-reject").click()
    await sees(user, "Ce produit ne peut pas être vendu ici.")
    user.find(marker="reject-reason").type("Interdit")
    user.find(marker="confirm").click()
    await eventually(lambda: [now(store, each).reason for each in products] == ["Interdit"] * 2)


def test_the_last_day_of_a_search_is_a_whole_one():
    filter = Wanted(since="2026-11-20", until="2026-11-20").filter
    assert filter.since.isoformat() == "2026-11-20T00:00:00+01:00"
    assert filter.until - filter.since == timedelta(days=1)


def test_an_address_and_what_it_asks_for_are_the_same():
    wanted = Wanted(text="piscine ronde", category=POOL, state="confirmed", seller="a&b", since="2026-11-20")

    assert Wanted.of(QueryParams(wanted.query.removeprefix("?"))) == wanted
