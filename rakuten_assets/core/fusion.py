"""One decision from two opinions: how text and picture are weighed, also where one of them is missing."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import Array, Calibration
from rakuten_assets.core.stacking import Combination, Labels
from rakuten_assets.core.stacking import Strategy as Strategy

# A calibration needs this many rows, or it is noise.
ENOUGH_TO_CALIBRATE = 100


@dataclass(frozen=True)
class Opinions:
    """Log-probabilities (rows x 27) of the text and of the image model; a row of NaN where there is none."""

    text: Array
    image: Array

    @property
    def has_text(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.text[:, 0])

    @property
    def has_image(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.image[:, 0])

    @property
    def has_both(self) -> NDArray[np.bool_]:
        return self.has_text & self.has_image

    @property
    def rests_on(self) -> list[str]:
        """`text`, `image` or `both`, for each row."""
        names = np.array(["nothing", "text", "image", "both"])
        return list(names[self.has_text + 2 * self.has_image])

    @property
    def stacked(self) -> Array:
        """Both opinions as a combination takes them (2 x rows x 27)."""
        return np.stack([self.text, self.image])

    def __getitem__(self, rows: Any) -> "Opinions":
        return Opinions(self.text[rows], self.image[rows])

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True)
class Fusion:
    """A fitted strategy: opinions in, calibrated log-probabilities out."""

    strategy: Strategy
    combination: Combination | None = None
    """What decides where there are both opinions; without one, their pool with weights of 1."""
    calibrations: tuple[Calibration, Calibration, Calibration] = (Calibration(), Calibration(), Calibration())
    """Of what rests on text, on the image, on both."""

    @classmethod
    def fit(cls, strategy: Strategy, train: Opinions, labels: Labels, validation: Opinions, answers: Labels) -> Self:
        """Fit on out-of-fold opinions of train rows that have both; calibrate on validation rows.

        `labels` and `answers` are the class positions (0 to 26) of the train and the validation rows. A modality alone
        is calibrated on all rows that have it, since nothing was fitted to its opinions there.
        """
        both = train.has_both
        fitted = cls(strategy, Combination.fit(strategy, train[both].stacked, labels[both]))
        every = Opinions(
            *(np.concatenate(pair) for pair in ((train.text, validation.text), (train.image, validation.image)))
        )
        known = np.concatenate([labels, answers])
        return replace(fitted, calibrations=fitted._calibrated(every, known, len(train)))

    @property
    def method(self) -> str:
        """What decides where there are both opinions, said plainly."""
        return self._combined.method

    @property
    def pool_weights(self) -> tuple[float, float]:
        """Factors of the two opinions in the logarithmic pool, which decides or from which a stacker starts."""
        text, image = self._combined.pool
        return float(text), float(image)

    @property
    def _combined(self) -> Combination:
        return self.combination or Combination.unfitted(self.strategy, models=2)

    def log_proba(self, opinions: Opinions) -> Array:
        """Calibrated log-probabilities (rows x 27)."""
        kind = opinions.has_text + 2 * opinions.has_image - 1
        scores = self._scores(opinions)
        answers = np.empty_like(scores)
        for at, calibration in enumerate(self.calibrations):
            answers[kind == at] = calibration.log_proba(scores[kind == at])
        return answers

    def _scores(self, opinions: Opinions) -> Array:
        """One opinion alone is the answer; only two need weighing."""
        scores = np.where(opinions.has_text[:, None], opinions.text, opinions.image)
        if opinions.has_both.any():
            scores[opinions.has_both] = self._combined.log_proba(opinions[opinions.has_both].stacked)
        return scores

    def _calibrated(
        self, opinions: Opinions, labels: Labels, train: int
    ) -> tuple[Calibration, Calibration, Calibration]:
        """Calibrations for text, image and both; the first `train` rows are those that the strategy was fitted to."""
        both, unseen = opinions.has_both, np.arange(len(labels)) >= train
        if (both & unseen).sum() >= ENOUGH_TO_CALIBRATE:
            both &= unseen
        return (
            _fitted(opinions.text[opinions.has_text], labels[opinions.has_text]),
            _fitted(opinions.image[opinions.has_image], labels[opinions.has_image]),
            _fitted(self._scores(opinions[both]), labels[both]),
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"strategy": self.strategy, "calibrations": [asdict(each) for each in self.calibrations]}
        (folder / "fusion.json").write_text(json.dumps(facts))
        self._combined.save(folder / "combination")

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = json.loads((folder / "fusion.json").read_text())
        text, image, both = (Calibration(**each) for each in facts["calibrations"])
        return cls(facts["strategy"], Combination.load(folder / "combination"), (text, image, both))


def _fitted(scores: Array, labels: Labels) -> Calibration:
    return Calibration.fit(scores, labels) if len(labels) >= ENOUGH_TO_CALIBRATE else Calibration()
