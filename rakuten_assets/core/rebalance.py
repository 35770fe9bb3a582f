"""Classes of unequal size made less so, by imbalanced-learn: rows drawn again, left out, or made up between others."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rebalancing = Literal["none", "over", "under", "smote", "adasyn", "tomek", "smote-under"]
"""Random over- and undersampling, SMOTE (Chawla et al. 2002), ADASYN (He et al. 2008), Tomek links (Tomek 1976)."""

# Neighbours among which a made-up row lies; a class with no more rows than that is left as it is.
NEIGHBOURS = 5

# Undersampling cuts classes to this many times the mean size: all that is cut away is lost.
CEILING = 2.0


def rebalanced(
    vectors: Any, codes: NDArray[np.int64], row_weights: NDArray[np.float64], method: Rebalancing, seed: int = 0
) -> tuple[Any, NDArray[np.int64], NDArray[np.float64]]:
    """Train rows (rows x features, dense or sparse) after `method`, which lifts rare classes to the mean size.

    A row that is kept or drawn again keeps its weight; one that is made up weighs 1. Only ever for rows that teach:
    rows that are judged must stay as they come.
    """
    for step in _steps(method):
        sampler = _sampler(step, codes, seed)
        if sampler is None:
            continue
        before = len(codes)
        vectors, codes = sampler.fit_resample(vectors, codes)
        if hasattr(sampler, "sample_indices_"):
            row_weights = row_weights[sampler.sample_indices_]
        else:
            row_weights = np.concatenate([row_weights, np.ones(len(codes) - before)])
    return vectors, codes, row_weights


def _steps(method: Rebalancing) -> list[str]:
    return [] if method == "none" else method.split("-")


def _sampler(step: str, codes: NDArray[np.int64], seed: int) -> Any:
    """The sampler of one step; None where no class is so small, or so large, that it has anything to do."""
    from imblearn import over_sampling, under_sampling

    classes, sizes = np.unique(codes, return_counts=True)
    mean = int(sizes.mean())
    if step == "tomek":
        return under_sampling.TomekLinks() if len(classes) > 1 else None
    if step == "under":
        cut = {code: int(CEILING * mean) for code, size in zip(classes, sizes, strict=True) if size > CEILING * mean}
        return under_sampling.RandomUnderSampler(sampling_strategy=cut, random_state=seed) if cut else None
    least = 0 if step == "over" else NEIGHBOURS
    lift = {code: mean for code, size in zip(classes, sizes, strict=True) if least < size < mean}
    if not lift:
        return None
    if step == "over":
        return over_sampling.RandomOverSampler(sampling_strategy=lift, random_state=seed)
    if step == "smote":
        return over_sampling.SMOTE(sampling_strategy=lift, k_neighbors=NEIGHBOURS, random_state=seed)
    return over_sampling.ADASYN(sampling_strategy=lift, n_neighbors=NEIGHBOURS, random_state=seed)
