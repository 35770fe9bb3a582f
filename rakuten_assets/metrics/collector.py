"""Sources that are read now and then, and answers to Prometheus that never wait for them."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from rakuten_assets import telemetry

log = logging.getLogger(__name__)

# Between two reads of a source. What people look at changes by the minute.
EVERY_SECONDS = 15.0

# A source that has not answered for so many reads is down, whether it fails or hangs.
MISSED = 3

Value = tuple[Sequence[str], float]
"""The labels of a sample, and its value."""


def gauge(name: str, help: str, values: float | Iterable[Value], labels: Sequence[str] = ()) -> Metric:
    """A gauge of one value, or of one for each of its labels."""
    if isinstance(values, int | float):
        return GaugeMetricFamily(name, help, value=values)
    family = GaugeMetricFamily(name, help, labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


class Source:
    """One source: what it said last, when, and how long that took."""

    def __init__(self, name: str, read: Callable[[], Iterable[Metric]], every: float = EVERY_SECONDS) -> None:
        """`read` gives all metrics of the source; what it raises means that the source is down."""
        self.name, self.every = name, every
        self._read = read
        self._said: list[Metric] = []
        self._at = -float("inf")
        self.seconds = 0.0

    def refresh(self) -> None:
        """Read it once; a failure is logged when it begins."""
        start = time.monotonic()
        try:
            self._said = list(self._read())
            self._at = time.monotonic()
        except Exception as error:  # whatever it is, the others go on, and this one is asked again
            if self.up:
                log.warning("The source %s is down: %s", self.name, telemetry.describe(error))
            self._at = -float("inf")
        self.seconds = time.monotonic() - start

    @property
    def up(self) -> bool:
        """Whether its last answer is fresh enough to be told."""
        return time.monotonic() - self._at < MISSED * self.every

    def metrics(self) -> Iterator[Metric]:
        if self.up:
            yield from self._said

    def follow(self) -> None:
        """Read it for as long as the process lives."""
        while True:
            self.refresh()
            time.sleep(self.every)


class Collector:
    """Answers with what the sources said last, in a time that does not depend on them."""

    def __init__(self, sources: Mapping[str, Callable[[], Iterable[Metric]]], every: float = EVERY_SECONDS) -> None:
        self.sources = [Source(name, read, every) for name, read in sources.items()]

    def start(self) -> None:
        """Read each source in a thread of its own: one that hangs keeps no other waiting."""
        for source in self.sources:
            threading.Thread(target=source.follow, name=source.name, daemon=True).start()

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: Prometheus' client would collect all to find out."""
        return []

    def collect(self) -> Iterator[Metric]:
        ups = [([source.name], float(source.up)) for source in self.sources]
        yield gauge("rakuten_metrics_source_up", "1 where the source answers", ups, ["source"])
        seconds = [([source.name], source.seconds) for source in self.sources]
        yield gauge("rakuten_metrics_source_read_seconds", "How long the last read took", seconds, ["source"])
        for source in self.sources:
            yield from source.metrics()
