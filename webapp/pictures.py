"""Sellers' pictures: decoded, turned upright, freed of all that a camera wrote, and kept under their SHA-256."""

import hashlib
import io
import os
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Literal, NamedTuple, Protocol

from fastapi import APIRouter, Request, Response
from PIL import Image
from upath import UPath

from rakuten_assets.core.deliveries import picture_path, read_picture
from rakuten_assets.core.images import BadPicture, open_rgb
from rakuten_assets.core.storage import write
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor
from rakuten_assets.store.store import Store
from webapp.app import Application

Size = Literal["thumb", "full"]

# As the prediction service takes them.
MAX_BYTES = 10_000_000

# More shows nothing that a page could show, and models see far less.
MAX_SIDE = 2_000
THUMB_SIDE = 320

# Where a picture's edges begin to look the same as in the original; half the bytes of 95.
QUALITY = 90
THUMB_QUALITY = 80

# About 10 KB each; lists show the same ones again and again.
THUMBS = 2_048

# A picture of 50 million pixels takes some 300 MB while it is decoded, however small its file.
DECODING = BoundedSemaphore(os.cpu_count() or 1)


class Keeper(Protocol):
    """What keeps pictures: the web app, and the worker."""

    @property
    def root(self) -> UPath: ...

    @property
    def store(self) -> Store: ...


class Clean(NamedTuple):
    """A picture as it is kept."""

    data: bytes
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def keep(app: Keeper, data: bytes) -> str:
    """The SHA-256 under which the picture is now stored; raises `Refused` where it cannot be used."""
    picture = clean(data)
    write(picture_path(app.root, picture.sha256), picture.data)
    app.store.products.add_image(picture.sha256, picture.width, picture.height, len(picture.data))
    return picture.sha256


def clean(data: bytes) -> Clean:
    """The picture as a new JPEG: upright, no side above `MAX_SIDE`, without place, time, camera or profile."""
    if len(data) > MAX_BYTES:
        raise Refused("invalid", "picture_too_large", most=MAX_BYTES // 1_000_000)
    with DECODING:
        try:
            image = open_rgb(data, at_least=MAX_SIDE)
        except BadPicture as error:
            raise Refused("invalid", "bad_picture", reason=str(error)) from error
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        return Clean(_encoded(image, QUALITY), image.width, image.height)


def read(app: Keeper, sha256: str, size: Size = "full") -> bytes:
    """A kept picture as a JPEG's bytes; raises `Refused` where it is gone."""
    try:
        return _thumb(app.root, sha256) if size == "thumb" else read_picture(app.root, sha256)
    except FileNotFoundError as error:
        raise Refused("not_found", "not_found") from error


@lru_cache(THUMBS)
def _thumb(root: UPath, sha256: str) -> bytes:
    """A small copy; a JPEG is decoded no larger than that needs, in some milliseconds."""
    image = open_rgb(read_picture(root, sha256), at_least=THUMB_SIDE)
    image.thumbnail((THUMB_SIDE, THUMB_SIDE))
    return _encoded(image, THUMB_QUALITY)


def _encoded(image: Image.Image, quality: int) -> bytes:
    # What the original's file said of itself; Pillow would write some of it again.
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def seen_by(request: Request) -> Actor:
    """Who wants to see a picture: a browser with its session's cookie, or a program with its bearer token."""
    from webapp.auth import COOKIE

    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    actor = _application(request).store.accounts.actor(token) if token else None
    if actor is None:
        raise Refused("unauthenticated", "session_over")
    return actor


router = APIRouter(include_in_schema=False)


@router.get("/pictures/{product_id}")
def picture(request: Request, product_id: str, size: Size = "full") -> Response:
    """The picture of a product that the asker may see; browsers keep it, and ask whether they may still show it."""
    try:
        number = int(product_id) if product_id.isascii() and product_id.isdigit() and len(product_id) < 19 else 0
        product = _application(request).store.products.get(seen_by(request), number)
        if product.image is None:
            raise Refused("not_found", "not_found")
        return _response(request, product.image, size)
    except Refused as refused:
        return Response(status_code={"unauthenticated": 401, "forbidden": 403}.get(refused.kind, 404))


def _response(request: Request, sha256: str, size: Size) -> Response:
    tag = f'"{sha256}-{size}"'
    # Nothing but an image, whatever the bytes were, and nobody's but the asker's.
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    data = read(_application(request), sha256, size)
    return Response(data, media_type="image/jpeg", headers=headers)


def _application(request: Request) -> Application:
    found: Application = request.app.state.application
    return found
