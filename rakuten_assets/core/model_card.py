"""A model card: what a model is, what it is for, how good it is and for whom, and what it must not be trusted with.

Mitchell et al. 2019, "Model Cards for Model Reporting". A card holds figures and names of categories, never a
product's text or picture.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets.core import evaluate
from rakuten_assets.core.calibration import Array, reliability
from rakuten_assets.core.evaluate import ENOUGH_LIVE, LARGEST_LOSS, MARGIN, Difference, Labels, Scores
from rakuten_assets.core.fusion import Opinions
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.taxonomy import CODES, NAMES

Mask = NDArray[np.bool_]

# With fewer rows, an accuracy of 0.8 is known to no better than 0.14 either way (95 %).
FEWEST = 30

# The rarest quarter of the 27 categories.
RAREST = 7

# Confusions, and categories, that are named as the worst.
WORST = 5

# Upper ends of the classes of title lengths, in characters: a few words, half a line, a line.
TITLES = (30, 60, 100)

# Bins of the reliability table: with ten, a bin of a small catalogue still has some rows.
BINS = 10

# A confidence that is off by more than this, on average, misleads who reads it.
MISLEADING = 0.05

# What has a meaning in Markdown or HTML, and how it is written to have none.
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\n": " ", "\r": " "}
    | {mark: f"\\{mark}" for mark in "\\`*_[]"}
)


@dataclass(frozen=True)
class Answers:
    """What a model said of labelled gold rows, and what they are like.

    `text`, `image` and `stacked` are log-probabilities (rows x 27), of which a row is NaN where there is none; `labels`
    are class positions (rows). `rows` has `language` (null: no text), `title_length` in characters, `described` and
    `live` (whether the web app brought it), a row each. `learnt` (27) counts the rows of each category that are learnt
    from. Raises ValueError where the numbers of rows differ.
    """

    text: Array
    image: Array
    stacked: Array
    labels: Labels
    rows: pl.DataFrame
    learnt: NDArray[np.int64]

    def __post_init__(self) -> None:
        sizes = {len(each) for each in (self.text, self.image, self.stacked, self.labels, self.rows)}
        if len(sizes) > 1:
            raise ValueError(f"The answers are of different numbers of rows: {sorted(sizes)}.")

    def __getitem__(self, rows: Mask) -> "Answers":
        text, image, stacked = (part[rows] for part in (self.text, self.image, self.stacked))
        return Answers(text, image, stacked, self.labels[rows], self.rows.filter(pl.Series(rows)), self.learnt)

    @property
    def live(self) -> Mask:
        return self.rows["live"].to_numpy().astype(bool)

    @property
    def answered(self) -> Mask:
        return ~np.isnan(self.stacked[:, 0])

    @property
    def said(self) -> Labels:
        """The category of each row, by its position; of rows that are `answered`."""
        return self.stacked.argmax(1)

    @property
    def rests_on(self) -> Mapping[str, Mask]:
        opinions = Opinions(self.text, self.image)
        both = opinions.has_both
        return {
            "both": both,
            "the text alone": opinions.has_text & ~both,
            "the picture alone": opinions.has_image & ~both,
        }


@dataclass(frozen=True)
class Compared:
    """What the gate found when this model took another one's place, on the gold rows of that day."""

    version: str
    ours: Scores
    theirs: Scores
    difference: Difference


@dataclass(frozen=True)
class Trial:
    """A behaviour that was tried: `share` of `cases` went as they should, `floor` of them must (both 0 to 1)."""

    name: str
    share: float
    floor: float
    cases: int


@dataclass(frozen=True)
class Facts:
    """What is known of a model besides its answers; `model` and `data` are shown as they are, name by value."""

    name: str
    version: str
    model: Mapping[str, str]
    data: Mapping[str, str]
    review: ReviewThresholds = ReviewThresholds()
    compared: Compared | None = None
    behaviour: Sequence[Trial] = ()


class Slice(NamedTuple):
    """Gold rows that have something in common, and how good the model is there; no F1 without rows."""

    kind: str
    name: str
    n: int
    f1: evaluate.Interval | None
    accuracy: float

    @property
    def enough(self) -> bool:
        return self.n >= FEWEST


class Reviewed(NamedTuple):
    """Of the gold rows, the share sent to a review, and how often the `rest` of the rows is right; NaN without rows."""

    share: float
    accuracy: float
    rest: int


def markdown(facts: Facts, answers: Answers) -> str:
    """The card of a model, as Markdown, by its answers on gold rows; the same facts make the same card."""
    answers = answers[answers.answered]
    gold, live = answers[~answers.live], answers[answers.live]
    found, classes, swapped = slices(answers), by_category(gold), most_confused(gold)
    reviewed = _reviewed(facts.review, gold)
    sections = {
        "Model details": _pairs({"Version": facts.version, **facts.model}),
        "Intended use": _bullets(_USE),
        "Training and evaluation data": _pairs(facts.data),
        "Scores on gold rows": _scores(gold, live),
        "Beside the champion before": _beside(facts.compared),
        "Scores by category": _categories(classes),
        "Scores by slice": _sliced(found),
        "Confusions": _confusions(gold, swapped),
        "Calibration and review": _calibration(gold, facts.review, reviewed),
        "Behaviour": _behaviour(facts.behaviour),
        "Limits and known risks": _bullets(limits(gold, found, classes, swapped, reviewed)),
        "Who can change what": _bullets(_powers(facts.review)),
    }
    parts = [f"# Model card: {escaped(facts.name)}", _SOURCE]
    parts += [f"## {title}\n\n{body}" for title, body in sections.items()]
    return "\n\n".join(parts) + "\n"


def slices(answers: Answers) -> list[Slice]:
    """How good a model is on parts of the catalogue's gold rows, and on those that the web app brought."""
    gold = answers[~answers.live]
    parts = [("origin", "web app", answers[answers.live])]
    parts += [(kind, name, gold[mask]) for kind, name, mask in _masks(gold)]
    return [_slice(kind, name, part) for kind, name, part in parts]


def by_category(answers: Answers) -> pl.DataFrame:
    """`category`, `n`, `f1`, `precision` and `recall` of all 27; no score where `n` is 0."""
    counts = evaluate.confusion_matrix(answers.said, answers.labels)
    right, truth, said = np.diag(counts), counts.sum(1), counts.sum(0)
    scores = {
        "f1": 2 * right / np.maximum(truth + said, 1),
        "precision": right / np.maximum(said, 1),
        "recall": right / np.maximum(truth, 1),
    }
    table = pl.DataFrame({"category": [NAMES[code] for code in CODES], "n": truth, **scores})
    return table.with_columns(pl.when(pl.col("n") > 0).then(pl.col(name)).alias(name) for name in scores)


def most_confused(answers: Answers, most: int = WORST) -> pl.DataFrame:
    """The most frequent confusions: `truth`, `said`, `n`, and their `share` (0 to 1) of the category's rows."""
    counts = evaluate.confusion_matrix(answers.said, answers.labels)
    rows = counts.sum(1)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = [np.unravel_index(at, wrong.shape) for at in order]
    return pl.DataFrame(
        [(NAMES[CODES[t]], NAMES[CODES[s]], int(wrong[t, s]), wrong[t, s] / rows[t]) for t, s in cells if wrong[t, s]],
        schema={"truth": pl.String, "said": pl.String, "n": pl.Int64, "share": pl.Float64},
        orient="row",
    )


def limits(
    gold: Answers, found: Sequence[Slice], classes: pl.DataFrame, swapped: pl.DataFrame, reviewed: Reviewed
) -> list[str]:
    """What the figures of a card warn of, in sentences."""
    by = {(each.kind, each.name): each for each in found}
    return [
        *_weak_categories(classes),
        *_weak_slices(found, gold),
        *_missing(by["decided by", "the text alone"], by["decided by", "both"], "picture", len(gold.labels)),
        *_missing(by["decided by", "the picture alone"], by["decided by", "both"], "text", len(gold.labels)),
        *_few_languages(found),
        *_frequent(swapped),
        *_unsure(gold, reviewed),
        *_production(by["origin", "web app"]),
        *_ALWAYS,
    ]


def escaped(text: str) -> str:
    """A text of which Markdown and HTML make nothing but itself, on one line."""
    return text.translate(_ESCAPES)


def _masks(gold: Answers) -> Iterator[tuple[str, str, Mask]]:
    rows = gold.rows
    for name, mask in gold.rests_on.items():
        yield "decided by", name, mask
    spoken = rows["language"].drop_nulls().value_counts(sort=True)
    for language in spoken.sort(["count", "language"], descending=[True, False])["language"]:
        yield "language", language, (rows["language"] == language).fill_null(False).to_numpy()
    lengths = rows["title_length"].to_numpy()
    yield "title", "none", lengths == 0
    for low, high in zip((0, *TITLES), (*TITLES, None), strict=True):
        name = f"over {low} characters" if high is None else f"{low + 1} to {high} characters"
        yield "title", name, (lengths > low) & (lengths <= (high or np.inf))
    described = rows["described"].to_numpy().astype(bool)
    yield "description", "with", described
    yield "description", "without", ~described
    rare = np.isin(gold.labels, np.argsort(gold.learnt, kind="stable")[:RAREST])
    yield "categories", f"the {RAREST} rarest", rare
    yield "categories", "the others", ~rare


def _slice(kind: str, name: str, part: Answers) -> Slice:
    n = len(part.labels)
    if not n:
        return Slice(kind, name, 0, None, float("nan"))
    return Slice(kind, name, n, evaluate.interval(part.said, part.labels), float((part.said == part.labels).mean()))


def _reviewed(review: ReviewThresholds, gold: Answers) -> Reviewed:
    if not len(gold.labels):
        return Reviewed(float("nan"), float("nan"), 0)
    rows = zip(gold.stacked, gold.text, gold.image, strict=True)
    alone = np.array([review.reason(*row) is None for row in rows])
    right = (gold.said == gold.labels)[alone]
    return Reviewed(float(1 - alone.mean()), float(right.mean()) if len(right) else float("nan"), len(right))


# What the sections are made of


def _scores(gold: Answers, live: Answers) -> str:
    parts = {
        "text": (gold.text, gold),
        "image": (gold.image, gold),
        "stacked (what answers)": (gold.stacked, gold),
        "stacked, on the web app's gold rows": (live.stacked, live),
    }
    rows = [[name, *_scored(log_proba, of.labels)] for name, (log_proba, of) in parts.items()]
    table = _table(["model", "rows", "weighted F1 (95 %)", "macro F1", "accuracy", "ECE"], rows)
    return f"Each model is scored on the rows that it can judge. {_INTERVALS}\n\n{table}"


def _scored(log_proba: Array, labels: Labels) -> list[str]:
    scores = evaluate.score(log_proba, labels)
    if scores is None:
        return ["0", *["–"] * 4]
    known = ~np.isnan(log_proba[:, 0])
    f1 = evaluate.interval(log_proba[known].argmax(1), labels[known])
    return [str(scores.n), _interval(f1), *map(_number, (scores.macro_f1, scores.accuracy, scores.ece))]


def _beside(compared: Compared | None) -> str:
    if compared is None:
        return "There was no champion before, or none that could still answer, for the gate to compare it with."
    rows = [
        [name, str(each.n), *map(_number, (each.weighted_f1, each.macro_f1, each.accuracy, each.ece))]
        for name, each in (("this model", compared.ours), (f"version {compared.version}", compared.theirs))
    ]
    gain = compared.difference
    said = f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    table = _table(["model", "rows", "weighted F1", "macro F1", "accuracy", "ECE"], rows)
    return f"Both on the gold rows of the day of the comparison. Difference of weighted F1: {said}.\n\n{table}"


def _categories(classes: pl.DataFrame) -> str:
    return _table(["category", "rows", "F1", "precision", "recall"], classes.iter_rows())


def _sliced(found: Sequence[Slice]) -> str:
    rows = [
        [each.kind, each.name, each.n, _interval(each.f1), each.accuracy, "" if each.enough else "too few to conclude"]
        for each in found
    ]
    hint = f"{_INTERVALS} With fewer than {FEWEST} rows nothing can be concluded."
    return f"{hint}\n\n{_table(['of', 'slice', 'rows', 'weighted F1 (95 %)', 'accuracy', ''], rows)}"


def _confusions(gold: Answers, swapped: pl.DataFrame) -> str:
    known = evaluate.confusions(gold.stacked, gold.labels)
    parts = [
        "Pairs that every model of the data-science report confused:",
        _table(["pair", "rows", "confused"], known.iter_rows()),
        f"The {WORST} most frequent confusions found:" if len(swapped) else "No gold row was answered wrongly.",
    ]
    if len(swapped):
        parts.append(_table(["truth", "answer", "rows", "share of the category"], swapped.iter_rows()))
    return "\n\n".join(parts)


def _calibration(gold: Answers, review: ReviewThresholds, reviewed: Reviewed) -> str:
    confidence = np.exp(gold.stacked.max(1)) if len(gold.labels) else np.empty(0)
    scores = evaluate.score(gold.stacked, gold.labels)
    points = reliability(confidence, gold.said == gold.labels, BINS) if scores else []
    facts = {
        "Expected calibration error": _number(scores.ece if scores else float("nan")),
        "Review threshold": _threshold(review.common),
        "Categories with a threshold of their own": str(len(review.by_code)),
        "Share sent to a review": _percent(reviewed.share),
        "Accuracy of the rest": f"{_percent(reviewed.accuracy)} of {reviewed.rest} rows",
    }
    return f"{_table(['confidence', 'accuracy', 'rows'], [row[:3] for row in points])}\n\n{_pairs(facts)}"


def _threshold(value: float) -> str:
    return f"confidence {_number(value)}" if value <= 1 else "none is enough: every answer is reviewed"


def _behaviour(trials: Sequence[Trial]) -> str:
    if not trials:
        return "No results of the behaviour checks are at hand for this model."
    rows = [[each.name.replace("_", " "), each.cases, each.share, each.floor] for each in trials]
    return _table(["check", "cases", "share as it should be", "at least"], rows)


# What the figures warn of


def _weak_categories(classes: pl.DataFrame) -> Iterator[str]:
    seen = classes.filter(pl.col("n") > 0).sort("f1", "category")
    if len(seen):
        worst = [f"{name} (F1 {_number(f1)}, {_rows(n)})" for name, n, f1, *_ in seen.head(WORST).iter_rows()]
        yield f"Weakest categories: {_listed(worst)}."
    few, unseen = len(seen.filter(pl.col("n") < FEWEST)), classes.filter(pl.col("n") == 0)["category"].to_list()
    if few:
        yield f"{few} of {len(CODES)} categories have fewer than {FEWEST} gold rows: their scores are rough."
    if unseen:
        yield f"Nothing is known of how good it is on: {_listed(unseen)}; no gold row is of these."


def _weak_slices(found: Sequence[Slice], gold: Answers) -> Iterator[str]:
    known = [(each.f1.value, each) for each in found if each.enough and each.f1]
    if not known:
        return
    value, worst = min(known, key=lambda each: each[0])
    overall = evaluate.interval(gold.said, gold.labels).value if len(gold.labels) else float("nan")
    if value < overall:
        yield (
            f"The weakest slice with enough rows is {worst.kind}: {worst.name} "
            f"(weighted F1 {_number(value)}, against {_number(overall)} on all gold rows)."
        )


def _missing(alone: Slice, both: Slice, what: str, rows: int) -> Iterator[str]:
    if not alone.f1:
        yield f"No gold row is without a {what}: how good it is there is not known."
        return
    share = f"{_percent(alone.n / rows)} of the gold rows have no {what} that it could judge by"
    beside = f", against {_number(both.f1.value)} where it has both" if both.f1 else ""
    yield f"{share}; there its weighted F1 is {_number(alone.f1.value)}{beside}."


def _few_languages(found: Sequence[Slice]) -> Iterator[str]:
    few = [f"{each.name} ({_rows(each.n)})" for each in found if each.kind == "language" and not each.enough]
    if few:
        yield f"Too few gold rows to say anything about products written in: {_listed(few)}."


def _frequent(swapped: pl.DataFrame) -> Iterator[str]:
    for truth, said, n, share in swapped.head(1).iter_rows():
        yield f"Its most frequent mistake is to take {truth} for {said}: {_rows(n)}, {_percent(share)} of the category."


def _unsure(gold: Answers, reviewed: Reviewed) -> Iterator[str]:
    if reviewed.rest:
        wrong = _percent(1 - reviewed.accuracy)
        yield f"{wrong} of the answers that go without a review were wrong on gold rows; only their sellers see them."
    scores = evaluate.score(gold.stacked, gold.labels)
    if scores and scores.ece > MISLEADING:
        yield f"Its confidence is off by {_percent(scores.ece)} on average: read it with care."


def _production(live: Slice) -> Iterator[str]:
    if not live.enough:
        yield (
            f"It is judged by {_rows(live.n)} of the web app, of which {FEWEST} are needed: how good it is on what "
            "sellers submit today is not known, and the catalogue's scores may be better."
        )


_SOURCE = "After Mitchell et al. 2019, *Model Cards for Model Reporting*. Figures and names of categories only."

_INTERVALS = "Intervals are of a bootstrap over the rows (95 %)."

_USE = (
    f"For: proposing one of the {len(CODES)} categories of Rakuten France for a product, from its title, description "
    "and picture, to sellers who submit it and to administrators who review it.",
    "For: sorting what must be looked at by a person from what need not, by its calibrated confidence.",
    "Not for: deciding alone on anything that a person cannot correct; prices, safety, authenticity or legality of a "
    "product; judging sellers.",
    "Not for: other marketplaces, categories or languages than those that it was scored on below.",
)

_ALWAYS = (
    f'A product of none of the {len(CODES)} categories still gets one of them. There is no answer "none": only a low '
    "confidence sends it to a person, and how often it does is not measured here.",
    "The labels of gold rows are those of the deliveries; where they are wrong, a right answer counts as a mistake.",
    "The scores are of the rows that there were when this card was written. The drift reports say how far production "
    "has moved since.",
    "Texts and pictures are the sellers' own, and may name or show people; no figure here says how that bears on it.",
)


def _powers(review: ReviewThresholds) -> tuple[str, ...]:
    return (
        "The gate alone makes a model the champion: it is no worse on all gold rows together and loses at most "
        f"{MARGIN} of weighted F1 on the catalogue's; or, with at least {ENOUGH_LIVE} rows of the web app, it surely "
        f"gains more on those than it loses elsewhere, which is at most {LARGEST_LOSS}. "
        "These limits are constants in the code: changing them is a reviewed change of the code.",
        "The review thresholds are fitted on validation rows in each training, so that at least "
        f"{_percent(review.target)} of the answers above them are right, and are part of the model. Nobody edits them "
        "in operation.",
        "Administrators may ask for a training and decide on products under review; sellers decide on their own "
        "products. The next training learns from what they said.",
        "Who holds the prediction service's admin token may deploy another version there, or go back to an older one.",
    )


# Markdown


def _bullets(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def _pairs(facts: Mapping[str, str]) -> str:
    return _table(["what", "value"], facts.items())


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = [headings, ["---"] * len(headings), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _cell(value: Any) -> str:
    return "–" if value is None else _number(value) if isinstance(value, float) else escaped(str(value))


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"


def _interval(found: evaluate.Interval | None) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})" if found else "–"


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
