"""A seller imports many products at once."""

import asyncio
import csv
import io
import zipfile

import pytest
from nicegui import ui

from rakuten_assets_tests.webapp.selling import eventually, no_longer_sees, photo, sees, upload
from serving.client import Client
from webapp.bulk import COLUMNS
from webapp.worker import Worker

ROWS = (
    ("Piscine ronde", "Avec échelle", "a.jpg", "R1"),
    ("Piscine ovale", "", "absente.jpg", "R2"),
    ("", "", "a.jpg", "R3"),
    ("Salon de jardin", "", "b.jpg", "R4"),
)


@pytest.fixture
def open_imports(user, sign_in, seller):
    async def open_imports():
        await sign_in(user, seller)
        await user.open("/imports")

    return open_imports


@pytest.fixture
def worker(application):
    worker = Worker(application.store, Client("http://127.0.0.1:9", timeout=1), application.root)
    yield worker
    worker.close()


def table(rows=ROWS, columns=COLUMNS):
    return "\n".join(";".join(row) for row in (columns, *rows)).encode()


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, seed in (("a.jpg", 1), ("b.jpg", 2)):
            opened.writestr(f"photos/{name}", photo(seed))
    return buffer.getvalue()


async def hand_in(user, rows=table, pictures=archive):
    await upload(user, rows(), "produits.csv", "text/csv", at=0)
    await upload(user, pictures(), "photos.zip", "application/zip", at=1)
    await sees(user, "photos.zip")
    user.find("Lancer l’import").click()


async def test_limits_and_columns_are_said_before_anything_is_sent(user, open_imports):
    await open_imports()
    await user.should_see("500 Mo au plus")
    await user.should_see(", ".join(COLUMNS))
    await user.should_see("Aucun import pour l’instant")


async def test_the_template_has_the_columns_and_opens_in_spreadsheets(http):
    answer = await http.get("/imports/template.csv")
    header, *_ = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";")
    assert tuple(header) == COLUMNS
    assert answer.content.startswith("\ufeff".encode())
    assert "attachment" in answer.headers["content-disposition"]


async def test_missing_files_are_said_in_place(user, open_imports):
    await open_imports()
    user.find("Lancer l’import").click()
    await sees(user, "Choisissez d’abord un fichier CSV")
    await upload(user, table(), "produits.csv", "text/csv", at=0)
    await sees(user, "produits.csv")
    user.find("Lancer l’import").click()
    await sees(user, "Ajoutez l’archive ZIP")


async def test_a_file_that_cannot_be_used_is_refused_with_the_reason(user, store, seller, open_imports):
    await open_imports()
    await hand_in(user, lambda: table(columns=("titre", "texte", "photo", "ref")))
    await sees(user, "designation, description, image, reference")
    assert not store.imports.list(seller.actor).items


async def test_each_line_becomes_a_product_or_an_error_in_words_while_one_looks_on(
    user, store, seller, open_imports, worker
):
    await open_imports()
    await hand_in(user)
    await sees(user, "En attente")
    await user.should_see("il continue sans vous")
    page = user.client
    await asyncio.to_thread(_work, worker, store, seller)
    await sees(user, "2 produits créés, 2 lignes refusées")
    await user.should_see("4 sur 4 lignes traitées")
    await user.should_see("Terminé")
    await user.should_see("absente.jpg")
    titles = {product.designation for product in store.products.list(seller.actor).items}
    assert titles == {"Piscine ronde", "Salon de jardin"}
    assert user.client is page

    (product, *_) = store.products.list(seller.actor).items
    await user.should_see(f"Produit n°\u00a0{product.id}".replace("\u00a0", " "))
    user.find(marker="only-errors").click()
    await no_longer_sees(user, f"Produit n° {product.id}")
    await user.should_see("absente.jpg")


async def test_earlier_imports_are_listed_with_their_results(user, store, seller, open_imports, worker):
    await open_imports()
    await hand_in(user)
    await eventually(lambda: store.imports.list(seller.actor).items)
    await asyncio.to_thread(_work, worker, store, seller)
    await user.open("/imports")
    await user.should_see("produits.csv")
    await user.should_see("2 produits créés, 2 lignes refusées")
    (found,) = store.imports.list(seller.actor).items
    links = {each.props.get("href") for each in user.find(ui.button).elements}
    assert f"/imports/{found.id}" in links


async def test_another_sellers_import_is_not_found(user, store, sign_in, seller, other_seller):
    started = store.imports.start(seller.actor, "produits.csv", f"imports/{seller.id}")
    await sign_in(user, other_seller)
    await user.open(f"/imports/{started.id}")
    assert user.status == 404
    await user.should_not_see("produits.csv")
    await user.open("/imports")
    await user.should_not_see("produits.csv")


def _work(worker, store, seller):
    """The worker, until the import is done."""
    for _ in range(50):
        worker.once()
        (found,) = store.imports.list(seller.actor).items
        if found.state == "done":
            return
