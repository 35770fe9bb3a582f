"""Worked examples in a classifier's folder: whoever loads it can see that it answers as where it was trained."""

import io
import json
from pathlib import Path
from random import Random

import numpy as np

from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.classifier_files import PARITY
from rakuten_assets.core.products import Product

# Languages, accents, mark-up, entities, a letter that two characters make, and texts of one line and of many.
TEXTS = (
    ("Piscine tubulaire ronde", "<p>Bâche &amp; échelle<br/>Ø 366&nbsp;cm</p>"),
    ("Livre d'occasion : L'E\u0301cume des jours", ""),
    ("Garden shed, 2 doors", "<ul><li>Galvanised steel</li><li>Anthracite grey</li></ul>" * 12),
    ("Spielzeugauto für Kinder", "Größe: 12 cm &#8211; ab 3&nbsp;Jahren"),
    ("Mando inalámbrico para consola", "Batería recargable, 10 horas"),
    ("Carte à jouer œuf de dragon ½", "<b>Rare</b> <i>holo</i> état neuf"),
)

# Category of the drawing, its format, and the text beside it, if any.
PICTURES = ((2583, "JPEG", 0), (10, "JPEG", 1), (1280, "PNG", None), (50, "JPEG", None))


def write_examples(folder: Path, classifier: ProductClassifier) -> None:
    """Write products of every kind into the classifier's `folder`, with the answers that it gives here."""
    place = folder / PARITY
    place.mkdir(parents=True, exist_ok=True)
    rows = [_written(place, number, product) for number, product in enumerate(examples())]
    for row, answer in zip(rows, _answers(place, rows, classifier), strict=True):
        row["log_proba"] = answer.tolist()
    # A model without picture model has no answer to a picture alone, and JSON no number for that.
    kept = [row for row in rows if np.isfinite(row["log_proba"]).all()]
    (place / "examples.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1, allow_nan=False))


def largest_gap(folder: Path, classifier: ProductClassifier) -> float:
    """Largest difference between a probability (0 to 1) in the folder's examples and the one that is given here.

    Infinite where an answer is missing here; raises ValueError where the folder has no examples.
    """
    place = folder / PARITY
    rows = json.loads((place / "examples.json").read_text()) if (place / "examples.json").exists() else []
    if not rows:
        raise ValueError(f"The classifier in {folder} has no worked examples to compare its answers with.")
    expected, found = np.array([row["log_proba"] for row in rows]), _answers(place, rows, classifier)
    gap = float(np.abs(np.exp(found) - np.exp(expected)).max())
    return gap if np.isfinite(gap) else float("inf")


def examples() -> list[Product]:
    """Products of every kind: text alone, picture alone, both; the same on every machine, and nobody's."""
    beside = {text for _, _, text in PICTURES}
    alone = [Product(*text) for number, text in enumerate(TEXTS) if number not in beside]
    drawn = [
        Product(*(("", "") if text is None else TEXTS[text]), _picture(code, kind)) for code, kind, text in PICTURES
    ]
    return alone + drawn


def _picture(code: int, kind: str) -> bytes:
    from rakuten_assets.core.sample_pictures import draw_picture

    buffer = io.BytesIO()
    draw_picture(Random(code), code).save(buffer, kind)
    return buffer.getvalue()


def _written(place: Path, number: int, product: Product) -> dict:
    """What the file of examples says of a product; its picture is a file of its own."""
    name = None
    if product.image is not None:
        name = f"{number}.png" if product.image.startswith(b"\x89PNG") else f"{number}.jpg"
        (place / name).write_bytes(product.image)
    return {"designation": product.designation, "description": product.description, "image": name}


def _answers(place: Path, rows: list[dict], classifier: ProductClassifier) -> np.ndarray:
    """Log-probabilities (rows x 27) of the examples as they are on disk."""
    products = [
        Product(row["designation"], row["description"], (place / row["image"]).read_bytes() if row["image"] else None)
        for row in rows
    ]
    return classifier.predict_log_proba(products).stacked
