"""Routes of the API: many products at once."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from webapp import api_models as models
from webapp import bulk
from webapp.api_base import App, Asker, Cursor, Id, Language, Size, errors
from webapp.api_bodies import Files, described_files, files

router = APIRouter(prefix="/imports", tags=["imports"])


@router.post("", status_code=202, responses=errors(400, 413, 415), openapi_extra=described_files())
def start(app: App, asker: Asker, sent: Annotated[Files, Depends(files)]) -> models.Import:
    """Hand in a CSV, and a ZIP of the pictures that it names; the products are made in the background.

    The CSV is UTF-8 with `,` or `;` between its columns designation, description, image and reference. A line that
    cannot be taken is said in the import's rows, and stops no other.
    """
    images = sent.images.file if sent.images else None
    started = bulk.receive(app, asker, sent.csv.filename or "import.csv", sent.csv.file, images)
    return models.Import.model_validate(started)


@router.get("", responses=errors())
def list_imports(app: App, asker: Asker, cursor: Cursor = None, size: Size = 25) -> models.Paged[models.Import]:
    """One's own imports, the newest first."""
    page = app.store.imports.list(asker, cursor, size)
    return models.Paged[models.Import].of(page, models.Import.model_validate)


@router.get("/{id}", responses=errors(404))
def get_import(id: Id, app: App, asker: Asker) -> models.Import:
    """How far an import is."""
    return models.Import.model_validate(app.store.imports.get(asker, id))


@router.get("/{id}/rows", responses=errors(404))
def get_rows(
    id: Id,
    app: App,
    asker: Asker,
    language: Language,
    cursor: Cursor = None,
    size: Size = 50,
    only_errors: Annotated[bool, Query(description="Only lines that became no product.")] = False,
) -> models.Paged[models.ImportRow]:
    """What became of each line, in their order."""
    page = app.store.imports.rows(asker, id, cursor, size, only_errors)
    return models.Paged[models.ImportRow].of(page, lambda each: models.ImportRow.of(each, language))
