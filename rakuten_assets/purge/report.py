"""What a purge would take, and the proof that it took it, as tables for people."""

from rich.console import Console
from rich.table import Table

from rakuten_assets.purge.objects import ANEW
from rakuten_assets.purge.purge import Plan, Purged

# Files of one kind that are shown by name.
SHOWN = 20


def show(console: Console, plan: Plan) -> None:
    """What goes, without a word of what it says."""
    table = Table("where", "what goes", title=f"account {plan.person.user_id}")
    for name, count in plan.person.rows.items():
        if count:
            table.add_row(f"rakuten: {name}", f"{count} rows")
    table.add_row("rakuten: users", "name, e-mail and password of 1 row")
    for place, count in plan.quoted.items():
        table.add_row(place, f"words in {count} values")
    for change in plan.files[:SHOWN]:
        table.add_row(change.name, change.what)
    if len(plan.files) > SHOWN:
        table.add_row(f"… and {len(plan.files) - SHOWN} more files", "")
    console.print(table)


def show_proof(console: Console, done: Purged) -> None:
    """Where was looked, for what, and what was found."""
    found = done.plan.needles
    table = Table("looked for", "number", title="proof")
    table.add_row("e-mail and name", "2" if found.name else "1 (the name is anybody's)")
    table.add_row("texts that are theirs alone", str(len(found.texts)))
    table.add_row("hashes of pictures that are theirs alone", str(len(found.pictures)))
    table.add_row("in values of all tables of three databases", f"{done.searched_values:,}")
    table.add_row("in files below the data root", f"{done.searched_files:,}")
    table.add_row("found", str(len(done.left)))
    console.print(table)
    for place in done.left:
        console.print(f"left in {place}", highlight=False)
    for old, new in done.models:
        console.print(f"{old}: {f'made anew as {new}' if new else 'removed'}", highlight=False)
    if any(change.what == ANEW for change in done.plan.files) or done.plan.person.products:
        console.print("What models learnt from the products stays in their weights until the next training.")
    console.print("Backups hold the person until they are rotated away; a restore forgets the person again.")
