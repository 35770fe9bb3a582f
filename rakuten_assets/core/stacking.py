"""Any number of opinions made one: the maximum, votes, pools, stackers, and the blend of stackers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, Array, fit_temperature, log_softmax
from rakuten_assets.core.image_models import KernelMap
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets.core.taxonomy import CODES

Strategy = Literal[
    "max",
    "vote",
    "vote-by-class",
    "pool",
    "stack-logistic",
    "stack-kernel",
    "stack-svm",
    "stack-xgboost",
    "vote-stack",
    "blend",
]
Labels = NDArray[np.intp]

# A stacker learns 27 classes from many numbers; from fewer rows it learns their noise.
ENOUGH_TO_STACK = 1000

# Below this log-probability "no" is "no": a linear stacker would read more into it than there is.
FLOOR = -10.0

# Regularisation that is tried, from strong to weak, in units of the features' variance: one scale for logarithms and
# for kernel coordinates, for two opinions and for twelve.
PENALTIES = (5e-3, 1.5e-3, 5e-4, 1.5e-4, 5e-5)

# More landmarks cost more and gained nothing (1,200 against 500 on published opinions).
LANDMARKS = 500

# Boosting that starts from the pool has little left to learn; from here on it learns noise.
ROUNDS = 25

# Ballots of a vote: its weights are multiples of about 2 %.
BALLOTS = 40

# No opinion is sharpened more than this in a pool; only one that says far less than it knows would be.
MOST = 5.0

# What the blend averages: they err in different places, being linear, local, and made of thresholds.
BLENDED: tuple[Strategy, ...] = ("stack-logistic", "stack-kernel", "stack-xgboost")


@dataclass(frozen=True)
class Combination:
    """A fitted strategy: opinions (models x rows x 27) in, one opinion (rows x 27) out.

    `pool` and `vote` have a weight a model. `learnt` are the arrays of the strategy: `trust` (models x 27), or
    `weights` (features x 27) and `bias` (27).
    """

    strategy: Strategy
    pool: Array
    vote: Array
    temperature: float = 1.0
    learnt: dict[str, Array] = field(default_factory=dict)
    kernel: KernelMap | None = None
    booster: Any = None
    members: tuple["Combination", ...] = ()

    @classmethod
    def unfitted(cls, strategy: Strategy, models: int) -> Self:
        """Every model counts the same, and nothing is stacked."""
        return cls(strategy, np.ones(models), np.full(models, 1 / models))

    @classmethod
    def fit(cls, strategy: Strategy, opinions: Array, labels: Labels) -> Self:
        """Fit on log-probabilities (models x rows x 27) that the models gave on rows that they had not learnt from.

        `labels` are class positions (0 to 26). Whatever has to be chosen is chosen by cross-validation within these
        rows. Raises ValueError for fewer than two models and where an opinion is missing.
        """
        if len(opinions) < 2 or np.isnan(opinions).any():
            raise ValueError("A combination needs at least two opinions, and all of them for every row.")
        if not len(labels):
            return cls.unfitted(strategy, len(opinions))
        opinions = np.maximum(opinions, NEVER)
        fitted = cls(strategy, _pool_weights(opinions, labels), _vote_weights(opinions, labels))
        if strategy in _FITS and len(labels) >= ENOUGH_TO_STACK:
            fitted = replace(fitted, **_FITS[strategy](fitted, opinions, labels))
        if strategy in ("max", "vote") or "trust" in fitted.learnt:
            fitted = replace(fitted, temperature=fit_temperature(fitted._scores(opinions), labels))
        return fitted

    @property
    def method(self) -> str:
        """What decides, said plainly."""
        if self._pooled and self.strategy != "pool":
            return f"pool (fewer than {ENOUGH_TO_STACK} train rows have every opinion, so nothing was stacked)"
        return self.strategy

    @property
    def _pooled(self) -> bool:
        return self.strategy not in ("max", "vote") and not (self.learnt or self.booster or self.members)

    def log_proba(self, opinions: Array) -> Array:
        """Log-probabilities (rows x 27) from those of the models (models x rows x 27), none of them missing."""
        return log_softmax(self.temperature * self._scores(np.maximum(opinions, NEVER)))

    def _scores(self, opinions: Array) -> Array:
        if self._pooled:
            return self.pooled(opinions)
        match self.strategy:
            case "max":
                # Kittler et al. 1998, "On Combining Classifiers".
                return np.asarray(opinions.max(0))
            case "vote":
                return self.voted(opinions)
            case "vote-by-class":
                return _mixture(opinions, self.learnt["trust"])
            case "blend":
                return np.asarray(np.mean([member.log_proba(opinions) for member in self.members], axis=0))
            case "stack-svm":
                return self._linear(self._features(opinions))
            case "stack-xgboost":
                return np.asarray(self.booster.predict(self._matrix(opinions), output_margin=True), np.float64)
        return self._start(opinions) + self._linear(self._features(opinions))

    def voted(self, opinions: Array) -> Array:
        """Weighted soft vote: log of the weighted mean of the probabilities (rows x 27)."""
        return _mixture(opinions, np.log(self.vote)[:, None])

    def pooled(self, opinions: Array) -> Array:
        """Logarithmic opinion pool: the sum of the weighted log-probabilities (rows x 27).

        Genest and Zidek 1986; with weights of 1, Bayes' rule for opinions that err independently.
        """
        return log_softmax(np.tensordot(self.pool, np.maximum(opinions, FLOOR), 1))

    def _start(self, opinions: Array) -> Array:
        """What a stacker starts from, so that it learns where that is wrong and nothing else."""
        return self.voted(opinions) if self.strategy == "vote-stack" else self.pooled(opinions)

    def _features(self, opinions: Array) -> Array:
        """What a stacker reads: the log-probabilities side by side, mapped by the kernel where there is one."""
        flat = np.hstack(list(np.maximum(opinions, FLOOR)))
        return flat if self.kernel is None else self.kernel.transform(flat.astype(np.float32)).astype(np.float64)

    def _linear(self, features: Array) -> Array:
        return np.asarray(features @ self.learnt["weights"] + self.learnt["bias"])

    def _matrix(self, opinions: Array, labels: Labels | None = None) -> Any:
        import xgboost as xgb

        features = np.hstack(list(opinions)).astype(np.float32)
        return xgb.DMatrix(features, label=labels, base_margin=self._start(opinions).astype(np.float32))

    def save(self, folder: Path) -> None:
        """Write JSON, safetensors and UBJ into `folder`; the members of a blend get folders of their own."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        facts = {"strategy": self.strategy, "temperature": self.temperature, "members": len(self.members)}
        (folder / "combination.json").write_text(json.dumps(facts))
        tensors = {"pool": self.pool, "vote": self.vote, **self.learnt}
        save_file(
            {name: np.ascontiguousarray(part) for name, part in tensors.items()}, str(folder / "learnt.safetensors")
        )
        if self.kernel is not None:
            self.kernel.save(folder / "kernel.safetensors")
        if self.booster is not None:
            self.booster.save_model(folder / "booster.ubj")
        for number, member in enumerate(self.members):
            member.save(folder / f"member-{number}")

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        facts = json.loads((folder / "combination.json").read_text())
        learnt = load_file(str(folder / "learnt.safetensors"))
        kernel = folder / "kernel.safetensors"
        return cls(
            facts["strategy"],
            learnt.pop("pool"),
            learnt.pop("vote"),
            facts["temperature"],
            learnt,
            KernelMap.load(kernel) if kernel.exists() else None,
            _booster(folder / "booster.ubj"),
            tuple(cls.load(folder / f"member-{number}") for number in range(facts["members"])),
        )


def _booster(file: Path) -> Any:
    if not file.exists():
        return None
    import xgboost as xgb

    return xgb.Booster(model_file=str(file))


def _mixture(opinions: Array, log_weights: Array) -> Array:
    """Log of the sum over models of weight times probability; the weights are models x 27, or models x 1."""
    from scipy.special import logsumexp

    return np.asarray(logsumexp(opinions + log_weights[:, None, :], axis=0))


def _vote_weights(opinions: Array, labels: Labels) -> Array:
    """Weights on the simplex with a high weighted F1, made of ballots that are given one after the other.

    Caruana et al. 2004, "Ensemble Selection from Libraries of Models". The likeliest weights would be those of a
    mixture, in which only the best model is heard: a weighted F1 of 0.877 on two published models, against 0.889.
    """
    probabilities = np.exp(opinions)
    # Nearly none to begin with: nobody is unheard for ever, and a logarithm is finite.
    ballots, total = np.full(len(opinions), 0.01), 0.01 * probabilities.sum(0)
    for _ in range(BALLOTS):
        scores = [_weighted_f1((total + each).argmax(1), labels) for each in probabilities]
        chosen = int(np.argmax(scores))
        ballots[chosen] += 1
        total += probabilities[chosen]
    return np.asarray(ballots / ballots.sum())


def _weighted_f1(predicted: Labels, labels: Labels) -> float:
    """What scikit-learn computes, a hundred times as fast."""
    true, said = (np.bincount(part, minlength=len(CODES)) for part in (labels, predicted))
    right = np.bincount(labels[predicted == labels], minlength=len(CODES))
    return float((true * 2 * right / np.maximum(true + said, 1)).sum() / len(labels))


def _pool_weights(opinions: Array, labels: Labels) -> Array:
    """Factors of the log-probabilities that give the likeliest labels."""
    from scipy.optimize import minimize

    rows, clipped = np.arange(len(labels)), np.maximum(opinions, FLOOR)
    right = clipped[:, rows, labels].mean(1)

    def loss(weights: Array) -> tuple[float, Array]:
        pooled = log_softmax(np.tensordot(weights, clipped, 1))
        expected = np.einsum("kij,ij->k", clipped, np.exp(pooled)) / len(rows)
        return float(-pooled[rows, labels].mean()), expected - right

    start = np.full(len(opinions), 1 / len(opinions))
    # At 0 a model that adds nothing is left out; two models both keep a say, which an explanation can show.
    least = 0.05 if len(opinions) == 2 else 0.0
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(least, MOST)] * len(start)).x)


def _by_class(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Log of each model's weight for each class, held near its common weight (models x 27)."""
    common, sharp = np.log(start.vote)[:, None], fit_temperature(start.voted(opinions), labels)

    def fit(rows: Labels, penalty: float, at: Array | None) -> Array:
        return _trust(opinions[:, rows], labels[rows], common, sharp, penalty, at)

    def score(trust: Array, rows: Labels) -> float:
        return _likelihood(sharp * _mixture(opinions[:, rows], trust), labels[rows])

    # A weight is a logarithm here: one unit off the common one is much, whatever the opinions are.
    penalties = (1.0, 0.1, 0.01, 0.001)
    return {"learnt": {"trust": fit(np.arange(len(labels)), _chosen(fit, score, len(labels), penalties), None)}}


def _trust(opinions: Array, labels: Labels, common: Array, sharp: float, penalty: float, at: Array | None) -> Array:
    """Log of the weights by class (models x 27); a vote is too unsure, and is judged as sharp as it will be."""
    from scipy.optimize import minimize

    rows = np.arange(len(labels))

    def loss(flat: Array) -> tuple[float, Array]:
        off = flat.reshape(len(opinions), len(CODES))
        mixed = _mixture(opinions, common + off)
        found = log_softmax(sharp * mixed)
        slope = np.exp(found)
        slope[rows, labels] -= 1
        shares = np.exp(opinions + (common + off)[:, None, :] - mixed)
        gradient = sharp * np.einsum("kij,ij->kj", shares, slope) / len(rows) + penalty * off / len(CODES)
        return float(-found[rows, labels].mean() + penalty / 2 * (off**2).sum() / len(CODES)), gradient.ravel()

    begin = np.zeros((len(opinions), len(CODES))) if at is None else at - common
    best = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 40}).x
    return np.asarray(common + best.reshape(begin.shape))


def _regressed(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Multinomial logistic regression of what the pool, or the vote, gets wrong, on the log-probabilities."""
    features, begun = start._features(opinions), start._start(opinions)

    def fit(rows: Labels, penalty: float, at: Array | None) -> Array:
        return _softmax_regression(features[rows], begun[rows], labels[rows], penalty, at)

    def score(found: Array, rows: Labels) -> float:
        return _likelihood(features[rows] @ found[:-1] + found[-1] + begun[rows], labels[rows])

    found = fit(np.arange(len(labels)), _chosen(fit, score, len(labels), PENALTIES), None)
    return {"learnt": {"weights": found[:-1], "bias": found[-1]}}


def _kernel_map(start: Combination, opinions: Array) -> KernelMap:
    flat = start._features(opinions).astype(np.float32)
    return KernelMap.fit(flat[np.random.default_rng(0).permutation(len(flat))[:LANDMARKS]], width=1.0)


def _kernelled(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Kernel logistic regression: rows with similar opinions correct each other.

    Zhu and Hastie 2005, "Kernel Logistic Regression and the Import Vector Machine", on a Nyström map.
    """
    mapped = replace(start, kernel=_kernel_map(start, opinions))
    return {"kernel": mapped.kernel, **_regressed(mapped, opinions, labels)}


def _machines(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Support vector machines with a Gaussian kernel, one class against the rest; scaled on margins out of fold."""
    mapped = replace(start, kernel=_kernel_map(start, opinions))
    features, codes = mapped._features(opinions), np.array(CODES)[labels]

    def fit(rows: Labels) -> LinearClassifier:
        return LinearClassifier.fit(features[rows], codes[rows], np.ones(len(rows)), c=0.1, balance=0.0)

    margins = np.empty((len(labels), len(CODES)))
    for learn, rest in _halves(len(labels)):
        margins[rest] = fit(learn).margins(features[rest])
    machine = fit(np.arange(len(labels)))
    learnt = {"weights": machine.weights.astype(np.float64), "bias": machine.bias.astype(np.float64)}
    return {"kernel": mapped.kernel, "learnt": learnt, "temperature": fit_temperature(margins, labels)}


def _boosted(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Trees that are boosted from the pool (Chen and Guestrin 2016)."""
    import xgboost as xgb

    settings = {
        "objective": "multi:softprob",
        "num_class": len(CODES),
        "eta": 0.15,
        "max_depth": 3,
        "min_child_weight": 5,
        "lambda": 10,
        "subsample": 0.8,
        # As many columns a tree however many opinions there are.
        "colsample_bytree": min(1.0, 0.6 / len(opinions)),
        "seed": 0,
    }
    return {"booster": xgb.train(settings, start._matrix(opinions, labels), ROUNDS)}


def _blended(start: Combination, opinions: Array, labels: Labels) -> dict[str, Any]:
    """Stackers of different kinds; their log-probabilities are averaged with equal weights."""
    return {"members": tuple(Combination.fit(name, opinions, labels) for name in BLENDED)}


_FITS: dict[Strategy, Callable[[Combination, Array, Labels], dict[str, Any]]] = {
    "vote-by-class": _by_class,
    "stack-logistic": _regressed,
    "stack-kernel": _kernelled,
    "stack-svm": _machines,
    "stack-xgboost": _boosted,
    "vote-stack": _regressed,
    "blend": _blended,
}


def _softmax_regression(features: Array, begun: Array, labels: Labels, penalty: float, at: Array | None) -> Array:
    """Weights and, as the last row, bias (features + 1 x 27) of what is added to the scores `begun` (rows x 27).

    A class without rows gets no weight and the bias `NEVER`.
    """
    from scipy.optimize import minimize

    seen, places = np.unique(labels, return_inverse=True)
    rows, middle = np.arange(len(labels)), features.mean(0)
    centred, begun = features - middle, begun[:, seen]
    ridge = penalty * max(float(centred.var(0).sum()), 1e-12)

    def loss(flat: Array) -> tuple[float, Array]:
        both = flat.reshape(-1, len(seen))
        found = log_softmax(centred @ both[:-1] + both[-1] + begun)
        slope = np.exp(found)
        slope[rows, places] -= 1
        slope /= len(rows)
        gradient = np.vstack([centred.T @ slope + ridge * both[:-1], slope.sum(0)])
        return float(-found[rows, places].mean() + ridge / 2 * (both[:-1] ** 2).sum()), gradient.ravel()

    begin = np.zeros((features.shape[1] + 1, len(seen)))
    if at is not None:
        begin = at[:, seen] + np.vstack([np.zeros_like(begin[:-1]), middle @ at[:-1, seen]])
    best = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 50}).x.reshape(begin.shape)
    found = np.zeros((len(begin), len(CODES)))
    found[-1] = NEVER
    found[:-1, seen], found[-1, seen] = best[:-1], best[-1] - middle @ best[:-1]
    return found


def _chosen(
    fit: Callable[[Labels, float, Array | None], Array],
    score: Callable[[Array, Labels], float],
    rows: int,
    penalties: tuple[float, ...],
) -> float:
    """The penalty, of those from strong to weak, whose fits on one half give the likeliest labels of the other.

    Each fit begins where the stronger one ended, and the search ends where less penalty no longer helps.
    """
    halves, best = _halves(rows), (-np.inf, penalties[0])
    ends: list[Any] = [None, None]
    for penalty in penalties:
        ends = [fit(learn, penalty, end) for (learn, _), end in zip(halves, ends, strict=True)]
        likelihood = float(np.mean([score(end, rest) for (_, rest), end in zip(halves, ends, strict=True)]))
        if likelihood <= best[0]:
            break
        best = (likelihood, penalty)
    return best[1]


def _halves(rows: int) -> list[tuple[Labels, Labels]]:
    """Two folds: rows to learn from, and the rest."""
    order = np.random.default_rng(0).permutation(rows)
    one, other = order[: rows // 2], order[rows // 2 :]
    return [(one, other), (other, one)]


def _likelihood(scores: Array, labels: Labels) -> float:
    return float(log_softmax(scores)[np.arange(len(labels)), labels].mean())
