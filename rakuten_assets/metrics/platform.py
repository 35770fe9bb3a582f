"""The sources of the platform: the operational database, Dagster, MLflow, and the machine.

Moments are seconds since 1970, as Prometheus wants them: `time() - metric` is an age, also of a value read a while ago.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import cache

from dagster import DagsterInstance
from prometheus_client import Metric

from rakuten_assets.metrics import dagster_source
from rakuten_assets.metrics.collector import Value, gauge
from rakuten_assets.settings import Settings
from rakuten_assets.store.figures import Figures, Numbers
from rakuten_assets.store.records import DriftReport, ModelReport

# Models that are told apart: today's, the one before, and some that were refused.
MODELS = 5

KINDS = ("text", "image", "stacked")
GPU = ("utilization.gpu", "memory.used", "memory.total")
MEBIBYTE = 2**20

# Open for as long as the process lives.
_OPEN = ExitStack()


def platform(settings: Settings) -> Mapping[str, Callable[[], Iterable[Metric]]]:
    """How to read each source; its connections are opened by the first read that succeeds, and kept."""
    figures, instance = cache(lambda: _figures(settings)), cache(lambda: _instance(settings))
    return {
        "store": lambda: store(figures().read()),
        "dagster": lambda: dagster_source.read(instance()),
        "mlflow": lambda: mlflow(settings.mlflow_address),
        "machine": lambda: machine(settings),
    }


def _figures(settings: Settings) -> Figures:
    from rakuten_assets.postgres import application_url
    from rakuten_assets.store.database import connect

    return Figures(connect(application_url(settings)))


def _instance(settings: Settings) -> DagsterInstance:
    from rakuten_assets.lineage import instance

    opened: DagsterInstance = _OPEN.enter_context(instance(settings))
    return opened


def store(now: Numbers) -> Iterator[Metric]:
    """What people and models did, from the operational database."""
    yield gauge("rakuten_products", "Submitted products", [([s], n) for s, n in now.products.items()], ["state"])
    waiting = now.outbox.items()
    yield gauge("rakuten_outbox_jobs", "Jobs that wait for a worker", [([k], w.count) for k, w in waiting], ["kind"])
    failing = [([kind], each.failing) for kind, each in waiting]
    yield gauge("rakuten_outbox_failing_jobs", "Jobs of which an attempt has failed", failing, ["kind"])
    oldest = [([kind], each.oldest.timestamp()) for kind, each in waiting if each.oldest]
    yield gauge("rakuten_outbox_oldest_timestamp_seconds", "When the oldest job was written", oldest, ["kind"])
    yield gauge("rakuten_reviews_waiting", "Products that wait for an administrator", now.reviews.count)
    yield _moment(
        "rakuten_reviews_oldest_timestamp_seconds", "When the oldest of them was submitted", now.reviews.oldest
    )
    ratio: list[Value] = [([], now.accepted / now.decided)] if now.decided else []
    yield gauge("rakuten_acceptance_ratio", "Answers that sellers let stand, of the last", ratio)
    yield gauge("rakuten_acceptance_decisions", "Decisions that the ratio is of, at most 200", now.decided)
    said = [(list(key), number) for key, number in now.feedback.items()]
    yield gauge("rakuten_feedback", "What people said of products, so far", said, ["role", "action"])
    asked = [([state], number) for state, number in now.retrainings.items()]
    yield gauge("rakuten_retrainings", "Retrainings that administrators asked for", asked, ["state"])
    yield gauge("rakuten_notifications_waiting", "News that no channel has taken yet", now.notifications.count)
    yield gauge("rakuten_notifications_failing", "News that a channel has refused", now.notifications.failing)
    yield from _drift(now.drift)
    yield from _models(now.models)


def _drift(report: DriftReport | None) -> Iterator[Metric]:
    found = [report] if report else []
    scores: list[Value] = [([], each.score) for each in found]
    yield gauge("rakuten_drift_score", "Drift of the last report: from its limit on, it is drift", scores)
    yield gauge("rakuten_drift_limit", "What chance explains", 1.0)
    yield _moment("rakuten_drift_report_timestamp_seconds", "When it was measured", report.at if report else None)
    yield gauge("rakuten_drift_report_rows", "Answers that it is about", [([], each.rows) for each in found])
    parts = [([part["name"], part["kind"]], float(part["score"])) for each in found for part in each.parts]
    yield gauge("rakuten_drift_part_score", "Drift of each part", parts, ["part", "kind"])


def _models(models: Sequence[ModelReport]) -> Iterator[Metric]:
    """The newest of them, so that their number has an end."""
    scores = [(model, model.report.get("gold") or {}, model.report.get("live_gold")) for model in models[:MODELS]]
    gold = [
        ([model.version, kind], float(found[kind]["weighted_f1"]))
        for model, found, _ in scores
        for kind in KINDS
        if found.get(kind)
    ]
    live = [([model.version], float(found["weighted_f1"])) for model, _, found in scores if found]
    yield gauge("rakuten_gold_f1_ratio", "Weighted F1 on the frozen gold rows", gold, ["version", "kind"])
    yield gauge("rakuten_live_gold_f1_ratio", "Weighted F1 on the gold rows of production", live, ["version"])
    yield gauge("rakuten_models_judged", "Models that the gate has judged, at most 50", len(models))
    champion = next((model for model in models if model.promoted), None)
    info = [([champion.version, champion.number], 1.0)] if champion else []
    yield gauge("rakuten_champion", "1 for the model that was promoted last", info, ["version", "number"])
    at = champion.at if champion else None
    yield _moment("rakuten_champion_promoted_timestamp_seconds", "When it was promoted", at)


def mlflow(address: str) -> Iterator[Metric]:
    """The champion in MLflow's registry, by its HTTP interface: a program that answers is up."""
    import httpx

    from rakuten_assets.registry import MODEL

    asked = {"name": MODEL, "alias": "champion"}
    answer = httpx.get(f"{address}/api/2.0/mlflow/registered-models/alias", params=asked, timeout=5)
    found = answer.json().get("model_version") if answer.status_code == 200 else None
    if found is None and answer.status_code not in (400, 404):
        answer.raise_for_status()
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])} if found else {}
    known = [([tags.get("content", ""), str(found["version"])], 1.0)] if found else []
    yield gauge("rakuten_registry_champion", "1 for the champion of the registry", known, ["version", "number"])


def machine(settings: Settings) -> Iterator[Metric]:
    """This machine, in a few numbers; on many machines, Prometheus' node exporter says more."""
    import psutil

    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(settings.local_state))
    yield gauge("rakuten_machine_cpu_busy_ratio", "Share of the cores since the last read", psutil.cpu_percent() / 100)
    yield gauge("rakuten_machine_memory_bytes", "Memory", memory.total)
    yield gauge("rakuten_machine_memory_available_bytes", "Memory that programs may still take", memory.available)
    yield gauge("rakuten_machine_disk_bytes", "Disk of the state folder", disk.total)
    yield gauge("rakuten_machine_disk_free_bytes", "What is free of it", disk.free)
    busy, used, total = _gpus()
    yield gauge("rakuten_machine_gpu_busy_ratio", "Share of the time in which the GPU worked", busy, ["gpu"])
    yield gauge("rakuten_machine_gpu_memory_used_bytes", "Memory of the GPU in use", used, ["gpu"])
    yield gauge("rakuten_machine_gpu_memory_bytes", "Memory of the GPU", total, ["gpu"])


def _gpus() -> list[list[tuple[list[str], float]]]:
    """Utilisation, used and whole memory of each GPU; nothing where the driver's own tool is missing."""
    if not (tool := shutil.which("nvidia-smi")):
        return [[], [], []]
    command = [tool, f"--query-gpu={','.join(GPU)}", "--format=csv,noheader,nounits"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    rows = [[value.strip() for value in line.split(",")] for line in said.splitlines()]
    # A GPU that is shared out, or that has no memory of its own, says [N/A].
    return [
        [([str(gpu)], float(row[at]) * scale) for gpu, row in enumerate(rows) if not row[at].startswith("[")]
        for at, scale in enumerate((0.01, MEBIBYTE, MEBIBYTE))
    ]


def _moment(name: str, help: str, at: datetime | None) -> Metric:
    """A moment; none where there is nothing."""
    return gauge(name, help, [([], at.timestamp())] if at else [])
