"""The command `rakuten`: one verb a line, with progress for people and exit codes for scripts."""

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rakuten_assets import user_commands
from rakuten_assets.backup import commands as backup_commands
from rakuten_assets.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
app.add_typer(user_commands.app, name="user")
app.add_typer(backup_commands.app, name="backup")
app.command()(backup_commands.restore)
app.command()(backup_commands.purge)
console = Console(stderr=True)

# Exit codes beside 0: 1 for what failed, 2 for what was asked wrongly (typer's own), and this one, so that a
# script can tell a broken lineage from a challenger that was rightly sent away.
REFUSED = 3

Json = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]
Seed = Annotated[int, typer.Option(help="Same seed, same catalogue.")]


@app.callback()
def quiet() -> None:
    # Dagster tells every event on the console; here the progress does, and the UI has them all.
    warnings.filterwarnings("ignore", module="dagster")
    for name in ("dagster", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    products: Annotated[int, typer.Option(min=1, help="How many products.")] = 4000,
    seed: Seed = 0,
    new: Annotated[bool, typer.Option("--new", help="Name the files New_* as later deliveries do.")] = False,
    first_id: Annotated[int, typer.Option(help="First productid, so that two samples do not collide.")] = 1,
    unlabelled: Annotated[int, typer.Option(help="Also write this many products without labels.")] = 0,
) -> None:
    """Write a synthetic catalogue in the challenge's file format, with the truth about its defects."""
    from rakuten_assets.core.sample import write_sample
    from rakuten_assets.progress import bar

    with bar("drawing products") as advance:
        write_sample(
            out,
            products,
            seed,
            prefix="new" if new else "challenge",
            first_id=first_id,
            unlabelled=unlabelled,
            progress=advance,
        )
    console.print(f"{products} products in [bold]{out}[/bold]")


@app.command()
def ingest(
    delivery: Annotated[Path, typer.Argument(help="Folder or ZIP with X_train_update.csv or New_X_train.csv.")],
) -> None:
    """Take in a delivery: check it, set bad rows aside with their reasons, cut the rest into batches."""
    from rakuten_assets.assets.common import register_batches
    from rakuten_assets.core.deliveries import DeliveryError
    from rakuten_assets.core.deliveries import ingest as take_in
    from rakuten_assets.lineage import instance
    from rakuten_assets.postgres import lock
    from rakuten_assets.progress import stages

    settings = _ready()
    try:
        # Two at once could both accept a product that both deliver.
        with lock("deliveries", settings), stages() as report:
            taken = take_in(delivery, settings.root, batch_size=settings.batch_size, progress=report)
    except (DeliveryError, OSError) as error:
        raise _failed(str(error)) from error
    with instance(settings) as opened:
        register_batches(opened, settings.root)
    table = Table(title=f"{taken.id}{' (known already: nothing changed)' if taken.already_known else ''}")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in (
        ("accepted products", taken.accepted),
        ("pictures", taken.pictures),
        ("batches", len(taken.batches)),
        ("products set aside", taken.quarantined),
        *((f"  {reason}", count) for reason, count in taken.reasons.items()),
    ):
        table.add_row(name, f"{count:,}")
    console.print(table)


@app.command()
def materialize(
    select: Annotated[list[str] | None, typer.Option(help="Only these assets; may be repeated.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write a JSON summary to this file.")] = None,
    fresh: Annotated[bool, typer.Option(help="Compute batches again that are computed already.")] = False,
    reason: Annotated[str, typer.Option(help="Written on the runs.")] = "rakuten materialize",
) -> None:
    """Run the lineage from the batches to the champion; exits with 3 where the gate refused the challenger."""
    from rakuten_assets import cluster, lineage
    from rakuten_assets.assets.common import register_batches
    from rakuten_assets.progress import steps

    settings = _ready()
    _or_fail(lambda: cluster.check(settings))
    with lineage.instance(settings) as opened:
        if not register_batches(opened, settings.root):
            raise _failed("There is no delivery yet: run `rakuten ingest DIR` first.")
        _check_names(select)
        with steps(opened):
            outcome = lineage.materialize(opened, settings, select=select, reason=reason, fresh=fresh)
        result = lineage.summary(opened, settings, outcome)
    if summary:
        _write(summary, result)
    _show(result)
    for name, entries in result["leaderboards"].items():
        _show_leaderboard(name, entries)
    if outcome.refused:
        raise typer.Exit(REFUSED)
    if not outcome.success:
        raise _failed("\n".join(outcome.errors) or "The lineage failed; its runs are in the Dagster UI.")


@app.command()
def evaluate(
    x: Annotated[Path, typer.Option("--x", help="Products, as the challenge's X file.")],
    y: Annotated[Path, typer.Option("--y", help="Their categories, as the challenge's Y file.")],
    images: Annotated[Path | None, typer.Option(help="Folder with their pictures.")] = None,
    json_file: Json = None,
) -> None:
    """Score the champion on labelled products that it has never seen."""
    from rakuten_assets import batch_tools
    from rakuten_assets.progress import bar

    classifier = _champion()
    with bar("classifying products") as advance:
        result = _or_fail(lambda: batch_tools.evaluate(classifier, x, y, images, advance))
    if json_file:
        _write(json_file, result)
    _show_scores(result)
    for problem, count in result["without_picture"].items():
        console.print(f"{count} products judged by their text alone: {problem}")


@app.command()
def predict(
    dataset_path: Annotated[Path, typer.Option(help="Products, as the challenge's X file.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write.")],
    images_path: Annotated[Path | None, typer.Option(help="Folder with their pictures.")] = None,
    top: Annotated[int, typer.Option(min=1, max=27, help="How many categories a product gets.")] = 3,
) -> None:
    """Classify products: one row each, with the likeliest categories and their confidences."""
    from rakuten_assets import batch_tools
    from rakuten_assets.progress import bar

    def here(advance: batch_tools.Progress) -> int:
        answers = batch_tools.by(batch_tools.load_champion(settings), images_path)
        return batch_tools.predict(answers, dataset_path, out, top, advance).height

    def on_cluster(advance: batch_tools.Progress) -> int:
        from rakuten_assets import ray_jobs

        return ray_jobs.predict(settings, dataset_path, images_path, out, top, advance)

    settings = Settings()
    with bar("classifying products") as advance:
        rows = _or_fail(lambda: (on_cluster if settings.ray_address else here)(advance))
    console.print(f"{rows} rows in [bold]{out}[/bold]")


@app.command()
def up() -> None:
    """Start every service on the data that is there, and stop them all on Ctrl-C or with the terminal."""
    from rakuten_assets.services import serve

    try:
        serve(_ready(), console)
    except RuntimeError as error:
        raise _failed(str(error)) from error


@app.command()
def demo(
    products: Annotated[int, typer.Option(min=300, help="Size of the sample catalogue.")] = 4000,
    seed: Seed = 0,
    once: Annotated[bool, typer.Option("--once", help="End after one product was classified.")] = False,
) -> None:
    """Sample catalogue, whole lineage, then all services: everything from nothing."""
    from rakuten_assets.demonstration import accounts, submit_one
    from rakuten_assets.services import refuse_a_second_time, serve

    settings = Settings()
    # Before minutes of training, not after.
    _or_fail(lambda: refuse_a_second_time(settings))
    folder = settings.local_state / "sample" / f"{products}-{seed}"
    if not (folder / "truth.json").exists():
        sample(folder, products, seed)
    ingest(folder)
    materialize(reason="rakuten demo")
    people = accounts(settings)
    table = Table("role", "e-mail", "password", title="demo accounts")
    for person in people:
        table.add_row(person.role, person.email, person.password)
    console.print(table)
    if once:
        _or_fail(lambda: serve(settings, console, once=lambda: submit_one(settings, people[0], console)))
    else:
        up()


@app.command()
def simulate(
    weeks: Annotated[int, typer.Option(min=1, help="Weeks over which the bias rises.")] = 4,
    max_drift: Annotated[float, typer.Option(min=0, max=0.3, help="Bias of the last week: 0.3 is 30 %.")] = 0.3,
    catalogue: Annotated[
        Path | None, typer.Option(exists=True, help="Labelled texts to play it on, instead of a sample.")
    ] = None,
    products: Annotated[int, typer.Option(min=1200, help="Size of the sample catalogue.")] = 4000,
    per_week: Annotated[int, typer.Option(min=250, help="Products that sellers submit in a week.")] = 500,
    reviews: Annotated[int, typer.Option(min=0, help="Products that reviewers look at in a week.")] = 200,
    error_rate: Annotated[float, typer.Option(min=0, max=1, help="How often people err.")] = 0.05,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the story; by default in the state folder.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Play the drift story on a platform of its own: quality falls, the loop notices, learns, and wins it back."""
    from rakuten_assets.services import refuse_a_second_time
    from rakuten_assets.simulation import run, stage
    from rakuten_assets.simulation.story import Plan

    folder = (out or Settings().local_state / "simulation").absolute()
    if (folder / "story.json").exists() or (folder / "deliveries").exists():
        raise _failed(f"{folder} holds a story already: name another folder with --out, or delete it.")
    plan = Plan(weeks, max_drift, per_week, reviews, error_rate, seed)
    settings = _or_fail(lambda: run.separate(folder))
    _or_fail(lambda: refuse_a_second_time(settings))
    with console.status("setting the stage"):
        if catalogue:
            set_up = _or_fail(lambda: stage.own(catalogue, folder / "stage", seed))
        else:
            set_up = stage.invented(folder / "stage", products, per_week * (weeks + 1), seed)
    with console.status("training the first champion"):
        _or_fail(lambda: run.prepare(set_up, settings))
    story = _or_fail(lambda: run.play(set_up, plan, settings, console, folder))
    if json_file:
        _write(json_file, story.as_json())


def _ready() -> Settings:
    """The settings, with a data root that can be used."""
    from rakuten_assets.bucket import make_ready

    settings = Settings()
    _or_fail(lambda: make_ready(settings.root))
    return settings


def _champion() -> Any:
    from rakuten_assets.batch_tools import load_champion

    return _or_fail(lambda: load_champion(Settings()))


def _or_fail(action: Any) -> Any:
    """The action's result; what the user can mend becomes one sentence and exit code 1."""
    try:
        return action()
    except (ValueError, OSError, LookupError, RuntimeError) as error:
        raise _failed(str(error)) from error


def _failed(message: str) -> typer.Exit:
    console.print(message, style="bold red", markup=False, highlight=False)
    return typer.Exit(1)


def _check_names(select: list[str] | None) -> None:
    from rakuten_assets.assets import ALL_ASSETS

    names = {asset.key.to_user_string() for asset in ALL_ASSETS}
    unknown = sorted(set(select or []) - names)
    if unknown:
        raise _failed(f"There is no asset {', '.join(unknown)}; there are {', '.join(sorted(names))}.")


def _write(file: Path, result: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _show(result: dict[str, Any]) -> None:
    _show_scores({"n": result["scores"]["stacked"].get("n", 0), **result["scores"]}, "Gold rows")
    champion = result["champion"]
    console.print(f"champion [bold]{champion['version']}[/bold]: {champion['reason']}")
    slowest = list(result["seconds_by_asset"].items())[:6]
    console.print("seconds: " + ", ".join(f"{name} {spent:.0f}" for name, spent in slowest))


def _show_leaderboard(name: str, entries: list[dict[str, Any]]) -> None:
    """Everybody who was named, and the best of those that the search proposed."""
    best = [entry["candidate"] for entry in entries if entry["searched"]][:5]
    shown = [entry for entry in entries if not entry["searched"] or entry["candidate"] in best]
    left = len(entries) - len(shown)
    title = f"{name.replace('_', ' ')}, on validation rows"
    table = Table(title=title, caption=f"and {left} more of the search" if left else None)
    for column in ("candidate", "weighted F1", "95 % interval", "macro F1", "seconds", "F1/CPU min", "MB", "ms", ""):
        words = column in ("candidate", "")
        table.add_column(column, justify="left" if words else "right", no_wrap=True, max_width=40 if words else None)
    for entry in shown:
        scores = ("—", "—", "—")
        if entry["weighted_f1"] is not None:
            interval = f"{entry['low']:.3f}–{entry['high']:.3f}"
            scores = (f"{entry['weighted_f1']:.4f}", interval, f"{entry['macro_f1']:.4f}")
        costs = (f"{entry[name]:.1f}" for name in ("seconds", "f1_per_cpu_minute", "megabytes", "milliseconds"))
        table.add_row(entry["candidate"], *scores, *costs, entry["outcome"])
    Console(file=sys.stdout).print(table)


def _show_scores(result: dict[str, Any], title: str = "Scores") -> None:
    table = Table(title=title)
    for column in ("model", "n", "weighted F1", "macro F1", "accuracy", "ECE"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name in ("text", "image", "stacked"):
        scores = result.get(name) or {}
        numbers = (scores.get(key) for key in ("weighted_f1", "macro_f1", "accuracy", "ece"))
        table.add_row(name, str(scores.get("n", 0)), *("—" if n is None else f"{n:.4f}" for n in numbers))
    Console(file=sys.stdout).print(table)
