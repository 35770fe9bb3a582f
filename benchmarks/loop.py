"""Fifty loops with reviewers who err: is a champion ever replaced by a worse one, and how much is won back?

Each loop: a catalogue of 2,500 texts and its champion; a week of 500 products, under a bias of 0 to 30 %; sellers and
reviewers who are wrong in 5 % of what they say; a challenger from both; the gate. Then both models meet 4,000 products
of the same week that nobody has seen. Texts alone: the rules are the platform's own, without its programs.

    python benchmarks/loop.py [--loops 50] [--first 0]

A minute or two a loop; `--first` goes on where a run was broken off, for each loop has its number as its seed.
"""

import argparse
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from rakuten_assets.assets.splits import judged, labelled, teaching
from rakuten_assets.core import embeddings, evaluate, feedback, text
from rakuten_assets.core.learners import VectorSettings, cross_fit
from rakuten_assets.core.linear import positions
from rakuten_assets.core.sample import FILES, write_sample
from rakuten_assets.core.simulate import Bias, concepts, week
from rakuten_assets.core.splits import LIVE_GOLD, assign_splits, fold_of
from rakuten_assets.core.taxonomy import CODES

CATALOGUE, STREAM, WEEK, UNSEEN, REVIEWED = 2_500, 8_000, 500, 4_000, 200
ERRORS, ANSWERED = 0.05, 0.8
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.0)
HARMFUL = -0.005
START = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Model:
    encoder: embeddings.TextEncoder
    classifier: object

    def log_proba(self, texts):
        return self.classifier.log_proba(self.encoder.transform(texts))


@dataclass(frozen=True)
class Outcome:
    level: float
    promoted: bool
    before: float
    after: float
    undisturbed: float
    reason: str

    @property
    def gain(self):
        return self.after - self.before


def light(rows):
    return text.clean(rows).select("productid", "light", "text_key")


def train(rows):
    """A text model of `rows`: `light`, `prdtypecode`, `group_id`, `split`, `weight`."""
    learnt = rows.filter((pl.col("split") == "train") & pl.col("prdtypecode").is_not_null() & (pl.col("weight") > 0))
    encoder = embeddings.fit_text_encoder("built-in", learnt["light"].to_list(), 50_000)
    fitted = cross_fit(
        encoder.transform(learnt["light"].to_list()),
        learnt["prdtypecode"].cast(pl.Int64).to_numpy(),
        learnt["weight"].to_numpy(),
        fold_of(learnt["group_id"], 4).to_numpy(),
        VectorSettings().fit,
    )
    return Model(encoder, fitted.classifier)


def splitted(catalogue, labels, keys):
    """All rows as the platform splits them, with the labels that count."""
    placed = assign_splits(
        keys.select(
            "productid", "text_key", cluster_id=pl.lit(None, pl.Int64), live=feedback.is_live(pl.col("productid"))
        )
    )
    moved = feedback.moved_categories(teaching(labels, placed))
    rows = labelled(keys.select("productid", "prdtypecode"), labels, moved)
    placed = placed.with_columns(rows["prdtypecode", "role", "old"])
    return keys.select("productid", "light").with_columns(
        placed["group_id"], placed["split"], judged(placed), weight=pl.lit(1.0)
    )


def statements(offers, answers, rng):
    """What sellers and reviewers say of a week's products, with their errors."""
    said, confidence = answers.argmax(1), np.exp(answers.max(1))

    def opinion(code):
        return code if rng.random() >= ERRORS else rng.choice([other for other in CODES if other != code])

    def line(at, role, user, code):
        predicted = CODES[said[at]]
        action = "confirm" if code == predicted else "choose"
        offer = offers[at]
        return {
            "product_id": at + 1,
            "revision": 1,
            "user_id": user,
            "role": role,
            "action": action if role == "seller" else "accept",
            "after": code,
            "predicted": predicted,
            "confidence": float(confidence[at]),
            "model_version": "champion",
            "state": "confirmed",
            "designation": offer.designation,
            "description": offer.description,
        }

    lines = [
        line(at, "seller", 100 + at % 20, opinion(offer.code))
        for at, offer in enumerate(offers)
        if rng.random() < ANSWERED
    ]
    # First what sellers contradict, as the queue has it; then some that nobody asked about.
    doubtful = [each["product_id"] - 1 for each in lines if each["after"] != each["predicted"]]
    queue = doubtful[: REVIEWED // 2]
    rest = rng.sample([at for at in range(len(offers)) if at not in set(queue)], REVIEWED - len(queue))
    lines += [line(at, "admin", 1 + place % 3, opinion(offers[at].code)) for place, at in enumerate([*queue, *rest])]
    dated = [{"id": place, "at": START + timedelta(minutes=place), **each} for place, each in enumerate(lines, start=1)]
    return pl.DataFrame(dated, schema=feedback.STATEMENTS)


def once(seed, level, folder):
    rng = Random(f"loop {seed}")
    write_sample(folder / "catalogue", CATALOGUE, seed, pictures=False)
    later = write_sample(folder / "later", STREAM, seed, first_id=CATALOGUE + 1, pictures=False)
    names = FILES["challenge"]
    catalogue = pl.read_csv(folder / "catalogue" / names.products).with_columns(
        pl.read_csv(folder / "catalogue" / names.labels)["prdtypecode"].cast(pl.Int32)
    )
    stream = pl.read_csv(folder / "later" / names.products).with_columns(
        prdtypecode=pl.col("productid").replace_strict(later.code, return_dtype=pl.Int64)
    )
    keys = light(catalogue).with_columns(catalogue["prdtypecode"])
    nobody = feedback.set_aside(feedback.labels(pl.DataFrame(schema=feedback.STATEMENTS)), keys, 0)
    champion = train(splitted(catalogue, nobody, keys))
    bias = Bias(level, seed)
    shares = dict(stream.group_by("prdtypecode").len().with_columns(pl.col("len") / len(stream)).iter_rows())
    bias_moves = concepts(shares, level, seed)
    # One draw, so that all of it is the same week; more products than are drawn, so that some categories can rise.
    drawn = list(week(stream, bias, WEEK + UNSEEN, 1))
    offers, unseen = drawn[:WEEK], drawn[WEEK:]
    calm = list(week(stream, Bias(0.0, seed), UNSEEN, 1))

    def texts(some):
        drafts = [(offer.designation, offer.description) for offer in some]
        table = pl.DataFrame(drafts, schema=["designation", "description"], orient="row")
        return light(table.with_row_index("productid"))["light"].to_list()

    labels = feedback.labels(statements(offers, champion.log_proba(texts(offers)), rng))
    live = labels.select("productid", "designation", "description", prdtypecode="label")
    both = pl.concat([keys, light(live).with_columns(live["prdtypecode"])])
    labels = feedback.set_aside(labels, both, CATALOGUE)
    rows = splitted(catalogue, labels, both)
    challenger = train(rows)
    gold = rows.filter(pl.col("split").is_in(["gold", LIVE_GOLD]) & pl.col("prdtypecode").is_not_null())
    places = positions(gold["prdtypecode"].cast(pl.Int64).to_numpy())
    new, old = (model.log_proba(gold["light"].to_list()) for model in (challenger, champion))
    verdict = evaluate.judge(new, old, places, live=(gold["split"] == LIVE_GOLD).to_numpy())

    def truly(model, some):
        return evaluate.score(model.log_proba(texts(some)), positions(np.array([o.code for o in some]))).weighted_f1

    return Outcome(
        level,
        verdict.promoted,
        truly(champion, unseen),
        truly(challenger, unseen),
        truly(champion, calm),
        f"{verdict.reason}; moved {feedback.moved_categories(labels)['code'].to_list()} of {len(bias_moves)}",
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--loops", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    console, outcomes = Console(), []
    for number in range(options.first, options.loops):
        with tempfile.TemporaryDirectory() as name:
            outcomes.append(once(number, LEVELS[number % len(LEVELS)], Path(name)))
        last = outcomes[-1]
        console.print(f"{number + 1:3} bias {last.level:.0%} {last.before:.3f} -> {last.after:.3f} {last.reason}")
    table = Table("bias", "loops", "promoted", "harmful", "F1 lost", "won back", title="loops with 5 % wrong answers")
    for level in sorted(set(LEVELS)):
        some = [each for each in outcomes if each.level == level]
        promoted = [each for each in some if each.promoted]
        harmful = [each for each in promoted if each.gain < HARMFUL]
        lost = np.median([each.undisturbed - each.before for each in some])
        back = [(each.gain if each.promoted else 0) / (each.undisturbed - each.before) for each in some if level]
        won = f"{np.median(back):.0%}" if level else "-"
        table.add_row(f"{level:.0%}", str(len(some)), str(len(promoted)), str(len(harmful)), f"{lost:.3f}", won)
    promoted = [each for each in outcomes if each.promoted]
    harmful = sum(each.gain < HARMFUL for each in promoted)
    table.caption = f"{harmful} of {len(promoted)} promotions lowered the true score by more than 0.5 points"
    console.print(table)


if __name__ == "__main__":
    main()
