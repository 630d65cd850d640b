"""Who is told of alerts: the `notify` part of slo.yaml. Secrets are files, so that nothing secret stands in it.

One file serves Alertmanager, which reads the secrets on its own machine, and the gateway's own evaluator.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from llmctl.config.section import Seconds, Section

_SecretFile = Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$")]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@\"\\{}]+(/[^\s?#@\"\\{}]*)?$", max_length=1024)]
_Word = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4096)]

_ADDRESS = re.compile(r"[^\s@,;:<>\"\\{}()\x00-\x1f]+@[^\s@,;:<>\"\\{}()\x00-\x1f]+")

IMPLICIT_TLS = 465
"""The port of SMTP that is TLS from the first byte (RFC 8314)."""
_HERE = ("localhost", "127.0.0.1", "[::1]")


def _address(text: str) -> str:
    if len(text) > 254 or not text.isascii() or not _ADDRESS.fullmatch(text):
        raise ValueError("write one address, as ops@example.com")
    return text


_Address = Annotated[str, AfterValidator(_address)]


class PagerDutyOptions(Section):
    """A PagerDuty service, Events API v2."""

    routing_key_file: _SecretFile = Field(description="File with the integration's key, never the key.")
    url: _Url = Field(
        "https://events.pagerduty.com",
        description="Its service, to which /v2/enqueue is added; https://events.eu.pagerduty.com in Europe.",
    )
    client_url: _Url | None = Field(None, description="Page of this gateway that an incident links to.")
    runbook_url: _Url | None = Field(None, description="Where runbooks can be read; `/runbooks/NAME.md` is added.")

    @property
    def enqueue(self) -> str:
        """The URL that events are posted to."""
        return self.url.rstrip("/") + "/v2/enqueue"


class SlackOptions(Section):
    """A Slack-compatible webhook."""

    api_url_file: _SecretFile = Field(description="File with the webhook's URL, never the URL.")
    channel: str = Field(pattern=r"^[#@][^\s]+$", description="As '#llm-ops', in quotes.")


class EmailOptions(Section):
    """E-mail through a server that relays it."""

    to: list[_Address] = Field(min_length=1, max_length=50, description="Who is written to.")
    sender: _Address = Field(alias="from", description="Whom it comes from.")
    smarthost: str = Field(
        pattern=r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$",
        description="Server as host:port; port 465 is TLS from the first byte.",
    )
    username: Annotated[str, Field(pattern=r"^[^\x00-\x1f{}]+$")] | None = Field(None, description="To log in with.")
    password_file: _SecretFile | None = Field(None, description="File with the password, never the password.")
    starttls: bool = Field(True, description="Refuse to send before the connection is encrypted.")

    @property
    def host(self) -> str:
        """The server's name or address."""
        return self.smarthost.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The server's port."""
        return int(self.smarthost.rpartition(":")[2])

    @model_validator(mode="after")
    def _kept_secret(self) -> "EmailOptions":
        if not 0 < self.port < 65536:
            raise ValueError("smarthost: ports are 1 to 65535")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together; give both or neither")
        if self.username and not self.starttls and self.port != IMPLICIT_TLS and self.host not in _HERE:
            raise ValueError("the password would cross the network in the clear; set starttls: true, or use port 465")
        return self


class ExecOptions(Section):
    """A program of one's own, told by JSON on its standard input. Alertmanager has nothing like it."""

    command: list[_Word] = Field(
        min_length=1, max_length=64, description="Program, by its whole path, and its arguments; there is no shell."
    )
    timeout: Seconds = Field(10.0, gt=0, le=600, description="After which it is killed with all that it started.")

    @model_validator(mode="after")
    def _whole_path(self) -> "ExecOptions":
        if not self.command[0].startswith("/"):
            raise ValueError("command: the program must be named by its whole path, as /usr/local/bin/page")
        return self


class ReceiverOptions(Section):
    """Who is told of alerts of one severity. All of those that are given."""

    pagerduty: PagerDutyOptions | None = Field(None, description="PagerDuty.")
    slack: SlackOptions | None = Field(None, description="Slack, or what takes its webhooks.")
    email: EmailOptions | None = Field(None, description="E-mail.")
    exec: ExecOptions | None = Field(None, description="A program; only by the gateway itself, not by Alertmanager.")

    @property
    def given(self) -> dict[str, Section]:
        """Options by kind of sink, without those that are not given."""
        found = {kind: getattr(self, kind) for kind in type(self).model_fields}
        return {kind: options for kind, options in found.items() if options is not None}

    @model_validator(mode="after")
    def _somebody(self) -> "ReceiverOptions":
        if not self.given:
            raise ValueError("tells nobody; give pagerduty, slack, email or exec, or several of them")
        return self
