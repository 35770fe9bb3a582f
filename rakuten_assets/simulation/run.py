"""The story's frame: its stage, its own platform, the programs, and what is shown at the end."""

import json
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rakuten_assets.settings import Settings
from rakuten_assets.simulation.chart import draw
from rakuten_assets.simulation.people import People
from rakuten_assets.simulation.stage import Stage
from rakuten_assets.simulation.story import Marketplace, Plan, Story

SELLERS, REVIEWERS = 20, 3


def separate(folder: Path) -> Settings:
    """Settings of a platform of its own under `folder`, for this process and for those that it starts.

    Raises RuntimeError where a real one's database, service or channels are set.
    """
    real = Settings()
    elsewhere = (real.database_url, real.serving_url, real.smtp_host, real.webhook_url_file)
    if any(elsewhere):
        raise RuntimeError(
            "A story needs a platform of its own: unset RAKUTEN_DATABASE_URL, RAKUTEN_SERVING_URL, RAKUTEN_SMTP_HOST "
            "and RAKUTEN_WEBHOOK_URL_FILE, which are those of a real one."
        )
    place = str(folder.absolute())
    os.environ |= {
        "RAKUTEN_DATA_ROOT": place,
        "RAKUTEN_STATE_DIR": place,
        "RAKUTEN_DROP_FOLDER": f"{place}/drop",
        "RAKUTEN_SERVING_TOKEN_FILE": f"{place}/serving/admin-token",
        # Weeks pass in minutes, and drift alone is to start a retraining.
        "RAKUTEN_RETRAIN_COOLDOWN_HOURS": "0",
        "RAKUTEN_RETRAIN_LABELS": "1000000",
        "RAKUTEN_SENSOR_SECONDS": "3",
        # Some products of every catalogue have no picture.
        "RAKUTEN_WEBAPP_TEXT_ONLY": "true",
    }
    return Settings()


def prepare(stage: Stage, settings: Settings) -> None:
    """Take the delivery in, and train the first champion; raises RuntimeError where that fails."""
    from rakuten_assets.core.deliveries import ingest
    from rakuten_assets.lineage import instance, materialize

    ingest(stage.delivery, settings.root)
    with instance(settings) as opened:
        outcome = materialize(opened, settings, reason="the story's first champion")
    if not outcome.success and not outcome.refused:
        raise RuntimeError("; ".join(outcome.errors))


def play(stage: Stage, plan: Plan, settings: Settings, console: Console, out: Path) -> Story:
    """Start the programs, play the story, and write `story.json` and `story.png` into `out`."""
    from rakuten_assets.lineage import instance
    from rakuten_assets.postgres import application_url
    from rakuten_assets.resources import resources
    from rakuten_assets.services import LOOP, serve, web_address
    from rakuten_assets.store.store import Store

    told: list[Story] = []

    def during() -> None:
        store = Store(application_url(settings))
        people = People(web_address(settings), store, SELLERS, REVIEWERS, plan.error_rate, plan.seed)
        try:
            with instance(settings) as opened:
                market = Marketplace(settings, opened, store, people, resources(settings)["serving"])
                told.append(market.play(stage, plan, console.print))
        finally:
            people.close()
            store.close()

    serve(settings, console, once=during, programs=LOOP)
    if not told:
        raise RuntimeError("The story was stopped before its end.")
    (story,) = told
    out.mkdir(parents=True, exist_ok=True)
    (out / "story.json").write_text(json.dumps(story.as_json(), indent=2))
    draw(story, out / "story.png")
    console.print(table(story))
    return story


def table(story: Story) -> Table:
    """The story as a table."""
    shown = Table("week", "bias", "with the loop", "without", "drift", "what came of it", title="weighted F1")
    for each in story.weeks:
        drift = "" if each.drift is None else f"{each.drift:.2f} {each.drift_in}"
        scores = f"{each.with_loop:.3f}", f"{each.without_loop:.3f}"
        shown.add_row(str(each.number), f"{each.bias:.0%}", *scores, drift, each.verdict or each.reason)
    shown.caption = f"lost without the loop {story.lost:.3f}, of which it won back {story.won_back:.0%}"
    return shown
