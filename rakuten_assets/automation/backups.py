"""Every night, where there is a place for it: a backup. One that fails is told of like every failed run."""

from dataclasses import asdict

import dagster as dg

from rakuten_assets.settings import Settings

# Before the retention at half past three; the labels were handed in at two.
NIGHTLY = "0 3 * * *"


@dg.op
def save(context: dg.OpExecutionContext) -> None:
    """Back up the databases and all objects; sizes, counts and seconds are metadata."""
    # Late: encryption is nothing that a code location needs in order to load.
    from rakuten_assets.backup.backup import back_up

    made = back_up(Settings())
    context.log.info(f"Backup {made.id}: {made.new_objects} new objects of {made.new_bytes} bytes.")
    context.add_output_metadata(asdict(made))


@dg.job(
    executor_def=dg.in_process_executor,
    description="Back up the databases and all objects, encrypted, to RAKUTEN_BACKUP_ROOT.",
)
def backup() -> None:
    save()


@dg.schedule(
    name="nightly_backup",
    job=backup,
    cron_schedule=NIGHTLY,
    execution_timezone="Europe/Paris",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Backs up to RAKUTEN_BACKUP_ROOT, where that is set.",
)
def nightly_backup(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if not Settings().backup_root:
        return dg.SkipReason("There is no place for backups: RAKUTEN_BACKUP_ROOT is not set.")
    return dg.RunRequest(tags={"rakuten/reason": "every night"})
