import io
import time
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from rakuten_assets.core import images
from rakuten_assets.core.images import BadPicture, PreparationSettings
from rakuten_assets.core.preparation import Treatments

SETTINGS = PreparationSettings()
NOTHING_DONE = Treatments(cropped=False, sharpened=False, desaturated=False, equalised=False)


def drawing(seed: int = 0, size: int = 500, margin: int = 40) -> Image.Image:
    """Overlapping coloured shapes on white: sharp, not red, hardly any border."""
    rng = Random(seed)
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((margin, margin, size - margin, size - margin), fill=(90, 120, 130))
    for number in range(60):
        x, y = (rng.uniform(margin, size - margin) for _ in range(2))
        reach = min(rng.uniform(10, 60), x - margin, y - margin, size - margin - x, size - margin - y)
        colour = (rng.randrange(200), rng.randrange(256), rng.randrange(256))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((x - reach, y - reach, x + reach, y + reach), fill=colour)
    return image


def encode(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def on_canvas(image: Image.Image, side: int) -> Image.Image:
    canvas = Image.new("RGB", (500, 500), "white")
    canvas.paste(image.resize((side, side)), (30, 60))
    return canvas


def tinted(image: Image.Image) -> Image.Image:
    return Image.merge(
        "RGB",
        [band.point(lambda v, g=g: int(v * g)) for band, g in zip(image.split(), (1, 0.7, 0.7), strict=True)],
    )


def differing_bits(one: bytes, other: bytes) -> int:
    return (images.phash(one) ^ images.phash(other)).bit_count()


WHOLE = encode(drawing(), quality=90)

BROKEN = [
    (b"", "empty file"),
    (b"<html>404 Not Found</html>", "not a picture"),
    (b"\xff\xd8\xff" + bytes(200), "not a picture"),
    (encode(drawing(size=50, margin=5), "PNG"), "not a JPEG but PNG"),
    (encode(drawing(size=50, margin=5), "GIF"), "not a JPEG but GIF"),
    (WHOLE[: len(WHOLE) // 2], "truncated or damaged"),
    (encode(drawing(), progressive=True)[:-4000], "truncated or damaged"),
    (encode(Image.new("L", (10_001, 8))), "10001 x 8 pixels, more than 10,000 on a side"),
]


@pytest.mark.parametrize(("data", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_broken_picture_is_refused_with_its_reason(data, reason):
    with pytest.raises(BadPicture) as caught:
        images.check(data)
    assert str(caught.value) == reason


@pytest.mark.parametrize("side", [9_000, 12_000, 65_000])
def test_a_decompression_bomb_is_refused_from_its_header(side):
    # A small picture whose header claims to be huge: decoding that would take seconds and gigabytes.
    data = bytearray(encode(Image.new("RGB", (64, 64))))
    frame = data.index(b"\xff\xc0") + 5
    data[frame : frame + 4] = side.to_bytes(2, "big") * 2
    started = time.perf_counter()
    with pytest.raises(BadPicture, match="more than"):
        images.check(bytes(data))
    assert time.perf_counter() - started < 0.5


def test_whole_pictures_pass():
    images.check(WHOLE)
    images.check(encode(drawing(), progressive=True))
    images.check(encode(drawing(), "MPO", save_all=True, append_images=[drawing(1)]))
    images.check(encode(drawing(size=50, margin=5), "PNG"), formats=frozenset({"JPEG", "PNG"}))


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, exif=exif)


def test_a_picture_is_opened_upright():
    picture = drawing(size=300, margin=10).crop((0, 0, 300, 200))
    opened = images.open_rgb(with_orientation(picture.transpose(Image.Transpose.ROTATE_90), 6))
    assert opened.size == (300, 200)
    assert np.abs(np.asarray(opened, float) - np.asarray(picture, float)).mean() < 8


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (encode(Image.new("L", (40, 40), 90)), (90, 90, 90)),
        (encode(Image.new("CMYK", (40, 40), (0, 255, 255, 0))), (255, 0, 0)),
        (encode(Image.new("P", (40, 40), 0), "PNG"), (0, 0, 0)),
        (encode(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), "PNG"), (255, 255, 255)),
        (encode(Image.new("LA", (40, 40), (9, 0)), "PNG"), (255, 255, 255)),
        (encode(Image.fromarray(np.full((40, 40), 100 * 256, np.uint16)), "PNG"), (100, 100, 100)),
    ],
    ids=["grey", "cmyk", "palette", "alpha", "grey alpha", "16 bits"],
)
def test_every_mode_becomes_rgb_on_white(data, colour):
    opened = images.open_rgb(data)
    assert opened.mode == "RGB"
    assert np.abs(np.asarray(opened, int)[20, 20] - colour).max() <= 3


def test_a_scaled_picture_is_no_smaller_than_asked():
    assert images.open_rgb(WHOLE, at_least=224).size == (250, 250)
    assert images.open_rgb(WHOLE, at_least=400).size == (500, 500)


VARIANTS = [
    ("recompressed", lambda image: encode(image, quality=40)),
    ("progressive", lambda image: encode(image, progressive=True)),
    ("resized", lambda image: encode(image.resize((320, 320), Image.Resampling.LANCZOS))),
    ("cropped by 5 %", lambda image: encode(image.crop((10, 12, 487, 487)).resize((500, 500)))),
    ("border added", lambda image: encode(on_canvas(image, 400))),
    ("darker", lambda image: encode(image.point(lambda value: int(value * 0.92)))),
]


@pytest.mark.parametrize(("name", "change"), VARIANTS, ids=[name for name, _ in VARIANTS])
def test_the_perceptual_hash_survives(name, change):
    distances = [differing_bits(encode(drawing(seed)), change(drawing(seed))) for seed in range(8)]
    assert max(distances) <= 7


def test_different_pictures_have_distant_hashes():
    hashes = [images.phash(encode(drawing(seed))) for seed in range(12)]
    assert min((a ^ b).bit_count() for a in hashes for b in hashes if a != b) > 12
    assert len(set(hashes)) == 12


@pytest.mark.parametrize("colour", ["white", "black", (200, 30, 30)])
def test_a_featureless_picture_has_no_identity(colour):
    assert images.phash(encode(Image.new("RGB", (500, 500), colour))) == images.NO_IDENTITY


def test_pictures_of_a_speck_have_no_identity():
    blank = Image.new("RGB", (500, 500), "white")
    ImageDraw.Draw(blank).ellipse((240, 250, 252, 262), fill="grey")
    assert images.phash(encode(blank)) == images.NO_IDENTITY


def test_every_bit_of_the_hash_says_something():
    hashes = np.array([images.phash(encode(drawing(seed, size=250, margin=9))) for seed in range(60)], np.uint64)
    assert np.bitwise_or.reduce(hashes) & ~np.bitwise_and.reduce(hashes) == np.uint64(2**64 - 1)


def test_a_picture_stored_on_its_side_has_the_hash_of_the_upright_one():
    stored = with_orientation(drawing().transpose(Image.Transpose.ROTATE_90), 6)
    assert differing_bits(stored, WHOLE) <= 2


@pytest.mark.parametrize(
    "data",
    [
        encode(drawing().convert("CMYK"), quality=90),
        encode(drawing(), "PNG"),
        encode(drawing().resize((1000, 1000))),
    ],
    ids=["cmyk", "png", "larger"],
)
def test_measures_hardly_depend_on_how_a_picture_is_stored(data):
    other, usual = images.fingerprint(data), images.fingerprint(WHOLE)
    assert (other.phash ^ usual.phash).bit_count() <= 4
    assert other[5:] == pytest.approx(usual[5:], abs=0.03)


def test_dropping_refinement_scans_leaves_the_picture():
    data = encode(drawing(), progressive=True)
    kept = images.REFINEMENT_SCAN.sub(b"", data)
    assert len(kept) < len(data)
    whole, coarse = (np.asarray(images.open_rgb(part), float) for part in (data, kept))
    assert np.abs(whole - coarse).mean() < 6
    assert images.REFINEMENT_SCAN.sub(b"", WHOLE) == WHOLE


def test_measures_tell_flaws_apart():
    sound = images.fingerprint(WHOLE)
    blurred = images.fingerprint(encode(drawing().filter(ImageFilter.GaussianBlur(6))))
    red = images.fingerprint(encode(tinted(drawing())))
    bordered = images.fingerprint(encode(on_canvas(drawing(margin=0), 200)))
    assert (sound.width, sound.height) == (500, 500)
    assert blurred.sharpness < SETTINGS.sharpness < sound.sharpness
    assert red.red_dominance > sound.red_dominance + 0.03
    assert bordered.usable_area == pytest.approx(0.16, abs=0.02)
    assert sound.usable_area == pytest.approx(0.84**2, abs=0.03)
    assert all(0 <= value <= 1 for value in sound[5:])


FLAWS = [
    (drawing(), NOTHING_DONE),
    (drawing().filter(ImageFilter.GaussianBlur(6)), NOTHING_DONE._replace(sharpened=True)),
    (tinted(drawing()), NOTHING_DONE._replace(desaturated=True)),
    (on_canvas(drawing(margin=0), 200), NOTHING_DONE._replace(cropped=True)),
]


@pytest.mark.parametrize(("picture", "treatments"), FLAWS, ids=["sound", "blurred", "red", "bordered"])
def test_each_flaw_gets_its_treatment(picture, treatments):
    data = encode(picture)
    row = images.prepared_quality(data)
    assert images.plan(images.fingerprint(data), SETTINGS) == treatments
    assert {name: row[name] for name in Treatments._fields} == treatments._asdict()
    if treatments.sharpened:
        assert row["sharpness_after"] > 1.3 * row["sharpness_before"]
    if treatments.desaturated:
        assert row["saturation_after"] < 0.95 * row["saturation_before"]
        assert row["red_dominance_after"] < row["red_dominance_before"]
    if treatments.cropped:
        assert row["usable_area_after"] > 1.8 * row["usable_area_before"]


@pytest.mark.parametrize(("picture", "treatments"), FLAWS[1:], ids=["blurred", "red", "bordered"])
def test_a_treatment_that_is_switched_off_is_not_given(picture, treatments):
    off = PreparationSettings(sharpen=False, desaturate=False, crop=False)
    assert images.plan(images.fingerprint(encode(picture)), off) == NOTHING_DONE


def test_equalisation_is_for_red_pictures_and_off_unless_asked_for():
    red, sound = tinted(drawing()), drawing()
    equalising = PreparationSettings(equalise=True)
    assert images.prepare(sound, equalising) == images.prepare(sound, SETTINGS)
    assert images.prepare(red, equalising) != images.prepare(red, SETTINGS)


@pytest.mark.parametrize("size", [(500, 500), (500, 300), (90, 200), (1, 700)])
def test_a_prepared_picture_is_a_square_and_always_the_same(size):
    picture = drawing().resize(size)
    prepared = images.prepare(picture, SETTINGS)
    assert (prepared.size, prepared.mode) == ((224, 224), "RGB")
    assert prepared == images.prepare(picture, SETTINGS)


def test_a_crop_zooms_by_half_at_most_and_keeps_the_content():
    dot = Image.new("RGB", (500, 500), "white")
    ImageDraw.Draw(dot).ellipse((400, 400, 450, 450), fill="navy")
    pixels = np.asarray(images.prepare(dot, PreparationSettings(sharpen=False)))
    dark = (pixels[..., 0] < 128).sum() / 224**2
    assert dark == pytest.approx(1.5**2 * np.pi * 25**2 / 500**2, rel=0.1)


def test_a_crop_centres_the_content():
    dot = Image.new("RGB", (500, 500), "white")
    ImageDraw.Draw(dot).ellipse((180, 250, 230, 300), fill="navy")
    pixels = np.asarray(images.prepare(dot, SETTINGS))
    assert np.argwhere(pixels[..., 0] < 128).mean(axis=0) == pytest.approx([112, 112], abs=2)


def test_a_picture_that_is_not_square_keeps_its_proportions():
    disc = Image.new("RGB", (500, 250), "white")
    ImageDraw.Draw(disc).ellipse((130, 5, 370, 245), fill="navy")
    dark = np.argwhere(np.asarray(images.prepare(disc, PreparationSettings(crop=False)))[..., 0] < 128)
    height, width = np.ptp(dark, axis=0)
    assert height == pytest.approx(width, abs=2)


def test_fingerprints_come_in_the_order_of_the_pictures(tmp_path: Path):
    data = [encode(drawing(seed)) for seed in range(6)]
    (tmp_path / "picture.jpg").write_bytes(data[1])
    table = images.fingerprints([data[0], tmp_path / "picture.jpg", lambda: data[2], *data[3:]], workers=3)
    assert table.rows() == [tuple(images.fingerprint(one)) for one in data]
    assert table.columns == list(images.Fingerprint._fields)
    assert str(table.schema["phash"]) == "UInt64"
    assert images.fingerprints([]).schema == table.schema


def test_more_pictures_than_fit_in_memory_are_read_as_they_are_needed():
    alive = set()

    def picture(number):
        def read():
            alive.add(number)
            return WHOLE

        return read

    def pictures():
        for number in range(2 * images.CHUNK + 1):
            assert number - len(alive) <= images.CHUNK
            yield picture(number)

    assert images.fingerprints(pictures()).height == 2 * images.CHUNK + 1
