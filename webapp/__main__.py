"""`python -m webapp`: the web app on its port."""

import uvicorn

from rakuten_assets import telemetry
from webapp import metrics
from webapp.main import create_app
from webapp.settings import WebSettings


def main() -> None:
    """Serve until it is told to stop."""
    settings = WebSettings()
    telemetry.start("webapp")
    metrics.serve(settings.metrics_port, settings.host)
    # One process: a page lives in the process that built it. Threads do what waits. The guard writes a line for each
    # request; those of uvicorn hold people's addresses.
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
