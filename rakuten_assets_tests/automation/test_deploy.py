"""From a champion in the registry to the one that answers: the job `deploy`, and the sensor that starts it."""

import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from rakuten_assets import lineage
from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.automation import sensors
from rakuten_assets.automation.jobs import deploy
from rakuten_assets.resources import ModelStore, Serving, Tracking, resources
from rakuten_assets_tests.automation.test_sensors import requests
from rakuten_assets_tests.serving.conftest import START_SECONDS, free_port, other_version, start, stop, until

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def champion(platform):
    """The version of the registry's champion."""
    return platform.registry.get("champion").version


@pytest.fixture(scope="module")
def models(platform, champion, tmp_path_factory):
    """A root with the champion and another version of it, beside the platform's own."""
    root = tmp_path_factory.mktemp("models")
    stored = Path(str(platform.settings.root)) / "models" / "stacked_model" / champion
    shutil.copytree(stored, root / "models" / "stacked_model" / champion)
    return root


@pytest.fixture(scope="module")
def other(models, champion):
    """The version that answers before the champion does: another temperature, so other confidences."""
    return other_version(models / "models" / "stacked_model" / champion, models, 3.0)


@pytest.fixture(scope="module")
def running(models, other, tmp_path_factory):
    """A service of one process."""
    running = start(tmp_path_factory.mktemp("service"), models, other, RAKUTEN_SERVING_WORKERS="1")
    until(running.client.ready, START_SECONDS, running)
    yield running
    stop(running)


@pytest.fixture
def service(running, champion, other):
    """A service in which the other version answers, and which takes every version."""
    running.client.deploy(champion)
    running.client.deploy(other)
    return running


def at(url, folder, token="token"):
    return Serving(url=url, token_file=str(folder / token), bentos=str(folder / "bentos"))


def run(platform, serving, *assets, **others):
    """A run of the job `deploy`, of some of its assets."""
    replaced = {**resources(platform.settings), "serving": serving, **others}
    defs = dg.Definitions(ALL_ASSETS, jobs=[deploy], resources=replaced, executor=dg.in_process_executor)
    job = defs.resolve_job_def("deploy").get_subset(asset_selection={dg.AssetKey(name) for name in assets} or None)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(instance=platform.instance, run_config=quiet, raise_on_error=False)


def metadata(result, asset):
    events = [event for event in result.get_asset_materialization_events() if event.step_key == asset]
    return {name: value.value for name, value in events[0].materialization.metadata.items()}


def failure(result):
    error = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    return error.user_failure_data.description


def test_a_champion_is_built_and_answers_what_it_answers_where_it_is_stored(
    platform, service, champion, other, monkeypatch
):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    result = run(platform, at(service.url, service.folder))
    assert result.success
    assert service.client.model().version == champion
    deployed = metadata(result, "deployed_model")
    assert (deployed["version"], deployed["previous"], deployed["products_compared"]) == (champion, other, 50)
    assert deployed["largest_gap"] <= 1e-6
    built = metadata(result, "bento")
    assert built["tag"] == f"rakuten-classifier:{champion}-cpu"
    assert Path(built["path"]).is_relative_to(service.folder / "bentos")
    assert built["serve"].startswith(f"bentoml serve {built['path']}")
    image = metadata(result, "serving_image")
    assert not image["built"]
    assert "No Docker engine answers" in image["reason"]
    assert image["command"] == built["image"]
    assert image["command"].startswith(f"docker build --tag {built['tag']} ")


def test_a_model_that_answers_otherwise_than_it_is_stored_is_rolled_back(
    platform, service, champion, models, other, tmp_path
):
    changed = tmp_path / "root" / "models" / "stacked_model"
    shutil.copytree(models / "models" / "stacked_model" / other, changed / champion)
    store = ModelStore(url=str(tmp_path / "root"), cache=str(tmp_path / "cache"))
    result = run(platform, at(service.url, service.folder), "deployed_model", model_store=store)
    assert not result.success
    assert "answers otherwise than the stored classifier" in failure(result)
    assert f"rolled back to version {other}" in failure(result)
    deployment = service.client.deployment()
    assert deployment.champion == other
    assert champion in deployment.rejected


def test_a_deployment_without_a_service_says_where_it_was_looked_for_and_how_to_start_it(platform, tmp_path):
    result = run(platform, at(NOWHERE, tmp_path), "deployed_model")
    assert not result.success
    assert NOWHERE in failure(result)
    assert "rakuten up" in failure(result)


def test_a_deployment_without_the_token_says_so(platform, service, other):
    result = run(platform, at(service.url, service.folder, "no such file"), "deployed_model")
    assert not result.success
    assert f"read from {service.folder / 'no such file'}" in failure(result)
    assert service.client.model().version == other


def test_the_lineage_ends_at_the_champion_and_a_bento_is_built_where_it_is_asked_for(platform, champion):
    latest = platform.instance.get_latest_materialization_event(dg.AssetKey("champion")).timestamp
    outcome = lineage.materialize(platform.instance, platform.settings, select=["bento"])
    assert outcome.success, outcome.errors
    assert (platform.settings.local_state / "bentoml/bentos/rakuten-classifier" / f"{champion}-cpu").is_dir()
    assert platform.instance.get_latest_materialization_event(dg.AssetKey("champion")).timestamp == latest
    first = platform.instance.get_runs(dg.RunsFilter(job_name="retrain"))[-1]
    steps = {step.step_key for step in platform.instance.get_run_step_stats(first.run_id)}
    assert "champion" in steps
    assert not {"bento", "serving_image", "deployed_model"} & steps


@pytest.fixture
def watching(platform, service, champion):
    """What a tick of the sensor needs: an instance without runs but with a Bento, the registry, and the service."""
    tracking = Tracking(root=str(platform.settings.root), ui="")
    tracking.registry.get("champion")
    with dg.DagsterInstance.ephemeral() as instance:
        holds(instance, champion)
        yield {
            "instance": instance,
            "resources": {"tracking": tracking, "serving": at(service.url, service.folder)},
        }


def holds(instance, version):
    """Note a Bento that holds this version."""
    instance.report_runless_asset_event(dg.AssetMaterialization("bento", metadata={"version": version}))


def tick(watching, cursor=None):
    return requests(sensors.champion_changed, cursor=cursor, **watching)


def report(watching, version, status=dg.DagsterRunStatus.FAILURE):
    """Note a run that was to deploy this version."""
    watching["instance"].add_run(dg.DagsterRun("deploy", status=status, tags={sensors.DEPLOYS: version}))


def test_another_champion_is_deployed_with_the_reason_until_it_answers(watching, service, champion, other):
    tick(watching)
    start = time.perf_counter()
    found = tick(watching)
    assert time.perf_counter() - start < 0.5
    assert [request.tags["rakuten/reason"] for request in found.run_requests] == [
        f"champion {champion} replaces {other}"
    ]
    report(watching, champion, dg.DagsterRunStatus.STARTED)
    assert "under way" in tick(watching).skip_message
    service.client.deploy(champion)
    assert f"{champion} answers" in tick(watching).skip_message


def test_a_champion_that_answers_and_is_in_no_bento_is_built(watching, service, champion, other):
    service.client.deploy(champion)
    assert tick(watching).run_requests == []
    holds(watching["instance"], other)
    (request,) = tick(watching).run_requests
    assert request.tags["rakuten/reason"] == f"champion {champion} has no Bento yet"


def test_a_champion_that_was_rolled_back_is_not_deployed_again(watching, service, champion):
    service.client.deploy(champion)
    service.client.rollback()
    found = tick(watching)
    assert found.run_requests == []
    assert "rolled back" in found.skip_message


def test_a_deployment_that_keeps_failing_is_left_to_a_person_until_the_champion_changes(watching, champion):
    for _ in range(sensors.ATTEMPTS):
        report(watching, champion)
    old = '{"version": "%s", "since": 0}'
    found = tick(watching, old % champion)
    assert found.run_requests == []
    assert "failed 3 times" in found.skip_message
    assert tick(watching, found.cursor).run_requests == []
    time.sleep(0.01)
    again = tick(watching, old % "0123456789abcdef")
    assert len(again.run_requests) == 1
    report(watching, champion)
    assert len(tick(watching, again.cursor).run_requests) == 1


def test_a_service_that_does_not_answer_is_waited_for(watching, tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    watching["resources"]["serving"] = at(url, tmp_path)
    tick(watching)
    start = time.perf_counter()
    found = tick(watching)
    assert time.perf_counter() - start < 1
    assert found.run_requests == []
    assert url in found.skip_message
