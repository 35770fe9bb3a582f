"""The pages of imports: files are handed in, and each line's result is seen while the worker gets on with it."""

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from nicegui import ui
from nicegui.elements.upload_files import FileUpload

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Import, ImportRow, Page
from webapp import bulk, pictures, texts, theme
from webapp.auth import Visit, page
from webapp.drop_zone import DropZone
from webapp.refusals import or_refused
from webapp.soon import Soon

MEGABYTE = 1_000_000

TONES: dict[str, theme.Tone] = {"waiting": "quiet", "running": "note", "done": "good", "failed": "bad"}

EXAMPLE = ("Piscine ronde gonflable 305 cm", "Avec pompe de filtration et échelle", "piscine.jpg", "REF-001")

router = APIRouter(include_in_schema=False)


@router.get("/imports/template.csv")
def template() -> Response:
    """A CSV to fill in; its mark lets spreadsheets read the accents."""
    table = io.StringIO()
    csv.writer(table, delimiter=";", lineterminator="\r\n").writerows([bulk.COLUMNS, EXAMPLE])
    headers = {"content-disposition": 'attachment; filename="produits.csv"'}
    return Response(table.getvalue().encode("utf-8-sig"), media_type="text/csv", headers=headers)


@page("/imports", role="seller")
async def build(visit: Visit, cursor: str = "") -> None:
    """Hand in files; below, the imports that there were."""
    with theme.frame(visit, "imports.title"):
        ui.label(visit.t("imports.lead"))
        Handing(visit)
        theme.title_of(visit.t("imports.earlier"))
        await Imports(visit, cursor).draw()


@page("/imports/{id}", role="seller")
async def build_one(visit: Visit, id: str, cursor: str = "") -> None:
    """How far one import is, and what became of each line."""
    if not (id.isascii() and id.isdigit()):
        raise Refused("not_found", "import_not_found", id=id)
    found = await visit.read(visit.app.store.imports.get, int(id))
    with theme.frame(visit, "imports.detail", name=found.name):
        ui.link(visit.t("imports.title"), "/imports")
        await Result(visit, found, cursor).draw()


class Handing:
    """The form: a CSV, a ZIP, and what they may be."""

    def __init__(self, visit: Visit) -> None:
        self._visit, t = visit, visit.t
        with theme.card():
            ui.label(t("imports.limits", **_limits(visit)))
            ui.label(t("imports.columns", columns=", ".join(bulk.COLUMNS))).classes("app-soft")
            ui.link(t("imports.template"), "/imports/template.csv").props("download")
            with ui.row().classes("w-full gap-4 items-start"):
                self._table = _FileField(visit, "imports.csv", ".csv", bulk.MAX_CSV)
                optional = "imports.zip_optional" if visit.app.settings.text_only else "imports.zip"
                self._archive = _FileField(visit, optional, ".zip", bulk.MAX_ZIP)
            self._said = ui.column().classes("w-full empty:hidden")
            self._button = ui.button(t("imports.start"), icon="upload_file", on_click=self._start)
            self._button.props("unelevated no-caps").classes("self-start")

    async def _start(self) -> None:
        if self._table.busy or self._archive.busy:
            self._visit.tell("imports.uploading", "info")
            return
        if not self._complete():
            return
        self._said.clear()
        self._button.disable()
        result = await self._received()
        self._button.enable()
        if isinstance(result, Refused):
            with self._said:
                theme.notice(texts.said(result, self._visit.language), "bad")
        elif result is not None:
            self._visit.go(f"/imports/{result.id}")

    def _complete(self) -> bool:
        """Whether all that is needed is there; what is not is said at its place."""
        if self._table.file is None:
            self._table.wrong(self._visit.t("imports.missing_csv"))
            return False
        if self._archive.file is None and not self._visit.app.settings.text_only:
            self._archive.wrong(self._visit.t("imports.missing_zip"))
            return False
        return True

    async def _received(self) -> Import | Refused | None:
        table, archive = self._table.file, self._archive.file
        assert table is not None
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            await table.save(folder / "table")
            if archive is not None:
                await archive.save(folder / "archive")
            return await self._visit.act(or_refused(self._receive), table.name, folder)

    def _receive(self, actor: Actor, name: str, folder: Path) -> Import:
        """Runs in a thread."""
        with ExitStack() as files:
            table = files.enter_context((folder / "table").open("rb"))
            given = (folder / "archive").exists()
            archive = files.enter_context((folder / "archive").open("rb")) if given else None
            return bulk.receive(self._visit.app, actor, name, table, archive)


class _FileField:
    """One file, of one kind."""

    def __init__(self, visit: Visit, key: str, ending: str, most: int) -> None:
        self._visit = visit
        self.file: FileUpload | None = None
        refusal = visit.t("imports.refused_file", kind=ending.strip(".").upper(), most=most // MEGABYTE)
        with ui.column().style("flex: 1 1 18rem; min-width: 0"):
            self._zone = DropZone(
                visit, visit.t(key), accepted=ending, most=most, refusal=refusal, received=self._received
            )
        with self._zone.inside:
            self._name = ui.label(visit.t("imports.drop")).classes("app-soft app-small app-break")
            self._zone.choose(visit.t("imports.choose"), "attach_file")

    @property
    def busy(self) -> bool:
        return self._zone.busy

    def wrong(self, message: str) -> None:
        self._zone.wrong(message)

    async def _received(self, file: FileUpload) -> None:
        self.file = file
        self.wrong("")
        self._name.set_text(_named(self._visit, file))
        self._name.classes(remove="app-soft")


def _named(visit: Visit, file: FileUpload) -> str:
    """A file's name and size."""
    if file.size() < MEGABYTE:
        return visit.t("imports.chosen_small", name=file.name, size=ceil(file.size() / 1000))
    return visit.t("imports.chosen", name=file.name, size=round(file.size() / MEGABYTE, 1))


class Imports:
    """The seller's imports, the newest first."""

    def __init__(self, visit: Visit, cursor: str) -> None:
        self._visit, self._cursor = visit, cursor

    async def draw(self) -> None:
        """Everything, for the first time."""
        found = await self._visit.read(self._visit.app.store.imports.list, self._cursor or None)
        self._place = ui.column().classes("w-full gap-4")
        self._show(found)
        about_imports = Soon(self._refresh, lambda change: change.kind == "import")
        self._visit.app.live.watch(about_imports, seller_id=self._visit.actor.user_id)

    async def _refresh(self) -> None:
        found = await self._visit.act(self._visit.app.store.imports.list, self._cursor or None)
        if found is not None:
            self._show(found)

    async def _go(self, cursor: str) -> None:
        self._cursor = cursor
        await self._refresh()

    def _show(self, found: Page[Import]) -> None:
        self._place.clear()
        with self._place:
            if not found.items:
                theme.empty_state(self._visit, "imports.none", icon="upload_file")
                return
            for each in found.items:
                with theme.card(), ui.element("div").classes("app-bar"):
                    ui.label(each.name).classes("font-medium app-break")
                    ui.label(texts.moment(each.created_at, self._visit.language)).classes("app-soft app-small")
                    ui.space()
                    theme.link_button(self._visit.t("imports.open"), f"/imports/{each.id}", flat=True)
                    _progress(self._visit, each)
            theme.pager(self._visit, found, self._go)


class Result:
    """One import, line by line."""

    def __init__(self, visit: Visit, found: Import, cursor: str) -> None:
        self._visit, self._import, self._cursor, self._only_errors = visit, found, cursor, False
        self._store = visit.app.store.imports

    async def draw(self) -> None:
        """Everything, for the first time."""
        rows = await self._visit.read(self._store.rows, self._import.id, self._cursor or None)
        with theme.card():
            self._head = ui.column().classes("w-full gap-3")
        switch = ui.switch(self._visit.t("imports.only_errors"), on_change=lambda event: self._narrow(event.value))
        switch.mark("only-errors")
        self._place = ui.column().classes("w-full gap-4")
        self._show(rows)
        about_this = Soon(
            self._refresh, lambda change: change.kind == "import" and change.product_id == self._import.id
        )
        self._visit.app.live.watch(about_this, seller_id=self._visit.actor.user_id)

    async def _narrow(self, only_errors: bool) -> None:
        self._only_errors = only_errors
        await self._go("")

    async def _go(self, cursor: str) -> None:
        self._cursor = cursor
        await self._refresh()

    async def _refresh(self) -> None:
        found = await self._visit.act(self._store.get, self._import.id)
        rows = await self._visit.act(
            self._store.rows, self._import.id, self._cursor or None, only_errors=self._only_errors
        )
        if found is not None and rows is not None:
            self._import = found
            self._show(rows)

    def _show(self, rows: Page[ImportRow]) -> None:
        visit, found = self._visit, self._import
        self._head.clear()
        with self._head:
            _progress(visit, found)
            if found.state in ("waiting", "running"):
                ui.label(visit.t("imports.started")).classes("app-soft")
            if found.error:
                theme.notice(visit.t("imports.failed"), "bad")
        self._place.clear()
        with self._place:
            self._rows(rows)

    def _rows(self, rows: Page[ImportRow]) -> None:
        visit = self._visit
        if not rows.items:
            ui.label(visit.t("imports.no_rows")).classes("app-soft")
            return
        headings = [visit.t(f"imports.heading.{name}") for name in ("line", "reference", "result")]
        lines: list[Sequence[str | Callable[[], Any]]] = [
            [str(row.line), row.reference or "–", partial(self._became, row)] for row in rows.items
        ]
        theme.table(headings, lines)
        theme.pager(visit, rows, self._go)

    def _became(self, row: ImportRow) -> None:
        if row.product_id is not None:
            ui.link(self._visit.t("imports.created", id=row.product_id), f"/products/{row.product_id}")
        else:
            ui.label(bulk.said(row, self._visit.language)).classes("app-break").style("color: var(--app-bad)")


def _progress(visit: Visit, found: Import) -> None:
    """Where an import stands, as a word, a bar and numbers."""
    dealt_with = found.done + found.refused
    with ui.column().classes("w-full gap-2"):
        with ui.row().classes("items-center gap-3"):
            theme.chip(visit.t(f"imports.state.{found.state}"), TONES.get(found.state, "quiet"))
            ui.label(visit.t("imports.result", done=found.done, refused=found.refused)).classes("app-small")
        if found.total:
            ui.linear_progress(dealt_with / found.total, show_value=False).props("rounded aria-hidden=true")
            ui.label(visit.t("imports.progress", done=dealt_with, total=found.total)).classes("app-soft app-small")


def _limits(visit: Visit) -> dict[str, Any]:
    return {
        "products": visit.app.settings.import_products,
        "csv": bulk.MAX_CSV // MEGABYTE,
        "zip": bulk.MAX_ZIP // MEGABYTE,
        "image": pictures.MAX_BYTES // MEGABYTE,
    }
