"""The REST API: the pages' verbs for programs, behind bearer tokens."""

import asyncio
import base64
import io

import pytest
from PIL import Image

from rakuten_assets.store.records import SYSTEM
from rakuten_assets_tests.webapp.programs import ENCODED, PICTURE, refused

pytest_plugins = ["rakuten_assets_tests.webapp.programs"]


async def test_a_token_is_given_for_the_right_password_and_ends_with_the_sign_out(program, seller):
    token = await program.sign_in(seller)
    assert (await program("GET", "/me", token=token)).json()["email"] == seller.email
    assert (await program("DELETE", "/session", token=token)).status_code == 204
    await refused(await program("GET", "/me", token=token), 401, "session_over")


async def test_signing_out_everywhere_ends_every_session(program, seller):
    tokens = [await program.sign_in(seller) for _ in range(3)]
    ended = await program("DELETE", "/sessions", token=tokens[0], params={"keep_this": True})
    assert ended.json() == {"sessions": 2}
    assert [(await program("GET", "/me", token=each)).status_code for each in tokens] == [200, 401, 401]


async def test_wrong_credentials_are_refused_in_the_language_that_was_asked_for(program, seller):
    body = {"email": seller.email, "password": "wrong"}
    english = await refused(await program("POST", "/session", json=body), 401, "wrong_credentials")
    french = await program("POST", "/session", json=body, headers={"Accept-Language": "de, fr;q=0.9, en;q=0.1"})
    assert "password" in english
    assert "mot de passe" in french.json()["error"]


async def test_without_a_token_there_is_nothing_to_see(program):
    """Every route but the sign-in and the categories."""
    document = (await program("GET", "/openapi.json")).json()
    opened = set()
    for path, methods in document["paths"].items():
        for method in methods:
            answer = await program(method.upper(), path.replace("{id}", "1"), json={})
            if answer.status_code != 401:
                opened.add(f"{method} {path}")
            else:
                assert answer.headers["www-authenticate"] == "Bearer"
    assert opened == {"post /session", "get /categories"}


async def test_a_cookie_is_no_token(program, seller):
    token = await program.sign_in(seller)
    program.http.cookies.set("rakuten_session", token)
    await refused(await program("GET", "/products"), 401, "no_token")


async def test_a_blocked_account_is_nobody_at_once(program, seller, admin, store):
    token = await program.sign_in(seller)
    store.accounts.block(admin.actor, seller.id, "fraud")
    await refused(await program("GET", "/products", token=token), 401, "session_over")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/review/queue", None),
        ("POST", "/review/next", None),
        ("POST", "/review/{id}/claim", None),
        ("POST", "/review/{id}/accept", {}),
        ("POST", "/review/{id}/reject", {"reason": "no"}),
        ("POST", "/review/{id}/skip", None),
        ("POST", "/review/bulk", {"ids": [1], "action": "accept"}),
        ("POST", "/products/{id}/category", {"code": 10}),
        ("GET", "/audit", None),
        ("GET", "/audit.csv", None),
        ("GET", "/users", None),
        ("POST", "/users", {"email": "a@b.fr", "password": "a long password"}),
        ("POST", "/users/1/block", {"reason": "no"}),
        ("POST", "/users/1/unblock", None),
        ("GET", "/model", None),
        ("GET", "/quality", None),
        ("GET", "/numbers", None),
        ("GET", "/retrainings", None),
        ("POST", "/retrainings", {"reason": "no"}),
    ],
)
async def test_a_seller_is_no_administrator(program, seller, submitted, method, path, body):
    product = await submitted()
    answer = await program(method, path.format(id=product["id"]), seller, json=body)
    await refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"revision": 1, "designation": "mine"}),
        ("DELETE", "", None),
        ("GET", "/history", None),
        ("POST", "/decision", {"code": 10}),
        ("POST", "/no-category", {}),
        ("POST", "/rating", {"rating": 1}),
    ],
)
async def test_another_sellers_product_is_not_found(program, other_seller, submitted, method, path, body):
    product = await submitted()
    answer = await program(method, f"/products/{product['id']}{path}", other_seller, json=body)
    await refused(answer, 404, "product_not_found")


async def test_a_product_is_submitted_as_json_or_as_a_form(program, seller, store):
    fields = {"designation": "Piscine ronde", "description": "Bleue", "reference": "A-1"}
    as_json = await program("POST", "/products", seller, json={**fields, "image": ENCODED})
    as_form = await program("POST", "/products", seller, data=fields, files={"image": ("a.jpg", PICTURE)})
    for answer in (as_json, as_form):
        assert answer.status_code == 201, answer.text
        product = answer.json()
        assert product["state"] == "waiting"
        assert answer.headers["location"] == f"/api/v1/products/{product['id']}"
        stored = store.products.get(seller.actor, product["id"])
        assert (stored.designation, stored.description, stored.reference) == tuple(fields.values())
    images = {store.products.get(seller.actor, answer.json()["id"]).image for answer in (as_json, as_form)}
    assert len(images) == 1


async def test_the_same_key_twice_is_one_product(program, seller):
    body, key = {"designation": "Piscine", "image": ENCODED}, {"Idempotency-Key": "order-7"}
    answers = [await program("POST", "/products", seller, json=body, headers=key) for _ in range(2)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await program("GET", "/products", seller)).json()["total"] == 1


async def test_who_waits_gets_the_product_once_it_is_classified(program, seller, submitted, classify, store):
    token = await program.sign_in(seller)
    body = {"designation": "Piscine", "image": ENCODED}
    waiting = asyncio.create_task(program("POST", "/products", token=token, json=body, params={"wait": 20}))
    while not (found := await asyncio.to_thread(store.products.list, seller.actor)).items:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(classify, found.items[0].id)
    product = (await asyncio.wait_for(waiting, 5)).json()
    assert (product["state"], product["proposed"]["code"]) == ("proposed", 2583)
    assert product["prediction"]["candidates"][0]["name"] == "Pools and spas"


async def test_who_waits_in_vain_gets_the_product_as_it_is(program, seller):
    body = {"designation": "Piscine", "image": ENCODED}
    answer = await program("POST", "/products", seller, json=body, params={"wait": 1})
    assert (answer.status_code, answer.json()["state"]) == (201, "waiting")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"image": ENCODED}, 422, "title_missing"),
        ({"designation": "a"}, 422, "image_missing"),
        ({"designation": "a", "image": "???"}, 422, "not_base64"),
        ({"designation": "a", "image": "/etc/passwd"}, 422, "not_base64"),
        ({"designation": "a", "image": ""}, 422, "bad_picture"),
        ({"designation": "a", "image": base64.b64encode(b"<svg onload='alert(1)'/>").decode()}, 422, "bad_picture"),
        ({"designation": "a", "titel": "b"}, 422, "invalid"),
        ({"designation": 5}, 422, "invalid"),
        ({"designation": "a\0b", "image": ENCODED}, 422, "invalid"),
        ({"designation": "a" * 10_001, "image": ENCODED}, 422, "text_too_long"),
        ([], 422, "invalid"),
    ],
)
async def test_what_is_no_product_is_refused_with_a_sentence(program, seller, body, status, code):
    await refused(await program("POST", "/products", seller, json=body), status, code)
    assert (await program("GET", "/products", seller)).json()["items"] == []


async def test_html_named_jpg_is_no_picture(program, seller):
    page = {"image": ("photo.jpg", b"<html><script>alert(1)</script></html>", "image/jpeg")}
    answer = await program("POST", "/products", seller, data={"designation": "a"}, files=page)
    await refused(answer, 422, "bad_picture")


async def test_a_picture_that_unpacks_to_far_too_much_is_refused(program, seller):
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    answer = await program(
        "POST", "/products", seller, data={"designation": "a"}, files={"image": ("a.png", bomb.getvalue())}
    )
    await refused(answer, 422, "bad_picture")


async def test_a_picture_of_eleven_megabytes_is_refused(program, seller):
    files = {"image": ("a.jpg", b"\xff\xd8" * 5_500_000)}
    answer = await program("POST", "/products", seller, data={"designation": "a"}, files=files)
    await refused(answer, 422, "picture_too_large")


async def test_an_endless_body_is_not_read_to_its_end(program, seller):
    token = await program.sign_in(seller)
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1_000_000
            yield b"a" * 1_000_000

    answer = await program("POST", "/products", token=token, content=endless())
    assert answer.status_code == 413
    assert sent < 20_000_000


async def test_what_is_neither_json_nor_a_form_is_refused(program, seller):
    answer = await program("POST", "/products", seller, content=b"a=b", headers={"Content-Type": "text/plain"})
    await refused(answer, 415, "media_type")
    answer = await program("POST", "/products", seller, content=b"{", headers={"Content-Type": "application/json"})
    await refused(answer, 400, "not_json")


async def test_an_edit_names_the_revision_that_it_changes(program, seller, submitted):
    product = await submitted(reference="A-1")
    path = f"/products/{product['id']}"
    changed = await program("PATCH", path, seller, json={"revision": 1, "designation": "Piscine carrée"})
    assert changed.status_code == 200, changed.text
    assert {**changed.json(), "updated_at": 0} | {"revision": 1, "designation": "Piscine ronde"} == {
        **product,
        "updated_at": 0,
    }
    late = await program("PATCH", path, seller, json={"revision": 1, "designation": "Piscine ovale"})
    await refused(late, 409, "changed_meanwhile")


async def test_a_withdrawn_product_stays_withdrawn(program, seller, submitted):
    product = await submitted()
    assert (await program("DELETE", f"/products/{product['id']}", seller)).status_code == 204
    assert (await program("GET", f"/products/{product['id']}", seller)).json()["state"] == "withdrawn"
    answer = await program("POST", f"/products/{product['id']}/decision", seller, json={"code": 10})
    await refused(answer, 409, "withdrawn")


async def test_a_seller_confirms_chooses_and_rates_and_the_history_knows(program, seller, submitted, classify):
    product = await submitted()
    classify(product["id"])
    path = f"/products/{product['id']}"
    assert (await program("POST", f"{path}/decision", seller, json={"code": 2583})).json()["state"] == "confirmed"
    chosen = (await program("POST", f"{path}/decision", seller, json={"code": 1280})).json()
    assert (chosen["category"]["code"], chosen["review"]) == (1280, "seller_disagrees")
    assert (await program("POST", f"{path}/rating", seller, json={"rating": 4})).json()["rating"] == 4
    missing = await program("POST", f"{path}/no-category", seller, json={"comment": "Un pneu"})
    assert missing.json()["review"] == "category_missing"
    history = (await program("GET", f"{path}/history", seller)).json()
    assert [each["action"] for each in history["feedback"]] == ["missing", "rate", "choose", "confirm"]
    assert [each["model_version"] for each in history["predictions"]] == ["0" * 16]


async def test_a_category_that_there_is_not_is_refused_with_those_that_there_are(program, seller, submitted, classify):
    product = await submitted()
    classify(product["id"])
    answer = await program("POST", f"/products/{product['id']}/decision", seller, json={"code": 11})
    assert "2583" in await refused(answer, 422, "category_not_allowed")


async def test_lists_are_read_page_by_page_and_filtered(program, seller, submitted, classify):
    ids = [(await submitted(designation=f"Piscine {number}"))["id"] for number in range(3)]
    classify(ids[0])
    first = (await program("GET", "/products", seller, params={"size": 2})).json()
    second = (await program("GET", "/products", seller, params={"size": 2, "cursor": first["next"]})).json()
    assert [each["id"] for each in first["items"] + second["items"]] == ids[::-1]
    waiting = (await program("GET", "/products", seller, params={"state": ["waiting", "failed"]})).json()
    assert {each["id"] for each in waiting["items"]} == set(ids[1:])


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "1"},
        {"cursor": "'; DROP TABLE products"},
        {"cursor": "\0"},
        {"size": 0},
        {"size": 10_000},
        {"text": "\0"},
        {"state": "none"},
        {"since": "yesterday"},
        {"seller_id": 2**63},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(program, seller, params):
    assert (await program("GET", "/products", seller, params=params)).status_code == 422


@pytest.mark.parametrize("id", ["0", "-1", str(2**63), str(10**30), "a", "1.5"])
async def test_an_id_that_is_none_is_refused(program, seller, id):
    await refused(await program("GET", f"/products/{id}", seller), 422, "invalid")


async def test_an_administrator_reviews(program, admin, submitted, classify):
    product = await submitted()
    classify(product["id"], (10, 0.3), (2705, 0.2), review="low_confidence")
    queue = (await program("GET", "/review/queue", admin, params={"review": "low_confidence"})).json()
    assert product["id"] in [each["product"]["id"] for each in queue["items"]]
    claimed = (await program("POST", f"/review/{product['id']}/claim", admin)).json()
    assert claimed["claimed_by"] == admin.actor.name
    next_one = (await program("POST", "/review/next", admin)).json()
    assert next_one["product"]["id"] == product["id"]
    fixed = await program("POST", f"/review/{product['id']}/accept", admin, json={"code": 2705, "reason": "new"})
    assert (fixed.json()["state"], fixed.json()["category"]["code"]) == ("accepted", 2705)
    changed = await program("POST", f"/products/{product['id']}/category", admin, json={"code": 40})
    assert changed.json()["category"]["code"] == 40


async def test_two_administrators_do_not_review_one_product(program, admin, make_account, submitted, classify):
    product, other = await submitted(), make_account("admin")
    classify(product["id"], review="low_confidence")
    path = f"/review/{product['id']}"
    await program("POST", f"{path}/claim", admin)
    assert admin.actor.name in await refused(await program("POST", f"{path}/claim", other), 409, "claimed")
    assert (await program("DELETE", f"{path}/claim", admin)).status_code == 204
    assert (await program("POST", f"{path}/claim", other)).status_code == 200
    assert (await program("POST", f"{path}/skip", other)).status_code == 204


async def test_a_bulk_action_says_what_it_did_not_reach(program, admin, submitted, classify):
    product, waiting = await submitted(), await submitted()
    classify(product["id"])
    body = {"ids": [product["id"], waiting["id"], 2**62], "action": "accept"}
    result = (await program("POST", "/review/bulk", admin, json=body)).json()
    assert result["done"] == 1
    assert {each["code"] for each in result["refused"]} == {"not_classified_yet", "product_not_found"}


async def test_a_seller_changes_the_password(program, seller):
    body = {"old": seller.password, "new": "another long password"}
    assert (await program("PUT", "/me/password", seller, json=body)).status_code == 204
    answer = await program("POST", "/session", json={"email": seller.email, "password": seller.password})
    await refused(answer, 401, "wrong_credentials")


async def test_an_administrator_makes_blocks_and_unblocks_an_account(program, admin):
    body = {"email": "nouvelle@example.org", "name": "Nouvelle", "password": "a long password"}
    created = await program("POST", "/users", admin, json=body)
    assert created.status_code == 201, created.text
    await refused(await program("POST", "/users", admin, json=body), 409, "email_taken")
    path, credentials = f"/users/{created.json()['id']}", {each: body[each] for each in ("email", "password")}
    assert (await program("POST", f"{path}/block", admin, json={"reason": "fraud"})).status_code == 204
    await refused(await program("POST", "/session", json=credentials), 401, "blocked")
    assert (await program("POST", f"{path}/unblock", admin)).status_code == 204
    assert (await program("POST", "/session", json=credentials)).status_code == 201
    found = (await program("GET", "/users", admin, params={"text": "nouvelle@"})).json()
    assert [each["name"] for each in found["items"]] == ["Nouvelle"]


async def test_the_audit_log_says_who_did_it_and_in_which_request(program, admin, seller, submitted):
    product = await submitted()
    question = {"subject": "product", "subject_id": str(product["id"])}
    [line] = (await program("GET", "/audit", admin, params=question)).json()["items"]
    assert (line["actor"], line["action"]) == (seller.email, "product_submitted")
    assert line["request_id"]


async def test_the_audit_log_is_exported_without_formulas(program, admin, store):
    formula = store.accounts.create(SYSTEM, "=1+1@example.org", "", "a long password", "seller")
    store.accounts.sign_in(formula.email, "a long password")
    answer = await program("GET", "/audit.csv", admin, params={"actor": formula.email})
    assert answer.headers["content-type"].startswith("text/csv")
    header, line = answer.text.splitlines()
    assert header.startswith("id,at,actor")
    assert ",'=1+1@example.org,signed_in," in line


async def test_a_retraining_is_asked_for_once(program, admin, store):
    asked = await program("POST", "/retrainings", admin, json={"reason": "new toys"})
    try:
        assert (asked.status_code, asked.json()["state"]) == (201, "asked")
        again = await program("POST", "/retrainings", admin, json={"reason": "new toys"})
        await refused(again, 409, "already_asked")
        assert (await program("GET", "/retrainings", admin)).json()[0]["reason"] == "new toys"
    finally:
        store.retrainings.mark(asked.json()["id"], "failed")


async def test_numbers_quality_and_models_are_there(program, admin):
    for path in ("/numbers", "/quality", "/model"):
        assert (await program("GET", path, admin)).status_code == 200


async def test_a_prediction_is_refused_while_the_service_is_down(program, seller):
    answer = await program("POST", "/predictions", seller, json={"designation": "Piscine"})
    await refused(answer, 503, "service_down")
    assert answer.headers["retry-after"]


async def test_categories_are_named_in_both_languages(program):
    english = (await program("GET", "/categories")).json()
    french = (await program("GET", "/categories", headers={"Accept-Language": "fr"})).json()
    assert len(english) == 27
    assert {"code": 2583, "name": "Pools and spas"} in english
    assert {"code": 2583, "name": "Autour de la piscine"} in french


async def test_what_there_is_not_is_said_in_the_same_form(program):
    await refused(await program("GET", "/nothing"), 404, "no_such_route")
    await refused(await program("PUT", "/products"), 405, "method_not_allowed")


async def test_the_document_describes_every_route(program):
    document = (await program("GET", "/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert route["tags"], path
            assert route["description"].endswith("."), (method, path)
