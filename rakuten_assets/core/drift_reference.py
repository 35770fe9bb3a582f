"""Drift of a window of products against rows that the champion has not learnt from, limited by chance alone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets.core.drift import FALSE_ALARMS, Part

Numbers = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
"""What is compared, by part: one array each, NaN or None where a product lacks the value."""

# Below this, neither side says anything: the statistics would be noise, and Evidently raises on an empty one.
MINIMUM = 200

# Values that a part needs on either side; a window almost without pictures says nothing about pictures.
FEWEST_VALUES = 50

# Both sides are cut to samples of fixed sizes. The chance limits are those of the sizes at hand, so that a larger
# window would flag ever smaller changes, until it flags some that nobody would act on.
WINDOW_ROWS, REFERENCE_ROWS = 1_000, 2_000

# Pairs of samples drawn from the reference to learn what chance does; the tail beyond them is the Gumbel's.
DRAWS = 200

# Where the reference has one value only, chance does nothing, and this is the limit: Evidently's own default.
CONSTANT_LIMIT = 0.1

# A statistic that moves by less between samples does not move: this is rounding.
STILL = 1e-6

# Random features that stand for a Gaussian kernel: the mean over so many is within a few percent of the kernel.
WAVES = 256

PREDICTIONS = frozenset({"category", "confidence"})
EMBEDDED = re.compile(r"(text|image)_[0-9]+")


class TooFew(ValueError):
    """There are fewer rows than `MINIMUM` on one side."""


@dataclass(frozen=True)
class Limits:
    """What chance does to windows of `rows` rows: by part, mean and deviation of its transformed statistic.

    `highest` is what the largest of all the standardised parts exceeds in a share `FALSE_ALARMS` of windows.
    """

    rows: int
    means: Mapping[str, float]
    deviations: Mapping[str, float]
    highest: float

    def part(self, name: str, value: float) -> Part:
        """The part of this name whose statistic is `value`."""
        mean, deviation = self.means[name], self.deviations[name]
        return Part(
            name,
            "prediction" if name in PREDICTIONS else "data",
            value,
            limit=float((mean + self.highest * deviation) ** 3),
            score=float((_bent(value) - mean) / deviation / self.highest),
        )


@dataclass(frozen=True)
class Reference:
    """Rows of `drift_features.features` that the champion has not learnt from, to compare windows with."""

    rows: pl.DataFrame

    @classmethod
    def of(cls, features: pl.DataFrame, seed: int = 0) -> Self:
        """At most `REFERENCE_ROWS` of `features`, drawn by `seed`; raises `TooFew` below `MINIMUM`."""
        return cls(_cut(features, REFERENCE_ROWS, seed))

    def compare(self, window: pl.DataFrame, limits: Limits | None = None, seed: int = 0) -> list[Part]:
        """The parts of a window of features; raises `TooFew` below `MINIMUM` rows.

        A column that is missing, or null almost everywhere, on either side has no part. `limits` are those of a
        window of this size; without them, or for another size, they are computed, which takes some seconds.
        """
        current = self._columns_of(cut := window_sample(window, seed))
        if limits is None or limits.rows != len(cut):
            limits = self.limits(len(cut), seed)
        usable = [name for name in limits.means if name in current and _present(current[name]) >= FEWEST_VALUES]
        return [limits.part(name, _distance(self._columns[name], current[name])) for name in usable]

    def limits(self, rows: int, seed: int = 0) -> Limits:
        """What chance does to a window of so many rows (more than `WINDOW_ROWS` count as that many).

        Both the reference and the window are drawn anew from the reference, with replacement, `DRAWS` times. The cube
        root of a chi-squared number is nearly normal, whatever its degrees of freedom (Wilson and Hilferty 1931), so
        that after it no part has a longer tail than the others. The largest of the standardised parts is taken in
        each draw; `_exceeded_rarely` says where their upper tail lies.
        """
        rows, rng = min(rows, WINDOW_ROWS), np.random.default_rng(seed)
        # Of a column that is mostly null, a window of this size may have no value at all.
        share = FEWEST_VALUES / min(rows, len(self.rows))
        columns = {name: values for name, values in self._columns.items() if _present(values) / len(values) >= share}
        drawn = [self._drawn(columns, rows, rng) for _ in range(DRAWS)]
        bent = {name: np.array([_bent(draw[name]) for draw in drawn]) for name in columns}
        moving = {name: values for name, values in bent.items() if values.std() > STILL}
        means = {name: float(values.mean()) for name, values in moving.items()}
        deviations = {name: float(values.std(ddof=1)) for name, values in moving.items()}
        standard = [(values - means[name]) / deviations[name] for name, values in moving.items()]
        highest = _exceeded_rarely(np.max(standard, axis=0)) if standard else 1.0
        still = dict.fromkeys(bent.keys() - moving.keys(), 0.0)
        return Limits(rows, means | still, deviations | dict.fromkeys(still, _bent(CONSTANT_LIMIT) / highest), highest)

    def _drawn(self, columns: Columns, rows: int, rng: np.random.Generator) -> dict[str, float]:
        left, right = (rng.integers(0, len(self.rows), count) for count in (len(self.rows), rows))
        return {name: _distance(values[left], values[right]) for name, values in columns.items()}

    @cached_property
    def _columns(self) -> Columns:
        return self._columns_of(self.rows)

    @cached_property
    def _waves(self) -> dict[str, "_Waves"]:
        points = {name: _points(self.rows, columns) for name, columns in self._embedded.items()}
        return {name: _Waves.of(found) for name, found in points.items() if _present(found) >= FEWEST_VALUES}

    @cached_property
    def _embedded(self) -> dict[str, list[str]]:
        """The columns of each embedding, by its part."""
        found = [match for name in self.rows.columns if (match := EMBEDDED.fullmatch(name))]
        return {f"{side}_embedding": [m[0] for m in found if m[1] == side] for side in sorted({m[1] for m in found})}

    def _columns_of(self, features: pl.DataFrame) -> Columns:
        """Numbers as floats, categories as strings, embeddings as random features (rows x `WAVES`)."""
        columns: Columns = {}
        for name, kind in self.rows.schema.items():
            if name in features.columns and not EMBEDDED.fullmatch(name):
                columns[name] = _finite(features[name]) if kind.is_numeric() else _categories(features[name])
        for name, wave in self._waves.items():
            if set(self._embedded[name]) <= set(features.columns):
                columns[name] = wave.transform(_points(features, self._embedded[name]))
        return columns


@dataclass(frozen=True)
class _Waves:
    """Random Fourier features, whose inner products are those of a Gaussian kernel (Rahimi and Recht 2007)."""

    directions: Numbers
    phases: Numbers

    @classmethod
    def of(cls, points: Numbers) -> Self:
        """With the median distance between the points as the kernel's width, as Gretton et al. 2012 advise."""
        from scipy.spatial.distance import pdist

        rng = np.random.default_rng(0)
        known = points[~np.isnan(points[:, 0])]
        width = float(np.median(pdist(known[:500]))) or 1.0
        return cls(rng.normal(0, 1 / width, (points.shape[1], WAVES)), rng.uniform(0, 2 * np.pi, WAVES))

    def transform(self, points: Numbers) -> Numbers:
        return np.sqrt(2 / WAVES) * np.cos(points @ self.directions + self.phases)


def window_sample(window: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """The rows of a window that are compared: all, or `WINDOW_ROWS` drawn by `seed`; raises `TooFew`."""
    return _cut(window, WINDOW_ROWS, seed)


def _distance(reference: NDArray[Any], current: NDArray[Any]) -> float:
    """How far two samples of one part lie apart, what is missing left out.

    Of columns, Evidently's population stability index. Of embeddings, the squared maximum mean discrepancy (Gretton et
    al. 2012, "A Kernel Two-Sample Test"), the distance of the means of random features.
    """
    reference, current = (values[~_missing(values)] for values in (reference, current))
    if reference.ndim == 2:
        return float(((reference.mean(0) - current.mean(0)) ** 2).sum())
    return _stability_index(reference, current)


def _stability_index(reference: NDArray[Any], current: NDArray[Any]) -> float:
    """As `evidently.metrics.ValueDrift(method="psi")` computes it, at a fraction of a report's time."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import psi_stat_test
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Categorical if reference.dtype == object else ColumnType.Numerical
    return float(psi_stat_test(pd.Series(reference), pd.Series(current), kind, None).drift_score)


def _exceeded_rarely(largest: Numbers) -> float:
    """What the largest of several normal numbers exceeds in a share `FALSE_ALARMS`, from examples of it.

    Largest values follow a Gumbel distribution: those of exponential numbers soon, those of normal ones so late that a
    fit to them lies far too high (Fisher and Tippett 1928). So it is fitted to their tails' logarithms, which are
    exponential.
    """
    from scipy.stats import gumbel_r, norm

    tails = -norm.logsf(largest)
    return float(norm.isf(np.exp(-gumbel_r(*gumbel_r.fit(tails)).isf(FALSE_ALARMS))))


def _bent(value: float) -> float:
    return float(np.cbrt(max(value, 0.0)))


def _cut(features: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    if len(features) < MINIMUM:
        raise TooFew(f"{len(features)} rows, at least {MINIMUM} are needed to speak of drift")
    return features if len(features) <= rows else features.sample(rows, seed=seed)


def _points(features: pl.DataFrame, columns: Sequence[str]) -> Numbers:
    """An embedding (rows x dimensions), a row of NaN where one of its dimensions is missing."""
    points = np.stack([_finite(features[name]) for name in columns], axis=1)
    points[np.isnan(points).any(axis=1)] = np.nan
    return points


def _finite(column: pl.Series) -> Numbers:
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values


def _categories(column: pl.Series) -> NDArray[Any]:
    return np.array(column.cast(pl.String).to_list(), object)


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype == object:
        return np.array([value is None for value in values], bool)
    return np.isnan(values if values.ndim == 1 else values[:, 0])


def _present(values: NDArray[Any]) -> int:
    return int((~_missing(values)).sum())
