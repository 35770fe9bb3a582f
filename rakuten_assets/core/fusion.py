"""One decision from two opinions: how text and picture are weighed, also where one of them is missing."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import Array, fit_temperature, log_softmax
from rakuten_assets.core.stacking import Combination, Labels
from rakuten_assets.core.stacking import Strategy as Strategy

# A modality's own temperature needs this many rows, or it is noise; below, the common one is used.
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
    temperatures: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of the log-probabilities that rest on text, on the image, on both."""

    @classmethod
    def fit(cls, strategy: Strategy, train: Opinions, labels: Labels, validation: Opinions, answers: Labels) -> Self:
        """Fit on out-of-fold opinions of train rows that have both; calibrate on validation rows.

        `labels` and `answers` are the class positions (0 to 26) of the train and the validation rows.
        """
        both = train.has_both
        fitted = Combination.fit(strategy, train[both].stacked, labels[both])
        return cls(strategy, fitted)._calibrated(validation, answers)

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
        return log_softmax(self._scores(opinions) * np.array(self.temperatures)[kind][:, None])

    def _scores(self, opinions: Opinions) -> Array:
        """One opinion alone is the answer; only two need weighing."""
        scores = np.where(opinions.has_text[:, None], opinions.text, opinions.image)
        if opinions.has_both.any():
            scores[opinions.has_both] = self._combined.log_proba(opinions[opinions.has_both].stacked)
        return scores

    def _calibrated(self, opinions: Opinions, answers: Labels) -> Self:
        if not len(opinions):
            return self
        scores = self._scores(opinions)
        common = fit_temperature(scores, answers)
        kinds = np.array(opinions.rests_on)
        fitted = [
            fit_temperature(scores[kinds == kind], answers[kinds == kind])
            if (kinds == kind).sum() >= ENOUGH_TO_CALIBRATE
            else common
            for kind in ("text", "image", "both")
        ]
        return replace(self, temperatures=(fitted[0], fitted[1], fitted[2]))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = {"strategy": self.strategy, "temperatures": self.temperatures}
        (folder / "fusion.json").write_text(json.dumps(facts))
        self._combined.save(folder / "combination")

    @classmethod
    def load(cls, folder: Path) -> Self:
        facts = json.loads((folder / "fusion.json").read_text())
        return cls(facts["strategy"], Combination.load(folder / "combination"), tuple(facts["temperatures"]))
