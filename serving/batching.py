"""Adaptive batching: whoever waits while a batch is computed makes up the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from serving.errors import Refused

Item = TypeVar("Item")
Result = TypeVar("Result")

Compute = Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]


class Batcher(Generic[Item, Result]):
    """Turns single calls into batches of at most `most`; a lone call never waits for others.

    The size adapts by itself: the slower the batches, the more calls have gathered when the next one starts.
    """

    def __init__(self, compute: Compute[Item, Result], most: int, waiting: int) -> None:
        self._compute = compute
        self._most = most
        self._waiting = waiting
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The item's result; raises `Refused` where too many are waiting already."""
        if len(self._queue) >= self._waiting:
            raise Refused(429, "overloaded", f"{self._waiting} products are waiting already: try again in a second.")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._running = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """The longest-waiting calls, without those whose callers have gone away."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._queue and len(batch) < self._most:
            item, future = self._queue.popleft()
            if not future.done():
                batch.append((item, future))
        return batch

    async def _answer(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._compute([item for item, _ in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results for {len(batch)} items.")
        except Exception as error:  # whoever asked gets it; the next batch is another one
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
