"""docker/kubernetes as kubectl builds it: objects, pods, and what is said of them."""

import os
import shutil
import subprocess
from functools import cache

import pytest
import yaml

from rakuten_assets_tests.docker.tools import DOCKER

KUBERNETES = DOCKER / "kubernetes"
OVERLAYS = ("cpu", "gpu", "dev", "kuberay")
VERSION = "1.37.0"


@cache
def kubectl():
    """Any kubectl; Debian's is installed where there is none."""
    if shutil.which("kubectl") is None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "kubernetes-client"]):
            subprocess.run([*sudo, *command], check=True, capture_output=True)
    found = shutil.which("kubectl")
    assert found, "kubectl could not be installed"
    return found


@cache
def built(overlay):
    """All objects of an overlay."""
    done = subprocess.run([kubectl(), "kustomize", KUBERNETES / "overlays" / overlay], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def named(overlay, kind):
    return {each["metadata"]["name"]: each for each in built(overlay) if each["kind"] == kind}


@cache
def pods(overlay):
    """Pod templates by the name of what makes them; those of Ray too, and the run that the launcher makes."""
    found = {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in built(overlay)
        if each["kind"] in ("Deployment", "StatefulSet", "Job")
    }
    for ray in named(overlay, "RayCluster").values():
        found["ray-head"] = ray["spec"]["headGroupSpec"]["template"]
        found |= {f"ray-{each['groupName']}": each["template"] for each in ray["spec"]["workerGroupSpecs"]}
    return found


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def each_pod():
    return [pytest.param(o, n, t, id=f"{o}-{n}") for o in OVERLAYS for n, t in pods(o).items()]


def variables(overlay, container):
    maps = [named(overlay, "ConfigMap")[each["configMapRef"]["name"]]["data"] for each in container.get("envFrom", [])]
    own = {each["name"]: each.get("value") for each in container.get("env", [])}
    return {name: value for each in (*maps, own) for name, value in each.items()}


def chosen(labels, template):
    return labels.items() <= template["metadata"]["labels"].items()


@cache
def instance(overlay="cpu"):
    return yaml.safe_load(named(overlay, "ConfigMap")["dagster"]["data"]["dagster.yaml"])


def launcher():
    return instance()["run_launcher"]["config"]
