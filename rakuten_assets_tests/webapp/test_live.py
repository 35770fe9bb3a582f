"""Changes in the database reach the pages that are open."""

import asyncio

import pytest
from nicegui import ui

from rakuten_assets.store.changes import Change
from webapp.live import Live


class Told:
    """The store's side: a change is told by the test."""

    def __init__(self):
        self.changes, self.stopped = self, False

    def listen(self, on_change):
        self.tell = on_change

        def stop():
            self.stopped = True

        return stop


@pytest.fixture
def told():
    return Told()


async def test_a_page_hears_of_what_it_watches_and_of_nothing_else(user, told):
    live, heard = _started(told), {"product": [], "seller": [], "all": []}
    await user.open("/sign-in")
    with user:
        live.watch(heard["product"].append, product_id=1)
        live.watch(heard["seller"].append, seller_id=7)
        live.watch(heard["all"].append)
    mine, others = Change("product", product_id=1, seller_id=7), Change("product", product_id=2, seller_id=8)
    own_import = Change("import", seller_id=7)
    for change in (mine, others, own_import):
        await _tell(told, change)
    assert heard == {"product": [mine], "seller": [mine, own_import], "all": [mine, others, own_import]}


async def test_after_a_lost_connection_every_page_looks_again(user, told):
    live, heard = _started(told), []
    await user.open("/sign-in")
    with user:
        live.watch(heard.append, product_id=1)
    await _tell(told, Change("reconnected"))
    assert heard == [Change("reconnected")]


async def test_what_a_change_shows_appears_on_the_page(user, told):
    live = _started(told)
    await user.open("/sign-in")

    async def show(change):
        await asyncio.sleep(0)
        ui.label(f"Produit {change.product_id} classé")

    with user:
        live.watch(show, product_id=1)
    await _tell(told, Change("product", product_id=1))
    await user.should_see("Produit 1 classé")


async def test_a_page_that_is_gone_is_told_no_more(user, told):
    live, heard = _started(told), []
    client = await user.open("/sign-in")
    with user:
        live.watch(heard.append)
    client.delete()
    await _tell(told, Change("product", product_id=1))
    assert heard == []
    assert live.watching == 0


async def test_one_pages_mistake_keeps_nothing_from_the_others(user, told, caplog):
    live, heard = _started(told), []
    await user.open("/sign-in")

    def mistaken(change):
        raise ValueError("not mine")

    with user:
        live.watch(mistaken)
        live.watch(heard.append)
    await _tell(told, Change("product", product_id=1))
    assert len(heard) == 1
    assert "ValueError" in caplog.text
    caplog.clear()


async def test_the_database_itself_tells_the_page(user, sign_in, application, store, seller):
    from rakuten_assets.store.records import Draft

    store.products.add_image("a" * 64, 10, 10, 100)
    await sign_in(user, seller, to="/account")
    with user:
        application.live.watch(lambda change: ui.label(f"Nouveau : {change.kind}"), seller_id=seller.id)
    await user.should_not_see("Nouveau : product")
    store.products.submit(seller.actor, Draft("Piscine ronde", image="a" * 64), "a-key")
    await user.should_see("Nouveau : product")


def _started(told):
    live = Live(told)
    live.start()
    return live


async def _tell(told, change):
    """From a thread, as the store does."""
    await asyncio.to_thread(told.tell, change)
    await asyncio.sleep(0.05)
