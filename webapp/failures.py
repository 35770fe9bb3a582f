"""What went wrong, for the log: where, and of what kind. Never what anybody wrote, which messages of errors repeat."""

import logging

from rakuten_assets.store.errors import Refused
from rakuten_assets.telemetry import describe as describe


class Discreet(logging.Filter):
    """Lets errors through without their messages, and refusals, which people have been told of, not at all."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.msg if isinstance(record.msg, BaseException) else (record.exc_info or (None, None))[1]
        if isinstance(error, Refused):
            return False
        if error is not None:
            said = "" if record.msg is error else f"{record.getMessage()}: "
            record.msg, record.args, record.exc_info, record.exc_text = f"{said}{describe(error)}", (), None, None
        return True


def keep_discreet(*names: str) -> None:
    """Let the loggers of these names tell no messages of errors."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Discreet) for each in logger.filters):
            logger.addFilter(Discreet())
