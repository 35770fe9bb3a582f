"""How good a model is, and whether another one is better."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets.core.calibration import Array, expected_calibration_error, reliability
from rakuten_assets.core.taxonomy import CODES, KNOWN_CONFUSIONS, NAMES

Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Scores:
    """Scores over `n` labelled rows; all but `n` from 0 to 1, `ece` the better the lower."""

    n: int
    weighted_f1: float
    macro_f1: float
    accuracy: float
    ece: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(log_proba: Array, labels: Labels) -> Scores | None:
    """Scores of log-probabilities (rows x 27) against class positions; rows of NaN are left out.

    None where no row is left: there is no score, which is not a score of zero.
    """
    from sklearn.metrics import f1_score

    rows = ~np.isnan(log_proba[:, 0])
    if not rows.any():
        return None
    log_proba, labels = log_proba[rows], labels[rows]
    predicted = log_proba.argmax(1)
    right = predicted == labels
    return Scores(
        n=len(labels),
        weighted_f1=float(f1_score(labels, predicted, average="weighted", zero_division=0)),
        macro_f1=float(f1_score(labels, predicted, average="macro", zero_division=0)),
        accuracy=float(right.mean()),
        ece=expected_calibration_error(np.exp(log_proba.max(1)), right),
    )


@dataclass(frozen=True)
class Interval:
    """A weighted F1 with the 95 % interval of its bootstrap."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Difference(Interval):
    """A difference of weighted F1, with the 95 % interval of its bootstrap."""

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def difference(new: Labels, old: Labels, labels: Labels, draws: int = 1000, seed: int = 0) -> Difference:
    """Weighted F1 of the predictions `new` less that of `old`, on the same rows.

    Percentile interval of a paired bootstrap: both are scored on the same drawn rows (Efron 1979).
    """
    rng, cells = np.random.default_rng(seed), (len(CODES),) * 2
    codes_new, codes_old = (np.ravel_multi_index((labels, part), cells) for part in (new, old))
    drawn = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(0, len(labels), len(labels))
        drawn[draw] = _weighted_f1(codes_new[rows]) - _weighted_f1(codes_old[rows])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Difference(_weighted_f1(codes_new) - _weighted_f1(codes_old), float(low), float(high))


def interval(predicted: Labels, labels: Labels, draws: int = 1000, seed: int = 0) -> Interval:
    """Weighted F1 of predictions, with the percentile interval of a bootstrap over the rows (Efron 1979)."""
    rng = np.random.default_rng(seed)
    cells = np.ravel_multi_index((labels, predicted), (len(CODES),) * 2)
    drawn = [_weighted_f1(cells[rng.integers(0, len(labels), len(labels))]) for _ in range(draws)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(_weighted_f1(cells), float(low), float(high))


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger takes the champion's place, and everything that a person needs to agree."""

    promoted: bool
    reason: str
    challenger: Scores | None
    champion: Scores | None = None
    difference: Difference | None = None
    per_class: pl.DataFrame | None = None
    confusions: pl.DataFrame | None = None
    live: "Verdict | None" = None


# How much of the catalogue's weighted F1 a challenger may lose: by chance of few rows, and in exchange for what it
# surely gains on what production looks like now.
MARGIN, LARGEST_LOSS = 0.02, 0.05

# With fewer rows from production, they are heard among all, and decide nothing by themselves.
ENOUGH_LIVE = 30


def judge(
    challenger: Array,
    champion: Array | None,
    labels: Labels,
    *,
    live: NDArray[np.bool_] | None = None,
    same_model: bool = False,
) -> Verdict:
    """Compare log-probabilities (rows x 27) of both on the same gold rows; refuse what cannot be compared.

    `live` marks rows from production. A challenger is promoted that is no worse on all rows together, and loses at most
    `MARGIN` on the others; or that surely gains more on those from production than it loses on the others, where that
    is at most `LARGEST_LOSS`. Never one that is surely worse on those from production.
    """
    comparable = champion is None or champion.shape == challenger.shape
    if live is None or not live.any() or not comparable:
        return _judge(challenger, champion, labels, same_model)
    frozen = _judge(challenger[~live], _part(champion, ~live), labels[~live], same_model)
    now = _judge(challenger[live], _part(champion, live), labels[live], same_model)
    if same_model or frozen.difference is None or now.difference is None or champion is None:
        # What cannot be compared on one kind of rows cannot be promoted; without a champion nothing is compared.
        reason = now.reason if frozen.promoted and not now.promoted else frozen.reason
        return replace(frozen, promoted=frozen.promoted and now.promoted, reason=reason, live=now)
    together = difference(challenger.argmax(1), champion.argmax(1), labels)
    old, new, heard = frozen.difference, now.difference, int(live.sum()) >= ENOUGH_LIVE
    better = together.value >= 0 and old.value >= -MARGIN
    # What it surely gains on production is more than what it loses elsewhere.
    surely_better = heard and new.low > max(0.0, -old.value) and old.value >= -LARGEST_LOSS
    surely_worse = heard and new.high < 0
    promoted = (better or surely_better) and not surely_worse
    verdict = "promoted" if promoted else "refused"
    reason = f"{verdict}: weighted F1 {old} on the same gold rows, {new} on {int(live.sum())} live ones"
    return replace(frozen, promoted=promoted, reason=reason, live=now)


def _part(log_proba: Array | None, rows: NDArray[np.bool_]) -> Array | None:
    return None if log_proba is None else log_proba[rows]


def _judge(challenger: Array, champion: Array | None, labels: Labels, same_model: bool) -> Verdict:
    new = score(challenger, labels)
    if new is None:
        return Verdict(False, "refused: there is no gold row to compare on", None)
    if not np.isfinite(challenger).all():
        return Verdict(False, "refused: the challenger does not answer every gold row", new)
    if champion is None:
        return Verdict(True, "promoted: there was no champion", new, confusions=confusions(challenger, labels))
    if champion.shape != challenger.shape or not np.isfinite(champion).all():
        return Verdict(False, "refused: the champion cannot be scored on these gold rows", new)
    gain = difference(challenger.argmax(1), champion.argmax(1), labels)
    promoted = gain.value >= 0
    reason = _reason(promoted, same_model, gain)
    return Verdict(
        promoted,
        reason,
        new,
        score(champion, labels),
        gain,
        regressions(challenger, champion, labels),
        confusions(challenger, labels, champion),
    )


def per_class_f1(predicted: Labels, labels: Labels) -> pl.DataFrame:
    """F1 and rows of each of the 27 categories."""
    from sklearn.metrics import f1_score

    f1 = f1_score(labels, predicted, average=None, labels=range(len(CODES)), zero_division=0)
    rows = np.bincount(labels, minlength=len(CODES))
    return pl.DataFrame({"code": CODES, "category": [NAMES[code] for code in CODES], "rows": rows, "f1": f1})


def regressions(challenger: Array, champion: Array, labels: Labels) -> pl.DataFrame:
    """F1 of each category under both models, the largest losses first."""
    new, old = (per_class_f1(part.argmax(1), labels) for part in (challenger, champion))
    return new.with_columns(champion_f1=old["f1"], change=new["f1"] - old["f1"]).sort("change")


def confusions(challenger: Array, labels: Labels, champion: Array | None = None) -> pl.DataFrame:
    """How often the pairs of categories that the documents name are taken for one another."""
    models: Mapping[str, Array] = {"challenger": challenger}
    if champion is not None:
        models = {**models, "champion": champion}
    codes = np.array(CODES)
    truth = codes[labels]
    rows = []
    for one, other in KNOWN_CONFUSIONS:
        pair = np.isin(truth, (one, other))
        swapped = {
            f"{name}_confused": int((pair & (codes[part.argmax(1)] == one + other - truth)).sum())
            for name, part in models.items()
        }
        rows.append({"pair": f"{NAMES[one]} / {NAMES[other]}", "rows": int(pair.sum()), **swapped})
    return pl.DataFrame(rows)


def confusion_matrix(predicted: Labels, labels: Labels) -> NDArray[np.int64]:
    """Counts (27 x 27): truth down, prediction across."""
    return _confusion(np.ravel_multi_index((labels, predicted), (len(CODES),) * 2))


def _confusion(cells: NDArray[np.intp]) -> NDArray[np.int64]:
    return np.bincount(cells, minlength=len(CODES) ** 2).reshape(len(CODES), len(CODES))


def _weighted_f1(cells: NDArray[np.intp]) -> float:
    counts = _confusion(cells)
    truth, said = counts.sum(1), counts.sum(0)
    f1 = 2 * np.diag(counts) / np.maximum(truth + said, 1)
    return float((f1 * truth).sum() / truth.sum())


def _reason(promoted: bool, same_model: bool, gain: Difference) -> str:
    if same_model:
        return "kept: the challenger is the champion itself"
    if promoted:
        return f"promoted: weighted F1 {gain} on the same gold rows"
    return f"refused: weighted F1 {gain} on the same gold rows"


def report(
    opinions: Mapping[str, Array], labels: Labels, learnt: Sequence[int], verdict: Verdict, bins: int = 10
) -> dict[str, Any]:
    """Everything about a judged model that people look at, as JSON: `Models.record` says what is in it.

    `opinions` are log-probabilities (rows x 27) of the gold rows by model, `labels` their class positions, `learnt`
    the codes of all labelled products.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    gold = {name: score(said, labels) for name, said in opinions.items()}
    known = ~np.isnan(opinions["stacked"][:, 0])
    answers, truth = opinions["stacked"][known].argmax(1), labels[known]
    places = np.arange(len(CODES))
    parts = precision_recall_fscore_support(truth, answers, labels=places, zero_division=0)
    confidence = np.exp(opinions["stacked"][known].max(1))
    shares = np.bincount([CODES.index(code) for code in learnt], minlength=len(CODES)) / max(len(learnt), 1)
    return {
        "gold": {name: scores.as_dict() if scores else None for name, scores in gold.items()},
        "live_gold": verdict.live.challenger.as_dict() if verdict.live and verdict.live.challenger else None,
        "codes": list(CODES),
        "per_class": [
            {"code": code, "n": int(n), "precision": float(precision), "recall": float(recall), "f1": float(f1)}
            for code, precision, recall, f1, n in zip(CODES, *parts, strict=True)
        ],
        "confusion": confusion_matrix(truth, answers, labels=places).tolist(),
        "reliability": [
            {"confidence": sure, "accuracy": right, "n": rows}
            for sure, right, rows, _ in reliability(confidence, answers == truth, bins)
        ],
        "shares": shares.tolist(),
        "gate": asdict(verdict.difference) if verdict.difference else None,
    }
