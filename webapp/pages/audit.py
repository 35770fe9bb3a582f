"""Administrators' page of the audit log: who did what when, filtered, and as CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from nicegui import ui
from starlette.responses import StreamingResponse

from rakuten_assets.store.records import Actor, AuditFilter, AuditLine
from webapp import texts, theme
from webapp.app import Application
from webapp.auth import application, page, signed_in_as
from webapp.visit import Visit

router = APIRouter(include_in_schema=False)

SUBJECTS = ("product", "user", "import", "model", "retraining", "audit")
COLUMNS = ("at", "actor", "action", "subject", "subject_id", "detail", "request_id")

# What a spreadsheet takes for a formula where a cell begins with it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")

# Lines that are sent together.
TOGETHER = 500


class Asked:
    """The filters of an address; what is no date filters nothing."""

    def __init__(
        self,
        actor: str = "",
        action: str = "",
        subject: str = "",
        subject_id: str = "",
        since: str = "",
        until: str = "",
    ) -> None:
        self.fields = {"actor": actor, "action": action, "subject": subject, "subject_id": subject_id}
        self.fields |= {"since": since, "until": until}

    @property
    def filter(self) -> AuditFilter:
        """Days are the marketplace's; the last one counts as a whole."""
        words = {name: self.fields[name] for name in ("actor", "action", "subject", "subject_id")}
        return AuditFilter(
            **{name: word.replace("\0", "") for name, word in words.items()},
            since=_midnight(self.fields["since"], 0),
            until=_midnight(self.fields["until"], 1),
        )

    def address(self, path: str = "/audit", **more: str) -> str:
        return theme.address(path, **self.fields, **more)


@page("/audit", role="admin")
async def audit_page(
    visit: Visit,
    actor: str = "",
    action: str = "",
    subject: str = "",
    subject_id: str = "",
    since: str = "",
    until: str = "",
    cursor: str = "",
) -> None:
    asked = Asked(actor, action, subject, subject_id, since, until)
    found = await visit.read(visit.app.store.audit.page, asked.filter, cursor or None)
    with theme.frame(visit, "audit.title"):
        ui.label(visit.t("audit.hint")).classes("app-soft")
        _filters(visit, asked)
        if not found.items:
            theme.empty_state(visit, "audit.empty", icon="history")
            return
        headings = [visit.t(f"audit.{name}") for name in ("at", "who", "what", "about", "detail", "request")]
        theme.table(headings, [_row(visit, line) for line in found.items])
        theme.pager(visit, found, lambda there: visit.go(asked.address(cursor=there)))


def _filters(visit: Visit, asked: Asked) -> None:
    """A form of HTML: what is filtered stands in the address, which can be kept and handed on."""
    fields, t = asked.fields, visit.t
    with theme.card(), ui.element("form").props("role=search method=get action=/audit").classes("app-fields"):
        ui.input(t("audit.actor"), value=fields["actor"]).props("outlined dense name=actor maxlength=200").mark("actor")
        _choice(t("audit.action"), "action", fields["action"], _named(visit, "action.", _actions()))
        _choice(t("audit.subject"), "subject", fields["subject"], _named(visit, "subject.", SUBJECTS))
        ui.input(t("audit.subject_id"), value=fields["subject_id"]).props(
            "outlined dense name=subject_id maxlength=40"
        ).mark("subject_id")
        for name in ("since", "until"):
            ui.input(t(f"audit.{name}"), value=fields[name]).props(
                f"outlined dense stack-label type=date name={name}"
            ).mark(name)
        with ui.element("div").classes("app-bar app-span"):
            ui.button(t("app.filter"), icon="filter_alt").props("unelevated type=submit")
            if any(fields.values()):
                theme.link_button(t("app.reset"), "/audit", flat=True)
            ui.space()
            theme.link_button(t("audit.export"), asked.address("/audit.csv"), icon="download", flat=True)


def _choice(label: str, name: str, value: str, options: dict[str, str]) -> None:
    """A select whose choice is sent with the form."""
    with ui.element("input") as sent:
        sent.props.update({"type": "hidden", "name": name, "value": value})
    choice = ui.select(options, value=value if value in options else None, label=label, clearable=True)
    choice.props("outlined dense").mark(name)
    choice.on_value_change(lambda event: sent.props.update({"value": event.value or ""}))


def _named(visit: Visit, prefix: str, names: Iterable[str]) -> dict[str, str]:
    named = {name: visit.t(f"{prefix}{name}") for name in names}
    return dict(sorted(named.items(), key=lambda item: item[1].casefold()))


def _actions() -> list[str]:
    return [key.removeprefix("action.") for key in texts.texts() if key.startswith("action.")]


def _row(visit: Visit, line: AuditLine) -> list[Any]:
    return [
        texts.moment(line.at, visit.language, seconds=True),
        visit.t("role.system") if line.actor == "system" else line.actor,
        _word(visit, f"action.{line.action}", line.action),
        lambda: _subject(visit, line),
        ", ".join(f"{name}: {value}" for name, value in line.detail.items()),
        line.request_id,
    ]


def _subject(visit: Visit, line: AuditLine) -> None:
    text = f"{_word(visit, f'subject.{line.subject}', line.subject)} {line.subject_id}"
    if line.subject == "product":
        ui.link(text, f"/products/{line.subject_id}")
    else:
        ui.label(text).classes("app-break")


def _word(visit: Visit, key: str, otherwise: str) -> str:
    return visit.t(key) if key in texts.texts() else otherwise


@router.get("/audit.csv")
def export(
    app: Annotated[Application, Depends(application)],
    actor: Annotated[Actor, Depends(signed_in_as("admin"))],
    asked: Annotated[Asked, Depends()],
) -> StreamingResponse:
    """All lines that the filters leave, as they are read."""
    lines = app.store.audit.export(actor, asked.filter)
    headers = {"Content-Disposition": f'attachment; filename="audit-{date.today():%Y-%m-%d}.csv"'}
    return StreamingResponse(_csv(lines), media_type="text/csv; charset=utf-8", headers=headers)


def _csv(lines: Iterator[AuditLine]) -> Iterator[str]:
    """RFC 4180, with the mark by which spreadsheets know UTF-8."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for number, line in enumerate(lines, 1):
        writer.writerow(_cell(value) for value in _values(line))
        if number % TOGETHER == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _values(line: AuditLine) -> list[str]:
    detail = json.dumps(dict(line.detail), ensure_ascii=False) if line.detail else ""
    at = line.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return [at, line.actor, line.action, line.subject, line.subject_id, detail, line.request_id]


def _cell(text: str) -> str:
    """The text, which no spreadsheet takes for a formula: OWASP's apostrophe before what begins one."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _midnight(text: str, days_later: int) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=days_later), time(), texts.ZONE)
    except (ValueError, OverflowError):
        return None
