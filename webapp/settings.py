"""The web app's settings: read from the environment (prefix `RAKUTEN_WEBAPP_`) once, at the edge."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from upath import UPath


class WebSettings(BaseSettings):
    """Every setting of the web app and its worker; `rakuten up` fills in the addresses."""

    model_config = SettingsConfigDict(env_prefix="RAKUTEN_WEBAPP_", env_file=".env", extra="ignore")

    database_url: str = Field("", description="The application's PostgreSQL, as the role that rewrites no audit line.")
    data_root: str = Field("data", description="Where pictures are stored: a local folder or s3://bucket/prefix.")
    serving_url: str = Field("http://127.0.0.1:3001", description="The prediction service that the web app asks.")
    dagster_url: str = Field("http://127.0.0.1:3000", description="Where the web app's links to Dagster lead.")
    mlflow_url: str = Field("http://127.0.0.1:5000", description="Where the web app's links to MLflow lead.")
    host: str = Field("127.0.0.1", description="Address that the web app listens on.")
    port: int = Field(8080, description="Port of the web app.")
    metrics_port: int = Field(9401, description="Port of the web app's metrics, for Prometheus alone. 0: none.")
    worker_metrics_port: int = Field(9402, description="Port of the worker's metrics. 0: none.")
    text_only: bool = Field(False, description="Take products without a picture.")
    session_hours: int = Field(12, gt=0, description="Hours after which one must sign in again.")
    # Measured on a model of 4,000 sample products: of its unsure answers, a tenth of those for new sample products and
    # a seventh of those for products of no category (tyres, wine, telephones) have no known product nearer than this.
    # The similarity hardly tells them apart (ROC AUC 0.60); that an answer is unsure does (4 against 43 in 100).
    far: float = Field(0.275, description="Similarity to known products below which no category may fit.")
    secure_cookies: bool = Field(False, description="Send the session's cookie over HTTPS alone.")
    import_products: int = Field(2_000, gt=0, description="The most products of one import.")

    @property
    def root(self) -> UPath:
        """The data root as a path; a local one is absolute."""
        path = UPath(self.data_root)
        return path.absolute() if path.protocol in ("", "file") else path
