"""The settings of the prediction service, from the environment (prefix `RAKUTEN_SERVING_`), and those of its Bento."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from upath import UPath

TOKEN_BYTES = 4096


class ServingSettings(BaseSettings):
    """Every setting of one running service; none of them is needed to serve a Bento's own model."""

    model_config = SettingsConfigDict(env_prefix="RAKUTEN_SERVING_", env_file=".env", extra="ignore")

    models: str = Field("data", description="Data root that champions are loaded from: a folder or s3://bucket/prefix.")
    model: str = Field("", description="Version to start with. Empty: the Bento's own.")
    state_dir: Path = Field(Path("data/serving"), description="Folder where the service keeps which models answer.")
    token_file: Path | None = Field(None, description="File with the admin token. Empty: no admin routes.")
    workers: int = Field(0, ge=0, description="Worker processes. 0: one a core, or one where there is a GPU.")
    max_batch: int = Field(32, ge=1, description="Products that a model classifies at once.")
    max_waiting: int = Field(512, ge=1, description="Products that may wait in a worker before others are refused.")
    body_seconds: float = Field(20, gt=0, description="A client that takes longer to send its request is refused.")

    @property
    def root(self) -> UPath:
        return UPath(self.models)

    @property
    def token(self) -> str | None:
        """The admin token, read anew so that it can be changed; None where there is none."""
        if self.token_file is None or not self.token_file.is_file():
            return None
        with self.token_file.open() as file:
            return file.read(TOKEN_BYTES).strip() or None


class BentoArguments(BaseModel):
    """What a Bento is built with, and served with again."""

    model: str = ""
    """Tag of the classifier in BentoML's model store; empty: the service has no model of its own."""
    device: Literal["cpu", "gpu"] = "cpu"
    requirements: str = "serving/requirements.txt"
