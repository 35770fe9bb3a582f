"""Where Dagster keeps what it knows, chosen by the settings: named in `dagster.yaml`, which needs no environment."""

from typing import Any

import dagster as dg
from dagster._core.storage.compute_log_manager import ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from rakuten_assets import bucket
from rakuten_assets.postgres import database_url
from rakuten_assets.settings import Settings

# Where what steps have printed lies below a data root in S3.
LOGS = "logs"

# What a step has printed is in the bucket after so many seconds also where its process dies.
UPLOAD_SECONDS = 30


class RakutenStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database `dagster` of the configured or the embedded server."""

    @classmethod
    def config_type(cls) -> dict[str, dg.Field]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RakutenStorage":
        return cls(database_url("dagster"), inst_data=inst_data)


class RakutenComputeLogs(ComputeLogManager, ConfigurableClass):
    """What steps print: in Dagster's home, or below a data root in S3, where every machine's UI finds it."""

    @classmethod
    def config_type(cls) -> dict[str, dg.Field]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> ComputeLogManager:  # type: ignore[override]
        """One of Dagster's own managers; the bucket is made where it is missing."""
        settings = Settings()
        root, folder = settings.root, str(settings.local_state / "dagster" / "storage")
        place = bucket.place(root)
        if place is None:
            return LocalComputeLogManager(folder, inst_data=inst_data)
        from dagster_aws.s3 import S3ComputeLogManager

        bucket.make_ready(root)
        return S3ComputeLogManager(
            place.bucket,
            local_dir=folder,
            prefix=f"{place.prefix}/{LOGS}",
            upload_interval=UPLOAD_SECONDS,
            inst_data=inst_data,
        )
