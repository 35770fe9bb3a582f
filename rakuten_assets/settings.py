"""The platform's settings: read from the environment (prefix `RAKUTEN_`) and `.env`, once, at the edge."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from upath import UPath


class Settings(BaseSettings):
    """Every setting of the platform, with a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="RAKUTEN_", env_file=".env", extra="ignore")

    data_root: str = Field("data", description="Where all data lives: a local folder or s3://bucket/prefix.")
    state_dir: Path = Field(
        Path("data"),
        description="A local folder for what must be on this machine: the embedded database and caches.",
    )
    database_url: str | None = Field(
        None,
        description="A PostgreSQL server, postgresql://user:password@host:port. Empty: an embedded one.",
    )
    database_app_password_file: Path | None = Field(
        None, description="File with the password of the role rakuten_app, which a configured server asks for."
    )
    drop_folder: Path = Field(Path("data/drop"), description="Folder watched for new deliveries.")
    batch_size: int = Field(20_000, gt=0, description="Products in a batch, the unit that a delivery grows by.")
    text_backbone: str = Field("built-in", description="Text encoder: built-in, a hub name or a local folder.")
    image_backbone: str = Field(
        "built-in", description="Image encoder: built-in, clip:FOLDER, or a timm name (also hf-hub:… and local-dir:…)."
    )
    translator: str = Field("glossary", description="Translator to French: glossary, marian or google.")
    translation_model: str = Field(
        "Helsinki-NLP/opus-mt-{source}-fr", description="Marian model of each source language, or a folder."
    )
    sharpen: bool = Field(True, description="Sharpen pictures that are slightly blurred.")
    desaturate: bool = Field(True, description="Take 15 % of the saturation where red dominates.")
    crop: bool = Field(True, description="Crop wide uniform borders and zoom in.")
    equalise: bool = Field(False, description="Equalise the histogram where red dominates excessively.")
    retrain_labels: int = Field(
        500, gt=0, description="Labels of people, not learnt from yet, that start a retraining by themselves."
    )
    retrain_drift_labels: int = Field(
        50, gt=0, description="Labels of people that a retraining because of drift or of lower acceptance needs."
    )
    retrain_cooldown_hours: float = Field(
        24, ge=0, description="Hours of rest after a retraining that nobody asked for."
    )
    smtp_host: str = Field("", description="Mail server that notifications go through. Empty: no e-mail.")
    smtp_port: int = Field(587, description="Port of the mail server.")
    smtp_security: Literal["auto", "starttls", "tls", "none"] = Field(
        "auto", description="How mail is encrypted; auto: TLS on port 465, else STARTTLS where it is offered."
    )
    smtp_user: str = Field("", description="User of the mail server. Empty: none is asked for.")
    smtp_password_file: Path | None = Field(None, description="File with that user's password.")
    notify_from: str = Field("", description="Address that notifications come from.")
    notify_to: str = Field("", description="Addresses that notifications go to, with commas between them.")
    webhook_url_file: Path | None = Field(
        None, description="File with the address of a Slack-style webhook, which is a secret."
    )
    backup_root: str = Field(
        "", description="Where backups go: a folder or s3://bucket/prefix. Empty: nothing is backed up."
    )
    backup_recipient: str = Field(
        "", description="Public keys (age1…) that backups are encrypted for, with commas between them."
    )
    backup_recipients_file: Path | None = Field(None, description="File with such keys, one a line.")
    backup_keep: str = Field(
        "daily 7, weekly 4, monthly 6", description="How many days, weeks and months keep their newest backup."
    )
    unused_picture_days: int = Field(
        7, gt=0, description="Days after which a picture that belongs to no product is deleted."
    )
    sensor_seconds: int = Field(15, gt=0, description="Seconds between two looks of a sensor.")
    dagster_port: int = Field(3000, description="Port of the Dagster UI.")
    mlflow_port: int = Field(5000, description="Port of the MLflow UI.")
    serving_port: int = Field(3001, description="Port of the prediction service.")
    webapp_port: int = Field(8080, description="Port of the web app.")
    serving_url: str = Field(
        "", description="The prediction service that champions go to. Empty: the one started here."
    )
    serving_token_file: Path = Field(
        Path("data/serving/admin-token"), description="File with the admin token of the prediction service."
    )
    metrics_port: int = Field(9400, description="Port of the platform's metrics, for Prometheus. 0: none.")
    webapp_metrics_port: int = Field(9401, description="Port of the web app's metrics, for Prometheus alone. 0: none.")
    webapp_worker_metrics_port: int = Field(9402, description="Port of the worker's metrics. 0: none.")
    mlflow_url: str = Field("", description="MLflow, as other programs reach it. Empty: the one started here.")
    public_webapp_url: str = Field(
        "", description="The web app as people reach it, for links. Empty: the one started here."
    )
    public_dagster_url: str = Field("", description="The Dagster UI, likewise.")
    public_mlflow_url: str = Field("", description="The MLflow UI, likewise.")
    log_format: Literal["text", "json"] = Field("text", description="Logs of all programs: text or json.")
    host: str = Field("127.0.0.1", description="Address that the services listen on.")
    ray_address: str = Field(
        "", description="Job server of a Ray cluster that does the work, http://head:8265. Empty: this machine."
    )
    ray_cores: int = Field(
        1, gt=0, description="Cores that each step, batch and classifier on the Ray cluster asks for, and its threads."
    )
    ray_gpu_share: float = Field(
        0, ge=0, le=1, description="Share of a GPU for whatever embeds, classifies or trains there. 0: it has none."
    )

    @property
    def root(self) -> UPath:
        """The data root as a path; a local one is absolute, so every process means the same folder."""
        path = UPath(self.data_root)
        return path.absolute() if path.protocol in ("", "file") else path

    @property
    def classifier_url(self) -> str:
        """Where the prediction service is: on another machine, or here."""
        return self.serving_url.rstrip("/") or f"http://{self.host}:{self.serving_port}"

    @property
    def mlflow_address(self) -> str:
        """Where MLflow is: on another machine, or here."""
        return self.mlflow_url.rstrip("/") or f"http://{self.host}:{self.mlflow_port}"

    @property
    def webapp_link(self) -> str:
        """The web app as people reach it."""
        return self.public_webapp_url.rstrip("/") or f"http://{self.host}:{self.webapp_port}"

    @property
    def dagster_link(self) -> str:
        """The Dagster UI as people reach it."""
        return self.public_dagster_url.rstrip("/") or f"http://{self.host}:{self.dagster_port}"

    @property
    def mlflow_link(self) -> str:
        """The MLflow UI as people reach it."""
        return self.public_mlflow_url.rstrip("/") or f"http://{self.host}:{self.mlflow_port}"

    @property
    def local_state(self) -> Path:
        """The state folder, made where it is missing."""
        folder = self.state_dir.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return folder
