"""What `rakuten demo` shows: two accounts, and one product on its way through the whole platform."""

import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from rakuten_assets.core.taxonomy import NAMES
from rakuten_assets.settings import Settings
from rakuten_assets.store.records import Actor, Role

TITLE, DESCRIPTION, CODE = "Piscine tubulaire ronde 366 x 76 cm", "Avec filtre et échelle, bâche comprise.", 2583

# A first answer takes long on a machine that has just started everything.
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Account:
    """Somebody who may sign in to the demo."""

    role: Role
    email: str
    password: str


def accounts(settings: Settings) -> list[Account]:
    """A seller and an administrator, made once; their passwords are random and lie in a file for this user alone."""
    from rakuten_assets.postgres import application_url
    from rakuten_assets.store.records import SYSTEM
    from rakuten_assets.store.store import Store

    people = _kept(settings.local_state / "demo-accounts.json")
    store = Store(application_url(settings))
    for person in people:
        if store.accounts.find(person.email) is None:
            name = "Camille Vendeur" if person.role == "seller" else "Dominique Admin"
            store.accounts.create(SYSTEM, person.email, name, person.password, person.role)
    store.close()
    return people


def _kept(file: Path) -> list[Account]:
    if not file.exists():
        made = [_new("seller", "vendeur@demo.example"), _new("admin", "admin@demo.example")]
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:  # noqa: PTH123
            json.dump([asdict(person) for person in made], new, indent=2)
    return [Account(**person) for person in json.loads(file.read_text())]


def _new(role: Role, email: str) -> Account:
    return Account(role, email, secrets.token_urlsafe(9))


def submit_one(settings: Settings, seller: Account, console: Console) -> None:
    """One product: web API, prediction service, database; raises RuntimeError where it does not arrive."""
    import httpx

    from rakuten_assets.services import web_address

    with httpx.Client(base_url=f"{web_address(settings)}/api/v1", timeout=2 * PATIENCE_SECONDS) as http:
        signed_in = _answer(http.post("/session", json={"email": seller.email, "password": seller.password}))
        headers = {"Authorization": f"Bearer {signed_in['token']}", "Idempotency-Key": uuid.uuid4().hex}
        product = _answer(
            http.post(
                "/products",
                params={"wait": PATIENCE_SECONDS},
                data={"designation": TITLE, "description": DESCRIPTION},
                files={"image": ("piscine.jpg", _drawn(), "image/jpeg")},
                headers=headers,
            )
        )
    _show(settings, product["id"], console)


def _show(settings: Settings, id: int, console: Console) -> None:
    """Print the product as the database has it."""
    from rakuten_assets.postgres import application_url
    from rakuten_assets.store.store import Store

    store = Store(application_url(settings))
    product = store.products.get(Actor(None, "", "", "admin"), id)
    store.close()
    if product.prediction is None:
        raise RuntimeError(f"Product {id} was stored, but not classified within {PATIENCE_SECONDS} seconds.")
    console.print(f"\n[bold]{product.designation}[/bold]: product {id}, {product.state}")
    for candidate in product.prediction.candidates[:3]:
        console.print(f"  {candidate.confidence:6.1%}  {candidate.code}  {NAMES[candidate.code]}")


def _drawn() -> bytes:
    from rakuten_assets.core.sample_pictures import draw_picture, encode

    return encode(draw_picture(Random(0), CODE))


def _answer(response: Any) -> dict[str, Any]:
    """The answer's JSON; raises RuntimeError with what was said against it."""
    if response.is_error:
        raise RuntimeError(f"The web app answered {response.status_code}: {response.text[:300]}")
    return dict(response.json())
