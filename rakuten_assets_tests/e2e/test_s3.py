"""The whole platform with its data root in S3, beside the same one in a folder: lineage, service, web app, MLflow."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import httpx
import pytest
from upath import UPath

from rakuten_assets.core import storage
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.sample import write_sample
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.store.records import SYSTEM
from rakuten_assets.store.store import Store
from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.e2e.stack import Stack, until
from rakuten_assets_tests.object_store import ObjectStore, free_port
from rakuten_assets_tests.serving.conftest import PROJECT

# As few as still make a champion.
PRODUCTS = 300

# Longer than a lineage takes where other tests run beside it.
LINEAGE_SECONDS = 600

PASSWORD = uuid4().hex


class Deployment:
    """A platform of its own: a state folder, a data root, and what its programs are told."""

    def __init__(self, name, root, environment):
        self.folder, self.root = HOME / name, root
        self.folder.mkdir()
        self.environment = (
            os.environ
            | environment
            | {
                "RAKUTEN_DATA_ROOT": str(root),
                "RAKUTEN_STATE_DIR": str(self.folder / "state"),
                "RAKUTEN_DROP_FOLDER": str(self.folder / "drop"),
                "RAKUTEN_SERVING_TOKEN_FILE": str(self.folder / "token"),
            }
        )

    def lineage(self, sample):
        """Starts what makes a champion of a sample."""
        rakuten = f"{sys.executable} -W ignore -m rakuten_assets"
        steps = f"{rakuten} ingest {sample} && {rakuten} materialize --summary {self.folder}/summary.json"
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                steps, shell=True, cwd=PROJECT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def champion(self):
        return json.loads((self.folder / "summary.json").read_text())["champion"]["version"]

    def python(self, script):
        """What a program in this deployment prints."""
        command = [sys.executable, "-W", "ignore", "-c", script]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self):
        """Name below the root and content of each file."""
        fs, start = self.root.fs, len(self.root.path) + 1
        names = [name for name in fs.find(self.root.path) if not name[start:].startswith(("logs/", "mlflow/"))]
        return dict(zip([name[start:] for name in names], storage.at_once(fs.cat_file, names), strict=True))


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    store = ObjectStore(tmp_path_factory.mktemp("s3") / "log")
    yield store
    store.stop()


@pytest.fixture(scope="module")
def deployments(s3):
    """The same sample, learnt side by side: in a folder, and in a bucket that nobody has made."""
    write_sample(HOME / "s3-sample", PRODUCTS, seed=3)
    local = Deployment("s3-local", UPath(HOME / "s3-local" / "data"), {})
    remote = Deployment("s3-remote", UPath("s3://shop/deep/prefix"), s3.environment())
    runs = [(each, each.lineage(HOME / "s3-sample")) for each in (local, remote)]
    try:
        for each, run in runs:
            assert run.wait(LINEAGE_SECONDS) == 0, (each.folder / "log").read_text()
    finally:
        for _, run in runs:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
    # This process is told nothing of S3, and so needs a path of its own to look.
    remote.root = s3.path("shop/deep/prefix")
    return local, remote


@pytest.fixture(scope="module")
def stack(deployments, s3):
    _, remote = deployments
    folder = HOME / "s3-stack"
    folder.mkdir()
    url = "s3://shop/deep/prefix"
    stack = Stack(folder, url, remote.champion, root=url, **s3.environment())
    try:
        until(stack.answers)
        until(stack.service.client.ready)
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def signed_in(stack):
    """A client of the web app for each role."""
    store = Store(stack.database_url)
    clients = {}
    for role in ("seller", "admin"):
        store.accounts.create(SYSTEM, f"{role}@shop.example", role, PASSWORD, role)
        client = httpx.Client(base_url=stack.url, timeout=60, headers={"Origin": stack.url})
        said = client.post("/api/v1/session", json={"email": f"{role}@shop.example", "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {said['token']}"
        client.cookies.set("rakuten_session", said["token"])
        clients[role] = client
    yield clients
    store.close()
    for client in clients.values():
        client.close()


def test_the_lineage_stores_the_same_in_s3_as_in_a_folder(deployments):
    local, remote = deployments
    assert local.champion == remote.champion
    here, there = local.files(), remote.files()
    # What translations are called is a matter of luck, what is in them is not.
    names = {name for name in here if not name.startswith("translations/")}
    assert names == {name for name in there if not name.startswith("translations/")}
    assert {f"models/stacked_model/{local.champion}/COMPLETE", f"model-cards/{local.champion}.md"} <= names
    assert {name.split("/")[0] for name in names} == {"assets", "deliveries", "images", "model-cards", "models"}
    different = {name for name in names if here[name] != there[name]}
    # Moments, seconds and numbers of runs.
    told_apart = {name for name in names if name.endswith(("manifest.json", "latest.json", ".md"))}
    assert different <= told_apart | {name for name in names if "/parity/" in name}, different


def test_what_steps_print_and_mlflow_s_files_are_in_the_bucket(deployments):
    _, remote = deployments
    names = remote.root.fs.find(remote.root.path)
    printed = [name for name in names if "/logs/storage/" in name and name.endswith(".err")]
    key = printed[0].removesuffix(".err").split("/logs/storage/")[1].split("/")
    assert any("/mlflow/" in name and name.endswith("confusion_matrix.md") for name in names)
    # The manager that a web server makes reads them from there.
    script = (
        "from rakuten_assets import lineage; from rakuten_assets.settings import Settings\n"
        "with lineage.instance(Settings()) as opened:\n"
        "    manager = opened.compute_log_manager\n"
        f"    print(type(manager).__name__, manager.get_log_data({key}).stderr is not None)\n"
    )
    assert remote.python(script).split() == ["S3ComputeLogManager", "True"]


def test_mlflow_s_server_hands_out_what_the_lineage_has_logged(deployments):
    _, remote = deployments
    port = free_port()
    script = (
        "import sys, os; from rakuten_assets.postgres import database_url\n"
        "os.environ['MLFLOW_BACKEND_STORE_URI'] = database_url('mlflow')\n"
        "from rakuten_assets.services import _commands; from rakuten_assets.settings import Settings\n"
        "command = _commands(Settings())['mlflow']\n"
        "import subprocess; sys.exit(subprocess.call(command))\n"
    )
    environment = remote.environment | {"RAKUTEN_MLFLOW_PORT": str(port)}
    with (remote.folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=log, stderr=log, cwd=PROJECT, start_new_session=True
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            until(lambda: _answers(client))
            runs = client.post("/api/2.0/mlflow/runs/search", json={"experiment_ids": ["1"], "max_results": 50}).json()
            trained = [run["info"] for run in runs["runs"] if run["info"]["run_name"] == "stacked_model"]
            asked = {"run_id": trained[0]["run_id"], "path": "confusion_matrix.md"}
            assert trained[0]["artifact_uri"].startswith("s3://shop/deep/prefix/mlflow/")
            answer = client.get("/get-artifact", params=asked)
            assert answer.status_code == 200
            assert answer.text.startswith("![plot]")
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def _answers(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_product_with_a_picture_goes_through_the_web_app(deployments, stack, signed_in):
    _, remote = deployments
    seller = signed_in["seller"]
    sent = seller.post(
        "/api/v1/products",
        params={"wait": 30},
        data={"designation": "Piscine tubulaire ronde", "description": "Avec filtre et échelle."},
        files={"image": ("piscine.jpg", picture(), "image/jpeg")},
        headers={"Idempotency-Key": "once"},
    )
    assert sent.status_code in (200, 201, 202), sent.text
    product = sent.json()
    assert product["prediction"]["model_version"] == remote.champion
    full, thumb = (seller.get(product["image"], params={"size": size}) for size in ("full", "thumb"))
    assert full.status_code == thumb.status_code == 200
    assert len(thumb.content) < len(full.content)
    digest = hashlib.sha256(full.content).hexdigest()
    assert read_picture(remote.root, digest) == full.content


def test_an_import_takes_its_table_and_its_pictures_through_the_bucket(deployments, signed_in):
    _, remote = deployments
    seller, archive = signed_in["seller"], io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for number in range(3):
            opened.writestr(f"{number}.jpg", picture(number))
    table = "designation,image\n" + "".join(f"Console de jeux {number},{number}.jpg\n" for number in range(3))
    files = {"csv": ("p.csv", table.encode()), "images": ("p.zip", archive.getvalue())}
    started = seller.post("/api/v1/imports", files=files)
    assert started.status_code == 202, started.text
    state = until(lambda: _ended(seller, started.json()["id"]), 60)
    assert (state["done"], state["refused"]) == (3, 0), state
    until(lambda: not remote.root.fs.find(f"{remote.root.path}/imports"), 10)


def _ended(seller, id):
    state = seller.get(f"/api/v1/imports/{id}").json()
    return state if state["state"] not in ("waiting", "running") else None


def test_administrators_read_pages_that_another_process_has_just_written(deployments, stack, signed_in):
    _, remote = deployments
    admin = signed_in["admin"]
    card = admin.get(f"/model/card/{remote.champion}")
    assert card.status_code == 200
    assert "Text model" in card.text
    store, now = Store(stack.database_url), datetime.now(UTC)
    number = store.drift.record(remote.champion, 1, (now, now), 1, 0, 0.1, [], "reports/drift/one")
    store.close()
    assert admin.get(f"/drift/{number}/features").status_code == 404
    remote.python(
        "from rakuten_assets.settings import Settings; from rakuten_assets.core.storage import write\n"
        "write(Settings().root / 'reports/drift/one/features.html', b'<p>as it was drawn up</p>')\n"
    )
    assert "as it was drawn up" in admin.get(f"/drift/{number}/features").text


def picture(seed=0):
    return encode(draw_picture(Random(seed), 2583))
