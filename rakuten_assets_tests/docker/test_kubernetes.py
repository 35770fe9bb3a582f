"""docker/kubernetes: a cluster would take it, it fits the images, and nothing in it may do more than it must."""

import importlib.util
import json
import re

import kubernetes_validate
import pytest
import yaml

from rakuten_assets.settings import Settings
from rakuten_assets.telemetry import TelemetrySettings
from rakuten_assets_tests.docker.kustomized import (
    KUBERNETES,
    OVERLAYS,
    VERSION,
    built,
    chosen,
    containers,
    each_pod,
    instance,
    launcher,
    named,
    pods,
    variables,
)
from rakuten_assets_tests.docker.tools import DOCKER, PROJECT, composed, programs
from serving.guard import PROBES
from serving.settings import ServingSettings
from webapp.main import health
from webapp.settings import WebSettings

# Of the KubeRay operator, whose schema is not shipped with Kubernetes: its own fields are checked below.
FOREIGN = {"RayCluster"}

SETTINGS = {
    *(f"RAKUTEN_{name.upper()}" for kind in (Settings, TelemetrySettings) for name in kind.model_fields),
    *(f"RAKUTEN_SERVING_{name.upper()}" for name in ServingSettings.model_fields),
    *(f"RAKUTEN_WEBAPP_{name.upper()}" for name in WebSettings.model_fields),
    # Read by the manifests themselves: instance.yaml.
    "RAKUTEN_NAMESPACE",
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_cluster_would_take_every_object(overlay):
    objects = built(overlay)
    assert len({(each["kind"], each["metadata"]["name"]) for each in objects}) == len(objects) > 40
    for each in objects:
        if each["kind"] not in FOREIGN:
            kubernetes_validate.validate(each, VERSION, strict=True)
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "rakuten"


def test_the_ray_cluster_has_pods_that_a_cluster_would_take_and_ray_as_it_is_in_the_image():
    (ray,) = named("kuberay", "RayCluster").values()
    assert ray["apiVersion"] == "ray.io/v1"
    groups = ray["spec"]["workerGroupSpecs"]
    assert ray["spec"].keys() == {
        *("rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs")
    }
    assert f"ray=={ray['spec']['rayVersion']}\n" in (DOCKER / "requirements" / "code-location.txt").read_text()
    for group in groups:
        assert group.keys() == {
            *("groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "rayStartParams", "template")
        }
        assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    limits = {group["groupName"]: group["template"]["spec"]["containers"][0]["resources"]["limits"] for group in groups}
    assert [name for name, limit in limits.items() if "nvidia.com/gpu" in limit] == ["gpu"]
    told = named("kuberay", "ConfigMap")["platform"]["data"]
    # The operator calls the head's service so.
    head = f"{ray['metadata']['name']}-head-svc"
    assert told["RAKUTEN_RAY_ADDRESS"] == f"http://{head}:8265"
    assert int(told["RAKUTEN_RAY_CORES"]) <= int(limits["cpu"]["cpu"])
    for labels in (pods("kuberay")["code-location"]["metadata"]["labels"], launcher()["labels"]):
        assert labels["reaches/ray"] == "true"
    for name in ("ray-head", "ray-cpu", "ray-gpu"):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pods("kuberay")[name]["spec"]}
        kubernetes_validate.validate(pod, VERSION, strict=True)


@pytest.mark.parametrize(("overlay", "name", "template"), each_pod())
def test_every_pod_is_closed(overlay, name, template):
    spec = template["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == (999 if name == "postgres" else 10001)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # The autoscaler of Ray, which has a container in the head's pod, brings its own account.
    assert spec.get("automountServiceAccountToken") is (None if name == "ray-head" else False)
    assert spec["enableServiceLinks"] is False
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
    for container in containers(template):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][kind].keys(), container["name"]
        for volume in spec["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]


@pytest.mark.parametrize(("overlay", "name", "template"), each_pod())
def test_every_image_is_one_that_is_built_and_of_one_version(overlay, name, template):
    for container in containers(template):
        image, _, tag = container["image"].rpartition(":")
        assert tag
        assert tag != "latest"
        *owner, target = image.split("/")
        if name in ("postgres", "minio"):
            assert container["image"] == composed()["services"][name]["image"]
            continue
        assert target in programs()
        compose = {each["image"] for profile in ("cpu", "gpu") for each in composed(profile)["services"].values()}
        suffix = re.search("(-cpu|-gpu)?$", tag)[0]
        assert f"rakuten/{target}:local{suffix}" in compose
        assert owner == (["rakuten"] if overlay == "dev" else ["ghcr.io", "owner", "repository"])
        if target in ("classifier", "code-location") and overlay == "gpu":
            assert suffix == "-gpu"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_runs_run_in_the_image_of_the_code_location(overlay):
    (container,) = pods(overlay)["code-location"]["spec"]["containers"]
    assert variables(overlay, container)["DAGSTER_CURRENT_IMAGE"] == container["image"]


@pytest.mark.parametrize(("overlay", "name", "template"), each_pod())
def test_every_variable_is_a_setting_and_no_secret_is_one(overlay, name, template):
    for container in containers(template):
        for variable, value in variables(overlay, container).items():
            assert not variable.startswith("RAKUTEN_") or variable in SETTINGS, variable
            if re.search("PASSWORD|SECRET|TOKEN|KEY|CREDENTIALS", variable):
                assert value.startswith("/run/secrets/"), variable
            assert not re.search(r"://[^/]*:[^/]*@", value or ""), variable


# A program that compose.yaml starts is started here alike: its command, its variables, its secrets.
SAME = ("code-location", "dagster-webserver", "dagster-daemon", "metrics", "mlflow", "classifier", "web-app", "worker")

# Where a variable has to be another one, or there is no use for it.
OTHERWISE = {
    *("DAGSTER_CURRENT_IMAGE", "RAKUTEN_NAMESPACE", "RAKUTEN_HOST"),
    # Compose's proxy shows MLflow to operators; here they forward its port.
    *("MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"),
    *("RAKUTEN_WEBAPP_DAGSTER_URL", "RAKUTEN_WEBAPP_MLFLOW_URL"),
    *("RAKUTEN_PUBLIC_DAGSTER_URL", "RAKUTEN_PUBLIC_MLFLOW_URL", "RAKUTEN_PUBLIC_WEBAPP_URL"),
}


@pytest.mark.parametrize("name", SAME)
def test_a_program_starts_as_it_does_under_compose(name):
    service = composed()["services"][name]
    (container,) = pods("dev")[name]["spec"]["containers"]
    assert container.get("args") == service.get("command")
    assert "command" not in container
    theirs, ours = service["environment"], variables("dev", container)
    different = {each for each in theirs.keys() | ours.keys() if (theirs.get(each) or "") != (ours.get(each) or "")}
    assert different <= OTHERWISE
    wanted = {(each["source"], each["target"].removeprefix("/run/secrets/")) for each in service["secrets"]}
    assert secrets(pods("dev")[name]) - {("app_password", "app_password")} == wanted - {
        ("app_password", "app_password")
    }


def secrets(template):
    """Key and file of each secret that is mounted below /run/secrets."""
    found = set()
    for volume in template["spec"]["volumes"]:
        sources = volume.get("projected", {}).get("sources", [])
        for secret in [volume.get("secret"), *(source.get("secret") for source in sources)]:
            if secret:
                assert secret.get("secretName", secret.get("name")) == "rakuten"
                found |= {(item["key"], item["path"]) for item in secret["items"]}
    return found


def test_every_secret_is_one_that_the_script_makes():
    made = {each["file"].rpartition("/")[2] for each in composed()["secrets"].values()}
    for overlay in OVERLAYS:
        for template in pods(overlay).values():
            assert {key for key, _ in secrets(template)} <= made
    told = re.search(r"for name in ([\w ]+); do", (PROJECT / "docs" / "kubernetes.md").read_text())[1].split()
    asked = {overlay: {key for pod in pods(overlay).values() for key, _ in secrets(pod)} for overlay in OVERLAYS}
    assert set(told) == asked["cpu"] == asked["gpu"] == asked["kuberay"] < asked["dev"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_that_is_referred_to_is_there(overlay):
    maps, accounts = named(overlay, "ConfigMap"), named(overlay, "ServiceAccount")
    claims = named(overlay, "PersistentVolumeClaim")
    for name, template in pods(overlay).items():
        assert template["spec"].get("serviceAccountName", "program") in accounts
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        for container in containers(template):
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            made = {name} if name in named(overlay, "StatefulSet") else set()
            assert mounted <= volumes.keys() | made
            for each in container.get("envFrom", []):
                assert each["configMapRef"]["name"] in maps
        for volume in volumes.values():
            assert volume.get("configMap", {"name": "dagster"})["name"] in maps
            assert volume.get("persistentVolumeClaim", {"claimName": "drop"})["claimName"] in claims
    for binding in named(overlay, "RoleBinding").values():
        assert binding["roleRef"]["name"] in named(overlay, "Role")
        assert [subject["name"] for subject in binding["subjects"]] == [binding["metadata"]["name"]]
        assert binding["metadata"]["name"] in accounts


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_leads_to_a_port_of_a_pod(overlay):
    for service in named(overlay, "Service").values():
        (target,) = [pod for pod in pods(overlay).values() if chosen(service["spec"]["selector"], pod)]
        ports = {port["name"]: port["containerPort"] for port in target["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    for kind in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
        for each in named(overlay, kind).values():
            assert [pod for pod in pods(overlay).values() if chosen(each["spec"]["selector"]["matchLabels"], pod)]
    for each in named(overlay, "HorizontalPodAutoscaler").values():
        assert each["spec"]["scaleTargetRef"]["name"] in named(overlay, "Deployment")
        assert "replicas" not in named(overlay, "Deployment")[each["spec"]["scaleTargetRef"]["name"]]["spec"]
    (rule,) = named(overlay, "Ingress")["web-app"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] in named(overlay, "Service")
    assert named(overlay, "Ingress")["web-app"]["spec"]["tls"][0]["hosts"] == [rule["host"]]


def test_every_probe_asks_what_the_program_answers():
    answered = {
        "web-app": {route.path for route in health.routes},
        "classifier": set(PROBES),
        # As the images and compose.yaml ask them.
        "mlflow": {"/health"},
        "dagster-webserver": {"/server_info"},
        "metrics": {"/metrics"},
        "worker": {"/metrics"},
    }
    written = (DOCKER / "Dockerfile").read_text() + (DOCKER / "compose.yaml").read_text()
    for name in SAME:
        (container,) = pods("cpu")[name]["spec"]["containers"]
        probes = {
            each: container[each] for each in ("startupProbe", "readinessProbe", "livenessProbe") if each in container
        }
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        assert "livenessProbe" in probes
        for probe in probes.values():
            if asked := probe.get("httpGet"):
                assert asked["path"] in answered[name], name
                assert f":{ports[asked['port']]}/" in written
            elif asked := probe.get("grpc"):
                assert asked == {"port": ports["grpc"], "service": "DagsterApi"}
            else:
                assert probe["exec"]["command"] == composed()["services"][name]["healthcheck"]["test"][1:]
        assert name == "dagster-daemon" or probes.keys() == {"startupProbe", "readinessProbe", "livenessProbe"}
    from dagster._grpc import client

    assert 'service="DagsterApi"' in open(client.__file__).read()  # noqa: PTH123, SIM115


def test_a_new_version_of_the_service_refuses_nobody():
    deployment = named("cpu", "Deployment")["classifier"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    # It goes on answering until nobody asks it any more, and then as long as one request may take.
    wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] >= wait + 60
    assert {each["topologyKey"] for each in spec["topologySpreadConstraints"]} == {
        *("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    }
    # All pods follow one file; what concerns a pod's processes is not shared.
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    shared = {volume["name"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume}
    state = programs()["classifier"].variables["RAKUTEN_SERVING_STATE_DIR"]
    assert mounts[state] in shared
    assert not {mounts[f"{state}/workers"], mounts[f"{state}/cache"]} & shared


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_module_and_program_that_is_called_exists(overlay):
    for template in pods(overlay).values():
        for container in containers(template):
            words = container.get("command", []) + container.get("args", [])
            if words[:2] == ["python", "-m"]:
                assert importlib.util.find_spec(words[2])
            elif words:
                known = {"/usr/local/bin/entrypoint", "/bin/bash", "mkdir", "postgres", "server"}
                assert words[0] in known or (PROJECT / ".venv" / "bin" / words[0]).exists()


def test_dagster_is_set_up_as_on_one_machine_but_for_its_runs():
    alone, cluster = yaml.safe_load((PROJECT / "dagster.yaml").read_text()), json.loads(json.dumps(instance()))
    del cluster["run_launcher"]
    for tree in (alone, cluster):
        del tree["concurrency"]["runs"]["max_concurrent_runs"], tree["run_monitoring"]["start_timeout_seconds"]
    assert cluster == alone


def test_the_development_database_makes_the_roles_that_compose_makes():
    assert (KUBERNETES / "overlays/dev/roles.sql").read_text() == (DOCKER / "postgres/roles.sql").read_text()


def test_the_document_says_what_is_so():
    text = (PROJECT / "docs" / "kubernetes.md").read_text()
    for overlay in OVERLAYS:
        assert f"`{overlay}`" in text
    assert [name for name in re.findall(r"`((?:docker|docs)/[\w./-]+)`", text) if not (PROJECT / name).exists()] == []
    labels = set(re.findall(r"rakuten-role=(\w[\w-]*)", text))
    assert labels == set(
        re.findall(r"rakuten-role: ([\w-]+)", "".join(f.read_text() for f in KUBERNETES.rglob("network.yaml")))
    )
