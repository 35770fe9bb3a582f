"""Files below a root, local and in S3: whole or not there, seen by everybody, through outages and killed writers."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from rakuten_assets.core import classifier_files, storage
from rakuten_assets_tests.object_store import Network, ObjectStore

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    store = ObjectStore(tmp_path_factory.mktemp("s3") / "log")
    store.path("bucket").mkdir()
    yield store
    store.stop()


@pytest.fixture
def network(s3):
    network = Network(s3.port)
    yield network
    network.stop()


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    if request.param == "local":
        return UPath(tmp_path / "root")
    return request.getfixturevalue("s3").path(f"bucket/{tmp_path.name}")


def another_process(s3, script, url=None):
    """Starts a program that may say `root("bucket/…")`."""
    start = "from upath import UPath; from rakuten_assets.core import storage, classifier_files\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + script],
        cwd=PROJECT,
        env=os.environ | s3.environment(url),
        stdout=subprocess.PIPE,
        text=True,
    )


def done(process):
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO])
def test_what_is_written_is_read(root, wrap):
    path = root / "a" / "b"
    storage.write(path, wrap(b"one"))
    storage.write(path, wrap(b"two"))
    assert storage.read(path) == b"two"
    assert [file.name for file in (root / "a").iterdir()] == ["b"]


def test_what_is_not_there_is_not_found(root):
    with pytest.raises(FileNotFoundError):
        storage.read(root / "nothing")
    with pytest.raises(FileNotFoundError):
        storage.read_parquet(root / "nothing")


def test_tables_come_back_as_they_were(root):
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    storage.write_parquet(root / "table.parquet", table)
    assert storage.read_parquet(root / "table.parquet").equals(table)
    assert storage.read_parquet(root / "table.parquet", ["b"]).columns == ["b"]


def test_brackets_in_a_folders_name_are_no_pattern(tmp_path):
    for name in ("shop[1]", "shop1"):
        storage.write_parquet(UPath(tmp_path / name / "table.parquet"), pl.DataFrame({"name": [name]}))
    assert storage.read_parquet(UPath(tmp_path / "shop[1]" / "table.parquet"))["name"].to_list() == ["shop[1]"]


def test_a_folder_that_another_program_made_in_a_bucket_is_no_file(s3, tmp_path):
    root = s3.path("bucket/marked")
    root.fs.pipe_file(f"{root.path}/empty/", b"")
    storage.write(root / "part/file", b"1")
    storage.get(root, tmp_path / "copy")
    assert [file.name for file in (tmp_path / "copy").rglob("*") if file.is_file()] == ["file"]


class Torn(io.BytesIO):
    """A stream that breaks off after its first bytes."""

    def read(self, size=-1):
        if self.tell():
            raise ConnectionError("the sender is gone")
        return super().read(3)


def test_a_write_that_breaks_off_leaves_what_was_there(root):
    storage.write(root / "file", b"old")
    with pytest.raises(ConnectionError):
        storage.write(root / "file", Torn(b"new and longer"))
    with pytest.raises(ConnectionError):
        storage.write(root / "other", Torn(b"new and longer"))
    assert storage.read(root / "file") == b"old"
    assert [file.name for file in root.iterdir()] == ["file"]


def test_a_folder_goes_there_and_back(root, tmp_path):
    folder = model(tmp_path / "model", 40)
    classifier_files.upload(folder, root, "models/a/1")
    fetched = classifier_files.fetch(root, "models/a/1", tmp_path / "cache")
    assert classifier_files.folder_hash(fetched) == classifier_files.folder_hash(folder)


def model(folder, files, size=100):
    for number in range(files):
        (folder / f"part{number % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"part{number % 3}" / f"{number:03d}").write_bytes(bytes([number]) * size)
    return folder


def test_what_was_fetched_once_answers_also_while_the_store_is_down(s3, network, tmp_path):
    root = s3.path("bucket/kept", network.url)
    classifier_files.upload(model(tmp_path / "model", 3), root, "models/a/1")
    there = classifier_files.fetch(root, "models/a/1", tmp_path / "cache")
    network.stop()
    assert classifier_files.fetch(root, "models/a/1", tmp_path / "cache") == there


def test_a_process_sees_at_once_what_another_one_writes_and_deletes(s3):
    root = s3.path("bucket/seen")
    storage.write(root / "folder/first", b"1")
    # Whatever could be remembered of the folder is asked for before the other one comes.
    assert [path.name for path in (root / "folder").iterdir()] == ["first"]
    assert not (root / "folder/second").exists()
    assert [path.name for path in root.glob("*/*")] == ["first"]
    done(
        another_process(
            s3,
            "root = UPath('s3://bucket/seen/folder')\n"
            "storage.write(root / 'second', b'2'); storage.write(root / 'first', b'longer')\n",
        )
    )
    assert (root / "folder/second").exists()
    assert storage.read(root / "folder/first") == b"longer"
    assert sorted(path.name for path in (root / "folder").iterdir()) == ["first", "second"]
    assert sorted(path.name for path in root.glob("*/*")) == ["first", "second"]
    done(another_process(s3, "UPath('s3://bucket/seen/folder/second').unlink()"))
    assert not (root / "folder/second").exists()
    assert [path.name for path in root.glob("*/*")] == ["first"]


def test_an_outage_in_the_middle_loses_nothing_and_fails_nothing(s3, network):
    root = s3.path("bucket/outage", network.url)
    names = [f"{number:03d}" for number in range(300)]
    outage = threading.Timer(0.2, network.cut, args=(2,))
    start = time.monotonic()
    outage.start()
    storage.at_once(lambda name: storage.write(root / name, name.encode() * 1000), names)
    assert time.monotonic() - start > 2, "the outage was over before it mattered"
    assert sorted(path.name for path in s3.path("bucket/outage").iterdir()) == names
    second = threading.Timer(0.2, network.cut, args=(2,))
    start = time.monotonic()
    second.start()
    assert storage.at_once(lambda name: storage.read(root / name), names) == [name.encode() * 1000 for name in names]
    assert time.monotonic() - start > 2


def test_a_writer_that_is_killed_in_the_middle_of_an_object_leaves_the_old_one(s3, network):
    root = s3.path("bucket/killed")
    storage.write(root / "table", b"old")
    network.stall_after = 5_000_000
    script = "storage.write(UPath('s3://bucket/killed/table'), b'x' * 20_000_000)\n"
    writer = another_process(s3, script, network.url)
    until(lambda: network.passed > network.stall_after)
    writer.kill()
    writer.wait()
    network.cut(0.5)
    assert storage.read(root / "table") == b"old"
    assert [path.name for path in root.iterdir()] == ["table"]


def test_a_folder_whose_writer_was_killed_is_not_there_and_the_next_writer_completes_it(s3, network, tmp_path):
    root, folder = s3.path("bucket/half"), model(tmp_path / "model", 60, 100_000)
    network.stall_after = 2_000_000
    script = (
        "from pathlib import Path\n"
        f"classifier_files.upload(Path({str(folder)!r}), UPath('s3://bucket/half'), 'models/a/1')\n"
    )
    writer = another_process(s3, script, network.url)
    until(lambda: network.passed > network.stall_after)
    writer.kill()
    writer.wait()
    network.cut(0.5)
    written = len(root.fs.find(f"{root.path}/models/a/1"))
    assert 0 < written < 60
    with pytest.raises(FileNotFoundError, match="no complete model folder"):
        classifier_files.fetch(root, "models/a/1", tmp_path / "cache")
    done(another_process(s3, script))
    fetched = classifier_files.fetch(root, "models/a/1", tmp_path / "cache")
    assert classifier_files.folder_hash(fetched) == classifier_files.folder_hash(folder)


def test_of_two_writers_at_once_one_wins_whole(s3, tmp_path):
    root, folder = s3.path("bucket/two"), model(tmp_path / "model", 20)
    script = (
        "from pathlib import Path\n"
        "root = UPath('s3://bucket/two')\n"
        "for _ in range(15): storage.write(root / 'table', b'{letter}' * 1_000_000)\n"
        f"classifier_files.upload(Path({str(folder)!r}), root, 'models/a/1')\n"
    )
    writers = [another_process(s3, script.replace("{letter}", letter)) for letter in "ab"]
    until((root / "table").exists)
    while any(writer.poll() is None for writer in writers):
        assert storage.read(root / "table") in (b"a" * 1_000_000, b"b" * 1_000_000)
    for writer in writers:
        done(writer)
    fetched = classifier_files.fetch(root, "models/a/1", tmp_path / "cache")
    assert classifier_files.folder_hash(fetched) == classifier_files.folder_hash(folder)


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
