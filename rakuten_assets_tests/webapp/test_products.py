"""A seller's own products: the list and the page of each (U7), and an administrator at the same page (U3, A2)."""

import pytest
from nicegui import ui

from rakuten_assets.core.taxonomy import CATEGORIES
from rakuten_assets.store.records import Draft
from rakuten_assets_tests.webapp.selling import (
    BOOK,
    BOOK_NAME,
    GARDEN,
    GARDEN_NAME,
    MODEL,
    POOL,
    POOL_NAME,
    answer,
    choose,
    classify,
    eventually,
    no_longer_sees,
    photo,
    predicted,
    sees,
    submitted,
    upload,
)


@pytest.fixture
def product(application, store, seller):
    """A product of the seller, with its category proposed."""
    product = submitted(application, seller, "Piscine ronde", "Avec <b>échelle</b>", reference="REF-7")
    answer(store, product.id)
    return product


@pytest.fixture
def open_page(user, sign_in):
    async def open_page(account, path):
        await sign_in(user, account)
        await user.open(path)

    return open_page


async def test_an_empty_list_says_what_to_do(user, seller, open_page):
    await open_page(seller, "/products")
    await user.should_see("Vous n’avez pas encore de produit")
    links = {each.props.get("href") for each in user.find(ui.button).elements}
    assert {"/submit", "/imports"} <= links


async def test_each_product_shows_its_picture_category_confidence_and_state(user, seller, product, open_page):
    await open_page(seller, "/products")
    for text in ("Piscine ronde", POOL_NAME, "87", "Proposé (1)"):
        await user.should_see(text)
    with user:
        sources = [str(each.props.get("src", "")) for each in user.client.elements.values()]
    assert any(source.startswith(f"/pictures/{product.id}?size=thumb") for source in sources)


async def test_a_state_narrows_the_list(user, application, seller, product, open_page):
    submitted(application, seller, "Encore à classer", seed=6)
    await open_page(seller, "/products")
    await user.should_see("En attente (1)")
    user.find(marker="state-waiting").click()
    await no_longer_sees(user, "Piscine ronde")
    await user.should_see("Encore à classer")
    user.find(marker="state-all").click()
    await sees(user, "Piscine ronde")


@pytest.mark.parametrize("sought", ["échelles", "ronde", "the number"])
async def test_a_product_is_found_by_its_words_and_its_number(user, application, seller, product, open_page, sought):
    submitted(application, seller, "Livre ancien", seed=6)
    await open_page(seller, "/products")
    await user.should_see("Livre ancien")
    user.find("Rechercher un titre").type(str(product.id) if sought == "the number" else sought)
    await no_longer_sees(user, "Livre ancien")
    await user.should_see("Piscine ronde")


async def test_nothing_found_says_so_and_offers_to_remove_the_filters(user, seller, product, open_page):
    await open_page(seller, "/products")
    user.find("Rechercher un titre").type("introuvablement")
    await sees(user, "Aucun produit ne correspond")
    await user.should_see("Retirer les filtres")


async def test_a_category_narrows_the_list(user, seller, product, open_page):
    await open_page(seller, "/products")
    choose(user, GARDEN)
    await sees(user, "Aucun produit ne correspond")
    choose(user, POOL)
    await sees(user, "Piscine ronde")


async def test_the_address_keeps_the_filters(user, seller, product, open_page):
    await open_page(seller, f"/products?q=piscine&state=proposed&category={POOL}")
    await user.should_see("Piscine ronde")
    await user.open("/products?q=autrement&state=nonsense&category=%27")
    await user.should_see("Aucun produit ne correspond")


async def test_a_long_list_is_turned_page_by_page(user, application, seller, open_page):
    for number in range(27):
        submitted(application, seller, f"Produit {number:02}")
    await open_page(seller, "/products")
    await user.should_see("Produit 26")
    await user.should_not_see("Produit 01")
    user.find("Suivants").click()
    await sees(user, "Produit 01")
    await user.should_not_see("Produit 26")
    user.find("Précédents").click()
    await sees(user, "Produit 26")


async def test_the_list_follows_what_happens_without_reloading(user, application, store, seller, open_page):
    await open_page(seller, "/products")
    page = user.client
    product = submitted(application, seller, "Arrivé pendant ce temps")
    await sees(user, "Arrivé pendant ce temps")
    await user.should_see("En attente (1)")
    await classify(store, product.id)
    await sees(user, "Proposé (1)")
    await user.should_see(POOL_NAME)
    assert user.client is page


async def test_the_page_of_a_product_shows_everything_about_it(user, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}")
    for text in ("Piscine ronde", "Avec <b>échelle</b>", "REF-7", POOL_NAME, GARDEN_NAME, "Proposé", MODEL, "0,12"):
        await user.should_see(text)


async def test_another_sellers_product_is_not_found(user, other_seller, product, open_page):
    await open_page(other_seller, f"/products/{product.id}")
    assert user.status == 404
    await user.should_see("introuvable.")
    await user.should_not_see("Piscine ronde")
    await user.open("/products")
    await user.should_not_see("Piscine ronde")


@pytest.mark.parametrize("id", ["0", "99999999999999999999999", "abc", "-1", "1'"])
async def test_what_is_no_product_is_not_found(user, seller, open_page, id):
    await open_page(seller, f"/products/{id}")
    assert user.status == 404
    await user.should_see("introuvable.")


async def test_the_history_says_who_when_before_after_and_why(user, store, seller, admin, product, open_page):
    store.products.decide(seller.actor, product.id, GARDEN)
    store.reviews.change_category(admin.actor, product.id, BOOK, "Lu le résumé")
    await open_page(seller, f"/products/{product.id}")
    for text in (
        f"{seller.actor.name} (vendeur) choisit «\u00a0{GARDEN_NAME}\u00a0»",
        f"{admin.actor.name} (administrateur) change la catégorie en «\u00a0{BOOK_NAME}\u00a0»",
        f"Avant\u00a0: {GARDEN_NAME}",
        "Lu le résumé",
    ):
        await user.should_see(text)


async def test_an_edited_product_is_classified_anew_and_keeps_its_history(user, store, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}")
    user.find("Modifier").click()
    await sees(user, "Modifier le produit")
    user.find("Titre").clear().type("Salon de jardin")
    await upload(user, photo(9))
    await eventually(lambda: user.find(marker="preview").elements.pop().props["src"].startswith("data:"))
    user.find("Enregistrer").click()
    await sees(user, "En attente")
    edited = store.products.get(seller.actor, product.id)
    assert (edited.designation, edited.revision) == ("Salon de jardin", 2)
    assert edited.image != product.image
    assert edited.reference == "REF-7"
    await classify(store, product.id, predicted(GARDEN))
    await sees(user, f"Le modèle propose «\u00a0{GARDEN_NAME}")
    await user.should_see(f"Le modèle propose «\u00a0{POOL_NAME}")


async def test_what_changed_meanwhile_is_not_overwritten_unseen(user, store, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}?edit=1")
    now = store.products.get(seller.actor, product.id)
    store.products.edit(seller.actor, product.id, Draft("Écrit ailleurs", "", now.image), now.revision)
    user.find("Titre").clear().type("Écrit ici")
    user.find("Enregistrer").click()
    await sees(user, "Ce produit a changé entre-temps")
    await user.should_see("Écrit ailleurs")
    assert user.find("Titre").elements.pop().value == "Écrit ici"
    assert store.products.get(seller.actor, product.id).designation == "Écrit ailleurs"

    user.find("Enregistrer").click()
    await eventually(lambda: store.products.get(seller.actor, product.id).designation == "Écrit ici")


async def test_an_edit_without_a_title_is_refused_in_place(user, store, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}?edit=1")
    user.find("Titre").clear()
    user.find("Enregistrer").click()
    await eventually(lambda: user.find("Titre").elements.pop().error == "Le titre est obligatoire.")
    assert store.products.get(seller.actor, product.id).revision == 1


async def test_a_rejected_product_shows_the_reason_and_can_be_sent_again(
    user, store, seller, admin, product, open_page
):
    await open_page(seller, f"/products/{product.id}")
    store.reviews.reject(admin.actor, product.id, "La photo est floue")
    await sees(user, "Renvoyé par un administrateur")
    await user.should_see("La photo est floue")
    again = next(each for each in user.find(ui.button).elements if "envoyer de nouveau" in each.text)
    await user.open(again.props["href"])
    user.find("Enregistrer et envoyer de nouveau").click()
    await sees(user, "En attente")
    assert store.products.get(seller.actor, product.id).state == "waiting"


async def test_a_product_is_withdrawn_after_asking(user, store, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}")
    user.find("Retirer le produit").click()
    await sees(user, "Retirer ce produit")
    assert store.products.get(seller.actor, product.id).state == "proposed"
    user.find("Oui, le retirer").click()
    await sees(user, "Ce produit a été retiré de la vente")
    assert store.products.get(seller.actor, product.id).state == "withdrawn"
    await user.should_not_see("Modifier")
    await user.should_not_see("Confirmer")


async def test_what_an_administrator_does_is_seen_by_the_seller_at_once(user, store, seller, admin, product, open_page):
    await open_page(seller, f"/products/{product.id}")
    store.reviews.change_category(admin.actor, product.id, BOOK)
    await sees(user, f"change la catégorie en «\u00a0{BOOK_NAME}")
    await user.should_see("Accepté")


async def test_an_administrator_sees_the_product_and_none_of_the_sellers_buttons(
    user, seller, admin, product, open_page
):
    await open_page(admin, f"/products/{product.id}")
    await user.should_see(seller.actor.name)
    await user.should_see(POOL_NAME)
    for text in ("Confirmer", "Modifier", "Retirer le produit", "Envoyer la note"):
        await user.should_not_see(text)


@pytest.mark.parametrize("typed", [str(BOOK), BOOK_NAME, f"{BOOK_NAME} ({BOOK})", "livre occasion"])
async def test_an_administrator_changes_the_category_by_code_or_name(user, store, admin, product, open_page, typed):
    await open_page(admin, f"/products/{product.id}")
    user.find("Code ou nom de la nouvelle catégorie").type(typed)
    user.find("Raison (facultative)").type("Lu le résumé")
    user.find(kind=ui.button, content="Changer").click()
    await sees(user, f"La catégorie est maintenant «\u00a0{BOOK_NAME}")
    changed = store.products.get(admin.actor, product.id)
    assert (changed.category, changed.decided_by) == (BOOK, "admin")
    line = store.audit.page(admin.actor).items[0]
    assert (line.action, line.subject_id) == ("product_change", str(product.id))


@pytest.mark.parametrize("typed", ["9999", "Vaisselle", ""])
async def test_a_category_that_does_not_exist_is_answered_with_those_that_do(
    user, store, admin, product, open_page, typed
):
    await open_page(admin, f"/products/{product.id}")
    if typed:
        user.find("Code ou nom de la nouvelle catégorie").type(typed)
    user.find(kind=ui.button, content="Changer").click()
    await sees(user, f"La catégorie «\u00a0{typed}\u00a0» n’est pas autorisée")
    for category in CATEGORIES:
        await user.should_see(f"{category.fr} ({category.code})")
    assert store.products.get(admin.actor, product.id).category == POOL


async def test_a_seller_has_no_field_to_change_the_category_as_administrators_do(user, seller, product, open_page):
    await open_page(seller, f"/products/{product.id}")
    await user.should_not_see("Code ou nom de la nouvelle catégorie")
