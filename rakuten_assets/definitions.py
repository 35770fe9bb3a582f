"""The Dagster code location: assets, checks, jobs, sensors and the resources they stand on."""

import dagster as dg

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.automation.backups import backup, nightly_backup
from rakuten_assets.automation.jobs import (
    compete,
    deploy,
    ingest_delivery,
    monitor,
    prepare_batch,
    retrain,
    take_in_feedback,
)
from rakuten_assets.automation.loop import retraining_asked, retraining_due
from rakuten_assets.automation.notifications import (
    data_missing,
    news,
    notify,
    run_ended_well,
    run_failed,
    service_health,
)
from rakuten_assets.automation.retention import nightly_tidy, tidy
from rakuten_assets.automation.schedules import every_month, every_night, every_week
from rakuten_assets.automation.sensors import (
    catalogue_grew,
    champion_changed,
    new_batches,
    new_deliveries,
)
from rakuten_assets.checks import CHECKS
from rakuten_assets.cluster import executor
from rakuten_assets.resources import resources
from rakuten_assets.settings import Settings

defs = dg.Definitions(
    assets=ALL_ASSETS,
    asset_checks=CHECKS,
    jobs=[ingest_delivery, prepare_batch, take_in_feedback, compete, retrain, deploy, monitor, notify, tidy, backup],
    sensors=[
        *(new_deliveries, new_batches, catalogue_grew, champion_changed, retraining_due, retraining_asked),
        *(news, run_failed, run_ended_well, service_health, data_missing),
    ],
    schedules=[every_night, every_week, every_month, nightly_tidy, nightly_backup],
    resources=resources(Settings()),
    # One process a run: a process a step would import everything again for each of some thirty steps and checks,
    # and the steps that take long use every core by themselves. Batches run side by side as runs of their own.
    # With a Ray cluster each step is a job of it.
    executor=executor(Settings()),
)
