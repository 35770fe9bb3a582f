"""The Dagster code location: assets, checks, jobs, sensors and the resources they stand on."""

import dagster as dg

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.automation.jobs import deploy, ingest_delivery, prepare_batch, retrain
from rakuten_assets.automation.sensors import (
    catalogue_grew,
    champion_changed,
    new_batches,
    new_deliveries,
    retraining_asked,
)
from rakuten_assets.checks import CHECKS
from rakuten_assets.resources import resources
from rakuten_assets.settings import Settings

defs = dg.Definitions(
    assets=ALL_ASSETS,
    asset_checks=CHECKS,
    jobs=[ingest_delivery, prepare_batch, retrain, deploy],
    sensors=[new_deliveries, new_batches, catalogue_grew, champion_changed, retraining_asked],
    resources=resources(Settings()),
    # One process a run: a process a step would import everything again for each of some thirty steps and checks,
    # and the steps that take long use every core by themselves. Batches run side by side as runs of their own.
    executor=dg.in_process_executor,
)
