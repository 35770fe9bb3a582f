"""Language of product texts: `core.language` against lingua with the same six languages, on one thread each.

Run: python benchmarks/language.py [--n N]
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

import polars as pl
from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from rakuten_assets.core import language

SENTENCES = {
    "fr": (
        "Chaise de jardin en résine tressée",
        "Livré avec deux coussins épais",
        "Idéal pour les enfants dès trois ans",
        "Très bon état, quelques traces d'usure",
        "La housse se lave en machine",
        "Pompe à filtration pour piscine hors sol",
        "Jeu de société pour toute la famille",
        "Compatible avec les consoles récentes",
        "Le tome est complet et bien conservé",
    ),
    "en": (
        "Woven resin garden chair",
        "Comes with two thick cushions",
        "Ideal for children from three years",
        "Very good condition with some signs of wear",
        "The cover is machine washable",
        "Filter pump for above ground pools",
        "Board game for the whole family",
        "Works with recent consoles",
        "The volume is complete and well kept",
    ),
    "de": (
        "Gartenstuhl aus geflochtenem Harz",
        "Mit zwei dicken Kissen geliefert",
        "Ideal für Kinder ab drei Jahren",
        "Sehr guter Zustand mit leichten Spuren",
        "Der Bezug ist in der Maschine waschbar",
        "Filterpumpe für freistehende Becken",
        "Brettspiel für die ganze Familie",
        "Passend zu neueren Konsolen",
        "Der Band ist vollständig und gut erhalten",
    ),
    "es": (
        "Silla de jardín de resina trenzada",
        "Se entrega con dos cojines gruesos",
        "Ideal para niños desde tres años",
        "Muy buen estado con algunas marcas",
        "La funda se lava a máquina",
        "Bomba de filtración para piscinas elevadas",
        "Juego de mesa para toda la familia",
        "Compatible con las consolas recientes",
        "El tomo está completo y bien conservado",
    ),
    "it": (
        "Sedia da giardino in resina intrecciata",
        "Fornita con due cuscini spessi",
        "Ideale per bambini dai tre anni",
        "Ottimo stato con qualche segno di usura",
        "La fodera si lava in lavatrice",
        "Pompa filtrante per piscine fuori terra",
        "Gioco da tavolo per tutta la famiglia",
        "Compatibile con le console recenti",
        "Il volume è completo e ben conservato",
    ),
    "nl": (
        "Tuinstoel van gevlochten kunststof",
        "Wordt geleverd met twee dikke kussens",
        "Ideaal voor kinderen vanaf drie jaar",
        "Zeer goede staat met enkele sporen",
        "De hoes kan in de wasmachine",
        "Filterpomp voor opzetzwembaden",
        "Bordspel voor het hele gezin",
        "Werkt met de nieuwste consoles",
        "Het deel is volledig en goed bewaard",
    ),
}
NAMES = ("Bestway", "Nintendo", "Playmobil", "XL-200", "40x60 cm", "PS4", "Hasbro", "2,5 kg")

LINGUA = (
    Language.FRENCH,
    Language.ENGLISH,
    Language.GERMAN,
    Language.SPANISH,
    Language.ITALIAN,
    Language.DUTCH,
)


def catalogue(n: int, seed: int = 0) -> pl.DataFrame:
    """From a title to a long description, with brands and sizes in it; languages in the report's shares."""
    draw = random.Random(seed)
    codes = draw.choices(list(SENTENCES), weights=(77, 14.6, 3.2, 1.8, 1.8, 1.6), k=n)
    return pl.DataFrame({"language": codes, "text": [_text(draw, code) for code in codes]})


def _text(draw: random.Random, code: str) -> str:
    chosen = draw.choices(SENTENCES[code], k=draw.randint(2, 24))
    return " ".join(part for sentence in chosen for part in (sentence, draw.choice(NAMES)))


def lingua(detector: LanguageDetector, texts: list[str]) -> list[str]:
    found = (detector.detect_language_of(text) for text in texts)
    return [one.iso_code_639_1.name.lower() if one else language.FALLBACK for one in found]


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--repeat", type=int, default=5)
    n, repeat = vars(parser.parse_args()).values()

    rows = catalogue(n)
    texts, truth = rows["text"].to_list(), rows["language"].to_list()
    detector = LanguageDetectorBuilder.from_languages(*LINGUA).with_preloaded_language_models().build()
    theirs, ours = lingua(detector, texts), language.detect(texts).to_list()
    long = [at for at, text in enumerate(texts) if len(text) >= 40]

    laps = [(seconds(lambda: lingua(detector, texts)), seconds(lambda: language.detect(texts))) for _ in range(repeat)]
    slow, fast = map(statistics.median, zip(*laps, strict=True))

    def share(a: list[str], b: list[str]) -> float:
        return sum(a[at] == b[at] for at in long) / len(long)

    print(
        f"{n:,} texts of {sum(map(len, texts)) / n:.0f} characters, one thread each, models loaded, "
        f"median of {repeat}, interleaved\n"
    )
    print("| detector | texts/s | ratio | right on 40 characters and more |\n| --- | --- | --- | --- |")
    print(f"| lingua, six languages, high accuracy | {n / slow:,.0f} | 1 | {share(theirs, truth):.2%} |")
    print(f"| core.language | {n / fast:,.0f} | {slow / fast:.1f} | {share(ours, truth):.2%} |\n")
    print(f"agreement on {len(long):,} texts of 40 characters and more: {share(ours, theirs):.2%}")


if __name__ == "__main__":
    main()
