"""What every page and route stands on: the settings, the store, the prediction service's client, the live changes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upath import UPath

from rakuten_assets.store.store import Store
from serving.client import Client
from webapp import metrics
from webapp.settings import WebSettings

if TYPE_CHECKING:
    from webapp.live import Live

# The pages that ask the service themselves (explanations, /try) show a person who waits what came of it.
SERVICE_TIMEOUT = 20


@dataclass
class Application:
    """One running web app. `root` is the data root, below which pictures lie."""

    settings: WebSettings
    store: Store
    client: Client
    live: "Live"

    @property
    def root(self) -> UPath:
        return self.settings.root

    @classmethod
    def of(cls, settings: WebSettings) -> "Application":
        """The application of these settings; nothing is connected to before it is needed."""
        from webapp.live import Live

        store = Store(settings.database_url, settings.text_only)
        client = Client(settings.serving_url, timeout=SERVICE_TIMEOUT, heard=metrics.called)
        return cls(settings, store, client, Live(store))

    def close(self) -> None:
        """End the threads and connections."""
        self.live.stop()
        self.client.close()
        self.store.close()
