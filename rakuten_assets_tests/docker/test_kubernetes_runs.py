"""The run launcher of docker/kubernetes, as it is rendered: the Job that it makes, and what it asks the cluster for.

Its own client speaks to a server here that keeps what it was asked, and answers as a cluster's API does.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kubernetes_validate
import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.dagster_run import DagsterRun

from rakuten_assets_tests.docker.kustomized import VERSION, instance, launcher, named, pods, variables

JOB = {"metadata": {"name": "run", "namespace": "here"}, "status": {"active": 1, "startTime": "2026-01-01T00:00:00Z"}}
ENDED = {
    "name": "dagster",
    "image": "",
    "imageID": "",
    "ready": False,
    "restartCount": 0,
    "state": {"terminated": {"exitCode": 1}},
}
POD = {
    "metadata": {"name": "run", "namespace": "here"},
    "spec": {"containers": [{"name": "dagster"}]},
    "status": {"phase": "Failed", "containerStatuses": [ENDED]},
}

VERBS = {"POST": "create", "DELETE": "delete", "GET": "get"}


class Cluster(BaseHTTPRequestHandler):
    """One Job and its pod, whatever is asked; `asked` are verb and resource, `jobs` what was made."""

    asked: set
    jobs: list
    pods: list

    def answer(self):
        found = re.fullmatch(
            r"/(?:apis?/)+(?:batch/)?v1/namespaces/(\w+)/([a-z]+)(/[\w-]+)?(/[a-z]+)?", self.path.partition("?")[0]
        )
        namespace, resource, name, part = found.groups()
        assert namespace == "here"
        verb = "list" if self.command == "GET" and not name else VERBS[self.command]
        self.asked.add((verb, resource + (part or "")))
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if verb == "create":
            self.jobs.append(json.loads(sent))
        items = {"pods": self.pods, "events": [], "jobs": [JOB]}[resource] if verb == "list" else []
        body = {"list": {"items": items}, "create": json.loads(sent or "{}"), "get": JOB if resource == "jobs" else POD}
        text = json.dumps(body.get(verb, {"status": "Success"})).encode()
        self.send_response(201 if verb == "create" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Cluster,), {"asked": set(), "jobs": [], "pods": [POD]}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "here", "user": {}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("RAKUTEN_NAMESPACE", "here")
    yield server.RequestHandlerClass
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["cpu", "gpu"])
def launched(request, cluster, tmp_path):
    """A run that the rendered launcher has started: the instance, the run, the overlay and the cluster."""
    # Outside of a cluster there is no token to find: all else is as it is rendered.
    given = launcher() | {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "config")}
    overrides = {"run_launcher": instance()["run_launcher"] | {"config": given}}
    (container,) = pods(request.param)["code-location"]["spec"]["containers"]
    env = variables(request.param, container)
    code = RepositoryPythonOrigin(
        executable_path="python",
        code_pointer=ModuleCodePointer("rakuten_assets.definitions", "defs"),
        container_image=env["DAGSTER_CURRENT_IMAGE"],
        container_context=json.loads(env.get("DAGSTER_CONTAINER_CONTEXT") or "{}"),
        entry_point=["dagster"],
    )
    with DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as dagster:
        run = DagsterRun(job_name="retrain", job_code_origin=JobPythonOrigin("retrain", code))
        dagster.add_run(run)
        dagster.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        yield dagster, run, request.param, cluster


def test_a_run_is_a_closed_job_of_the_code_locations_image(launched):
    _, run, overlay, cluster = launched
    (job,) = cluster.jobs
    kubernetes_validate.validate(job, VERSION, strict=True)
    assert job["metadata"]["labels"]["dagster/run-id"] == run.run_id
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] > 3600
    template = job["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "run"
    assert template["spec"]["automountServiceAccountToken"] is False
    location = pods(overlay)["code-location"]
    for key in ("securityContext", "enableServiceLinks"):
        assert template["spec"][key] == location["spec"][key]
    (container,), (same,) = template["spec"]["containers"], location["spec"]["containers"]
    for key in ("image", "securityContext", "envFrom"):
        assert clean(container[key]) == clean(same[key])
    assert "command" not in container, "the image's entry point comes first"
    assert container["args"][:3] == ["dagster", "api", "execute_run"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {mount["mountPath"] for mount in same["volumeMounts"]}
    assert {"name": "DAGSTER_HOME", "value": "/var/lib/rakuten/dagster"} in clean(container["env"])
    limits = container["resources"]["limits"]
    assert {"cpu", "memory"} <= limits.keys()
    assert ("nvidia.com/gpu" in limits) is (overlay == "gpu")
    assert bool(template["spec"].get("tolerations")) is (overlay == "gpu")
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "run"
    claims = {
        each["persistentVolumeClaim"]["claimName"]
        for each in template["spec"]["volumes"]
        if each.get("persistentVolumeClaim")
    }
    assert claims <= named(overlay, "PersistentVolumeClaim").keys()


def clean(tree):
    """Without what is not said."""
    if isinstance(tree, dict):
        return {key: clean(value) for key, value in tree.items() if value is not None}
    return [clean(each) for each in tree] if isinstance(tree, list) else tree


def test_the_roles_allow_what_the_launcher_asks_for_and_no_more(launched):
    dagster, run, overlay, cluster = launched
    dagster.run_launcher.check_run_worker_health(run)
    dagster.run_launcher.get_run_worker_debug_info(run)
    # Also of a Job whose pod could not be made.
    cluster.pods = []
    dagster.run_launcher.get_run_worker_debug_info(run)
    looked = cluster.asked.copy()
    cluster.asked.clear()
    cluster.pods = [POD]
    dagster.run_launcher.terminate(run.run_id)
    ended = cluster.asked.copy()
    assert allowed(overlay, "dagster-daemon") == looked | ended
    assert allowed(overlay, "dagster-webserver") == ended


def allowed(overlay, name):
    rules = named(overlay, "Role")[name]["rules"]
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
