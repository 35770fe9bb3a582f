"""Telling people: one message, the log, e-mail and a webhook, each of which takes it once."""

import hashlib
import logging
import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

import dagster as dg

from rakuten_assets.store.records import Notification

SECURITY = ("auto", "starttls", "tls", "none")

# The port on which a mail server speaks TLS from the first byte.
TLS_PORT = 465


class NotTaken(Exception):
    """A channel did not take a message. The text is for people, and holds no secret."""


@dataclass(frozen=True)
class Outcome:
    """Which channels took a message now, and why others did not."""

    sent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Notifier(dg.ConfigurableResource):
    """How people are told: always by the log, by e-mail and a webhook where they are set up.

    `platform` is the address by which people know this platform; `smtp_security` is one of `SECURITY`; `notify_to`
    are addresses with commas between them. Secrets are read from files, each time anew, so a new one needs no restart.
    """

    platform: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "auto"
    smtp_user: str = ""
    smtp_password_file: str = ""
    notify_from: str = ""
    notify_to: str = ""
    webhook_url_file: str = ""
    timeout: float = 10

    def send(self, notification: Notification) -> Outcome:
        """Hand a message to the channels that have not taken it yet; one that fails keeps no other from it."""
        outcome = Outcome()
        for name, deliver in self._channels().items():
            if name in notification.sent:
                continue
            try:
                deliver(notification)
                outcome.sent.append(name)
            except NotTaken as error:
                outcome.failed[name] = str(error)
            except Exception as error:  # whatever else it is: its text may hold a secret, its name does not
                outcome.failed[name] = type(error).__name__
        return outcome

    def _channels(self) -> dict[str, Callable[[Notification], None]]:
        channels: dict[str, Callable[[Notification], None]] = {"log": self._log}
        # Half a set-up is a channel that fails and says what is missing, not one that is silently left out.
        if self.smtp_host or self.notify_to:
            channels["email"] = self._email
        if self.webhook_url_file:
            channels["webhook"] = self._webhook
        return channels

    def _log(self, notification: Notification) -> None:
        said = f"{notification.kind}: {one_line(notification.subject)}\n{self._text(notification)}"
        dg.get_dagster_logger("notifications").info(said)

    def _email(self, notification: Notification) -> None:
        if not (self.smtp_host and self.notify_from and self.notify_to):
            raise NotTaken("E-mail needs RAKUTEN_SMTP_HOST, RAKUTEN_NOTIFY_FROM and RAKUTEN_NOTIFY_TO.")
        if self.smtp_security not in SECURITY:
            raise NotTaken(f"RAKUTEN_SMTP_SECURITY is {self.smtp_security!r}; there are {', '.join(SECURITY)}.")
        password = _secret(self.smtp_password_file) if self.smtp_user else ""
        try:
            with self._server(password) as server:
                refused = server.send_message(self._mail(notification))
        except (OSError, smtplib.SMTPException) as error:
            said = one_line(str(error))
            # A server may repeat what it was told.
            said = said.replace(password, "***") if password else said
            raise NotTaken(f"{self.smtp_host}:{self.smtp_port} did not take the mail: {said}") from None
        if refused:
            # The others have it: trying again would tell them twice.
            addresses = ", ".join(refused)
            dg.get_dagster_logger("notifications").error(f"{self.smtp_host} refuses mail to {addresses}.")

    @contextmanager
    def _server(self, password: str) -> Iterator[smtplib.SMTP]:
        """A mail server that we are signed in to, where there is a user."""
        trusted = ssl.create_default_context()
        if self.smtp_security == "tls" or (self.smtp_security == "auto" and self.smtp_port == TLS_PORT):
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.smtp_host, self.smtp_port, timeout=self.timeout, context=trusted
            )
        else:
            server = smtplib.SMTP(self.smtp_host, self.smtp_port, timeout=self.timeout)
        try:
            if not isinstance(server, smtplib.SMTP_SSL) and self.smtp_security != "none":
                self._start_tls(server, trusted)
            if self.smtp_user:
                server.login(self.smtp_user, password)
            yield server
        finally:
            # The mail is taken or refused by then; how the server says goodbye changes nothing.
            with suppress(smtplib.SMTPException):
                server.quit()

    def _start_tls(self, server: smtplib.SMTP, trusted: ssl.SSLContext) -> None:
        server.ehlo()
        if self.smtp_security == "starttls" or server.has_extn("starttls"):
            server.starttls(context=trusted)
        elif self.smtp_user:
            raise NotTaken(
                f"{self.smtp_host}:{self.smtp_port} offers no STARTTLS, and the password is not sent in the clear; "
                "RAKUTEN_SMTP_SECURITY=none would send it so."
            )

    def _mail(self, notification: Notification) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = one_line(notification.subject)
        mail["From"] = self.notify_from
        mail["To"] = ", ".join(address.strip() for address in self.notify_to.split(",") if address.strip())
        mail["Date"] = format_datetime(datetime.now(UTC))
        # The same for every try: a server that has taken it already, and was not heard, may see that.
        same = hashlib.sha256(f"{notification.key} {notification.at.timestamp()}".encode()).hexdigest()
        mail["Message-ID"] = f"<{same[:32]}@{parseaddr(self.notify_from)[1].rpartition('@')[2] or 'localhost'}>"
        # Nobody's holiday reply is wanted.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self._text(notification))
        return mail

    def _webhook(self, notification: Notification) -> None:
        import httpx

        url = _secret(self.webhook_url_file)
        text = escaped(f"*{one_line(notification.subject)}*\n{self._text(notification)}")
        try:
            with _unheard():
                status = httpx.post(url, json={"text": text}, timeout=self.timeout).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its text may hold the address, which is the secret.
            raise NotTaken(f"The webhook cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise NotTaken(f"The webhook answers HTTP {status}.")

    def _text(self, notification: Notification) -> str:
        """What happened, where, since when, where to look, and what to do."""
        where = {
            "Platform": self.platform,
            "Noticed": moment(notification.at),
            "Look at": notification.link,
            "What to do": f"docs/runbook.md#{notification.kind}",
        }
        return "\n".join([notification.body, "", *(f"{name}: {value}" for name, value in where.items() if value)])


def one_line(text: str) -> str:
    """The text without line breaks and control characters: as a header, it cannot become two."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def escaped(text: str) -> str:
    """The text as Slack shows it, so that nothing in it becomes a link or calls a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def moment(at: datetime) -> str:
    """A moment as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _secret(file: str) -> str:
    try:
        found = Path(file).read_text().strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise NotTaken(f"The secret in {file} cannot be read: {type(error).__name__}") from None
    if not found:
        raise NotTaken(f"The file with the secret is empty or not set: {file or 'RAKUTEN_SMTP_PASSWORD_FILE'}")
    return found


@contextmanager
def _unheard() -> Iterator[None]:
    """httpx logs every request with its address: here, where the address is a secret, it does not."""
    thread, logger = threading.get_ident(), logging.getLogger("httpx")

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)
