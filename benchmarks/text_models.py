"""Text models without pretrained weights beside what the documents used, on the same rows of the same frozen split.

The documents' recipe is TF-IDF of 10,000 words with a balanced LinearSVC; scikit-learn's defaults stand beside it. Ours
is what `text_model` does by default. All learn from train and validation rows (every choice has been made by then).
Weighted F1 on gold rows, with the share of the recipe's errors (1 - F1) that is cut and the interval of a paired
bootstrap; "out of fold" is the same on the rows that teach, by models that did not see them.

    python benchmarks/text_models.py [--data DIR] [--rows N]
"""

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from rakuten_assets.core import language, text, translate
from rakuten_assets.core.calibration import Calibration, expected_calibration_error
from rakuten_assets.core.classifier import viewed
from rakuten_assets.core.embeddings import TfidfEncoder
from rakuten_assets.core.evaluate import interval
from rakuten_assets.core.learners import VectorSettings, cross_fit
from rakuten_assets.core.linear import positions
from rakuten_assets.core.splits import assign_splits, fold_of
from rakuten_assets.core.taxonomy import CODES

FOLDS, DRAWS = 4, 1000


def challenge(folder):
    """Products with a text and a category in the challenge's format."""
    x, y = pl.read_csv(folder / "X_train_update.csv"), pl.read_csv(folder / "Y_train_CVw08PX.csv")
    return x.rename({"": "row"}).join(y.rename({"": "row"}), on="row")


def english(folder):
    """Texts in English translation, which have no number of their own."""
    table = pl.read_csv(folder / "train.csv")
    name = next(name for name, kind in table.schema.items() if kind == pl.String)
    return table.select(
        productid=pl.int_range(pl.len()), designation=name, description=pl.lit(""), prdtypecode="prdtypecode"
    )


def synthetic(rows):
    from tempfile import TemporaryDirectory

    from rakuten_assets.core.sample import write_sample

    with TemporaryDirectory() as name:
        write_sample(Path(name), rows, seed=3)
        return challenge(Path(name)).drop_nulls("prdtypecode")


def splitted(products):
    """Cleaned texts with their split, a row a text: copies teach and report once."""
    cleaned = text.clean(products.select("productid", "designation", "description"))
    spoken = cleaned.select("productid", "light").with_columns(language=pl.Series(language.detect(cleaned["light"])))
    french = translate.translate(spoken, translate.GlossaryTranslator()).table["translated"]
    cleaned = cleaned.with_columns(translated=french)
    table = (
        cleaned.with_columns(products["prdtypecode"])
        .filter(pl.col("light") != "")
        .unique("text_key", maintain_order=True)
    )
    placed = assign_splits(table.select("productid", "text_key", cluster_id=pl.lit(None, pl.Int64), live=pl.lit(False)))
    return table.with_columns(placed["split"], placed["group_id"])


def recipe(**options):
    """TF-IDF and LinearSVC of scikit-learn; margins of others from train texts and class positions."""

    def fit(texts, labels, *others):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC

        vectoriser = TfidfVectorizer(**options.get("words", {}))
        machine = LinearSVC(**options.get("machine", {})).fit(vectoriser.fit_transform(texts), labels)
        answers = []
        for each in others:
            margins = np.full((len(each), len(CODES)), -30.0)
            margins[:, machine.classes_] = machine.decision_function(vectoriser.transform(each))
            answers.append(margins)
        return answers

    return fit


RECIPES = {
    "documents' recipe": recipe(
        words={"max_features": 10_000, "min_df": 1, "max_df": 0.85},
        machine={"class_weight": "balanced", "max_iter": 5000},
    ),
    "scikit-learn's defaults": recipe(),
}


def by_recipe(fit, parts, labels, folds):
    out = np.zeros((len(labels["taught"]), len(CODES)))
    texts = np.array(parts["taught"], dtype=object)
    for fold in range(FOLDS):
        (out[folds == fold],) = fit(
            list(texts[folds != fold]), labels["taught"][folds != fold], list(texts[folds == fold])
        )
    return out, *fit(parts["taught"], labels["taught"], parts["gold"])


def by_ours(parts, labels, folds):
    """The default text model, with the probabilities that it is stored with."""
    encoder = TfidfEncoder.fit(parts["train"], 200_000)
    codes = np.array(CODES)[labels["taught"]]
    fitted = cross_fit(encoder.transform(parts["taught"]), codes, np.ones(len(codes)), folds, VectorSettings().fit)
    return fitted.log_proba, fitted.classifier.log_proba(encoder.transform(parts["gold"]))


def cut(new, old, labels):
    """Share of the old predictions' errors that the new ones do not make, with the interval of a paired bootstrap."""
    from rakuten_assets.core.evaluate import _weighted_f1

    cells = [np.ravel_multi_index((labels, part), (len(CODES),) * 2) for part in (new, old)]
    rng, drawn = np.random.default_rng(0), []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(labels), len(labels))
        a, b = (_weighted_f1(part[rows]) for part in cells)
        drawn.append((a - b) / (1 - b))
    a, b = (_weighted_f1(part) for part in cells)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{(a - b) / (1 - b):.1%} [{low:.1%}, {high:.1%}]"


def compare(name, products, console, views=True):
    rows = splitted(products)
    sides = {"train": ["train"], "taught": ["train", "validation"], "gold": ["gold"]}
    parts = {part: rows.filter(pl.col("split").is_in(side)) for part, side in sides.items()}
    labels = {part: positions(found["prdtypecode"].cast(pl.Int64).to_numpy()) for part, found in parts.items()}
    folds = fold_of(parts["taught"]["group_id"], FOLDS).to_numpy()
    texts, classic, french = (
        {part: found.select(viewed(view)).to_series().to_list() for part, found in parts.items()}
        for view in ("light", "classic", "translated")
    )
    sizes = ", ".join(f"{len(found)} {part}" for part, found in parts.items())
    table = Table(title=f"{name}: {sizes}")
    for column in (
        "model",
        "gold F1",
        "95 %",
        "errors cut",
        "out of fold",
        "errors cut",
        "gold ECE",
        "s",
        "F1/CPU min",
    ):
        table.add_column(column, justify="left" if column == "model" else "right")
    answers = {}
    makers = {**{each: lambda fit=fit: by_recipe(fit, texts, labels, folds) for each, fit in RECIPES.items()}}
    makers["ours"] = lambda: by_ours(texts, labels, folds)
    if views:
        makers["ours on lemmas"] = lambda: by_ours(classic, labels, folds)
        makers["ours on texts in French"] = lambda: by_ours(french, labels, folds)
    for each, make in makers.items():
        wall, worked = time.perf_counter(), time.process_time()
        out, gold = make()
        wall, worked = time.perf_counter() - wall, (time.process_time() - worked) / 60
        scaled = Calibration.fit(out, labels["taught"]).log_proba(gold)
        ece = expected_calibration_error(np.exp(scaled.max(1)), scaled.argmax(1) == labels["gold"])
        answers[each] = gold.argmax(1), out.argmax(1)
        first = answers["documents' recipe"]
        found = interval(gold.argmax(1), labels["gold"])
        inner = interval(out.argmax(1), labels["taught"], draws=50)
        table.add_row(
            each,
            f"{found.value:.4f}",
            f"{found.low:.3f}-{found.high:.3f}",
            cut(gold.argmax(1), first[0], labels["gold"]) if each != "documents' recipe" else "",
            f"{inner.value:.4f}",
            cut(out.argmax(1), first[1], labels["taught"]) if each != "documents' recipe" else "",
            f"{ece:.3f}",
            f"{wall:.0f}",
            f"{found.value / worked:.2f}",
        )
    console.print(table)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=4000, help="of the synthetic catalogue, where there is no data")
    options = parser.parse_args()
    console = Console(width=150)
    if not (options.data / "rakuten").exists():
        console.print(f"There is no {options.data}/rakuten: synthetic products, which every model knows well.")
        compare("synthetic", synthetic(options.rows), console)
        return
    compare("rakuten", challenge(options.data / "rakuten"), console)
    if (options.data / "english").exists():
        compare("english", english(options.data / "english"), console, views=False)


if __name__ == "__main__":
    main()
