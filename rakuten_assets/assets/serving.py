"""The champion as a Bento, the Bento's image, and the champion in the running prediction service."""

import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import bento as bentos
from rakuten_assets.assets.champion import champion, chunks, classify, gold_products
from rakuten_assets.assets.common import whole
from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.registry import Registered
from rakuten_assets.resources import DataRoot, ModelStore, Serving, Tracking

if TYPE_CHECKING:
    from serving.client import Client

# Gold products whose live answers are compared with the stored classifier's.
COMPARED = 50

# Largest difference of a probability between the live service and the stored classifier: the last digits of a double.
TOLERANCE = 1e-6

NO_ENGINE = "No Docker engine answers here, so no image was built. The command builds it where one does."


class BentoConfig(dg.Config):
    """Settings of the Bento."""

    device: bentos.Device = Field("cpu", description="What it will run on, which decides its image: cpu or gpu")


@whole("serving", kinds={"bentoml"}, deps=[champion], pool="bento")
def bento(
    config: BentoConfig, data: DataRoot, tracking: Tracking, model_store: ModelStore, serving: Serving
) -> dg.MaterializeResult[None]:
    """The champion with all that it needs to answer, as one folder that BentoML serves anywhere."""
    model = _champion(tracking)
    result = bentos.build(model_store.fetch(model.folder), Path(serving.bentos), config.device)
    built = result.built
    return dg.MaterializeResult(
        metadata={
            "tag": built.tag,
            "version": model.version,
            "size_mb": round(built.size / 1e6, 1),
            "files": built.files,
            "path": dg.MetadataValue.path(built.path),
            "kept": bentos.keep(built, data.path),
            "content": built.content,
            "reused": result.reused,
            "seconds": round(result.seconds, 2),
            "serve": shlex.join(bentos.serve_command(built)),
            "image": shlex.join(bentos.image_command(built)),
            "containerize": shlex.join(bentos.containerize_command(built)),
        },
        data_version=dg.DataVersion(built.content),
    )


@whole("serving", kinds={"docker"}, deps=[bento])
def serving_image(context: dg.AssetExecutionContext, data: DataRoot, serving: Serving) -> dg.MaterializeResult[None]:
    """The container image of the Bento, where a Docker engine answers; otherwise the command that builds it."""
    built = _built(context.instance, data, serving)
    command = bentos.image_command(built)
    metadata = {"tag": built.tag, "command": shlex.join(command)}
    engine = bentos.docker_engine()
    if engine is None:
        context.log.warning(f"{NO_ENGINE} {metadata['command']}")
        return dg.MaterializeResult(metadata=metadata | {"built": False, "reason": NO_ENGINE})
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise dg.Failure(f"Docker could not build the image {built.tag}: {done.stderr.strip()[-2000:]}")
    return dg.MaterializeResult(metadata=metadata | {"built": True, "engine": engine})


@whole("serving", kinds={"bentoml"}, deps=[champion])
def deployed_model(
    splits: pl.DataFrame,
    products: pl.DataFrame,
    data: DataRoot,
    model_store: ModelStore,
    tracking: Tracking,
    serving: Serving,
) -> dg.MaterializeResult[None]:
    """The champion in the running service, where it answers gold products as the stored classifier does."""
    start = time.perf_counter()
    model = _champion(tracking)
    gold = gold_products(splits, products).head(COMPARED)
    expected = classify(ProductClassifier.load(model_store.fetch(model.folder)), gold, data)
    with serving.client() as client:
        previous = _deploy(client, model.version, serving.token_file)
        compared = _verify_or_roll_back(client, model.version, gold, expected, data)
    return dg.MaterializeResult(
        metadata={
            "version": model.version,
            "previous": previous or "none",
            "largest_gap": compared.gap,
            "products_compared": compared.products,
            "seconds": round(time.perf_counter() - start, 2),
            "service": dg.MetadataValue.url(serving.url),
        },
        data_version=dg.DataVersion(model.version),
    )


@dataclass(frozen=True)
class Compared:
    """Largest difference of a probability, over so many products."""

    gap: float
    products: int


def compare(client: "Client", version: str, rows: pl.DataFrame, expected: Array, data: DataRoot) -> Compared:
    """Live answers beside the log-probabilities (rows x 27) that the stored classifier gives.

    Products that another version answered, as a canary does, are left out; raises what the client raises.
    """
    gap, count = 0.0, 0
    every = (product for chunk in chunks(rows, data) for product in chunk)
    for product, row in zip(every, np.exp(expected), strict=True):
        answer = client.predict(product.designation, product.description, product.image, top=len(CODES))
        if answer.model_version != version:
            continue
        found = {category.code: category.confidence for category in answer.categories}
        gap = float(
            np.max([gap, *(abs(found.get(code, np.inf) - share) for code, share in zip(CODES, row, strict=True))])
        )
        count += 1
    return Compared(gap, count)


def _champion(tracking: Tracking) -> Registered:
    model = tracking.registry.get("champion")
    if model is None:
        raise dg.Failure("There is no champion yet: run `rakuten materialize` first.")
    return model


def _built(instance: dg.DagsterInstance, data: DataRoot, serving: Serving) -> bentos.Built:
    """The Bento that was materialised last; from the data root, where another machine has made it."""
    event = instance.get_latest_materialization_event(dg.AssetKey("bento"))
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    if "kept" not in metadata:
        raise dg.Failure("There is no Bento to make an image of: materialise the asset `bento` first.")
    return bentos.fetch(data.path, str(metadata["kept"].value), Path(serving.bentos))


def _deploy(client: "Client", version: str, token_file: str) -> str | None:
    """Tell the service to answer with this version; the result is the one that answered before."""
    from serving.client import ServiceRefused, ServiceUnavailable

    try:
        previous = client.deployment().champion
        client.deploy(version)
    except ServiceUnavailable as error:
        raise dg.Failure(f"{error}. Start it with `rakuten up`, then deploy again.") from error
    except ServiceRefused as error:
        hint = f" Its token is read from {token_file}." if error.status in (401, 403) else ""
        raise dg.Failure(f"The prediction service refused version {version}: {error}{hint}") from error
    return previous


def _verify_or_roll_back(
    client: "Client", version: str, gold: pl.DataFrame, expected: Array, data: DataRoot
) -> Compared:
    from serving.client import ServiceRefused, ServiceUnavailable

    try:
        compared = compare(client, version, gold, expected, data)
    except (ServiceRefused, ServiceUnavailable) as error:
        raise _rolled_back(client, f"Version {version} could not answer a gold product: {error}") from error
    if not compared.products:
        raise _rolled_back(client, f"Version {version} answered none of {len(gold)} gold products.")
    # Also where the gap is no number.
    if not compared.gap <= TOLERANCE:
        raise _rolled_back(
            client, f"Version {version} answers otherwise than the stored classifier, by {compared.gap:.2g}."
        )
    return compared


def _rolled_back(client: "Client", why: str) -> dg.Failure:
    """Let the model before answer again; the result says why, and whether that went well."""
    from serving.client import ServiceRefused, ServiceUnavailable

    try:
        return dg.Failure(f"{why} The service was rolled back to version {client.rollback().champion}.")
    except (ServiceRefused, ServiceUnavailable) as error:
        return dg.Failure(f"{why} The service was not rolled back: {error}")
