"""Model cards for administrators: what a version is, how good it is and for whom, as the lineage has written it."""

import re

from nicegui import ui

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor
from webapp import theme
from webapp.app import Application
from webapp.auth import Visit, page

# Where the asset `model_card` puts them, below the data root.
FOLDER = "model-cards"

# A version is a hash; nothing else may become part of a path.
VERSION = re.compile(r"[0-9a-f]{16}", re.ASCII)

CSS = """
.card-text { width: 100%; overflow-wrap: anywhere; }
.card-text h2 { margin: 1.5rem 0 .5rem; }
.card-text table { display: block; overflow-x: auto; overflow-wrap: normal; border-collapse: collapse;
  font-size: .875rem; font-variant-numeric: tabular-nums; }
.card-text th, .card-text td { padding: .25rem .6rem; border: 1px solid var(--app-line); text-align: left; }
.card-text th { color: var(--app-soft); font-weight: 500; }
"""


def address(version: str) -> str:
    """Where administrators see the card of a version."""
    return f"/model/card/{version}"


@page(address("{version}"), role="admin")
async def model_card(visit: Visit, version: str) -> None:
    """The card of one version; whoever wrote it, the browser makes nothing of it but text and tables."""
    text = await visit.read(card, visit.app, version)
    with theme.frame(visit, "card.title", version=version):
        ui.add_css(CSS)
        ui.label(visit.t("card.hint")).classes("app-soft app-small")
        ui.link(visit.t("card.back"), "/model")
        with theme.card():
            # Its own title is the page's.
            shown = ui.markdown(text.partition("\n")[2], extras=["tables"], sanitize=True).classes("card-text")
            shown.props["lang"] = "en"


def card(actor: Actor, app: Application, version: str) -> str:
    """The Markdown of a version's card, for administrators; `Refused` for others, and where there is none."""
    if actor.role != "admin":
        raise Refused("forbidden", "forbidden")
    try:
        if VERSION.fullmatch(version):
            return (app.root / FOLDER / f"{version}.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    raise Refused("not_found", "card_not_found")
