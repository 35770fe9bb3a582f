"""Drift reports for administrators: a page of charts from object storage, which may do nothing but draw."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor
from webapp.auth import application, signed_in_as

# Its own scripts draw the charts; sandboxed, they reach neither this origin's cookies nor any other place.
POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)

router = APIRouter(include_in_schema=False)


@router.get("/drift/{id}/{part}")
def drift_report(
    request: Request,
    id: int,
    part: Literal["features", "answers"],
    actor: Annotated[Actor, Depends(signed_in_as("admin"))],
) -> Response:
    """What was compared in a report, as it was drawn up; `answers` is there where people had decided on enough."""
    app = application(request)
    try:
        data = (app.root / app.store.drift.get(actor, id).page / f"{part}.html").read_bytes()
    except (Refused, FileNotFoundError) as error:
        raise HTTPException(404, "There is no such drift report.") from error
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "private, max-age=3600",
        # A sandboxed page has an origin of its own, which browsers do not open beside a stricter policy.
        "Cross-Origin-Opener-Policy": "unsafe-none",
    }
    return HTMLResponse(data, headers=headers)
