"""What an image model of each kind learns from, and how."""

import numpy as np

from rakuten_assets.assets.image_rows import ImageRows
from rakuten_assets.core.embeddings import HandmadeFeatures
from rakuten_assets.core.image_features import BLOCKS
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets_tests.core.test_learners import WORDS


def test_pictures_are_told_apart_by_a_ridge_regression_under_the_kernels():
    rng = np.random.default_rng(0)
    codes = np.array(list(WORDS))[np.arange(60) % len(WORDS)]
    width = max(block.stop for block in BLOCKS.values())
    matrix = (rng.random((60, width)) + codes[:, None] / 5000).astype(np.float32)
    matter = ImageRows(HandmadeFeatures(), matrix, np.arange(60), None, None, np.ones(60, bool))
    kernel, inputs, learn = matter.prepared({"kind": "kernel", "c": 2.0, "balance": 0.5, "width": 1.0}, np.arange(60))
    learnt = learn(inputs, codes, np.ones(60))
    mapped = kernel.transform(matrix).astype(float)
    ridge, machines = (
        LinearClassifier.fit(mapped, codes, np.ones(60), 2.0, 0.5, loss) for loss in ("squares", "hinge")
    )
    assert np.array_equal(learnt.weights, ridge.weights)
    assert not np.allclose(learnt.weights, machines.weights)
