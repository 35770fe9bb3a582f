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

    def record(self, version: str, number: str, promoted: bool, reason: str, report: Mapping[str, Any]) -> None:
        """Keep the verdict on a model; judged again, it keeps the newer one.

        `report` is JSON: `gold` (scores of text, image, stacked), `codes`, `per_class`, `confusion` (rows are the
        truth), `reliability`, `shares` (of each category among the labelled products), `mlflow`, `gate`.
        """
        values = {"number": number, "promoted": promoted, "reason": reason, "report": dict(report)}
        row = insert(ModelRow).values(version=version, **values)
        again = row.on_conflict_do_update(index_elements=["version"], set_={**values, "at": datetime.now(UTC)})
        with self._transaction() as session:
            session.execute(again)
            action = "model_promoted" if promoted else "model_refused"
            audit.write(session, SYSTEM, action, "model", version, number=number)

    def history(self, actor: Actor) -> list[ModelReport]:
        """The last judged models, the newest first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            return [_report(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.at.desc()).limit(SHOWN))]

    def champion(self) -> ModelReport | None:
        """The model that was promoted last."""
        query = select(ModelRow).where(ModelRow.promoted).order_by(ModelRow.at.desc()).limit(1)
        with self._transaction() as session:
            row = session.scalar(query)
            return _report(row) if row else None


def _report(row: ModelRow) -> ModelReport:
    return ModelReport(row.version, row.number, row.promoted, row.reason, row.at, row.report)
