import os
import shutil
import time

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from rakuten_assets.automation import sensors
from rakuten_assets.core.deliveries import batch_keys, ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.definitions import defs
from rakuten_assets.resources import DataRoot


@pytest.fixture
def drop(settings):
    """The drop folder, with nothing in it before or after."""
    folder = settings.drop_folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def age(folder, seconds=60):
    """Make a delivery look as if nothing had happened to it for a while."""
    then = time.time() - seconds
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (then, then))


def requests(sensor, **context):
    with (
        partition_loading_context(dynamic_partitions_store=context["instance"]),
        dg.build_sensor_context(definitions=defs, **context) as built,
    ):
        return sensor.evaluate_tick(built)


def test_a_delivery_is_taken_in_when_its_copying_has_ended(drop):
    write_sample(drop / "monday", 30, prefix="new", pictures=False)
    with dg.DagsterInstance.ephemeral() as instance:
        assert requests(sensors.new_deliveries, instance=instance).run_requests == []
        age(drop / "monday")
        found = requests(sensors.new_deliveries, instance=instance).run_requests
    assert [run.run_config["ops"]["take_in"]["config"]["folder"] for run in found] == [str(drop / "monday")]
    assert found[0].tags["rakuten/reason"] == "delivery monday in the drop folder"


def test_the_same_folder_with_new_content_is_taken_in_again(drop):
    write_sample(drop / "monday", 30, prefix="new", pictures=False)
    age(drop / "monday", 3600)
    with dg.DagsterInstance.ephemeral() as instance:
        first = requests(sensors.new_deliveries, instance=instance).run_requests[0].run_key
        assert requests(sensors.new_deliveries, instance=instance).run_requests[0].run_key == first
        write_sample(drop / "monday", 31, prefix="new", pictures=False)
        age(drop / "monday")
        assert requests(sensors.new_deliveries, instance=instance).run_requests[0].run_key != first


def test_what_is_no_delivery_is_left_alone(drop):
    (drop / "holiday pictures").mkdir()
    (drop / "notes.txt").write_text("not a delivery")
    age(drop)
    with dg.DagsterInstance.ephemeral() as instance:
        found = requests(sensors.new_deliveries, instance=instance)
    assert found.run_requests == []
    assert "holds 0 deliveries" in found.skip_message


@pytest.fixture
def catalogue(tmp_path):
    """A data root with one delivery of two batches, and an instance that has not heard of it."""
    write_sample(tmp_path / "delivery", 30, pictures=False)
    data = DataRoot(url=str(tmp_path / "root"))
    ingest(tmp_path / "delivery", data.path, batch_size=20)
    with dg.DagsterInstance.ephemeral() as instance:
        yield {"instance": instance, "resources": {"data": data}}


def compute(instance, *keys):
    """Report that these batches are computed."""
    instance.add_dynamic_partitions("batches", list(keys))
    for asset in sensors.PER_BATCH:
        for key in keys:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset.key, partition=key))


def learn(instance, *keys, ended=True):
    """Report that a training has taken these batches in."""
    import json

    instance.report_runless_asset_event(dg.AssetMaterialization("splits", metadata={"batches": json.dumps(keys)}))
    if ended:
        instance.report_runless_asset_event(dg.AssetMaterialization("challenger"))


def test_new_batches_are_registered_and_computed_once(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    assert len(keys) == 2
    found = requests(sensors.new_batches, **catalogue)
    assert [run.partition_key for run in found.run_requests] == keys
    assert list(catalogue["instance"].get_dynamic_partitions("batches")) == keys
    compute(catalogue["instance"], *keys)
    assert requests(sensors.new_batches, **catalogue).run_requests == []


def test_training_waits_for_every_batch_and_says_why_it_starts(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    compute(catalogue["instance"], keys[0])
    waiting = requests(sensors.catalogue_grew, **catalogue)
    assert waiting.run_requests == []
    assert "1 of 2 batches" in waiting.skip_message
    compute(catalogue["instance"], keys[1])
    started = requests(sensors.catalogue_grew, **catalogue)
    assert "2 new batches" in started.run_requests[0].tags["rakuten/reason"]


def test_a_catalogue_is_tried_once(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    compute(catalogue["instance"], *keys)
    cursor = requests(sensors.catalogue_grew, **catalogue).cursor
    assert requests(sensors.catalogue_grew, cursor=cursor, **catalogue).run_requests == []


def test_nothing_is_trained_on_what_was_learnt_already(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    compute(catalogue["instance"], *keys)
    learn(catalogue["instance"], *keys)
    found = requests(sensors.catalogue_grew, **catalogue)
    assert found.run_requests == []
    assert "learnt from all 2 delivered batches" in found.skip_message


def test_a_training_that_broke_off_has_learnt_nothing(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    compute(catalogue["instance"], *keys)
    learn(catalogue["instance"], *keys, ended=False)
    assert len(requests(sensors.catalogue_grew, **catalogue).run_requests) == 1


def test_a_batch_that_failed_is_tried_again_and_then_left_to_a_person(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    first = requests(sensors.new_batches, **catalogue).run_requests
    for attempt in range(1, 4):
        for key in keys:
            tags = {"dagster/partition": key}
            catalogue["instance"].add_run(dg.DagsterRun("prepare_batch", status=dg.DagsterRunStatus.FAILURE, tags=tags))
        again = requests(sensors.new_batches, **catalogue)
        assert len(again.run_requests) == (2 if attempt < 3 else 0)
        assert not {run.run_key for run in again.run_requests} & {run.run_key for run in first}
    assert "failed 3 times" in again.skip_message


def test_a_table_that_is_still_growing_is_waited_for(drop):
    """Also in the layout with a `catalogue` folder, whose table is two levels down."""
    write_sample(drop / "tuesday", 30, prefix="new", pictures=False)
    (drop / "tuesday" / "catalogue").mkdir()
    for table in ("New_X_train.csv", "New_y_train.csv"):
        (drop / "tuesday" / table).rename(drop / "tuesday" / "catalogue" / table)
    age(drop / "tuesday")
    with dg.DagsterInstance.ephemeral() as instance:
        assert len(requests(sensors.new_deliveries, instance=instance).run_requests) == 1
        with (drop / "tuesday" / "catalogue" / "New_X_train.csv").open("a") as table:
            table.write("\n")
        assert requests(sensors.new_deliveries, instance=instance).run_requests == []


def test_a_training_under_way_is_not_joined_by_another(catalogue):
    keys = batch_keys(catalogue["resources"]["data"].path)
    compute(catalogue["instance"], *keys)
    run = dg.DagsterRun("retrain", status=dg.DagsterRunStatus.STARTED, tags={"rakuten/training": "true"})
    catalogue["instance"].add_run(run)
    assert "under way" in requests(sensors.catalogue_grew, **catalogue).skip_message
