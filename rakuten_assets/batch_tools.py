"""The champion on files: score it on labelled products, or let it classify unlabelled ones."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from rakuten_assets.core import evaluate as scoring
from rakuten_assets.core.classifier import Probabilities, ProductClassifier
from rakuten_assets.core.delivery_files import UnusableFile, read_picture_file
from rakuten_assets.core.images import BadPicture, check
from rakuten_assets.core.linear import positions
from rakuten_assets.core.products import Product, picture_name
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.registry import Registry
from rakuten_assets.resources import ModelStore
from rakuten_assets.settings import Settings

# Products classified at once: their pictures are in memory together.
CHUNK = 512

Progress = Callable[[int, int], None]


class Answer(NamedTuple):
    """Of some products: their probabilities, what was wrong with the picture of each, if anything, and whose answer."""

    probabilities: Probabilities
    problems: list[str | None]
    version: str


Answers = Callable[[Iterator[pl.DataFrame]], Iterable[Answer]]
"""From parts of a table of products to their answers, in the same order."""


def load_champion(settings: Settings) -> ProductClassifier:
    """The champion's classifier; raises LookupError where there is none yet."""
    registered = Registry(str(settings.root)).get("champion")
    if registered is None:
        raise LookupError("There is no champion yet: run `rakuten materialize` first.")
    store = ModelStore(url=str(settings.root), cache=str(settings.local_state / "cache"))
    return ProductClassifier.load(store.fetch(registered.folder))


def evaluate(
    classifier: ProductClassifier, x: Path, y: Path, images: Path | None, progress: Progress
) -> dict[str, Any]:
    """Scores of text, image and stacked model over labelled products, joined by their row index.

    Raises ValueError where the files cannot be joined or hold unknown categories.
    """
    labels = _read_labels(y)
    products = _read_products(x).join(labels, on="", how="inner", maintain_order="left")
    if products.is_empty():
        raise ValueError(f"No row of {x} has a label in {y}: their first columns must share values.")
    answer, problems, _ = gather(by(classifier, images), products, progress)
    truth = positions(products["prdtypecode"].to_numpy())
    scores = {name: scoring.score(getattr(answer, name), truth) for name in ("text", "image", "stacked")}
    return {
        "n": len(products),
        **{name: scored.as_dict() if scored else None for name, scored in scores.items()},
        "without_picture": dict(Counter(problem for problem in problems if problem)),
    }


def predict(answers: Answers, x: Path, out: Path, top: int, progress: Progress) -> pl.DataFrame:
    """One row a product: categories and confidences, what they rest on, and why not where there are none."""
    products = _read_products(x)
    answer, problems, version = gather(answers, products, progress)
    table = products.select("productid").with_columns(
        _ranked(answer.stacked, top),
        rests_on=pl.Series(answer.rests_on, dtype=pl.String),
        model_version=pl.lit(version),
        problem=pl.Series(problems, dtype=pl.String),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(out) if out.suffix == ".parquet" else table.write_csv(out)
    return table


def by(classifier: ProductClassifier, images: Path | None) -> Answers:
    """Answers of this classifier, in this process; raises NotADirectoryError where there is no such folder."""
    folder = existing(images)
    return lambda parts: (classify_part(classifier, part, folder) for part in parts)


def gather(answers: Answers, products: pl.DataFrame, progress: Progress) -> Answer:
    """Answers for a table of products, part by part; raises RuntimeError where they are not of one classifier."""
    found: list[Probabilities] = []
    problems: list[str | None] = []
    versions: set[str] = set()
    for answer in answers(products.iter_slices(CHUNK)):
        found.append(answer.probabilities)
        problems += answer.problems
        versions.add(answer.version)
        progress(len(problems), len(products))
    if len(versions) > 1:
        raise RuntimeError("There was a new champion before all products were classified: ask again.")
    return Answer(_joined(found), problems, "".join(versions))


def classify_part(classifier: ProductClassifier, part: pl.DataFrame, folder: Path | None) -> Answer:
    """Answers for as many products as are in memory together with their pictures."""
    read = list(_read_pictures(part, folder))
    texts = part.select(pl.col("designation", "description").fill_null("")).iter_rows()
    products = [
        Product(title, description, picture) for (title, description), (picture, _) in zip(texts, read, strict=True)
    ]
    return Answer(classifier.predict_log_proba(products), [problem for _, problem in read], classifier.version)


def existing(folder: Path | None) -> Path | None:
    """The folder of pictures; raises NotADirectoryError where there is none."""
    if folder is not None and not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder} to read pictures from.")
    # Resolved, because what lies outside the folder is refused, and a relative name may look as if it did.
    return folder.resolve() if folder else None


def _read_pictures(part: pl.DataFrame, folder: Path | None) -> Iterator[tuple[bytes | None, str | None]]:
    for imageid, productid in part.select("imageid", "productid").iter_rows():
        yield _read_picture(folder, imageid, productid) if folder else (None, None)


def _read_picture(folder: Path, imageid: int, productid: int) -> tuple[bytes | None, str | None]:
    """A usable picture, or the reason why the product is judged by its text alone."""
    try:
        data = read_picture_file(folder, folder / picture_name(imageid, productid))
        check(data)
    except UnusableFile as error:
        return None, error.reason
    except BadPicture as error:
        return None, f"bad_picture: {error}"
    return data, None


def _joined(answers: list[Probabilities]) -> Probabilities:
    if not answers:
        nothing = np.empty((0, len(CODES)))
        return Probabilities(nothing, nothing, nothing, [])
    text, image, stacked = (
        np.concatenate([getattr(answer, name) for answer in answers]) for name in ("text", "image", "stacked")
    )
    return Probabilities(text, image, stacked, [kind for answer in answers for kind in answer.rests_on])


def _ranked(log_proba: np.ndarray, top: int) -> list[pl.Series]:
    """Columns category_1, name_1, confidence_1, category_2 …; empty where there is no answer."""
    order = np.argsort(-log_proba, axis=1, kind="stable")[:, :top]
    known = ~np.isnan(log_proba[:, 0]) if len(log_proba) else np.zeros(0, bool)
    columns = []
    for rank in range(min(top, len(CODES))):
        at = order[:, rank]
        codes = [CODES[place] if there else None for place, there in zip(at, known, strict=True)]
        confidence = np.exp(log_proba[np.arange(len(at)), at])
        columns += [
            pl.Series(f"category_{rank + 1}", codes, dtype=pl.Int64),
            pl.Series(f"name_{rank + 1}", [NAMES.get(code or 0) for code in codes], dtype=pl.String),
            pl.Series(f"confidence_{rank + 1}", confidence).fill_nan(None),
        ]
    return columns


def _read_products(file: Path) -> pl.DataFrame:
    columns = {"": pl.Int64, "designation": pl.String, "description": pl.String}
    return _read(file, {**columns, "productid": pl.Int64, "imageid": pl.Int64})


def _read_labels(file: Path) -> pl.DataFrame:
    labels = _read(file, {"": pl.Int64, "prdtypecode": pl.Int64})
    unknown = labels.filter(~pl.col("prdtypecode").is_in(CODES))["prdtypecode"].unique()
    if len(unknown):
        raise ValueError(f"{file} has categories that do not exist: {', '.join(map(str, unknown.head(5)))}.")
    return labels


def _read(file: Path, columns: dict[str, Any]) -> pl.DataFrame:
    """A CSV with these columns; raises ValueError with a sentence where they are missing or unreadable."""
    try:
        table = pl.read_csv(file, schema_overrides=columns)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{file} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    missing = [name or "(unnamed first column)" for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{file} lacks the columns {', '.join(missing)}.")
    return table.select(list(columns))
