"""compose.yaml: valid for Docker Compose and for its specification, and as closed as it can be."""

import re
import subprocess

import pytest
import yaml

from rakuten_assets_tests.docker.tools import COMPOSE, DOCKER, PROFILES, composed, stages, tool

# What runs once, and as whom.
ONCE = {"volumes": "0:0", "bucket": "10001:10001", "prepare": "10001:10001"}

# Configuration that the observability of the platform brings.
MOUNTED = ("alertmanager", "grafana/dashboards", "grafana/provisioning", "prometheus")


def services():
    return [
        pytest.param(name, service, id=f"{profile}-{name}") for profile in PROFILES for name, service in each(profile)
    ]


def each(profile):
    return composed(profile)["services"].items()


def test_the_specification_allows_it():
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_both_profiles_run_the_same_programs_on_another_machine():
    cpu, gpu = ({name.removesuffix("-gpu") for name, _ in each(profile)} for profile in PROFILES)
    assert cpu == gpu
    devices = {
        name: service["deploy"]["resources"]["reservations"]["devices"][0]["driver"]
        for name, service in each("gpu")
        if "deploy" in service
    }
    assert devices == {"classifier-gpu": "nvidia", "code-location-gpu": "nvidia"}
    for name in ("classifier", "code-location", "metrics"):
        for service in (composed()["services"][name], composed("gpu")["services"][f"{name}-gpu"]):
            assert service["networks"]["back"]["aliases"] == [name]


@pytest.mark.parametrize(("name", "service"), services())
def test_every_service_is_closed(name, service):
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] <= 512
    assert service["logging"]["options"].keys() == {"max-file", "max-size"}
    assert not service.get("privileged")
    assert service.get("cap_add", []) == {"proxy": ["NET_BIND_SERVICE"], "volumes": ["CHOWN"]}.get(name, [])
    assert ("ports" in service) is (name == "proxy")


@pytest.mark.parametrize(("name", "service"), services())
def test_every_service_ends_or_stays_and_is_looked_after(name, service):
    if name in ONCE:
        assert (service["restart"], service["user"]) == ("no", ONCE[name])
        return
    assert service["restart"] == "unless-stopped"
    assert {"cpus", "mem_limit"} <= service.keys()
    image = own(service)
    assert "healthcheck" in service or stages()[image].said("HEALTHCHECK")
    if image:
        assert service["user"] == "10001:10001"


@pytest.mark.parametrize(("name", "service"), services())
def test_every_image_has_a_version(name, service):
    _, _, tag = service["image"].rpartition(":")
    assert tag
    assert tag != "latest"


def own(service):
    return service["image"].split("/")[1].split(":")[0] if service["image"].startswith("rakuten/") else None


@pytest.mark.parametrize(("name", "service"), services())
def test_no_secret_is_a_variable(name, service):
    for variable, value in (service.get("environment") or {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY|CREDENTIALS", variable):
            assert value.startswith("/run/secrets/"), variable
        assert not re.search(r"://[^/]*:[^/]*@", value or ""), variable


def test_the_script_makes_every_secret_and_nobody_else_on_the_machine_gets_at_them(tmp_path, caddy):
    folder = tmp_path / "secrets"
    for _ in range(2):
        before = {file.name: file.read_bytes() for file in folder.glob("*")}
        subprocess.run([DOCKER / "init.sh", folder], check=True, capture_output=True)
        after = {file.name: file.read_bytes() for file in folder.glob("*")}
        assert before.items() <= after.items()
    made = set(after)
    asked = {secret["file"].rpartition("/")[2] for secret in composed()["secrets"].values()}
    assert made - asked == {"operator_password", "caller_password", "minio_root_user"} - asked
    assert asked <= made
    assert oct(folder.stat().st_mode & 0o777) == "0o700"
    passwords = [after[name] for name in made if name.endswith(("_password", "_token")) and after[name]]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) > 35


def test_the_scripts_are_sound():
    tool("shellcheck", *sorted(DOCKER.rglob("*.sh")))


@pytest.mark.parametrize(("name", "service"), services())
def test_every_file_that_is_mounted_exists(name, service):
    for volume in service.get("volumes", []):
        if volume["type"] == "bind" and volume["source"] != "/":
            place = volume["source"].partition("/docker/")[2]
            assert place in MOUNTED or (DOCKER / place).exists(), place
            assert volume["read_only"]


def test_the_proxy_reaches_no_data_and_what_keeps_them_reaches_nothing_outside():
    networks = composed()["networks"]
    assert networks["front"]["internal"]
    assert networks["back"]["internal"]
    of = {name: set(service.get("networks", {})) for name, service in each("cpu")}
    assert of["proxy"] == {"front", "out"}
    assert {name for name, on in of.items() if "out" in on} == {"proxy", "code-location", "alertmanager"}
    for name in ("postgres", "minio"):
        assert of[name] == {"back"}


def test_what_is_waited_for_can_come_true():
    for profile in PROFILES:
        known = dict(each(profile))
        for name, service in known.items():
            for other, how in service.get("depends_on", {}).items():
                assert other in known, name
                assert (how["condition"] == "service_completed_successfully") is (other in ONCE)


def test_the_proxy_and_dagster_speak_of_services_that_exist():
    known = set(dict(each("cpu")))
    caddy = (DOCKER / "caddy" / "Caddyfile").read_text()
    assert set(re.findall(r"reverse_proxy ([\w-]+):", caddy)) <= known
    assert yaml.safe_load((DOCKER / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]["host"] in known
