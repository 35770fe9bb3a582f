"""MLflow: a run for each training asset, and the registry that knows the champion and the challenger."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from rakuten_assets.postgres import database_url

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

EXPERIMENT = "rakuten"
MODEL = "rakuten-classifier"


@dataclass(frozen=True)
class Registered:
    """One version of the classifier: its number in MLflow, the hash of its content, and its folder."""

    number: str
    version: str
    folder: str
    run_id: str | None
    tags: Mapping[str, str]


class Registry:
    """A few verbs over MLflow's client, which is slow to import and so imported late."""

    def __init__(self, root: str) -> None:
        self._root = root

    @cached_property
    def client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        url = database_url("mlflow")
        return MlflowClient(tracking_uri=url, registry_uri=url)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment, made with an explicit artifact location: a default one is the working directory."""
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found:
            return str(found.experiment_id)
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=str(UPath(self._root) / "mlflow")))

    def log_training(
        self,
        asset: str,
        dagster_run_id: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        figures: Path | None = None,
        name: str | None = None,
    ) -> str:
        """Record one training as a run below the Dagster run's own; the result is its id.

        It is named after the asset, where it has no `name` of its own.
        """
        parent = self._parent(dagster_run_id)
        tags = {**tags, "mlflow.parentRunId": parent, "dagster_run_id": dagster_run_id, "asset_key": asset}
        run_id = self.client.create_run(self.experiment_id, tags=tags, run_name=name or asset).info.run_id
        for param, setting in params.items():
            self.client.log_param(run_id, param, setting)
        for metric, value in metrics.items():
            self.client.log_metric(run_id, metric, value)
        if figures is not None:
            self.client.log_artifacts(run_id, str(figures))
        # Only a training that ended is recorded at all, so none is ever left running.
        self.client.set_terminated(run_id, "FINISHED")
        return str(run_id)

    def _parent(self, dagster_run_id: str) -> str:
        """The MLflow run that stands for a Dagster run; a lock keeps two steps from making two of them."""
        from sqlalchemy import create_engine, text

        engine = create_engine(database_url("mlflow"))
        try:
            with engine.begin() as connection:
                lock = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
                connection.execute(lock, {"name": dagster_run_id})
                return self._find_parent(dagster_run_id) or self._make_parent(dagster_run_id)
        finally:
            engine.dispose()

    def _find_parent(self, dagster_run_id: str) -> str | None:
        wanted = f"tags.dagster_run = '{dagster_run_id}'"
        found = self.client.search_runs([self.experiment_id], wanted, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _make_parent(self, dagster_run_id: str) -> str:
        tags = {"dagster_run": dagster_run_id}
        name = f"dagster {dagster_run_id[:8]}"
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=name)
        self.client.set_terminated(run.info.run_id, "FINISHED")
        return str(run.info.run_id)

    def register(self, version: str, folder: str, run_id: str | None, tags: Mapping[str, str]) -> Registered:
        """Register a model folder as the challenger; the same content is registered once."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = self.client.search_model_versions(f"name = '{MODEL}' and tags.content = '{version}'")
        model = found[0] if found else self._new_version(version, folder, run_id)
        for name, value in tags.items():
            self.client.set_model_version_tag(MODEL, model.version, name, value)
        self.client.set_registered_model_alias(MODEL, "challenger", model.version)
        return _registered(self.client.get_model_version(MODEL, model.version))

    def _new_version(self, version: str, folder: str, run_id: str | None) -> "ModelVersion":
        tags = {"content": version, "folder": folder}
        return self.client.create_model_version(MODEL, str(UPath(self._root) / folder), run_id, tags=tags)

    def get(self, alias: str) -> Registered | None:
        """The version that `champion` or `challenger` stands for."""
        from mlflow.exceptions import MlflowException

        try:
            return _registered(self.client.get_model_version_by_alias(MODEL, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def promote(self, model: Registered, reason: str) -> None:
        """Make a version the champion, with the reason on it."""
        self.tag(model, "promotion", reason)
        self.client.set_registered_model_alias(MODEL, "champion", model.number)

    def tag(self, model: Registered, name: str, value: str) -> None:
        """Write a tag on a version."""
        self.client.set_model_version_tag(MODEL, model.number, name, value)


def _registered(model: "ModelVersion") -> Registered:
    tags = dict(model.tags)
    return Registered(str(model.version), tags["content"], tags["folder"], model.run_id, tags)
