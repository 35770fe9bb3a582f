"""The REST API of the web app, `/api/v1`: the same verbs as the pages, for programs."""

import logging

from fastapi import APIRouter, FastAPI
from starlette.types import Receive, Scope, Send

from webapp import api_accounts, api_imports, api_insight, api_products, api_reviews
from webapp.api_base import handle_errors
from webapp.settled import Settled

log = logging.getLogger(__name__)

DESCRIPTION = """Submit products and see their categories; review them; see who did what.

`POST /session` gives a token; send it as `Authorization: Bearer TOKEN`. Every refusal is a sentence, in French or in
English as `Accept-Language` says, with a word for programs and the request's id. Lists are read page by page: `next`
and `previous` of an answer are the `cursor` of the next question."""

TAGS = [
    {"name": "session", "description": "Sign in, sign out, one's own account."},
    {"name": "products", "description": "Submit products, follow them, decide on their category."},
    {"name": "predictions", "description": "Categories, and answers that nobody stores."},
    {"name": "imports", "description": "Many products at once, from a CSV and a ZIP."},
    {"name": "review", "description": "For administrators: judge what the model is not sure of."},
    {"name": "model", "description": "For administrators: models, their quality, retrainings."},
    {"name": "audit", "description": "For administrators: who did what, when."},
    {"name": "users", "description": "For administrators: accounts."},
]

api = FastAPI(
    title="Rakuten Catégories",
    version="1",
    description=DESCRIPTION,
    openapi_tags=TAGS,
    docs_url=None,
    redoc_url=None,
    servers=[{"url": "/api/v1"}],
    root_path_in_servers=False,
)
for _part in (api_accounts, api_products, api_imports, api_reviews, api_insight):
    api.include_router(_part.router)
handle_errors(api)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """The API as a part of the web app, whose `Application` its routes stand on."""
    shared = scope["app"].state
    if not hasattr(shared, "settled"):
        shared.settled = Settled(shared.application.store)
    own = {"application": shared.application, "settled": shared.settled}
    inner = {**scope, "state": {**scope.get("state", {}), **own}}
    try:
        await api(inner, receive, send)
    finally:
        # For whoever counts requests by their route.
        scope["route"] = inner.get("route")


router = APIRouter()
router.mount("/api/v1", serve)
