"""What the text networks are made of: readers that turn texts into numbers, and PyTorch modules that learn from them.

PyTorch is imported at the top, since modules are its classes; whoever uses this file imports it inside a function.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from unicodedata import combining, normalize
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rakuten_assets.core.networks import device

if TYPE_CHECKING:
    from rakuten_assets.core.text_networks import TextNetworkSettings

Read = tuple[NDArray[np.int32], ...]
"""A text as numbers of its parts, in their order: one array, or one for each encoder."""

Inputs = list[tuple[Tensor, Tensor]]
"""A batch for each encoder: numbers (rows x longest) and whether they are there, or padding (the same shape)."""


class Reader(Protocol):
    """Texts in, numbers out; `pads` are the numbers that stand for nothing."""

    pads: tuple[int, ...]

    def read(self, texts: Sequence[str]) -> list[Read]: ...


class HashedGrams:
    """Words, runs of up to `words` words and n-grams of `characters` characters, each hashed into a bucket from 1 on.

    Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification"; here single words are hashed as well.
    The hash is CRC-32, the same in every process, which Python's own is not.
    """

    pads: tuple[int, ...] = (0,)

    def __init__(self, words: int, characters: tuple[int, int] | None, buckets: int, limit: int) -> None:
        self._words, self._characters, self._buckets, self._limit = words, characters, buckets, limit

    def read(self, texts: Sequence[str]) -> list[Read]:
        return [(np.array(list(self._grams(words_of(text)[: self._limit])), np.int32),) for text in texts]

    def _grams(self, words: list[str]) -> Iterator[int]:
        for at, word in enumerate(words):
            run = 0
            for following in words[at : at + self._words]:
                run = crc32(f"{following} ".encode(), run)
                yield 1 + run % self._buckets
            if self._characters:
                yield from self._pieces(f"<{word}>")

    def _pieces(self, word: str) -> Iterator[int]:
        shortest, longest = self._characters or (1, 0)
        for length in range(shortest, min(longest, len(word)) + 1):
            for at in range(len(word) - length + 1):
                yield 1 + crc32(word[at : at + length].encode()) % self._buckets


class Vocabulary:
    """The number of each known word, from 2 on; 1 is any other."""

    pads: tuple[int, ...] = (0,)

    def __init__(self, words: Sequence[str], limit: int) -> None:
        self._numbers = {word: at for at, word in enumerate(words, 2)}
        self._limit = limit

    def read(self, texts: Sequence[str]) -> list[Read]:
        number = self._numbers.get
        return [(np.array([number(word, 1) for word in words_of(text)[: self._limit]], np.int32),) for text in texts]


class SubWords:
    """What the tokenizers of Hugging Face encoders make of a text, cut at each one's limit of tokens."""

    def __init__(self, tokenizers: Sequence[Any], limits: Sequence[int]) -> None:
        self._each = list(zip(tokenizers, limits, strict=True))
        self.pads = tuple(tokenizer.pad_token_id or 0 for tokenizer in tokenizers)

    def read(self, texts: Sequence[str]) -> list[Read]:
        if not len(texts):
            return []
        columns = [
            [np.array(ids, np.int32) for ids in tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]]
            for tokenizer, limit in self._each
        ]
        return list(zip(*columns, strict=True))


def words_of(text: str) -> list[str]:
    """Words in lower case without accents, which sellers set as they please."""
    letters = (letter for letter in normalize("NFKD", text.lower()) if not combining(letter))
    return re.findall(r"\w+", "".join(letters))


def most_frequent(texts: Sequence[str], most: int) -> list[str]:
    """The words that are in most texts, at most `most`; of equals the first in the alphabet."""
    counts = Counter(word for text in texts for word in set(words_of(text)))
    return sorted(counts, key=lambda word: (-counts[word], word))[:most]


def padded(batch: Sequence[Read], pads: Sequence[int]) -> Inputs:
    """Texts side by side. One without any part is a padding that is looked at, so that it has an answer too."""
    inputs = []
    for parts, pad in zip(zip(*batch, strict=True), pads, strict=True):
        ids = np.full((len(parts), max(1, *(len(part) for part in parts))), pad, np.int64)
        mask = np.zeros_like(ids)
        for row, part in enumerate(parts):
            ids[row, : len(part)] = part
            mask[row, : max(len(part), 1)] = 1
        inputs.append((torch.from_numpy(ids).to(device()), torch.from_numpy(mask).to(device())))
    return inputs


class Grams(nn.Module):
    """The mean of the vectors of a text's n-grams, and a linear layer.

    The vectors begin at zero, so that an n-gram that was never trained says nothing.
    """

    def __init__(self, buckets: int, dim: int, dropout: float, outputs: int) -> None:
        super().__init__()
        # Sparse: a step touches the n-grams of its texts, not all buckets.
        self.embedding = nn.EmbeddingBag(buckets + 1, dim, mode="mean", padding_idx=0, sparse=True)
        nn.init.zeros_(self.embedding.weight)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(dim, outputs)

    def forward(self, inputs: Inputs) -> Tensor:
        ((ids, _),) = inputs
        return self.head(self.dropout(self.embedding(ids)))


class Recurrent(nn.Module):
    """Vectors of words read by an LSTM (Hochreiter and Schmidhuber 1997), pooled over the words."""

    def __init__(
        self, words: int, dim: int, units: int, both_ways: bool, pooling: str, dropout: float, outputs: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim, padding_idx=0)
        self.lstm = nn.LSTM(dim, units, batch_first=True, bidirectional=both_ways)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(units * (1 + both_ways), outputs)
        self._pooling = pooling

    def forward(self, inputs: Inputs) -> Tensor:
        ((ids, mask),) = inputs
        # Packed, so that the backward direction begins at a text's own end and not in its padding.
        packed = pack_padded_sequence(
            self.dropout(self.embedding(ids)), mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        # cuDNN would round to TF32, by which a text's answer depends on its neighbours.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1])
        return self.head(self.dropout(pooled(states, mask, self._pooling)))


class Encoders(nn.Module):
    """Hugging Face encoders side by side: their pooled vectors, one after the other, and a linear layer."""

    def __init__(self, encoders: Sequence[Any], pooling: str, dropout: float, outputs: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        width = sum(int(encoder.config.hidden_size) for encoder in encoders)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(width, outputs)
        self._pooling = pooling

    def forward(self, inputs: Inputs) -> Tensor:
        vectors = [
            pooled(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask, self._pooling)
            for encoder, (ids, mask) in zip(self.encoders, inputs, strict=True)
        ]
        return self.head(self.dropout(torch.cat(vectors, 1)))

    def train(self, mode: bool = True) -> "Encoders":
        """What does not learn drops nothing out either."""
        super().train(mode)
        for part in self.encoders.modules():
            parameters = list(part.parameters())
            if parameters and not any(each.requires_grad for each in parameters):
                part.eval()
        return self


def pooled(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """One vector a text (rows x width) from one a token (rows x tokens x width)."""
    there = mask.unsqueeze(-1)
    if how == "cls":
        return states[:, 0]
    if how == "max":
        return states.masked_fill(there == 0, float("-inf")).amax(1)
    return (states * there).sum(1) / there.sum(1)


def freeze(encoder: Any, layers: int) -> None:
    """Let only the last `layers` layers of an encoder learn.

    Layers are the outermost lists of modules as long as the encoder is deep: one in most architectures, and in
    FlauBERT one each for attention, feed-forward network and normalisations.
    """
    depth = int(encoder.config.num_hidden_layers)
    encoder.requires_grad_(False)
    stacks: dict[str, nn.ModuleList] = {}
    for name, module in encoder.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in stacks)
        if isinstance(module, nn.ModuleList) and len(module) == depth and not inside:
            stacks[name] = module
    if layers and not stacks:
        raise ValueError(f"{type(encoder).__name__} has no list of {depth} layers of which to train the last {layers}")
    for stack in stacks.values():
        for layer in list(stack)[max(depth - layers, 0) :]:
            layer.requires_grad_(True)


class Backbone(NamedTuple):
    """A Hugging Face encoder, its tokenizer, and where its weights are from."""

    encoder: Any
    tokenizer: Any
    source: str


def open_backbone(name: str, pretrained: str, alone: bool) -> Backbone:
    """The encoder `name` with weights as `pretrained` says; OSError, with what can be done, where it cannot be had.

    fp32 whatever the file holds: weights kept in half precision do not learn.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = _folder(name, pretrained, alone)
    where, local = str(folder or name), {"local_files_only": folder is not None or pretrained == "none"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **local)
        if pretrained == "none":
            encoder = AutoModel.from_config(AutoConfig.from_pretrained(where, **local))
        else:
            encoder = AutoModel.from_pretrained(where, dtype=torch.float32, **local)
    except (OSError, ValueError, ImportError) as error:
        looked = "in this folder" if folder else "in the hub's cache" if pretrained == "none" else "on the hub"
        raise OSError(
            f"the text backbone {where!r} could not be had {looked}: name a folder that holds it as the hub does "
            f"({type(error).__name__}: {error})"
        ) from error
    source = "none: random weights" if pretrained == "none" else f"path:{folder}" if folder else f"hub:{name}"
    return Backbone(encoder.float(), tokenizer, source)


def _folder(name: str, pretrained: str, alone: bool) -> Path | None:
    """The local folder that is meant, if one is."""
    if pretrained in ("auto", "none"):
        return Path(name) if Path(name).is_dir() else None
    if pretrained == "hub":
        if Path(name).is_dir():
            raise ValueError(f"{name!r} is a folder here, and the weights are wanted from the hub")
        return None
    within = Path(pretrained) / name
    found = within if within.is_dir() else Path(pretrained)
    if not (found / "config.json").is_file() or (found != within and not alone):
        raise FileNotFoundError(f"no backbone in {within}" + (f" nor in {pretrained}" if alone else ""))
    return found


def longest(backbone: Backbone, wanted: int) -> int:
    """Tokens that an encoder can read, at most `wanted`; RoBERTa's positions begin behind that of the padding."""
    positions = getattr(backbone.encoder.config, "max_position_embeddings", wanted)
    for module in backbone.encoder.modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings == positions and module.padding_idx is not None:
            positions -= module.padding_idx + 1
            break
    return min(wanted, positions, backbone.tokenizer.model_max_length)


class Built(NamedTuple):
    """A network that has learnt nothing yet of its task, with what it reads by."""

    reader: Reader
    module: nn.Module
    backbones: tuple[Backbone, ...]


def build(settings: "TextNetworkSettings", words: Sequence[str], outputs: int) -> Built:
    """The network that `settings` describe, on the device; `words` are the vocabulary of an LSTM."""
    limit, dropout = settings.max_tokens, settings.dropout
    reader: Reader
    module: nn.Module
    backbones: tuple[Backbone, ...] = ()
    if settings.kind == "fasttext":
        reader = HashedGrams(settings.word_ngrams, settings.character_ngrams, settings.buckets, limit)
        module = Grams(settings.buckets, settings.dim, dropout, outputs)
    elif settings.kind == "lstm":
        reader = Vocabulary(words, limit)
        shape = settings.dim, settings.units, settings.bidirectional, settings.pooling
        module = Recurrent(len(words) + 2, *shape, dropout, outputs)
    else:
        names, pretrained = settings.backbones, settings.pretrained
        backbones = tuple(open_backbone(name, pretrained, len(names) == 1) for name in names)
        reader = SubWords([each.tokenizer for each in backbones], [longest(each, limit) for each in backbones])
        module = Encoders([each.encoder for each in backbones], settings.pooling, dropout, outputs)
        if settings.trained_layers is not None:
            for each in backbones:
                freeze(each.encoder, settings.trained_layers)
    return Built(reader, module.to(device()), backbones)


class Masking:
    """Tokens hidden for a masked language model to guess: Devlin et al. 2019, 80 % masked, 10 % another, 10 % kept."""

    def __init__(self, tokenizer: Any, share: float) -> None:
        self._tokenizer, self._share = tokenizer, share
        self._special = torch.tensor(tokenizer.all_special_ids, device=device())

    def hide(self, batch: Sequence[Read]) -> tuple[Tensor, Tensor, Tensor]:
        """What is shown, what is there at all, and what is to be said: -100 where nothing is (rows x tokens each).

        At least one token of a text is hidden, so that a short one counts as much as a long one.
        """
        ((ids, there),) = padded(batch, [self._tokenizer.pad_token_id])
        # Drawn on the CPU, whose random numbers are the same on every machine.
        draw, how = (torch.rand(ids.shape).to(device()) for _ in range(2))
        other = torch.randint(len(self._tokenizer), ids.shape).to(device())
        draw = draw.masked_fill(torch.isin(ids, self._special), 1.0)
        hidden = (draw < self._share) | ((draw == draw.amin(1, keepdim=True)) & (draw < 1))
        shown = torch.where(hidden & (how < 0.9), other, ids)
        shown = shown.masked_fill(hidden & (how < 0.8), self._tokenizer.mask_token_id)
        return shown, there, ids.masked_fill(~hidden, -100)

    def losses(self, model: Any, shown: Tensor, there: Tensor, said: Tensor) -> Tensor:
        """Mean cross-entropy of each row's hidden tokens; 0 for a row without any that could be."""
        logits = model(input_ids=shown, attention_mask=there).logits.float()
        each = nn.functional.cross_entropy(logits.transpose(1, 2), said, reduction="none")
        return each.sum(1) / (said != -100).sum(1).clamp(min=1)


def word_pieces(texts: Sequence[str], vocabulary: int, limit: int) -> Any:
    """A tokenizer of at most `vocabulary` WordPieces learnt from `texts`, which reads as BERT's does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer: Any = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    options: dict[str, Any] = {"vocab_size": vocabulary, "special_tokens": list(special.values())}
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(show_progress=False, **options))
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    named = {f"{name}_token": token for name, token in special.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=limit, **named)


def optimisers(module: nn.Module, rate: float, head_rate: float, weight_decay: float) -> list[Any]:
    """AdamW (Loshchilov and Hutter 2019) for what learns, without decay of biases and norms; SparseAdam for n-grams."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    sparse: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if isinstance(module, Grams) and name.startswith("embedding."):
            sparse.append(parameter)
        elif parameter.requires_grad:
            groups.setdefault((name.startswith("head."), parameter.ndim > 1), []).append(parameter)
    dense: Any = [
        {"params": parameters, "lr": head_rate if head else rate, "weight_decay": weight_decay if decays else 0.0}
        for (head, decays), parameters in groups.items()
    ]
    found: list[Any] = [torch.optim.AdamW(dense)]
    return [*found, torch.optim.SparseAdam(sparse, lr=rate)] if sparse else found
