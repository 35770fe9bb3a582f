"""The only door through which products come in: a delivery is checked, cut into batches, and registered once.

A data root holds `deliveries/<id>/` with `batches/`, `source/`, `quarantine.parquet` and, written last,
`manifest.json`: without its manifest a delivery does not exist. Pictures lie in `images/` under their sha256.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl
from upath import UPath

from rakuten_assets.core.delivery_files import DeliveryFiles, UnusableFile, open_delivery, read_picture_file
from rakuten_assets.core.delivery_records import DeliveryError
from rakuten_assets.core.delivery_rules import (
    CLOSING_RULES,
    QUARANTINE,
    Quarantine,
    Rule,
    labelled,
    read_products,
)
from rakuten_assets.core.products import PRODUCTS, picture_name, products_schema
from rakuten_assets.core.storage import THREADS, at_once, read, read_parquet, write, write_parquet

__all__ = [
    "QUARANTINE",
    "Delivery",
    "DeliveryError",
    "batch_keys",
    "deliveries",
    "hand_in",
    "ingest",
    "picture_path",
    "read_batch",
    "read_picture",
    "read_quarantine",
]

Progress = Callable[[str, int, int], None]
Check = Callable[[bytes], None]


@dataclass(frozen=True)
class Delivery:
    """A registered delivery: `accepted` and `quarantined` add up to the product rows that were delivered."""

    id: str
    sha256: str
    sequence: int
    arrived: str
    source: str
    batches: tuple[str, ...]
    accepted: int
    quarantined: int
    pictures: int
    reasons: Mapping[str, int]
    already_known: bool = False
    from_people: bool = False
    """Whether the web app brought its products, which people labelled."""


def ingest(
    source: Path,
    root: UPath,
    *,
    batch_size: int = 20_000,
    check_pictures: bool = True,
    progress: Progress | None = None,
) -> Delivery:
    """Registers a delivered folder or .zip archive; one whose tables are already registered changes nothing.

    `progress` is called with a stage ("tables", "pictures", "batches"), the units done and their total.
    Raises DeliveryError, before anything is written, where the delivery as a whole cannot be used.
    """
    report = progress or (lambda stage, done, total: None)
    with open_delivery(source) as files:
        past = deliveries(root)
        sha256 = _digest(files.tables)
        for known in past:
            if known.sha256 == sha256:
                return replace(known, already_known=True)
        quarantine = Quarantine(files)
        products = labelled(files, read_products(files, quarantine), quarantine)
        products = quarantine.sift(products, (_already_delivered(root, past),))
        report("tables", len(files.tables), len(files.tables))
        products = _with_pictures(files, products, quarantine, root, _picture_check(check_pictures), report)
        products = quarantine.sift(products, CLOSING_RULES)
        delivery = Delivery(
            id=f"{_slug(source.resolve().stem)}-{sha256[:8]}",
            sha256=sha256,
            sequence=max((known.sequence for known in past), default=0) + 1,
            arrived=datetime.now(UTC).isoformat(timespec="seconds"),
            source=source.resolve().name,
            batches=(),
            accepted=products.height,
            quarantined=quarantine.rows,
            pictures=products["image"].count(),
            reasons=quarantine.reasons,
        )
        table = quarantine.table(delivery.id)
        return _register(root, delivery, files.tables, products, table, batch_size, report)


def hand_in(root: UPath, name: str, products: pl.DataFrame, *, batch_size: int = 20_000) -> Delivery | None:
    """Registers products that the platform itself has seen to; those that are registered already are left out.

    `products` has `productid`, `designation`, `description`, `prdtypecode` and `image`, whose pictures are stored.
    None where there is nothing new.
    """
    past = deliveries(root)
    known = _known_ids(root, past)
    fresh = products.filter(~pl.col("productid").is_in(known.implode())).sort("productid")
    if fresh.is_empty():
        return None
    sha256 = hashlib.sha256(fresh["productid"].to_numpy().tobytes()).hexdigest()
    table = fresh.with_columns(imageid="productid").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    delivery = Delivery(
        id=f"{_slug(name)}-{sha256[:8]}",
        sha256=sha256,
        sequence=max((known.sequence for known in past), default=0) + 1,
        arrived=datetime.now(UTC).isoformat(timespec="seconds"),
        source=name,
        batches=(),
        accepted=len(table),
        quarantined=0,
        pictures=table["image"].count(),
        reasons={},
        from_people=True,
    )
    rows = table.with_columns(line=pl.col("row") + 2)
    return _register(root, delivery, (), rows, pl.DataFrame(schema=QUARANTINE), batch_size, lambda *_: None)


def deliveries(root: UPath) -> list[Delivery]:
    """All registered deliveries, in order of arrival."""
    found = at_once(_read_manifest, root.glob("deliveries/*/manifest.json"))
    return sorted(found, key=lambda delivery: (delivery.sequence, delivery.arrived, delivery.id))


def batch_keys(root: UPath) -> list[str]:
    """The keys of all batches, in order of arrival."""
    return [key for delivery in deliveries(root) for key in delivery.batches]


def read_batch(root: UPath, key: str) -> pl.DataFrame:
    """The accepted products of one batch, with the columns of `PRODUCTS`; KeyError for a key that is none."""
    return read_parquet(_batch_path(root, key))


def read_quarantine(root: UPath) -> pl.DataFrame:
    """All that was ever set aside, with the columns of `QUARANTINE`."""
    paths = [_folder(root, delivery.id) / "quarantine.parquet" for delivery in deliveries(root)]
    tables = at_once(read_parquet, paths)
    return pl.concat([pl.DataFrame(schema=QUARANTINE), *tables])


def picture_path(root: UPath, sha256: str) -> UPath:
    """Where the picture with this sha256 is stored."""
    return root / "images" / sha256[:2] / f"{sha256}.jpg"


def read_picture(root: UPath, sha256: str) -> bytes:
    """The stored picture with this sha256."""
    return read(picture_path(root, sha256))


def _already_delivered(root: UPath, past: Sequence[Delivery]) -> Rule:
    again = pl.col("productid").is_in(_known_ids(root, past).implode())
    return Rule("already_delivered", again, "an earlier delivery has this productid")


def _known_ids(root: UPath, past: Sequence[Delivery]) -> pl.Series:
    keys = [key for delivery in past for key in delivery.batches]
    parts = at_once(lambda key: read_parquet(_batch_path(root, key), ["productid"])["productid"], keys)
    return pl.concat([pl.Series("productid", [], pl.Int64), *parts])


def _with_pictures(
    files: DeliveryFiles,
    products: pl.DataFrame,
    quarantine: Quarantine,
    root: UPath,
    check: Check,
    report: Progress,
) -> pl.DataFrame:
    """The products with their stored picture's sha256 in `image`, null where no usable picture came."""
    ids = products.select("imageid", "productid").rows()
    paths = [files.pictures / picture_name(*pair) for pair in ids]
    stored: list[str | None] = []
    # Decoding releases the interpreter's lock, and a remote store answers slowly: threads help with both.
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            outcomes = pool.map(partial(_store_picture, files.folder, root, check), paths)
            for path, (_, productid), outcome in zip(paths, ids, outcomes, strict=True):
                if isinstance(outcome, UnusableFile):
                    quarantine.add_picture(path, productid, outcome.reason, outcome.detail)
                stored.append(outcome if isinstance(outcome, str) else None)
                report("pictures", len(stored), len(paths))
        finally:
            pool.shutdown(cancel_futures=True)
    return products.with_columns(pl.Series("image", stored, pl.String))


def _store_picture(folder: Path, root: UPath, check: Check, path: Path) -> str | UnusableFile:
    """The sha256 under which a picture is now stored, or why it is not."""
    try:
        data = read_picture_file(folder, path)
        check(data)
    except UnusableFile as error:
        return error
    sha256 = hashlib.sha256(data).hexdigest()
    # To ask whether it is there already would cost as much as to send it.
    write(picture_path(root, sha256), data)
    return sha256


def _picture_check(wanted: bool) -> Check:
    if not wanted:
        return lambda data: None
    from rakuten_assets.core.images import BadPicture, check

    def usable(data: bytes) -> None:
        try:
            check(data)
        except BadPicture as error:
            raise UnusableFile("bad_picture", str(error)) from error

    return usable


def _register(
    root: UPath,
    delivery: Delivery,
    tables: Sequence[Path],
    products: pl.DataFrame,
    quarantine: pl.DataFrame,
    batch_size: int,
    report: Progress,
) -> Delivery:
    folder = _folder(root, delivery.id)
    # What an interrupted attempt left behind.
    for leftover in folder.glob("batches/*.parquet"):
        leftover.unlink()
    for table in tables:
        write(folder / "source" / table.name, table.read_bytes())
    write_parquet(folder / "quarantine.parquet", quarantine)
    products = products.with_columns(pl.col("prdtypecode").cast(pl.Int32), delivery=pl.lit(delivery.id)).select(
        *PRODUCTS
    )
    keys = []
    for number, batch in enumerate(products.iter_slices(batch_size) if products.height else ()):
        keys.append(f"{delivery.id}-{number:03d}")
        write_parquet(_batch_path(root, keys[-1]), products_schema().validate(batch))
        report("batches", number + 1, -(-products.height // batch_size))
    delivery = replace(delivery, batches=tuple(keys))
    write(folder / "manifest.json", json.dumps(asdict(delivery), indent=2).encode())
    return delivery


def _read_manifest(path: UPath) -> Delivery:
    fields = json.loads(read(path))
    return Delivery(**{**fields, "batches": tuple(fields["batches"])})


def _digest(tables: Sequence[Path]) -> str:
    """One sha256 over the sha256 of each table."""
    parts = [hashlib.sha256(table.read_bytes()).digest() for table in tables]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain)[:40].strip("-") or "delivery"


def _folder(root: UPath, delivery: str) -> UPath:
    return root / "deliveries" / delivery


def _batch_path(root: UPath, key: str) -> UPath:
    found = re.fullmatch(r"([a-z0-9-]+)-(\d{3,})", key)
    if not found:
        raise KeyError(key)
    return _folder(root, found[1]) / "batches" / f"{found[2]}.parquet"
