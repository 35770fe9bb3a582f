"""A seller and the real prediction service."""

import asyncio

import pytest
from nicegui import ui

from rakuten_assets_tests.webapp.selling import fill_in, no_longer_sees, only_product, photo, sees, upload
from serving.client import Client
from webapp.worker import Worker


@pytest.fixture
def served(web_settings, service):  # noqa: F811
    web_settings.serving_url = service.url


async def test_a_product_is_classified_and_explained_and_nothing_is_stored(served, user, store, sign_in, seller):
    await sign_in(user, seller)
    await user.open("/try")
    user.find("Remplir un exemple").click()
    await upload(user, photo())
    await sees(user, marker="preview")
    user.find("Classer").click()
    await sees(user, marker="categories", seconds=20)
    await sees(user, marker="explanation", seconds=30)
    drawn = [each.content for each in user.find(ui.html).elements]
    assert any('class="why-for' in each for each in drawn)
    assert any("<svg" in each and "data:image/jpeg;base64," in each for each in drawn)
    assert not store.products.list(seller.actor).items


async def test_the_real_service_classifies_what_was_submitted_while_it_was_down(
    user,
    store,
    seller,
    sign_in,
    application,
    service,  # noqa: F811
):
    await sign_in(user, seller)
    await user.open("/submit")
    await fill_in(user, "Piscine ronde gonflable avec pompe de filtration")
    user.find("Envoyer").click()
    await sees(user, "Votre produit est bien enregistré")
    down = Worker(store, Client("http://127.0.0.1:9", timeout=1), application.root)
    await asyncio.to_thread(down.once)
    down.close()
    assert only_product(store, seller).state == "waiting"

    up = Worker(store, service.client, application.root)

    async def done():
        await asyncio.to_thread(up.once)
        return only_product(store, seller).state != "waiting"

    for _ in range(60):
        if await done():
            break
        await asyncio.sleep(0.1)
    up.close()
    await no_longer_sees(user, "Votre produit est bien enregistré")
    await user.should_see(marker="category")
    (prediction,), _ = store.products.history(seller.actor, only_product(store, seller).id)
    assert prediction.model_version == service.environment["RAKUTEN_SERVING_MODEL"]
