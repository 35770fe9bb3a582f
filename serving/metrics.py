"""What Prometheus is told about the models, apart for each version and role."""

import os
from collections.abc import Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as written
from prometheus_client.multiprocess import MultiProcessCollector

from serving.schemas import ItemPrediction, Role

SHARES = [step / 20 for step in range(1, 21)]
SECONDS = [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56]
SIZES = [1, 2, 4, 8, 16, 32, 64]

MODEL = ["version", "role"]

PREDICTIONS = Counter("rakuten_predictions", "Products classified, by answered category", [*MODEL, "code"])
CONFIDENCE = Histogram("rakuten_confidence", "Confidence of the answered category", MODEL, buckets=SHARES)
NEEDS_REVIEW = Counter("rakuten_needs_review", "Answers that a person must look at", [*MODEL, "reason"])
INFERENCE = Histogram("rakuten_inference_seconds", "Time of a batch in the model", MODEL, buckets=SECONDS)
BATCH = Histogram("rakuten_batch_size", "Products in a batch", MODEL, buckets=SIZES)
REFUSED = Counter("rakuten_refused", "Requests and products that were refused", ["code"])
AGREEMENT = Counter("rakuten_shadow_agreement", "Shadow answers beside the champion's", ["version", "agrees"])
DROPPED = Counter("rakuten_shadow_dropped", "Products that a shadow was too slow for", ["version"])
WAITED = Histogram("rakuten_batch_wait_seconds", "Time that a product waited for its batch", buckets=SECONDS)

REQUESTS = Histogram(
    "rakuten_serving_request_seconds", "Time of a request, by route and status", ["route", "status"], buckets=SECONDS
)

# Workers follow one board; whoever changed last knows best, also of those that have ended.
LOADED = Gauge("rakuten_serving_model", "1 for each model that is loaded", MODEL, multiprocess_mode="mostrecent")
GENERATION = Gauge("rakuten_serving_generation", "Changes of the deployment so far", multiprocess_mode="mostrecent")
FAILED = Counter("rakuten_serving_load_failures", "Deployments that a worker could not take on")


def observe(answer: ItemPrediction, role: Role) -> None:
    """Count one answer."""
    version, best = answer.model_version, answer.categories[0]
    PREDICTIONS.labels(version, role, best.code).inc()
    CONFIDENCE.labels(version, role).observe(best.confidence)
    if answer.review:
        NEEDS_REVIEW.labels(version, role, answer.review.code).inc()


def loaded(models: Mapping[Role, str], generation: int) -> None:
    """Tell which versions this process has loaded, by role; what it had before is gone."""
    for labels in list(_LOADED):
        LOADED.labels(*labels).set(0)
    _LOADED[:] = [(version, role) for role, version in models.items()]
    for labels in _LOADED:
        LOADED.labels(*labels).set(1)
    GENERATION.set(generation)


_LOADED: list[tuple[str, Role]] = []

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    """What all workers have counted. BentoML's own route would add metrics labelled with whatever path was called."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return Response(written(registry), media_type=CONTENT_TYPE_LATEST)
