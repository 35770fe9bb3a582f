"""The commands `rakuten user …`: accounts of the web app, from the first administrator on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Column, Table

from rakuten_assets.settings import Settings
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import SYSTEM, Actor, User

if TYPE_CHECKING:
    from rakuten_assets.store.store import Store

app = typer.Typer(no_args_is_help=True, help="Accounts of the web app.")
console = Console(stderr=True)

SENTENCES = {
    "bad_email": "This is no e-mail address.",
    "email_taken": "There is an account with this e-mail already.",
    "weak_password": "The password needs {least} characters at least, and {most} at most.",
}

Email = Annotated[str, typer.Argument(help="The account's e-mail.")]


@app.command()
def add(
    email: Email,
    role: Annotated[Literal["seller", "admin"], typer.Option(help="What the account may do.")] = "seller",
    name: Annotated[str, typer.Option(help="How people are called; by default the e-mail.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File with the password; by default one is asked.")] = None,
) -> None:
    """Make an account. A password on the command line would be everybody's to read."""
    password = password_file.read_text().strip() if password_file else _asked()
    with _refusals():
        _store().accounts.create(SYSTEM, email, name, password, role)
    console.print(f"{role} {email} may sign in.", highlight=False)


@app.command("list")
def list_() -> None:
    """Show the accounts, the newest first."""
    # An e-mail that is cut short is no use to whoever wants to block it.
    table = Table("id", Column("e-mail", no_wrap=True), "name", "role", "blocked", "last sign-in")
    page = _store().accounts.users(Actor(None, "", "", "admin"), size=200)
    for user in page.items:
        seen = user.last_sign_in_at.strftime("%Y-%m-%d %H:%M") if user.last_sign_in_at else "never"
        table.add_row(str(user.id), user.email, user.name, user.role, "yes" if user.blocked_at else "", seen)
    Console().print(table)
    if page.next:
        console.print("… and more: the web app's page of users has them all.")


@app.command()
def block(email: Email, reason: Annotated[str, typer.Option(help="Shown to the person.")] = "") -> None:
    """Let nobody in with this account any more, and end its sessions."""
    with _refusals():
        _store().accounts.block(SYSTEM, _found(email).id, reason)
    console.print(f"{email} is blocked.", highlight=False)


@app.command()
def unblock(email: Email) -> None:
    """Let the account in again, also after too many failures."""
    with _refusals():
        _store().accounts.unblock(SYSTEM, _found(email).id)
    console.print(f"{email} may sign in.", highlight=False)


@app.command()
def reset_password(email: Email) -> None:
    """Print a new random password, and end the account's sessions."""
    with _refusals():
        typer.echo(_store().accounts.reset_password(SYSTEM, _found(email).id))


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _store() -> "Store":
    from rakuten_assets.postgres import application_url
    from rakuten_assets.store.store import Store

    return Store(application_url(Settings()))


def _found(email: str) -> User:
    user = _store().accounts.find(email)
    if user is None:
        raise _failed(f"There is no account {email}.")
    return user


@contextmanager
def _refusals() -> Iterator[None]:
    """What the store refuses, as a sentence and exit code 1."""
    try:
        yield
    except Refused as error:
        raise _failed(SENTENCES.get(error.code, error.code).format(**error.params)) from error


def _failed(message: str) -> typer.Exit:
    console.print(message, style="bold red", markup=False, highlight=False)
    return typer.Exit(1)
