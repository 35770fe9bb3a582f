"""What goes wrong with backups, in sentences for people."""


class BackupError(RuntimeError):
    """A backup, a restore or a purge cannot be done; the text says why, and what to do."""
