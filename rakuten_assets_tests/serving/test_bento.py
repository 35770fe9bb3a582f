"""The Bento: what is in it, that it answers from anywhere, and what its image is made of."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from rakuten_assets import bento
from rakuten_assets.core import parity
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets_tests.object_store import ObjectStore
from rakuten_assets_tests.serving.conftest import START_SECONDS, start, stop, until

PROJECT = Path(__file__).parents[2]
PINS = ("serving/requirements.txt", "serving/requirements-torch.txt")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """BentoML's home with a Bento of the champion for each device."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def bentos(champion, home):
    """The champion's Bento for each device."""
    return {device: bento.build(champion, home, device).built for device in ("cpu", "gpu")}


@pytest.fixture
def elsewhere(bentos, tmp_path):
    """A copy of the Bento, far from the source and from the store that it was built in."""
    return Path(shutil.copytree(bentos["cpu"].path, tmp_path / "copied"))


def test_a_bento_answers_from_anywhere_as_the_stored_classifier_does(elsewhere, classifier, tmp_path):
    running = start(tmp_path / "run", tmp_path / "nothing", target=str(elsewhere), cwd=tmp_path, PYTHONPATH="")
    try:
        until(running.client.ready, START_SECONDS, running)
        # As many as are asked for here, whatever the machine was that built the Bento.
        until(lambda: len(running.client.deployment().workers) == 2, START_SECONDS, running)
        products = parity.examples()
        expected = np.exp(classifier.predict_log_proba(products).stacked)
        for product, row in zip(products, expected, strict=True):
            answer = running.client.predict(product.designation, product.description, product.image, top=len(CODES))
            assert answer.model_version == classifier.version
            found = {category.code: category.confidence for category in answer.categories}
            assert [found[code] for code in CODES] == pytest.approx(row, abs=1e-6)
    finally:
        stop(running)


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    if request.param == "local":
        yield UPath(tmp_path / "data")
        return
    store = ObjectStore(tmp_path / "log")
    store.path("bucket").mkdir()
    yield store.path("bucket/data")
    store.stop()


def test_a_bento_that_is_kept_in_the_data_root_is_the_same_on_another_machine(bentos, root, tmp_path):
    built, there = bentos["cpu"], tmp_path / "there"
    name = bento.keep(built, root)
    fetched = bento.fetch(root, name, there)
    assert Path(fetched.path).is_relative_to(there)
    assert (fetched.tag, fetched.content) == (built.tag, bento.content(Path(fetched.path)))
    assert bento.read(Path(fetched.path)) == fetched
    (Path(fetched.path) / "src" / "serving" / "app.py").write_text("damaged")
    assert bento.content(Path(bento.fetch(root, name, there).path)) == built.content
    (root / name / "src/serving/app.py").write_text("damaged")
    with pytest.raises(ValueError, match="is damaged"):
        bento.fetch(root, name, tmp_path / "third")
    assert bento.read(tmp_path / "third" / "bentos" / bento.NAME / Path(built.path).name) is None


def test_the_service_of_a_bento_imports_nothing_of_the_platform_but_the_core(elsewhere, tmp_path):
    script = (
        "import json, sys, serving.service\n"
        "print(json.dumps({n: getattr(m, '__file__', None) or '' for n, m in sys.modules.items()}))"
    )
    environment = {"PATH": os.environ["PATH"], "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=elsewhere / "src", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    own = {name: file for name, file in loaded.items() if name.split(".")[0] in ("rakuten_assets", "serving")}
    assert {".".join(name.split(".")[:2]) for name in own if name.startswith("rakuten_assets.")} == {
        "rakuten_assets.core",
        "rakuten_assets.telemetry",
    }
    assert [file for file in own.values() if not file.startswith(str(elsewhere))] == []
    assert not {"dagster", "mlflow", "sqlalchemy", "torch"} & set(loaded)


def test_a_bento_holds_the_core_the_service_and_the_model_and_nothing_else(bentos, champion):
    folder = Path(bentos["cpu"].path)
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    model = f"models/rakuten-classifier/{champion.name}"
    source = r"src/rakuten_assets/(__init__|telemetry|core/\w+)\.(py|tsv)|src/serving/[\w-]+\.(py|txt)"
    allowed = rf"{source}|{model}/classifier/.+"
    assert {name for name in names if not re.fullmatch(allowed, name)} == {
        *("README.md", "bento.yaml", "record.json", "apis/openapi.yaml", "apis/schema.json", "src/bentofile.yaml"),
        *(f"env/docker/{name}" for name in ("Dockerfile", "entrypoint.sh")),
        *(f"env/python/requirements.{ending}" for ending in ("in", "txt")),
        *(f"{model}/model.yaml", "models/rakuten-classifier/latest"),
    }
    assert {f"src/rakuten_assets/core/{file.name}" for file in (PROJECT / "rakuten_assets/core").glob("*.py")} <= names
    assert bentos["cpu"].files == len(names) - 1
    assert bentos["cpu"].size > 1_000_000


def test_building_again_elsewhere_gives_the_same_content(bentos, champion, tmp_path):
    assert bento.build(champion, tmp_path, "cpu").built.content == bentos["cpu"].content
    assert bentos["gpu"].content != bentos["cpu"].content


def test_what_is_there_already_is_not_built_again(bentos, champion, home):
    again = bento.build(champion, home, "cpu")
    assert again.reused
    assert again.built == bentos["cpu"]


@pytest.mark.parametrize("file", ["src/serving/service.py", bento.RECORD])
def test_a_bento_that_is_damaged_or_was_never_finished_is_built_anew(bentos, champion, home, file):
    damaged = Path(bentos["cpu"].path) / file
    damaged.write_text("no longer what it was")
    again = bento.build(champion, home, "cpu")
    assert not again.reused
    assert again.built == bentos["cpu"]


def test_a_folder_that_is_not_the_version_it_names_is_no_champion(champion, tmp_path):
    folder = Path(shutil.copytree(champion, tmp_path / "changed"))
    (folder / "classifier.json").write_text("{}")
    with pytest.raises(ValueError, match="is not version"):
        bento.build(folder, tmp_path)


@pytest.mark.parametrize(
    ("text", "image", "file"),
    [
        ("tfidf", "handmade", "serving/requirements.txt"),
        ("transformer", "handmade", "serving/requirements-torch.txt"),
        ("tfidf", "timm", "serving/requirements-torch.txt"),
        ("tfidf", None, "serving/requirements.txt"),
    ],
)
def test_pytorch_is_in_the_image_where_an_encoder_is_a_network(tmp_path, text, image, file):
    for part, kind in (("text", text), ("image", image)):
        if kind:
            (tmp_path / part / "encoder").mkdir(parents=True)
            (tmp_path / part / "encoder" / "encoder.json").write_text(json.dumps({"kind": kind}))
    assert bento.requirements(tmp_path) == file


def test_pytorch_is_in_the_image_where_a_network_decides(tmp_path):
    (tmp_path / "text" / "encoder").mkdir(parents=True)
    (tmp_path / "text" / "encoder" / "encoder.json").write_text(json.dumps({"kind": "tfidf"}))
    assert bento.requirements(tmp_path) == "serving/requirements.txt"
    (tmp_path / "text" / "network").mkdir()
    assert bento.requirements(tmp_path) == "serving/requirements-torch.txt"


def pinned(file):
    """Name and version of each package that a requirements file names."""
    return set(re.findall(r"^[\w.-]+==[\w.+]+", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", PINS)
def test_the_packages_of_an_image_are_those_of_the_lock(name):
    pins = pinned(PROJECT / name)
    assert pins <= pinned(PROJECT / "requirements.lock")
    assert len(pins) == len((PROJECT / name).read_text().splitlines())
    assert any(pin.startswith("bentoml==") for pin in pins)
    assert any(pin.startswith("torch==") for pin in pins) == ("torch" in name)
    assert not {"dagster", "mlflow", "pytest"} & {pin.split("==")[0] for pin in pins}


@pytest.fixture(params=["cpu", "gpu"])
def image(request, bentos):
    """Device, Dockerfile and pinned packages of a Bento's image."""
    folder = Path(bentos[request.param].path) / "env"
    dockerfile, packages = (folder / "docker" / "Dockerfile"), (folder / "python" / "requirements.txt")
    return request.param, dockerfile.read_text(), packages


def test_the_image_stands_on_a_named_release(image):
    device, dockerfile, _ = image
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    named = {"cpu": r"python:3\.11-slim-\w+", "gpu": r"nvidia/cuda:13\.0\.\d+-runtime-ubuntu24\.04"}
    assert len(bases) == 1
    assert re.fullmatch(named[device], bases[0])
    assert "latest" not in dockerfile


def test_the_image_has_the_pinned_packages(image):
    device, dockerfile, packages = image
    assert pinned(packages) == pinned(PROJECT / "serving/requirements.txt")
    assert "pip install -r $BENTO_PATH/env/python/requirements.txt" in dockerfile
    uv = re.search(r"pip install --no-cache-dir uv==[\d.]+\n", dockerfile)
    assert uv
    assert uv.start() < dockerfile.index("command -v uv")
    if device == "gpu":
        install, link = dockerfile.index("python3.12-venv"), dockerfile.index("/usr/local/bin/uv")
        assert install < uv.start() < link < dockerfile.index("command -v uv")


def test_who_runs_in_the_image_can_change_neither_code_nor_model(image):
    dockerfile = image[1]
    copies = re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE)
    assert copies
    assert all(copy.startswith("--chown=root:root ") for copy in copies)
    last_copy, closed = dockerfile.rindex("COPY "), dockerfile.index("chmod go-w")
    users = re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE)
    assert last_copy < closed < dockerfile.index("USER bentoml")
    assert users[-1] == "bentoml"
    assert "chown" not in dockerfile[dockerfile.index("USER bentoml") :]
    assert "RAKUTEN_SERVING_STATE_DIR=/var/lib/rakuten/" in dockerfile
    assert "install -d -o bentoml -g bentoml -m 0700 /var/lib/rakuten" in dockerfile


def test_the_image_says_how_it_is_and_where_it_answers(image):
    dockerfile = image[1]
    assert re.search(r"^HEALTHCHECK .*/livez", dockerfile, re.MULTILINE)
    assert re.findall(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE) == ["3001"]
    assert "BENTOML_PORT=3001" in dockerfile


def test_the_threads_are_not_those_of_the_machine_that_built_the_image(image):
    assert "_THREADS" not in image[1]


@pytest.mark.parametrize(
    "trace",
    ["https?://(?!127)", "--(extra-)?index", "index-url", "token|secret|password", "tests", "pickle", r"\|\s*(ba)?sh"],
)
def test_the_image_has_no_trace_of(image, trace):
    assert re.findall(f".*(?:{trace}).*", image[1], re.IGNORECASE) == []


@pytest.mark.parametrize("ending", ["txt", "in"])
def test_the_packages_come_from_wherever_the_builder_gets_packages(image, ending):
    assert re.findall(r".*(?:://|^-).*", image[2].with_suffix(f".{ending}").read_text(), re.MULTILINE) == []


def test_an_image_is_built_from_the_dockerfile_in_the_bento(bentos):
    built = bentos["cpu"]
    command = bento.image_command(built)
    assert command[:4] == ["docker", "build", "--tag", built.tag]
    assert re.fullmatch(r"rakuten-classifier:[0-9a-f]{16}-cpu", built.tag)
    file, context = command[-2:]
    assert Path(file).is_relative_to(context)
    assert "chmod go-w" in Path(file).read_text()


def test_without_an_engine_there_is_no_docker(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert bento.docker_engine() is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert bento.docker_engine() is None
