"""Whether the programs answer: the prediction service, the web app and the worker."""

from grafana_foundation_sdk.builders import dashboard
from parts import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, bars, lines, number
from parts import board as board_of

COLOURS = {"p50": GREEN, "p95": ORANGE, "p99": RED}


def quantiles(metric: str, where: str = "") -> dict[str, str]:
    """Latency that a half, 19 of 20 and 99 of 100 requests keep below."""
    return {
        f"p{share}": f"histogram_quantile({share / 100}, sum by (le) (rate({metric}_bucket{where}[$__rate_interval])))"
        for share in (50, 95, 99)
    }


def board(domain: str) -> dashboard.Dashboard:
    return board_of(
        "service",
        "Rakuten · Service",
        "Latency, errors, batches and what waits.",
        domain,
        [
            number(
                "Programs that answer",
                "Of those that Prometheus asks; all of them should.",
                "percentunit",
                {"up": "avg(up)"},
                limits=[(0, RED), (1, GREEN)],
            ),
            number(
                "Alerts",
                "That fire now; Alertmanager has told of them.",
                "short",
                {"firing": 'count(ALERTS{alertstate="firing",severity!="info"}) or vector(0)'},
                limits=[(1, ORANGE), (3, RED)],
            ),
            number(
                "Predictions a second",
                "Products that the service classified, in five minutes' mean.",
                "short",
                {"products": "sum(rate(rakuten_predictions_total[5m]))"},
            ),
            number(
                "Errors of the service",
                "Share of answers that are errors of its own (5xx). Alert: PredictionErrors.",
                "percentunit",
                {"errors": "classifier:errors:ratio"},
                limits=[(0.01, ORANGE), (0.05, RED)],
            ),
            number(
                "Latency of the service",
                "19 of 20 requests for predictions are faster. Alert: PredictionsSlow.",
                "s",
                {"p95": "classifier:request_seconds:p95"},
                limits=[(0.5, ORANGE), (2, RED)],
            ),
            number(
                "Errors of the web app",
                "Share of answers that are errors of its own (5xx). Alert: WebAppErrors.",
                "percentunit",
                {"errors": "web_app:errors:ratio"},
                limits=[(0.01, ORANGE), (0.05, RED)],
            ),
            lines(
                "Latency of predictions",
                "Time of requests for one product or many. Alert: PredictionsSlow.",
                "s",
                quantiles("rakuten_serving_request_seconds", '{route=~"/predict(_batch)?"}'),
                colours=COLOURS,
                limits=[(2, RED)],
            ),
            lines(
                "Requests of the service",
                "By the route that answered.",
                "reqps",
                {"{{route}}": "sum by (route) (rate(rakuten_serving_request_seconds_count[$__rate_interval]))"},
                stacked=True,
            ),
            lines(
                "Answers of the service by status",
                "4xx is what callers did wrong, 5xx what went wrong here.",
                "reqps",
                {"{{status}}": "sum by (status) (rate(rakuten_serving_request_seconds_count[$__rate_interval]))"},
                colours={"2..": GREEN, "4..": ORANGE, "5..": RED},
                stacked=True,
            ),
            bars(
                "What was refused",
                "Requests and products in the time that is shown, by the word in the answer.",
                "short",
                {"{{code}}": "sort_desc(sum by (code) (increase(rakuten_refused_total[$__range])))"},
                decimals=0,
            ),
            lines(
                "Size of batches",
                "Products that go through the model at once: the more, the busier the service.",
                "short",
                {
                    "mean": "sum(rate(rakuten_batch_size_sum[$__rate_interval])) "
                    "/ sum(rate(rakuten_batch_size_count[$__rate_interval]))",
                    "p95": quantiles("rakuten_batch_size")["p95"],
                },
                colours={"mean": BLUE, "p95": ORANGE},
            ),
            lines(
                "Waiting and computing",
                "What 19 of 20 products wait for their batch, and 19 of 20 batches take in the model.",
                "s",
                {
                    "wait for a batch": quantiles("rakuten_batch_wait_seconds")["p95"],
                    "in the model": quantiles("rakuten_inference_seconds")["p95"],
                },
                colours={"wait for a batch": ORANGE, "in the model": BLUE},
            ),
            lines(
                "Latency of the web app",
                "All requests of pages and API. Alert: WebAppSlow.",
                "s",
                quantiles("rakuten_webapp_request_seconds"),
                colours=COLOURS,
                limits=[(2.5, RED)],
            ),
            lines(
                "Answers of the web app by status",
                "4xx is what people did wrong, 5xx what went wrong here.",
                "reqps",
                {"{{status}}": "sum by (status) (rate(rakuten_webapp_request_seconds_count[$__rate_interval]))"},
                colours={"2..": GREEN, "3..": GREY, "4..": ORANGE, "5..": RED},
                stacked=True,
            ),
            lines(
                "Calls of the service",
                "By the web app and the worker, and how they ended.",
                "reqps",
                {"{{outcome}}": "sum by (outcome) (rate(rakuten_webapp_service_call_seconds_count[$__rate_interval]))"},
                colours={"ok": GREEN, "refused": ORANGE, "unavailable": RED},
                stacked=True,
            ),
            lines(
                "Jobs that wait",
                "In the outbox, and those that have failed before. Alerts: OutboxLong, WorkerIdle.",
                "short",
                {
                    "{{kind}}": "sum by (kind) (rakuten_outbox_jobs)",
                    "{{kind}}, failing": "sum by (kind) (rakuten_outbox_failing_jobs)",
                },
                colours={"classify": BLUE, "import": PURPLE, ".*, failing": RED},
            ),
            lines(
                "Retries and failures of the worker",
                "A minute. Retries are the service's doing, failures the worker's own. Alert: WorkerFails.",
                "short",
                {
                    "retries: {{kind}}": "sum by (kind) (rate(rakuten_worker_retries_total[$__rate_interval])) * 60",
                    "failures: {{kind}}": "sum by (kind) (rate(rakuten_worker_errors_total[$__rate_interval])) * 60",
                },
                colours={"retries: .*": ORANGE, "failures: .*": RED},
            ),
            lines(
                "Models that are loaded",
                "1 for each; two at once are a champion and what runs beside it.",
                "short",
                {"{{role}} {{version}}": "max by (role, version) (rakuten_serving_model)"},
                colours={"champion .*": GREEN, "shadow .*": PURPLE, "canary .*": ORANGE},
            ),
        ],
    )
