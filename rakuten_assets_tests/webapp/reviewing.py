"""What administrators do in a browser, and what waits for them, as steps for tests."""

import itertools

from nicegui import ui

from rakuten_assets.store.records import Actor, Product, ProductFilter
from rakuten_assets_tests.webapp import selling
from rakuten_assets_tests.webapp.selling import predicted, submitted
from webapp.texts import typeset

_NUMBERS = itertools.count(1)
ANYBODY = Actor(None, "", "", "admin")


def waiting(application, account, title="Piscine ronde", description="", review="low_confidence", **answer):
    """A product that its seller has submitted, the model has answered, and an administrator must look at."""
    return all_waiting(application, account, [title], description, review, **answer)[0]


def all_waiting(application, account, titles, description="", review="low_confidence", **answer):
    """Such products, with one picture."""
    seed = next(_NUMBERS) % 20
    ids = {submitted(application, account, title, description, seed).id for title in titles}
    for job in application.store.outbox.take(100_000, lease_seconds=0, kind="classify"):
        if job.subject_id in ids:
            application.store.outbox.classified(job, predicted(review=review, **answer))
    return [application.store.products.get(account.actor, id) for id in sorted(ids)]


def empty_the_queue(store):
    """What other tests have left is taken back."""
    while items := store.reviews.queue(ANYBODY, ProductFilter(), size=200).items:
        for item in items:
            store.products.withdraw(ANYBODY, item.product.id)


async def sees(user, text=None, seconds=15, **options):
    """The user sees the sentence, at once or when the page has caught up; it is typed here with ordinary spaces."""
    await selling.sees(user, typeset(text) if text else None, seconds, **options)


async def no_longer_sees(user, text=None, seconds=15, **options):
    await selling.no_longer_sees(user, typeset(text) if text else None, seconds, **options)


async def hears(user, text):
    """A short message says so."""
    await selling.eventually(lambda: any(typeset(text) in each for each in user.notify.messages), seconds=15)


def press(user, key, code=None, **modifiers):
    """A key, while nothing has the focus."""
    names = ("altKey", "ctrlKey", "metaKey", "shiftKey")
    held = {name: modifiers.get(name.removesuffix("Key"), False) for name in names}
    what = {"action": "keydown", "repeat": False, "location": 0, "key": key, "code": code or f"Key{key.upper()}"}
    user.find(ui.keyboard).trigger("key", {**what, **held})


def now(store, product) -> Product:
    return store.products.get(ANYBODY, product.id)


def audit_of(store, admin, product):
    """The actions that the audit log has of a product, the newest first, with who did them."""
    from rakuten_assets.store.records import AuditFilter

    found = store.audit.page(admin.actor, AuditFilter(subject="product", subject_id=str(product.id)))
    return [(line.action, line.actor) for line in found.items]
