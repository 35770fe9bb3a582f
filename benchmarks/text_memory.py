"""Memory of the text half of the lineage, from cleaning to the stacked model, in a process of its own.

Run: python benchmarks/text_memory.py [--products N]; the claim is about 85,000 products and takes some 10 minutes.

The steps are the core functions that the assets call, in their order, with the same files between them. Memory is
the proportional set size of the process and its workers: what they share counts once.
"""

import argparse
import multiprocessing
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import psutil

from rakuten_assets.core.sample import write_sample

# A catalogue ever meets new names; a sample's vocabulary soon ends. With so many of them a product, and so
# skewed, 85,000 products have about the words, word pairs and character n-grams that the growth of the
# challenge's own vocabulary foretells.
NAMES_A_PRODUCT, SKEW = 20, 0.2
CONSONANTS, VOWELS, ENDINGS = "bcdfghjklmnpqrstvwxz", "aeiouy", ("", "n", "r", "s", "l", "t", "x", "ck", "4", "70")

SAMPLING_SECONDS = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=20_000)
    products = parser.parse_args().products

    with TemporaryDirectory() as name:
        catalogue(products, Path(name)).write_parquet(Path(name) / "products.parquet")
        spawned = multiprocessing.get_context("spawn")
        here, there = spawned.Pipe()
        child = spawned.Process(target=lineage, args=(Path(name), there))
        child.start()
        there.close()
        steps, f1 = watched(child.pid, here)
        child.join()

    peak = max(most for _, most in steps.values())
    print(f"{products:,} products, {psutil.cpu_count()} cores; weighted F1 on gold rows {f1:.3f}\n")
    print("| step | seconds | most memory, MB |\n| --- | --- | --- |")
    for step, (spent, most) in steps.items():
        print(f"| {step} | {spent:.1f} | {most / 1e6:,.0f} |")
    print(f"| all | {sum(spent for spent, _ in steps.values()):.0f} | **{peak / 1e6:,.0f}** |")


def catalogue(products: int, folder: Path) -> pl.DataFrame:
    """A sample's texts, with names mixed in that few other products share."""
    write_sample(folder, products, pictures=False)
    labels = pl.read_csv(folder / "Y_train_CVw08PX.csv")
    table = pl.read_csv(folder / "X_train_update.csv").join(labels, on="", maintain_order="left")
    draw = random.Random(0)
    named = [f"{text or ''} {_names(draw)}" for text in table["description"]]
    return table.with_columns(description=pl.Series(named)).select(
        "productid", "designation", "description", pl.col("prdtypecode").cast(pl.Int32)
    )


def _names(draw: random.Random) -> str:
    return " ".join(_name(int(draw.paretovariate(SKEW))) for _ in range(NAMES_A_PRODUCT))


def _name(number: int) -> str:
    """A pronounceable name for each number."""
    draw = random.Random(number)
    syllables = (draw.choice(CONSONANTS) + draw.choice(VOWELS) + draw.choice(ENDINGS) for _ in range(3))
    return "".join(syllables)


def watched(pid: int, reports: Connection) -> tuple[dict[str, tuple[float, int]], float]:
    """Seconds and most bytes of each step that the child reports, and what it reports last."""
    steps: dict[str, tuple[float, int]] = {}
    step, start, most, process = "start and imports", time.perf_counter(), 0, psutil.Process(pid)
    while True:
        most = max(most, memory(process))
        if reports.poll(SAMPLING_SECONDS):
            steps[step] = time.perf_counter() - start, most
            step = reports.recv()
            if isinstance(step, float):
                return steps, step
            start, most = time.perf_counter(), 0


def memory(process: psutil.Process) -> int:
    """Proportional set size of a process and all its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def lineage(folder: Path, report: Connection) -> None:
    """The child: each step is announced, and what it leaves for later steps lies in files or in `tables`."""
    import mlflow  # noqa: F401  (as large as it is in a real run)

    import rakuten_assets.definitions  # noqa: F401

    tables: dict[str, Any] = {"products": pl.read_parquet(folder / "products.parquet")}
    for step in (clean, languages, translation, split, encode, text_model):
        report.send(step.__name__)
        step(tables, folder)
    report.send("stack")
    report.send(stack(tables, folder))


def clean(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.core import text

    tables["cleaned"] = text.clean(tables["products"])


def languages(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.core import language

    spoken = language.detect(tables["cleaned"]["light"])
    tables["languages"] = tables["cleaned"].select("productid", language=spoken)


def translation(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.core import translate

    texts = tables["cleaned"].select("productid", "light").join(tables["languages"], on="productid", how="left")
    cache = translate.TranslationCache(folder / "translations")
    tables["translated"] = translate.translate(texts, translate.GlossaryTranslator(), cache).table


def split(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.core.splits import assign_splits

    rows = (
        tables["products"]
        .select("productid", "prdtypecode")
        .with_columns(tables["cleaned"]["text_key"], cluster_id=pl.lit(None, pl.Int64))
    )
    first = pl.struct("text_key", "prdtypecode").is_first_distinct()
    weights = rows.select(text_weight=first.cast(pl.Float64))
    tables["splits"] = assign_splits(rows).with_columns(rows["prdtypecode"], weights["text_weight"])


def encode(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.assets.embeddings import TextEmbeddingsConfig
    from rakuten_assets.core import embeddings, vectors

    config = TextEmbeddingsConfig()
    texts, splits = tables["cleaned"]["light"], tables["splits"]
    train = texts.filter((splits["split"] == "train") & (splits["text_weight"] > 0))
    encoder = embeddings.fit_text_encoder(embeddings.BUILT_IN, train.to_list(), config.max_features)
    matrix = encoder.transform(texts.to_list())
    encoder.save(folder / "encoder")
    vectors.save(folder, matrix, tables["cleaned"]["productid"], texts != "")


def text_model(tables: dict[str, Any], folder: Path) -> None:
    from rakuten_assets.assets import training
    from rakuten_assets.assets.models import TextModelConfig
    from rakuten_assets.core import vectors
    from rakuten_assets.core.linear import cross_fit
    from rakuten_assets.core.splits import fold_of

    config, splits = TextModelConfig(), tables["splits"]
    matrix, known = vectors.load(folder, splits["productid"])
    rows = training.rows(splits, splits["text_weight"])
    train = rows.train & known
    fitted = cross_fit(
        matrix[train],
        rows.codes[train],
        rows.weights[train],
        fold_of(splits["group_id"].filter(train), config.folds).to_numpy(),
        c=config.c,
        balance=config.balance,
    )
    opinion = training.opinion(train, fitted, known & ~rows.train & rows.placed, matrix)
    tables["opinion"] = opinion


def stack(tables: dict[str, Any], folder: Path) -> float:
    from rakuten_assets.assets import training
    from rakuten_assets.core import evaluate
    from rakuten_assets.core.fusion import Fusion, Opinions
    from rakuten_assets.core.linear import positions

    texts = tables["opinion"]
    opinions = Opinions(texts, np.full_like(texts, np.nan))
    rows = training.rows(tables["splits"], tables["splits"]["text_weight"])
    labels = positions(rows.codes)
    train, validation, gold = (mask & opinions.has_text for mask in (rows.train, rows.validation, rows.gold))
    fusion = Fusion.fit("stack-xgboost", opinions[train], labels[train], opinions[validation], labels[validation])
    scored: Any = evaluate.score(fusion.log_proba(opinions[gold]), labels[gold])
    return float(scored.weighted_f1)


if __name__ == "__main__":
    main()
