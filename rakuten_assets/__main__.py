"""`python -m rakuten_assets` is the command `rakuten`."""

from rakuten_assets.cli import app

app()
