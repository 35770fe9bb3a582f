"""Administrators see how far production is from what the model learnt, and whom the platform told of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.core.drift_concept import FEWEST_LABELS
from rakuten_assets.postgres import database_url
from rakuten_assets_tests.webapp.conftest import PASSWORD
from rakuten_assets_tests.webapp.reviewing import no_longer_sees, sees
from webapp import model_drift, texts
from webapp.auth import COOKIE

UNTIL = datetime(2026, 7, 20, 8, tzinfo=UTC)
VERSION = "0123456789abcdef"
FOLDER = "drift/0a1b2c"
PARTS = {"designation_length": 2.4, "language": 0.5, "category": 1.25, "brightness": 0.1}
HTML = b"<!doctype html><title>Drift</title><script>document.title = document.cookie</script>"


@pytest.fixture(autouse=True)
def nothing_known(store, settings):
    """No drift has been measured, and nobody was told anything."""
    owner = create_engine(database_url("rakuten_web_tests", settings))
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM drift_reports"))
        connection.execute(text("DELETE FROM notifications"))
    owner.dispose()


@pytest.fixture
def page(user, sign_in, admin):
    async def page():
        await sign_in(user, admin, to="/model")
        return user

    return page


@pytest.fixture
def measured(store):
    """A report of a week, as the lineage records it."""

    def measured(score=2.4, labelled=FEWEST_LABELS, weeks_ago=0, parts=PARTS):
        until = UNTIL - timedelta(weeks=weeks_ago)
        rows = [
            {"name": name, "kind": "data", "value": 0.3, "limit": 0.1, "score": each, "detail": ""}
            for name, each in parts.items()
        ]
        return store.drift.record(VERSION, 99, (until - timedelta(days=7), until), 1_500, labelled, score, rows, FOLDER)

    return measured


@pytest.fixture
def stored(measured, web_settings):
    """A report whose page of features lies in the data root; the one of answers does not."""
    folder = web_settings.root / FOLDER
    folder.mkdir(parents=True)
    (folder / "features.html").write_bytes(HTML)
    return measured()


@pytest.fixture
def opens(http, store):
    """Somebody's browser opens an address; the cookie is the session's."""

    async def opens(path, account=None):
        http.cookies.clear()
        if account:
            http.cookies.set(COOKIE, store.accounts.sign_in(account.email, PASSWORD)[0])
        return await http.get(path)

    return opens


def links(user):
    """Addresses of the page's links to drift reports."""
    found = [str(each.props.get("href", "")) for each in user.client.elements.values()]
    return [each for each in found if each.startswith("/drift/")]


def charts_named(user, beginning):
    labels = [str(each.props.get("aria-label", "")) for each in user.client.elements.values()]
    return [each for each in labels if each.startswith(beginning)]


async def test_before_the_first_report_the_page_says_what_it_takes(page):
    user = await page()
    await sees(user, "Aucun rapport encore : il faut 200 réponses du modèle en service.")
    await sees(user, "Aucune notification encore.")
    assert links(user) == []


async def test_drift_is_seen_with_the_parts_that_have_drifted_most(page, measured):
    id = measured()
    user = await page()
    await sees(user, "Dérive 2,4")
    await sees(user, "designation_length 2,4, category 1,25, language 0,5")
    await no_longer_sees(user, "brightness")
    await sees(user, "20 juil. 2026")
    await sees(user, "1\u202f500")
    await sees(user, VERSION[:8])
    assert links(user) == [f"/drift/{id}/features", f"/drift/{id}/answers"]


async def test_a_quiet_week_is_called_one(page, measured):
    measured(score=0.99)
    user = await page()
    await sees(user, "Stable 0,99")
    await no_longer_sees(user, "Dérive 0,99")


async def test_a_score_of_one_is_drift(page, measured):
    measured(score=1.0)
    await sees(await page(), "Dérive 1")


async def test_the_page_about_answers_is_offered_where_people_decided_on_enough(page, measured):
    few, enough = measured(labelled=FEWEST_LABELS - 1), measured(labelled=FEWEST_LABELS)
    assert links(await page()) == [f"/drift/{enough}/features", f"/drift/{enough}/answers", f"/drift/{few}/features"]


def test_the_page_and_the_report_mean_the_same_by_enough():
    assert model_drift.DRAWN_FROM == FEWEST_LABELS


async def test_a_report_in_which_nothing_could_be_compared_has_no_parts(page, measured):
    measured(score=0.0, parts={})
    user = await page()
    await sees(user, "Stable 0")
    await sees(user, "–")


async def test_scores_are_drawn_over_time_from_the_second_report_on(page, measured, new_user, sign_in, admin):
    measured(weeks_ago=1)
    assert charts_named(await page(), "Indice de dérive de chaque rapport") == []
    measured()
    user = new_user()
    await sign_in(user, admin, to="/model")
    assert len(charts_named(user, "Indice de dérive de chaque rapport")) == 1


async def test_the_cards_speak_english_where_that_is_chosen(page, measured, store, admin):
    store.accounts.set_language(admin.actor, "en")
    measured()
    measured(score=0.5)
    store.notifications.add("drift-1", "drift_found", "Drift 2.40", "It has drifted.")
    user = await page()
    for sentence in ("From 1 on the difference is no chance", "Drift 2.4", "Stable 0.5", "1,500", "Most in"):
        await sees(user, sentence)
    await sees(user, "Drift 2.40")
    await sees(user, "–, to be sent again: –")


async def test_news_are_listed_with_whom_they_reached(page, store, admin):
    for key, kind in (("a", "champion_promoted"), ("b", "training_failed"), ("c", "service_unhealthy")):
        store.notifications.add(f"news-{key}", kind, f"Sujet {key}", "…", "http://127.0.0.1:3000/runs/1")
    by_key = {each.key: each.id for each in store.notifications.history(admin.actor)}
    store.notifications.tried(by_key["news-a"], ["log", "email"], [])
    store.notifications.tried(by_key["news-b"], ["log"], ["webhook"], "webhook: 503")
    user = await page()
    for sentence in ("Modèle promu", "Sujet a", "email, log"):
        await sees(user, sentence)
    for sentence in ("Échec d'entraînement", "Sujet b", "log, à renvoyer : webhook: 503"):
        await sees(user, sentence)
    for sentence in ("Service en panne", "Sujet c", "–, à renvoyer : –"):
        await sees(user, sentence)


def test_every_kind_of_news_has_its_words():
    assert [kind for kind in model_drift.TONES if f"news.kind.{kind}" not in texts.texts()] == []


async def test_an_administrator_gets_the_page_as_it_was_stored(opens, stored, admin):
    answer = await opens(f"/drift/{stored}/features", admin)
    assert (answer.status_code, answer.content) == (200, HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"].startswith("private")


async def test_the_page_may_do_nothing_but_draw(opens, stored, admin):
    """The guard's own policy, which would let its scripts act as the administrator, is not in the answer."""
    answer = await opens(f"/drift/{stored}/features", admin)
    [policy] = answer.headers.get_list("content-security-policy")
    rules = dict(each.strip().partition(" ")[::2] for each in policy.split(";"))
    # Without `allow-same-origin` its scripts have an origin of their own: no cookie, no storage, no API.
    assert rules["sandbox"] == "allow-scripts"
    assert rules["default-src"] == "'none'"
    assert not {"connect-src", "form-action", "frame-src", "worker-src"} & set(rules)
    assert not any("'self'" in sources or "http" in sources for sources in rules.values())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_the_session_cookie_is_out_of_every_scripts_reach(http, admin):
    answer = await http.post("/sign-in", data={"email": admin.email, "password": PASSWORD})
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{COOKIE}=")]
    assert "httponly" in cookie.lower()


async def test_reports_are_for_administrators(opens, stored, admin, seller):
    path = f"/drift/{stored}/features"
    assert [(await opens(path, each)).status_code for each in (admin, seller, None)] == [200, 403, 401]
    for each in (seller, None):
        assert HTML not in (await opens(path, each)).content


@pytest.mark.parametrize("id", ["0", "-1", "9" * 30])
async def test_a_report_that_is_not_there_is_not_found(opens, admin, id):
    assert (await opens(f"/drift/{id}/features", admin)).status_code == 404


async def test_a_page_that_was_never_drawn_is_not_found(opens, stored, admin):
    assert (await opens(f"/drift/{stored}/answers", admin)).status_code == 404
    assert (await opens(f"/drift/{stored + 1}/features", admin)).status_code == 404


@pytest.mark.parametrize("part", ["other", "features.html", "..%2Ffeatures", "%2e%2e"])
async def test_there_are_no_other_parts(opens, stored, admin, part):
    assert (await opens(f"/drift/{stored}/{part}", admin)).status_code in (404, 422)
