"""The OpenAPI document: bodies that the routes read by themselves, and the routes that BentoML adds."""

import base64
import io
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from PIL import Image, ImageDraw
from pydantic import BaseModel

from serving import schemas

REFERENCE = "#/components/schemas/{model}"

BODIES = (schemas.ProductIn, schemas.TaskIn, schemas.TaskResult)

POOL = {
    "designation": "Piscine tubulaire ronde 366 x 76 cm",
    "description": "<p>Avec filtre et échelle, <b>bâche</b> comprise.</p>",
}
BOOK = {"designation": "Le Petit Prince - Antoine de Saint-Exupéry", "description": "Édition illustrée, 96 pages."}


def example_picture() -> str:
    """A small drawing of a pool, as base64."""
    image = Image.new("P", (48, 48))
    image.putpalette([255, 255, 255, 60, 150, 215, 30, 70, 120])
    ImageDraw.Draw(image).ellipse((4, 15, 44, 37), fill=1, outline=2, width=3)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def body(model: type[BaseModel], example: dict[str, Any], *, form: bool = False) -> dict[str, Any]:
    """`openapi_extra` of a route that takes this body as JSON, and where `form`, also as a form with a file."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    schema.pop("$defs", None)
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": example}}
    if form:
        file = {"type": "string", "format": "binary", "description": "The picture's file."}
        fields = schema["properties"] | {"image": file}
        content["multipart/form-data"] = {"schema": schema | {"properties": fields}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of the whole service."""
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    known = found["components"]["schemas"]
    for model in BODIES:
        schema = model.model_json_schema(ref_template=REFERENCE)
        known |= schema.pop("$defs", {})
        known[model.__name__] = schema
    found["paths"] |= _task_routes() | _health_routes()
    return found


def _task_routes() -> dict[str, Any]:
    """The routes that BentoML makes of a task."""
    task_id = {"name": "task_id", "in": "query", "required": True, "schema": {"type": "string"}}
    about = {"tags": ["predict"], "responses": _responses("What BentoML knows of the task.", {"type": "object"})}
    result = _responses("The answers.", {"$ref": REFERENCE.format(model="TaskResult")})
    example = {"products": [POOL, BOOK], "top": 2}
    return {
        "/predict_many/submit": {
            "post": {
                "summary": "Classify up to 10,000 products in the background",
                "operationId": "submit",
                **about,
                **body(schemas.TaskIn, example),
            }
        },
        "/predict_many/status": {
            "get": {"summary": "How far a task is", "operationId": "status", "parameters": [task_id], **about}
        },
        "/predict_many/get": {
            "get": {
                "summary": "The result of a task that has ended",
                "operationId": "get",
                "parameters": [task_id],
                **about,
                "responses": result,
            }
        },
    }


def _health_routes() -> dict[str, Any]:
    said = {
        "/healthz": "The process lives",
        "/livez": "The process lives",
        "/readyz": "A model is loaded: 200, else 503",
        "/metrics": "Prometheus metrics",
    }
    answers = {"200": {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    return {
        path: {"get": {"summary": text, "operationId": path[1:], "tags": ["health"], "responses": answers}}
        for path, text in said.items()
    }


def _responses(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    ok = {"description": description, "content": {"application/json": {"schema": schema}}}
    refused = {"description": "Refused, with a reason", "content": {"application/json": {"schema": {}}}}
    return {"200": ok, "4XX": refused}
