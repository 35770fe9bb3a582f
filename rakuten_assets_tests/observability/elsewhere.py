"""What does not run beside the tests, as an exporter of the same metrics: GPUs, the daemon, and what takes weeks."""

import time

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily

from rakuten_assets.metrics.collector import gauge
from rakuten_assets_tests.serving.conftest import free_port

# Panels of which a metric needs what is not here, and what that is.
ABSENT = {
    ("dagster", "Backup"): "a backup is made at night",
    ("dagster", "Daemons"): "the daemon would start trainings",
    ("dagster", "Sensors and schedules"): "the daemon would start trainings",
    ("machine", "GPU"): "no GPU",
    ("machine", "Memory of the GPU"): "no GPU",
    ("model", "A shadow beside the champion"): "nobody deploys a shadow",
    ("model", "F1 in production"): "people must have labelled gold rows",
    ("model", "F1 in production by model"): "people must have labelled gold rows",
}


class Elsewhere:
    """Metrics by the names and labels of the catalogue; `test_every_metric_is_documented…` holds both together."""

    def describe(self):
        return []

    def collect(self):
        now = time.time()
        kinds = ["kind", "name"]
        yield gauge("rakuten_champion", "", [(["a", "3"], 1)], ["version", "number"])
        yield gauge("rakuten_dagster_daemon_heartbeat_timestamp_seconds", "", [(["SENSOR"], now - 12)], ["daemon"])
        yield gauge("rakuten_dagster_job_success_timestamp_seconds", "", [(["backup"], now - 7200)], ["job"])
        yield gauge("rakuten_dagster_tick_failed", "", [(["sensor", "new_batches"], 0)], kinds)
        yield gauge("rakuten_live_gold_f1_ratio", "", [(["a"], 0.78)], ["version"])
        yield gauge("rakuten_machine_gpu_busy_ratio", "", [(["0"], 0.6)], ["gpu"])
        yield gauge("rakuten_machine_gpu_memory_bytes", "", [(["0"], 80e9)], ["gpu"])
        yield gauge("rakuten_machine_gpu_memory_used_bytes", "", [(["0"], 30e9)], ["gpu"])
        agreed = CounterMetricFamily("rakuten_shadow_agreement", "", labels=["version", "agrees"])
        agreed.add_metric(["b", "true"], now)
        yield agreed


def serve():
    """Its address, and what ends it."""
    registry = CollectorRegistry()
    registry.register(Elsewhere())
    port = free_port()
    server, _ = start_http_server(port, "127.0.0.1", registry)
    return f"127.0.0.1:{port}", server.shutdown
