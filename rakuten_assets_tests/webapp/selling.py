"""What a seller does in a browser, and what the worker and the model answer, as steps for tests."""

import asyncio
from random import Random

from nicegui import ui
from nicegui.elements.upload_files import SmallFileUpload

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.store.records import Candidate, Draft, Predicted
from webapp import pictures

POOL, GARDEN, BOOK = 2583, 2582, 10
POOL_NAME, GARDEN_NAME, BOOK_NAME = "Autour de la piscine", "Mobilier extérieur", "Livre occasion"
MODEL = "0123456789abcdef"


def photo(seed=5):
    """A drawn product, as a JPEG's bytes."""
    return encode(draw_picture(Random(seed), POOL))


async def sees(user, target=None, seconds=5, **options):
    """The user sees it, at once or when the page has caught up."""
    await user.should_see(target, retries=int(seconds * 10), **options)


async def no_longer_sees(user, target=None, seconds=5, **options):
    await user.should_not_see(target, retries=int(seconds * 20), **options)


def upload(user, data, name="photo.jpg", kind="image/jpeg", at=0):
    """Drop a file on one of the page's drop zones, counted from the top."""
    zone = sorted(user.find(ui.upload).elements, key=lambda element: element.id)[at]
    return zone.handle_uploads([SmallFileUpload(name, kind, data)])


async def fill_in(user, title="Piscine ronde 305 cm", picture=None):
    """The form of a product, with a picture."""
    user.find("Titre").clear().type(title)
    await upload(user, picture or photo())
    await sees(user, marker="preview")


def choose(user, code):
    """Take an entry of the page's list of categories."""
    (select,) = user.find(ui.select).elements
    with user:
        select.set_value(code)


def predicted(code=POOL, confidence=0.87, review=None, others=((GARDEN, 0.08), (BOOK, 0.02))):
    candidates = [Candidate(code, confidence), *(Candidate(*each) for each in others)]
    return Predicted(MODEL, candidates, "both", review, 0.12)


def answer(store, product_id=None, said=None):
    """The worker takes what is due; the model's answer is this one."""
    for job in store.outbox.take(200, kind="classify"):
        if product_id in (None, job.subject_id):
            store.outbox.classified(job, said or predicted())


async def classify(store, product_id=None, said=None):
    """The same beside a page that is open."""
    await asyncio.to_thread(answer, store, product_id, said)


def submitted(application, account, title="Piscine ronde 305 cm", description="", seed=5, reference=""):
    """A product of this seller that has come in some other way."""
    picture = pictures.keep(application, photo(seed))
    draft = Draft(title, description, picture, reference)
    return application.store.products.submit(account.actor, draft, f"{title} {seed} {id(draft)}")


def only_product(store, account):
    (product,) = store.products.list(account.actor).items
    return store.products.get(account.actor, product.id)


async def eventually(condition, seconds=5):
    """Wait for what the page does in the background."""
    for _ in range(int(seconds * 20)):
        if result := condition():
            return result
        await asyncio.sleep(0.05)
    raise AssertionError("It did not come to that.")


def file_of(rows):
    """A CSV's bytes."""
    return "\n".join(";".join(row) for row in rows).encode()
