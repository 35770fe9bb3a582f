"""What Prometheus is told about the models, apart for each version and role."""

from prometheus_client import Counter, Histogram

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


def observe(answer: ItemPrediction, role: Role) -> None:
    """Count one answer."""
    version, best = answer.model_version, answer.categories[0]
    PREDICTIONS.labels(version, role, best.code).inc()
    CONFIDENCE.labels(version, role).observe(best.confidence)
    if answer.review:
        NEEDS_REVIEW.labels(version, role, answer.review.code).inc()
