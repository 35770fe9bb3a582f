"""How a classifier is learnt, whatever its kind: one setting, one verb, and opinions that no row has had a part in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, Array, fit_temperature, log_softmax
from rakuten_assets.core.forest import ForestClassifier
from rakuten_assets.core.linear import LinearClassifier, Loss, positions
from rakuten_assets.core.rebalance import Rebalancing, rebalanced
from rakuten_assets.core.taxonomy import CODES

Codes = NDArray[np.int64]

VectorKind = Literal["svm", "ridge", "logistic", "forest"]
"""Classifiers of vectors: support vector machines, ridge regressions, logistic regressions by SGD, a random forest."""

LOSSES: dict[str, Loss] = {"svm": "hinge", "ridge": "squares", "logistic": "logistic"}
"""What the linear kinds make small."""


class Classifier(Protocol):
    """A dataclass with a verb: rows in, log-probabilities (rows x 27) out.

    `scale` is the inverse of the temperature at which they are taken.
    """

    @property
    def scale(self) -> float: ...

    def log_proba(self, rows: Any) -> Array: ...


# What a label that only a model gave counts, beside a person's 1.
PSEUDO_WEIGHT = 0.5

Learner = Callable[[Any, Codes, Array], Classifier]
"""Rows, their codes and their weights in, a classifier out."""


@dataclass(frozen=True)
class VectorSettings:
    """A kind of classifier on vectors, with what it needs to know."""

    kind: VectorKind = "svm"
    c: float = 0.6
    """Inverse of the regularisation of the linear kinds."""
    balance: float = 0.5
    """0: classes weigh as delivered; 1: every class weighs the same."""
    trees: int = 200
    depth: int | None = None
    """Of the forest's trees; None: until their leaves are pure."""
    rebalance: Rebalancing = "none"

    def fit(self, vectors: Any, codes: Codes, row_weights: Array) -> Classifier:
        """Fit on `vectors` (rows x features, dense or sparse); a category without rows is never answered."""
        vectors, codes, row_weights = rebalanced(vectors, codes, row_weights, self.rebalance)
        if self.kind == "forest":
            return ForestClassifier.fit(
                vectors, codes, row_weights, trees=self.trees, depth=self.depth, balance=self.balance
            )
        # All of them in double precision, which liblinear wants; made here, the copy is of the chosen rows alone.
        doubled = vectors.astype(np.float64)
        return LinearClassifier.fit(doubled, codes, row_weights, self.c, self.balance, LOSSES[self.kind])


def with_students(learn: Learner, unlabelled: Any, share: float) -> Learner:
    """A verb that fits a teacher, lets it label the surest `share` of the `unlabelled` rows, and fits a student on all.

    The surest of each category, or the easy ones would crowd out the rest (class-balanced self-training: Zou et al.
    2018); a label of the teacher counts `PSEUDO_WEIGHT`. The teacher has learnt from what the student may learn from
    alone, so that opinions out of fold stay what they say.
    """

    def fit(rows: Any, codes: Codes, row_weights: Array) -> Classifier:
        teacher = learn(rows, codes, row_weights)
        if not unlabelled.shape[0]:
            return teacher
        said = teacher.log_proba(unlabelled)
        answers, confidence = said.argmax(1), said.max(1)
        order = np.lexsort((-confidence, answers))
        counts = np.bincount(answers, minlength=len(CODES))
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        sure = np.sort(order[place < share * np.repeat(counts, counts)])
        return learn(
            _stacked(rows, unlabelled[sure]),
            np.concatenate([codes, np.array(CODES)[answers[sure]]]),
            np.concatenate([row_weights, np.full(len(sure), PSEUDO_WEIGHT)]),
        )

    return fit


def _stacked(above: Any, below: Any) -> Any:
    from scipy import sparse

    return sparse.vstack([above, below], format="csr") if sparse.issparse(above) else np.concatenate([above, below])


@dataclass(frozen=True)
class CrossFit:
    """A classifier fitted on all rows, and for each row the log-probabilities of one that never saw its fold."""

    classifier: Classifier
    log_proba: Array


def cross_fit(rows: Any, codes: Codes, row_weights: Array, folds: NDArray[np.int64], learn: Learner) -> CrossFit:
    """Fit on all rows, and once without each fold; rows of weight 0 are predicted and never learnt from.

    `rows` is a matrix, or an array of texts or of pictures. The out-of-fold opinions also fit the scale: those on rows
    that were trained on are too sure.
    """

    def fit(chosen: NDArray[np.bool_]) -> Classifier:
        return learn(rows[chosen], codes[chosen], row_weights[chosen])

    # One after the other: liblinear copies the vectors twice, which bounds what fits into memory, and draws from
    # one random state a process, so that two threads at once would make the result a matter of luck.
    teach, parts = row_weights > 0, np.unique(folds)
    whole = fit(teach)
    log_proba = np.full((len(codes), len(CODES)), NEVER)
    for part in parts:
        log_proba[folds == part] = fit(teach & (folds != part)).log_proba(rows[folds == part])
    factor = fit_temperature(log_proba[teach], positions(codes[teach]))
    calibrated: Any = replace(cast(Any, whole), scale=whole.scale * factor)
    return CrossFit(calibrated, log_softmax(factor * log_proba))
