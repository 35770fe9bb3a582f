"""What the assets stand on: the data root, tables as Parquet, models as folders, and MLflow."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster_polars import PolarsParquetIOManager
from upath import UPath

from rakuten_assets.core import classifier_files, translate
from rakuten_assets.core.classifier_files import COMPLETE as COMPLETE
from rakuten_assets.core.classifier_files import folder_hash
from rakuten_assets.core.embeddings import BUILT_IN
from rakuten_assets.core.feedback import version
from rakuten_assets.core.preparation import PreparationSettings
from rakuten_assets.core.storage import at_once, read, read_parquet, write, write_parquet
from rakuten_assets.core.storage import replacing as replacing
from rakuten_assets.notifier import Notifier
from rakuten_assets.postgres import application_url
from rakuten_assets.registry import MODEL, Registry
from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    from rakuten_assets.store.store import Store
    from serving.client import Client


class DataRoot(dg.ConfigurableResource):
    """The folder or bucket under which all data lives."""

    url: str

    @property
    def path(self) -> UPath:
        return UPath(self.url)


class Parquet(PolarsParquetIOManager):
    """Tables as Parquet, each replaced in one step; an asset without batches reads all batches as one table."""

    def load_input(self, context: dg.InputContext) -> Any:
        if not context.has_asset_partitions:
            return super().load_input(context)
        # Keys come in the order in which the batches arrived, and so do the rows.
        paths = self._get_paths_for_partitions(context)
        return pl.concat(at_once(read_parquet, [paths[key] for key in context.asset_partition_keys]))

    def load_from_path(self, context: dg.InputContext, path: UPath) -> pl.DataFrame:
        return read_parquet(path)

    def write_df_to_path(self, context: dg.OutputContext, df: pl.DataFrame, path: UPath) -> None:
        write_parquet(path, df)

    def make_directory(self, path: UPath) -> None:
        """Nothing: a table makes its folder itself, and a bucket has none."""

    def get_metadata(self, context: dg.OutputContext, obj: Any) -> dict[str, Any]:
        """Rows and columns; never the rows themselves, which are the sellers'."""
        if obj is None:
            return {}
        columns = [dg.TableColumn(name, str(kind)) for name, kind in obj.schema.items()]
        return {
            "dagster/row_count": len(obj),
            "dagster/column_schema": dg.TableSchema(columns),
        }


class Snapshots(Parquet):
    """Tables of which every version is kept: the newest where `Parquet` has it, each beside it under its version."""

    def write_df_to_path(self, context: dg.OutputContext, df: pl.DataFrame, path: UPath) -> None:
        kept = path.with_suffix("") / f"{version(df)}.parquet"
        if not kept.exists():
            super().write_df_to_path(context, df, kept)
        super().write_df_to_path(context, df, path)


class ModelStore(dg.ConfigurableResource):
    """Model folders under the data root, named by their content: a written one never changes."""

    url: str
    cache: str

    def upload(self, folder: Path, name: str) -> None:
        """Copy `folder` to `name` under the root, whole or not at all."""
        classifier_files.upload(folder, UPath(self.url), name)

    def fetch(self, name: str) -> Path:
        """The folder `name` on this machine; downloaded once where the root is remote."""
        return classifier_files.fetch(UPath(self.url), name, Path(self.cache))


class Folders(dg.ConfigurableIOManager):
    """Models between assets: each is a folder in the model store, and a pointer names the latest."""

    store: ModelStore

    def handle_output(self, context: dg.OutputContext, obj: Path) -> None:
        version = folder_hash(obj)
        name = f"models/{context.asset_key.to_python_identifier()}/{version}"
        self.store.upload(obj, name)
        write(self._pointer(context.asset_key), json.dumps({"folder": name}).encode())
        context.add_output_metadata({"folder": dg.MetadataValue.path(name), "version": version})

    def load_input(self, context: dg.InputContext) -> Path:
        return self.store.fetch(json.loads(read(self._pointer(context.asset_key)))["folder"])

    def _pointer(self, key: dg.AssetKey) -> UPath:
        return UPath(self.store.url) / "models" / key.to_python_identifier() / "latest.json"


class Tracking(dg.ConfigurableResource):
    """MLflow's tracking store and registry, in the platform's PostgreSQL."""

    root: str
    ui: str

    @property
    def registry(self) -> Registry:
        return Registry(self.root)

    def model_url(self, number: str) -> str:
        """Page of a version of the classifier in MLflow's UI."""
        return f"{self.ui}/#/models/{MODEL}/versions/{number}"


class Backbones(dg.ConfigurableResource):
    """Which encoders turn texts and pictures into vectors: built in, or pretrained networks."""

    text: str = BUILT_IN
    image: str = BUILT_IN


class Preparation(dg.ConfigurableResource):
    """How pictures are treated before a model sees them; each treatment is a switch."""

    sharpen: bool = True
    desaturate: bool = True
    crop: bool = True
    equalise: bool = False

    @property
    def settings(self) -> PreparationSettings:
        return PreparationSettings(
            sharpen=self.sharpen, desaturate=self.desaturate, crop=self.crop, equalise=self.equalise
        )

    def sized(self, size: int) -> PreparationSettings:
        """The same treatments, at the size that an encoder wants."""
        return replace(self.settings, size=size)


class Translation(dg.ConfigurableResource):
    """Who translates to French: the bundled `glossary`, a `marian` model, or `google`."""

    kind: str = "glossary"
    model: str = "Helsinki-NLP/opus-mt-{source}-fr"

    def translator(self) -> translate.Translator:
        makers: dict[str, Callable[[], translate.Translator]] = {
            "glossary": translate.GlossaryTranslator,
            "marian": lambda: translate.MarianTranslator(self.model),
            "google": translate.GoogleTranslator,
        }
        if self.kind not in makers:
            raise ValueError(f"There is no translator {self.kind!r}; there are {', '.join(makers)}.")
        return makers[self.kind]()


class Serving(dg.ConfigurableResource):
    """The prediction service: where it answers, what opens its admin routes, and BentoML's home."""

    url: str
    token_file: str
    bentos: str

    def client(self, timeout: float = 30) -> "Client":
        """A client that may change the deployment, where the token can be read; `timeout` is in seconds."""
        from serving.client import Client

        file = Path(self.token_file)
        return Client(self.url, file.read_text().strip() if file.is_file() else None, timeout)


class Operations(dg.ConfigurableResource):
    """The operational database, which the web app writes."""

    @property
    def store(self) -> "Store":
        return _store()


@cache
def _store() -> "Store":
    """One pool of connections a process, made when it is first needed."""
    from rakuten_assets.store.store import Store

    return Store(application_url())


def resources(settings: Settings) -> dict[str, Any]:
    """Every resource, for one deployment: the composition root of the Dagster side."""
    root, tables = str(settings.root), str(settings.root / "assets")
    store = ModelStore(url=root, cache=str(settings.local_state / "cache"))
    return {
        "data": DataRoot(url=root),
        "io_manager": Parquet(base_dir=tables),
        "snapshots": Snapshots(base_dir=tables),
        "folders": Folders(store=store),
        "model_store": store,
        "tracking": Tracking(root=root, ui=settings.mlflow_link),
        "backbones": Backbones(text=settings.text_backbone, image=settings.image_backbone),
        "preparation": Preparation(
            sharpen=settings.sharpen,
            desaturate=settings.desaturate,
            crop=settings.crop,
            equalise=settings.equalise,
        ),
        "translation": Translation(kind=settings.translator, model=settings.translation_model),
        "operations": Operations(),
        "notifier": Notifier(
            platform=settings.dagster_link,
            smtp_host=settings.smtp_host,
            smtp_port=settings.smtp_port,
            smtp_security=settings.smtp_security,
            smtp_user=settings.smtp_user,
            smtp_password_file=_file(settings.smtp_password_file),
            notify_from=settings.notify_from,
            notify_to=settings.notify_to,
            webhook_url_file=_file(settings.webhook_url_file),
        ),
        "serving": Serving(
            url=settings.classifier_url,
            token_file=str(settings.serving_token_file.absolute()),
            bentos=str(settings.local_state / "bentoml"),
        ),
    }


def _file(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
