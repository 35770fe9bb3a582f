"""The operational database as a few groups of verbs."""

from rakuten_assets.store.accounts import Accounts
from rakuten_assets.store.audit import Audit
from rakuten_assets.store.changes import Changes
from rakuten_assets.store.database import connect
from rakuten_assets.store.drift import Drift
from rakuten_assets.store.imports import Imports
from rakuten_assets.store.labels import Labels
from rakuten_assets.store.models import Models
from rakuten_assets.store.notifications import Notifications
from rakuten_assets.store.outbox import Outbox
from rakuten_assets.store.products import Products
from rakuten_assets.store.quality import Quality
from rakuten_assets.store.retrainings import Retrainings
from rakuten_assets.store.reviews import Reviews


class Store:
    """All that people and programs may do to the operational database.

    Every verb that a person starts takes the `Actor`, checks their rights, writes what happened into the audit log in
    the same transaction, and raises `errors.Refused` where it does not do it. Threads may share a store.
    """

    def __init__(self, url: str, text_only: bool = False) -> None:
        """`url` as `database.prepare` gives it; `text_only`: products without a picture are taken."""
        self._engine = connect(url)
        self.accounts = Accounts(self._engine)
        self.products = Products(self._engine, text_only)
        self.reviews = Reviews(self._engine)
        self.outbox = Outbox(self._engine)
        self.imports = Imports(self._engine, self.products)
        self.audit = Audit(self._engine)
        self.models = Models(self._engine)
        self.quality = Quality(self._engine)
        self.retrainings = Retrainings(self._engine)
        self.labels = Labels(self._engine)
        self.drift = Drift(self._engine)
        self.notifications = Notifications(self._engine)
        self.changes = Changes(url)

    def reachable(self) -> bool:
        """Whether the database answers."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                return connection.scalar(text("SELECT 1")) == 1
        except SQLAlchemyError:
            return False

    def close(self) -> None:
        self._engine.dispose()
