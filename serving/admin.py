"""The routes that change which models answer; each needs the admin token."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from serving import operations, schemas
from serving.app import ERRORS, live
from serving.documentation import body
from serving.errors import Refused
from serving.reading import read_json

BEARER = HTTPBearer(auto_error=False, description="The content of the service's token file.")


def authorised(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
    """Raise `Refused` unless the request carries the admin token."""
    token = live(request).settings.token
    if token is None:
        raise Refused(403, "no_admin", "This service has no admin token, and so no admin routes.")
    if given is None:
        raise Refused(401, "no_token", "Send the header `Authorization: Bearer TOKEN`.")
    if not hmac.compare_digest(given.credentials.encode(), token.encode()):
        raise Refused(403, "wrong_token", "This is not the admin token.")


REFUSALS = ERRORS | {
    status: {"model": schemas.Error, "description": text}
    for status, text in {
        401: "No token",
        403: "Wrong token",
        404: "No such version",
        409: "It cannot be trusted, or another change is under way; what answered before goes on",
    }.items()
}

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(authorised)], responses=REFUSALS)

EXAMPLE = {"version": "0123456789abcdef"}


@router.get("/deployment")
async def deployment(request: Request) -> schemas.DeploymentReport:
    """Which models are to answer, and what each worker has made of it."""
    return operations.report(live(request))


@router.post("/champion", openapi_extra=body(schemas.VersionIn, EXAMPLE))
async def champion(request: Request) -> schemas.DeploymentReport:
    """Let another version answer: loaded beside, checked, exchanged in every worker without a pause."""
    asked = await read_json(request, schemas.VersionIn)
    return await operations.deploy(live(request), asked.version)


@router.post("/challenger", openapi_extra=body(schemas.ChallengerIn, EXAMPLE | {"mode": "canary", "share": 0.1}))
async def challenger(request: Request) -> schemas.DeploymentReport:
    """Let a version run beside the champion: `shadow` answers nobody, `canary` answers its share."""
    asked = await read_json(request, schemas.ChallengerIn)
    return await operations.challenge(live(request), schemas.Challenger(**asked.model_dump()))


@router.delete("/challenger")
async def no_challenger(request: Request) -> schemas.DeploymentReport:
    """End the challenger."""
    return await operations.challenge(live(request), None)


@router.post("/rollback")
async def rollback(request: Request) -> schemas.DeploymentReport:
    """Let the model answer that answered before."""
    return await operations.rollback(live(request))
