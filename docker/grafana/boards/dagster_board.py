"""Runs, the freshness of assets, and whether the daemons live."""

from grafana_foundation_sdk.builders import dashboard
from parts import BLUE, GREEN, GREY, ORANGE, RED, bars, lines, number
from parts import board as board_of

DAY = 86400


def board(domain: str) -> dashboard.Dashboard:
    return board_of(
        "dagster",
        "Rakuten · Dagster",
        "Runs, assets, sensors, schedules and daemons.",
        domain,
        [
            number(
                "Queued",
                "Runs that wait for their turn. Alert: RunsWait.",
                "short",
                {"queued": "sum(rakuten_dagster_runs_queued)"},
                limits=[(20, ORANGE), (50, RED)],
            ),
            number(
                "Under way",
                "Runs that compute now.",
                "short",
                {"under way": "sum(rakuten_dagster_runs_in_progress)"},
            ),
            number(
                "Failed",
                "Runs in the time that is shown. Alert: RunFailed.",
                "short",
                {"failed": 'sum(clamp_min(delta(rakuten_dagster_runs_ended{status="failure"}[$__range]), 0))'},
                limits=[(1, ORANGE), (5, RED)],
            ),
            number(
                "Champion",
                "Age of the last model that the gate judged. Alert: ChampionOld.",
                "s",
                {"age": 'time() - max(rakuten_asset_success_timestamp_seconds{asset="challenger"} > 0)'},
                limits=[(35 * DAY, ORANGE), (40 * DAY, RED)],
            ),
            number(
                "Backup",
                "Age of the last that went well. Alerts: BackupOld, BackupMissing.",
                "s",
                {"age": 'time() - max(rakuten_dagster_job_success_timestamp_seconds{job="backup"})'},
                limits=[(26 * 3600, ORANGE), (36 * 3600, RED)],
            ),
            number(
                "Daemons",
                "Age of the oldest sign of life. Alert: DaemonSilent.",
                "s",
                {"age": "time() - min(rakuten_dagster_daemon_heartbeat_timestamp_seconds)"},
                limits=[(60, ORANGE), (300, RED)],
            ),
            lines(
                "Runs",
                "That wait and that compute.",
                "short",
                {
                    "queued": "sum(rakuten_dagster_runs_queued)",
                    "under way": "sum(rakuten_dagster_runs_in_progress)",
                },
                colours={"queued": ORANGE, "under way": BLUE},
                stacked=True,
            ),
            lines(
                "Runs that have ended",
                "So far, by how.",
                "short",
                {"{{status}}": "sum by (status) (rakuten_dagster_runs_ended)"},
                colours={"success": GREEN, "failure": RED, "canceled": GREY},
            ),
            bars(
                "Freshness of assets",
                "Age of the last materialization, the oldest first.",
                "s",
                {"{{asset}}": "sort_desc(time() - (max by (asset) (rakuten_asset_success_timestamp_seconds) > 0))"},
                limits=[(35 * DAY, ORANGE), (40 * DAY, RED)],
                span=24,
                height=16,
            ),
            bars(
                "Jobs",
                "Age of the last run that went well.",
                "s",
                {"{{job}}": "sort_desc(time() - max by (job) (rakuten_dagster_job_success_timestamp_seconds))"},
            ),
            bars(
                "Daemons",
                "Age of the last sign of life. Alerts: DaemonSilent, DaemonMissing.",
                "s",
                {"{{daemon}}": "time() - max by (daemon) (rakuten_dagster_daemon_heartbeat_timestamp_seconds)"},
                limits=[(60, ORANGE), (300, RED)],
            ),
            bars(
                "Sensors and schedules",
                "1 where the last tick failed. Alert: TickFailed.",
                "short",
                {"{{name}}": "sort_desc(max by (name) (rakuten_dagster_tick_failed))"},
                limits=[(1, RED)],
                most=1,
            ),
            bars(
                "Assets that were never made",
                "Some are made only when asked for, such as tournaments.",
                "short",
                {"{{asset}}": "max by (asset) (rakuten_asset_success_timestamp_seconds) == bool 0 > 0"},
            ),
        ],
    )
