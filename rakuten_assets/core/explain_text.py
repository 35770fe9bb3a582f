"""Which words of a text carried a category: exact where what decides is linear, else by hiding them one by one."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from unicodedata import combining, normalize

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.embeddings import TextEncoder, TfidfEncoder, TransformerEncoder
from rakuten_assets.core.explain_image import log_odds
from rakuten_assets.core.linear import Array, LinearClassifier
from rakuten_assets.core.text_models import TextModel
from rakuten_assets.core.text_terms import Span, opening_spans, writing_spans

Weights = NDArray[np.float32]

# Hidden texts of an explanation: enough to tell words apart, few enough that somebody may wait.
HIDDEN = 48

# What the word part of the TF-IDF encoder takes for a word: scikit-learn's own pattern.
TOKEN = re.compile(r"(?u)\b\w\w+\b")


@dataclass(frozen=True)
class Word:
    """A run of characters between blanks: where it stands in the text, and what it adds to the logit."""

    text: str
    start: int
    end: int
    contribution: float


@dataclass(frozen=True)
class TextExplanation:
    """A text as the model read it, and what each of its words adds to a category's logit, in reading order.

    `base`, what the model says of an empty text, the contributions and `elsewhere`, what was read and stands on no
    word, add up to the logit. Of a model that is not linear, a contribution is by how much hiding the word lowers the
    log-odds, and `elsewhere` what words say only together.
    """

    text: str
    words: tuple[Word, ...]
    base: float
    elsewhere: float

    @property
    def logit(self) -> float:
        """The category's margin times the classifier's scale, of which the softmax is taken; else its log-odds."""
        return self.base + sum(word.contribution for word in self.words) + self.elsewhere


class Added(NamedTuple):
    """What a text adds to a margin: each of its characters (a number a character), and all of it."""

    characters: Array
    total: float


def explain_text(model: TextModel, text: str, at: int) -> TextExplanation:
    """What the words of `text`, as the model reads it, add to the logit of the category at position `at` (0 to 26).

    Words that the model did not read, because the text is too long for it, add nothing. Raises TypeError for an
    encoder whose vectors cannot be traced back to words.
    """
    if isinstance(model.classifier, LinearClassifier):
        return _explain_linear(model.encoder, model.classifier, text, at)
    return _explain_hidden(model, text, at)


def _explain_linear(encoder: TextEncoder, classifier: LinearClassifier, text: str, at: int) -> TextExplanation:
    scale, bias = classifier.scale, float(classifier.bias[at])
    added = _added(encoder, classifier.weights[:, at], text)
    words = tuple(
        Word(match.group(), match.start(), match.end(), scale * float(added.characters[slice(*match.span())].sum()))
        for match in re.finditer(r"\S+", text)
    )
    elsewhere = scale * added.total - sum(word.contribution for word in words)
    return TextExplanation(text, words, scale * bias, elsewhere)


def _explain_hidden(model: TextModel, text: str, at: int) -> TextExplanation:
    """Leave each word out in turn (Li, Monroe and Jurafsky 2016); of a long text, runs of words that share the loss."""
    found = list(re.finditer(r"\S+", text))
    length = -(-len(found) // HIDDEN) or 1
    runs = [found[start : start + length] for start in range(0, len(found), length)]
    hidden = [(text[: run[0].start()] + text[run[-1].end() :]).strip() for run in runs]
    odds = log_odds(model.log_proba([text, "", *hidden]), at)
    losses = [float(odds[0] - without) / len(run) for run, without in zip(runs, odds[2:], strict=True)]
    words = tuple(
        Word(match.group(), match.start(), match.end(), loss)
        for run, loss in zip(runs, losses, strict=True)
        for match in run
    )
    return TextExplanation(
        text, words, float(odds[1]), float(odds[0] - odds[1]) - sum(word.contribution for word in words)
    )


def _added(encoder: TextEncoder, weights: Weights, text: str) -> Added:
    if isinstance(encoder, TfidfEncoder):
        return _by_terms(encoder, weights, text)
    if isinstance(encoder, TransformerEncoder):
        return _by_tokens(encoder, weights, text)
    raise TypeError(f"The vectors of {type(encoder).__name__} cannot be traced back to words.")


def _by_terms(encoder: TfidfEncoder, weights: Weights, text: str) -> Added:
    """Each term's value times its weight, shared equally among the places where the term stands."""
    row = encoder.transform([text])
    # In double precision: in single, hundreds of terms would not add up to what they are parts of.
    values = row.data.astype(np.float64) * weights[row.indices]
    worth = dict(zip(row.indices.tolist(), values.tolist(), strict=True))
    placed = list(_placed(encoder, text))
    times = Counter(column for column, _ in placed)
    characters = np.zeros(len(text))
    for column, place in placed:
        for character in (place.first, place.last):
            characters[character] += worth[column] / times[column] / 2
    return Added(characters, float(values.sum()))


def _placed(encoder: TfidfEncoder, text: str) -> Iterator[tuple[int, Span]]:
    """Each place of the text where a known term stands, with the term's column."""
    start = 0
    for name, part in encoder._parts.items():
        for place in _places(name, encoder.KINDS[name], encoder._read(name, [text])[0]):
            column = part.vocabulary.get(place.term)
            if column is not None:
                yield start + column, place
        start += len(part.vocabulary)


def _places(name: str, kind: dict[str, Any], text: str) -> Iterator[Span]:
    """What the analyser of this kind finds in a text, and where it finds it."""
    if name == "writing":
        yield from writing_spans(text)
        return
    letters, owners = _folded(text)
    if name == "opening":
        yield from (Span(term, owners[first], owners[last]) for term, first, last in opening_spans(letters))
        return
    sizes = range(kind["ngram_range"][0], kind["ngram_range"][1] + 1)
    yield from (_word_places if kind["analyzer"] == "word" else _character_places)(letters, owners, sizes)


def _word_places(letters: str, owners: list[int], sizes: range) -> Iterator[Span]:
    """Words and runs of words, whose ends share them: at most pairs, so each word of a run is one of its ends."""
    found = [(match.group(), owners[match.start()]) for match in TOKEN.finditer(letters)]
    for size in sizes:
        for run in (found[at : at + size] for at in range(len(found) - size + 1)):
            yield Span(" ".join(word for word, _ in run), run[0][1], run[-1][1])


def _character_places(letters: str, owners: list[int], sizes: range) -> Iterator[Span]:
    """The n-grams of each word with a blank on either side, all of which stand on the word's first character."""
    for match in re.finditer(r"\S+", letters):
        padded, owner = f" {match.group()} ", owners[match.start()]
        for size in sizes:
            for at in range(len(padded) - size + 1):
                yield Span(padded[at : at + size], owner, owner)


def _folded(text: str) -> tuple[str, list[int]]:
    """A text in lower case without accents, as scikit-learn makes it, and which character each letter comes from.

    One character may become several letters ("½", "…", "İ") or none (a combining accent).
    """
    lower = [(letter, at) for at, character in enumerate(text) for letter in character.lower()]
    letters = [
        (plain, at)
        for letter, (_, at) in zip(text.lower(), lower, strict=True)
        for plain in normalize("NFKD", letter)
        if not combining(plain)
    ]
    return "".join(letter for letter, _ in letters), [at for _, at in letters]


def _by_tokens(encoder: TransformerEncoder, weights: Weights, text: str) -> Added:
    """Each token's state times the weights, over their number; tokens that frame the text stand on no character."""
    import torch

    tokens = encoder._tokenizer(
        text, truncation=True, max_length=encoder.MAX_TOKENS, return_offsets_mapping=True, return_tensors="pt"
    )
    spans = tokens.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        states = encoder._model(**tokens.to(encoder._model.device)).last_hidden_state[0]
    shares = states.double().cpu().numpy() @ weights.astype(np.float64) / len(spans)
    characters = np.zeros(len(text))
    for (start, end), share in zip(spans, shares, strict=True):
        if end > start:
            characters[end - 1] += share  # its last: some tokenizers let a token begin with the blank before it
    return Added(characters, float(shares.sum()))
