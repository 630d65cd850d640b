"""The imitated mail server, asked by the standard library's client."""

import asyncio
import smtplib
from email.message import EmailMessage

import pytest

from llmctl.testing.smtp import FakeSmtp


def send(address: str, password: str | None = None) -> None:
    host, _, port = address.partition(":")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "hi", "a@x", "b@x, c@x"
    message.set_content("one\n.\n..two\n")
    with smtplib.SMTP(host, int(port), timeout=2) as client:
        if password is not None:
            client.login("u", password)
        client.send_message(message)


async def test_a_message_comes_as_it_was_sent() -> None:
    async with FakeSmtp() as fake:
        await asyncio.to_thread(send, fake.smarthost)
    [mail] = fake.mails
    assert (mail.sender, mail.to, mail.encrypted, mail.user) == ("a@x", ("b@x", "c@x"), False, None)
    assert mail.message["Subject"] == "hi"
    assert mail.message.get_content() == "one\n.\n..two\n"


async def test_who_must_log_in_must() -> None:
    async with FakeSmtp(users={"u": "right"}) as fake:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(send, fake.smarthost, "wrong")
        with pytest.raises(smtplib.SMTPSenderRefused):
            await asyncio.to_thread(send, fake.smarthost)
        await asyncio.to_thread(send, fake.smarthost, "right")
    assert [mail.user for mail in fake.mails] == ["u"]


async def test_it_says_what_it_is_told_to() -> None:
    async with FakeSmtp() as fake:
        fake.says = lambda line: "452 full" if line.startswith("mail") else None
        with pytest.raises(smtplib.SMTPSenderRefused):
            await asyncio.to_thread(send, fake.smarthost)
        fake.says = lambda line: None
        await asyncio.to_thread(send, fake.smarthost)
    assert len(fake.mails) == 1
