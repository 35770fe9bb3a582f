"""What the prediction service can say of a product beyond its category: why, and which known products are like it."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import background_tasks

from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Product
from serving.client import ServiceRefused, ServiceUnavailable
from serving.schemas import Explanation, SimilarProduct
from webapp import pictures
from webapp.app import Application
from webapp.auth import in_thread

SIMILAR = 5

# The product on the table, the one before and the ones that may come next.
KEPT = 4

Key = tuple[int, int, str]


@dataclass(frozen=True)
class Neighbour:
    """A known product that is like the one in question; `thumbnail` is a data URL, where there is a picture."""

    designation: str
    code: int
    similarity: float
    thumbnail: str | None


@dataclass(frozen=True)
class Insight:
    """What the service said; `trouble` is the key of a sentence where it said nothing."""

    explanation: Explanation | None = None
    similar: Sequence[Neighbour] = ()
    trouble: str = ""


class Insights:
    """The insights of one open page, each asked for once, and perhaps before it is needed."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._asked: dict[Key, asyncio.Task[Insight]] = {}

    async def of(self, product: Product) -> Insight:
        """The product's insight; what failed is asked for anew the next time."""
        found = await asyncio.shield(self.ask(product))
        if found.trouble:
            self._asked.pop(_key(product), None)
        return found

    def ask(self, product: Product) -> asyncio.Task[Insight]:
        """Ask for the product's insight, unless that has been done."""
        key = _key(product)
        if key not in self._asked:
            self._asked[key] = background_tasks.create(in_thread(lambda: insight(self._app, product)), name="insight")
            for old in list(self._asked)[:-KEPT]:
                del self._asked[old]
        return self._asked[key]


def insight(app: Application, product: Product) -> Insight:
    """Asks the service, which may take seconds, for an explanation and for similar products."""
    try:
        asked = (product.designation, product.description, _picture(app, product.image))
        explanation = app.client.explain(*asked)
        similar = app.client.similar(*asked, count=SIMILAR)
    except ServiceUnavailable:
        return Insight(trouble="insight.down")
    except (ServiceRefused, OSError):
        return Insight(trouble="insight.refused")
    return Insight(explanation, [_neighbour(app, each) for each in similar])


def _key(product: Product) -> Key:
    return product.id, product.revision, product.prediction.model_version if product.prediction else ""


def _picture(app: Application, sha256: str | None) -> bytes | None:
    return read_picture(app.root, sha256) if sha256 else None


def _neighbour(app: Application, found: SimilarProduct) -> Neighbour:
    return Neighbour(found.designation, found.code, found.similarity, _thumbnail(app, found.image))


def _thumbnail(app: Application, sha256: str | None) -> str | None:
    """A small JPEG as a data URL: products of the catalogue have no route of their own."""
    if sha256 is None:
        return None
    try:
        data = pictures.read(app, sha256, "thumb")
    except (Refused, OSError, ValueError):  # the model may know products whose pictures this data root has not
        return None
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
