"""What Prometheus is told about the web app and its worker. Labels are of few values, and never say who."""

from prometheus_client import Counter, Histogram, disable_created_metrics, start_http_server

SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
WAITING = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

# A second series for each counter, of when it was first counted, which nobody asks for.
disable_created_metrics()

REQUESTS = Histogram(
    "rakuten_webapp_request_seconds",
    "Time of a request, by method, route and status",
    ["method", "route", "status"],
    buckets=SECONDS,
)
SIGN_INS = Counter("rakuten_webapp_sign_ins", "Sign-ins", ["kind", "outcome"])
SUBMISSIONS = Counter("rakuten_webapp_submissions", "Products that were submitted", ["source"])
PICTURES = Counter("rakuten_webapp_picture_bytes", "Bytes of the pictures that were sent", ["source"])
SERVICE = Histogram(
    "rakuten_webapp_service_call_seconds", "Calls of the prediction service", ["path", "outcome"], buckets=SECONDS
)

CLASSIFIED = Counter("rakuten_worker_classified", "Products that the worker has dealt with", ["outcome"])
RETRIES = Counter("rakuten_worker_retries", "Jobs that are due again later", ["kind"])
ERRORS = Counter("rakuten_worker_errors", "Failures of the worker itself", ["kind"])
WAITED = Histogram("rakuten_worker_wait_seconds", "From the submission until its answer is stored", buckets=WAITING)

for _kind in ("browser", "api"):
    for _outcome in ("ok", "refused"):
        SIGN_INS.labels(_kind, _outcome)
for _source in ("form", "api", "bulk"):
    SUBMISSIONS.labels(_source)
    PICTURES.labels(_source)
for _outcome in ("proposed", "to_confirm", "refused"):
    CLASSIFIED.labels(_outcome)
for _kind in ("classify", "import"):
    RETRIES.labels(_kind)
for _kind in ("classify", "import", "loop"):
    ERRORS.labels(_kind)


def called(path: str, outcome: str, seconds: float) -> None:
    """A call of the prediction service has ended; for its client."""
    SERVICE.labels(path, outcome).observe(seconds)


def serve(port: int, host: str) -> None:
    """Answer Prometheus on a port of its own, which no proxy shows to the public; 0 is none."""
    if port:
        start_http_server(port, host)
