"""Writes the dashboards: `python docker/grafana/boards [--domain DOMAIN] [FOLDER]`.

`--domain` is where the platform is reached, for the links; FOLDER is `docker/grafana/dashboards`, if none is given.
"""

import json
from argparse import ArgumentParser
from pathlib import Path

import business
import dagster_board
import machine
import model
import service
from grafana_foundation_sdk.cog.encoder import JSONEncoder

BOARDS = {"business": business, "model": model, "service": service, "machine": machine, "dagster": dagster_board}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent.parent / "dashboards")
    parser.add_argument("--domain", default="localhost")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, module in BOARDS.items():
        written = json.dumps(module.board(asked.domain).build(), cls=JSONEncoder, indent=2, sort_keys=True)
        (asked.folder / f"{name}.json").write_text(written + "\n")


main()
