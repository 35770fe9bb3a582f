"""Drift reports: written by the lineage, read by a sensor and by administrators."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from rakuten_assets.store import audit
from rakuten_assets.store.base import BIGGEST, Verbs, must_be
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import SYSTEM, Actor, DriftReport
from rakuten_assets.store.tables import DriftReportRow

SHOWN = 52


class Drift(Verbs):
    """How far production is from what the champion learnt."""

    def record(
        self,
        version: str,
        last_prediction: int,
        period: tuple[datetime, datetime],
        rows: int,
        labelled: int,
        score: float,
        parts: Sequence[Mapping[str, Any]],
        page: str,
    ) -> int:
        """Keep a report of the model `version` over the predictions up to `last_prediction`; the result is its id."""
        since, until = period
        row = DriftReportRow(
            version=version,
            last_prediction=last_prediction,
            since=since,
            until=until,
            rows=rows,
            labelled=labelled,
            score=score,
            parts=[dict(part) for part in parts],
            page=page,
        )
        with self._transaction() as session:
            session.add(row)
            session.flush()
            audit.write(session, SYSTEM, "drift_measured", "drift", row.id, score=score, version=version)
            return row.id

    def latest(self) -> DriftReport | None:
        """The newest report, of whatever model."""
        with self._transaction() as session:
            row = session.scalar(select(DriftReportRow).order_by(DriftReportRow.id.desc()).limit(1))
            return _report(row) if row else None

    def history(self, actor: Actor) -> list[DriftReport]:
        """The last reports, the newest first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            rows = session.scalars(select(DriftReportRow).order_by(DriftReportRow.id.desc()).limit(SHOWN))
            return [_report(row) for row in rows]

    def get(self, actor: Actor, id: int) -> DriftReport:
        """One report."""
        must_be(actor, "admin")
        with self._transaction() as session:
            row = session.get(DriftReportRow, id) if 0 < id <= BIGGEST else None
            if row is None:
                raise Refused("not_found", "page_not_found")
            return _report(row)


def _report(row: DriftReportRow) -> DriftReport:
    return DriftReport(
        row.id,
        row.version,
        row.last_prediction,
        row.since,
        row.until,
        row.rows,
        row.labelled,
        row.score,
        row.parts,
        row.page,
        row.at,
    )
