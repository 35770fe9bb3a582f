"""Fixtures of tests that speak HTTP alone: the API, pictures and the guard, without the pages, once for a module."""

import base64
from dataclasses import dataclass, field
from random import Random

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.store.records import Candidate, Predicted
from rakuten_assets_tests.webapp.conftest import ADDRESS

PICTURE = encode(draw_picture(Random(5), 2583))
ENCODED = base64.b64encode(PICTURE).decode()


def make_app(settings, store):
    """The web app without its pages."""
    from serving.client import Client
    from webapp import api, auth, pictures
    from webapp.app import Application
    from webapp.guard import Guard

    app = FastAPI(openapi_url=None)
    app.state.application = Application(settings, store, Client(settings.serving_url, timeout=10), live=None)
    app.include_router(api.router)
    app.include_router(pictures.router)
    app.add_middleware(Guard, cookie=auth.COOKIE)
    return app


@pytest.fixture(scope="module")
def serving_url():
    """Where the prediction service is; nowhere, unless a module says otherwise."""
    return "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def small_settings(database, serving_url, tmp_path_factory):
    from webapp.settings import WebSettings

    root = tmp_path_factory.mktemp("root")
    return WebSettings(database_url=database, data_root=str(root), serving_url=serving_url, _env_file=None)


@pytest.fixture(scope="module")
def small_web(small_settings, store):
    app = make_app(small_settings, store)
    yield app
    if settled := getattr(app.state, "settled", None):
        settled.close()


@pytest.fixture
def keeper(small_web):
    """What pages and routes stand on."""
    return small_web.state.application


@dataclass
class Program:
    """Somebody's program: it signs in once for each account, and speaks English."""

    http: httpx.AsyncClient
    tokens: dict = field(default_factory=dict)

    async def sign_in(self, account):
        answer = await self("POST", "/session", json={"email": account.email, "password": account.password})
        assert answer.status_code == 201, answer.text
        return answer.json()["token"]

    async def __call__(self, method, path, account=None, token=None, **options):
        if account is not None and account.email not in self.tokens:
            self.tokens[account.email] = await self.sign_in(account)
        token = token or (self.tokens[account.email] if account else None)
        headers = {"Accept-Language": "en", **options.pop("headers", {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        place = path if path.startswith("/pictures") else f"/api/v1{path}"
        return await self.http.request(method, place, headers=headers, **options)


@pytest_asyncio.fixture
async def program(small_web):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(small_web), base_url=ADDRESS) as client:
        yield Program(client)


@pytest.fixture
def submitted(program, seller):
    """A product of the seller's, as the API gives it."""

    async def submit(account=seller, **fields):
        body = {"designation": "Piscine ronde", "image": ENCODED} | fields
        answer = await program("POST", "/products", account, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return submit


@pytest.fixture
def classify(store):
    """Store what a worker would store."""

    def classify(product_id, *candidates, review=None):
        for job in store.outbox.take(1_000, kind="classify"):
            if job.subject_id == product_id:
                found = [Candidate(*each) for each in candidates or [(2583, 0.9), (1280, 0.05)]]
                store.outbox.classified(job, Predicted("0" * 16, found, "both", review, 0.1))

    return classify


async def refused(answer, status, code):
    """The sentence of a refusal."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["error"].endswith(".")
    assert body["request_id"] == answer.headers["x-request-id"]
    return body["error"]
