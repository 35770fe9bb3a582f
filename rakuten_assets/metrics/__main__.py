"""`python -m rakuten_assets.metrics`: answers Prometheus on `RAKUTEN_METRICS_PORT`."""

import signal
from threading import Event

from prometheus_client import CollectorRegistry, start_http_server

from rakuten_assets import telemetry
from rakuten_assets.metrics.collector import Collector
from rakuten_assets.metrics.platform import platform
from rakuten_assets.settings import Settings


def main() -> None:
    """Answer until SIGTERM or Ctrl-C."""
    settings, stop = Settings(), Event()
    telemetry.start("metrics")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = CollectorRegistry()
    collector = Collector(platform(settings))
    registry.register(collector)
    collector.start()
    start_http_server(settings.metrics_port, settings.host, registry)
    stop.wait()


if __name__ == "__main__":
    main()
