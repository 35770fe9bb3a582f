"""Which answers a person must look at: those that are less sure than known to be enough, and disagreements."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import Array
from rakuten_assets.core.taxonomy import CATEGORIES, CODES

# Where nothing was measured, an answer should at least be likelier than all others together.
UNMEASURED = 0.5

# No answer is so sure. Where the surest answers were wrong too often, all of them are looked at.
NEVER_ENOUGH = 2.0

# Text and picture disagree where each is at least so sure of its own category.
SURE = 0.5

ENGLISH = [category.en for category in CATEGORIES]


@dataclass(frozen=True)
class Review:
    """Why a person must look at an answer: a code for programs, a sentence for people."""

    code: Literal["low_confidence", "text_and_picture_disagree"]
    text: str


@dataclass(frozen=True)
class ReviewThresholds:
    """The confidence from which an answer needs no review: `by_code` for a category, `common` for the others.

    From there on at least `target` of the answers can be expected to be right, by those to validation rows.
    """

    common: float = UNMEASURED
    by_code: Mapping[int, float] = field(default_factory=dict)
    target: float = 0.95

    @classmethod
    def fit(cls, log_proba: Array, labels: NDArray[np.intp], target: float = 0.95, least: int = 30) -> Self:
        """Fit on calibrated log-probabilities (rows x 27) and class positions (rows) of validation rows.

        A category that is the answer for fewer than `least` rows takes the threshold of all rows together, which is
        0.5 where these are fewer still.
        """
        confidence, answers = np.exp(log_proba.max(1)), log_proba.argmax(1)
        right = answers == labels
        counts = np.bincount(answers, minlength=len(CODES))
        by_code = {
            CODES[at]: _lowest(confidence[answers == at], right[answers == at], target)
            for at in np.flatnonzero(counts >= least)
        }
        common = _lowest(confidence, right, target) if len(labels) >= least else UNMEASURED
        return cls(common, by_code, target)

    def threshold(self, code: int) -> float:
        """The confidence from which the answer `code` needs no review."""
        return self.by_code.get(code, self.common)

    def reason(self, prediction_row: Array, text: Array | None = None, image: Array | None = None) -> Review | None:
        """Why the answer `prediction_row` needs a review, if it does.

        All three are log-probabilities (27): of the answer, and of the text and the image model, which are None or
        NaN where there is no such opinion.
        """
        return self._too_unsure(prediction_row) or _disagreement(text, image)

    def _too_unsure(self, row: Array) -> Review | None:
        best = int(np.argmax(row))
        confidence, needed = float(np.exp(row[best])), self.threshold(CODES[best])
        if confidence >= needed:
            return None
        return Review("low_confidence", self._sentence(ENGLISH[best], confidence, needed))

    def _sentence(self, name: str, confidence: float, needed: float) -> str:
        if np.isnan(confidence):
            return "There is no answer: the product has neither a text nor a picture to judge by."
        said = f"The model is {_percent(confidence)} sure of {name!r}"
        if needed > 1:
            return f"{said}, and even its surest such answers were right less than {_percent(self.target)} of the time."
        return f"{said}, which needs {_percent(needed)} to go without a review."

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, file: Path) -> Self:
        """The thresholds in `file`; 0.5 for all where there is none, as in a folder from before they existed."""
        if not file.exists():
            return cls()
        fields = json.loads(file.read_text())
        return cls(**fields | {"by_code": {int(code): value for code, value in fields["by_code"].items()}})


def _lowest(confidence: Array, right: NDArray[np.bool_], target: float) -> float:
    """The lowest confidence from which at least `target` of the answers can be expected to be right.

    By the rule of succession: of few answers that happened to be right, the next is not surely so.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, share = confidence[order], (np.cumsum(right[order]) + 1) / (np.arange(len(order)) + 3)
    # Answers of one confidence stand or fall together.
    last = np.append(sure[1:] != sure[:-1], True)
    enough = sure[last & (share >= target)]
    return float(enough[-1]) if len(enough) else NEVER_ENOUGH


def _disagreement(text: Array | None, image: Array | None) -> Review | None:
    if text is None or image is None:
        return None
    said, seen = int(np.argmax(text)), int(np.argmax(image))
    sure = np.exp(text[said]), np.exp(image[seen])
    # A comparison with NaN, which stands for no opinion, is false.
    if said == seen or not (sure[0] >= SURE and sure[1] >= SURE):
        return None
    return Review(
        "text_and_picture_disagree",
        f"The text says {ENGLISH[said]!r} ({_percent(sure[0])} sure), "
        f"the picture says {ENGLISH[seen]!r} ({_percent(sure[1])} sure).",
    )


def _percent(share: float) -> str:
    # Rounded down: 99.96 % is not certainty.
    return f"{int(share * 1000) / 10:g}%"
