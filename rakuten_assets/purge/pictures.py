"""Pictures that belong to no product: taken in by the web app and never submitted, or replaced since."""

from collections.abc import Sequence

from upath import UPath

from rakuten_assets.backup.backup import BACKUP
from rakuten_assets.core.deliveries import deliveries, picture_path, read_batch
from rakuten_assets.core.storage import read, write
from rakuten_assets.postgres import application_url, database_url, lock
from rakuten_assets.settings import Settings
from rakuten_assets.store import purging

# Pictures in memory together.
AT_ONCE = 64


def delivered(root: UPath) -> frozenset[str]:
    """SHA-256 of every picture that a delivery's products show."""
    keys = [key for delivery in deliveries(root) for key in delivery.batches]
    return frozenset(image for key in keys for image in read_batch(root, key)["image"].drop_nulls())


def drop_unused(settings: Settings) -> int:
    """Delete pictures that are older than `unused_picture_days` and nobody's; the result is how many went."""
    # A platform that nobody has used yet has no tables.
    application_url(settings)
    url = database_url("rakuten", settings)
    with lock(BACKUP, settings):
        unused = purging.unused_pictures(url, settings.unused_picture_days)
        kept = delivered(settings.root) if unused else frozenset()
        todo = [sha256 for sha256 in unused if sha256 not in kept]
        return sum(_drop(url, settings, todo[at : at + AT_ONCE]) for at in range(0, len(todo), AT_ONCE))


def _drop(url: str, settings: Settings, pictures: Sequence[str]) -> int:
    root, gone = settings.root, purging.drop_pictures(url, pictures, settings.unused_picture_days)
    held = {sha256: _removed(picture_path(root, sha256)) for sha256 in gone}
    # Somebody may have sent the same picture in this moment, and been told that it is there already.
    again = purging.known_pictures(url, gone)
    for sha256 in again:
        data = held[sha256]
        if data is not None:
            write(picture_path(root, sha256), data)
    return len(gone) - len(again)


def _removed(path: UPath) -> bytes | None:
    """What was there; None where nothing was."""
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    path.unlink(missing_ok=True)
    return data
