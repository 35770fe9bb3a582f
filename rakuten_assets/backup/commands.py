"""The commands `rakuten backup`, `rakuten restore` and `rakuten purge`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from rakuten_assets.backup.errors import BackupError
from rakuten_assets.settings import Settings

app = typer.Typer(invoke_without_command=True, help="Backups of the databases and of all objects.")
console = Console(stderr=True)

Result = TypeVar("Result")
Identity = Annotated[Path | None, typer.Option(exists=True, help="File with the private key.")]


@app.callback()
def backup(
    context: typer.Context,
    list_: Annotated[bool, typer.Option("--list", help="Show the backups that there are.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read all backups and compare each byte's hash.")] = False,
    identity: Identity = None,
    discard: Annotated[
        bool, typer.Option(help="With --verify: remove what is damaged; the next copies it anew.")
    ] = False,
) -> None:
    """Back up the databases and all objects, encrypted, to RAKUTEN_BACKUP_ROOT."""
    if context.invoked_subcommand:
        return
    if list_:
        _list()
    elif verify:
        _verify(identity, discard)
    else:
        _back_up()


@app.command()
def keygen(
    out: Annotated[Path, typer.Option(help="File for the private key, which must not be there yet.")],
) -> None:
    """Make a key pair: print the public key, and write the private one to a file to be kept elsewhere."""
    from rakuten_assets.backup import keys

    typer.echo(_or_fail(lambda: keys.make(out)))
    console.print(f"The line above is RAKUTEN_BACKUP_RECIPIENT. Without {out} no backup can be read: move it", end=" ")
    console.print("to another machine or a safe, twice, and delete it here.")


def restore(
    source: Annotated[str, typer.Option("--from", help="The backup store: a folder or s3://bucket/prefix.")],
    identity: Annotated[Path, typer.Option(exists=True, help="File with the private key.")],
    id: Annotated[str | None, typer.Option("--backup", help="Which one, as listed; by default the newest.")] = None,
) -> None:
    """Restore a backup into an empty system, and compare; exits with 1 where anything differs."""
    from rakuten_assets.backup import restore as restoring
    from rakuten_assets.progress import stages

    with stages() as report:
        done = _or_fail(lambda: restoring.restore(Settings(), source, identity, id, report))
    table = Table("what", "backup", "restored", "", title=f"backup {done.id}")
    # Empty tables, of which MLflow has many, show only where they should not be.
    shown = [each for each in done.comparison if each.expected or each.found or not each.what.endswith(", rows")]
    for each in shown:
        table.add_row(each.what, str(each.expected), str(each.found), "" if each.same else "[bold red]differs")
    Console().print(table)
    console.print(f"{len(done.comparison) - len(shown)} empty tables are empty here, too.")
    if done.moved:
        console.print(f"{done.moved} addresses of MLflow lead to this data root now.")
    if done.purged:
        console.print(f"{done.purged} accounts that were purged since were purged again.")
    if done.differences:
        raise _failed(f"{len(done.differences)} differences.")
    console.print("No differences.")


def purge(
    seller: Annotated[str, typer.Option(help="E-mail or number of the account.")],
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Do it, instead of showing what would go.")] = False,
) -> None:
    """Remove a person's data everywhere, and look whether anything was left; exits with 1 where it was."""
    from rakuten_assets.purge import purge as purging
    from rakuten_assets.purge.report import show, show_proof

    settings = Settings()
    if not yes:
        show(Console(), _or_fail(lambda: purging.plan(settings, seller)))
        console.print("Nothing was changed: --yes does it.")
        return
    done = _or_fail(lambda: purging.purge(settings, seller))
    show(Console(), done.plan)
    show_proof(Console(), done)
    if done.left:
        raise _failed("Something was left; see above.")


def _back_up() -> None:
    from rakuten_assets.backup.backup import back_up
    from rakuten_assets.progress import stages

    with stages() as report:
        made = _or_fail(lambda: back_up(Settings(), report))
    console.print(
        f"Backup {made.id}: {made.rows:,} rows, {made.objects:,} objects of {_megabytes(made.bytes)}; "
        f"{made.new_objects:,} new ones of {_megabytes(made.new_bytes)}, in {made.seconds:.1f} s. "
        f"{made.removed_backups} old backups and {made.removed_objects} objects removed.",
        highlight=False,
    )


def _list() -> None:
    from rakuten_assets.backup.backup import vault

    table = Table("id", "rows", "objects", "size", "new", "seconds")
    for each in _or_fail(lambda: vault(Settings(), recipients=False).manifests()):
        counts = each.counts
        sizes = (_megabytes(counts["bytes"]), _megabytes(counts["new_bytes"]))
        table.add_row(each.id, f"{counts['rows']:,}", f"{counts['objects']:,}", *sizes, f"{each.seconds:.1f}")
    Console().print(table)


def _verify(identity: Path | None, discard: bool) -> None:
    from rakuten_assets.backup.backup import BACKUP, vault
    from rakuten_assets.backup.verify import verify
    from rakuten_assets.postgres import lock
    from rakuten_assets.progress import stages

    settings = Settings()
    store = _or_fail(lambda: vault(settings, recipients=False))
    with stages() as report:
        found = _or_fail(lambda: verify(store, identity, report))
    console.print(f"{found.backups} backups, {found.objects:,} objects, {len(found.damaged)} damaged or lost.")
    if found.damaged:
        for name in found.damaged[:20]:
            console.print(name, highlight=False)
        if discard:
            # A backup that has run meanwhile may have mended some; and what is whole is never removed.
            with lock(BACKUP, settings):
                store.discard([name for name in found.damaged if not store.is_whole(name)])
        raise _failed(f"These backups cannot be restored: {', '.join(found.broken)}.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _or_fail(action: Callable[[], Result]) -> Result:
    """The action's result; what goes wrong becomes one sentence and exit code 1."""
    try:
        return action()
    except (BackupError, OSError) as error:
        raise _failed(str(error)) from error


def _failed(message: str) -> typer.Exit:
    console.print(message, style="bold red", markup=False, highlight=False)
    return typer.Exit(1)
