"""Which model answers, how sure and how good it is, and how far production has moved from what it learnt."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as sdk
from parts import BLUE, GREEN, ORANGE, PURPLE, RED, SOURCE, bars, lines, number
from parts import board as board_of


def board(domain: str) -> dashboard.Dashboard:
    made = board_of(
        "model",
        "Rakuten · Model",
        "Confidence, quality, drift and retrainings.",
        domain,
        [
            number(
                "Champion",
                "The model that was promoted last: its number in MLflow and its version.",
                "none",
                {"{{number}} · {{version}}": "rakuten_champion"},
                named=True,
                colour=GREEN,
            ),
            number(
                "F1 of the champion",
                "Weighted F1 on the frozen gold rows.",
                "percentunit",
                {"gold": 'max(rakuten_gold_f1_ratio{kind="stacked"} * on (version) group_left () rakuten_champion)'},
                colour=BLUE,
            ),
            number(
                "F1 in production",
                "Weighted F1 of the newest model on the gold rows that people labelled in production.",
                "percentunit",
                {"live": "max(rakuten_live_gold_f1_ratio * on (version) group_left () rakuten_champion)"},
                colour=BLUE,
            ),
            number(
                "Confidence",
                "Mean confidence of the champion's answers in the last hour.",
                "percentunit",
                {
                    "champion": 'sum(increase(rakuten_confidence_sum{role="champion"}[1h])) '
                    '/ sum(increase(rakuten_confidence_count{role="champion"}[1h]))'
                },
                colour=BLUE,
            ),
            number(
                "Drift",
                "Of the last report; from 1 on, chance does not explain it. Alert: DriftFound.",
                "short",
                {"score": "max(rakuten_drift_score)"},
                limits=[(0.8, ORANGE), (1, RED)],
            ),
            number(
                "Age of the drift report",
                "It is made each week. Alert: DriftReportOld.",
                "s",
                {"age": "time() - max(rakuten_drift_report_timestamp_seconds)"},
                limits=[(8 * 86400, ORANGE), (9 * 86400, RED)],
            ),
            lines(
                "Confidence by model",
                "Mean confidence of the answered category. A fall without a new model is drift.",
                "percentunit",
                {
                    "{{role}} {{version}}": "sum by (role, version) "
                    '(rate(rakuten_confidence_sum{version=~"$version"}[$__rate_interval])) / sum by (role, version) '
                    '(rate(rakuten_confidence_count{version=~"$version"}[$__rate_interval]))'
                },
                colours={"champion .*": GREEN, "shadow .*": PURPLE, "canary .*": ORANGE},
                most=1,
            ),
            lines(
                "Answers for a person to look at",
                "Share of the answers that were held back, by reason.",
                "percentunit",
                {
                    "{{reason}}": "sum by (reason) (rate(rakuten_needs_review_total"
                    '{version=~"$version"}[$__rate_interval])) / on () group_left () '
                    'sum(rate(rakuten_predictions_total{version=~"$version"}[$__rate_interval]))'
                },
                most=1,
            ),
            lines(
                "Drift and its limit",
                "Score of the last report; at the limit and above, it is drift. Alerts: DriftFound, DriftUnanswered.",
                "short",
                {"score": "max(rakuten_drift_score)", "limit": "max(rakuten_drift_limit)"},
                colours={"score": BLUE, "limit": RED},
            ),
            bars(
                "Drift by part",
                "What has moved: words, languages, pictures, answers or decisions; with the same limit.",
                "short",
                {"{{part}}": "sort_desc(max by (part) (rakuten_drift_part_score))"},
                limits=[(0.8, ORANGE), (1, RED)],
            ),
            bars(
                "F1 by model",
                "Weighted F1 on the frozen gold rows of the last five models.",
                "percentunit",
                {
                    "{{version}} {{kind}}": "sort_desc(max by (version, kind) "
                    '(rakuten_gold_f1_ratio{version=~"$version"}))'
                },
                most=1,
            ),
            bars(
                "F1 in production by model",
                "Weighted F1 on the gold rows that people labelled in production.",
                "percentunit",
                {"{{version}}": 'sort_desc(max by (version) (rakuten_live_gold_f1_ratio{version=~"$version"}))'},
                most=1,
            ),
            bars(
                "Most frequent answers",
                "Answered categories in the time that is shown, by their code.",
                "short",
                {"{{code}}": "topk(10, sum by (code) (increase(rakuten_predictions_total[$__range])))"},
                decimals=0,
            ),
            bars(
                "Retrainings that were asked for",
                "By administrators, and what became of them.",
                "short",
                {"{{state}}": "max by (state) (rakuten_retrainings)"},
            ),
            lines(
                "A shadow beside the champion",
                "Share of its answers that agree with the champion's.",
                "percentunit",
                {
                    "{{version}}": 'sum by (version) (rate(rakuten_shadow_agreement_total{agrees="true"}'
                    "[$__rate_interval])) / sum by (version) (rate(rakuten_shadow_agreement_total[$__rate_interval]))"
                },
                colours={".*": PURPLE},
                most=1,
                span=24,
            ),
        ],
    )
    return made.with_variable(
        dashboard.QueryVariable("version")
        .label("Model")
        .datasource(SOURCE)
        .query("label_values(rakuten_gold_f1_ratio, version)")
        .refresh(sdk.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(sdk.VariableOption(text="All", value="$__all", selected=True))
    )
