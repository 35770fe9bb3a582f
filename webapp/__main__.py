"""`python -m webapp`: the web app on its port."""

import uvicorn

from webapp.main import create_app
from webapp.settings import WebSettings


def main() -> None:
    """Serve until it is told to stop."""
    settings = WebSettings()
    # One process: a page lives in the process that built it. Threads do what waits.
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
