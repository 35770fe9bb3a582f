"""Networks that learn from the texts themselves: fastText's bag of n-grams, an LSTM, and fine-tuned transformers.

PyTorch and transformers are imported where they are used; nothing here reads or writes pickle.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, Array, fit_temperature, log_softmax
from rakuten_assets.core.evaluate import score
from rakuten_assets.core.linear import class_weights, positions
from rakuten_assets.core.networks import Epoch, Progress, half, precision, seeded
from rakuten_assets.core.taxonomy import CODES

if TYPE_CHECKING:
    from torch import Tensor

    from rakuten_assets.core.text_network_modules import Built, Read

Codes = NDArray[np.int64]
Rows = NDArray[np.intp]
Kind = Literal["fasttext", "lstm", "transformer"]

# Epochs, rows a batch and learning rate that a kind usually takes. CamemBERT's are the best of the data-science report.
USUAL: dict[Kind, tuple[int, int, float]] = {
    "fasttext": (20, 32, 0.005),
    "lstm": (10, 32, 0.002),
    "transformer": (3, 16, 3e-5),
}

# A new head learns this many times faster than an encoder that has read before, where its rate is not given.
HEAD_IS_FASTER = 10

# Length to which a step's gradient is cut, as BERT's authors did: one odd batch does not undo what was learnt.
LONGEST_GRADIENT = 1.0

# Steps whose rows are sorted by length together: little padding, and still chance in who stands beside whom.
SORTED_TOGETHER = 20

# Texts answered at once.
ANSWERED = 64


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained; `epochs`, `batch_size` and `learning_rate` of 0 are what is usual for its kind."""

    epochs: int = 0
    batch_size: int = 0
    # Batches whose gradients are added up for one step: batches larger than the memory allows.
    accumulation: int = 1
    learning_rate: float = 0.0
    # Of the last layer; 0: as the rest, and for a transformer `HEAD_IS_FASTER` times that.
    head_learning_rate: float = 0.0
    weight_decay: float = 0.01
    # What the learning rate does after the warm-up, which is a share of all steps.
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warm_up: float = 0.1
    dropout: float = 0.1
    max_tokens: int = 256
    # Epochs without a better validation after which training stops.
    patience: int = 3
    # On a GPU: bfloat16 where it knows it, else float16 with scaled losses. A CPU always computes in fp32.
    mixed_precision: bool = True
    # Wall-clock time after which training ends with the best weights so far, and by which the schedule ends; what it
    # gives then depends on the machine.
    seconds: float | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TextNetworkSettings(TrainingSettings):
    """A kind of network and how it is trained; ValueError where two settings contradict one another.

    A transformer's weights, by `pretrained`: `auto` is each backbone's folder where it names one, else the hub or its
    cache; `hub` is never a folder; `none` is random weights for the architecture, of which configuration and tokenizer
    must be there; anything else is the folder in which the backbones lie by name, or of the only one.
    """

    kind: Kind = "transformer"
    # fastText and LSTM: numbers in a word's vector.
    dim: int = 100
    # fastText: words in a run at most, shortest and longest n-gram of characters, and places for all of them.
    word_ngrams: int = 2
    character_ngrams: tuple[int, int] | None = None
    buckets: int = 2**18
    # LSTM: words in the vocabulary, units in each direction, and whether it reads both ways.
    max_words: int = 50_000
    units: int = 128
    bidirectional: bool = True
    # Transformer: encoders, which answer together.
    backbones: tuple[str, ...] = ("camembert-base",)
    pretrained: str = "auto"
    # Layers of each encoder that are trained, from the last; None: all and the embeddings, 0: the head alone.
    trained_layers: int | None = None
    # LSTM: mean or max; transformer: mean or cls.
    pooling: Literal["mean", "max", "cls"] = "mean"
    # 0: classes weigh as delivered; 1: every class weighs the same.
    balance: float = 0.5
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in USUAL:
            raise ValueError(f"{self.kind!r} is no kind of network: {', '.join(USUAL)}")
        if self.pooling == {"lstm": "cls", "transformer": "max"}.get(self.kind):
            raise ValueError(f"a network of kind {self.kind} does not pool by {self.pooling}")
        if not self.backbones:
            raise ValueError("a transformer needs a backbone")
        epochs, batch_size, rate = USUAL[self.kind]
        rate = self.learning_rate or rate
        head = self.head_learning_rate or rate * (HEAD_IS_FASTER if self.kind == "transformer" else 1)
        filled = {"epochs": self.epochs or epochs, "batch_size": self.batch_size or batch_size}
        for name, value in {**filled, "learning_rate": rate, "head_learning_rate": head}.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True)
class MaskedSettings(TrainingSettings):
    """A small BERT and how it is pretrained."""

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 5e-4
    max_tokens: int = 128
    vocabulary: int = 16_000
    width: int = 256
    layers: int = 4
    heads: int = 4
    # Share of the tokens that are guessed.
    share: float = 0.15


@dataclass(frozen=True)
class TextNetwork:
    """Log-probabilities of the 27 categories from texts, by a network trained on them.

    `seen` (27) tells the categories that it was taught, of which the network has an output each; `scale` is the
    inverse of the temperature; `words` are the vocabulary of an LSTM; `source` says what weights it began with.
    """

    built: "Built"
    settings: TextNetworkSettings
    seen: NDArray[np.bool_]
    source: str
    words: tuple[str, ...] = ()
    scale: float = 1.0
    history: tuple[Epoch, ...] = ()

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        codes: Codes,
        row_weights: Array,
        validation: tuple[Sequence[str], Codes] | None,
        settings: TextNetworkSettings,
        progress: Progress | None = None,
    ) -> Self:
        """Train on `texts` with their category `codes` and `row_weights` (a row each; 0: not learnt from).

        With `validation`, the weights of its best epoch by weighted F1 are kept and the temperature is fitted to it.
        On a CPU the same seed gives the same network. `progress` hears each epoch. ValueError where no row has weight;
        OSError where a backbone cannot be had: nothing else is ever taken in its place.
        """
        rows = np.flatnonzero(row_weights > 0)
        if not len(rows):
            raise ValueError("no row has a weight: there is nothing to learn")
        texts, labels = [texts[int(row)] for row in rows], positions(codes[rows])
        seen = np.isin(np.arange(len(CODES)), labels)
        weights = row_weights[rows] * class_weights(codes[rows], settings.balance)
        with seeded(settings.seed):
            network = cls._begun(texts, seen, settings)
            history = network._train(texts, labels, weights, validation, progress)
        return replace(network, scale=network._fitted_scale(validation), history=tuple(history))

    @classmethod
    def _begun(cls, texts: Sequence[str], seen: NDArray[np.bool_], settings: TextNetworkSettings) -> Self:
        """The network before its first step."""
        from rakuten_assets.core.text_network_modules import build, most_frequent

        words = tuple(most_frequent(texts, settings.max_words)) if settings.kind == "lstm" else ()
        built = build(settings, words, int(seen.sum()))
        sources = dict.fromkeys(backbone.source for backbone in built.backbones)
        return cls(built, settings, seen, " + ".join(sources) or "none: random weights", words)

    def log_proba(self, texts: Sequence[str]) -> Array:
        """Log-probabilities (rows x 27); `NEVER` for a category that it was not taught."""
        return self._log_proba(self._logits(self.built.reader.read(texts)), self.scale)

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors, tokenizers as the hub does, and all else as JSON."""
        from safetensors.torch import save_model

        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.built.module, str(folder / "model.safetensors"))
        for at, backbone in enumerate(self.built.backbones):
            backbone.encoder.config.save_pretrained(folder / f"backbone-{at}")
            backbone.tokenizer.save_pretrained(folder / f"backbone-{at}")
        config = {
            "settings": asdict(self.settings),
            "seen": self.seen.tolist(),
            "source": self.source,
            "words": self.words,
            "scale": self.scale,
            "history": [epoch._asdict() for epoch in self.history],
        }
        (folder / "network.json").write_text(json.dumps(config))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The network that was saved to `folder`, by what lies there alone."""
        from safetensors.torch import load_model

        from rakuten_assets.core.text_network_modules import build

        config = json.loads((folder / "network.json").read_text())
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in config["settings"].items()
        }
        settings, seen, words = TextNetworkSettings(**kept), np.array(config["seen"]), tuple(config["words"])
        here = tuple(str(folder / f"backbone-{at}") for at in range(len(settings.backbones)))
        with seeded(settings.seed):
            built = build(replace(settings, backbones=here, pretrained="none"), words, int(seen.sum()))
        load_model(built.module, str(folder / "model.safetensors"))
        history = tuple(Epoch(**epoch) for epoch in config["history"])
        return cls(built, settings, seen, config["source"], words, config["scale"], history)

    def _train(
        self,
        texts: Sequence[str],
        labels: Rows,
        weights: Array,
        validation: tuple[Sequence[str], Codes] | None,
        progress: Progress | None,
    ) -> list[Epoch]:
        import torch
        from torch.nn.functional import cross_entropy

        from rakuten_assets.core.text_network_modules import device, padded

        reader, module = self.built.reader, self.built.module
        read, targets = reader.read(texts), torch.from_numpy(self._outputs(labels)).to(device())
        heard = (reader.read(validation[0]), positions(validation[1])) if validation and len(validation[1]) else None

        def losses(rows: Rows) -> "Tensor":
            logits = module(padded([read[row] for row in rows], reader.pads))
            smoothing = self.settings.label_smoothing
            return cross_entropy(logits.float(), targets[rows], reduction="none", label_smoothing=smoothing)

        def measured() -> tuple[float, float]:
            return self._measured(*heard) if heard else (float("nan"), float("nan"))

        return _Training(module, self.settings, losses, _lengths(read), weights, measured).run(progress)

    def _measured(self, read: "list[Read]", labels: Rows) -> tuple[float, float]:
        """Loss and weighted F1 on validation rows."""
        log_proba = self._log_proba(self._logits(read), 1.0)
        scored = score(log_proba, labels)
        loss = -float(log_proba[np.arange(len(labels)), labels].mean())
        return loss, scored.weighted_f1 if scored else float("nan")

    def _logits(self, read: "list[Read]") -> Array:
        """What the network says before the softmax (rows x categories seen).

        In fp32 also on a GPU, and texts of similar length together: in short formats a text's answer would depend on
        its neighbours.
        """
        import torch

        from rakuten_assets.core.text_network_modules import padded

        logits = np.empty((len(read), int(self.seen.sum())))
        order = np.argsort(_lengths(read), kind="stable")
        self.built.module.eval()
        for at in range(0, len(read), ANSWERED):
            rows = order[at : at + ANSWERED]
            with torch.inference_mode():
                answer = self.built.module(padded([read[row] for row in rows], self.built.reader.pads))
            logits[rows] = answer.double().cpu().numpy()
        return logits

    def _log_proba(self, logits: Array, scale: float) -> Array:
        log_proba = np.full((len(logits), len(CODES)), NEVER)
        log_proba[:, self.seen] = np.maximum(log_softmax(scale * logits), NEVER)
        return log_proba

    def _fitted_scale(self, validation: tuple[Sequence[str], Codes] | None) -> float:
        """The inverse of the temperature at which the validation rows are most likely."""
        if validation is None:
            return 1.0
        labels = positions(validation[1])
        known = np.flatnonzero(self.seen[labels])
        if not len(known):
            return 1.0
        read = self.built.reader.read([validation[0][int(row)] for row in known])
        return fit_temperature(self._logits(read), self._outputs(labels[known]))

    def _outputs(self, labels: Rows) -> Rows:
        """The network's output for each class position."""
        return (np.cumsum(self.seen) - 1)[labels]


def pretrain_masked(
    texts: Sequence[str],
    folder: Path,
    settings: MaskedSettings = MaskedSettings(),
    progress: Progress | None = None,
) -> tuple[Epoch, ...]:
    """Teach a small BERT to guess hidden words of `texts`, which need no labels, and write it to `folder`.

    Devlin et al. 2019, "BERT", without its next sentences, with a WordPiece vocabulary learnt from the texts. `folder`
    is then as the hub keeps models: a backbone for `TextNetworkSettings`. One text in 50 is held out, and the masked
    loss of up to 1,000 of them measured before the first epoch (number 0) and after each. ValueError below two texts
    that say something.
    """
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from rakuten_assets.core.text_network_modules import Masking, SubWords, device, word_pieces

    texts = [text for text in texts if text.strip()]
    if len(texts) < 2:
        raise ValueError("there are not two texts to learn from and to measure on")
    tokenizer = word_pieces(texts, settings.vocabulary, settings.max_tokens)
    reader = SubWords([tokenizer], [settings.max_tokens])
    held, learnt = reader.read(texts[::50][:1000]), reader.read([text for at, text in enumerate(texts) if at % 50])
    masking = Masking(tokenizer, settings.share)
    with seeded(settings.seed):
        shape: dict[str, Any] = {
            "hidden_size": settings.width,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.heads,
            "intermediate_size": 4 * settings.width,
            "max_position_embeddings": settings.max_tokens,
            "hidden_dropout_prob": settings.dropout,
            "attention_probs_dropout_prob": settings.dropout,
        }
        config = BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **shape)
        module: Any = BertForMaskedLM(config)
        module.to(device())
        batches = [held[at : at + settings.batch_size] for at in range(0, len(held), settings.batch_size)]
        examples = [masking.hide(batch) for batch in batches]

        def losses(rows: Rows) -> "Tensor":
            return masking.losses(module, *masking.hide([learnt[row] for row in rows]))

        def measured() -> tuple[float, float]:
            module.eval()
            with torch.inference_mode():
                said = torch.cat([masking.losses(module, *example) for example in examples])
            return float(said.mean()), float("nan")

        before = Epoch(0, float("nan"), *measured(), 0.0, 0.0)
        history = _Training(module, settings, losses, _lengths(learnt), np.ones(len(learnt)), measured).run(progress)
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return before, *history


class _Training:
    """A module on its way, by steps of AdamW that shrink as training ends.

    `losses` gives a number each for some rows, `lengths` and `weights` are the rows', and `measured` gives loss and
    weighted F1 on rows that are not learnt from, NaN for what there is not.
    """

    def __init__(
        self,
        module: Any,
        settings: TrainingSettings,
        losses: Callable[[Rows], "Tensor"],
        lengths: Rows,
        weights: Array,
        measured: Callable[[], tuple[float, float]],
    ) -> None:
        import torch

        from rakuten_assets.core.text_network_modules import optimisers

        self._module, self._settings, self._losses, self._measured = module, settings, losses, measured
        self._lengths, self._weights = lengths, weights
        rate = settings.learning_rate
        self._optimisers = optimisers(module, rate, settings.head_learning_rate or rate, settings.weight_decay)
        self._scaler = torch.amp.GradScaler(enabled=half(settings.mixed_precision) is torch.float16)
        self._chance = np.random.default_rng(settings.seed)
        self._at_once = settings.batch_size * settings.accumulation
        self._taken, self._began = 0, time.monotonic()

    def run(self, progress: Progress | None) -> list[Epoch]:
        """Train until the epochs, the patience or the time is used up, and put the best weights back."""
        history, best, kept = list[Epoch](), -1, dict[str, Any]()
        while len(history) < self._settings.epochs and not self._out_of_time:
            loss = self._epoch()
            rate = self._optimisers[0].param_groups[0]["lr"]
            history.append(Epoch(len(history) + 1, loss, *self._measured(), rate, self._elapsed))
            if best < 0 or _goodness(history[-1]) > _goodness(history[best]) or np.isnan(history[-1].validation_loss):
                best, kept = len(history) - 1, self._learning()
            if progress:
                progress(history[-1])
            if len(history) - 1 - best >= self._settings.patience:
                break
        self._module.load_state_dict(kept, strict=False)
        self._module.eval()
        return history

    def _learning(self) -> dict[str, Any]:
        """A copy of the weights that learn; all others stay as they are."""
        named = self._module.named_parameters()
        return {name: each.detach().to("cpu", copy=True) for name, each in named if each.requires_grad}

    def _epoch(self) -> float:
        """One pass over the rows, cut short where the time is over; the mean loss."""
        self._module.train()
        total = weight = 0.0
        for rows in self._steps():
            total += self._step(rows)
            weight += float(self._weights[rows].sum())
            if self._out_of_time:
                break
        return total / weight

    def _step(self, rows: Rows) -> float:
        """Move the weights once; the weighted sum of the rows' losses.

        Each part's gradient is divided by the weight of the whole step, so that parts add up to what one large batch
        would have given.
        """
        import torch

        weights, total, size = self._weights[rows], 0.0, self._settings.batch_size
        for at in range(0, len(rows), size):
            part = slice(at, at + size)
            with precision(self._settings.mixed_precision):
                losses = self._losses(rows[part])
            loss = (losses * torch.from_numpy(weights[part]).to(losses)).sum()
            self._scaler.scale(loss / weights.sum()).backward()
            total += float(loss.detach())
        for optimiser in self._optimisers:
            self._set_rates(optimiser)
            self._scaler.unscale_(optimiser)
        # Sparse gradients have no norm in PyTorch; Adam, which takes them, does not mind their length.
        dense = [each for each in self._module.parameters() if each.grad is not None and not each.grad.is_sparse]
        torch.nn.utils.clip_grad_norm_(dense, LONGEST_GRADIENT)
        for optimiser in self._optimisers:
            self._scaler.step(optimiser)
            optimiser.zero_grad()
        self._scaler.update()
        self._taken += 1
        return total

    def _steps(self) -> Iterator[Rows]:
        """The rows of each step: those of similar length together, in random order."""
        order = self._chance.permutation(len(self._lengths))
        together = self._at_once * SORTED_TOGETHER
        for at in range(0, len(order), together):
            some = order[at : at + together]
            some = some[np.argsort(self._lengths[some], kind="stable")]
            steps = [some[at : at + self._at_once] for at in range(0, len(some), self._at_once)]
            for step in self._chance.permutation(len(steps)):
                yield steps[step]

    def _set_rates(self, optimiser: Any) -> None:
        """Each group's learning rate: rising through the warm-up, and then as the schedule says, to 0 at the end."""
        warm_up, done = self._settings.warm_up, self._done
        after = (done - warm_up) / (1 - warm_up) if done > warm_up else 0.0
        falling = {"linear": 1 - after, "cosine": (1 + np.cos(np.pi * after)) / 2, "constant": 1.0}
        share = done / warm_up if done < warm_up else falling[self._settings.schedule]
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("peak", group["lr"]) * float(share)

    @property
    def _done(self) -> float:
        """How far training has come, from 0 to 1: in the middle of this step, or by the time that is used up."""
        steps = self._settings.epochs * -(-len(self._lengths) // self._at_once)
        by_time = self._elapsed / self._settings.seconds if self._settings.seconds else 0.0
        return min(max((self._taken + 0.5) / steps, by_time), 1.0)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    @property
    def _out_of_time(self) -> bool:
        return self._settings.seconds is not None and self._elapsed >= self._settings.seconds


def _goodness(epoch: Epoch) -> tuple[float, float]:
    return 0.0 if np.isnan(epoch.validation_f1) else epoch.validation_f1, -epoch.validation_loss


def _lengths(read: "Sequence[Read]") -> Rows:
    """Tokens of each text, the longer of two readings."""
    return np.array([max(len(part) for part in parts) for parts in read], np.intp)
