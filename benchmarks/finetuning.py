"""Speed of fine-tuning: pictures and texts a second, in single precision and, on a GPU, in mixed precision.

Run: python benchmarks/finetuning.py [--architecture NAME] [--size N] [--batch N] [--steps N] [--layers N] [--width N]

The weights are random, since speed does not depend on them: pictures go through a timm network, tokens through a BERT
of a configuration, forward, backward and one step of AdamW. Below it, what `ImageNetwork.fit` makes of pictures in
memory, with reading and augmentation. On a CPU, small networks and few steps.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from transformers import BertConfig, BertForSequenceClassification

from rakuten_assets.core.image_networks import ImageNetwork, NetworkSettings
from rakuten_assets.core.taxonomy import CODES

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
TOKENS = 128
VOCABULARY = 30_000

# Steps before the clock runs: kernels are chosen, memory is taken.
WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--architecture", default="resnet50" if CUDA else "test_resnet")
    parser.add_argument("--size", type=int, default=224 if CUDA else 96, help="side of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=128 if CUDA else 16)
    parser.add_argument("--steps", type=int, default=50 if CUDA else 5)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    asked = parser.parse_args()
    torch.manual_seed(0)
    print(f"{torch.cuda.get_device_name() if CUDA else f'CPU, {torch.get_num_threads()} threads'}, batches of ", end="")
    print(f"{asked.batch}; {asked.architecture} at {asked.size} pixels; BERT of {asked.layers} layers, "
          f"{asked.width} wide, {TOKENS} tokens\n")  # fmt: skip
    print("| network | precision | rows/s | GPU in use, % | most memory, GB |")
    print("| --- | --- | ---: | ---: | ---: |")
    for name, made in {"pictures": pictures, "texts": texts}.items():
        for precision in (torch.float32, torch.bfloat16) if CUDA else (torch.float32,):
            model, loss = made(asked)
            report(name, str(precision).removeprefix("torch."), *stepped(model, loss, precision, asked))
    for mixed in (False, True) if CUDA else (False,):
        report("ImageNetwork.fit", "mixed" if mixed else "float32", *fitted(asked, mixed))


def report(name: str, precision: str, rate: float, use: float, memory: float) -> None:
    print(f"| {name} | {precision} | {rate:,.1f} | {use:.0f} | {memory:.1f} |", flush=True)


def pictures(asked: argparse.Namespace) -> tuple[Any, Callable[[Any], torch.Tensor]]:
    model = timm.create_model(asked.architecture, pretrained=False, num_classes=len(CODES)).to(DEVICE)
    pixels = torch.randn(asked.batch, 3, asked.size, asked.size, device=DEVICE)
    if CUDA:
        model, pixels = (each.to(memory_format=torch.channels_last) for each in (model, pixels))
    labels = torch.randint(len(CODES), (asked.batch,), device=DEVICE)
    return model, lambda network: torch.nn.functional.cross_entropy(network(pixels).float(), labels)


def texts(asked: argparse.Namespace) -> tuple[Any, Callable[[Any], torch.Tensor]]:
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=asked.width,
        num_hidden_layers=asked.layers,
        num_attention_heads=max(asked.width // 64, 1),
        intermediate_size=4 * asked.width,
        num_labels=len(CODES),
    )
    tokens = torch.randint(VOCABULARY, (asked.batch, TOKENS), device=DEVICE)
    labels = torch.randint(len(CODES), (asked.batch,), device=DEVICE)
    return BertForSequenceClassification(config).to(DEVICE), lambda network: network(tokens, labels=labels).loss


def stepped(
    model: Any, loss: Callable[[Any], torch.Tensor], precision: torch.dtype, asked: argparse.Namespace
) -> tuple[float, float, float]:
    """Rows a second, how busy the GPU was in per cent, and the most memory that it held in GB (NaN on a CPU)."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    busy = []
    began = 0.0
    for step in range(WARM_UP + asked.steps):
        if step == WARM_UP:
            wait()
            began = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=precision is not torch.float32):
            value = loss(model)
        value.backward()
        optimiser.step()
        busy += use() if step >= WARM_UP else []
    wait()
    rate = asked.batch * asked.steps / (time.perf_counter() - began)
    return rate, statistics.fmean(busy) if busy else float("nan"), memory()


def fitted(asked: argparse.Namespace, mixed: bool) -> tuple[float, float, float]:
    """The same of training by `ImageNetwork`: epochs behind the first one."""
    rng = np.random.default_rng(0)
    noise = [
        Image.fromarray(rng.integers(0, 255, (asked.size, asked.size, 3), np.uint8))
        for _ in range(asked.batch * asked.steps)
    ]
    codes = np.array([CODES[at % len(CODES)] for at in range(len(noise))])
    settings = NetworkSettings(asked.architecture, size=asked.size, batch_size=asked.batch, epochs=3)
    busy: list[float] = []
    network = ImageNetwork.fit(
        noise,
        codes,
        np.ones(len(codes)),
        None,
        replace(settings, mixed_precision=mixed),
        progress=lambda epoch: busy.extend(use()),
    )
    first, *_, last = network.history
    rate = len(noise) * (len(network.history) - 1) / (last.seconds - first.seconds)
    return rate, statistics.fmean(busy) if busy else float("nan"), memory()


def wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def use() -> list[float]:
    """How busy the GPU was just now, in per cent; nothing where there is none or nobody can say."""
    try:
        return [float(torch.cuda.utilization())] if CUDA else []
    except (ModuleNotFoundError, RuntimeError):  # NVIDIA's library that tells is an extra
        return []


def memory() -> float:
    """The most memory that was held since the last call, in GB."""
    if not CUDA:
        return float("nan")
    most = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return most


if __name__ == "__main__":
    main()
