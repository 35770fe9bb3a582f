"""Whatever is sent, the answer is a 4xx with a sentence, and the next caller is served."""

import io
import json
import socket
import struct
import time
import zlib

import httpx
import numpy as np
import pytest
from PIL import Image

from rakuten_assets_tests.serving.conftest import as_base64, saved

JSON = {"content-type": "application/json"}


def refused(service, status, code, **options):
    """The refusal of a call to /predict; what it says is a sentence, and nobody else is troubled."""
    answer = httpx.post(f"{service.url}/predict", timeout=60, **options)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["error"].endswith(".")
    assert body["request_id"] == answer.headers["x-request-id"]
    assert service.client.predict("Piscine").categories
    return body["error"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'{"designation": 5}', 422, "invalid"),
        (b'{"designation": ["a"]}', 422, "invalid"),
        (b'{"designation": "a", "top": 0}', 422, "invalid"),
        (b'{"designation": "a", "top": 1e99}', 422, "invalid"),
        (b'{"designation": "a", "titel": "b"}', 422, "invalid"),
        (b'{"image": 7}', 422, "invalid"),
        (b"{}", 422, "nothing_to_classify"),
        (b'{"designation": " ", "description": "\\n"}', 422, "nothing_to_classify"),
        (b'{"description": "<p>&nbsp;</p>"}', 422, "nothing_to_classify"),
        (b'{"image": "???"}', 422, "not_base64"),
        (b'{"image": ""}', 422, "bad_picture"),
        (b'{"image": "images/image_1_product_2.jpg"}', 422, "image_is_a_path"),
        (b'{"image": "/etc/passwd.png"}', 422, "image_is_a_path"),
        (b'{"image": "https://example.com/a"}', 422, "image_is_a_path"),
    ],
)
def test_a_body_that_is_no_product_is_refused(service, body, status, code):
    refused(service, status, code, content=body, headers=JSON)


def test_a_path_is_refused_with_the_reason(service):
    assert "send the picture itself" in refused(service, 422, "image_is_a_path", json={"image": "../a.jpg"})


def test_deep_nesting_is_refused(service):
    refused(service, 400, "not_json", content=b"[" * 100_000, headers=JSON)


def test_ten_megabytes_of_text_are_refused(service):
    assert "100,000" in refused(service, 422, "text_too_long", json={"description": "a" * 10_000_000})


def test_a_body_without_end_is_cut_off(service):
    def endless():
        for _ in range(1000):
            yield b"a" * 65536

    refused(service, 413, "too_large", content=endless(), headers=JSON)


def test_another_media_type_is_refused(service):
    refused(service, 415, "media_type", content=b"a=b", headers={"content-type": "application/x-www-form-urlencoded"})
    refused(service, 415, "media_type", content=b"x", headers={"content-type": "application/vnd.bentoml+pickle"})


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "bad_form"),
        ({"content": b"--b\r\nrubbish", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422, None),
        ({"files": {"other": b"x"}}, 422, "invalid"),
        ({"files": {"image": b""}}, 422, "bad_picture"),
        ({"files": {"image": b"x"}, "data": {"top": "many"}}, 422, "invalid"),
        ({"files": [("designation", b"x")]}, 422, "invalid"),
        ({"files": [("image", b"x"), ("image", b"y")]}, 400, "bad_form"),
        ({"data": {f"field{n}": "x" for n in range(50)}, "files": {"image": b"x"}}, 400, "bad_form"),
    ],
)
def test_a_form_that_is_no_product_is_refused(service, options, status, code):
    answer = httpx.post(f"{service.url}/predict", **options)
    assert 400 <= answer.status_code < 500
    assert code is None or (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def bomb():
    """A PNG of 30,000 x 30,000 pixels in a few kilobytes."""
    return png(30_000, 30_000, zlib.compress(b"\0" * 1_000_000))


def png(width, height, pixels):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def pool(size=(300, 200), mode="RGB"):
    gradient = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    return Image.fromarray(gradient).convert(mode)


BAD_PICTURES = {
    "text": b"this is no picture",
    "truncated": saved(pool(), "JPEG")[:900],
    "header alone": b"\xff\xd8\xff\xe0",
    "bomb": bomb(),
    "too wide": png(30_000, 1, zlib.compress(b"\0" * 30_001)),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "truncated png": saved(pool(), "PNG")[:-40],
}


@pytest.mark.parametrize("data", BAD_PICTURES.values(), ids=BAD_PICTURES)
@pytest.mark.parametrize("route", ["/predict", "/explain", "/similar"])
def test_a_file_that_is_no_sound_picture_is_refused(service, data, route):
    answer = httpx.post(service.url + route, json={"designation": "Piscine", "image": as_base64(data)}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_picture"), answer.text


def test_a_picture_of_eleven_megabytes_is_refused(service):
    refused(service, 413, "image_too_large", json={"image": as_base64(b"\xff\xd8" * 5_500_000)})


def sixteen_bits():
    return saved(Image.fromarray(np.asarray(pool()).astype(np.uint16)[..., 0] * 257), "PNG")


def animated():
    return saved(pool(), "GIF", save_all=True, append_images=[pool().rotate(90, expand=False)] * 3, duration=50)


SOUND = {
    "CMYK": lambda: saved(pool(mode="CMYK"), "JPEG"),
    "16 bits": sixteen_bits,
    "animated": animated,
    "transparent": lambda: saved(pool(mode="RGBA"), "PNG"),
    "palette": lambda: saved(pool(mode="P"), "PNG"),
    "grey": lambda: saved(pool(mode="L"), "JPEG"),
    "webp": lambda: saved(pool(), "WEBP"),
    "one pixel": lambda: saved(pool((1, 1)), "PNG"),
}


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_an_unusual_picture_is_understood(service, make):
    answer = httpx.post(f"{service.url}/predict", json={"image": as_base64(make())}, timeout=60)
    assert answer.status_code == 200, answer.text


def test_a_picture_that_lies_on_its_side_is_turned_upright(service, picture):
    """Pixels turned by 90 degrees with the EXIF note that says so are the same picture."""
    upright = Image.open(io.BytesIO(picture))
    note = Image.Exif()
    note[0x0112] = 6
    turned = saved(upright.rotate(90, expand=True), "PNG", exif=note)
    asked = (saved(upright, "PNG"), turned, saved(upright.rotate(90, expand=True), "PNG"))
    plain, noted, lying = (service.client.predict(image=data, top=27).categories for data in asked)
    assert [each.confidence for each in noted] == pytest.approx([each.confidence for each in plain])
    assert [each.confidence for each in lying] != pytest.approx([each.confidence for each in plain])


def test_ten_thousand_products_in_a_batch_are_refused(service):
    products = [{"designation": "a"}] * 10_000
    answer = httpx.post(f"{service.url}/predict_batch", json={"products": products})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "64" in answer.json()["error"]


def test_an_unknown_category_cannot_be_explained(service):
    answer = httpx.post(f"{service.url}/explain", json={"designation": "a", "code": 11})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_such_category")


def test_a_client_that_goes_away_leaves_no_trace(service, picture):
    body = json.dumps({"designation": "Piscine", "image": as_base64(picture)}).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    for sent in (len(body) // 2, len(body)):
        for _ in range(20):
            with _connection(service) as line:
                line.sendall(head % len(body) + body[:sent])
    time.sleep(0.5)
    assert service.client.predict("Piscine").categories
    assert "Traceback" not in service.log


def test_a_slow_client_is_let_go_and_holds_up_nobody(platform, champion, tmp_path):
    from rakuten_assets_tests.serving.conftest import start, stop, until

    running = start(tmp_path, platform.settings.root, champion.name, RAKUTEN_SERVING_BODY_SECONDS="1")
    try:
        until(running.client.ready, 60, running)
        lines = [_connection(running) for _ in range(50)]
        for line in lines:
            line.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n")
            line.sendall(b"content-length: 1000\r\n\r\n{")
        start_time = time.monotonic()
        assert running.client.predict("Piscine").categories
        assert time.monotonic() - start_time < 1
        for line in lines:
            with line.makefile("rb") as stream:
                answer = stream.read()
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"too_slow" in answer
            line.close()
        assert "Traceback" not in running.log
    finally:
        stop(running)


def _connection(service):
    address = httpx.URL(service.url)
    return socket.create_connection((address.host, address.port), timeout=10)
