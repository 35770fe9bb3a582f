"""What a person sees while something long is running."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True)

# Often enough to look alive, seldom enough to cost nothing.
POLL_SECONDS = 1.0


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """One bar: the block is given a function of (done, total)."""
    with _progress() as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage: the block is given a function of (stage, done, total)."""
    with _progress() as progress:
        tasks: dict[str, TaskID] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield update


@contextmanager
def steps(instance: dg.DagsterInstance) -> Iterator[None]:
    """A line for each asset that runs on `instance` from now on, read from its event log."""
    stop = threading.Event()
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
        watcher = threading.Thread(target=_watch, args=(instance, progress, stop), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


def _watch(instance: dg.DagsterInstance, progress: Progress, stop: threading.Event) -> None:
    tasks: dict[tuple[str, str], TaskID] = {}
    before = {run.run_id for run in instance.get_runs(limit=50)}
    while True:
        last = stop.wait(POLL_SECONDS)
        for run in instance.get_runs(limit=10):
            if run.run_id not in before:
                _show(instance, progress, run, tasks)
        if last:
            return


def _show(
    instance: dg.DagsterInstance, progress: Progress, run: dg.DagsterRun, tasks: dict[tuple[str, str], TaskID]
) -> None:
    partition = run.tags.get("dagster/partition")
    for step in instance.get_run_step_stats(run.run_id):
        key = (run.run_id, step.step_key)
        if key not in tasks:
            title = f"{step.step_key} {partition or ''}"
            tasks[key] = progress.add_task(title, total=1)
        if step.end_time and not progress.tasks[tasks[key]].finished:
            done = step.status is not None and step.status.value == "SUCCESS"
            mark = "[green]✓[/green]" if done else "[red]✗[/red]"
            progress.update(tasks[key], completed=1, description=f"{mark} {step.step_key} {partition or ''}")


def _progress() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)
