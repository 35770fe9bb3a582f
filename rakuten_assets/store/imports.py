"""Imports: many products at once, line by line, each dealt with exactly once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rakuten_assets.store import audit
from rakuten_assets.store.base import BIGGEST, Verbs, announce, clean, must_be, page
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.outbox import same_job
from rakuten_assets.store.products import Products, enqueue, submit, view
from rakuten_assets.store.records import Actor, Draft, Import, ImportRow, Job, Page, Product
from rakuten_assets.store.tables import ImportLine, OutboxRow, User
from rakuten_assets.store.tables import ImportRow as Row

MAX_NAME = 200


class Imports(Verbs):
    """What a seller hands in as files, and what a worker makes of it."""

    def __init__(self, engine: Any, products: Products) -> None:
        super().__init__(engine)
        self._products = products

    def start(self, actor: Actor, name: str, folder: str) -> Import:
        """Have the files in `folder` (below the data root) taken in. The same folder again is the same import."""
        seller = must_be(actor, "seller", "admin")
        new = insert(Row).values(seller_id=seller, name=clean(name, MAX_NAME, field="name"), folder=folder)
        with self._transaction() as session:
            id = session.scalar(new.on_conflict_do_nothing(index_elements=[Row.folder]).returning(Row.id))
            if id is not None:
                enqueue(session, "import", id)
                audit.write(session, actor, "import_started", "import", id)
                self._announce(session, session.get_one(Row, id))
            return _import(session, session.scalars(select(Row).where(Row.folder == folder)).one())

    def open(self, job: Job) -> tuple[Import, Actor, set[int], str]:
        """The import of a job, who handed it in, which lines are dealt with already, and the folder of its files."""
        with self._transaction() as session:
            row = session.get_one(Row, job.subject_id)
            seller = session.get_one(User, row.seller_id)
            lines = set(session.scalars(select(ImportLine.line).where(ImportLine.import_id == row.id)))
            actor = Actor(seller.id, seller.email, seller.name, seller.role, seller.language)  # type: ignore[arg-type]
            return _import(session, row), actor, lines, row.folder

    def begin(self, import_id: int, total: int) -> None:
        """The files were read; so many lines are in them."""
        with self._transaction() as session:
            row = session.get_one(Row, import_id, with_for_update=True)
            row.state, row.total = "running", total
            self._announce(session, row)

    def add_product(self, actor: Actor, import_id: int, line: int, draft: Draft) -> Product:
        """The product of a line; a line that was dealt with before is the same product."""
        draft = self._products.checked(draft)
        with self._transaction() as session:
            product = submit(session, actor, draft, f"import-{import_id}-{line}")
            dealt = insert(ImportLine).values(
                import_id=import_id, line=line, reference=draft.reference, product_id=product.id
            )
            session.execute(dealt.on_conflict_do_nothing())
            self._announce(session, session.get_one(Row, import_id))
            return view(session, product)

    def add_error(
        self, import_id: int, line: int, reference: str, error: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Why a line became no product."""
        with self._transaction() as session:
            dealt = insert(ImportLine).values(
                import_id=import_id, line=line, reference=reference[:100], error=error, detail=dict(detail or {})
            )
            session.execute(dealt.on_conflict_do_nothing())
            self._announce(session, session.get_one(Row, import_id))

    def close(self, job: Job, error: str = "") -> None:
        """All lines are dealt with, or the files cannot be read: `error` says why."""
        with self._transaction() as session:
            row = session.get_one(Row, job.subject_id, with_for_update=True)
            row.state, row.error, row.finished_at = ("failed" if error else "done"), error, datetime.now(UTC)
            for done in session.scalars(same_job(select(OutboxRow), job)):
                session.delete(done)
            seller = session.get_one(User, row.seller_id)
            actor = Actor(seller.id, seller.email, seller.name, seller.role)  # type: ignore[arg-type]
            audit.write(session, actor, f"import_{row.state}", "import", row.id, lines=row.total, error=error or None)
            self._announce(session, row)

    def get(self, actor: Actor, id: int) -> Import:
        """One import and how far it is; another seller's is not found."""
        with self._transaction() as session:
            return _import(session, self._own(session, actor, id))

    def rows(
        self, actor: Actor, id: int, cursor: str | None = None, size: int = 50, only_errors: bool = False
    ) -> Page[ImportRow]:
        """What became of each line, in their order."""
        query = select(ImportLine.line, ImportLine).where(ImportLine.import_id == id)
        if only_errors:
            query = query.where(ImportLine.error != "")
        with self._transaction() as session:
            self._own(session, actor, id)
            rows, ends = page(session, query, [ImportLine.line], cursor, size, newest_first=False)
            return Page([_line(row[1]) for row in rows], **ends)

    @staticmethod
    def _own(session: Session, actor: Actor, id: int) -> Row:
        row = session.get(Row, id) if 0 < id <= BIGGEST else None
        if row is None or (actor.role != "admin" and row.seller_id != actor.user_id):
            raise Refused("not_found", "import_not_found", id=id)
        return row

    @staticmethod
    def _announce(session: Session, row: Row) -> None:
        session.flush()
        announce(session, "import", product_id=row.id, seller_id=row.seller_id, state=row.state or "waiting")

    def list(self, actor: Actor, cursor: str | None = None, size: int = 25) -> Page[Import]:
        """The actor's imports, the newest first."""
        query = select(Row.id, Row).where(Row.seller_id == must_be(actor, "seller", "admin"))
        with self._transaction() as session:
            rows, ends = page(session, query, [Row.id], cursor, size)
            counted = _counts(session, [row[1].id for row in rows])
            return Page([_record(row[1], counted) for row in rows], **ends)


def _import(session: Session, row: Row) -> Import:
    return _record(row, _counts(session, [row.id]))


def _counts(session: Session, ids: list[int]) -> dict[int, tuple[int, int]]:
    """For each import: products made, lines refused."""
    made, refused = func.count(ImportLine.product_id), func.count().filter(ImportLine.product_id.is_(None))
    query = select(ImportLine.import_id, made, refused).where(ImportLine.import_id.in_(ids))
    return {id: (done, errors) for id, done, errors in session.execute(query.group_by(ImportLine.import_id))}


def _record(row: Row, counted: dict[int, tuple[int, int]]) -> Import:
    done, refused = counted.get(row.id, (0, 0))
    return Import(
        id=row.id,
        seller_id=row.seller_id,
        name=row.name,
        state=row.state,
        total=row.total,
        done=done,
        refused=refused,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _line(row: ImportLine) -> ImportRow:
    return ImportRow(row.line, row.reference, row.product_id, row.error, row.detail)
