import numpy as np
import pytest
from sklearn.metrics import f1_score

from rakuten_assets.core.evaluate import (
    ENOUGH_LIVE,
    LARGEST_LOSS,
    MARGIN,
    confusion_matrix,
    confusions,
    difference,
    judge,
    regressions,
    report,
    score,
)
from rakuten_assets.core.linear import positions
from rakuten_assets.core.taxonomy import CODES


def answers(labels, right, seed=0):
    """Log-probabilities of a model that is right on a share of the rows."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(labels)) < right, labels, (labels + 1) % len(CODES))
    return np.log(np.full((len(labels), len(CODES)), 0.01) + 0.73 * np.eye(len(CODES))[said])


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(0, len(CODES), 600)


def test_the_difference_is_that_of_scikit_learn_and_lies_in_its_interval(labels):
    new, old = answers(labels, 0.9).argmax(1), answers(labels, 0.6, seed=2).argmax(1)
    found = difference(new, old, labels)
    expected = f1_score(labels, new, average="weighted") - f1_score(labels, old, average="weighted")
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.value < found.high


def test_rows_without_an_answer_are_left_out_of_a_score(labels):
    log_proba = answers(labels, 1.0)
    log_proba[:100] = np.nan
    found = score(log_proba, labels)
    assert (found.n, found.weighted_f1) == (500, 1.0)


def test_no_rows_have_no_score_rather_than_a_zero(labels):
    assert score(np.full((600, 27), np.nan), labels) is None


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted", "word"),
    [
        (0.9, None, True, "no champion"),
        (0.9, 0.7, True, "promoted"),
        (0.7, 0.9, False, "refused"),
    ],
)
def test_the_better_model_is_the_champion_afterwards(labels, challenger, champion, promoted, word):
    old = None if champion is None else answers(labels, champion, seed=3)
    verdict = judge(answers(labels, challenger), old, labels)
    assert verdict.promoted is promoted
    assert word in verdict.reason


def broken(labels):
    return np.full((len(labels), len(CODES)), np.nan)


@pytest.mark.parametrize(
    ("challenger", "champion"),
    [
        (broken, lambda labels: answers(labels, 0.5)),
        (lambda labels: answers(labels, 0.9), broken),
        (lambda labels: answers(labels, 0.9), lambda labels: answers(labels[:10], 0.5)),
    ],
    ids=["the challenger answers nothing", "the champion answers nothing", "other rows"],
)
def test_models_that_cannot_be_compared_are_refused(labels, challenger, champion):
    verdict = judge(challenger(labels), champion(labels), labels)
    assert not verdict.promoted
    assert "refused" in verdict.reason


def test_an_empty_gold_set_promotes_nothing():
    assert not judge(np.empty((0, 27)), None, np.empty(0, int)).promoted


def test_a_challenger_that_skips_a_row_is_refused(labels):
    partly = answers(labels, 1.0)
    partly[0] = np.nan
    assert not judge(partly, None, labels).promoted


def test_the_largest_losses_come_first(labels):
    worse = answers(labels, 1.0)
    worse[labels == 5] = answers(np.full((labels == 5).sum(), 6), 1.0)
    table = regressions(worse, answers(labels, 1.0), labels)
    assert table["code"][0] == CODES[5]
    assert table["change"][0] == pytest.approx(-1.0)


def test_the_documents_confusions_are_counted():
    truth = positions(np.array([10, 10, 2403, 40]))
    said = positions(np.array([2403, 10, 10, 2403]))
    table = confusions(np.log(np.eye(27)[said] + 1e-9), truth)
    assert table.row(0)[1:] == (3, 2)


def test_the_confusion_matrix_has_truth_down():
    matrix = confusion_matrix(np.array([1]), np.array([0]))
    assert matrix[0, 1] == 1
    assert matrix.sum() == 1


FROZEN = 1_000


class Gold:
    """A thousand gold rows of the catalogue and `live` from production, and models that err on so many of each."""

    def __init__(self, live):
        self.live = np.arange(FROZEN + live) >= FROZEN
        self.labels = np.random.default_rng(1).integers(0, len(CODES), FROZEN + live)

    def model(self, frozen=0, live=0):
        said = self.labels.copy()
        for first, errors in ((0, frozen), (FROZEN, live)):
            said[first : first + errors] = (said[first : first + errors] + 1) % len(CODES)
        return np.log(np.full((len(said), len(CODES)), 0.01) + 0.73 * np.eye(len(CODES))[said])

    def judge(self, challenger, champion, **options):
        return judge(challenger, champion, self.labels, live=self.live, **options)

    def gain(self, challenger, champion):
        """Of all rows together."""
        return difference(challenger.argmax(1), champion.argmax(1), self.labels).value


@pytest.fixture
def gold():
    return Gold(live=40)


def test_without_rows_from_production_nothing_is_judged_otherwise(labels):
    new, old = answers(labels, 0.9), answers(labels, 0.7, seed=2)
    plain, none_live = judge(new, old, labels), judge(new, old, labels, live=np.zeros(len(labels), bool))
    assert (none_live.promoted, none_live.reason) == (plain.promoted, plain.reason)
    assert none_live.difference == plain.difference
    assert none_live.live is plain.live is None


def test_who_is_surely_better_on_production_may_lose_a_little_of_the_catalogue(gold):
    challenger, champion = gold.model(frozen=18, live=5), gold.model(live=20)
    assert gold.gain(challenger, champion) < 0
    verdict = gold.judge(challenger, champion)
    assert verdict.promoted
    assert -MARGIN <= verdict.difference.value < 0
    assert verdict.live.difference.low > 0
    assert (verdict.challenger.n, verdict.live.challenger.n) == (FROZEN, 40)
    assert verdict.reason == (
        f"promoted: weighted F1 {verdict.difference} on the same gold rows, {verdict.live.difference} on 40 live ones"
    )


def test_a_sure_gain_on_production_may_cost_less_than_it_is_worth(gold):
    challenger, champion = gold.model(frozen=26, live=5), gold.model(live=20)
    verdict = gold.judge(challenger, champion)
    assert -LARGEST_LOSS < verdict.difference.value < -MARGIN
    assert verdict.live.difference.low > -verdict.difference.value
    assert verdict.promoted


def test_who_loses_more_of_the_catalogue_than_any_gain_may_cost_is_refused(gold):
    challenger, champion = gold.model(frozen=80, live=5), gold.model(live=20)
    verdict = gold.judge(challenger, champion)
    assert verdict.difference.value < -LARGEST_LOSS
    assert verdict.live.difference.low > 0
    assert not verdict.promoted
    assert verdict.reason.startswith("refused: ")


def test_who_is_surely_worse_on_production_is_refused_whatever_the_catalogue_gains(gold):
    challenger, champion = gold.model(live=15), gold.model(frozen=100)
    assert gold.gain(challenger, champion) > 0
    verdict = gold.judge(challenger, champion)
    assert verdict.live.difference.high < 0
    assert not verdict.promoted
    assert "refused" in verdict.reason


def test_who_surely_forgets_the_catalogue_is_refused_whatever_production_gains():
    gold = Gold(live=400)
    challenger, champion = gold.model(frozen=80), gold.model(live=300)
    assert gold.gain(challenger, champion) > 0
    verdict = gold.judge(challenger, champion)
    assert verdict.difference.high < -MARGIN
    assert not verdict.promoted


def test_who_is_no_worse_on_all_rows_together_is_promoted(gold):
    challenger, champion = gold.model(frozen=5, live=10), gold.model(frozen=5, live=10)
    assert gold.judge(challenger, champion).promoted
    verdict = gold.judge(gold.model(frozen=5, live=11), champion)
    # One row of production is no certainty, and together it is a loss.
    assert verdict.live.difference.high >= 0
    assert not verdict.promoted


@pytest.mark.parametrize(("live", "heard"), [(ENOUGH_LIVE - 1, False), (ENOUGH_LIVE, True)])
def test_a_few_rows_from_production_decide_nothing_by_themselves(live, heard):
    gold = Gold(live)
    worse = gold.judge(gold.model(live=live), gold.model(frozen=100))
    better = gold.judge(gold.model(frozen=19), gold.model(live=10))
    assert worse.live.difference.high < 0 < better.live.difference.low
    assert (
        gold.gain(gold.model(live=live), gold.model(frozen=100))
        > 0
        > gold.gain(gold.model(frozen=19), gold.model(live=10))
    )
    assert (worse.promoted, better.promoted) == (not heard, heard)


def unanswered(log_proba, rows):
    log_proba = log_proba.copy()
    log_proba[rows] = np.nan
    return log_proba


@pytest.mark.parametrize("rows", [[0], [FROZEN], slice(FROZEN, None)], ids=["catalogue", "one live", "all live"])
@pytest.mark.parametrize("whose", ["challenger", "champion"])
def test_a_row_that_either_does_not_answer_refuses_the_challenger(gold, whose, rows):
    challenger, champion = gold.model(), gold.model(frozen=100, live=20)
    if whose == "challenger":
        challenger = unanswered(challenger, rows)
    else:
        champion = unanswered(champion, rows)
    assert not gold.judge(challenger, champion).promoted


def test_who_does_not_answer_production_is_told_so(gold):
    for champion in (None, gold.model(frozen=100)):
        verdict = gold.judge(unanswered(gold.model(), [FROZEN]), champion)
        assert not verdict.promoted
        assert "refused" in verdict.reason


def test_a_champion_of_other_rows_cannot_be_compared_with(gold):
    verdict = gold.judge(gold.model(), gold.model()[:10])
    assert not verdict.promoted
    assert "refused" in verdict.reason


def test_the_first_model_is_promoted_where_it_answers_production(gold):
    verdict = gold.judge(gold.model(frozen=100), None)
    assert verdict.promoted
    assert verdict.live.challenger.n == 40
    assert not gold.judge(unanswered(gold.model(), [FROZEN]), None).promoted


def test_the_champion_itself_is_kept(gold):
    verdict = gold.judge(gold.model(frozen=5), gold.model(frozen=5), same_model=True)
    assert verdict.promoted
    assert "champion itself" in verdict.reason


def test_a_report_has_the_scores_on_production_apart(gold):
    challenger = gold.model(frozen=100, live=20)
    verdict = gold.judge(challenger, None)
    found = report({"stacked": challenger}, gold.labels, [10, 2583], verdict)
    assert found["live_gold"] == score(challenger[gold.live], gold.labels[gold.live]).as_dict()
    assert (found["live_gold"]["n"], found["live_gold"]["accuracy"]) == (40, 0.5)
    plain = judge(challenger, None, gold.labels)
    assert report({"stacked": challenger}, gold.labels, [10, 2583], plain)["live_gold"] is None
