"""E-mail, to a server that speaks SMTP."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmctl.alerts.notify import EmailOptions
from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.email import Email
from llmctl.testing.smtp import FakeSmtp
from tests.alerts.telling import alert, resolve, secret, trigger


def options(fake: FakeSmtp, **more: Any) -> EmailOptions:
    given = {"to": ["ops@x.org", "b@x.org"], "from": "llmctl@x.org", "smarthost": fake.smarthost, "starttls": False}
    return EmailOptions.model_validate(given | more)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "cert.pem", folder / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    return made


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_a_message_for_all_and_one_thread_for_an_incident() -> None:
    async with FakeSmtp() as fake:
        sink = Email(options(fake), "gw-1")
        for notice in (trigger(), trigger(at=2e9, repeat=True), resolve(at=2e9 + 1), resolve(at=2e9 + 1)):
            await sink.deliver(notice)
        first, repeated, over, again = fake.mails
    assert (first.sender, first.to) == ("llmctl@x.org", ("ops@x.org", "b@x.org"))
    message = first.message
    assert message["Subject"] == "[firing] llmctl: guards burns its error budget 14.4 times too fast"
    assert message["To"] == "ops@x.org, b@x.org"
    assert message["Date"].endswith("-0000")
    text = message.get_content().splitlines()
    assert text[0] == alert().summary
    assert {"Runbook: runbooks/guard-failures.md", "Severity: page", 'Labels: {"guard": "a"}'} <= set(text)
    assert repeated.message["Subject"].startswith("[still firing] ")
    assert over.message["Subject"].startswith("[resolved] ")
    assert len({mail.message["References"] for mail in fake.mails}) == 1
    assert len({mail.message["Message-ID"] for mail in fake.mails}) == 3
    assert over.message["Message-ID"] == again.message["Message-ID"]


async def test_nothing_is_added_by_what_an_alert_says() -> None:
    async with FakeSmtp() as fake:
        await Email(options(fake), "gw-1").deliver(
            trigger(summary="a\r\nBcc: c@x.org\n\nb", description="one\r\n.\r\nQUIT\r\n.two\u00fc")
        )
        [mail] = fake.mails
    assert mail.to == ("ops@x.org", "b@x.org")
    assert mail.message["Bcc"] is None
    assert ".two\u00fc" in mail.message.get_content()


async def test_encrypted_and_logged_in(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    trusts = ssl.create_default_context(cafile=str(certificate[0]))
    async with FakeSmtp(tls=server_side(certificate), users={"u": "p4ssword"}) as fake:
        told = options(fake, starttls=True, username="u", password_file=secret(tmp_path, "p", "p4ssword"))
        await Email(told, "gw-1", tls=trusts).deliver(trigger())
        [mail] = fake.mails
        assert (mail.encrypted, mail.user) == (True, "u")
        with pytest.raises(NotDelivered, match="certificate verify failed"):
            await Email(told, "gw-1").deliver(trigger())
        secret(tmp_path, "p", "wrong-one")
        with pytest.raises(NotDelivered, match=r"^the mail server: login refused \(535\)$") as caught:
            await Email(told, "gw-1", tls=trusts).deliver(trigger())
        assert not caught.value.retryable
        assert len(fake.mails) == 1


async def test_without_encryption_nothing_is_sent() -> None:
    async with FakeSmtp() as fake:
        with pytest.raises(NotDelivered, match="offers no STARTTLS; nothing was sent"):
            await Email(options(fake, starttls=True), "gw-1").deliver(trigger())
        assert fake.mails == []


@pytest.mark.parametrize(
    ("command", "says", "said", "retryable", "uncertain"),
    [
        ("RCPT TO:<ops", "550 no such", "refused ops@x.org (550); sent to the others", False, True),
        ("RCPT", "550 no such", "refused every address (550)", False, False),
        ("RCPT", "450 later", "refused every address (450)", True, False),
        ("MAIL", "421 busy", "refused (421)", True, False),
        ("MAIL", "553 no", "refused (553)", False, False),
    ],
)
async def test_what_the_server_refuses(command: str, says: str, said: str, retryable: bool, uncertain: bool) -> None:
    async with FakeSmtp() as fake:
        fake.says = lambda line: says if line.upper().startswith(command.upper()) else None
        with pytest.raises(NotDelivered) as caught:
            await Email(options(fake), "gw-1").deliver(trigger())
    assert caught.value.message == f"the mail server: {said}"
    assert (caught.value.retryable, caught.value.uncertain) == (retryable, uncertain)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async with FakeSmtp() as fake:
        fake.says = lambda line: "" if line.startswith("never") else None
        silent = options(fake)
        fake.says = lambda line: "250-and" if line.upper().startswith("EHLO") else None
        with pytest.raises(NotDelivered, match="timed out") as caught:
            await Email(silent, "gw-1", timeout=0.1).deliver(trigger())
    assert (caught.value.retryable, caught.value.uncertain) == (True, False)
