"""The dashboards as Grafana reads them, and what their queries say."""

import json
import re

from rakuten_assets_tests.observability.programs import DOCKER

FOLDER = DOCKER / "grafana" / "dashboards"

# What Grafana would put into the place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$__range": "10m", "$version": ".*"}


def dashboards():
    return {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}


def queries():
    """Every query of every panel: dashboard, title, legend, and the expression without variables."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                expression = target["expr"]
                for variable, value in VARIABLES.items():
                    expression = expression.replace(variable, value)
                assert "$" not in expression, expression
                yield name, panel["title"], target["legendFormat"], expression


def labels_of(legend):
    """The labels that a legend names."""
    return set(re.findall(r"{{(\w+)}}", legend))
