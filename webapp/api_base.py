"""What all routes of the API share: who asks, in which language, and how a refusal looks."""

import logging
import re
import traceback
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from rakuten_assets.store.audit import REQUEST
from rakuten_assets.store.base import BIGGEST
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor
from webapp import texts
from webapp.app import Application

log = logging.getLogger(__name__)

STATUS = {"unauthenticated": 401, "forbidden": 403, "not_found": 404, "conflict": 409, "invalid": 422, "too_many": 429}
HTTP_CODES = {404: "no_such_route", 405: "method_not_allowed", 413: "too_large", 415: "media_type"}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 413: {"Connection": "close"}, 429: {"Retry-After": "1"}}
HEADERS[503] = {"Retry-After": "5"}

LANGUAGE_RANGE = re.compile(r"\b(fr|en)\b[^,;]*(?:;\s*q=([01](?:\.\d{1,3})?))?", re.IGNORECASE)


class Error(BaseModel):
    """Every refusal: a sentence for people, a word for programs, and the request that it answers."""

    error: str
    code: str
    request_id: str


class Body(BaseModel):
    """A request's body; a field that is not known is a typing error that the caller should hear of."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Unavailable(Exception):
    """What the answer needs is down; `code` names the sentence."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def storable(text: str) -> str:
    """The text; ValueError where PostgreSQL cannot hold it."""
    if "\0" in text:
        raise ValueError("holds a NUL character")
    # Half of a surrogate pair, which JSON can smuggle in, fails here: UnicodeEncodeError is a ValueError.
    text.encode()
    return text


Text = Annotated[str, AfterValidator(storable)]
Id = Annotated[int, Path(ge=1, le=BIGGEST, examples=[1])]
Cursor = Annotated[str | None, Query(description="`next` or `previous` of another page.", max_length=200)]
Size = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Code = Annotated[int, Field(ge=0, le=2**31 - 1, description="prdtypecode, as in /categories", examples=[2583])]

_bearer = HTTPBearer(auto_error=False, description="The token that `POST /session` gave.")


def application(request: Request) -> Application:
    found: Application = request.state.application
    return found


App = Annotated[Application, Depends(application)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def token(credentials: Credentials) -> str:
    """The bearer token; a cookie counts for nothing here, so no other site can make a browser use the API."""
    if credentials is None or not credentials.credentials:
        raise Refused("unauthenticated", "no_token")
    return credentials.credentials


Token = Annotated[str, Depends(token)]


def signed_in(request: Request, app: App, token: Token) -> Actor:
    """Who asks, as they are now: a blocked account or an ended session is nobody."""
    actor = app.store.accounts.actor(token)
    if actor is None:
        raise Refused("unauthenticated", "session_over")
    request.state.actor = actor
    return actor


Asker = Annotated[Actor, Depends(signed_in)]


def language(request: Request) -> str:
    """What `Accept-Language` likes best of French and English, else the account's language, else French."""
    found = LANGUAGE_RANGE.findall(request.headers.get("accept-language", "")[:200])
    if found:
        return str(max(found, key=lambda each: float(each[1] or 1))[0].lower())
    actor = getattr(request.state, "actor", None)
    return str(actor.language) if actor else "fr"


def spoken(request: Request, asker: Asker) -> str:
    """The language, once it is known who asks."""
    return language(request)


Language = Annotated[str, Depends(spoken)]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for its documentation: all routes of people who are signed in have some."""
    said = {
        400: "Neither JSON nor a form that can be read",
        401: "No token, or one that has ended",
        403: "Not for this role",
        404: "Not found, or somebody else's",
        409: "Not in this state",
        413: "Too large",
        415: "Neither JSON nor a form",
        422: "It cannot be taken; the sentence says why",
        429: "Too much at once",
        503: "What it needs is down",
    }
    return {status: {"model": Error, "description": said[status]} for status in sorted({401, 403, 422, 503, *statuses})}


def handle_errors(api: FastAPI) -> None:
    """Every refusal and failure as an `Error`."""
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, handler)


def _refused(request: Request, error: Any) -> JSONResponse:
    return answer(request, STATUS[error.kind], error.code, texts.said(error, language(request)))


def _unavailable(request: Request, error: Any) -> JSONResponse:
    return answer(request, 503, error.code, _t(request, f"error.{error.code}"))


def _invalid(request: Request, error: Any) -> JSONResponse:
    """The first thing that is wrong with a request."""
    first = error.errors()[0]
    kind = str(first["type"])
    if kind == "json_invalid":
        return answer(request, 400, "not_json", _t(request, "error.not_json"))
    where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    key = f"api.{kind}" if f"api.{kind}" in texts.texts() else "api.invalid"
    return answer(request, 422, "invalid", _t(request, key, field=ascii(where)[1:-1][:100], kind=kind))


def _http(request: Request, error: Any) -> JSONResponse:
    code = HTTP_CODES.get(error.status_code, "bad_request")
    response = answer(request, error.status_code, code, _t(request, f"error.{code}"))
    response.headers.update(error.headers or {})
    return response


def _failed(request: Request, error: Exception) -> JSONResponse:
    """The log has where it failed, and nothing of what was sent."""
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    log.error("request %s failed: %s\n%s", REQUEST.get(), type(error).__name__, where)
    if not application(request).store.reachable():
        return answer(request, 503, "database_down", _t(request, "error.database_down"))
    return answer(request, 500, "failed", _t(request, "error.failed"))


_HANDLERS: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    Refused: _refused,
    Unavailable: _unavailable,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _failed,
}


def answer(request: Request, status: int, code: str, sentence: str) -> JSONResponse:
    content = {"error": sentence, "code": code, "request_id": REQUEST.get()}
    return JSONResponse(content, status, HEADERS.get(status))


def _t(request: Request, key: str, **params: Any) -> str:
    return texts.t(key, language(request), **params)
