"""E-mail by SMTP, in a thread: smtplib is the standard library's, and alerts are few."""

import asyncio
import json
from typing import TYPE_CHECKING, ClassVar

from llmctl.alerts.alert import Notice
from llmctl.alerts.notify import IMPLICIT_TLS, EmailOptions
from llmctl.alerts.sinks.base import TIMEOUT, NotDelivered, read_secret

if TYPE_CHECKING:
    import smtplib
    import ssl
    from email.message import EmailMessage

_WHOM = "the mail server"


class Email:
    """Addresses behind a mail server."""

    Options: ClassVar[type[EmailOptions]] = EmailOptions
    repeats: ClassVar[bool] = True

    def __init__(
        self, options: EmailOptions, host: str, timeout: float = TIMEOUT, tls: "ssl.SSLContext | None" = None
    ) -> None:
        """`host` is the machine that alerts are said to come from; `timeout`, seconds, is for each step.

        `tls` says which servers are trusted; by default those that this machine trusts.
        """
        self._options = options
        self._host = host
        self._timeout = timeout
        self._tls = tls

    async def deliver(self, notice: Notice) -> None:
        """Send a message to all addresses."""
        await asyncio.to_thread(self._send, notice)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, notice: Notice) -> None:
        import smtplib

        options = self._options
        password = None if options.password_file is None else read_secret(options.password_file)
        asked = False
        try:
            with self._connected() as server:
                if options.username is not None and password is not None:
                    server.login(options.username, password)
                message = self._message(notice)
                server.ehlo_or_helo_if_needed()
                asked = True
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise NotDelivered(f"{_WHOM}: refused every address ({code})", retryable=code < 500) from None
        except smtplib.SMTPNotSupportedError:
            raise NotDelivered(f"{_WHOM}: offers no login that we know; nothing was sent", retryable=False) from None
        except smtplib.SMTPResponseException as error:
            what = "login refused" if isinstance(error, smtplib.SMTPAuthenticationError) else "refused"
            raise NotDelivered(f"{_WHOM}: {what} ({error.smtp_code})", retryable=error.smtp_code < 500) from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotDelivered(f"{_WHOM}: {why}", retryable=True, uncertain=asked) from None
        if refused:
            names = ", ".join(f"{address} ({code})" for address, (code, _) in refused.items())
            raise NotDelivered(f"{_WHOM}: refused {names}; sent to the others", retryable=False, uncertain=True)

    def _connected(self) -> "smtplib.SMTP":
        import smtplib
        import ssl

        options, name = self._options, self._options.host.strip("[]")
        tls = self._tls or ssl.create_default_context()
        if options.port == IMPLICIT_TLS:
            return smtplib.SMTP_SSL(name, options.port, timeout=self._timeout, context=tls)
        server = smtplib.SMTP(name, options.port, timeout=self._timeout)
        try:
            if options.starttls:
                server.starttls(context=tls)
        except smtplib.SMTPNotSupportedError:
            server.close()
            raise NotDelivered(f"{_WHOM}: offers no STARTTLS; nothing was sent", retryable=False) from None
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, notice: Notice) -> "EmailMessage":
        from email.message import EmailMessage
        from email.policy import SMTP
        from email.utils import formatdate

        alert = notice.alert
        status = "resolved" if notice.kind == "resolve" else "still firing" if notice.repeat else "firing"
        message = EmailMessage(SMTP.clone(max_line_length=500))  # else a long subject begins with a line break
        message["Subject"] = " ".join(f"[{status}] {alert.summary}".split())
        message["From"] = self._options.sender
        message["To"] = ", ".join(self._options.to)
        message["Date"] = formatdate(notice.at)
        # The same notice has the same id, so that one sent twice is shown once; an incident is one thread.
        thread, domain = f"{alert.key}.{int(alert.since)}", self._options.sender.partition("@")[2]
        message["Message-ID"] = f"<{thread}.{notice.kind}.{int(notice.at * 1000)}@{domain}>"
        message["References"] = f"<{thread}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        labels = json.dumps(dict(alert.labels), ensure_ascii=False, sort_keys=True)
        lines = [alert.summary, "", alert.description, "", f"Runbook: {alert.runbook}", f"Severity: {alert.severity}"]
        message.set_content("\n".join([*lines, f"Service: {alert.service} on {self._host}", f"Labels: {labels}"]))
        return message
