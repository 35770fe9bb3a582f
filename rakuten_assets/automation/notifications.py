"""What people are told of: failed runs, new champions, a service that does not answer; and the job that tells them.

Whatever happens is first written to the store under a key, so that it is never lost and never told twice.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.events import DagsterEventType

from rakuten_assets.automation.jobs import compete, retrain
from rakuten_assets.notifier import Notifier, moment
from rakuten_assets.postgres import lock
from rakuten_assets.resources import Operations, Serving, Tracking
from rakuten_assets.settings import Settings

# Messages in one run: what is left is sent by the next, half a minute later.
AT_ONCE = 100

# An error is quoted so far: enough to know it by, too little for what it may carry along.
QUOTED = 500

# A machine that is training answers late; that is no reason to call anybody.
HEALTH_SECONDS = 3

# One tick without an answer is a restart or a hiccup.
PATIENCE = 2

# After a failed run of `notify` the next one waits: what has broken it breaks the next one too.
PAUSE_SECONDS = 900


# A marketplace that is silent for so long has lost its sellers, or its line.
QUIET = timedelta(days=7)


# Jobs at whose end the gate decides.
TRAININGS = (retrain.name, compete.name)


@dg.op
def send_due(context: dg.OpExecutionContext, operations: Operations, notifier: Notifier) -> None:
    """Send all that is due; a channel that does not take something is asked again later."""
    sent, failed = 0, []
    # Two at once would tell people twice.
    with lock("notifications"):
        for notification in operations.store.notifications.due(AT_ONCE):
            outcome = notifier.send(notification)
            said = "; ".join(f"{channel}: {error}" for channel, error in outcome.failed.items())
            operations.store.notifications.tried(notification.id, outcome.sent, list(outcome.failed), said)
            sent += len(outcome.sent)
            if said:
                failed.append(f"{notification.key}: {said}")
                context.log.error(f"Not everybody was told of {notification.key}. {said}")
    context.add_output_metadata({"sent": sent, "failed": len(failed), "failures": failed[:20]})


# People who wait for news are not made to wait for a queue of batches.
@dg.job(
    executor_def=dg.in_process_executor,
    description="Tell people what is due, by every channel that is set up.",
    tags={"dagster/priority": "10"},
)
def notify() -> None:
    send_due()


@dg.sensor(
    job=notify,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what people are to be told, and tries again what a channel did not take.",
)
def news(context: dg.SensorEvaluationContext, operations: Operations) -> dg.RunRequest | dg.SkipReason:
    if not operations.store.notifications.due(1):
        return dg.SkipReason("Nothing is due.")
    last = next(iter(context.instance.get_run_records(dg.RunsFilter(job_name=notify.name), limit=1)), None)
    if last and not last.dagster_run.is_finished:
        return dg.SkipReason(f"Run {last.dagster_run.run_id} is sending.")
    if last and last.dagster_run.is_failure and time.time() - (last.end_time or 0) < PAUSE_SECONDS:
        return dg.SkipReason(f"Run {last.dagster_run.run_id} has failed; the next try is {PAUSE_SECONDS} s after it.")
    return dg.RunRequest(tags={"rakuten/reason": "people are to be told something"})


@dg.run_failure_sensor(
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of a run that has failed, and of a challenger that the gate has refused.",
)
def run_failed(context: dg.RunFailureSensorContext, operations: Operations) -> None:
    run, failures = context.dagster_run, context.get_step_failure_events()
    if run.tags.get("dagster/will_retry") == "true":
        return
    if run.job_name in TRAININGS and failures and all(is_verdict(failure) for failure in failures):
        _tell(operations, f"refused:{run.run_id}", _refused(context))
    elif run.job_name == notify.name:
        # Once a day: each of these is one more thing that is due, and they must not feed each other.
        _tell(operations, f"run-failed:{notify.name}:{datetime.now(UTC):%Y-%m-%d}", _failed(context, failures))
    else:
        _tell(operations, f"run-failed:{run.root_run_id or run.run_id}", _failed(context, failures))


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[retrain, compete],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people of a new champion.",
)
def run_ended_well(context: dg.RunStatusSensorContext, operations: Operations) -> None:
    run, verdict = context.dagster_run, _verdict(context)
    # What the run itself has written stays true, also where the next one has ended before this one is told.
    champion = _materialized(context, "champion")
    if verdict is None or champion is None or verdict.metadata["champion"].value == champion["version"]:
        return
    promoted = News(
        "champion_promoted",
        f"New champion: version {champion['version']}",
        f"It replaces {verdict.metadata['champion'].value}.\nThe gate: {champion['reason']}\n{_why(run)}",
        str(champion["mlflow"]),
    )
    _tell(operations, f"promoted:{champion['version']}:{run.run_id}", promoted)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people that the prediction service has stopped answering, and that it answers again.",
)
def service_health(
    context: dg.SensorEvaluationContext, operations: Operations, serving: Serving, tracking: Tracking
) -> dg.SensorResult:
    silence = Silence(**json.loads(context.cursor or "{}"))
    with serving.client(HEALTH_SECONDS) as client:
        ready = client.ready()
    if ready:
        if silence.ticks >= PATIENCE:
            told = f"{serving.url} answers again.\nIt had been silent since {silence.since}."
            back = News("service_healthy", "The prediction service answers again", told, serving.url)
            _tell(operations, f"service-back:{silence.since}", back)
        # Not an empty cursor, which Dagster takes for none.
        return dg.SensorResult(skip_reason=f"{serving.url} answers.", cursor="{}")
    if tracking.registry.get("champion") is None:
        return dg.SensorResult(skip_reason="There is no champion yet that could answer.", cursor="{}")
    silence = replace(silence, since=silence.since or moment(datetime.now(UTC)), ticks=silence.ticks + 1)
    if silence.ticks >= PATIENCE:
        told = (
            f"{serving.url}/readyz has not answered since {silence.since}.\nProducts wait until it does; none is lost."
        )
        ill = News("service_unhealthy", "The prediction service does not answer", told, serving.url)
        _tell(operations, f"service:{silence.since}", ill)
    said = f"{serving.url} has not answered {silence.ticks} times in a row, since {silence.since}."
    return dg.SensorResult(skip_reason=said, cursor=json.dumps(vars(silence)))


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people where a platform that was in use has had nothing to classify for a week.",
)
def data_missing(context: dg.SensorEvaluationContext, operations: Operations) -> dg.SkipReason:
    last = operations.store.labels.last_answer()
    if last is None:
        return dg.SkipReason("No product has ever been classified.")
    if datetime.now(UTC) - last < QUIET:
        return dg.SkipReason(f"The last product was classified on {moment(last)}.")
    told = f"The last one was classified on {moment(last)}.\nEither nobody submits any more, or what submits is broken."
    _tell(operations, f"data-missing:{last:%Y-%m-%d}", News("data_missing", "No new products", told, _web_app()))
    return dg.SkipReason(f"Nothing since {moment(last)}; people have been told.")


def is_verdict(failure: dg.DagsterEvent) -> bool:
    """Whether a step failed by the gate's verdict, as opposed to a gate that could not come to one."""
    error = failure.step_failure_data.error
    verdict = error is not None and error.cls_name == "DagsterAssetCheckFailedError"
    return failure.step_key == "challenger_gate" and verdict


def message(failure: dg.DagsterEvent) -> str:
    """The step, and the error that its own code raised."""
    error = failure.step_failure_data.error
    cause = error.cause if error and error.cause else error
    return f"{failure.step_key}: {cause.message.strip() if cause else 'failed'}"


@dataclass(frozen=True)
class News:
    """What people are told of, as the store takes it."""

    kind: str
    subject: str
    body: str
    link: str


@dataclass(frozen=True)
class Silence:
    """Since when, and for how many ticks, the service has not answered."""

    since: str = ""
    ticks: int = 0


def _tell(operations: Operations, key: str, news: News) -> None:
    operations.store.notifications.add(key, news.kind, news.subject, news.body, news.link)


def _failed(context: dg.RunFailureSensorContext, failures: Sequence[dg.DagsterEvent]) -> News:
    run = context.dagster_run
    errors = [_quoted(message(failure)) for failure in failures] or [_quoted(context.failure_event.message or "")]
    others = f" (and {len(errors) - 1} more steps)" if len(errors) > 1 else ""
    where = f" at {failures[0].step_key}" if failures else ""
    record = context.instance.get_run_record_by_id(run.run_id)
    ended = moment(datetime.fromtimestamp(record.end_time, UTC)) if record and record.end_time else "unknown"
    return News(
        "training_failed" if run.job_name in TRAININGS else "run_failed",
        f"{run.job_name} failed{where}",
        f"{errors[0]}{others}\n{_why(run)}\nFailed: {ended}",
        _page(run),
    )


def _refused(context: dg.RunFailureSensorContext) -> News:
    run, verdict = context.dagster_run, _verdict(context)
    said = verdict.description if verdict else None
    return News(
        "challenger_refused",
        "The gate has refused a challenger",
        f"The gate: {said or 'no reason given'}\nThe champion stays.\n{_why(run)}",
        _page(run),
    )


def _verdict(context: dg.RunStatusSensorContext) -> dg.AssetCheckEvaluation | None:
    """What the gate has said in this run."""
    for event in _events(context, DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        if evaluation.check_name == "gate":
            return evaluation
    return None


def _materialized(context: dg.RunStatusSensorContext, asset: str) -> dict[str, object] | None:
    """The metadata that this run has given an asset."""
    for event in _events(context, DagsterEventType.ASSET_MATERIALIZATION):
        if event.asset_key == dg.AssetKey(asset):
            metadata = event.step_materialization_data.materialization.metadata
            return {name: value.value for name, value in metadata.items()}
    return None


def _events(context: dg.RunStatusSensorContext, kind: DagsterEventType) -> list[dg.DagsterEvent]:
    records = context.instance.get_records_for_run(context.dagster_run.run_id, of_type=kind).records
    return [record.event_log_entry.get_dagster_event() for record in records]


def _quoted(error: str) -> str:
    return next(iter(error.strip().splitlines()), "no message")[:QUOTED]


def _why(run: dg.DagsterRun) -> str:
    return f"Why it ran: {_quoted(run.tags.get('rakuten/reason', 'a person started it'))}"


def _web_app() -> str:
    settings = Settings()
    return f"{settings.webapp_link}/search"


def _page(run: dg.DagsterRun) -> str:
    """The run's page in the Dagster UI."""
    settings = Settings()
    return f"{settings.dagster_link}/runs/{run.run_id}"
