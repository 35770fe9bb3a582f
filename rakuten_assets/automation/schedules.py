"""What happens by the clock: labels by night, drift by week, a fresh model by month."""

import dagster as dg

from rakuten_assets.assets.common import number
from rakuten_assets.automation.jobs import monitor, retrain, take_in_feedback
from rakuten_assets.automation.loop import BY_ITSELF
from rakuten_assets.automation.sensors import training
from rakuten_assets.resources import Operations

TIMEZONE = "Europe/Paris"

# Fewer labels wait for a reason to retrain: each delivery is a batch, and thousands of tiny ones help nobody.
WORTH_A_BATCH = 200


@dg.schedule(
    job=take_in_feedback,
    cron_schedule="0 2 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Hands in the products that people labelled, so that a retraining finds them prepared.",
)
def every_night(context: dg.ScheduleEvaluationContext, operations: Operations) -> dg.RunRequest | dg.SkipReason:
    if training(context.instance):
        return dg.SkipReason("A training is under way, which reads all batches.")
    new = operations.store.labels.waiting(number(context.instance, "labelled_products", "last_statement")).count
    if new < WORTH_A_BATCH:
        return dg.SkipReason(f"{new} new labels: fewer than the {WORTH_A_BATCH} that are worth a batch.")
    return dg.RunRequest(tags={"rakuten/reason": f"{new} new labels"})


@dg.schedule(
    job=monitor,
    cron_schedule="0 4 * * 1",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compares the week's products and answers with what the champion learnt.",
)
def every_week(context: dg.ScheduleEvaluationContext, operations: Operations) -> dg.RunRequest | dg.SkipReason:
    if operations.store.models.champion() is None:
        return dg.SkipReason("There is no champion yet.")
    return dg.RunRequest(tags={"rakuten/reason": "weekly drift report"})


@dg.schedule(
    job=retrain,
    cron_schedule="0 5 1 * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Trains a challenger each month, whatever happened.",
)
def every_month(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if training(context.instance):
        return dg.SkipReason("A training is under way.")
    return dg.RunRequest(tags={"rakuten/reason": "monthly update", "rakuten/training": "true", BY_ITSELF: "true"})
