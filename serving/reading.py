"""From a request's bytes to a product; whatever cannot be one is refused with a sentence."""

import base64
import binascii
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION, Product
from serving.errors import Refused, sentence
from serving.schemas import ProductIn

Model = TypeVar("Model", bound=BaseModel)

MAX_IMAGE_BYTES = 10_000_000

JSON, FORM = "application/json", "multipart/form-data"


async def read_json(request: Request, model: type[Model]) -> Model:
    """A JSON body; raises `Refused` where it is none, or not this one."""
    if _media_type(request) != JSON:
        raise Refused(415, "media_type", f"Send {JSON}.")
    return _validated(await request.body(), model)


async def read_body(request: Request, model: type[Model]) -> tuple[Model, bytes | None]:
    """A body, as JSON or as a form, and the picture in it."""
    kind = _media_type(request)
    if kind == JSON:
        body = _validated(await request.body(), model)
        return body, picture(getattr(body, "image", None))
    if kind == FORM:
        return await _read_form(request, model)
    raise Refused(415, "media_type", f"Send {JSON} or {FORM}.")


def product(body: ProductIn, image: bytes | None) -> Product:
    """The product to classify; raises `Refused` where there is nothing to classify by."""
    for name, value, most in (
        ("designation", body.designation, MAX_DESIGNATION),
        ("description", body.description, MAX_DESCRIPTION),
    ):
        if len(value) > most:
            raise Refused(422, "text_too_long", f"The {name} has {len(value):,} characters; {most:,} are the most.")
    if image is None and not (body.designation.strip() or body.description.strip()):
        raise nothing()
    return Product(body.designation, body.description, image)


def nothing() -> Refused:
    return Refused(422, "nothing_to_classify", "Give a designation, a description or an image: there is no text here.")


def picture(text: str | None) -> bytes | None:
    """The bytes of a picture that was sent as base64."""
    if text is None:
        return None
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_base64(text) from error
    return _sized(data)


def _not_base64(text: str) -> Refused:
    if "://" in text[:20] or "." in text[-6:]:
        message = "The image looks like a path or an address. The service opens neither: send the picture itself."
        return Refused(422, "image_is_a_path", message)
    return Refused(422, "not_base64", "The image is not base64. Send its bytes as base64, or as a form's file.")


def _sized(data: bytes) -> bytes:
    if len(data) > MAX_IMAGE_BYTES:
        raise Refused(413, "image_too_large", f"The image has {len(data):,} bytes; {MAX_IMAGE_BYTES:,} are the most.")
    if not data:
        raise Refused(422, "bad_picture", "The image is empty.")
    return data


async def _read_form(request: Request, model: type[Model]) -> tuple[Model, bytes | None]:
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            image = form.get("image")
            data = _sized(await image.read()) if isinstance(image, UploadFile) else None
            return _parsed(_fields(form), model), data
    except (HTTPException, UnicodeDecodeError, ValueError) as error:
        raise Refused(400, "bad_form", f"The form cannot be read: {getattr(error, 'detail', error)}.") from error


def _fields(form: FormData) -> dict[str, Any]:
    """The text fields; numbers come as text."""
    if isinstance(form.get("image"), str):
        raise Refused(422, "image_not_a_file", "Send the image of a form as a file.")
    strangers = [name for name, value in form.multi_items() if not isinstance(value, str) and name != "image"]
    if strangers:
        raise Refused(422, "invalid", f"{strangers[0]}: the image alone can be a file.")
    return {name: value for name, value in form.multi_items() if isinstance(value, str)}


def _parsed(fields: dict[str, Any], model: type[Model]) -> Model:
    try:
        return model.model_validate(fields, strict=False)
    except ValidationError as error:
        raise Refused(422, "invalid", sentence(error)) from error


def _validated(body: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise Refused(400, "not_json", f"The body is not JSON: {sentence(error)}") from error
        raise Refused(422, "invalid", sentence(error)) from error


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", JSON).split(";")[0].strip().lower()
