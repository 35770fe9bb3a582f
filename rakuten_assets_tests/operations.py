"""An operational database of a test module's own, as a resource."""

from functools import cache

from rakuten_assets.resources import Operations
from rakuten_assets.store.store import Store


@cache
def store_at(url):
    return Store(url, text_only=True)


class Ours(Operations):
    """The database at `url`; products without a picture are taken."""

    url: str

    @property
    def store(self):
        return store_at(self.url)
