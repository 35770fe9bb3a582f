"""The bucket of a data root in S3: made where it is missing, and named in one sentence where it cannot be used."""

import os
from typing import Any, NamedTuple

from upath import UPath

from rakuten_assets.core.storage import is_local

# MLflow and Dagster make clients of their own, which wait for an object store as long as `core.storage` does.
PATIENCE = {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": "10"}

# Where nobody answers at all, a person waits in front of the command: some seconds, not a minute.
ATTEMPTS = 4


class StorageUnavailable(RuntimeError):
    """The data root cannot be used; the text says why, and what to look at."""


class Place(NamedTuple):
    """Where a root in S3 lies; the prefix may be empty."""

    bucket: str
    prefix: str


def place(root: UPath) -> Place | None:
    """The bucket and the prefix of a root; None where it is a folder."""
    if is_local(root):
        return None
    bucket, _, prefix = root.path.strip("/").partition("/")
    return Place(bucket, prefix)


def make_ready(root: UPath) -> None:
    """Make the bucket of `root` where it is missing; a folder needs nothing.

    Raises StorageUnavailable where the bucket cannot be reached, opened or made.
    """
    found = place(root)
    if found is None:
        return
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _open_or_make(_client(), found.bucket)
    except ClientError as error:
        raise StorageUnavailable(_refusal(found.bucket, error.response["Error"])) from error
    except (BotoCoreError, ValueError) as error:
        where = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "AWS"
        raise StorageUnavailable(
            f"The data root {root} cannot be reached at {where}: {error}. "
            "Its address is AWS_ENDPOINT_URL, its credentials are in AWS_SHARED_CREDENTIALS_FILE or AWS_ACCESS_KEY_ID."
        ) from error


def _client() -> Any:
    from dagster_aws.s3 import S3Resource

    return S3Resource(max_attempts=ATTEMPTS).get_client()


def _open_or_make(client: Any, bucket: str) -> None:
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=bucket)
        return
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
    region = client.meta.region_name
    # AWS takes every region's name here but that of its first one.
    options = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
    try:
        client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": options} if options else {}))
    except ClientError as error:
        # Another program has made it in the meantime.
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _refusal(bucket: str, error: dict[str, str]) -> str:
    """What an object store answered, as a sentence for who has to mend it."""
    code, said = error.get("Code", ""), error.get("Message", "")
    why = {
        "403": "these credentials may not open it",
        "AccessDenied": "it does not exist, and these credentials may not make it",
        "BucketAlreadyExists": "it belongs to somebody else: choose another name",
        "InvalidBucketName": "that is no name of a bucket",
        "301": "it lies in another region: set AWS_DEFAULT_REGION",
    }.get(code, said)
    return f"The bucket {bucket} cannot be used ({code}): {why}."
