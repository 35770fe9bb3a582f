"""Candidates measured against one another on the same validation rows, within a budget of time.

Optuna (Akiba et al. 2019) holds the tournament: the candidates that were named come first, then its search proposes
settings from what it has seen (TPE: Bergstra et al. 2011). Each is fitted on a quarter of the train rows; who is behind
the median there is hopeless and ends there, as in successive halving (Jamieson and Talwalkar 2016).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import Array, fit_temperature, log_softmax
from rakuten_assets.core.evaluate import Interval, Scores, interval, score
from rakuten_assets.core.taxonomy import CODES

# Shares of the train rows on which a candidate is fitted, one after the other.
SHARES = (0.25, 1.0)

# Candidates that are measured in full before any can be hopeless.
AT_LEAST = 3

# Candidates of a tournament: on a small catalogue a fit takes no time, and a run in MLflow each would be thousands.
AT_MOST = 150

Params = Mapping[str, Any]
"""What a candidate is: `kind`, and the settings of that kind."""


@dataclass(frozen=True)
class Fitted:
    """What one fit came to: log-probabilities (rows x 27) of the validation rows, and its cost.

    Who competes is judged with the temperature that suits these rows best: the training finds one for the winner.
    """

    log_proba: Array
    megabytes: float
    milliseconds: float
    """Of one product, alone."""


@dataclass(frozen=True)
class Entry:
    """A candidate's line of the leaderboard."""

    params: dict[str, Any]
    outcome: str
    """`measured`, `hopeless` (fitted on a quarter of the rows alone) or why it could not be had."""
    scores: Scores | None
    weighted_f1: Interval | None
    seconds: float
    cpu_minutes: float
    megabytes: float
    milliseconds: float
    searched: bool = False
    """Whether the search proposed it; if not, it was named."""

    @property
    def per_cpu_minute(self) -> float:
        """Weighted F1 for a minute of processor time."""
        return self.scores.weighted_f1 / max(self.cpu_minutes, 1e-9) if self.scores else 0.0

    def row(self) -> dict[str, Any]:
        """The line as a row of a table."""
        scores = asdict(self.scores) if self.scores else {"weighted_f1": None, "macro_f1": None, "ece": None}
        return {
            **{name: scores[name] for name in ("weighted_f1", "macro_f1", "ece")},
            "low": self.weighted_f1.low if self.weighted_f1 else None,
            "high": self.weighted_f1.high if self.weighted_f1 else None,
            "outcome": self.outcome,
            "searched": self.searched,
            "seconds": self.seconds,
            "cpu_minutes": self.cpu_minutes,
            "f1_per_cpu_minute": self.per_cpu_minute,
            "megabytes": self.megabytes,
            "milliseconds": self.milliseconds,
        }


Fit = Callable[[Params, float], Fitted]
"""A candidate and the share of the train rows to fit it on. It raises where the candidate cannot be had."""


def hold(
    named: Sequence[Params],
    search: Callable[[Any], Params] | None,
    fit: Fit,
    labels: NDArray[np.intp],
    *,
    seconds: float,
    seed: int = 0,
    told: Callable[[Entry], None] = lambda entry: None,
) -> list[Entry]:
    """Measure the candidates `named`, then what `search` draws from an Optuna trial until `seconds` are over.

    `labels` are the class positions of the validation rows. No candidate is begun after the time is over, but the
    first named one always is; `told` hears each result. The leaderboard comes back, the best first.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=AT_LEAST)
    sampler = optuna.samplers.TPESampler(n_startup_trials=AT_LEAST, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    end, entries = time.monotonic() + seconds, []
    for params, trial, searched in _drawn(study, named, search):
        entry = replace(_measured(trial, params, fit, labels), searched=searched)
        if entry.outcome == "measured" and entry.scores:
            study.tell(trial, entry.scores.weighted_f1)
        elif entry.outcome == "hopeless":
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        entries.append(entry)
        told(entry)
        if time.monotonic() >= end or len(entries) >= AT_MOST:
            break
    return sorted(entries, key=_standing)


def _drawn(
    study: Any, named: Sequence[Params], search: Callable[[Any], Params] | None
) -> Iterator[tuple[Params, Any, bool]]:
    for params in named:
        yield params, study.ask(), False
    while search is not None:
        trial = study.ask()
        yield search(trial), trial, True


def _measured(trial: Any, params: Params, fit: Fit, labels: NDArray[np.intp]) -> Entry:
    begun, worked = time.monotonic(), time.process_time()
    fitted, outcome = None, "measured"
    try:
        for step, share in enumerate(SHARES):
            fitted = fit(params, share)
            scores = score(fitted.log_proba, labels)
            trial.report(scores.weighted_f1 if scores else float("nan"), step)
            if share < 1 and trial.should_prune():
                outcome = "hopeless"
                break
    except Exception as error:  # whatever one candidate cannot do must not cost the results of the others
        fitted, outcome = None, f"cannot be had: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    answered = fitted.log_proba if fitted else np.empty((0, len(CODES)))
    if fitted:
        answered = log_softmax(fit_temperature(answered, labels) * answered)
    return Entry(
        params=dict(params),
        outcome=outcome,
        scores=score(answered, labels) if fitted else None,
        weighted_f1=interval(answered.argmax(1), labels) if fitted else None,
        seconds=time.monotonic() - begun,
        cpu_minutes=(time.process_time() - worked) / 60,
        megabytes=fitted.megabytes if fitted else 0.0,
        milliseconds=fitted.milliseconds if fitted else 0.0,
    )


def _standing(entry: Entry) -> tuple[int, float]:
    """Who was measured in full comes before who was not, then the better before the worse."""
    order = {"measured": 0, "hopeless": 1}.get(entry.outcome, 2)
    return order, -(entry.scores.weighted_f1 if entry.scores else 0.0)
