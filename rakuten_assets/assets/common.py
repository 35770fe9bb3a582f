"""What every asset shares: batches, groups of code, owners."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import dagster as dg
import polars as pl
from upath import UPath

from rakuten_assets.cluster import needs
from rakuten_assets.core.deliveries import batch_keys

BATCHES = "batches"

batches = dg.DynamicPartitionsDefinition(name=BATCHES)
"""Deliveries cut into batches of at most `RAKUTEN_BATCH_SIZE` products; one partition each."""

TOURNAMENT = dg.AssetKey("tournament")
IMAGE_TOURNAMENT = dg.AssetKey("image_tournament")
FUSION_TOURNAMENT = dg.AssetKey("fusion_tournament")
"""Where the models compete; held when a person wants to, so nothing waits for it."""

OWNERS = ["team:catalogue"]

Result = TypeVar("Result")


def register_batches(instance: dg.DagsterInstance, root: UPath) -> list[str]:
    """Make every batch on disk a partition; the result is all of them, in order of arrival."""
    keys = batch_keys(root)
    known = set(instance.get_dynamic_partitions(BATCHES))
    instance.add_dynamic_partitions(BATCHES, [key for key in keys if key not in known])
    return keys


def per_batch(group: str, *, kinds: set[str], code_version: str = "1", **options: Any) -> Callable:
    """An asset with a part for each batch, so that a new delivery costs what it adds."""
    return dg.asset(
        partitions_def=batches,
        group_name=group,
        kinds=kinds,
        owners=OWNERS,
        code_version=code_version,
        op_tags=needs(group),
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
        **options,
    )


def whole(group: str, *, kinds: set[str], code_version: str = "1", **options: Any) -> Callable:
    """An asset over all batches at once."""
    return dg.asset(
        group_name=group, kinds=kinds, owners=OWNERS, code_version=code_version, op_tags=needs(group), **options
    )


def ahead(function: Callable[[Any], Result], items: Iterable[Any], window: int = 64) -> Iterator[Result]:
    """`map` by threads, in order, with at most `window` results waiting: memory stays flat."""
    todo = list(items)
    with ThreadPoolExecutor(threads()) as pool:
        for start in range(0, len(todo), window):
            yield from pool.map(function, todo[start : start + window])


def threads() -> int | None:
    """As many threads as this process has been given cores, where it was given fewer than the machine has."""
    given = pl.thread_pool_size()
    return given if given < (os.cpu_count() or 1) else None


def counts(column: pl.Series) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    table = column.value_counts(sort=True)
    return {str(name): int(count) for name, count in table.iter_rows()}


def number(instance: dg.DagsterInstance, asset: str, name: str) -> int:
    """A number that an asset's last materialisation left, 0 where there is none."""
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    found = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return int(str(found[name].value)) if name in found else 0
