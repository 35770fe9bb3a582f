"""Changing which models answer: one change at a time, carried out by every worker or by none."""

import asyncio
import time

from serving.errors import Refused
from serving.live import Live, aside
from serving.schemas import Challenger, Deployment, DeploymentReport

# Loading takes seconds; a worker that needs longer than this has a problem.
PATIENCE_SECONDS = 45
POLL_SECONDS = 0.05


def report(live: Live) -> DeploymentReport:
    """What is wanted, and what each worker has made of it."""
    return DeploymentReport(**_now(live).model_dump(), workers=live.board.workers())


async def deploy(live: Live, version: str) -> DeploymentReport:
    """Let `version` answer; raises `Refused` (404, 409), and then what answered before goes on."""
    with live.board.exclusive():
        now = _now(live)
        if version == now.champion == report(live).answering:
            return report(live)
        await _prepare(live, now, version)
        others = {known: reason for known, reason in now.rejected.items() if known != version}
        rest = None if now.challenger and now.challenger.version == version else now.challenger
        return await _carry_out(
            live, now, champion=version, previous=now.champion, challenger=rest, rejected=others, doubted=version
        )


async def challenge(live: Live, challenger: Challenger | None) -> DeploymentReport:
    """Let a challenger run beside the champion, or (None) no longer."""
    with live.board.exclusive():
        now = _now(live)
        if challenger is None:
            return await _carry_out(live, now, challenger=None)
        if challenger.version == now.champion:
            raise Refused(409, "is_champion", f"Version {challenger.version} is the champion itself.")
        await _prepare(live, now, challenger.version)
        return await _carry_out(live, now, challenger=challenger, doubted=challenger.version)


async def rollback(live: Live) -> DeploymentReport:
    """Let the model answer that answered before; the one that did until now is rejected."""
    with live.board.exclusive():
        now = _now(live)
        if now.previous is None or now.champion is None:
            raise Refused(409, "nothing_before", "There is no model to roll back to.")
        await aside(live.prepare, now.previous)
        rejected = now.rejected | {now.champion: "rolled back"}
        return await _carry_out(live, now, champion=now.previous, previous=None, rejected=rejected)


def _now(live: Live) -> Deployment:
    return live.board.read() or live.deployment


async def _prepare(live: Live, now: Deployment, version: str) -> None:
    """Load and check the model here, before anyone is asked to change; one that cannot be trusted is remembered."""
    try:
        await aside(live.prepare, version)
    except Refused as error:
        if error.status == 409:
            _write(live, now, rejected=now.rejected | {version: error.message})
        raise


async def _carry_out(live: Live, now: Deployment, doubted: str | None = None, **changes: object) -> DeploymentReport:
    """Write the change down and wait until every worker has made it; where one cannot, take it back everywhere."""
    wanted = _write(live, now, **changes)
    problem = await _made(live, wanted.generation)
    if problem:
        rejected = now.rejected | ({doubted: problem} if doubted else {})
        before = now.model_dump(exclude={"generation", "rejected"})
        await _made(live, _write(live, wanted, **before, rejected=rejected).generation)
        raise Refused(409, "not_taken_on", f"{problem} What answered before goes on.")
    return report(live)


def _write(live: Live, now: Deployment, **changes: object) -> Deployment:
    wanted = Deployment.model_validate(now.model_dump() | changes | {"generation": now.generation + 1})
    live.board.write(wanted)
    return wanted


async def _made(live: Live, generation: int) -> str | None:
    """Wait for all workers; the result is what went wrong, if anything did."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        notes = live.board.workers()
        failed = next((note for note in notes if note.generation >= generation and note.error), None)
        if failed:
            return f"Worker {failed.pid} says: {failed.error}"
        if notes and all(note.generation >= generation for note in notes):
            return None
        await asyncio.sleep(POLL_SECONDS)
    return f"Not every worker followed within {PATIENCE_SECONDS} seconds."
