"""Terms of a text beyond its words: how it is written, and how its title begins and ends.

A shop's catalogue, a bookseller's list and a private seller write differently, and what a thing is mostly stands at the
head of its title ("Housse de piscine"); bags of words and of n-grams know neither.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Characters whose writing is read: habits show early.
WRITTEN = 160
SIZES = range(2, 7)

# Words in capitals, capitalised words, words in small letters, digits; all else stands for itself.
SHAPES = re.compile(r"(?P<AA>[A-ZÀ-Þ]{2,})|(?P<Aa>[A-ZÀ-Þ][a-zß-ÿ]+)|(?P<a>[a-zß-ÿ]+)|(?P<digit>[0-9])")
SYMBOL = re.compile(f"{SHAPES.pattern}|.", re.DOTALL)
WORD = re.compile(r"\w+")


class Span(NamedTuple):
    """A term and the characters, first and last, on which it stands."""

    term: str
    first: int
    last: int


def writing(text: str) -> list[str]:
    """The 2- to 6-grams of the shape of a text's beginning: "Housse PVC, 3 m" is of the shape "Aa AA, 0 a"."""
    shape = SHAPES.sub(_symbol, text[:WRITTEN])
    return [shape[at : at + size] for size in SIZES for at in range(len(shape) - size + 1)]


def writing_spans(text: str) -> Iterator[Span]:
    """The terms of `writing`, in its order, and where each stands; a blank belongs to what is before it."""
    symbols: list[tuple[str, int, int]] = []
    for match in SYMBOL.finditer(text[:WRITTEN]):
        first, last = match.start(), match.end() - 1
        if match.group().isspace() and symbols:
            first, last = symbols[-1][1:]
        shape = SHAPES.sub(_symbol, match.group())
        symbols += [(symbol, first, last) for symbol in shape]
    for size in SIZES:
        for at in range(len(symbols) - size + 1):
            run = symbols[at : at + size]
            yield Span("".join(symbol for symbol, _, _ in run), run[0][1], run[-1][2])


def opening(title: str) -> list[str]:
    """The first three words of a title, its last, its first pair and its last, each with its place."""
    return [span.term for span in opening_spans(title)]


def opening_spans(title: str) -> Iterator[Span]:
    """The terms of `opening`, in its order, and where each stands."""
    found = [(match.group(), match.start()) for match in WORD.finditer(title)]
    for number, (word, at) in enumerate(found[:3], 1):
        yield Span(f"{number} {word}", at, at)
    for word, at in found[-1:]:
        yield Span(f"-1 {word}", at, at)
    if len(found) > 1:
        for place, ((one, first), (other, last)) in (("1-2", found[:2]), ("-2-1", found[-2:])):
            yield Span(f"{place} {one} {other}", first, last)


def _symbol(match: re.Match[str]) -> str:
    return "0" if match.lastgroup == "digit" else str(match.lastgroup)
