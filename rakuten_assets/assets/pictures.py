"""Stored pictures as a sequence that is read while it is gone through: a catalogue of them fits into no memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from upath import UPath

from rakuten_assets.core.classifier import prepare_picture
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.preparation import PreparationSettings


@dataclass(frozen=True)
class Pictures:
    """Prepared pictures by their sha256, one a row; a mask or row numbers choose among them."""

    root: UPath
    settings: PreparationSettings
    sha256: NDArray[Any]

    def __len__(self) -> int:
        return len(self.sha256)

    @overload
    def __getitem__(self, rows: int) -> Image: ...

    @overload
    def __getitem__(self, rows: NDArray[Any]) -> Self: ...

    def __getitem__(self, rows: int | NDArray[Any]) -> Image | Self:
        if isinstance(rows, np.ndarray):
            return replace(self, sha256=self.sha256[rows])
        return prepare_picture(read_picture(self.root, self.sha256[rows]), self.settings)

    def __iter__(self) -> Iterator[Image]:
        return (self[row] for row in range(len(self)))
