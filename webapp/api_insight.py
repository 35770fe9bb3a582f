"""Routes of the API: the audit log, models, quality, retrainings and the marketplace's numbers."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field

from rakuten_assets.store.records import AuditFilter, AuditLine
from webapp import api_models as models
from webapp.api_base import App, Asker, Body, Cursor, Size, Text, errors

router = APIRouter()
audit = APIRouter(prefix="/audit", tags=["audit"])
insight = APIRouter(tags=["model"])

COLUMNS = ("id", "at", "actor", "action", "subject", "subject_id", "detail", "request_id")

# What spreadsheets take for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RetrainingIn(Body):
    reason: Text = Field(examples=["Nouvelle collection de jouets"])


def chosen(
    actor: Annotated[Text, Query(description="Part of the e-mail.", max_length=200)] = "",
    action: Annotated[Text, Query(max_length=100)] = "",
    subject: Annotated[Text, Query(description="product, user, …", max_length=100)] = "",
    subject_id: Annotated[Text, Query(max_length=100)] = "",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> AuditFilter:
    """Which lines."""
    return AuditFilter(actor, action, subject, subject_id, since, until)


Filter = Annotated[AuditFilter, Depends(chosen)]


@audit.get("", responses=errors())
def page(
    app: App, asker: Asker, filter: Filter, cursor: Cursor = None, size: Size = 50
) -> models.Paged[models.AuditLine]:
    """Who did what, when: the newest first (administrators)."""
    found = app.store.audit.page(asker, filter, cursor, size)
    return models.Paged[models.AuditLine].of(found, models.AuditLine.model_validate)


@audit.get(
    ".csv",
    response_class=StreamingResponse,
    responses={**errors(), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The lines."}},
)
def export(app: App, asker: Asker, filter: Filter) -> StreamingResponse:
    """The same as a CSV, however many lines there are (administrators)."""
    lines = table(app.store.audit.export(asker, filter))
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def table(lines: Iterable[AuditLine]) -> Iterator[str]:
    """Lines of the audit log as lines of a CSV; no cell of it is a formula."""
    yield _row(COLUMNS)
    for line in lines:
        values = vars(line) | {"at": line.at.isoformat(), "detail": json.dumps(dict(line.detail), ensure_ascii=False)}
        yield _row([_cell(values[name]) for name in COLUMNS])


@insight.get("/model", responses=errors())
def model(app: App, asker: Asker) -> models.Models:
    """The model that answers, and those that were judged (administrators)."""
    history = [models.ModelReport.model_validate(each) for each in app.store.models.history(asker)]
    champion = app.store.models.champion()
    return models.Models(champion=models.ModelReport.model_validate(champion) if champion else None, history=history)


@insight.get("/quality", responses=errors())
def quality(
    app: App,
    asker: Asker,
    version: Annotated[Text | None, Query(max_length=16, description="One model's answers alone.")] = None,
) -> models.Quality:
    """How people took the answers: by category, version, confidence and week (administrators)."""
    verbs = app.store.quality
    return models.Quality(
        by_category=[models.Rate.model_validate(each) for each in verbs.by_category(asker, version)],
        by_version=[models.Rate.model_validate(each) for each in verbs.by_version(asker)],
        calibration=[models.Rate.model_validate(each) for each in verbs.calibration(asker, version)],
        weeks=[models.Week.model_validate(each) for each in verbs.weeks(asker)],
    )


@insight.get("/numbers", responses=errors())
def numbers(app: App, asker: Asker) -> models.Numbers:
    """How the marketplace does (administrators)."""
    return models.Numbers.model_validate(app.store.quality.numbers(asker))


@insight.get("/retrainings", responses=errors())
def list_retrainings(app: App, asker: Asker) -> Sequence[models.Retraining]:
    """The last retrainings that people asked for (administrators)."""
    return [models.Retraining.model_validate(each) for each in app.store.retrainings.list(asker)]


@insight.post("/retrainings", status_code=201, responses=errors(409))
def ask_for_retraining(body: RetrainingIn, app: App, asker: Asker) -> models.Retraining:
    """Ask for a retraining; one at a time (administrators)."""
    return models.Retraining.model_validate(app.store.retrainings.ask(asker, body.reason))


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


router.include_router(audit)
router.include_router(insight)
