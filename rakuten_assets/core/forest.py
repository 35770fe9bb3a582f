"""A random forest over the 27 categories, stored without pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, Array, log_softmax
from rakuten_assets.core.linear import class_weights, positions
from rakuten_assets.core.taxonomy import CODES

# Share of a tree's answer that a category of which no leaf has seen a row still gets.
LEAST = 1e-3


@dataclass(frozen=True)
class ForestClassifier:
    """scikit-learn's random forest (Breiman 2001), and the scale that makes its shares of trees probabilities."""

    forest: Any
    scale: float = 1.0

    @classmethod
    def fit(
        cls,
        vectors: Any,
        codes: NDArray[np.int64],
        row_weights: Array,
        *,
        trees: int = 200,
        depth: int | None = None,
        balance: float = 0.0,
        seed: int = 0,
    ) -> Self:
        """Grow `trees` trees, at most `depth` deep, on `vectors` (rows x features, dense or sparse)."""
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(n_estimators=trees, max_depth=depth, n_jobs=-1, random_state=seed)
        forest.fit(vectors, codes, sample_weight=row_weights * class_weights(codes, balance))
        return cls(forest)

    def log_proba(self, vectors: Any) -> Array:
        """Log-probabilities (rows x 27), from the trees' mean answer."""
        votes = np.full((vectors.shape[0], len(CODES)), NEVER)
        if vectors.shape[0]:
            votes[:, positions(self.forest.classes_)] = np.log(self.forest.predict_proba(vectors) + LEAST)
        return log_softmax(self.scale * votes)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file
        from skops.io import dump

        folder.mkdir(parents=True, exist_ok=True)
        dump(self.forest, folder / "forest.skops")
        save_file({"scale": np.array([self.scale])}, str(folder / "scale.safetensors"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a forest; skops refuses a file that holds anything but what a forest is made of.

        Raises ValueError where a tree points outside itself: scikit-learn follows its numbers without a look.
        """
        from safetensors.numpy import load_file
        from skops.io import load

        scale = load_file(str(folder / "scale.safetensors"))["scale"]
        forest = load(folder / "forest.skops", trusted=["sklearn.tree._tree.Tree"])
        if not all(_sound(each.tree_, forest.n_features_in_) for each in forest.estimators_):
            raise ValueError(f"The forest in {folder} is damaged.")
        return cls(forest, float(scale[0]))


def _sound(tree: Any, features: int) -> bool:
    """Whether every way through a tree goes on, from node to later node, by features that there are, to a leaf."""
    left, right, here = tree.children_left, tree.children_right, np.arange(tree.node_count)
    inner = left != -1
    children = np.stack([left, right])[:, inner]
    goes_on = (children > here[inner]).all() and (children < tree.node_count).all() and (right[~inner] == -1).all()
    asked = tree.feature[inner]
    return bool(tree.node_count and goes_on and (asked >= 0).all() and (asked < features).all())
