"""Adaptive batching: whoever waits while a batch is computed makes up the next one."""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from opentelemetry.context import Context, get_current

from rakuten_assets import telemetry
from serving import metrics
from serving.errors import Refused

Item = TypeVar("Item")
Result = TypeVar("Result")

Compute = Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]


@dataclass(eq=False)
class Call(Generic[Item, Result]):
    """An item that waits for its result, since when (nanoseconds since 1970), and the trace that it is a part of."""

    item: Item
    future: asyncio.Future[Result]
    since: int = field(default_factory=time.time_ns)
    context: Context = field(default_factory=get_current)

    def begun(self, size: int) -> None:
        """It waits no longer; what is waited for now is the model."""
        telemetry.record("batch wait", self.context, self.since, {"batch.size": size})
        now = time.time_ns()
        metrics.WAITED.observe((now - self.since) / 1e9)
        self.since = now

    def computed(self, size: int) -> None:
        telemetry.record("model inference", self.context, self.since, {"batch.size": size})


class Batcher(Generic[Item, Result]):
    """Turns single calls into batches of at most `most`; a lone call never waits for others.

    The size adapts by itself: the slower the batches, the more calls have gathered when the next one starts.
    """

    def __init__(self, compute: Compute[Item, Result], most: int, waiting: int) -> None:
        self._compute = compute
        self._most = most
        self._waiting = waiting
        self._queue: deque[Call[Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The item's result; raises `Refused` where too many are waiting already."""
        if len(self._queue) >= self._waiting:
            raise Refused(429, "overloaded", f"{self._waiting} products are waiting already: try again in a second.")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(Call(item, future))
        if self._running is None:
            # In no caller's context: a batch is not the request of the first that came.
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._running = None

    def _next(self) -> list[Call[Item, Result]]:
        """The longest-waiting calls, without those whose callers have gone away."""
        batch: list[Call[Item, Result]] = []
        while self._queue and len(batch) < self._most:
            call = self._queue.popleft()
            if not call.future.done():
                batch.append(call)
        return batch

    async def _answer(self, batch: list[Call[Item, Result]]) -> None:
        for call in batch:
            call.begun(len(batch))
        try:
            results = await self._compute([call.item for call in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items.")
        except Exception as error:  # whoever asked gets it; the next batch is another one
            for call in batch:
                if not call.future.done():
                    call.future.set_exception(error)
            return
        for call, result in zip(batch, results, strict=True):
            call.computed(len(batch))
            if not call.future.done():
                call.future.set_result(result)
