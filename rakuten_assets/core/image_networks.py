"""Networks that learn from the pictures themselves, from scratch or from pretrained weights, and CLIP.

Heavy libraries are imported where they are used; nothing here reads or writes pickle.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from rakuten_assets.core.calibration import NEVER, Array, fit_temperature, log_softmax
from rakuten_assets.core.evaluate import score
from rakuten_assets.core.linear import class_weights, positions
from rakuten_assets.core.networks import Epoch, Progress, device, half, precision, seeded
from rakuten_assets.core.taxonomy import CODES

if TYPE_CHECKING:
    import torch

Pictures = Sequence[Image]
"""Pictures in RGB; a sequence that opens them when asked keeps the catalogue out of memory."""

Codes = NDArray[np.int64]
Rows = NDArray[np.intp]

PLAIN_CNN = "plain-cnn"
"""The architecture of four blocks of convolutions, 128 x 128 pixels, that needs no timm."""

# Threads that read the pictures of the next step while this one is computed.
READERS = 4


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be changed before it is learnt from; each picture is drawn its own change, uniformly."""

    flip: bool = True
    rotation: float = 10.0  # degrees, either way
    translation: float = 0.08  # share of the side, either way
    zoom: float = 0.15  # enlarged or reduced by up to this share
    brightness: float = 0.2  # multiplied by 1 plus or minus up to this
    contrast: float = 0.2  # the same, about the picture's mean


@dataclass(frozen=True)
class NetworkSettings:
    """An architecture and how it is trained.

    `architecture` is `PLAIN_CNN`, a timm name, `hf-hub:owner/model` or `local-dir:folder`. `pretrained` is whether to
    begin with its own weights, or a safetensors file of the architecture's. `size` is the side of the pictures in
    pixels; None is the architecture's own. FileNotFoundError where local weights are not there as safetensors.
    """

    architecture: str = PLAIN_CNN
    pretrained: bool | str = False
    size: int | None = None
    # Stages below the classifier that are trained, from the top; None: all of them, 0: the classifier alone.
    trained_stages: int | None = None
    dropout: float = 0.3
    augmentation: Augmentation | None = Augmentation()
    # 0: classes weigh as delivered; 1: every class weighs the same.
    balance: float = 0.5
    epochs: int = 30
    batch_size: int = 32
    # Batches whose gradients are added up for one step: batches larger than the memory allows.
    accumulation: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    schedule: Literal["plateau", "cosine"] = "plateau"
    # Epochs without a better weighted F1 on validation rows after which training stops; half of them halve the rate.
    patience: int = 6
    # On a GPU: bfloat16 where it knows it, else float16 with scaled losses. A CPU always computes in fp32.
    mixed_precision: bool = True
    # Wall-clock time after which training ends with the best weights so far; what it gives then depends on the machine.
    seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        folder = self.architecture.removeprefix("local-dir:")
        files = [self.pretrained] if isinstance(self.pretrained, str) else []
        if folder != self.architecture and self.pretrained:
            files += [str(Path(folder) / "model.safetensors")]
        for file in files:
            # Another format would be unpickled, which can run code.
            if not (file.endswith(".safetensors") and Path(file).is_file()):
                raise FileNotFoundError(f"{file}: weights are read from a safetensors file, and there is none")


@dataclass(frozen=True)
class ImageNetwork:
    """Log-probabilities of the 27 categories from pictures, by a network trained on them.

    `seen` (27) tells the categories that it was taught; `scale` is the inverse of the temperature.
    """

    model: Any
    settings: NetworkSettings
    seen: NDArray[np.bool_]
    scale: float = 1.0
    history: tuple[Epoch, ...] = ()

    @classmethod
    def fit(
        cls,
        pictures: Pictures,
        codes: Codes,
        row_weights: Array,
        validation: tuple[Pictures, Codes] | None,
        settings: NetworkSettings = NetworkSettings(),
        progress: Progress | None = None,
    ) -> Self:
        """Train on `pictures` with their category `codes` and `row_weights` (a row each; 0: not learnt from).

        AdamW (Loshchilov and Hutter 2019). With `validation`, the weights of its best epoch by weighted F1 are kept
        and the temperature is fitted to it. On a CPU the same seed gives the same network. `progress` hears each
        epoch. ValueError where no row has weight; OSError or RuntimeError where pretrained weights cannot be had.
        """
        rows = np.flatnonzero(row_weights > 0)
        if not len(rows):
            raise ValueError("no row has a weight: there is nothing to learn")
        labels = positions(codes)
        seen = np.isin(np.arange(len(CODES)), labels[rows])
        weights = np.zeros(len(codes))
        weights[rows] = row_weights[rows] * class_weights(codes[rows], settings.balance)
        with seeded(settings.seed):
            model = _build(settings, pretrained=settings.pretrained)
            network = cls(model, replace(settings, size=_size(model, settings)), seen)
            training = _Training(network, pictures, labels, weights, rows)
            history = training.run(validation, progress)
        return replace(network, scale=network._fitted_scale(validation), history=tuple(history))

    @property
    def size(self) -> int:
        """Side of the pictures that it sees, in pixels; others are resized."""
        return _size(self.model, self.settings)

    def log_proba(self, pictures: Pictures) -> Array:
        """Log-probabilities (rows x 27); `NEVER` for a category that it was not taught."""
        return self._log_proba(self._logits(pictures), self.scale)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and all else as JSON."""
        from safetensors.torch import save_model

        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / "model.safetensors"))
        config = {
            "settings": asdict(self.settings) | {"architecture": _architecture(self.model), "pretrained": False},
            "data": _data(self.model),
            "seen": self.seen.tolist(),
            "scale": self.scale,
            "history": [epoch._asdict() for epoch in self.history],
        }
        (folder / "network.json").write_text(json.dumps(config))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network that was saved to `folder`; its architecture comes from timm, its weights from the folder."""
        from safetensors.torch import load_model

        config = json.loads((folder / "network.json").read_text())
        augmentation = config["settings"].pop("augmentation")
        settings = NetworkSettings(**config["settings"], augmentation=augmentation and Augmentation(**augmentation))
        with seeded(settings.seed):
            model = _build(settings, pretrained=False)
        load_model(model, str(folder / "model.safetensors"))
        model.pretrained_cfg.update(config["data"])
        history = tuple(Epoch(**epoch) for epoch in config["history"])
        return cls(model.eval(), settings, np.array(config["seen"]), config["scale"], history)

    def _logits(self, pictures: Pictures) -> Array:
        """What the network says before the softmax (rows x 27)."""
        import torch

        size, step = self.size, self.settings.batch_size
        self.model.eval()
        logits = [np.empty((0, len(CODES)))]
        for at in range(0, len(pictures), step):
            pixels = _pixels([pictures[row] for row in range(at, min(at + step, len(pictures)))], size)
            # In fp32 also on a GPU: an answer must not depend on where it is given.
            with torch.inference_mode():
                logits.append(self.model(_normal(pixels, self.model)).double().cpu().numpy())
        return np.concatenate(logits)

    def _log_proba(self, logits: Array, scale: float) -> Array:
        log_proba = np.full_like(logits, NEVER)
        log_proba[:, self.seen] = np.maximum(log_softmax(scale * logits[:, self.seen]), NEVER)
        return log_proba

    def _fitted_scale(self, validation: tuple[Pictures, Codes] | None) -> float:
        """The inverse of the temperature at which the validation rows are most likely."""
        if validation is None:
            return 1.0
        labels = positions(validation[1])
        known = self.seen[labels]
        if not known.any():
            return 1.0
        place = np.cumsum(self.seen) - 1
        return fit_temperature(self._logits(validation[0])[known][:, self.seen], place[labels[known]])


class _Training:
    """One network on its way: what it learns from, with what, and the best that it has been."""

    def __init__(self, network: ImageNetwork, pictures: Pictures, labels: Rows, weights: Array, rows: Rows) -> None:
        import torch

        self._network, self._pictures, self._labels, self._weights, self._rows = (
            network,
            pictures,
            labels,
            weights,
            rows,
        )
        settings = self._settings = network.settings
        self._unseen = torch.from_numpy(~network.seen).to(device())
        self._trained = _freeze(network.model, settings.trained_stages)
        self._optimiser = torch.optim.AdamW(
            [each for each in network.model.parameters() if each.requires_grad],
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self._scaler = torch.amp.GradScaler(enabled=half(settings.mixed_precision) is torch.float16)
        self._shuffle = np.random.default_rng(settings.seed)

    def run(self, validation: tuple[Pictures, Codes] | None, progress: Progress | None) -> list[Epoch]:
        """Train until the epochs, the patience or the time is used up, and put the best weights back."""
        validation = validation if validation and len(validation[1]) else None
        model, settings = self._network.model, self._settings
        schedule = _schedule(self._optimiser, settings)
        began, history, best, kept = time.monotonic(), list[Epoch](), -1, dict[str, Any]()
        out_of_time = False
        while len(history) < settings.epochs and not out_of_time:
            rate = self._optimiser.param_groups[0]["lr"]
            deadline = began + settings.seconds if settings.seconds is not None else float("inf")
            loss = self._epoch(deadline)
            out_of_time = time.monotonic() > deadline
            measured = self._measured(validation)
            history.append(Epoch(len(history), loss, *measured, rate, time.monotonic() - began))
            if validation is None or best < 0 or _better(history[-1], history[best]):
                best = len(history) - 1
                kept = {name: value.detach().clone() for name, value in model.state_dict().items()}
            if progress:
                progress(history[-1])
            if len(history) - 1 - best >= settings.patience:
                break
            schedule(history[-1])
        model.load_state_dict(kept)
        model.eval()
        return history

    def _epoch(self, deadline: float) -> float:
        """One pass over the rows, in random order; the mean loss."""
        self._network.model.eval()
        for module in self._trained:
            module.training = True
        total = weight = 0.0
        for rows, pixels in self._steps():
            total += self._step(rows, pixels)
            weight += float(self._weights[rows].sum())
            if time.monotonic() > deadline:
                break
        return total / weight

    def _step(self, rows: Rows, pixels: "torch.Tensor") -> float:
        """Move the weights once; the sum of the rows' losses.

        Each part's gradient is divided by the weight of the whole step, so that parts add up to what one large batch
        would have given.
        """
        import torch
        from torch.nn.functional import cross_entropy

        settings, model = self._settings, self._network.model
        pixels = _augmented(pixels.to(device()).float(), settings.augmentation)
        labels = torch.from_numpy(self._labels[rows].astype(np.int64)).to(device())
        weights = torch.from_numpy(self._weights[rows].astype(np.float32)).to(device())
        self._optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for part in torch.arange(len(rows), device=device()).split(settings.batch_size):
            with precision(settings.mixed_precision):
                logits = model(_normal(pixels[part], model))
            logits = logits.float().masked_fill(self._unseen, NEVER)
            loss = (cross_entropy(logits, labels[part], reduction="none") * weights[part]).sum()
            self._scaler.scale(loss / weights.sum()).backward()
            total += float(loss.detach())
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return total

    def _steps(self) -> Iterator[tuple[Rows, "torch.Tensor"]]:
        """The rows of each step with their pixels; the next ones are read while these are learnt from."""
        settings, size = self._settings, self._network.size
        order = self._shuffle.permutation(self._rows)
        length = settings.batch_size * settings.accumulation
        steps = [order[at : at + length] for at in range(0, len(order), length)]

        def read(rows: Rows) -> "torch.Tensor":
            return _pixels([self._pictures[int(row)] for row in rows], size)

        with ThreadPoolExecutor(READERS) as pool:
            waiting = [pool.submit(read, rows) for rows in steps[:READERS]]
            for at, rows in enumerate(steps):
                pixels = waiting.pop(0).result()
                if at + READERS < len(steps):
                    waiting.append(pool.submit(read, steps[at + READERS]))
                yield rows, pixels

    def _measured(self, validation: tuple[Pictures, Codes] | None) -> tuple[float, float]:
        """Loss and weighted F1 on the validation rows."""
        if validation is None or not len(validation[1]):
            return float("nan"), float("nan")
        network, labels = self._network, positions(validation[1])
        log_proba = network._log_proba(network._logits(validation[0]), 1.0)
        scored = score(log_proba, labels)
        loss = -float(log_proba[np.arange(len(labels)), labels].mean())
        return loss, scored.weighted_f1 if scored else float("nan")


def plain_cnn(dropout: float) -> Any:
    """Four blocks of two 3 x 3 convolutions with batch normalisation, 32 to 256 channels, pooled to one vector.

    It answers to what is asked of timm's networks here.
    """
    from torch import nn

    def block(incoming: int, outgoing: int) -> nn.Module:
        layers: list[nn.Module] = []
        for before in (incoming, outgoing):
            layers += [nn.Conv2d(before, outgoing, 3, padding=1, bias=False), nn.BatchNorm2d(outgoing), nn.ReLU()]
        return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Dropout2d(dropout / 4))

    class PlainCNN(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = (3, 32, 64, 128, 256)
            self.blocks = nn.Sequential(*(block(*pair) for pair in zip(widths, widths[1:], strict=False)))
            self.classifier = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(widths[-1], len(CODES))
            )
            self.pretrained_cfg = {
                "architecture": PLAIN_CNN,
                "input_size": (3, 128, 128),
                "mean": (0.5, 0.5, 0.5),
                "std": (0.25, 0.25, 0.25),
            }

        def forward(self, pixels: "torch.Tensor") -> Any:
            return self.classifier(self.blocks(pixels))

        def group_matcher(self, coarse: bool = True) -> dict[str, str]:
            return {"blocks": r"^blocks\.(\d+)"}

    return PlainCNN()


class ClipEncoder:
    """Pictures and words in one space: CLIP (Radford et al. 2021) or SigLIP (Zhai et al. 2023) from a folder."""

    one_by_one = False

    def __init__(self, folder: Path | str, batch_size: int = 32) -> None:
        """`folder` is as the hub keeps models; nothing is downloaded, and OSError is raised where it is not there."""
        from transformers import AutoModel, AutoProcessor

        options = {"local_files_only": True}
        self._processor = AutoProcessor.from_pretrained(folder, **options)
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **options)
        self._model = model.eval().to(device())
        self._batch_size = batch_size
        self.size = int(self._model.config.vision_config.image_size)

    def transform(self, pictures: Pictures) -> NDArray[np.float32]:
        """Vectors of length 1 (rows x d) of pictures."""
        step = self._batch_size
        starts = range(0, len(pictures), step)
        parts = [self._encode([pictures[row] for row in range(at, min(at + step, len(pictures)))]) for at in starts]
        return np.concatenate(parts or [np.empty((0, self._read(["a"]).shape[1]), np.float32)])

    def zero_shot(self, pictures: Pictures, prompts: Sequence[str]) -> Array:
        """Log-probabilities (rows x prompts) that a picture shows what a prompt says, with no training at all."""
        scale = float(self._model.logit_scale.detach().exp())
        return log_softmax(scale * self.transform(pictures).astype(np.float64) @ self._read(prompts).T)

    def save(self, folder: Path) -> None:
        self._model.save_pretrained(folder / "model")
        self._processor.save_pretrained(folder / "model")
        (folder / "encoder.json").write_text(json.dumps({"kind": "clip"}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The encoder that was saved to `folder`."""
        return cls(folder / "model")

    def _encode(self, pictures: list[Image]) -> NDArray[np.float32]:
        import torch

        pixels = self._processor(images=pictures, return_tensors="pt").to(self._model.device)
        with torch.inference_mode():
            return _unit(self._model.get_image_features(**pixels).pooler_output)

    def _read(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        # SigLIP was trained with texts padded to the full length, and CLIP does not mind.
        length = self._model.config.text_config.max_position_embeddings
        padding = {"padding": "max_length", "truncation": True, "max_length": length}
        tokens = self._processor(text=list(prompts), return_tensors="pt", **padding).to(self._model.device)
        with torch.inference_mode():
            return _unit(self._model.get_text_features(**tokens).pooler_output)


def _unit(vectors: "torch.Tensor") -> NDArray[np.float32]:
    from torch.nn.functional import normalize

    return np.asarray(normalize(vectors.float(), dim=1).cpu().numpy())


def _build(settings: NetworkSettings, pretrained: bool | str) -> Any:
    """The network with 27 outputs, on the device; from a file where `pretrained` names one."""
    if settings.architecture == PLAIN_CNN:
        model = plain_cnn(settings.dropout)
        if pretrained is True:
            raise ValueError(f"{PLAIN_CNN} has no weights of its own: name a safetensors file")
        if pretrained:
            _load_trunk(model, str(pretrained))
    else:
        import timm

        options: dict[str, Any] = {"num_classes": len(CODES), "drop_rate": settings.dropout}
        if isinstance(pretrained, str):
            options["pretrained_cfg_overlay"] = {"file": pretrained}
        model = timm.create_model(settings.architecture, pretrained=bool(pretrained), **options)
    if settings.size and settings.size != _data(model)["input_size"][-1] and hasattr(model, "set_input_size"):
        # A transformer's positions are made for one size; they are interpolated for another.
        model.set_input_size(img_size=settings.size)
    model = model.to(device())
    return model.to(memory_format=_channels_last()) if device() == "cuda" else model


def _load_trunk(model: Any, file: str) -> None:
    """Put a file's weights into the network but for the classifier, as timm does for another number of classes."""
    from safetensors.torch import load_file

    trunk = {name: value for name, value in load_file(file).items() if name.startswith("blocks.")}
    left_out = model.load_state_dict(trunk, strict=False).missing_keys
    if any(name.startswith("blocks.") for name in left_out):
        raise RuntimeError(f"{file} does not hold the blocks of {PLAIN_CNN}")


def _architecture(model: Any) -> str:
    return str(model.pretrained_cfg["architecture"])


def _data(model: Any) -> dict[str, Any]:
    """Size, mean and deviation of the pictures that the network was made for."""
    return {name: list(model.pretrained_cfg[name]) for name in ("input_size", "mean", "std")}


def _size(model: Any, settings: NetworkSettings) -> int:
    return settings.size or int(_data(model)["input_size"][-1])


def _freeze(model: Any, stages: int | None) -> list[Any]:
    """Let only the classifier and that many stages below it learn; the modules that are trained.

    Stages are timm's parameter groups, of which the last holds the classifier. A frozen batch normalisation also
    keeps its running means, and a frozen stage drops nothing out.
    """
    from timm.models import group_parameters

    if stages is not None:
        groups = group_parameters(model, model.group_matcher(coarse=True))
        learning = {name for group in sorted(groups)[-(stages + 1) :] for name in groups[group]}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learning)
    # A module without parameters, as dropout, belongs to what is trained where its parent does.
    trained, parents = [], {child: parent for parent in model.modules() for child in parent.children()}
    for module in model.modules():
        owner = module
        while owner in parents and not any(True for _ in owner.parameters()):
            owner = parents[owner]
        if all(parameter.requires_grad for parameter in owner.parameters()):
            trained.append(module)
    return trained


def _pixels(pictures: Sequence[Image], size: int) -> "torch.Tensor":
    """Pictures as bytes (rows x 3 x size x size)."""
    import torch

    sized = [picture if picture.size == (size, size) else picture.resize((size, size)) for picture in pictures]
    return torch.from_numpy(np.stack([np.asarray(picture.convert("RGB")) for picture in sized])).permute(0, 3, 1, 2)


def _normal(pixels: "torch.Tensor", model: Any) -> "torch.Tensor":
    """Pixels of 0..255 as the network was taught to see them."""
    import torch

    mean, deviation = (torch.tensor(_data(model)[name]).view(1, 3, 1, 1).to(device()) for name in ("mean", "std"))
    return (pixels.to(device()).float() / 255 - mean) / deviation


def _augmented(pixels: "torch.Tensor", how: Augmentation | None) -> "torch.Tensor":
    """Pixels of 0..255 (rows x 3 x size x size), each picture changed in its own way.

    All pictures of a step in one go on the device: torchvision's transforms draw one change for a whole batch, and
    picture by picture they take longer than a GPU takes to learn. What moves into the frame repeats the border.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    if how is None:
        return pixels

    def drawn(within: float) -> "torch.Tensor":
        return (torch.rand(len(pixels)) * 2 - 1) * within

    angle, scale = torch.deg2rad(drawn(how.rotation)), 1 / (1 + drawn(how.zoom))
    mirror = torch.where(torch.rand(len(pixels)) < (0.5 if how.flip else 0.0), -1.0, 1.0)
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    # The grid runs from -1 to 1, so that a share of the side is twice as much.
    across, down = 2 * drawn(how.translation), 2 * drawn(how.translation)
    rows = [torch.stack([cosine * mirror, -sine, across], 1), torch.stack([sine * mirror, cosine, down], 1)]
    grid = affine_grid(torch.stack(rows, 1).to(pixels.device), list(pixels.shape), align_corners=False)
    moved = grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    brightness, contrast = (
        (1 + drawn(within)).view(-1, 1, 1, 1).to(pixels.device) for within in (how.brightness, how.contrast)
    )
    mean = moved.mean((1, 2, 3), keepdim=True)
    return (((moved - mean) * contrast + mean) * brightness).clamp(0, 255)


def _schedule(optimiser: Any, settings: NetworkSettings) -> Callable[[Epoch], None]:
    """What is done to the learning rate after an epoch."""
    from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

    if settings.schedule == "cosine":
        cosine = CosineAnnealingLR(optimiser, settings.epochs)
        return lambda epoch: cosine.step()
    plateau = ReduceLROnPlateau(optimiser, factor=0.5, patience=max(settings.patience // 2 - 1, 0))
    return lambda epoch: plateau.step(epoch.loss if np.isnan(epoch.validation_loss) else epoch.validation_loss)


def _better(new: Epoch, old: Epoch) -> bool:
    return (new.validation_f1, -new.validation_loss) > (old.validation_f1, -old.validation_loss)


def _channels_last() -> Any:
    import torch

    return torch.channels_last
