"""The batcher alone."""

import asyncio

import pytest

from serving.batching import Batcher
from serving.errors import Refused


def run(scenario):
    return asyncio.run(scenario)


def doubling(sizes, seconds=0.01):
    async def compute(items):
        sizes.append(len(items))
        await asyncio.sleep(seconds)
        return [2 * item for item in items]

    return compute


def test_a_lone_call_waits_for_nobody():
    sizes = []

    async def scenario():
        batcher = Batcher(doubling(sizes, 0), 32, 100)
        return [await batcher(item) for item in range(5)]

    assert run(scenario()) == [0, 2, 4, 6, 8]
    assert sizes == [1] * 5


def test_who_waits_meanwhile_shares_the_next_batch():
    sizes = []

    async def scenario():
        batcher = Batcher(doubling(sizes), 8, 100)
        return await asyncio.gather(*(batcher(item) for item in range(20)))

    assert run(scenario()) == [2 * item for item in range(20)]
    assert sizes == [8, 8, 4]


def test_an_error_reaches_its_own_batch_alone():
    async def compute(items):
        await asyncio.sleep(0)
        if 1 in items:
            raise ValueError("one")
        return items

    async def scenario():
        batcher = Batcher(compute, 2, 100)
        return await asyncio.gather(*(batcher(item) for item in range(4)), return_exceptions=True)

    results = run(scenario())
    assert [type(result) for result in results] == [ValueError, ValueError, int, int]


def test_who_has_gone_away_is_not_computed():
    sizes = []

    async def scenario():
        batcher = Batcher(doubling(sizes), 2, 100)
        calls = [asyncio.create_task(batcher(item)) for item in range(6)]
        await asyncio.sleep(0.005)
        for call in calls[2:5]:
            call.cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    results = run(scenario())
    assert results[5] == 10
    assert sizes == [2, 1]


def test_too_many_are_refused_at_once():
    async def scenario():
        batcher = Batcher(doubling([]), 2, 3)
        return await asyncio.gather(*(batcher(item) for item in range(10)), return_exceptions=True)

    results = run(scenario())
    assert [isinstance(result, Refused) for result in results] == [False] * 3 + [True] * 7
    assert results[-1].status == 429


def test_it_goes_on_after_a_pause():
    async def scenario():
        batcher = Batcher(doubling([]), 2, 3)
        first = await batcher(1)
        await asyncio.sleep(0.02)
        return first, await batcher(2)

    assert run(scenario()) == (2, 4)


@pytest.mark.parametrize("wrong", [0, 3])
def test_a_computation_that_answers_for_too_few_or_too_many_is_an_error(wrong):
    async def compute(items):
        return [0] * wrong

    async def scenario():
        return await asyncio.wait_for(Batcher(compute, 4, 10)(1), 1)

    with pytest.raises(ValueError, match="results for 1 items"):
        run(scenario())
