"""Dagster's storage in the platform's PostgreSQL: named in `dagster.yaml`, so that it needs no environment."""

from typing import Any

import dagster as dg
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from rakuten_assets.postgres import database_url


class RakutenStorage(DagsterPostgresStorage):
    """Runs, events and schedules in the database `dagster` of the configured or the embedded server."""

    @classmethod
    def config_type(cls) -> dict[str, dg.Field]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RakutenStorage":
        return cls(database_url("dagster"), inst_data=inst_data)
