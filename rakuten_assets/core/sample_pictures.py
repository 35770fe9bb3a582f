"""Product-like drawings for the sample catalogue, and what can go wrong with a picture."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from rakuten_assets.core.sample_words import SYLLABLES, neighbours

Colour = tuple[int, int, int]
Point = tuple[float, float]

# The challenge's pictures are all of this size.
SIZE = 500

# Together they leave a colour and gradient histogram with an SVM near 0.55 weighted F1: a plain parcel that
# shows nothing of what is in it, and a product that looks like one of a category it is confused with.
PLAIN_PARCEL = 0.12
BORROWED_SHAPE = 0.08
HOUSE_COLOUR = 0.6

# Redder than this (mean red over the larger of green and blue) is kept for the pictures tinted on purpose.
REDDEST = 1.1


def draw_picture(rng: Random, code: int) -> Image.Image:
    """A 500 x 500 RGB picture of one product of category `code`."""
    looks = rng.choice(neighbours(code)) if rng.random() < BORROWED_SHAPE else code
    image, plain = _background(rng)
    brush = Brush(ImageDraw.Draw(image), image, rng, _pose(rng), PALETTES[looks])
    _props(brush)
    shape = parcel if rng.random() < PLAIN_PARCEL else rng.choice(SHAPES[looks])
    shape(brush)
    if rng.random() < (0.35 if plain else 0.8):
        image = _lit(rng, image)
    return _developed(rng, image, grain=rng.uniform(2, 7), plain=plain)


def encode(image: Image.Image, quality: int = 88) -> bytes:
    """The bytes of `image` as a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def recompressed(image: Image.Image, rng: Random) -> bytes:
    """The same picture, saved again by a program that spares bytes."""
    return encode(image, 40)


def resized(image: Image.Image, rng: Random) -> bytes:
    """The same picture as a 320 x 320 thumbnail."""
    return encode(image.resize((320, 320), Image.Resampling.LANCZOS))


def cropped(image: Image.Image, rng: Random) -> bytes:
    """The same picture without 3 to 5 % of its width and height, at its old size."""
    cut = [rng.uniform(0.03, 0.05) * SIZE for _ in range(2)]
    left, top = (rng.uniform(0.4, 0.6) * part for part in cut)
    frame = (left, top, SIZE - cut[0] + left, SIZE - cut[1] + top)
    return encode(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=frame))


def colour_shifted(image: Image.Image, rng: Random) -> bytes:
    """The same picture under a slightly different light."""
    gains = [rng.uniform(0.9, 1.04) for _ in range(3)]
    return encode(_scaled(image, gains, rng.uniform(-8, 4)))


def blurred(image: Image.Image, rng: Random) -> bytes:
    """The picture out of focus."""
    return encode(image.filter(ImageFilter.GaussianBlur(rng.uniform(6, 9))))


def red_tinted(image: Image.Image, rng: Random) -> bytes:
    """The picture under red light: its mean red is at least 18 % above its green and its blue."""
    red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
    aim = rng.uniform(1.2, 1.4)
    return encode(_scaled(image, [0.98, 0.98 * red / aim / green, 0.98 * red / aim / blue], 0))


def bordered(image: Image.Image, rng: Random) -> bytes:
    """The picture at 35 to 50 % of its side, somewhere on a plain ground."""
    side = round(rng.uniform(0.35, 0.5) * SIZE)
    ground = Image.new("RGB", (SIZE, SIZE), rng.choice(((255, 255, 255), (0, 0, 0), (238, 238, 238), (24, 40, 60))))
    corner = (rng.randrange(20, SIZE - side - 20), rng.randrange(20, SIZE - side - 20))
    ground.paste(image.resize((side, side), Image.Resampling.LANCZOS), corner)
    return encode(ground)


def zero_byte(image: Image.Image, rng: Random) -> bytes:
    """An upload that never started."""
    return b""


def truncated(image: Image.Image, rng: Random) -> bytes:
    """An upload that broke off."""
    data = encode(image)
    return data[: int(len(data) * rng.uniform(0.3, 0.7))]


def not_jpeg(image: Image.Image, rng: Random) -> bytes:
    """A PNG, or an error page, under a JPEG's name."""
    if rng.random() < 0.5:
        return f"<html><body><h1>404 Not Found</h1>Request {rng.getrandbits(32)}</body></html>".encode()
    buffer = io.BytesIO()
    image.resize((64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


def too_large(image: Image.Image, rng: Random) -> bytes:
    """A JPEG 30,000 pixels wide."""
    return encode(image.resize((30_000, 24)))


Transform = Callable[[Image.Image, Random], bytes]
COPIES: dict[str, Transform] = {
    "recompressed": recompressed, "resized": resized, "cropped": cropped, "colour_shifted": colour_shifted,
}  # fmt: skip
FLAWS: dict[str, Transform] = {"blurred": blurred, "red_tinted": red_tinted, "bordered": bordered}
BREAKAGES: dict[str, Transform] = {
    "zero_byte": zero_byte, "truncated": truncated, "not_jpeg": not_jpeg, "too_large": too_large,
}  # fmt: skip


@dataclass(frozen=True)
class Brush:
    """Draws in a product's own coordinates, -1 to 1 each way, wherever and however the product lies."""

    draw: ImageDraw.ImageDraw
    image: Image.Image
    rng: Random
    pose: tuple[float, float, float, float, float, float]
    palette: tuple[Colour, ...]

    def at(self, x: float, y: float, scale: float, turn: float = 0.0) -> "Brush":
        """A brush for a part of the product: centred on (x, y), smaller, turned by `turn` radians."""
        a, b, c, d, _, _ = self.pose
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        pose = (a * cos + b * sin, b * cos - a * sin, c * cos + d * sin, d * cos - c * sin, *self.place(x, y))
        return Brush(self.draw, self.image, self.rng, pose, self.palette)

    def place(self, x: float, y: float) -> Point:
        a, b, c, d, e, f = self.pose
        return a * x + b * y + e, c * x + d * y + f

    def unit(self) -> float:
        """The length of one product unit, in pixels."""
        return math.sqrt(abs(self.pose[0] * self.pose[3] - self.pose[1] * self.pose[2]))

    def colour(self) -> Colour:
        """A colour of the house, or any other."""
        base = self.rng.choice(self.palette) if self.rng.random() < HOUSE_COLOUR else _any_colour(self.rng)
        return _near(self.rng, base)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon([self.place(x, y) for x, y in points], fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.polygon(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), colour)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.polygon([(x + rx * cos, y + ry * sin) for cos, sin in CIRCLE], colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        pixels = max(1, round(width * self.unit()))
        self.draw.line([self.place(x, y) for x, y in points], fill=colour, width=pixels, joint="curve")

    def lettering(self, x: float, y: float, height: float, colour: Colour) -> None:
        """A made-up word centred on (x, y)."""
        word = "".join(self.rng.choice(SYLLABLES) for _ in range(self.rng.randint(1, 3)))
        mask = _word_mask(word.upper(), max(8, round(height * self.unit() / 4) * 4))
        mask = mask.rotate(-math.degrees(math.atan(self.pose[2] / (self.pose[0] or 1e-9))), expand=True)
        left, top = self.place(x, y)
        self.draw.bitmap((round(left - mask.width / 2), round(top - mask.height / 2)), mask, fill=colour)

    def print_lines(self, x0: float, y0: float, x1: float, y1: float, count: int) -> None:
        """Small print."""
        ink, step = _near(self.rng, (60, 60, 60)), (y1 - y0) / count
        for row in range(count):
            end = x0 + (x1 - x0) * self.rng.uniform(0.5, 1)
            self.box(x0, y0 + row * step, end, y0 + (row + 0.45) * step, ink)

    def pattern(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A print of stripes, checks, dots or shards over a box."""
        self.box(x0, y0, x1, y1, self.colour())
        inks = (self.colour(), self.colour(), self.colour())
        kind, count = self.rng.randrange(4), self.rng.randint(3, 8)
        width, height = (x1 - x0) / count, (y1 - y0) / count
        if kind == 0:
            for i in range(count):
                self.box(x0 + i * width, y0, x0 + (i + self.rng.uniform(0.3, 0.8)) * width, y1, inks[i % 3])
        elif kind == 1:
            for i in range(count * count):
                x, y = x0 + i % count * width, y0 + i // count * height
                if self.rng.random() < 0.5:
                    self.box(x, y, x + width, y + height, inks[i % 3])
        else:
            for i in range(count * 3):
                x, y = self.rng.uniform(x0, x1), self.rng.uniform(y0, y1)
                reach = min(self.rng.uniform(0.3, 1.6) * width, x - x0, x1 - x)
                rise = min(self.rng.uniform(0.3, 1.6) * height, y - y0, y1 - y)
                if kind == 2:
                    self.disc(x, y, reach, rise, inks[i % 3])
                else:
                    self.polygon(((x - reach, y), (x, y - rise), (x + reach, y + rise)), inks[i % 3])


CIRCLE = [(math.cos(i * math.pi / 12), math.sin(i * math.pi / 12)) for i in range(24)]


def _pose(rng: Random) -> tuple[float, float, float, float, float, float]:
    """Where the product lies: turned, stretched, skewed, off the middle."""
    turn = rng.gauss(0, 0.22)
    wide, high = (rng.uniform(0.36, 0.5) * SIZE for _ in range(2))
    skew = rng.uniform(-0.2, 0.2)
    cos, sin = math.cos(turn), math.sin(turn)
    mirror = rng.choice((-1, 1))
    across, down = (high * (skew * cos - sin), high * (skew * sin + cos))
    x, y = (SIZE * rng.uniform(0.4, 0.6) for _ in range(2))
    return mirror * wide * cos, across, mirror * wide * sin, down, x, y


def _props(b: Brush) -> None:
    """What happens to lie behind the product."""
    for _ in range(b.rng.randint(0, 3)):
        x, y = b.rng.choice((-1, 1)) * b.rng.uniform(0.3, 1), b.rng.choice((-1, 1)) * b.rng.uniform(0.3, 1)
        b.at(x, y, b.rng.uniform(0.1, 0.35), b.rng.uniform(-1, 1)).pattern(-1, -1, 1, 1)


def _background(rng: Random) -> tuple[Image.Image, bool]:
    """A ground to lay the product on, and whether it is plain white."""
    kind = rng.random()
    if kind < 0.4:
        return Image.new("RGB", (SIZE, SIZE), (255, 255, 255)), True
    if kind < 0.7:
        light = [_near(rng, rng.choice(((225, 225, 228), (205, 215, 222), (232, 226, 214)))) for _ in range(4)]
        return _blend(light, 2), False
    room = _blend([_muted(rng) for _ in range(9)], 3)
    draw, floor = ImageDraw.Draw(room), rng.randrange(250, 420)
    planks, base = (
        rng.randint(4, 12),
        _near(rng, rng.choice(((170, 140, 110), (120, 130, 120), (190, 190, 195)))),
    )
    for i in range(planks):
        edge = [SIZE * i / planks, SIZE * (i + 1) / planks]
        splay = [3 * side - SIZE for side in edge]
        draw.polygon(
            [(edge[0], floor), (edge[1], floor), (splay[1], SIZE), (splay[0], SIZE)],
            fill=_near(rng, base, 14),
        )
    return room, False


def _blend(colours: Sequence[Colour], side: int) -> Image.Image:
    grid = np.array(colours, dtype=np.uint8).reshape(side, side, 3)
    return Image.fromarray(grid).resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _lit(rng: Random, image: Image.Image) -> Image.Image:
    """`image` with soft shadows."""
    side = rng.randint(2, 5)
    shadows = Image.frombytes("L", (side, side), bytes(rng.randint(150, 255) for _ in range(side * side)))
    light = shadows.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return ImageChops.multiply(image, Image.merge("RGB", (light,) * 3))


def _developed(rng: Random, image: Image.Image, grain: float, plain: bool) -> Image.Image:
    """`image` with the camera's grain, its red kept below what counts as a tint."""
    top, left = rng.randrange(GRAIN_SIDE - SIZE), rng.randrange(GRAIN_SIDE - SIZE)
    noise = _grain()[top : top + SIZE, left : left + SIZE]
    pixels = np.asarray(image).astype(np.int16)
    pixels += (noise * grain).astype(np.int16)[:, :, None]
    if plain:
        pixels[np.asarray(image.convert("L")) > 253] = 255
    developed = pixels.clip(0, 255).astype(np.uint8)
    red, green, blue = developed[::8, ::8].reshape(-1, 3).mean(axis=0)
    return Image.fromarray(developed[:, :, ::-1].copy() if red > REDDEST * max(green, blue) else developed)


# One sheet of grain serves all pictures: each takes its own part of it, at its own strength.
GRAIN_SIDE = 900


@cache
def _grain() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((GRAIN_SIDE, GRAIN_SIDE), dtype=np.float32)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _word_mask(word: str, size: int) -> Image.Image:
    left, top, right, bottom = _font(size).getbbox(word)
    mask = Image.new("1", (round(right - left) + 2, round(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), word, fill=1, font=_font(size))
    return mask


def _scaled(image: Image.Image, gains: Sequence[float], offset: float) -> Image.Image:
    table = [min(255, max(0, round(value * gain + offset))) for gain in gains for value in range(256)]
    return image.point(table)


def _any_colour(rng: Random) -> Colour:
    return rng.randrange(20, 240), rng.randrange(20, 240), rng.randrange(20, 240)


def _muted(rng: Random) -> Colour:
    grey = rng.randrange(50, 230)
    return _near(rng, (grey, grey, grey), 45)


def _near(rng: Random, colour: Colour, spread: int = 22) -> Colour:
    red, green, blue = (min(255, max(0, part + rng.randint(-spread, spread))) for part in colour)
    return red, green, blue


WHITE, BLACK, STEEL, WOOD = (248, 248, 246), (28, 28, 32), (150, 156, 164), (164, 122, 82)


def parcel(b: Brush) -> None:
    b.box(-0.95, -0.7, 0.95, 0.95, b.colour())
    b.polygon(((-0.95, -0.7), (-0.7, -0.95), (0.98, -0.95), (0.95, -0.7)), b.colour())
    b.pattern(-0.8, -0.5, b.rng.uniform(-0.1, 0.7), 0.5)
    b.lettering(0, b.rng.uniform(0.5, 0.8), 0.25, b.colour())
    b.print_lines(0.1, 0.55, 0.85, 0.9, 5)


def book(b: Brush) -> None:
    b.box(-0.72, -0.95, 0.72, 0.95, b.colour())
    b.box(-0.72, -0.95, -0.62, 0.95, b.colour())
    low = b.rng.uniform(-0.4, 0.1)
    b.pattern(-0.5, low, 0.6, low + b.rng.uniform(0.4, 0.8))
    b.lettering(0.05, -0.75, 0.2, b.colour())
    b.lettering(0.05, -0.52, 0.14, b.colour())
    b.print_lines(-0.5, 0.75, 0.4, 0.9, 2)


def old_book(b: Brush) -> None:
    paper = _near(b.rng, (214, 196, 158))
    b.box(-0.75, -0.95, 0.75, 0.95, paper)
    b.box(-0.66, -0.86, 0.66, 0.86, _near(b.rng, (120, 84, 60), 30))
    b.box(-0.6, -0.8, 0.6, 0.8, paper)
    b.lettering(0, b.rng.uniform(-0.6, -0.2), 0.18, _near(b.rng, (90, 40, 30)))
    b.print_lines(-0.4, 0.1, 0.4, b.rng.uniform(0.4, 0.7), b.rng.randint(3, 7))
    for _ in range(30):
        b.disc(b.rng.uniform(-0.7, 0.7), b.rng.uniform(-0.9, 0.9), 0.02, 0.02, _near(b.rng, (170, 140, 100)))


def spines(b: Brush) -> None:
    count = b.rng.randint(5, 11)
    for i in range(count):
        x, width = -0.95 + 1.9 * i / count, 1.9 / count
        high = b.rng.uniform(-0.95, -0.4)
        b.box(x, high, x + width * 0.95, 0.9, b.colour())
        b.box(x + width * 0.25, high + 0.15, x + width * 0.7, b.rng.uniform(high + 0.4, 0.6), b.colour())


def comic(b: Brush) -> None:
    b.box(-0.78, -0.95, 0.78, 0.95, WHITE)
    b.lettering(0, -0.8, 0.22, b.colour())
    rows, top = b.rng.randint(2, 3), -0.62
    for _ in range(rows):
        bottom, split = top + 1.5 / rows, b.rng.uniform(-0.3, 0.3)
        b.pattern(-0.72, top, split, bottom - 0.04)
        b.pattern(split + 0.04, top, 0.72, bottom - 0.04)
        b.disc(b.rng.uniform(-0.4, 0.4), top + 0.15, 0.22, 0.1, WHITE)
        top = bottom


def magazine(b: Brush) -> None:
    b.box(-0.74, -0.95, 0.74, 0.95, b.colour() if b.rng.random() < 0.6 else WHITE)
    b.box(-0.74, -0.95, 0.74, -0.62, b.colour())
    b.lettering(0, -0.79, 0.3, b.rng.choice((WHITE, b.colour())))
    side = b.rng.choice((-1, 1))
    b.pattern(min(0.66 * side, -0.15 * side), -0.5, max(0.66 * side, -0.15 * side), 0.6)
    b.disc(0.25 * side, -0.1, 0.2, 0.28, _near(b.rng, (216, 176, 148), 30))
    for i in range(3):
        b.print_lines(-0.66, -0.5 + 0.4 * i, -0.2, -0.25 + 0.4 * i, 4)
    b.print_lines(-0.66, 0.7, 0.66, 0.9, 4)


def newspaper(b: Brush) -> None:
    b.box(-0.8, -0.95, 0.8, 0.95, _near(b.rng, (226, 220, 202)))
    b.lettering(0, -0.82, 0.24, BLACK)
    for i in range(b.rng.randint(3, 5)):
        b.print_lines(-0.72 + 0.38 * i, -0.6, min(0.75, -0.4 + 0.38 * i), 0.88, 24)
    x, y = b.rng.uniform(-0.7, 0), b.rng.uniform(-0.55, 0.2)
    b.pattern(x, y, x + 0.6, y + 0.5)


def game_case(b: Brush) -> None:
    b.box(-0.7, -0.95, 0.7, 0.95, b.colour())
    b.box(-0.7, -0.95, 0.7, -0.74, b.palette[0])
    b.pattern(-0.64, -0.7, 0.64, 0.88)
    b.lettering(0, b.rng.uniform(-0.5, 0.3), 0.26, b.rng.choice((WHITE, BLACK)))
    b.box(-0.6, 0.64, -0.4, 0.86, WHITE)
    b.lettering(0.3, -0.85, 0.12, WHITE)


def compact_disc(b: Brush) -> None:
    b.disc(0, 0, 0.95, 0.95, _near(b.rng, STEEL))
    b.disc(0, 0, 0.9, 0.9, b.colour())
    for _ in range(b.rng.randint(4, 9)):
        turn = b.rng.uniform(0, 6.3)
        b.polygon(((0, 0), (0.88 * math.cos(turn), 0.88 * math.sin(turn)),
                   (0.88 * math.cos(turn + 0.3), 0.88 * math.sin(turn + 0.3))), b.colour())  # fmt: skip
    b.lettering(0, -0.55, 0.2, WHITE)
    b.disc(0, 0, 0.3, 0.3, _near(b.rng, STEEL))
    b.disc(0, 0, 0.12, 0.12, WHITE)


def controller(b: Brush) -> None:
    shell = b.colour()
    for side in (-1, 1):
        b.polygon(((side * 0.3, -0.2), (side * 0.9, -0.3), (side * 0.98, 0.75), (side * 0.7, 0.85)), shell)
        b.disc(side * 0.6, -0.15, 0.38, 0.36, shell)
        b.disc(side * 0.28, 0.2, 0.17, 0.17, _near(b.rng, BLACK))
    b.box(-0.6, -0.5, 0.6, 0.25, shell)
    b.box(-0.75, -0.2, -0.45, -0.1, BLACK)
    b.box(-0.65, -0.3, -0.55, 0, BLACK)
    for x, y in ((0.6, -0.3), (0.6, 0), (0.47, -0.15), (0.73, -0.15)):
        b.disc(x, y, 0.07, 0.07, b.colour())
    b.pattern(-0.25, -0.4, 0.25, -0.1)


def cable(b: Brush) -> None:
    ink, loops = b.colour(), b.rng.uniform(1.5, 4)
    curve = [(0.8 * math.cos(t / 9) * (1 - t / 130), 0.8 * math.sin(loops * t / 12)) for t in range(90)]
    b.line(curve, 0.09, ink)
    for x, y in (curve[0], curve[-1]):
        b.box(x - 0.18, y - 0.12, x + 0.18, y + 0.12, _near(b.rng, BLACK))
        b.box(x + 0.18, y - 0.07, x + 0.3, y + 0.07, _near(b.rng, STEEL))


def charger(b: Brush) -> None:
    b.box(-0.9, 0.2, 0.9, 0.7, _near(b.rng, BLACK))
    for side in (-1, 1):
        controller(b.at(side * 0.48, -0.15, 0.5, b.rng.uniform(-0.3, 0.3)))
    for i in range(4):
        b.disc(-0.6 + 0.4 * i, 0.5, 0.05, 0.05, b.colour())


def console(b: Brush) -> None:
    shell = b.colour()
    b.box(-0.98, -0.7, 0.98, 0, shell)
    b.box(-0.98, -0.7, 0.98, -0.55, _near(b.rng, shell, 50))
    b.box(b.rng.uniform(-0.8, -0.4), -0.4, 0.5, -0.3, BLACK)
    for i in range(b.rng.randint(3, 8)):
        b.box(-0.85 + 0.12 * i, -0.2, -0.79 + 0.12 * i, -0.06, _near(b.rng, STEEL))
    b.lettering(0.6, -0.2, 0.15, b.colour())
    controller(b.at(b.rng.uniform(-0.4, 0.4), 0.5, 0.5))


def handheld(b: Brush) -> None:
    b.box(-0.98, -0.55, 0.98, 0.55, b.colour())
    b.box(-0.55, -0.45, 0.55, 0.45, BLACK)
    b.pattern(-0.5, -0.4, 0.5, 0.4)
    for side in (-1, 1):
        b.disc(side * 0.77, -0.2, 0.13, 0.16, _near(b.rng, BLACK))
        for dx, dy in ((0, 0.1), (0, 0.3), (0.09, 0.2), (-0.09, 0.2)):
            b.disc(side * 0.77 + dx, dy, 0.05, 0.06, b.colour())


def cartridges(b: Brush) -> None:
    for _ in range(b.rng.randint(3, 7)):
        part = b.at(b.rng.uniform(-0.6, 0.6), b.rng.uniform(-0.6, 0.6), b.rng.uniform(0.35, 0.5), b.rng.uniform(-1, 1))
        part.box(-0.8, -0.9, 0.8, 0.9, part.rng.choice((_near(b.rng, STEEL), _near(b.rng, BLACK))))
        part.pattern(-0.6, -0.7, 0.6, 0.4)
        part.print_lines(-0.6, 0.5, 0.6, 0.85, 3)


def used_bundle(b: Brush) -> None:
    console(b.at(-0.2, -0.35, 0.75, b.rng.uniform(-0.2, 0.2)))
    cartridges(b.at(b.rng.uniform(-0.1, 0.4), 0.55, 0.5))


def screen_shot(b: Brush) -> None:
    b.pattern(-1, -0.75, 1, 0.75)
    for _ in range(b.rng.randint(2, 5)):
        x, y = b.rng.uniform(-0.8, 0.6), b.rng.uniform(-0.6, 0.3)
        b.polygon(((x - 0.5, 0.72), (x, y), (x + 0.4, 0.72)), b.colour())
    b.box(-0.95, -0.7, -0.3, -0.55, b.colour())
    b.lettering(0, -0.1, 0.35, b.rng.choice((WHITE, b.colour())))
    b.box(-1, 0.55, 1, 0.75, BLACK)
    b.print_lines(-0.9, 0.6, 0.8, 0.72, 2)


def figure(b: Brush) -> None:
    skin, suit, reach = _near(b.rng, (222, 180, 150), 30), b.colour(), b.rng.uniform(-0.6, 0.5)
    b.disc(0, 0.92, 0.6, 0.1, _near(b.rng, BLACK))
    for side in (-1, 1):
        b.line(((side * 0.12, 0.3), (side * b.rng.uniform(0.12, 0.4), 0.9)), 0.22, b.colour())
        b.line(
            ((side * 0.25, -0.3), (side * 0.55, reach * side), (side * 0.8, b.rng.uniform(-0.6, 0.4))),
            0.15,
            suit,
        )
    b.polygon(((-0.35, -0.4), (0.35, -0.4), (0.25, 0.4), (-0.25, 0.4)), suit)
    b.pattern(-0.2, -0.3, 0.2, 0.1)
    b.disc(0, -0.65, b.rng.uniform(0.2, 0.4), 0.3, skin)
    b.polygon(((-0.4, -0.7), (b.rng.uniform(-0.3, 0.3), -1), (0.4, -0.7)), b.colour())
    for side in (-1, 1):
        b.disc(side * 0.12, -0.62, 0.05, 0.06, BLACK)


def window_box(b: Brush) -> None:
    b.box(-0.8, -0.98, 0.8, 0.98, b.colour())
    b.box(-0.65, -0.7, 0.65, 0.7, _near(b.rng, (225, 230, 236)))
    figure(b.at(0, 0, 0.62))
    b.lettering(0, -0.84, 0.2, WHITE)
    b.lettering(0, 0.84, 0.16, b.colour())


def card(b: Brush) -> None:
    b.box(-0.7, -0.96, 0.7, 0.96, b.colour())
    b.box(-0.62, -0.88, 0.62, 0.88, b.colour())
    b.box(-0.58, -0.85, 0.58, -0.72, WHITE)
    b.pattern(-0.54, -0.66, 0.54, 0.1)
    b.disc(0, -0.25, b.rng.uniform(0.15, 0.35), b.rng.uniform(0.15, 0.3), b.colour())
    b.box(-0.56, 0.18, 0.56, 0.8, _near(b.rng, (236, 228, 206)))
    b.print_lines(-0.5, 0.25, 0.5, 0.7, b.rng.randint(4, 7))
    b.lettering(-0.1, -0.78, 0.12, BLACK)
    b.disc(0.5, -0.78, 0.07, 0.07, b.colour())


def card_fan(b: Brush) -> None:
    for i in range(b.rng.randint(2, 4)):
        card(b.at(-0.45 + 0.35 * i, b.rng.uniform(-0.1, 0.1), 0.7, -0.35 + 0.25 * i))


def miniatures(b: Brush) -> None:
    for i in range(b.rng.randint(3, 7)):
        x, y = -0.75 + 0.5 * (i % 4), -0.45 + 0.85 * (i // 4)
        grey = _near(b.rng, STEEL, 30)
        part = b.at(x, y, 0.4, b.rng.uniform(-0.15, 0.15))
        part.disc(0, 0.85, 0.55, 0.2, _near(b.rng, BLACK))
        part.polygon(((-0.4, 0.8), (0, -0.5), (0.4, 0.8)), grey)
        part.disc(0, -0.5, 0.25, 0.25, _near(b.rng, grey))
        part.line(((b.rng.uniform(-0.8, 0.8), -1), (0.3, 0.4)), 0.1, _near(b.rng, grey, 40))


def board_game(b: Brush) -> None:
    count, pair = b.rng.randint(4, 9), (b.colour(), b.colour())
    b.box(-0.98, -0.98, 0.98, 0.98, b.colour())
    for i in range(count * count):
        x, y, step = -0.9 + 1.8 * (i % count) / count, -0.9 + 1.8 * (i // count) / count, 1.8 / count
        b.box(
            x,
            y,
            x + step,
            y + step,
            pair[(i % count + i // count) % 2] if b.rng.random() < 0.9 else b.colour(),
        )
    for _ in range(b.rng.randint(4, 10)):
        x, y, ink = b.rng.uniform(-0.8, 0.8), b.rng.uniform(-0.8, 0.8), b.colour()
        b.polygon(((x - 0.09, y + 0.15), (x, y - 0.1), (x + 0.09, y + 0.15)), ink)
        b.disc(x, y - 0.12, 0.07, 0.07, ink)


def dice_and_cards(b: Brush) -> None:
    card_fan(b.at(-0.2, -0.3, 0.65))
    for _ in range(b.rng.randint(2, 6)):
        part = b.at(b.rng.uniform(-0.8, 0.8), b.rng.uniform(0.2, 0.8), 0.17, b.rng.uniform(-1, 1))
        part.box(-1, -1, 1, 1, b.colour())
        for _ in range(b.rng.randint(1, 6)):
            part.disc(b.rng.uniform(-0.7, 0.7), b.rng.uniform(-0.7, 0.7), 0.2, 0.2, WHITE)


def plush(b: Brush) -> None:
    fur, belly = b.colour(), b.colour()
    for side in (-1, 1):
        b.disc(side * 0.4, -0.78, 0.22, b.rng.uniform(0.18, 0.45), fur)
        b.disc(side * 0.6, 0.1, 0.2, 0.35, fur)
        b.disc(side * 0.4, 0.8, 0.28, 0.18, fur)
    b.disc(0, 0.35, 0.58, 0.58, fur)
    b.disc(0, 0.4, 0.35, 0.4, belly)
    b.disc(0, -0.4, 0.52, 0.45, fur)
    b.disc(0, -0.28, 0.2, 0.15, belly)
    for side in (-1, 1):
        b.disc(side * 0.2, -0.5, 0.07, 0.08, BLACK)
    b.pattern(-0.25, 0.1, 0.25, 0.3)


def toy_set(b: Brush) -> None:
    for _ in range(b.rng.randint(6, 12)):
        part = b.at(
            b.rng.uniform(-0.75, 0.75),
            b.rng.uniform(-0.75, 0.75),
            b.rng.uniform(0.15, 0.35),
            b.rng.uniform(-1, 1),
        )
        b.rng.choice((lambda p: p.box(-1, -1, 1, 1, p.colour()), lambda p: p.disc(0, 0, 1, 1, p.colour()),
                      lambda p: p.polygon(((-1, 1), (0, -1), (1, 1)), p.colour()),
                      lambda p: p.pattern(-1, -0.7, 1, 0.7)))(part)  # fmt: skip
        part.lettering(0, 0, 0.9, WHITE)


def vehicle(b: Brush) -> None:
    shell, roof = b.colour(), b.rng.uniform(-0.7, -0.35)
    b.box(-0.98, -0.25, 0.98, 0.4, shell)
    b.polygon(((-0.6, -0.25), (-0.35, roof), (0.4, roof), (0.7, -0.25)), _near(b.rng, shell, 40))
    b.polygon(
        ((-0.45, -0.27), (-0.28, roof + 0.08), (0.33, roof + 0.08), (0.52, -0.27)),
        _near(b.rng, (150, 190, 210)),
    )
    b.pattern(-0.7, -0.1, 0.5, 0.2)
    for i in range(b.rng.randint(2, 4)):
        x = -0.65 + 0.43 * i if i else -0.65
        b.disc(x, 0.45, 0.24, 0.3, BLACK)
        b.disc(x, 0.45, 0.11, 0.14, _near(b.rng, STEEL))


def train(b: Brush) -> None:
    for i in range(3):
        vehicle(b.at(-0.66 + 0.66 * i, b.rng.uniform(-0.25, 0.25), 0.34))
    for rail in (0.35, 0.5):
        b.line(((-1, rail), (1, rail)), 0.03, _near(b.rng, STEEL))
    for i in range(14):
        b.box(-0.98 + 0.14 * i, 0.3, -0.94 + 0.14 * i, 0.56, _near(b.rng, WOOD))


def drone(b: Brush) -> None:
    for x in (-0.75, 0.75):
        for y in (-0.65, 0.65):
            b.line(((0, 0), (x, y)), 0.1, _near(b.rng, BLACK))
            b.disc(x, y, 0.32, 0.26, _near(b.rng, STEEL, 40))
            b.line(((x - 0.3, y - b.rng.uniform(-0.2, 0.2)), (x + 0.3, y)), 0.07, b.colour())
    b.disc(0, 0, 0.4, 0.28, b.colour())
    b.pattern(-0.2, -0.15, 0.2, 0.12)
    b.disc(0, 0.2, 0.1, 0.1, BLACK)


def socks(b: Brush) -> None:
    for side in (-1, 1):
        part, yarn = b.at(side * 0.42, b.rng.uniform(-0.1, 0.1), 0.9, b.rng.uniform(-0.2, 0.2)), b.colour()
        part.polygon(((-0.25, -1), (0.2, -1), (0.2, 0.4), (0.6, 0.75), (0.45, 1), (0.1, 1), (-0.25, 0.6)), yarn)
        part.box(-0.25, -1, 0.2, -0.8, b.colour())
        for i in range(b.rng.randint(2, 7)):
            part.box(-0.25, -0.7 + 0.17 * i, 0.2, -0.62 + 0.17 * i, b.colour())
        part.polygon(((0.35, 0.55), (0.6, 0.75), (0.45, 1), (0.2, 1)), b.colour())


def bonnet(b: Brush) -> None:
    b.disc(0, 0.1, 0.85, 0.8, b.colour())
    b.pattern(-0.55, -0.35, 0.55, 0.3)
    b.box(-0.88, 0.4, 0.88, 0.8, b.colour())
    b.disc(0, -0.8, 0.2, 0.2, b.colour())


def ball(b: Brush) -> None:
    b.disc(0, 0, 0.9, 0.9, b.colour())
    for _ in range(b.rng.randint(5, 10)):
        turn, out = b.rng.uniform(0, 6.3), b.rng.uniform(0, 0.65)
        part = b.at(out * math.cos(turn), out * math.sin(turn), b.rng.uniform(0.1, 0.25), turn)
        part.polygon([(CIRCLE[i][0], CIRCLE[i][1]) for i in range(0, 24, 5)], b.colour())
    b.lettering(0, 0, 0.2, b.colour())


def scooter(b: Brush) -> None:
    frame = b.colour()
    b.line(((-0.75, 0.7), (0.6, 0.7), (0.4, -0.85)), 0.13, frame)
    b.line(((0.1, -0.85), (0.75, -0.85)), 0.12, BLACK)
    for x in (-0.75, 0.68):
        b.disc(x, 0.75, 0.23, 0.23, BLACK)
        b.disc(x, 0.75, 0.12, 0.12, b.colour())
    b.pattern(-0.55, 0.55, 0.3, 0.68)


def tent(b: Brush) -> None:
    b.polygon(((-0.98, 0.85), (0, -0.9), (0.98, 0.85)), b.colour())
    for _ in range(b.rng.randint(2, 5)):
        x = b.rng.uniform(-0.8, 0.4)
        b.polygon(((x, 0.85), (0, -0.9), (x + 0.25, 0.85)), b.colour())
    b.polygon(((-0.25, 0.85), (0, 0), (0.25, 0.85)), BLACK)


def baby_bottle(b: Brush) -> None:
    b.disc(0, -0.8, 0.13, 0.2, _near(b.rng, (226, 206, 170)))
    b.box(-0.35, -0.65, 0.35, -0.45, b.colour())
    b.box(-0.42, -0.45, 0.42, 0.95, _near(b.rng, (226, 236, 240)))
    b.box(-0.4, b.rng.uniform(-0.3, 0.4), 0.4, 0.93, WHITE)
    b.pattern(-0.3, 0.1, 0.3, 0.6)
    for i in range(8):
        b.box(0.2, -0.35 + 0.14 * i, 0.4, -0.32 + 0.14 * i, b.colour())


def stroller(b: Brush) -> None:
    hood = b.colour()
    b.line(((-0.95, -0.7), (-0.6, 0.1), (0.5, 0.75)), 0.07, _near(b.rng, STEEL))
    b.line(((0.5, 0.1), (-0.5, 0.75)), 0.07, _near(b.rng, STEEL))
    b.polygon(((-0.6, 0), (0.65, 0), (0.4, 0.4), (-0.35, 0.4)), b.colour())
    b.polygon(((0, 0), (0.1, -0.75), (0.5, -0.75), (0.75, -0.4), (0.7, 0)), hood)
    b.pattern(-0.3, 0.05, 0.3, 0.3)
    for x in (-0.5, 0.5):
        b.disc(x, 0.75, 0.2, 0.22, BLACK)
        b.disc(x, 0.75, 0.1, 0.11, WHITE)


def play_mat(b: Brush) -> None:
    b.disc(0, 0.3, 0.95, 0.6, b.colour())
    b.pattern(-0.5, 0, 0.5, 0.6)
    b.line(((-0.85, 0.3), (-0.4, -0.8), (0.4, -0.8), (0.85, 0.3)), 0.08, b.colour())
    for i in range(4):
        x = -0.45 + 0.3 * i
        b.line(((x, -0.8), (x, -0.5)), 0.02, BLACK)
        b.disc(x, b.rng.uniform(-0.5, -0.25), 0.12, 0.14, b.colour())


def chair(b: Brush) -> None:
    wood = b.colour()
    for x in (-0.5, 0.5):
        b.line(((x, 0.15), (x * 1.3, 0.95)), 0.1, wood)
        b.line(((x * 0.8, 0.1), (x * 0.9, 0.75)), 0.08, _near(b.rng, wood))
    b.polygon(((-0.5, -0.95), (0.5, -0.95), (0.45, 0), (-0.45, 0)), b.colour())
    b.pattern(-0.35, -0.85, 0.35, -0.15)
    b.polygon(((-0.48, 0), (0.48, 0), (0.65, 0.25), (-0.65, 0.25)), b.colour())


def cabinet(b: Brush) -> None:
    rows, columns, wood = b.rng.randint(1, 4), b.rng.randint(1, 3), b.colour()
    b.box(-0.98, -0.8, 0.98, 0.8, wood)
    for i in range(rows * columns):
        x, y = -0.93 + 1.86 * (i % columns) / columns, -0.75 + 1.5 * (i // columns) / rows
        right, bottom = x + 1.86 / columns - 0.06, y + 1.5 / rows - 0.05
        b.box(x, y, right, bottom, _near(b.rng, wood, 35) if b.rng.random() < 0.7 else BLACK)
        b.box((x + right) / 2 - 0.07, y + 0.06, (x + right) / 2 + 0.07, y + 0.1, _near(b.rng, STEEL))
    for _ in range(12):
        y = b.rng.uniform(-0.75, 0.75)
        b.line(((-0.9, y), (0.9, y + b.rng.uniform(-0.05, 0.05))), 0.008, _near(b.rng, wood, 45))
    for x in (-0.9, 0.8):
        b.box(x, 0.8, x + 0.1, 0.98, _near(b.rng, wood))


def sofa(b: Brush) -> None:
    cloth = b.colour()
    b.box(-0.98, -0.5, 0.98, 0.6, cloth)
    for i in range(3):
        b.box(-0.75 + 0.5 * i, -0.4, -0.28 + 0.5 * i, 0.1, _near(b.rng, cloth, 30))
        b.box(-0.75 + 0.5 * i, 0.12, -0.28 + 0.5 * i, 0.4, _near(b.rng, cloth, 30))
    for x in (-0.98, 0.75):
        b.box(x, -0.2, x + 0.23, 0.65, _near(b.rng, cloth, 30))
        b.box(x + 0.05, 0.65, x + 0.13, 0.85, BLACK)
    b.at(b.rng.uniform(-0.5, 0.5), -0.15, 0.25, b.rng.uniform(-0.4, 0.4)).pattern(-1, -1, 1, 1)


def cushion(b: Brush) -> None:
    bow = b.rng.uniform(0.8, 0.92)
    b.polygon(
        (
            (-0.98, -0.98),
            (0, -bow),
            (0.98, -0.98),
            (bow, 0),
            (0.98, 0.98),
            (0, bow),
            (-0.98, 0.98),
            (-bow, 0),
        ),
        b.colour(),
    )
    b.pattern(-0.8, -0.8, 0.8, 0.8)
    for _ in range(b.rng.randint(0, 4)):
        x, y = b.rng.uniform(-0.5, 0.3), b.rng.uniform(-0.5, 0.3)
        b.pattern(x, y, x + 0.4, y + 0.4)


def bedding(b: Brush) -> None:
    b.box(-0.98, -0.9, 0.98, -0.55, _near(b.rng, WOOD))
    b.polygon(((-0.85, -0.6), (0.85, -0.6), (0.98, 0.9), (-0.98, 0.9)), WHITE)
    b.polygon(((-0.87, -0.15), (0.87, -0.15), (0.98, 0.9), (-0.98, 0.9)), b.colour())
    b.pattern(-0.8, -0.05, 0.8, 0.8)
    for x in (-0.45, 0.45):
        b.at(x, -0.4, 0.35).pattern(-1, -0.6, 1, 0.6)


def packet(b: Brush) -> None:
    b.polygon(((-0.65, -0.95), (0.65, -0.95), (0.75, 0.95), (-0.75, 0.95)), b.colour())
    b.box(-0.65, -0.95, 0.65, -0.8, b.colour())
    b.disc(0, 0.2, b.rng.uniform(0.35, 0.55), b.rng.uniform(0.3, 0.5), b.colour())
    for _ in range(b.rng.randint(6, 20)):
        b.disc(b.rng.gauss(0, 0.25), b.rng.gauss(0.2, 0.2), 0.08, 0.06, b.colour())
    b.lettering(0, -0.5, 0.3, b.rng.choice((WHITE, b.colour())))
    b.print_lines(-0.4, 0.75, 0.4, 0.9, 3)


def jars(b: Brush) -> None:
    count = b.rng.randint(1, 3)
    for i in range(count):
        part = b.at((i - (count - 1) / 2) * 0.68, b.rng.uniform(-0.1, 0.1), 1 if count == 1 else 0.8)
        part.box(-0.35, -0.75, 0.35, -0.55, b.colour())
        part.box(-0.42, -0.55, 0.42, 0.9, b.colour())
        part.box(-0.42, -0.2, 0.42, 0.5, WHITE)
        part.lettering(0, 0, 0.2, b.colour())
        part.print_lines(-0.3, 0.2, 0.3, 0.45, 3)


def lamp(b: Brush) -> None:
    b.polygon(((-0.4, -0.9), (0.4, -0.9), (0.75, -0.1), (-0.75, -0.1)), b.colour())
    b.pattern(-0.35, -0.8, 0.35, -0.2)
    b.box(-0.06, -0.1, 0.06, 0.8, _near(b.rng, STEEL))
    b.disc(0, 0.85, b.rng.uniform(0.35, 0.6), 0.1, b.colour())


def wall_art(b: Brush) -> None:
    count = b.rng.choice((1, 1, 3, 5))
    for i in range(count):
        x, width, drop = -0.98 + 1.96 * i / count, 1.96 / count - 0.04, b.rng.uniform(0.6, 0.95)
        b.box(x, -drop, x + width, drop, b.colour())
        b.pattern(x + 0.05, 0.05 - drop, x + width - 0.05, drop - 0.05)
    b.lettering(0, 0, 0.3, b.rng.choice((WHITE, b.colour())))


def lights(b: Brush) -> None:
    wire = [
        (-0.98 + 0.05 * t, 0.45 * math.sin(t / b.rng.uniform(2.8, 3.2)) + b.rng.uniform(-0.1, 0.1)) for t in range(40)
    ]
    b.line(wire, 0.02, _near(b.rng, (40, 80, 50)))
    for x, y in wire[::2]:
        b.line(((x, y), (x, y + 0.3)), 0.015, _near(b.rng, BLACK))
        b.disc(x, y + 0.3, 0.07, 0.09, b.colour())


def vase(b: Brush) -> None:
    for _ in range(b.rng.randint(3, 8)):
        x, y = b.rng.uniform(-0.7, 0.7), b.rng.uniform(-0.95, -0.4)
        b.line(((0, 0), (x, y)), 0.04, _near(b.rng, (60, 120, 60)))
        b.disc(x, y, 0.18, 0.16, b.colour())
        b.disc(x, y, 0.07, 0.06, b.colour())
    b.polygon(((-0.2, -0.1), (0.2, -0.1), (0.5, 0.5), (0.3, 0.95), (-0.3, 0.95), (-0.5, 0.5)), b.colour())
    b.pattern(-0.25, 0.3, 0.25, 0.7)


def collar(b: Brush) -> None:
    strap = b.colour()
    b.disc(0, 0, 0.95, 0.75, strap)
    b.disc(0, 0, 0.78, 0.58, WHITE)
    for i in range(0, 24, b.rng.randint(1, 3)):
        b.disc(0.865 * CIRCLE[i][0], 0.665 * CIRCLE[i][1], 0.05, 0.05, b.colour())
    b.box(-0.15, 0.52, 0.15, 0.85, _near(b.rng, STEEL))
    b.disc(0, 0.9, 0.15, 0.15, b.colour())


def pet_bed(b: Brush) -> None:
    b.disc(0, 0.35, 0.98, 0.58, b.colour())
    b.disc(0, 0.3, 0.75, 0.4, b.colour())
    fur = _near(b.rng, b.rng.choice(((190, 150, 100), (90, 80, 75), (220, 215, 205))), 25)
    b.disc(0, 0.1, 0.45, 0.3, fur)
    b.disc(0.35, -0.25, 0.28, 0.26, fur)
    for x in (0.18, 0.52):
        b.polygon(((x - 0.12, -0.35), (x, -0.75), (x + 0.12, -0.35)), _near(b.rng, fur))
        b.disc(x, -0.27, 0.04, 0.05, BLACK)
    b.pattern(-0.6, 0.5, 0.6, 0.8)


def cat_tree(b: Brush) -> None:
    for x in (-0.45, 0.4):
        b.box(x - 0.09, -0.7, x + 0.09, 0.9, _near(b.rng, (200, 175, 130)))
        for i in range(12):
            b.box(x - 0.09, -0.65 + 0.13 * i, x + 0.09, -0.62 + 0.13 * i, _near(b.rng, (150, 120, 85)))
    for y in (-0.7, b.rng.uniform(-0.3, 0.3), 0.88):
        x = b.rng.uniform(-0.3, 0.1)
        b.box(x - 0.65, y - 0.07, x + 0.75, y + 0.07, b.colour())
    b.box(-0.1, 0.2, 0.6, 0.8, b.colour())
    b.disc(0.25, 0.5, 0.2, 0.2, BLACK)


def pens(b: Brush) -> None:
    for i in range(b.rng.randint(4, 10)):
        part, ink = (
            b.at(-0.8 + 0.19 * i, b.rng.uniform(-0.15, 0.15), 0.85, b.rng.uniform(-0.12, 0.12)),
            b.colour(),
        )
        part.box(-0.07, -0.9, 0.07, 0.75, ink)
        part.polygon(((-0.07, 0.75), (0.07, 0.75), (0, 0.98)), _near(b.rng, STEEL))
        part.box(-0.08, -0.9, 0.08, b.rng.uniform(-0.6, -0.2), _near(b.rng, ink, 60))


def notebook(b: Brush) -> None:
    b.box(-0.75, -0.95, 0.75, 0.95, b.colour())
    for i in range(14):
        b.disc(-0.72, -0.86 + 0.13 * i, 0.06, 0.03, _near(b.rng, STEEL))
    if b.rng.random() < 0.5:
        b.box(-0.6, -0.88, 0.68, 0.88, WHITE)
        b.print_lines(-0.5, -0.75, 0.6, 0.8, b.rng.randint(10, 20))
    else:
        b.pattern(-0.5, b.rng.uniform(-0.7, -0.1), 0.6, 0.7)
        b.lettering(0.05, -0.6, 0.22, b.colour())


def stationery_sheet(b: Brush) -> None:
    side = b.rng.randint(3, 6)
    b.box(-0.95, -0.95, 0.95, 0.95, WHITE)
    for i in range(side * side):
        part = b.at(-0.9 + 1.8 * (i % side + 0.5) / side, -0.9 + 1.8 * (i // side + 0.5) / side, 0.75 / side)
        part.disc(0, 0, 1, 1, b.colour()) if b.rng.random() < 0.5 else part.box(-1, -0.7, 1, 0.7, b.colour())
        part.lettering(0, 0, 0.7, BLACK)


def parasol(b: Brush) -> None:
    b.box(-0.04, -0.6, 0.04, 0.9, _near(b.rng, STEEL))
    for i in range(8):
        b.polygon(((0, -0.95), (-0.98 + 0.245 * i, -0.2), (-0.735 + 0.245 * i, -0.2)), b.colour())
    b.box(-0.35, 0.85, 0.35, 0.97, BLACK)
    b.disc(b.rng.uniform(-0.5, 0.5), 0.6, 0.35, 0.1, _near(b.rng, WOOD))


def garden_set(b: Brush) -> None:
    wicker = b.colour()
    b.polygon(((-0.45, 0.2), (0.45, 0.2), (0.6, 0.5), (-0.6, 0.5)), _near(b.rng, (200, 215, 215)))
    b.box(-0.5, 0.5, 0.5, 0.8, wicker)
    for x in (-0.65, 0.65):
        part = b.at(x, -0.2, 0.5)
        part.box(-0.7, -0.9, 0.7, 0.7, wicker)
        part.box(-0.5, -0.2, 0.5, 0.3, b.colour())
        for i in range(9):
            part.line(((-0.7, -0.9 + 0.17 * i), (0.7, -0.85 + 0.17 * i)), 0.03, _near(b.rng, wicker, 35))
    for _ in range(b.rng.randint(10, 30)):
        x = b.rng.uniform(-1, 1)
        b.line(((x, 1), (x + 0.05, b.rng.uniform(0.75, 0.95))), 0.03, _near(b.rng, (80, 140, 60), 30))


def gazebo(b: Brush) -> None:
    b.polygon(((-0.98, -0.35), (b.rng.uniform(-0.2, 0.2), -0.95), (0.98, -0.35)), b.colour())
    b.pattern(-0.9, -0.35, 0.9, -0.2)
    for x in (-0.85, -0.3, 0.25, 0.8):
        b.box(x, -0.2, x + 0.06, 0.9, _near(b.rng, STEEL))
    b.box(-0.98, 0.85, 0.98, 0.95, _near(b.rng, (100, 150, 80)))
    chair(b.at(b.rng.uniform(-0.4, 0.4), 0.45, 0.4))


def pool(b: Brush) -> None:
    water, wall = _near(b.rng, (70, 170, 215), 30), b.colour()
    deep = b.rng.uniform(0.25, 0.55)
    b.disc(0, deep - 0.05, 0.98, 0.45, wall)
    b.box(-0.98, -0.2, 0.98, deep - 0.05, wall)
    for _ in range(b.rng.randint(4, 12)):
        x = b.rng.uniform(-0.95, 0.85)
        b.box(x, -0.15, x + 0.06, deep, _near(b.rng, wall, 50))
    b.disc(0, -0.2, 0.98, 0.45, WHITE)
    b.disc(0, -0.2, 0.9, 0.39, water)
    for _ in range(b.rng.randint(8, 24)):
        x, y = b.rng.uniform(-0.6, 0.5), b.rng.uniform(-0.42, 0.05)
        b.line(((x, y), (x + 0.08, y + 0.03), (x + 0.18, y)), 0.02, _near(b.rng, (190, 228, 240)))


def basin(b: Brush) -> None:
    b.polygon(((-0.6, -0.7), (0.6, -0.7), (0.98, 0.8), (-0.98, 0.8)), _near(b.rng, (214, 204, 186)))
    b.polygon(((-0.48, -0.55), (0.48, -0.55), (0.8, 0.65), (-0.8, 0.65)), _near(b.rng, (60, 160, 205), 30))
    for _ in range(b.rng.randint(15, 40)):
        x, y = b.rng.uniform(-0.55, 0.45), b.rng.uniform(-0.5, 0.6)
        b.line(((x, y), (x + 0.06, y + 0.04), (x + 0.15, y)), 0.02, _near(b.rng, (180, 225, 240)))
    b.line(((0.5, -0.6), (0.55, -0.3), (0.6, 0)), 0.05, _near(b.rng, STEEL))
    b.pattern(-0.3, b.rng.uniform(-0.3, 0.2), 0.3, 0.4) if b.rng.random() < 0.3 else None


def pump(b: Brush) -> None:
    tank = b.colour()
    b.disc(-0.2, -0.25, 0.55, 0.6, tank)
    b.box(-0.75, -0.2, 0.35, 0.6, tank)
    b.box(0.3, 0.1, 0.95, 0.6, _near(b.rng, BLACK))
    for i in range(6):
        b.box(0.35 + 0.1 * i, 0.12, 0.4 + 0.1 * i, 0.58, _near(b.rng, STEEL))
    b.line(((-0.2, -0.8), (0.3, -0.95), (0.9, b.rng.uniform(-0.9, -0.3))), 0.14, _near(b.rng, (70, 120, 180)))
    b.box(-0.9, 0.6, 0.98, 0.75, BLACK)
    b.lettering(-0.2, 0.1, 0.22, WHITE)
    b.disc(-0.2, -0.75, 0.15, 0.12, b.colour())


def filters(b: Brush) -> None:
    for i in range(b.rng.randint(1, 4)):
        x = -0.68 + 0.46 * i
        b.box(x - 0.2, -0.7, x + 0.2, 0.7, WHITE)
        for j in range(9):
            b.box(x - 0.19 + 0.045 * j, -0.68, x - 0.17 + 0.045 * j, 0.68, _near(b.rng, (170, 190, 205)))
        for y in (-0.7, 0.7):
            b.disc(x, y, 0.22, 0.12, _near(b.rng, (60, 120, 190)))
    b.lettering(0.2, 0, 0.2, b.colour())


def drill(b: Brush) -> None:
    shell = b.colour()
    b.box(-0.6, -0.65, 0.4, -0.15, shell)
    b.polygon(((-0.55, -0.15), (-0.15, -0.15), (-0.25, 0.6), (-0.6, 0.6)), _near(b.rng, BLACK))
    b.box(-0.75, 0.6, -0.05, 0.9, shell)
    b.box(0.4, -0.55, 0.6, -0.25, _near(b.rng, STEEL))
    b.box(0.6, -0.43, 0.98, -0.37, _near(b.rng, STEEL))
    b.lettering(-0.15, -0.4, 0.18, WHITE)
    for i in range(4):
        b.box(-0.55 + 0.08 * i, -0.6, -0.52 + 0.08 * i, -0.2, BLACK)


def hand_tools(b: Brush) -> None:
    for i in range(b.rng.randint(2, 6)):
        part, grip = (
            b.at(-0.75 + 0.32 * i, b.rng.uniform(-0.2, 0.2), 0.85, b.rng.uniform(-0.3, 0.3)),
            b.colour(),
        )
        part.box(-0.05, -0.8, 0.05, 0.3, _near(b.rng, STEEL))
        part.box(-0.11, 0.2, 0.11, 0.95, grip)
        part.box(-0.06, 0.35, 0.06, 0.85, _near(b.rng, grip, 60))
        if b.rng.random() < 0.5:
            part.box(-0.28, -0.95, 0.28, -0.7, _near(b.rng, STEEL, 40))
        else:
            part.disc(0, -0.8, 0.2, 0.17, _near(b.rng, STEEL, 40))


def mower(b: Brush) -> None:
    b.line(((-0.3, 0.3), (-0.95, -0.9), (-0.6, -0.95)), 0.07, BLACK)
    b.polygon(((-0.5, 0.1), (0.6, 0), (0.9, 0.55), (-0.6, 0.6)), b.colour())
    b.box(-0.15, -0.35, 0.4, 0.1, _near(b.rng, BLACK))
    b.pattern(-0.1, -0.3, 0.3, -0.05)
    for x in (-0.5, 0.75):
        b.disc(x, 0.65, 0.23, 0.24, BLACK)
        b.disc(x, 0.65, 0.1, 0.1, b.colour())
    b.lettering(0.1, 0.35, 0.2, WHITE)


SHAPES: dict[int, tuple[Callable[[Brush], None], ...]] = {
    10: (old_book, old_book, book),
    40: (game_case, game_case, compact_disc),
    50: (controller, cable, charger),
    60: (console, handheld),
    1140: (figure, window_box),
    1160: (card, card, card_fan),
    1180: (miniatures, board_game),
    1280: (plush, toy_set, vehicle),
    1281: (board_game, dice_and_cards),
    1300: (drone, vehicle, train),
    1301: (socks, socks, bonnet),
    1302: (scooter, ball, tent),
    1320: (stroller, baby_bottle, play_mat),
    1560: (chair, cabinet, sofa),
    1920: (cushion, cushion, bedding),
    1940: (packet, jars),
    2060: (wall_art, lights, lamp, vase),
    2220: (collar, pet_bed, cat_tree),
    2280: (magazine, magazine, newspaper),
    2403: (comic, spines),
    2462: (used_bundle, cartridges, game_case),
    2522: (pens, notebook, stationery_sheet),
    2582: (garden_set, parasol, gazebo),
    2583: (pool, basin, pump, filters),
    2585: (drill, hand_tools, mower),
    2705: (book,),
    2905: (game_case, screen_shot),
}

PALETTES: dict[int, tuple[Colour, ...]] = {
    10: ((206, 186, 146), (120, 84, 60), (150, 60, 50)),
    40: ((40, 90, 190), (30, 150, 60), (60, 60, 80)),
    50: ((40, 40, 46), (235, 235, 238), (40, 110, 200)),
    60: ((50, 52, 60), (200, 200, 205), (160, 60, 70)),
    1140: ((60, 80, 160), (190, 60, 60), (230, 200, 90)),
    1160: ((236, 206, 70), (90, 60, 140), (60, 120, 90)),
    1180: ((120, 124, 128), (90, 76, 60), (70, 90, 60)),
    1280: ((240, 150, 190), (250, 205, 60), (110, 200, 230)),
    1281: ((40, 120, 70), (210, 60, 50), (240, 225, 190)),
    1300: ((44, 48, 54), (200, 40, 40), (150, 160, 170)),
    1301: ((230, 180, 200), (120, 150, 190), (225, 225, 220)),
    1302: ((70, 180, 80), (250, 140, 40), (30, 110, 200)),
    1320: ((190, 220, 235), (245, 205, 215), (210, 225, 195)),
    1560: ((164, 122, 82), (96, 70, 50), (228, 226, 220)),
    1920: ((190, 178, 170), (110, 130, 150), (170, 90, 110)),
    1940: ((110, 60, 30), (220, 170, 50), (70, 130, 50)),
    2060: ((235, 205, 130), (60, 110, 110), (190, 130, 120)),
    2220: ((200, 160, 110), (90, 140, 90), (190, 60, 70)),
    2280: ((210, 40, 40), (240, 220, 60), (60, 60, 70)),
    2403: ((240, 120, 40), (50, 90, 170), (230, 225, 215)),
    2462: ((90, 92, 98), (60, 60, 110), (160, 160, 160)),
    2522: ((40, 60, 150), (240, 235, 220), (60, 150, 140)),
    2582: ((90, 130, 70), (190, 170, 140), (110, 96, 84)),
    2583: ((70, 160, 210), (170, 210, 225), (40, 90, 160)),
    2585: ((245, 170, 30), (40, 110, 60), (70, 74, 80)),
    2705: ((70, 130, 170), (235, 235, 228), (190, 90, 60)),
    2905: ((40, 60, 50), (90, 30, 60), (30, 40, 90)),
}
