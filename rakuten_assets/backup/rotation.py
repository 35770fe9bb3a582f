"""Which backups are kept: the newest of each of the last days, weeks and months."""

import re
from collections.abc import Sequence
from datetime import datetime

from rakuten_assets.backup.errors import BackupError

PERIODS = {"daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m"}


def rule(text: str) -> dict[str, int]:
    """`daily 7, weekly 4, monthly 6` as numbers; raises BackupError for anything else."""
    parts = [part.split() for part in text.split(",") if part.strip()]
    if not parts or any(
        len(part) != 2 or part[0] not in PERIODS or not re.fullmatch(r"\d{1,4}", part[1]) for part in parts
    ):
        raise BackupError(f"RAKUTEN_BACKUP_KEEP is like `daily 7, weekly 4, monthly 6`, not {text!r}.")
    return {name: int(number) for name, number in parts}


def kept(moments: Sequence[datetime], rule: dict[str, int]) -> set[datetime]:
    """Those of the backups' `moments` that stay: for each kind of period the newest one of its last periods.

    The newest of all always stays.
    """
    newest_first = sorted(moments, reverse=True)
    stay = set(newest_first[:1])
    for name, number in rule.items():
        newest: dict[str, datetime] = {}
        for moment in newest_first:
            newest.setdefault(moment.strftime(PERIODS[name]), moment)
        stay |= set(list(newest.values())[:number])
    return stay
