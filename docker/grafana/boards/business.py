"""What sellers hand in, what becomes of it, and what people say of the answers."""

from grafana_foundation_sdk.builders import dashboard
from parts import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, bars, lines, number
from parts import board as board_of


def board(domain: str) -> dashboard.Dashboard:
    return board_of(
        "business",
        "Rakuten · Business",
        "Submissions, answers, reviews and acceptance.",
        domain,
        [
            number(
                "Submitted",
                "Products that were submitted in the time that is shown.",
                "short",
                {"submitted": "sum(increase(rakuten_webapp_submissions_total[$__range]))"},
                decimals=0,
            ),
            number(
                "Waiting for an answer",
                "Products that the worker has not dealt with. Alert: OutboxLong.",
                "short",
                {"waiting": 'sum(rakuten_outbox_jobs{kind="classify"})'},
                limits=[(500, ORANGE), (5000, RED)],
            ),
            number(
                "Oldest of them",
                "How long the oldest has waited. Alert: ProductsWait.",
                "s",
                {"oldest": 'max(outbox:oldest:seconds{kind="classify"}) or vector(0)'},
                limits=[(60, ORANGE), (600, RED)],
            ),
            number(
                "Review queue",
                "Products that wait for an administrator.",
                "short",
                {"waiting": "sum(rakuten_reviews_waiting)"},
                colour=BLUE,
            ),
            number(
                "Oldest in review",
                "How long the oldest has waited for an administrator. Alert: ReviewsWait.",
                "s",
                {"oldest": "max(time() - rakuten_reviews_oldest_timestamp_seconds) or vector(0)"},
                limits=[(3 * 86400, ORANGE), (7 * 86400, RED)],
            ),
            number(
                "Acceptance",
                "Share of the answers that sellers let stand, of their last 200 decisions. Alert: AcceptanceLow.",
                "percentunit",
                {"acceptance": "avg(rakuten_acceptance_ratio)"},
                limits=[(0, RED), (0.6, ORANGE), (0.8, GREEN)],
            ),
            lines(
                "Submissions a minute",
                "By where they come from: the form, the API, or an import.",
                "short",
                {"{{source}}": "sum by (source) (rate(rakuten_webapp_submissions_total[$__rate_interval])) * 60"},
                colours={"form": BLUE, "api": PURPLE, "bulk": GREY},
                stacked=True,
            ),
            lines(
                "Products by state",
                "All that were ever submitted.",
                "short",
                {"{{state}}": "sum by (state) (rakuten_products)"},
                colours={
                    "waiting": GREY,
                    "proposed": BLUE,
                    "to_confirm": ORANGE,
                    "confirmed|accepted": GREEN,
                    "failed|rejected": RED,
                    "withdrawn": PURPLE,
                },
                stacked=True,
            ),
            lines(
                "From submission to answer",
                "How long sellers wait for a category.",
                "s",
                {
                    name: f"histogram_quantile({share}, "
                    "sum by (le) (rate(rakuten_worker_wait_seconds_bucket[$__rate_interval])))"
                    for name, share in (("half of them", 0.5), ("19 of 20", 0.95))
                },
                colours={"half of them": GREEN, "19 of 20": ORANGE},
                limits=[(600, RED)],
            ),
            lines(
                "Answers a minute",
                "What the worker made of products: proposed, to be confirmed by a person, or refused by the service.",
                "short",
                {"{{outcome}}": "sum by (outcome) (rate(rakuten_worker_classified_total[$__rate_interval])) * 60"},
                colours={"proposed": GREEN, "to_confirm": ORANGE, "refused": RED},
                stacked=True,
            ),
            lines(
                "Acceptance",
                "Share of the answers that sellers let stand. Alerts: AcceptanceLow, AcceptanceFalls.",
                "percentunit",
                {"acceptance": "avg(rakuten_acceptance_ratio)"},
                colours={"acceptance": GREEN},
                limits=[(0.6, RED)],
                most=1,
            ),
            lines(
                "Review load",
                "Products that wait for an administrator.",
                "short",
                {"waiting": "sum(rakuten_reviews_waiting)"},
                colours={"waiting": ORANGE},
            ),
            bars(
                "What people said",
                "All statements so far, by who said what.",
                "short",
                {"{{role}}: {{action}}": "sort_desc(sum by (role, action) (rakuten_feedback))"},
            ),
            lines(
                "Sign-ins a minute",
                "Refused ones are wrong passwords. Alert: SignInAttack.",
                "short",
                {"{{outcome}}": "sum by (outcome) (rate(rakuten_webapp_sign_ins_total[$__rate_interval])) * 60"},
                colours={"ok": GREEN, "refused": RED},
                limits=[(30, RED)],
            ),
        ],
    )
