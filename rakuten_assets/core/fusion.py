"""One decision from two opinions: how text and picture are weighed, also where one of them is missing."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, Array, fit_temperature, log_softmax
from rakuten_assets.core.linear import both_sides
from rakuten_assets.core.taxonomy import CODES

Strategy = Literal["max", "vote", "stack-logistic", "stack-xgboost"]
Labels = NDArray[np.intp]

# A modality's own temperature needs this many rows, or it is noise; below, the common one is used.
ENOUGH_TO_CALIBRATE = 100

# A stacker learns 27 classes from two opinions each; from fewer rows it learns their noise.
ENOUGH_TO_STACK = 1000

# Below this log-probability "no" is "no": a linear stacker would read more into it than there is.
FLOOR = -10.0


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

    def __getitem__(self, rows: Any) -> "Opinions":
        return Opinions(self.text[rows], self.image[rows])

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True)
class Fusion:
    """A fitted strategy: opinions in, calibrated log-probabilities out."""

    strategy: Strategy
    text_weight: float = 0.5
    """Share of the text in the vote."""
    pool_weights: tuple[float, float] = (1.0, 1.0)
    """Factors of the two opinions in the logarithmic pool that a stacker starts from."""
    temperatures: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors of the log-probabilities that rest on text, on the image, on both."""
    stacker: Any = None

    @classmethod
    def fit(cls, strategy: Strategy, train: Opinions, labels: Labels, validation: Opinions, answers: Labels) -> Self:
        """Fit on out-of-fold opinions of train rows that have both; calibrate on validation rows.

        `labels` and `answers` are the class positions (0 to 26) of the train and the validation rows.
        """
        both, watched = train.has_both, validation.has_both
        train, labels = train[both], labels[both]
        fusion = cls(strategy)
        if len(train):
            fusion = cls(strategy, _best_weight(train, labels), _best_pool(train, labels))
        if len(train) >= ENOUGH_TO_STACK and strategy == "stack-xgboost":
            fusion = replace(fusion, stacker=fusion._boosted(train, labels, validation[watched], answers[watched]))
        elif len(train) >= ENOUGH_TO_STACK and strategy == "stack-logistic":
            fusion = replace(fusion, stacker=fusion._logistic(train, labels))
        return fusion._calibrated(validation, answers)

    @property
    def method(self) -> str:
        """What decides where there are both opinions, said plainly."""
        if self.strategy.startswith("stack") and self.stacker is None:
            return f"pool (fewer than {ENOUGH_TO_STACK} train rows have both, so nothing was stacked)"
        return self.strategy

    def log_proba(self, opinions: Opinions) -> Array:
        """Calibrated log-probabilities (rows x 27)."""
        kind = opinions.has_text + 2 * opinions.has_image - 1
        return log_softmax(self._scores(opinions) * np.array(self.temperatures)[kind][:, None])

    def _scores(self, opinions: Opinions) -> Array:
        """One opinion alone is the answer; only two need weighing."""
        scores = np.where(opinions.has_text[:, None], opinions.text, opinions.image)
        if opinions.has_both.any():
            scores[opinions.has_both] = self._weighed(opinions[opinions.has_both])
        return scores

    def _weighed(self, opinions: Opinions) -> Array:
        if self.strategy == "max":
            return np.maximum(opinions.text, opinions.image)
        if self.strategy == "vote":
            return self._vote(opinions)
        if self.stacker is None:
            return self._pool(opinions)
        if self.strategy == "stack-logistic":
            return np.asarray(self._features(opinions) @ self.stacker["weights"] + self.stacker["bias"])
        return np.asarray(self.stacker.predict(self._matrix(opinions), output_margin=True), np.float64)

    def _vote(self, opinions: Opinions) -> Array:
        """Log of the weighted mean of the probabilities."""
        text, image = np.log(self.text_weight), np.log(1 - self.text_weight)
        return np.logaddexp(opinions.text + text, opinions.image + image)

    def _pool(self, opinions: Opinions) -> Array:
        """Logarithmic opinion pool: the sum of the weighed log-probabilities.

        Genest and Zidek 1986; with weights of 1, Bayes' rule for opinions that err independently.
        """
        text, image = (np.maximum(part, FLOOR) for part in (opinions.text, opinions.image))
        return log_softmax(self.pool_weights[0] * text + self.pool_weights[1] * image)

    def _features(self, opinions: Opinions) -> Array:
        """Features of the logistic stacker."""
        parts = (opinions.text, opinions.image, self._pool(opinions))
        return np.hstack([np.maximum(part, FLOOR) for part in parts])

    def _matrix(self, opinions: Opinions, labels: Labels | None = None) -> Any:
        import xgboost as xgb

        features = np.hstack([opinions.text, opinions.image]).astype(np.float32)
        # Boosting starts from the pool, so that it learns where the pool is wrong and nothing else.
        return xgb.DMatrix(features, label=labels, base_margin=self._pool(opinions).astype(np.float32))

    def _boosted(self, train: Opinions, labels: Labels, validation: Opinions, answers: Labels) -> Any:
        import xgboost as xgb

        settings = {
            "objective": "multi:softprob",
            "num_class": len(CODES),
            "eta": 0.2,
            "max_depth": 3,
            "min_child_weight": 5,
            "lambda": 10,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "seed": 0,
        }
        watched = [(self._matrix(validation, answers), "validation")] if len(answers) else []
        stop = 5 if watched else None
        matrix = self._matrix(train, labels)
        booster = xgb.train(settings, matrix, 60, evals=watched, early_stopping_rounds=stop, verbose_eval=False)
        return booster[: booster.best_iteration + 1] if watched else booster

    def _logistic(self, train: Opinions, labels: Labels) -> dict[str, Array]:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=0.01, max_iter=500).fit(self._features(train), labels)
        weights, bias = np.zeros((3 * len(CODES), len(CODES))), np.full(len(CODES), NEVER)
        coef, intercept = both_sides(model.coef_, model.intercept_)
        weights[:, model.classes_], bias[model.classes_] = coef.T, intercept
        return {"weights": weights, "bias": bias}

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
        config = asdict(replace(self, stacker=None))
        (folder / "fusion.json").write_text(json.dumps(config))
        if self.stacker is None:
            return
        if self.strategy == "stack-xgboost":
            self.stacker.save_model(folder / "stacker.ubj")
        else:
            from safetensors.numpy import save_file

            save_file(self.stacker, str(folder / "stacker.safetensors"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        config = json.loads((folder / "fusion.json").read_text())
        config |= {name: tuple(config[name]) for name in ("temperatures", "pool_weights")}
        return cls(**{**config, "stacker": _stacker(folder)})


def _stacker(folder: Path) -> Any:
    boosted, linear = folder / "stacker.ubj", folder / "stacker.safetensors"
    if boosted.exists():
        import xgboost as xgb

        return xgb.Booster(model_file=str(boosted))
    if linear.exists():
        from safetensors.numpy import load_file

        return load_file(str(linear))
    return None


def _best_weight(opinions: Opinions, labels: Labels) -> float:
    """Weight of the text, in steps of 5 %, that gives the likeliest labels."""
    rows = np.arange(len(labels))

    def likelihood(weight: float) -> float:
        return float(Fusion("vote", weight)._vote(opinions)[rows, labels].mean())

    return float(max(np.arange(0.05, 1.0, 0.05), key=likelihood))


def _best_pool(opinions: Opinions, labels: Labels) -> tuple[float, float]:
    """Factors of the two opinions that give the likeliest labels."""
    from scipy.optimize import minimize

    rows = np.arange(len(labels))

    def loss(weights: Array) -> float:
        pooled = Fusion("vote", pool_weights=(weights[0], weights[1]))._pool(opinions)
        return float(-pooled[rows, labels].mean())

    best = minimize(loss, (1.0, 1.0), method="L-BFGS-B", bounds=[(0.05, 3.0)] * 2).x
    return float(best[0]), float(best[1])
