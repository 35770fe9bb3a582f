import time

import numpy as np
import pytest

from rakuten_assets.core.calibration import log_softmax
from rakuten_assets.core.tournament import AT_MOST, Fitted, hold

LABELS = np.tile(np.arange(27), 20)


def opinion(sureness, seed=0):
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), 27))
    return log_softmax(noise + sureness * np.eye(27)[LABELS])


def fit(params, share):
    if params["kind"] == "absent":
        raise OSError("there are no weights of it here\nand more that nobody reads")
    return Fitted(opinion(params["sureness"] * share**0.5), 1.0, 2.0)


def named(*surenesses):
    return [{"kind": "svm", "sureness": sureness} for sureness in surenesses]


def test_the_best_stands_first_with_its_interval():
    board = hold(named(1.0, 3.0, 2.0), None, fit, LABELS, seconds=60)
    assert [entry.params["sureness"] for entry in board] == [3.0, 2.0, 1.0]
    best = board[0]
    assert best.scores.weighted_f1 == pytest.approx(best.weighted_f1.value)
    assert best.weighted_f1.low < best.weighted_f1.value < best.weighted_f1.high
    assert best.per_cpu_minute > 0


def test_the_hopeless_are_stopped_after_a_quarter_of_the_rows():
    shares = []

    def watched(params, share):
        shares.append((params["sureness"], share))
        return fit(params, share)

    board = hold(named(3.0, 3.1, 3.2, 0.1), None, watched, LABELS, seconds=60)
    assert board[-1].outcome == "hopeless"
    assert (0.1, 1.0) not in shares
    assert all((good, 1.0) in shares for good in (3.0, 3.1, 3.2))


def test_a_hopeless_candidate_never_wins_whatever_it_scored():
    """On a quarter of the rows a score is not to be compared with the others'."""
    board = hold(named(3.0, 3.1, 3.2, 0.1), None, fit, LABELS, seconds=60)
    assert [entry.outcome for entry in board] == ["measured"] * 3 + ["hopeless"]


def test_one_that_cannot_be_had_says_why_and_stops_nobody():
    board = hold([{"kind": "absent"}, *named(2.0)], None, fit, LABELS, seconds=60)
    assert [entry.outcome for entry in board] == ["measured", "cannot be had: OSError: there are no weights of it here"]
    assert board[1].row()["weighted_f1"] is None


def test_what_one_cannot_do_costs_nobody_else_a_result():
    def broken(params, share):
        if params["sureness"] == 1.0:
            raise RuntimeError("no neighbours")
        return fit(params, share)

    board = hold(named(2.0, 1.0), None, broken, LABELS, seconds=60)
    assert [entry.outcome for entry in board] == ["measured", "cannot be had: RuntimeError: no neighbours"]


def test_a_tournament_ends_where_nobody_takes_any_time():
    def search(trial):
        return {"kind": "svm", "sureness": trial.suggest_float("sureness", 0.5, 0.6)}

    def instant(params, share):
        raise ValueError

    assert len(hold([], search, instant, LABELS, seconds=60)) == AT_MOST


def test_the_search_goes_on_until_the_time_is_over_and_finds_better():
    def slow(params, share):
        time.sleep(0.005)
        return fit(params, share)

    def search(trial):
        return {"kind": "svm", "sureness": trial.suggest_float("sureness", 0.5, 4.0)}

    told = []
    begun = time.monotonic()
    board = hold(named(1.0), search, slow, LABELS, seconds=4, told=told.append)
    assert time.monotonic() - begun < 8
    assert len(told) == len(board) > 5
    assert board[0].params["sureness"] > 3


def test_without_time_the_first_is_measured_all_the_same():
    assert len(hold(named(1.0, 2.0), None, fit, LABELS, seconds=0)) == 1
