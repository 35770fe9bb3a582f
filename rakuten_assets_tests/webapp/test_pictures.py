"""Sellers' pictures: what is kept of them, and who sees them."""

import io
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageCms

from rakuten_assets.core.deliveries import picture_path
from rakuten_assets.core.sample_pictures import draw_picture
from rakuten_assets.store.errors import Refused
from webapp import pictures

pytest_plugins = ["rakuten_assets_tests.webapp.programs"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SECRET = b"48.8584 N, Tour Eiffel, Canon EOS 5D"


def saved(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def drawing():
    return draw_picture(Random(5), 2583)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_any_usual_format_is_kept_as_a_jpeg_under_its_hash(keeper, drawing, kind):
    sha256 = pictures.keep(keeper, saved(drawing, kind))
    kept = Image.open(io.BytesIO(picture_path(keeper.root, sha256).read_bytes()))
    assert (kept.format, kept.size, kept.mode) == ("JPEG", (500, 500), "RGB")
    assert np.abs(np.asarray(kept).astype(int) - np.asarray(drawing)).mean() < 10


def test_nothing_is_kept_of_what_a_camera_wrote(keeper, drawing):
    """Neither place nor time, neither camera nor profile, and no thumbnail of what was cut away."""
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (48.0, 51.0, 30.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(drawing, exif=exif, comment=SECRET, xmp=b"<x>" + SECRET + b"</x>", icc_profile=profile, dpi=(72, 72))
    assert data.count(SECRET) == 3
    kept = picture_path(keeper.root, pictures.keep(keeper, data)).read_bytes()
    assert SECRET not in kept
    opened = Image.open(io.BytesIO(kept))
    assert not opened.getexif()
    assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_picture_that_lies_on_its_side_is_turned_upright(drawing):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = drawing.resize((400, 200)).rotate(90, expand=True)
    clean = pictures.clean(saved(turned, exif=exif))
    assert (clean.width, clean.height) == (400, 200)


def test_a_large_picture_is_made_smaller(drawing):
    clean = pictures.clean(saved(drawing.resize((4_000, 1_000))))
    assert (clean.width, clean.height) == (2_000, 500)
    assert Image.open(io.BytesIO(clean.data)).size == (2_000, 500)


BAD = {
    "nothing": b"",
    "HTML": b"<html><script>alert(1)</script></html>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "half": saved(Image.new("RGB", (200, 200)))[:400],
    "bomb": saved(Image.new("1", (20_000, 20_000)), "PNG"),
    "PDF": b"%PDF-1.7 \xff\xd8\xff",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_picture_is_refused(keeper, data):
    with pytest.raises(Refused) as refused:
        pictures.keep(keeper, data)
    assert (refused.value.kind, refused.value.code) == ("invalid", "bad_picture")


def test_a_file_of_more_than_ten_megabytes_is_refused_unread():
    with pytest.raises(Refused, match="picture_too_large"):
        pictures.clean(b"\xff\xd8" * 5_000_001)


async def test_a_seller_and_an_administrator_see_the_picture_and_nobody_else_does(
    program, seller, other_seller, admin, submitted
):
    path = f"/pictures/{(await submitted())['id']}"
    statuses = [(await program("GET", path, each)).status_code for each in (seller, admin, other_seller, None)]
    assert statuses == [200, 200, 404, 401]
    assert (await program("GET", path, token="no token")).status_code == 401
    for nonsense in ("0", "-1", "a", "9" * 30, "²"):
        assert (await program("GET", f"/pictures/{nonsense}", seller)).status_code == 404


async def test_a_browser_sees_the_picture_by_its_cookie(program, seller, submitted):
    product = await submitted()
    program.http.cookies.set("rakuten_session", await program.sign_in(seller))
    assert (await program("GET", f"/pictures/{product['id']}")).status_code == 200


async def test_a_picture_comes_as_nothing_but_a_picture_and_is_asked_for_again(program, seller, submitted):
    path = f"/pictures/{(await submitted())['id']}"
    answer = await program("GET", path, seller)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    again = await program("GET", path, seller, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_lists_get_a_small_copy(program, seller, submitted):
    path = f"/pictures/{(await submitted())['id']}"
    full, thumb = [await program("GET", path, seller, params={"size": size}) for size in ("full", "thumb")]
    assert max(Image.open(io.BytesIO(thumb.content)).size) == 320
    assert len(thumb.content) < len(full.content)
    assert (await program("GET", path, seller, params={"size": "huge"})).status_code == 422


async def test_a_picture_whose_file_is_gone_is_not_found(program, seller, submitted, store, keeper):
    product = await submitted()
    sha256 = store.products.get(seller.actor, product["id"]).image
    path = picture_path(keeper.root, sha256)
    data = path.read_bytes()
    path.unlink()
    try:
        assert (await program("GET", f"/pictures/{product['id']}", seller)).status_code == 404
    finally:
        path.write_bytes(data)
