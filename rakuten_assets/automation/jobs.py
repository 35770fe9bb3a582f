"""The jobs that people and sensors start."""

from pathlib import Path

import dagster as dg

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.assets.common import register_batches
from rakuten_assets.assets.feedback import feedback, labelled_products
from rakuten_assets.assets.fusion_tournament import fusion_tournament
from rakuten_assets.assets.image_tournament import image_tournament
from rakuten_assets.assets.models import image_model, text_model
from rakuten_assets.assets.monitoring import drift_report, predictions
from rakuten_assets.assets.tournament import tournament
from rakuten_assets.core.deliveries import ingest
from rakuten_assets.postgres import lock
from rakuten_assets.resources import DataRoot

PER_BATCH = [asset for asset in ALL_ASSETS if asset.partitions_def]
SERVING = [asset for asset in ALL_ASSETS if "serving" in asset.group_names_by_key.values()]
# Not part of a training: what it hands in must be computed before anything can learn from it.
HANDED_IN = [labelled_products]
# By the week, not by the training.
MONITORED = [predictions, drift_report]
# Held when a person wants to; the next training takes the winner.
COMPETING = [tournament, image_tournament, fusion_tournament]
LATER = [*SERVING, *HANDED_IN, *MONITORED, *COMPETING]
WHOLE = [asset for asset in ALL_ASSETS if not asset.partitions_def and asset not in LATER]

prepare_batch = dg.define_asset_job(
    "prepare_batch",
    # The checks look at all batches, so they run once, with the training.
    selection=dg.AssetSelection.assets(*PER_BATCH).without_checks(),
    description="Everything that a batch needs before it can be learnt from.",
)

take_in_feedback = dg.define_asset_job(
    "take_in_feedback",
    selection=dg.AssetSelection.assets(feedback, labelled_products),
    description="Hand in the products that people have labelled since the last time, as a delivery.",
)

monitor = dg.define_asset_job(
    "monitor",
    selection=dg.AssetSelection.assets(*MONITORED),
    description="Compare what production looks like with what the champion learnt.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(*WHOLE) | dg.AssetSelection.checks_for_assets(*PER_BATCH),
    tags={"rakuten/training": "true"},
    description="Deduplicate, split, train, and let the gate decide about the champion.",
)


compete = dg.define_asset_job(
    "compete",
    selection=dg.AssetSelection.assets(*COMPETING)
    | (dg.AssetSelection.assets(text_model, image_model).downstream() & dg.AssetSelection.assets(*WHOLE)),
    tags={"rakuten/training": "true"},
    description="Let the models compete, train the winners, and let the gate decide about the champion.",
)

deploy = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets(*SERVING),
    # Where BentoML's home is.
    executor_def=dg.in_process_executor,
    description="Build the champion's Bento and image, and let the champion answer in the prediction service.",
)


class DeliveryConfig(dg.Config):
    """Which delivery to take in, and how it is cut."""

    folder: str
    batch_size: int = 20_000


@dg.op(pool="deliveries")
def take_in(context: dg.OpExecutionContext, config: DeliveryConfig, data: DataRoot) -> None:
    """Check a delivery, set its bad rows aside, cut it into batches and register those."""
    with lock("deliveries"):
        delivery = ingest(Path(config.folder), data.path, batch_size=config.batch_size)
    register_batches(context.instance, data.path)
    context.log.info(
        f"{delivery.id}: {delivery.accepted} accepted, {delivery.quarantined} set aside, "
        f"{'known already' if delivery.already_known else 'new'}"
    )


@dg.job(
    # Where the folder is.
    executor_def=dg.in_process_executor,
    description="Take in one delivery from a folder or a ZIP.",
)
def ingest_delivery() -> None:
    take_in()
