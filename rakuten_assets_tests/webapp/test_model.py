"""Administrators look at the metrics (U6), tell a sick service from a bad model (O3), ask for a retraining."""

import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.postgres import database_url
from rakuten_assets_tests.webapp.reviewing import hears, no_longer_sees, sees, waiting
from rakuten_assets_tests.webapp.selling import BOOK, MODEL, POOL
from webapp import charts
from webapp.texts import percent

SCORES = {"n": 400, "weighted_f1": 0.891, "macro_f1": 0.872, "accuracy": 0.885, "ece": 0.021}
OLD = "fedcba9876543210"


@pytest.fixture(autouse=True)
def nothing_known(store, settings):
    """No model has been judged, and nobody has asked for a retraining."""
    owner = create_engine(database_url("rakuten_web_tests", settings))
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM models"))
        connection.execute(text("DELETE FROM retrainings"))
    owner.dispose()


@pytest.fixture
def page(user, sign_in, admin):
    async def page():
        await sign_in(user, admin, to="/model")
        return user

    return page


def report(gate=None, image=SCORES):
    """What the gate writes of a model that confuses used books with pools once in four times."""
    confusion = [[8 * (row == column) for column in range(27)] for row in range(27)]
    confusion[CODES.index(BOOK)][CODES.index(BOOK)] = 6
    confusion[CODES.index(BOOK)][CODES.index(POOL)] = 2
    return {
        "gold": {"text": SCORES, "image": image, "stacked": SCORES},
        "codes": list(CODES),
        "per_class": [{"code": code, "n": 8, "precision": 1.0, "recall": 0.75, "f1": 0.86} for code in CODES],
        "confusion": confusion,
        "reliability": [{"confidence": 0.85, "accuracy": 0.8, "n": 40}],
        "shares": [1 / 27] * 27,
        "mlflow": "http://127.0.0.1:5000/#/models/1",
        "gate": gate,
    }


@pytest.fixture
def judged(store):
    """A champion, and a challenger that was sent away."""
    store.models.record(MODEL, "3", "better by 1.2 points", report())
    store.models.promote(MODEL, "better by 1.2 points")
    store.models.record(OLD, "4", "worse by 2 points", report({"value": -0.02, "low": -0.03, "high": -0.01}))


async def test_before_the_first_training_the_page_says_so(page):
    user = await page()
    await sees(user, "Aucun modèle n'a encore été jugé.")
    await sees(user, "Personne n'a encore demandé de réentraînement.")


async def test_the_metrics_of_the_champion_are_there(page, judged):
    user = await page()
    await sees(user, f"Version 3 ({MODEL})")
    await sees(user, "Motif : better by 1.2 points")
    for score in (0.891, 0.872, 0.885, 0.021):
        await sees(user, percent(score, "fr", 1))
    # For those who see no chart: the worst confusion in words.
    await sees(user, "Confusions les plus fréquentes")
    await sees(user, percent(0.25, "fr", 1))
    labels = [each.props.get("aria-label", "") for each in user.client.elements.values()]
    assert any(str(label).startswith("Matrice de confusion de 27 catégories") for label in labels)


async def test_promoted_and_refused_models_are_told_apart_with_their_reasons(page, judged):
    user = await page()
    await sees(user, "Promu")
    await sees(user, "Écarté")
    await sees(user, "worse by 2 points")
    low, value, high = (percent(share, "fr", 1) for share in (-0.03, -0.02, -0.01))
    await sees(user, f"{value} (entre {low} et {high})")


async def test_a_score_that_could_not_be_had_is_a_dash_and_no_zero(page, store):
    store.models.record(MODEL, "3", "the first", report(image=None))
    store.models.promote(MODEL, "the first")
    user = await page()
    await sees(user, "Image seule")
    await sees(user, "–")


async def test_a_service_that_is_down_is_no_bad_model(page, judged):
    user = await page()
    await sees(user, "Le service de classement ne répond pas.")
    await sees(user, percent(0.891, "fr", 1))


@pytest.fixture
def served(web_settings, service):  # noqa: F811
    web_settings.serving_url = service.url


async def test_a_service_that_serves_another_model_is_noticed(served, page, judged, champion):  # noqa: F811
    user = await page()
    await sees(user, "Le service de classement répond.", seconds=30)
    await sees(user, f"Il sert la version {champion.name}, mais le modèle en service devrait être {MODEL}.")


async def test_what_people_say_of_answers_is_counted(page, application, store, seller, judged):
    for code in (POOL, POOL, BOOK):
        product = waiting(application, seller)
        store.products.decide(seller.actor, product.id, code)
    user = await page()
    await sees(user, "Acceptation par version du modèle")
    await sees(user, f"3 ({MODEL[:8]})")
    await no_longer_sees(user, "Personne n'a encore confirmé ni corrigé de catégorie.")
    await sees(user, "Délai médian jusqu'à la décision")


async def test_a_retraining_is_asked_for_with_its_reason_and_once(page, store, admin):
    user = await page()
    user.find("Demander un réentraînement").click()
    await hears(user, "Indiquez un motif.")
    await user.type("La rentrée change tout", marker="retrain-reason")
    user.find("Demander un réentraînement").click()
    await hears(user, "La demande est enregistrée.")
    await sees(user, "La rentrée change tout")
    await sees(user, "Demandé")
    await user.type("Encore", marker="retrain-reason")
    user.find(marker="retrain-reason").trigger("keydown.enter")
    await hears(user, "Un réentraînement a déjà été demandé.")
    assert [each.reason for each in store.retrainings.list(admin.actor)] == ["La rentrée change tout"]


async def test_what_became_of_a_retraining_is_shown_with_its_run(page, store, admin):
    asked = store.retrainings.ask(admin.actor, "Nouveaux produits")
    store.retrainings.mark(asked.id, "started", "run-1")
    store.retrainings.mark(asked.id, "refused")
    user = await page()
    await sees(user, "Modèle écarté")
    links = [str(each.props.get("href", "")) for each in user.client.elements.values()]
    assert any(link.endswith("/runs/run-1") for link in links)


def test_the_matrix_shows_shares_of_each_true_category_from_the_top():
    options = charts.matrix(["a", "b"], [[3, 1], [0, 0]], ("truth", "prediction"))
    assert options["series"][0]["data"] == [[0, 1, 75], [1, 1, 25]]


def test_a_week_without_decisions_is_a_gap():
    options = charts.weeks(["1", "2"], {"accepted": [0.5, None]}, shares=True)
    assert options["series"][0]["data"] == [50, None]
