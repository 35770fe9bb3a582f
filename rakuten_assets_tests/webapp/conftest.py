"""A web app on a real database, people with accounts, and the browsers that they sit at.

- `store` is the store itself; `seller`, `other_seller` and `admin` are new accounts in each test (`.email`,
  `.password`, `.actor`), `make_account(role)` makes more.
- `web` is the running ASGI application, `application` what its pages stand on (settings, store, client, live).
- `user` is a browser of somebody who is not signed in yet, `new_user()` another one; `await sign_in(user, seller)` goes
  through the form. After `await user.open(path)`, `user.status` is the HTTP status of the page; `await user.click(…)`
  and `await user.type(text, marker=…)` wait for what they act on. `submit(user, action)` sends a form of HTML.
- `http` speaks HTTP alone, as a program does.
"""

import gc
import inspect
import itertools
import os
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from nicegui import Client, ui
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals

from rakuten_assets.store.records import SYSTEM, Actor
from rakuten_assets_tests.serving.conftest import champion as champion
from rakuten_assets_tests.serving.conftest import picture as picture
from rakuten_assets_tests.serving.conftest import service as service

ADDRESS = "http://test"
PASSWORD = "correct horse battery"
_NUMBERS = itertools.count(1)


@dataclass
class Account:
    """Somebody who can sign in."""

    email: str
    password: str
    actor: Actor

    @property
    def id(self):
        return self.actor.user_id


class Browser(User):
    """NiceGUI's simulated user, who also sees pages that come with an error's status."""

    status = 0

    async def should_see(self, target=None, *, retries=100, **by):
        """As NiceGUI's, with the patience of somebody at a slow machine: a hundred looks in ten seconds."""
        await super().should_see(target, retries=retries, **by)

    async def click(self, target=None, **by):
        """Click what is found, once it is there."""
        await self.should_see(target, **by)
        self.find(target, **by).click()

    async def type(self, text, **by):
        """Type into the field, once it is there."""
        await self.should_see(**by)
        self.find(**by).clear().type(text)


def pytest_pycollect_makeitem(obj):
    """Coroutine functions are tests, without a mark on each."""
    if inspect.iscoroutinefunction(obj):
        pytest.mark.asyncio(obj)


@pytest.fixture(scope="module", autouse=True)
def what_was_there_before():
    """NiceGUI collects garbage before and after each test: seconds, were all that was loaded before looked at again."""
    gc.freeze()
    yield
    gc.unfreeze()


def prepared(name, settings):
    """URL of the application's own role in a database of this name, made where it is missing."""
    from rakuten_assets.postgres import database_url
    from rakuten_assets.store.database import prepare

    return prepare(database_url(name, settings))


def opened(database):
    """The store in a database, for a fixture to hand out and to close."""
    from rakuten_assets.store.store import Store

    store = Store(database)
    yield store
    store.close()


@pytest.fixture(scope="session")
def database(settings):
    return prepared("rakuten_web_tests", settings)


@pytest.fixture(scope="session")
def store(database):
    yield from opened(database)


@pytest.fixture
def make_account(store):
    def make(role="seller", name=None):
        number = next(_NUMBERS)
        email = f"{role}{number}@example.org"
        created = store.accounts.create(SYSTEM, email, name or f"{role.title()} {number}", PASSWORD, role)
        return Account(email, PASSWORD, Actor(created.id, email, created.name, role))

    return make


@pytest.fixture
def seller(make_account):
    return make_account("seller")


@pytest.fixture
def other_seller(make_account):
    return make_account("seller")


@pytest.fixture
def admin(make_account):
    return make_account("admin")


@pytest.fixture
def web_settings(database, tmp_path):
    """Settings of a web app whose prediction service is down; a test may change a field before it asks for `web`."""
    from webapp.settings import WebSettings

    return WebSettings(
        database_url=database, data_root=str(tmp_path / "data"), serving_url="http://127.0.0.1:9", _env_file=None
    )


@pytest_asyncio.fixture
async def web(web_settings, monkeypatch):
    """The running web app, with its pages, its API and its guard."""
    monkeypatch.setenv("NICEGUI_USER_SIMULATION", "true")
    was = ui.navigate, ui.notify, ui.download
    with nicegui_reset_globals():
        from webapp.main import create_app

        app = create_app(web_settings)
        async with app.router.lifespan_context(app):
            yield app
        # Else the modules of the pages would be forgotten, and be others in the next test.
        Client.page_routes.clear()
    ui.navigate, ui.notify, ui.download = was


@pytest.fixture
def application(web):
    return web.state.application


@pytest_asyncio.fixture
async def http(web):
    """A program: no cookies, no page, no origin."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url=ADDRESS) as client:
        yield client


@pytest_asyncio.fixture
async def new_user(web, caplog):
    """Open another browser; a test whose pages log errors fails, unless it clears `caplog`."""
    clients = []

    def open_browser():
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(web), base_url=ADDRESS, headers={"Sec-Fetch-Site": "same-origin"}
        )
        clients.append(client)
        browser = Browser(client)

        async def look(response):
            # NiceGUI's user takes nothing but a 200 for a page; people see error pages as well.
            browser.status = response.status_code
            if response.headers.get("X-Nicegui-Content") == "page":
                response.status_code = 200

        client.event_hooks["response"].append(look)
        return browser

    yield open_browser
    for client in clients:
        await client.aclose()
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"]
    assert errors == []


@pytest.fixture
def user(new_user):
    return new_user()


@pytest.fixture
def sign_in():
    """Go through the sign-in form, and to the page that it leads to; `to` is the page that was asked for before."""

    async def sign_in(user, account, password=None, to="/sign-in"):
        await user.open(to)
        await user.type(account.email, marker="email")
        await user.type(password or account.password, marker="password")
        return await submit(user, "/sign-in")

    return sign_in


async def submit(user, action, fields=None):
    """Send the page's HTML form as a browser does, and open the page that the answer leads to."""
    with user:
        inputs = [element for element in user.client.elements.values() if element.props.get("name")]
        forms = [element for element in user.client.elements.values() if element.props.get("action") == action]
    assert forms, f"There is no form that goes to {action}"
    inside = {element.id for element in forms[0].descendants()}
    values = {each.props["name"]: _value(each) for each in inputs if each.id in inside}
    answer = await user.http_client.post(action, data=values | (fields or {}))
    assert answer.status_code == 303, answer.text
    await user.open(answer.headers["location"])
    return answer


def _value(element):
    value = getattr(element, "value", None)
    return element.props.get("value", "") if value is None else value


os.environ.setdefault("NICEGUI_STORAGE_PATH", os.environ.get("RAKUTEN_STATE_DIR", ".") + "/nicegui")
