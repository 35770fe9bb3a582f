"""HTML to visible text: `core.text` against BeautifulSoup row by row in pandas, on the same texts.

Both sides turn a title and a description into one line of visible text.
Run: python benchmarks/cleaning.py [--n N]
"""

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable
from unicodedata import normalize

import pandas as pd
import polars as pl
from bs4 import BeautifulSoup

from rakuten_assets.core import text

WORDS = """
chaise jardin en résine tressée lot de quatre coussins piscine hors sol pompe à filtration livre
d'occasion collection poche jeu vidéo console manette sans fil figurine dragon carte rare édition
française jouet enfant bébé haute qualité matériau acier inoxydable couleur noir bleu taille 40 x 60
cm poids 2,5 kg the wooden garden chair with soft cushion Gartenstuhl aus Holz mit Kissen L'été où
naïveté cœur 3 < 5
"""
ENTITIES = (
    "&eacute;",
    "&amp;",
    "&nbsp;",
    "&#39;",
    "&#39;",
    "&#x20AC;",
    "&rsquo;",
    "&laquo;",
    "&lt;",
    "&copy;",
    "&",
    "D&D,",
)
OPEN = (
    "<p>",
    '<span style="color:#fff">',
    "<strong>",
    "<ul><li>",
    "<div class=\"a\" data-b='c > d'>",
    "<td>",
)
CLOSE = ("</p>", "</span>", "</strong>", "</li></ul>", "</div>", "</td>")
HIDDEN = (
    "<script>var a = '<b>1</b>' && 2;</script>",
    "<style>p > b { color: red }</style>",
    "<!-- a <b>note</b> -->",
)


def catalogue(n: int, seed: int = 0) -> pl.DataFrame:
    """Titles of some 70 characters, 35 % without description, half of the other descriptions in HTML."""
    draw = random.Random(seed)
    return pl.DataFrame(
        {
            "productid": range(n),
            "designation": [_words(draw, draw.randint(4, 20)) for _ in range(n)],
            "description": [_description(draw) for _ in range(n)],
        }
    )


def _words(draw: random.Random, n: int) -> str:
    return " ".join(draw.choices(WORDS.split(), k=n))


def _description(draw: random.Random) -> str | None:
    kind = draw.random()
    if kind < 0.35:
        return None
    if kind < 0.67:
        return _words(draw, draw.randint(10, 200))
    return "".join(_fragment(draw) for _ in range(draw.randint(2, 20)))


def _fragment(draw: random.Random) -> str:
    at = draw.randrange(len(OPEN))
    hidden = draw.choice(HIDDEN) if draw.random() < 0.02 else ""
    words = f"{_words(draw, draw.randint(2, 12))} {draw.choice(ENTITIES)} {_words(draw, 2)}"
    return f"{OPEN[at]}{words}{hidden}{CLOSE[at]}<br />\n"


def soup(products: pd.DataFrame) -> "pd.Series[str]":
    return products.apply(lambda row: _soup(row.designation) + " " + _soup(row.description), axis=1).str.strip()


def _soup(raw: str | None) -> str:
    page = BeautifulSoup(raw or "", "html.parser")
    for hidden in page(["script", "style"]):
        hidden.decompose()
    return " ".join(page.get_text(" ").split())


def visible(products: pl.DataFrame) -> pl.Series:
    columns = products.select(text.visible(pl.col("designation", "description").fill_null("")))
    return (columns["designation"] + " " + columns["description"]).str.strip_chars()


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3_000)
    parser.add_argument("--repeat", type=int, default=5)
    n, repeat = vars(parser.parse_args()).values()

    products, many = catalogue(n), catalogue(85_000, seed=1)
    frame = products.to_pandas()
    seen, wanted = visible(products), soup(frame)
    equal = [normalize("NFC", a) == b for a, b in zip(wanted, seen, strict=True)]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first = seconds(lambda: text.clean(many))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    one = products.head(1)
    laps = [
        (
            seconds(lambda: soup(frame)),
            seconds(lambda: visible(products)),
            seconds(lambda: text.clean(products)),
            seconds(lambda: [text.clean(one) for _ in range(50)]) / 50,
        )
        for _ in range(repeat)
    ]
    theirs, ours, whole, single = map(statistics.median, zip(*laps, strict=True))

    print(f"{n:,} products, median of {repeat}, interleaved\n")
    print("| step | rows/s | ratio |\n| --- | --- | --- |")
    print(f"| BeautifulSoup, row by row in pandas | {n / theirs:,.0f} | 1 |")
    print(f"| visible text | {n / ours:,.0f} | {theirs / ours:.1f} |")
    print(f"| clean: light, classic, keys, lengths | {n / whole:,.0f} | {theirs / whole:.1f} |\n")
    print(f"equal visible text: {sum(equal) / n:.2%}; one product: {single * 1e3:.2f} ms")
    print(f"85,000 products cleaned in {first:.1f} s, peak memory grown by {grown:,.0f} MiB")


if __name__ == "__main__":
    main()
