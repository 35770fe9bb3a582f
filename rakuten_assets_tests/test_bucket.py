"""The bucket of a data root: made by itself, or refused in one sentence that says what to mend."""

import boto3
import pytest
from typer.testing import CliRunner
from upath import UPath

from rakuten_assets import bucket
from rakuten_assets.bucket import StorageUnavailable, make_ready
from rakuten_assets_tests.object_store import ObjectStore, free_port


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    store = ObjectStore(tmp_path_factory.mktemp("s3") / "log")
    yield store
    store.stop()


@pytest.fixture
def told(monkeypatch):
    """Sets what the AWS SDK reads, and makes it know nothing else."""

    def tell(environment):
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (environment | {"AWS_EC2_METADATA_DISABLED": "true"} | bucket.PATIENCE).items():
            monkeypatch.setenv(name, value)

    monkeypatch.setattr(bucket, "ATTEMPTS", 1)
    return tell


def buckets(s3):
    client = boto3.client("s3", endpoint_url=s3.url, aws_access_key_id="tester", aws_secret_access_key="x")
    return {each["Name"] for each in client.list_buckets()["Buckets"]}


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3"])
def test_a_missing_bucket_is_made_and_one_that_is_there_stays(s3, told, region):
    told(s3.environment() | {"AWS_DEFAULT_REGION": region})
    root = UPath(f"s3://shop-{region}/data")
    make_ready(root)
    assert f"shop-{region}" in buckets(s3)
    make_ready(root)


def test_credentials_may_be_a_file(s3, told, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = tester\naws_secret_access_key = of the tests alone\n")
    told({"AWS_ENDPOINT_URL": s3.url, "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_DEFAULT_REGION": "us-east-1"})
    make_ready(UPath("s3://by-file/data"))
    assert "by-file" in buckets(s3)


def test_a_folder_needs_nothing(tmp_path):
    make_ready(UPath(tmp_path / "data"))
    assert list(tmp_path.iterdir()) == []


def test_without_credentials_the_variables_are_named(s3, told, tmp_path):
    told({"AWS_ENDPOINT_URL": s3.url, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")})
    with pytest.raises(StorageUnavailable, match=r"Unable to locate credentials.*AWS_SHARED_CREDENTIALS_FILE"):
        make_ready(UPath("s3://shop/data"))


def test_where_nobody_answers_the_address_is_named(s3, told):
    url = f"http://127.0.0.1:{free_port()}"
    told(s3.environment(url))
    with pytest.raises(StorageUnavailable, match=f"cannot be reached at {url}"):
        make_ready(UPath("s3://shop/data"))


def test_a_name_that_is_none_is_refused(s3, told):
    told(s3.environment())
    with pytest.raises(StorageUnavailable, match="that is no name of a bucket"):
        make_ready(UPath("s3://ab/data"))


def test_wrong_credentials_end_the_command_with_one_sentence(told, tmp_path, monkeypatch):
    strict = ObjectStore(tmp_path / "log", strict=True)
    try:
        told(strict.environment())
        monkeypatch.setenv("RAKUTEN_DATA_ROOT", "s3://shop/data")
        from rakuten_assets.cli import app

        done = CliRunner().invoke(app, ["ingest", str(tmp_path)])
    finally:
        strict.stop()
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "The bucket shop cannot be used (403): these credentials may not open it." in said
    assert "Traceback" not in said
