"""Exchanging the model that answers, under load, and taking it back."""

import shutil
import threading
import time

import httpx
import pytest

from rakuten_assets_tests.serving.conftest import START_SECONDS, TOKEN, other_version, start, stop, until
from serving.client import Client, ServiceRefused

TITLES = [f"{word} {number}" for number in range(50) for word in ("Piscine", "Livre", "Console", "Chaise", "Chat")]


@pytest.fixture(scope="module")
def models(platform, champion, tmp_path_factory):
    """A model root with the champion and two versions that answer otherwise."""
    root = tmp_path_factory.mktemp("models")
    shutil.copytree(champion, root / "models" / "stacked_model" / champion.name)
    (root / "models" / "stacked_model" / champion.name / "COMPLETE").touch()
    return root, champion.name, other_version(champion, root, 0.5), other_version(champion, root, 0.25)


@pytest.fixture(scope="module")
def shared(models, tmp_path_factory):
    running = start(tmp_path_factory.mktemp("swapped"), models[0], models[1])
    until(running.client.ready, START_SECONDS, running)
    yield running
    stop(running)


@pytest.fixture
def swapped(shared, models):
    """The service as it was started, whatever a test has done to it."""
    yield shared
    with shared.client as client:
        client.stop_challenge()
        client.deploy(models[1])


class Load:
    """Callers that ask without pause; what they got, and when."""

    def __init__(self, service, callers=6):
        self._stop = threading.Event()
        self._service = service
        self.answers = []
        self.failures = []
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in range(callers)]

    def _ask(self, at):
        with Client(self._service.url) as client:
            while not self._stop.is_set():
                at += 1
                try:
                    self.answers.append((time.monotonic(), client.predict(TITLES[at % len(TITLES)]).model_version))
                except Exception as error:
                    self.failures.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_swap_under_load_drops_no_request_and_is_complete_when_it_is_confirmed(swapped, models):
    _, first, second, third = models
    with Load(swapped) as load:
        for version in (second, third, second):
            report = swapped.client.deploy(version)
            confirmed = time.monotonic()
            assert {worker.champion for worker in report.workers} == {version}
            assert len(report.workers) == 2
            time.sleep(0.4)
            # Requests that were under way when it was confirmed may still be answered by the model before.
            late = {seen for at, seen in load.answers if at > confirmed + 0.3}
            assert late == {version}
    assert load.failures == []
    assert {version for _, version in load.answers} == {first, second, third}


def test_roll_back_is_one_call_and_the_version_is_remembered(swapped, models):
    _, first, second, _ = models
    swapped.client.deploy(second)
    report = swapped.client.rollback()
    assert report.champion == first
    assert report.rejected == {second: "rolled back"}
    assert swapped.client.predict("Piscine").model_version == first
    with pytest.raises(ServiceRefused, match="no model to roll back to"):
        swapped.client.rollback()
    assert swapped.client.deploy(second).rejected == {}


@pytest.mark.parametrize("damage", ["changed", "skewed", "without examples"])
def test_a_model_that_cannot_be_trusted_never_answers(swapped, models, champion, damage):
    root, first, *_ = models
    version = other_version(champion, root, {"changed": 0.7, "skewed": 0.8, "without examples": 0.9}[damage])
    folder = root / "models" / "stacked_model" / version
    if damage == "changed":
        (folder / "fusion" / "fusion.json").write_text((folder / "fusion" / "fusion.json").read_text() + " ")
    elif damage == "skewed":
        shutil.rmtree(folder / "parity")
        shutil.copytree(root / "models" / "stacked_model" / first / "parity", folder / "parity")
    else:
        shutil.rmtree(folder / "parity")
    with pytest.raises(ServiceRefused) as refusal:
        swapped.client.deploy(version)
    assert refusal.value.status == 409
    report = swapped.client.deployment()
    assert report.champion == first
    assert version in report.rejected
    assert swapped.client.predict("Piscine").model_version == first


def test_a_version_that_is_not_there_is_not_found(swapped):
    with pytest.raises(ServiceRefused) as refusal:
        swapped.client.deploy("0123456789abcdef")
    assert refusal.value.status == 404


@pytest.mark.parametrize("version", ["../../../etc", "87f4", "0123456789abcdeg", ""])
def test_a_version_that_is_none_is_refused(swapped, version):
    with pytest.raises(ServiceRefused) as refusal:
        swapped.client.deploy(version)
    assert refusal.value.status == 422


def test_a_shadow_answers_nobody_and_is_measured_apart(swapped, models):
    _, first, second, _ = models
    swapped.client.challenge(second, "shadow")
    versions = {swapped.client.predict(title).model_version for title in TITLES}
    assert versions == {first}
    until(lambda: counted(swapped, "rakuten_confidence_count", version=second, role="shadow") > 100, 20, swapped)
    agreed = counted(swapped, "rakuten_shadow_agreement_total", version=second, agrees="true")
    # The temperature alone differs, which changes no decision.
    assert agreed > 100
    assert counted(swapped, "rakuten_shadow_agreement_total", version=second, agrees="false") == 0


def test_a_canary_answers_its_share_and_always_the_same_products(swapped, models):
    _, first, second, _ = models
    before = counted(swapped, "rakuten_confidence_count", version=second, role="canary")
    swapped.client.challenge(second, "canary", 0.3)
    once, again = ([swapped.client.predict(title).model_version for title in TITLES] for _ in range(2))
    assert once == again
    assert set(once) == {first, second}
    assert 0.18 < once.count(second) / len(once) < 0.42
    until(
        lambda: (
            counted(swapped, "rakuten_confidence_count", version=second, role="canary") - before
            == 2 * once.count(second)
        ),
        10,
        swapped,
    )
    assert swapped.client.stop_challenge().challenger is None
    assert {swapped.client.predict(title).model_version for title in TITLES} == {first}


def test_the_champion_cannot_challenge_itself(swapped, models):
    with pytest.raises(ServiceRefused, match="the champion itself"):
        swapped.client.challenge(models[1])


def test_a_restarted_service_goes_on_with_what_was_deployed(models, tmp_path):
    root, first, second, third = models
    running = start(tmp_path, root, first)
    until(running.client.ready, START_SECONDS, running)
    running.client.deploy(second)
    running.client.challenge(third)
    stop(running)
    running = start(tmp_path, root, first)
    try:
        until(running.client.ready, START_SECONDS, running)
        found = running.client.model()
        assert (found.version, found.challenger) == (second, third)
        assert running.client.rollback().champion == first
    finally:
        stop(running)


def test_a_service_whose_models_are_gone_answers_with_what_it_has(models, champion, tmp_path):
    _, first, second, third = models
    root = tmp_path / "root"
    shutil.copytree(models[0], root)
    running = start(tmp_path, root, first, RAKUTEN_SERVING_WORKERS="1")
    until(running.client.ready, START_SECONDS, running)
    running.client.deploy(second)
    running.client.challenge(third)
    for gone, version in ((third, second), (second, first)):
        stop(running)
        shutil.rmtree(root / "models" / "stacked_model" / gone)
        running = start(tmp_path, root, first, RAKUTEN_SERVING_WORKERS="1")
        until(running.client.ready, START_SECONDS, running)
        assert running.client.model().version == version
    try:
        report = running.client.deployment()
        assert (report.champion, report.answering) == (second, first)
        with pytest.raises(ServiceRefused) as refusal:
            running.client.deploy(second)
        assert refusal.value.status == 404
    finally:
        stop(running)


def test_a_service_without_a_model_waits_for_one(models, tmp_path):
    running = start(tmp_path, models[0])
    try:
        assert httpx.get(f"{running.url}/readyz").status_code == 503
        assert httpx.get(f"{running.url}/livez").status_code == 200
        answer = httpx.post(f"{running.url}/predict", json={"designation": "Piscine"})
        assert (answer.status_code, answer.json()["code"]) == (503, "no_model")
        assert answer.headers["retry-after"]
        running.client.deploy(models[1])
        assert running.client.ready()
    finally:
        stop(running)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "deployment"),
        ("POST", "champion"),
        ("POST", "challenger"),
        ("DELETE", "challenger"),
        ("POST", "rollback"),
    ],
)
def test_every_admin_route_needs_the_token(swapped, method, path):
    address = f"{swapped.url}/admin/{path}"
    assert httpx.request(method, address).status_code == 401
    assert httpx.request(method, address, headers={"authorization": f"Bearer {TOKEN}x"}).status_code == 403
    assert httpx.request(method, address, headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


def test_without_a_token_there_are_no_admin_routes(models, tmp_path):
    running = start(tmp_path, models[0], RAKUTEN_SERVING_TOKEN_FILE=str(tmp_path / "none"))
    try:
        with pytest.raises(ServiceRefused, match="no admin token"):
            running.client.deployment()
    finally:
        stop(running)


def counted(service, name, **labels):
    """A metric's value; 0 where nothing was counted under these labels."""
    for line in httpx.get(f"{service.url}/metrics").text.splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0.0
