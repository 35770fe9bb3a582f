"""Routes of the API: sign-in, one's own account, and the accounts of others."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from rakuten_assets.store.errors import Refused
from webapp import api_models as models
from webapp import metrics
from webapp.api_base import App, Asker, Body, Cursor, Id, Size, Text, Token, errors

router = APIRouter()
session = APIRouter(tags=["session"])
users = APIRouter(prefix="/users", tags=["users"])


class Credentials(Body):
    """An e-mail and its password. `device` is what the list of sessions calls this one."""

    email: Text = Field(max_length=320, examples=["vendeuse@example.org"])
    password: Text = Field(max_length=1_000, examples=["a long password"])
    device: Text = Field("", max_length=200, examples=["stock program"])


class NewPassword(Body):
    old: Text = Field(max_length=1_000, examples=["a long password"])
    new: Text = Field(max_length=1_000, examples=["a longer password"])


class NewUser(Body):
    email: Text = Field(max_length=320, examples=["vendeur@example.org"])
    name: Text = Field("", max_length=100, examples=["Vendeur"])
    password: Text = Field(max_length=1_000, examples=["a long password"])
    role: Literal["seller", "admin"] = "seller"


class Blocking(Body):
    reason: Text = Field(max_length=500, examples=["Annonces frauduleuses"])


@session.post("/session", status_code=201, responses=errors())
def sign_in(body: Credentials, request: Request, app: App) -> models.SignedIn:
    """Sign in: the answer's token goes with everything else.

    Wrong credentials and unknown accounts get the same answer; after five failures an account waits for 15 minutes.
    """
    hours = app.settings.session_hours
    device = body.device or request.headers.get("user-agent", "")[:200]
    try:
        token, actor = app.store.accounts.sign_in(body.email, body.password, "api", device, hours)
    except Refused:
        metrics.SIGN_INS.labels("api", "refused").inc()
        raise
    metrics.SIGN_INS.labels("api", "ok").inc()
    request.state.actor = actor
    return models.SignedIn(token=token, hours=hours, me=models.Me.of(actor))


@session.delete("/session", status_code=204, responses=errors())
def sign_out(app: App, token: Token, asker: Asker) -> Response:
    """End this session."""
    app.store.accounts.sign_out(token)
    return Response(status_code=204)


@session.delete("/sessions", responses=errors())
def sign_out_everywhere(
    app: App, asker: Asker, keep_this: Annotated[bool, Query(description="All but this one.")] = False
) -> models.Ended:
    """End all sessions of this account, in browsers too."""
    return models.Ended(sessions=app.store.accounts.sign_out_everywhere(asker, keep_this))


@session.get("/me", responses=errors())
def me(asker: Asker) -> models.Me:
    """Whose token it is."""
    return models.Me.of(asker)


@session.put("/me/password", status_code=204, responses=errors())
def change_password(body: NewPassword, app: App, asker: Asker) -> Response:
    """Another password; all other sessions end."""
    app.store.accounts.change_password(asker, body.old, body.new)
    return Response(status_code=204)


@users.get("", responses=errors())
def list_users(
    app: App,
    asker: Asker,
    text: Annotated[Text, Query(description="Part of the e-mail or the name.", max_length=200)] = "",
    cursor: Cursor = None,
    size: Size = 25,
) -> models.Paged[models.User]:
    """Accounts, the newest first (administrators)."""
    page = app.store.accounts.users(asker, text, cursor, size)
    return models.Paged[models.User].of(page, models.User.model_validate)


@users.post("", status_code=201, responses=errors(409))
def create_user(body: NewUser, app: App, asker: Asker) -> models.User:
    """A new account (administrators)."""
    user = app.store.accounts.create(asker, body.email, body.name, body.password, body.role)
    return models.User.model_validate(user)


@users.post("/{id}/block", status_code=204, responses=errors(404, 409))
def block_user(id: Id, body: Blocking, app: App, asker: Asker) -> Response:
    """Let nobody in with this account, and end its sessions at once (administrators)."""
    app.store.accounts.block(asker, id, body.reason)
    return Response(status_code=204)


@users.post("/{id}/unblock", status_code=204, responses=errors(404, 409))
def unblock_user(id: Id, app: App, asker: Asker) -> Response:
    """Let the account in again; a lockout ends as well (administrators)."""
    app.store.accounts.unblock(asker, id)
    return Response(status_code=204)


router.include_router(session)
router.include_router(users)
