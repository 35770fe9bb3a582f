"""What every page can rely on."""

import time

import pytest
from nicegui import ui

from rakuten_assets.store.errors import Refused
from webapp import auth, main, theme

SECRET = "what a seller wrote"


@pytest.fixture
def wanted(monkeypatch):
    """Pages of the test's own, beside the web app's."""
    list(main._modules())
    monkeypatch.setattr(auth, "PAGES", auth.PAGES[:])

    def add(path, build, access="public"):
        auth.PAGES.append(auth.PageOf(path, build, access))

    return add


@pytest.fixture
def broken(wanted):
    def build(visit):
        with theme.frame(visit, "account.title"):
            ui.label("half a page")
            raise ValueError(SECRET)

    wanted("/broken", build)


async def test_a_page_that_fails_says_so_and_logs_where_without_what_was_written(broken, user, caplog):
    await user.open("/broken")
    assert user.status == 500
    await user.should_see("Une erreur est survenue")
    await user.should_not_see("half a page")
    assert len(user.find(ui.header).elements) == 1
    assert "ValueError" in caplog.text
    assert "test_visit.py" in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()


@pytest.fixture
def fragile(wanted):
    def build(visit):
        def fail():
            raise ValueError(SECRET)

        async def refuse():
            raise Refused("invalid", "reason_needed")

        with theme.frame(visit, "account.title"):
            ui.button("fail", on_click=fail)
            ui.button("refuse", on_click=refuse)

    wanted("/fragile", build)


async def test_a_handler_that_fails_says_so_and_logs_where_without_what_was_written(fragile, user, caplog):
    await user.open("/fragile")
    await user.click("fail")
    await user.should_see("Une erreur est survenue. Réessayez dans un instant.")
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text
    caplog.clear()


async def test_a_refusal_that_no_handler_took_is_said(fragile, user):
    await user.open("/fragile")
    await user.click("refuse")
    await user.should_see("Indiquez un motif.")


@pytest.fixture
def slow(wanted):
    def build(visit):
        async def work(seconds):
            visit.tell("account.password.done") if await visit.do(lambda actor: time.sleep(seconds)) else None

        with theme.frame(visit, "account.title"):
            ui.button("long", on_click=lambda: work(1.5))
            ui.button("short", on_click=lambda: work(0))

    wanted("/slow", build, "anybody")


async def test_what_takes_long_shows_that_it_is_under_way(slow, user, sign_in, seller):
    await sign_in(user, seller, to="/slow")
    await user.should_not_see(marker="busy")
    await user.click("long")
    await user.should_see(marker="busy")
    await user.should_see("Le mot de passe a été changé.")
    await user.should_not_see(marker="busy", retries=100)


async def test_one_persons_long_work_keeps_nobody_waiting(slow, new_user, sign_in, seller, other_seller):
    one, other = new_user(), new_user()
    await sign_in(one, seller, to="/slow")
    await sign_in(other, other_seller, to="/slow")
    await one.click("long")
    began = time.monotonic()
    await other.open("/account")
    assert time.monotonic() - began < 1.5


@pytest.fixture
def with_parameters(wanted):
    async def build(visit, id: int, q: str = ""):
        with theme.frame(visit, "account.title"):
            ui.label(f"{id + 1} {q}")

    wanted("/thing/{id}", build)


async def test_a_pages_parameters_come_from_its_address(with_parameters, user):
    await user.open("/thing/41?q=pool")
    await user.should_see("42 pool")
