"""When the platform retrains by itself, and why: the loop from people's words to a new champion."""

import json
import time
from dataclasses import dataclass

import dagster as dg

from rakuten_assets.assets.champion import PASSED
from rakuten_assets.assets.common import number
from rakuten_assets.automation.jobs import retrain, take_in_feedback
from rakuten_assets.automation.sensors import SECONDS, computed, training
from rakuten_assets.core.deliveries import batch_keys
from rakuten_assets.resources import DataRoot, Operations, Tracking
from rakuten_assets.settings import Settings
from rakuten_assets.store.labels import COUNTED
from rakuten_assets.store.records import DriftReport
from rakuten_assets.store.store import Store

# Tag of a run: the retraining that somebody asked for.
ASKED = "rakuten/asked"

# Tag of a run: the plan that it is a step of. Those of the loop itself have `BY_ITSELF` too.
PLAN = "rakuten/plan"
BY_ITSELF = "rakuten/by-itself"

# Not an empty cursor, which Dagster takes for none and leaves as it was.
NO_PLAN = "{}"

# The first and the last answers of a champion that people decided on, so many each; their difference is chance below
# three standard deviations, and of no weight below a tenth.
DECIDED, DROP, SURE = 200, 0.10, 3.0


@dataclass(frozen=True)
class Rules:
    """What it takes to retrain without being asked."""

    labels: int
    """Labels of people that nothing was learnt from: enough by themselves."""
    drift_labels: int
    """Labels without which there is nothing to learn a drift from."""
    cooldown_seconds: float
    """Rest after a retraining of the loop's own, whatever became of it."""

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        return cls(settings.retrain_labels, settings.retrain_drift_labels, settings.retrain_cooldown_hours * 3600)


@dg.sensor(
    jobs=[take_in_feedback, retrain],
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retrains when drift is found, acceptance drops, or people have labelled enough that is new.",
)
def retraining_due(context: dg.SensorEvaluationContext, data: DataRoot, operations: Operations) -> dg.SensorResult:
    plan = json.loads(context.cursor or "{}")
    if not plan:
        reason, why_not = due(context.instance, operations.store, Rules.of(Settings()))
        if reason is None:
            return dg.SensorResult(skip_reason=why_not, cursor=NO_PLAN)
        plan = {"id": f"loop-{time.time():.0f}", "reason": reason}
    elif _failed(context.instance, plan["id"]):
        # People are told of the run; after its rest the loop looks anew, and finds the same labels.
        return dg.SensorResult(skip_reason="The labelled products could not be handed in.", cursor=NO_PLAN)
    tags = {"rakuten/reason": plan["reason"], PLAN: plan["id"], BY_ITSELF: "true"}
    step = next_step(context.instance, data, operations.store, plan["id"], tags)
    if isinstance(step, dg.SkipReason):
        return dg.SensorResult(skip_reason=step.skip_message, cursor=json.dumps(plan))
    ends = step.job_name == retrain.name
    return dg.SensorResult(run_requests=[step], cursor=NO_PLAN if ends else json.dumps(plan))


@dg.sensor(
    jobs=[take_in_feedback, retrain],
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the retraining that an administrator asked for, and writes back what became of it.",
)
def retraining_asked(
    context: dg.SensorEvaluationContext, data: DataRoot, operations: Operations, tracking: Tracking
) -> dg.SensorResult:
    retrainings = operations.store.retrainings
    asked = retrainings.under_way()
    if asked is None:
        return dg.SensorResult(skip_reason="Nobody asks for a retraining.")
    of_asked = dg.RunsFilter(job_name=retrain.name, tags={ASKED: str(asked.id)})
    run = next(iter(context.instance.get_runs(of_asked, limit=1)), None)
    if run:
        state = _outcome(run, tracking)
        if state != asked.state:
            retrainings.mark(asked.id, state, run.run_id)
        return dg.SensorResult(skip_reason=f"Retraining {asked.id} is {state}, run {run.run_id}.")
    plan = f"asked-{asked.id}"
    if _failed(context.instance, plan):
        retrainings.mark(asked.id, "failed")
        return dg.SensorResult(skip_reason=f"Retraining {asked.id} failed: labelled products could not be handed in.")
    tags = {"rakuten/reason": f"{asked.by} asked: {asked.reason}", ASKED: str(asked.id), PLAN: plan}
    step = next_step(context.instance, data, operations.store, plan, tags)
    if isinstance(step, dg.SkipReason):
        return dg.SensorResult(skip_reason=f"Retraining {asked.id} waits. {step.skip_message}")
    return dg.SensorResult(run_requests=[step])


def due(instance: dg.DagsterInstance, store: Store, rules: Rules) -> tuple[str | None, str]:
    """Why to retrain now, None where there is no reason; and why not."""
    champion = store.models.champion()
    if champion is None:
        return None, "There is no champion yet."
    if training(instance):
        return None, "A training is under way."
    rest = rules.cooldown_seconds - _since_the_last(instance)
    if rest > 0:
        return None, f"The last retraining of the loop's own was less than {rules.cooldown_seconds / 3600:g} h ago."
    enough = max(rules.labels, rules.drift_labels, COUNTED)
    fresh = store.labels.waiting(number(instance, "challenger", "labels_to"), enough).count
    if fresh >= rules.drift_labels:
        report = store.drift.latest()
        if report and report.version == champion.version and report.score >= 1:
            return f"{told(report)}; {fresh} new labels", ""
        first, last = store.labels.acceptance(champion.version, champion.at, DECIDED)
        drop = first.rate - last.rate if first.decided else 0.0
        chance = (max(first.rate * (1 - first.rate), 0.01) * 2 / DECIDED) ** 0.5
        if drop >= max(DROP, SURE * chance):
            return f"acceptance fell from {first.rate:.0%} to {last.rate:.0%}; {fresh} new labels", ""
    if fresh >= rules.labels:
        return f"{fresh} new labels", ""
    return None, f"{fresh} new labels, of {rules.labels} that start a retraining ({rules.drift_labels} with drift)."


def next_step(
    instance: dg.DagsterInstance, data: DataRoot, store: Store, plan: str, tags: dict[str, str]
) -> dg.RunRequest | dg.SkipReason:
    """What comes next on the way to a training that knows the newest labels; one plan passes each step once."""
    # Before anything else: a batch that arrives while a training reads all batches makes that training fail.
    if training(instance):
        return dg.SkipReason("A training is under way; the next one waits for it.")
    taken_in = _take_in(instance, plan)
    if taken_in is None:
        if store.labels.waiting(number(instance, "labelled_products", "last_statement")).count:
            return dg.RunRequest(run_key=f"take-in-{plan}", job_name=take_in_feedback.name, tags=tags)
    elif not taken_in.is_finished:
        return dg.SkipReason("The products that people labelled are being handed in.")
    done = computed(instance)
    waiting = [key for key in batch_keys(data.path) if key not in done]
    if waiting:
        return dg.SkipReason(f"{len(waiting)} batches are not computed yet.")
    training_tags = {**tags, "rakuten/training": "true"}
    return dg.RunRequest(run_key=f"retrain-{plan}", job_name=retrain.name, tags=training_tags)


def _take_in(instance: dg.DagsterInstance, plan: str) -> dg.DagsterRun | None:
    """The run that hands labelled products in for this plan, as it was tried last."""
    own = dg.RunsFilter(job_name=take_in_feedback.name, tags={PLAN: plan})
    return next(iter(instance.get_runs(own, limit=1)), None)


def _failed(instance: dg.DagsterInstance, plan: str) -> bool:
    """Whether a plan has come to nothing; a run that Dagster tries again has not."""
    run = _take_in(instance, plan)
    return run is not None and run.is_finished and not run.is_success and run.tags.get("dagster/will_retry") != "true"


def told(report: DriftReport) -> str:
    """A drift report in one line."""
    largest = max(report.parts, key=lambda part: part["score"], default=None)
    where = f", most in {largest['name']} ({largest['kind']})" if largest else ""
    return f"drift {report.score:.2f}{where}"


def _since_the_last(instance: dg.DagsterInstance) -> float:
    """Seconds since the loop last started anything."""
    records = instance.get_run_records(dg.RunsFilter(tags={BY_ITSELF: "true"}), limit=1)
    return time.time() - records[0].create_timestamp.timestamp() if records else float("inf")


def _outcome(run: dg.DagsterRun, tracking: Tracking) -> str:
    """What became of a retraining: a challenger that the gate has sent away is no failure."""
    if run.is_success:
        return "succeeded"
    if not run.is_finished:
        return "started"
    judged = tracking.registry.get("challenger")
    same_run = judged is not None and judged.tags.get("dagster_run_id") == run.run_id
    return "refused" if same_run and judged and judged.tags.get(PASSED) == "refused" else "failed"
