"""What the networks for texts and for pictures share: their history, their random numbers, their number format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Epoch(NamedTuple):
    """What one pass over the train rows came to; NaN for what was not measured.

    `loss` and `validation_loss` are mean cross-entropies in nats, the first of what was learnt from (augmented,
    weighted); `seconds` are since the start.
    """

    number: int
    loss: float
    validation_loss: float
    validation_f1: float
    learning_rate: float
    seconds: float


Progress = Callable[[Epoch], None]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's random numbers from this seed on, and afterwards as they were."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def device() -> str:
    """Where networks compute."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def half(mixed_precision: bool) -> Any:
    """The short number format to compute in, None on a CPU and where it is not wanted."""
    import torch

    if device() == "cpu" or not mixed_precision:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def precision(mixed_precision: bool) -> Any:
    """A context in which PyTorch computes in that format."""
    import torch

    short = half(mixed_precision)
    return torch.autocast(device(), dtype=short or torch.bfloat16, enabled=short is not None)
