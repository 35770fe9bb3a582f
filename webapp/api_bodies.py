"""Bodies with a picture: as JSON with base64, or as a form with a file; and how the documentation describes them."""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor
from webapp.api_base import Body, Text, signed_in

Model = TypeVar("Model", bound=BaseModel)

JSON, FORM = "application/json", "multipart/form-data"

POOL = {
    "designation": "Piscine tubulaire ronde 366 x 76 cm",
    "description": "<p>Avec filtre et échelle, <b>bâche</b> comprise.</p>",
}

# A white pixel, as base64: the smallest picture that a reader of the documentation can send.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEANl9ngAAAAABJRU5ErkJggg=="


class ProductIn(Body):
    """A product as its seller describes it."""

    designation: Text = Field("", description=f"Title, at most {MAX_DESIGNATION:,} characters.")
    description: Text = Field("", description=f"Description, at most {MAX_DESCRIPTION:,} characters.")
    image: str | None = Field(None, description="Picture as base64 (JPEG, PNG, WebP, GIF, BMP or TIFF, at most 10 MB).")


class SubmissionIn(ProductIn):
    reference: Text = Field("", description="The seller's own number for it.")


class EditIn(Body):
    """What is to change; what is not named, or null, stays."""

    designation: Text | None = None
    description: Text | None = None
    image: str | None = Field(None, description="Another picture, as base64.")
    reference: Text | None = None
    revision: int = Field(description="The revision that is changed; another one is a conflict.", ge=1, le=2**31 - 1)


class Raw(NamedTuple):
    """A body as it was received; it is understood in a thread, for the event loop belongs to everybody."""

    data: bytes | dict[str, str]
    image: bytes | None = None

    def parsed(self, model: type[Model]) -> Model:
        """Raises RequestValidationError, which is a refusal, where the body is none of these."""
        try:
            if isinstance(self.data, bytes):
                return model.model_validate_json(self.data)
            # The fields of a form are text, numbers too.
            return model.model_validate(self.data, strict=False)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in problems]) from error

    def picture(self, encoded: str | None) -> bytes | None:
        """The picture's bytes: of the form's file, or of the JSON's base64."""
        return self.image if encoded is None else _decoded(encoded)


async def raw(request: Request, asker: Annotated[Actor, Depends(signed_in)]) -> Raw:
    """What was sent; read only once it is known who asks."""
    kind = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if kind == JSON:
        return Raw(await request.body())
    if kind == FORM:
        return await _form(request)
    raise HTTPException(415)


RawBody = Annotated[Raw, Depends(raw)]


class Files(NamedTuple):
    """An import as it was sent: spooled to disk where it is large."""

    csv: UploadFile
    images: UploadFile | None


async def files(request: Request, asker: Annotated[Actor, Depends(signed_in)]) -> AsyncIterator[Files]:
    """The files of an import; they are gone when it is answered."""
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        raise HTTPException(415)
    async with request.form(max_files=2, max_fields=2) as form:
        csv, images = form.get("csv"), form.get("images")
        if not isinstance(csv, UploadFile) or not isinstance(images, UploadFile | None):
            raise Refused("invalid", "import_csv_missing")
        yield Files(csv, images)


def described(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this body as JSON, or as a form with a file."""
    schema = model.model_json_schema()
    file = {"type": "string", "format": "binary", "description": "The picture's file."}
    form = schema | {"properties": schema["properties"] | {"image": file}}
    content = {JSON: {"schema": schema, "example": example}, FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def described_files() -> dict[str, Any]:
    """`openapi_extra` of the route that takes an import."""
    csv = {"type": "string", "format": "binary", "description": "Columns: designation, description, image, reference."}
    images = {"type": "string", "format": "binary", "description": "ZIP of the pictures that the CSV names."}
    schema = {"type": "object", "properties": {"csv": csv, "images": images}, "required": ["csv"]}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


async def _form(request: Request) -> Raw:
    async with request.form(max_files=1, max_fields=8) as form:
        image = form.get("image")
        data = await image.read() if isinstance(image, UploadFile) else None
        return Raw(_fields(form), data)


def _fields(form: FormData) -> dict[str, str]:
    """The text fields. What is a file and must not be one is called by its name, and so refused as unknown."""
    return {
        name: value if isinstance(value, str) else ""
        for name, value in form.multi_items()
        if isinstance(value, str) or name != "image"
    }


def _decoded(encoded: str) -> bytes:
    if encoded.startswith("data:"):
        encoded = encoded.partition(",")[2]
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("invalid", "not_base64") from error
