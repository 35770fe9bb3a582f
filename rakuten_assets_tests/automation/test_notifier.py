"""The channels, against a real mail server and a real receiver of webhooks on this machine."""

import http.server
import json
import logging
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from rakuten_assets.notifier import Notifier
from rakuten_assets.store.records import Notification
from rakuten_assets_tests.serving.conftest import free_port

PASSWORD = "a very long secret"


@dataclass
class Inbox:
    """What a mail server has taken; it answers `code` to every mail, and refuses the addresses in `unknown`."""

    port: int = 0
    mails: list = field(default_factory=list)
    code: str = "250 taken"
    unknown: tuple = ()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.unknown:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.code.startswith("250"):
            mail = message_from_bytes(envelope.content, policy=policy.default)
            mail.encrypted, mail.receivers = session.ssl is not None, list(envelope.rcpt_tos)
            self.mails.append(mail)
        return self.code


@contextmanager
def mail_server(port=None, **options):
    inbox = Inbox(port or free_port())
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port, **options)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@contextmanager
def receiver(status=200):
    """A receiver of webhooks; its address holds a secret. Yields the address and what it was sent."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.end_headers()
            # Some repeat the path, and with it the secret.
            self.wfile.write(f"no such hook: {self.path}".encode())

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/T0SECRET/B1", got
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    secret = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*secret))
    return file


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The server's side of TLS, with a certificate that this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    return str(file)


def by_mail(port, **changes):
    where = {"smtp_host": "127.0.0.1", "smtp_port": port, "notify_from": "Rakuten <rakuten@example.org>"}
    return Notifier(**{**where, "notify_to": "ada@example.org, grace@example.org", "timeout": 3, **changes})


def by_webhook(tmp_path, url):
    file = tmp_path / "webhook"
    file.write_text(f"{url}\n")
    return Notifier(webhook_url_file=str(file), platform="http://platform:3000", timeout=3)


def notification(subject="retrain failed at splits", body="ValueError: <no> rows & no columns", sent=()):
    at = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    link = "http://dagster/runs/1?a=1&b=2"
    return Notification(1, "run-failed:1", "run_failed", subject, body, link, sent, 0, None, "", at)


def signs_in(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"robot", PASSWORD.encode())
    # As some servers do, it repeats what it was told.
    said = None if right else f"535 {data.password.decode()} is not the password"
    return AuthResult(success=right, handled=False, message=said)


def test_without_any_setting_the_log_tells(caplog):
    with caplog.at_level(logging.INFO):
        outcome = Notifier(platform="http://platform:3000").send(notification())
    assert (outcome.sent, outcome.failed) == (["log"], {})
    assert "run_failed: retrain failed at splits" in caplog.text
    assert "http://platform:3000" in caplog.text


def test_a_mail_says_what_where_since_when_and_where_to_look():
    with mail_server() as inbox:
        outcome = by_mail(inbox.port, platform="http://platform:3000").send(notification())
    assert outcome.sent == ["log", "email"]
    (mail,) = inbox.mails
    assert mail["Subject"] == "retrain failed at splits"
    assert mail.receivers == ["ada@example.org", "grace@example.org"]
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail.get_content().replace("\r\n", "\n") == (
        "ValueError: <no> rows & no columns\n\nPlatform: http://platform:3000\n"
        "Noticed: 2026-11-21 08:30 UTC\nLook at: http://dagster/runs/1?a=1&b=2\n"
        "What to do: docs/runbook.md#run_failed\n"
    )


def test_a_subject_cannot_become_a_second_header():
    with mail_server() as inbox:
        outcome = by_mail(inbox.port).send(notification(subject="é failed\r\nBcc: eve@example.org\u2028\0X: y"))
    assert outcome.failed == {}
    (mail,) = inbox.mails
    assert mail["Subject"] == "é failed Bcc: eve@example.org X: y"
    assert mail["Bcc"] is None
    assert mail.receivers == ["ada@example.org", "grace@example.org"]


def test_a_line_with_a_dot_ends_no_mail():
    with mail_server() as inbox:
        by_mail(inbox.port).send(notification(body="above\r\n.\r\nbelow"))
    assert inbox.mails[0].get_content().split()[:3] == ["above", ".", "below"]


@pytest.mark.parametrize("security", ["auto", "starttls"])
def test_a_mail_with_a_password_goes_through_tls(trusted, password, security):
    with mail_server(tls_context=trusted, require_starttls=True, auth_required=True, authenticator=signs_in) as inbox:
        notifier = by_mail(inbox.port, smtp_user="robot", smtp_password_file=password, smtp_security=security)
        assert notifier.send(notification()).failed == {}
    assert inbox.mails[0].encrypted


def test_a_mail_goes_through_tls_from_the_first_byte(trusted):
    class FromTheFirstByte(Controller):
        def factory(self):
            return SMTP(self.handler)

    inbox = Inbox(free_port())
    controller = FromTheFirstByte(inbox, hostname="127.0.0.1", port=inbox.port, ssl_context=trusted)
    controller.start()
    try:
        assert by_mail(inbox.port, smtp_security="tls").send(notification()).failed == {}
    finally:
        controller.stop()
    assert len(inbox.mails) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with mail_server(tls_context=context) as inbox:
        outcome = by_mail(inbox.port).send(notification())
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.failed["email"]
    assert inbox.mails == []


def test_a_password_is_not_sent_in_the_clear_unless_that_is_asked_for(password):
    with mail_server(authenticator=signs_in, auth_require_tls=False) as inbox:
        user = {"smtp_user": "robot", "smtp_password_file": password}
        assert "offers no STARTTLS" in by_mail(inbox.port, **user).send(notification()).failed["email"]
        assert inbox.mails == []
        assert by_mail(inbox.port, smtp_security="none", **user).send(notification()).failed == {}
    assert len(inbox.mails) == 1


def test_a_wrong_password_is_not_repeated(tmp_path, trusted):
    (tmp_path / "wrong").write_text("wrong secret")
    with mail_server(tls_context=trusted, auth_required=True, authenticator=signs_in) as inbox:
        notifier = by_mail(inbox.port, smtp_user="robot", smtp_password_file=str(tmp_path / "wrong"))
        said = notifier.send(notification()).failed["email"]
    assert "535" in said
    assert "*** is not the password" in said
    assert "wrong secret" not in said


def test_a_server_that_refuses_or_is_down_is_named_and_stops_no_other_channel(tmp_path):
    with receiver() as (url, got), mail_server() as inbox:
        inbox.code = "451 later"
        hook = by_webhook(tmp_path, url).webhook_url_file
        refused = by_mail(inbox.port, webhook_url_file=hook).send(notification())
        port = free_port()
        down = by_mail(port, webhook_url_file=hook).send(notification())
    assert "451" in refused.failed["email"]
    assert f"127.0.0.1:{port} did not take the mail" in down.failed["email"]
    assert refused.sent == down.sent == ["log", "webhook"]
    assert len(got) == 2


def test_one_unknown_address_costs_the_others_nothing_and_is_named(caplog):
    with mail_server() as inbox:
        inbox.unknown = ("ada@example.org",)
        outcome = by_mail(inbox.port).send(notification())
    assert outcome.failed == {}
    assert inbox.mails[0].receivers == ["grace@example.org"]
    assert "refuses mail to ada@example.org" in caplog.text


def test_a_channel_that_has_taken_it_is_not_asked_again(tmp_path):
    with receiver() as (url, got):
        assert by_webhook(tmp_path, url).send(notification(sent=["log", "webhook"])).sent == []
    assert got == []


def test_a_webhook_gets_a_text_in_which_nothing_is_markup(tmp_path):
    with receiver() as (url, got):
        outcome = by_webhook(tmp_path, url).send(notification(subject="<!channel> & co"))
    assert outcome.sent == ["log", "webhook"]
    (message,) = got
    assert set(message) == {"text"}
    assert message["text"].startswith("*&lt;!channel&gt; &amp; co*\nValueError: &lt;no&gt; rows &amp; no columns\n")
    assert "http://dagster/runs/1?a=1&amp;b=2" in message["text"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/services/T0SECRET/B1", "cannot be reached: ConnectError"),
        ("services/T0SECRET/B1", "cannot be reached: UnsupportedProtocol"),
        ("http://127.0.0.1:nine/services/T0SECRET", "cannot be reached: InvalidURL"),
        ("", "empty or not set"),
    ],
)
def test_the_address_of_a_webhook_is_in_no_error(tmp_path, caplog, url, said):
    with caplog.at_level(logging.DEBUG):
        outcome = by_webhook(tmp_path, url).send(notification())
    assert said in outcome.failed["webhook"]
    assert "T0SECRET" not in outcome.failed["webhook"] + caplog.text


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_the_address_of_a_webhook_is_in_no_log(tmp_path, caplog, status):
    with receiver(status) as (url, got), caplog.at_level(logging.DEBUG):
        outcome = by_webhook(tmp_path, url).send(notification())
    assert len(got) == 1
    assert outcome.failed == ({} if status == 200 else {"webhook": f"The webhook answers HTTP {status}."})
    assert "T0SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"notify_to": ""}, "RAKUTEN_NOTIFY_TO"),
        ({"notify_from": ""}, "RAKUTEN_NOTIFY_FROM"),
        ({"smtp_host": ""}, "RAKUTEN_SMTP_HOST"),
        ({"smtp_security": "ssl"}, "there are auto, starttls, tls, none"),
        ({"smtp_user": "robot", "smtp_password_file": "/nowhere/password"}, "/nowhere/password cannot be read"),
        ({"smtp_user": "robot"}, "RAKUTEN_SMTP_PASSWORD_FILE"),
    ],
)
def test_half_a_set_up_fails_and_says_what_is_missing(changes, said):
    assert said in by_mail(9, **changes).send(notification()).failed["email"]
