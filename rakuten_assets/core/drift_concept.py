"""Whether categories still mean what they meant: what people answered against what the champion promised."""

import numpy as np
import polars as pl

from rakuten_assets.core.calibration import Array
from rakuten_assets.core.drift import FALSE_ALARMS, Part
from rakuten_assets.core.taxonomy import CODES

# Below this, a few hard products look like another meaning.
FEWEST_LABELS = 50

# Share of people's own answers that are taken to be wrong: an assumption, which only double reviews could replace.
REVIEWER_ERROR = 0.05

# Two questions are asked, and together they are to raise no more false alarms than all the data's parts.
CHANCE = FALSE_ALARMS / 2

# No confidence is believed beyond this: a single slip of a champion that is always sure would be proof.
MOST_CERTAIN = 0.999

# Share of the categories that are taken to have moved, before any label is seen. Only how fast evidence adds up
# depends on it, not how often it misleads.
MOVED = 0.1


def concept(labels: pl.DataFrame, reviewer_error: float = REVIEWER_ERROR) -> list[Part]:
    """What people's answers say about the categories' meaning; no part below `FEWEST_LABELS` rows.

    Parameters
    ----------
    labels
        A row for each product that a person has answered: `code`, the champion's answer, its calibrated `confidence`
        from 0 to 1, and `label`, the person's. Which products were asked about may depend on the confidence.
    reviewer_error
        Share of people's answers that are wrong, whatever the champion says.

    Returns
    -------
    list[Part]
        `agreement_lost`, the agreement that the confidences promised less that found, a share of the rows. And
        `moved_categories`, the evidence that categories have become others whole, as the power of ten of its odds;
        its `detail` is the likeliest move.
    """
    # Features name categories by strings, which equal no number.
    known = labels.select(pl.col("code", "label").cast(pl.Int64), "confidence").drop_nulls()
    known = known.filter(pl.col("confidence").is_finite())
    if len(known) < FEWEST_LABELS:
        return []
    # By mistake, a person confirms a wrong answer once in 26 mistakes: too seldom to count.
    agreeing = known["confidence"].clip(0, MOST_CERTAIN).to_numpy() * (1 - reviewer_error)
    codes, people = known["code"].to_numpy(), known["label"].to_numpy()
    return [_agreement_lost(agreeing, codes == people), _moved_categories(agreeing, codes, people)]


def _agreement_lost(agreeing: Array, agreed: np.ndarray) -> Part:
    """The rows' agreements are independent, each with its own probability; their sum is nearly normal."""
    from scipy.stats import norm

    # At least one row: a champion that is always sure promises no spread, nor does one that never is.
    deviation = float(np.sqrt(max((agreeing * (1 - agreeing)).sum(), 1.0)))
    lost, highest = float(agreeing.sum() - agreed.sum()), float(norm.isf(CHANCE)) * deviation
    rows = len(agreed)
    detail = f"{agreed.mean():.3f} found, {agreeing.mean():.3f} promised"
    return Part("agreement_lost", "concept", lost / rows, highest / rows, lost / highest, detail)


def _moved_categories(agreeing: Array, codes: np.ndarray, people: np.ndarray) -> Part:
    """The evidence that some categories have moved, each to another one, against none having moved.

    Where an answer's category has become another one, people say that other one as often as they said the category
    before: each row counts for it with the logit of its promised agreement, each confirmation against it. How errors
    spread is not known, and they crowd in a few categories; this ratio of likelihoods holds were they all in one. Its
    mean is at most 1 as long as nothing has moved, so that it exceeds 1 / chance no more often than `CHANCE` (Markov's
    inequality). The mean over all other categories, and of moved and not, keeps that; so does the product of answers.
    """
    from scipy.special import logit, logsumexp

    weights = np.maximum(logit(agreeing), 0)  # below a half, the bound does not hold and the row says nothing
    evidence, likeliest, detail = 0.0, -np.inf, ""
    for answer in np.unique(codes):
        rows = codes == answer
        confirmed = float(weights[rows & (people == answer)].sum())
        others, said = np.unique(people[rows & (people != answer)], return_inverse=True)
        against = np.bincount(said, weights[rows & (people != answer)], len(others)) - confirmed
        unsaid = np.full(max(len(CODES) - 1 - len(others), 0), -confirmed)
        ratio = logsumexp(np.concatenate([against, unsaid])) - np.log(len(CODES) - 1)
        gain = float(np.logaddexp(np.log1p(-MOVED), np.log(MOVED) + ratio))
        evidence += gain
        if len(others) and gain > likeliest:
            most = int(against.argmax())
            likeliest, detail = gain, f"{answer} -> {others[most]}, {(said == most).sum()} of {rows.sum()}"
    value, limit = evidence / np.log(10), -np.log10(CHANCE)
    return Part("moved_categories", "concept", float(value), float(limit), float(value / limit), detail)
