"""The models that were judged: written by the lineage, shown by the web app."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs, must_be
from rakuten_assets.store.records import SYSTEM, Actor, ModelReport
from rakuten_assets.store.tables import ModelRow

SHOWN = 50


class Models(Verbs):
    """Which models there were, how good, and which one answers."""

    def record(self, version: str, number: str, reason: str, report: Mapping[str, Any]) -> None:
        """Keep the gate's verdict on a model; judged again, it keeps the newer one.

        `report` is JSON: `gold` (scores of text, image, stacked), `codes`, `per_class`, `confusion` (rows are the
        truth), `reliability`, `shares` (of each category among the labelled products), `mlflow`, `gate`.
        """
        values = {"number": number, "reason": reason, "report": dict(report)}
        row = insert(ModelRow).values(version=version, promoted=False, **values)
        with self._transaction() as session:
            session.execute(row.on_conflict_do_update(index_elements=["version"], set_=values))
            audit.write(session, SYSTEM, "model_judged", "model", version, number=number)

    def promote(self, version: str, reason: str) -> None:
        """This model, which the gate has judged, answers from now on."""
        with self._transaction() as session:
            row = session.get(ModelRow, version, with_for_update=True)
            if row is None:
                return
            row.promoted, row.reason, row.at = True, reason, datetime.now(UTC)
            audit.write(session, SYSTEM, "model_promoted", "model", version, number=row.number)

    def history(self, actor: Actor) -> list[ModelReport]:
        """The last judged models, the newest first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            return [
                report_of(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.at.desc()).limit(SHOWN))
            ]

    def champion(self) -> ModelReport | None:
        """The model that was promoted last."""
        query = select(ModelRow).where(ModelRow.promoted).order_by(ModelRow.at.desc()).limit(1)
        with self._transaction() as session:
            row = session.scalar(query)
            return report_of(row) if row else None


def report_of(row: ModelRow) -> ModelReport:
    """A row as a plain value."""
    return ModelReport(row.version, row.number, row.promoted, row.reason, row.at, row.report)
