"""What the service answers: to JSON and to forms, to one product and to many."""

import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from rakuten_assets.assets.champion import chunks, gold_products
from rakuten_assets.assets.training import read_opinion
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.products import Product
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.resources import DataRoot
from rakuten_assets_tests.serving.conftest import START_SECONDS, as_base64, start, stop, until

TITLE, TEXT = "Piscine tubulaire ronde 366 x 76 cm", "<p>Avec filtre &amp; échelle</p>"


def post(service, path, **options):
    return httpx.post(service.url + path, timeout=60, **options)


def test_a_product_gets_categories_with_names_and_confidence(service, champion, picture):
    answer = post(service, "/predict", json={"designation": TITLE, "description": TEXT, "image": as_base64(picture)})
    body = answer.json()
    assert answer.status_code == 200
    assert len(body["categories"]) == 5
    assert all(NAMES[each["code"]] == each["name"] for each in body["categories"])
    confidences = [each["confidence"] for each in body["categories"]]
    assert confidences == sorted(confidences, reverse=True)
    assert body["rests_on"] == "both"
    assert body["model_version"] == champion.name
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["needs_review"] == (body["review"] is not None)


def test_a_form_with_a_file_is_answered_like_json(service, picture):
    json = post(service, "/predict", json={"designation": TITLE, "image": as_base64(picture), "top": 3}).json()
    form = post(service, "/predict", data={"designation": TITLE, "top": "3"}, files={"image": picture}).json()
    assert form["categories"] == json["categories"]
    assert len(form["categories"]) == 3


@pytest.mark.parametrize(
    ("given", "rests_on"), [({"designation": TITLE}, "text"), ({"image": None, "description": TEXT}, "text")]
)
def test_the_picture_may_be_missing(service, given, rests_on):
    assert post(service, "/predict", json=given).json()["rests_on"] == rests_on


def test_the_text_may_be_missing(service, picture):
    assert post(service, "/predict", json={"image": as_base64(picture)}).json()["rests_on"] == "image"


def test_a_picture_may_come_as_a_data_address(service, picture):
    plain = post(service, "/predict", json={"image": as_base64(picture)}).json()
    address = post(service, "/predict", json={"image": f"data:image/jpeg;base64,{as_base64(picture)}"}).json()
    assert address["categories"] == plain["categories"]


def test_an_uncertain_answer_must_be_reviewed(service):
    answer = service.client.predict("bonjour")
    assert answer.needs_review
    assert answer.review.code == "low_confidence"
    assert answer.review.text.endswith(".")


def test_the_callers_request_id_is_kept(service):
    answer = post(service, "/predict", json={"designation": TITLE}, headers={"X-Request-ID": "order-17"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "order-17"
    answer = post(service, "/predict", json={"designation": TITLE}, headers={"X-Request-ID": "a\tb <script>"})
    assert answer.json()["request_id"].isalnum()


def test_a_batch_answers_good_products_beside_bad_ones(service, picture):
    products = [
        {"designation": TITLE},
        {"image": "not base64!"},
        {},
        {"image": as_base64(b"no picture")},
        {"designation": TITLE, "image": as_base64(picture)},
        {"designation": "<br/>"},
    ]
    answer = post(service, "/predict_batch", json={"products": products, "top": 2})
    assert answer.status_code == 200
    codes = [each.get("code", "answered") for each in answer.json()["predictions"]]
    nothing = "nothing_to_classify"
    assert codes == ["answered", "not_base64", nothing, "bad_picture", "answered", nothing]


def test_a_batch_answers_in_the_order_of_its_products(service):
    titles = [f"{word} numéro {number}" for number in range(8) for word in ("Piscine", "Livre", "Console", "Chaise")]
    together = service.client.predict_batch([(title, "", None) for title in titles], top=27)
    alone = [service.client.predict(title, top=27) for title in titles]
    for one, other in zip(together, alone, strict=True):
        assert [each.code for each in one.categories] == [each.code for each in other.categories]
        np.testing.assert_allclose(
            [each.confidence for each in one.categories], [each.confidence for each in other.categories], atol=1e-9
        )


def test_a_task_classifies_in_the_background(service, picture):
    products = [(TITLE, "", picture if row % 10 == 0 else None) for row in range(300)] + [("", "", b"bad")]
    task = service.client.submit(products, top=1)
    deadline = time.monotonic() + 60
    while (answers := service.client.result(task)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(answers) == 301
    assert {each.categories[0].code for each in answers[:300]} == {service.client.predict(TITLE).categories[0].code}
    assert answers[300].code == "bad_picture"


@pytest.mark.parametrize("body", [b"{", b'{"products": []}', b'{"products": "many"}', b'{"products": [{}], "x": 1}'])
def test_a_task_that_is_none_is_refused_when_it_is_handed_in(service, body):
    answer = post(service, "/predict_many/submit", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["error"].endswith(".")


def test_an_explanation_adds_up_to_the_decision(service, classifier, picture):
    found = service.client.explain(TITLE, TEXT, picture)
    text = found.text
    assert text.base + text.elsewhere + sum(word.contribution for word in text.words) == pytest.approx(text.logit)
    assert all(text.read[word.start : word.end] == word.word for word in text.words)
    assert len(found.image.regions) == found.image.rows
    assert {len(row) for row in found.image.regions} == {found.image.columns}
    best = service.client.predict(TITLE, TEXT, picture).categories[0]
    assert found.category.code == best.code
    assert found.category.confidence == pytest.approx(best.confidence)


def test_another_category_can_be_explained(service):
    assert service.client.explain(TITLE, code=10).category.code == 10


def test_similar_products_are_known_ones(service, platform):
    known = platform.table("products", "*").drop_nulls("prdtypecode")
    nearest = service.client.similar(TITLE, count=7)
    assert len(nearest) == 7
    similarities = [each.similarity for each in nearest]
    assert similarities == sorted(similarities, reverse=True)
    labels = dict(known.select("productid", "prdtypecode").iter_rows())
    assert all(labels[each.productid] == each.code for each in nearest)


def test_a_known_product_is_nearest_to_itself(service):
    first = service.client.similar(TITLE)[0]
    again = service.client.similar(first.designation)[0]
    assert again.similarity >= first.similarity


def test_the_model_and_its_categories_are_told(service, champion):
    found = service.client.model()
    assert found.version == champion.name
    assert [each.code for each in found.categories] == list(CODES)


def test_the_three_health_routes_answer(service):
    assert [httpx.get(f"{service.url}/{path}").status_code for path in ("healthz", "livez", "readyz")] == [200] * 3


def test_metrics_tell_versions_and_roles_apart(service, champion):
    service.client.predict(TITLE)
    found = httpx.get(f"{service.url}/metrics").text
    label = f'role="champion",version="{champion.name}"'
    for name in ("confidence_count", "inference_seconds_count", "batch_size_count"):
        assert f"rakuten_{name}{{{label}}}" in found
    assert "rakuten_predictions_total{code=" in found
    assert "bentoml_" not in found


@pytest.fixture
def newest(platform, tmp_path):
    """The newest stacked model, whose text and image models the assets hold, and a service of it."""
    folder = platform.settings.root / latest(platform, "stacked_model")
    running = start(tmp_path, platform.settings.root, folder.name, RAKUTEN_SERVING_WORKERS="1")
    until(running.client.ready, START_SECONDS, running)
    yield ProductClassifier.load(Path(str(folder))), running.client
    stop(running)


def latest(platform, asset):
    """The folder that an asset's newest model lies in."""
    return json.loads((platform.settings.root / "models" / asset / "latest.json").read_text())["folder"]


def test_asset_stored_classifier_and_live_service_agree(platform, newest):
    """Parity: the same products get the same probabilities in all three, to 1e-6."""
    classifier, client = newest
    splits = platform.table("splits")
    gold = gold_products(splits, platform.table("products", "*")).head(40)
    rows = [each for part in chunks(gold, DataRoot(url=str(platform.settings.root))) for each in part]
    stored = classifier.predict_log_proba(rows)
    live = np.zeros_like(stored.stacked)
    for row, product in enumerate(rows):
        for each in client.predict(product.designation, product.description, product.image, top=27).categories:
            live[row, CODES.index(each.code)] = each.confidence
    assert np.abs(live - np.exp(stored.stacked)).max() <= 1e-6
    of_gold = splits["productid"].is_in(gold["productid"].implode()).to_numpy()
    for name in ("text", "image"):
        opinion = read_opinion(platform.settings.root / latest(platform, f"{name}_model"), splits["productid"])[of_gold]
        assert np.nanmax(np.abs(np.exp(opinion) - np.exp(getattr(stored, name)))) <= 1e-6


def test_a_product_is_answered_like_in_process(service, classifier, picture):
    here = classifier.predict([Product(TITLE, TEXT, picture)], top=27)[0]
    there = service.client.predict(TITLE, TEXT, picture, top=27)
    assert [each.code for each in there.categories] == [each.code for each in here.categories]
