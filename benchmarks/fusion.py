"""Aim: the blend of stackers has a weighted F1 of at least 0.900 on the published CamemBERT and ResNet50, and of at
least 0.922 on all published models.

Run: python benchmarks/fusion.py [FOLDER] [--seeds N] [--only STRATEGY ...]

FOLDER has one .npz a model: `index`, `probabilities` (rows x 27), `classes`, `label` (position in `classes`, or the
class itself). Without it, synthetic opinions are combined, and no figure is claimed.

Every strategy is fitted, tuned and calibrated within the train rows of five folds, and scored on the fifth left out.
`before` is the logistic stacker that this project had before. What goes into the blend was chosen on a random half of
the rows; "unseen half" is the F1 on the rest. A confidence threshold is the lowest that gives 95 % accuracy on the
other folds. `--seeds` repeats the blend on other folds, which shows what chance does to its figure.
"""

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import get_args

# Before NumPy is imported, or it starts a thread a core.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

import numpy as np

from rakuten_assets.core.calibration import NEVER, log_softmax
from rakuten_assets.core.evaluate import difference, score
from rakuten_assets.core.stacking import FLOOR, Combination, Strategy
from rakuten_assets.core.taxonomy import CODES

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "data" / "published_predictions"
PAIR = ("camembert_canonical", "resnet50_canonical")
FOLDS = 5
DRAWS = 300
ACCURACY = 0.95
LIMITS = {"pair": 0.900, "all": 0.922}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=PUBLISHED)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["before", *get_args(Strategy)])
    asked = parser.parse_args()
    if asked.folder.is_dir():
        opinions, labels = published(asked.folder)
    else:
        print(f"{asked.folder} is no folder: synthetic opinions are combined, and no figure is claimed.\n")
        opinions, labels = synthetic()
    for name, chosen in {"pair": [n for n in PAIR if n in opinions], "all": list(opinions)}.items():
        if len(chosen) > 1:
            reached = report(np.stack([opinions[model] for model in chosen]), labels, asked.only, asked.seeds)
            if asked.folder.is_dir() and reached is not None:
                print(
                    f"\n{name}: at least {LIMITS[name]}: {'yes' if reached >= LIMITS[name] else 'MISSED'}\n", flush=True
                )


def report(opinions, labels, strategies, seeds) -> float | None:
    """Print the table of all strategies, and the blend on other folds; its mean weighted F1 over the seeds."""
    models, rows, _ = opinions.shape
    print(f"{models} models, {rows:,} rows\n")
    heads = (
        "weighted F1, 95 % interval, gain over the pool, unseen half, macro F1, ECE, accepted, accuracy, seconds a fit"
    )
    print("| strategy | " + heads.replace(", ", " | ") + " |\n| --- |" + " ---: |" * 9)
    unseen = np.random.default_rng(4242).random(rows) >= 0.5
    pool, _, _ = crossed("pool", opinions, labels, 0)
    for strategy in strategies:
        log_proba, seconds, folds = crossed(strategy, opinions, labels, 0)
        scored, half = score(log_proba, labels), score(log_proba[unseen], labels[unseen])
        low, high = interval(log_proba, labels)
        gain = difference(log_proba.argmax(1), pool.argmax(1), labels, DRAWS)
        share, accuracy = accepted(log_proba, labels, folds)
        print(
            f"| {strategy} | {scored.weighted_f1:.4f} | {low:.4f} to {high:.4f} | {gain} | {half.weighted_f1:.4f} "
            f"| {scored.macro_f1:.4f} | {scored.ece:.4f} | {share:.1%} | {accuracy:.1%} | {seconds:.1f} |",
            flush=True,
        )
    if "blend" not in strategies:
        return None
    found = [score(crossed("blend", opinions, labels, seed)[0], labels).weighted_f1 for seed in range(1, seeds)]
    if strategies[-1] == "blend":
        found = [scored.weighted_f1, *found]
    listed = ", ".join(f"{each:.4f}" for each in found)
    print(f"\nblend on other folds: {listed}; mean {np.mean(found):.4f}, standard deviation {np.std(found):.4f}")
    return float(np.mean(found))


def crossed(strategy, opinions, labels, seed):
    """Log-probabilities out of fold (rows x 27), the seconds that a fit took, and each row's fold."""
    from sklearn.model_selection import StratifiedKFold

    log_proba, folds, taken = np.empty(opinions.shape[1:]), np.empty(len(labels), int), 0.0
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (train, test) in enumerate(splitter.split(labels, labels)):
        began = time.perf_counter()
        learn = opinions[:, train], labels[train]
        log_proba[test] = (
            before(*learn, opinions[:, test])
            if strategy == "before"
            else Combination.fit(strategy, *learn).log_proba(opinions[:, test])
        )
        taken += time.perf_counter() - began
        folds[test] = fold
    return log_proba, taken / FOLDS, folds


def before(opinions, labels, asked):
    """What `stack-logistic` was: the log-probabilities and their pool, one fixed regularisation."""
    from sklearn.linear_model import LogisticRegression

    pool = Combination.fit("pool", opinions, labels)

    def features(part):
        return np.hstack([np.maximum(each, FLOOR) for each in (*part, pool.pooled(part))])

    with warnings.catch_warnings():
        # It does not converge in 500 steps, as it did not then.
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=0.01, max_iter=500).fit(features(opinions), labels)
    log_proba = np.full(asked.shape[1:], NEVER)
    log_proba[:, model.classes_] = model.predict_log_proba(features(asked))
    return log_softmax(log_proba)


def interval(log_proba, labels):
    """Percentile interval of the weighted F1 over bootstrap draws of the rows."""
    from sklearn.metrics import f1_score

    rng, predicted = np.random.default_rng(0), log_proba.argmax(1)
    drawn = (rng.integers(0, len(labels), len(labels)) for _ in range(DRAWS))
    return np.percentile([f1_score(labels[rows], predicted[rows], average="weighted") for rows in drawn], [2.5, 97.5])


def accepted(log_proba, labels, folds):
    """Share of the rows that no person need see, and how often they are right."""
    confidence, right = np.exp(log_proba.max(1)), log_proba.argmax(1) == labels
    taken = np.zeros(len(labels), bool)
    for fold in range(FOLDS):
        others = np.flatnonzero(folds != fold)
        others = others[np.argsort(-confidence[others])]
        enough = np.flatnonzero(np.cumsum(right[others]) / np.arange(1, len(others) + 1) >= ACCURACY)
        threshold = confidence[others[enough[-1]]] if len(enough) else np.inf
        taken |= (folds == fold) & (confidence >= threshold)
    return taken.mean(), right[taken].mean() if taken.any() else float("nan")


def published(folder):
    """Log-probabilities (rows x 27, in the order of the codes) by model, and the class positions of the rows."""
    files = {file.stem: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npz"))}
    first, *others = files.values()
    codes = codes_of(first)
    for other in others:
        if not np.array_equal(other["index"], first["index"]) or not np.array_equal(codes_of(other), codes):
            raise SystemExit("The models were not asked about the same rows: nothing can be combined.")
    opinions = {name: in_order(file) for name, file in files.items()}
    return opinions, np.searchsorted(np.array(CODES), codes)


def codes_of(file):
    """The rows' true codes; of one published model the labels are codes, of the others positions in `classes`."""
    label, classes = file["label"], file["classes"]
    return label if label.max() >= len(classes) else classes[label]


def in_order(file):
    classes = file["classes"]
    if sorted(classes) != list(CODES):
        raise SystemExit("A model knows other categories than ours.")
    columns = file["probabilities"][:, np.argsort(classes)].astype(np.float64)
    return np.log(np.maximum(columns, np.exp(NEVER)))


def synthetic():
    """Four models that favour the right answer, each in its own measure, and confuse neighbours."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CODES), 3000)
    right = np.eye(len(CODES))[labels]
    likely = 3 * right + 1.5 * np.roll(right, 1, axis=1)
    names = (*PAIR, "third", "fourth")
    sureness = (1.3, 0.7, 1.0, 0.9)
    return {
        name: log_softmax(sure * likely + rng.normal(size=right.shape))
        for name, sure in zip(names, sureness, strict=True)
    }, labels


if __name__ == "__main__":
    main()
