"""The web app, put together: the REST API, the pages, the guard in front of both."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import ModuleType

from fastapi import APIRouter, FastAPI, Request
from nicegui import ui
from starlette.responses import PlainTextResponse, Response

from rakuten_assets import telemetry
from webapp import auth, pages
from webapp.app import Application
from webapp.failures import keep_discreet
from webapp.guard import Guard
from webapp.settings import WebSettings

# How long a browser may be gone, as a telephone is in a tunnel, and find its page as it was.
RECONNECT_SECONDS = 30.0

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f5a63"/>'
    '<path d="M8 9h10l6 7-6 7H8z" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round"/>'
    '<circle cx="13" cy="16" r="2" fill="#fff"/></svg>'
)


def create_app(settings: WebSettings) -> FastAPI:
    """The web app as an ASGI application; `app.state.application` is what its pages and routes stand on."""
    keep_discreet("nicegui", "uvicorn.error")
    application = Application.of(settings)
    app = FastAPI(title="Rakuten Catégories", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.application = application
    app.include_router(health)
    for module in _modules():
        for router in _routers(module):
            app.include_router(router)
    auth.register_pages(application)
    ui.run_with(
        app,
        title="Rakuten Catégories",
        favicon=FAVICON,
        dark=None,
        reconnect_timeout=RECONNECT_SECONDS,
        show_welcome_message=False,
    )
    app.add_middleware(Guard, cookie=auth.COOKIE, https=settings.secure_cookies)
    return app


health = APIRouter(include_in_schema=False)


@health.get("/healthz")
def healthz() -> Response:
    """The process lives."""
    return PlainTextResponse("ok")


@health.get("/readyz")
def readyz(request: Request) -> Response:
    """The database answers."""
    if request.app.state.application.store.reachable():
        return PlainTextResponse("ok")
    return PlainTextResponse("the database does not answer", 503)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    application: Application = app.state.application
    application.live.start()
    try:
        yield
    finally:
        application.close()
        telemetry.stop()


def _modules() -> Iterator[ModuleType]:
    """What brings routes and pages: the API, pictures, reports, and every module of `webapp/pages`."""
    for name in ("api", "pictures", "drift_reports", "model_cards"):
        yield importlib.import_module(f"webapp.{name}")
    for module in pkgutil.iter_modules(pages.__path__):
        yield importlib.import_module(f"{pages.__name__}.{module.name}")


def _routers(module: ModuleType) -> Iterator[APIRouter]:
    router = getattr(module, "router", None)
    if isinstance(router, APIRouter):
        yield router
