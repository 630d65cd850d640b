"""What is let in: every text of the request is judged, redacted or refused before anything is sent or kept."""

import asyncio
from collections.abc import Callable

from llmctl.errors import InvalidRequest
from llmctl.gateway.client import Client
from llmctl.gateway.passages import Passage, Texts
from llmctl.gateway.plans import Plan, Plans
from llmctl.gateway.policies import Finding, Findings, Hearing
from llmctl.guards.base import About, Source
from llmctl.guards.redaction import Covered, Redaction, replaced
from llmctl.guards.validation import Validation, check_request
from llmctl.model.exchange import WISHES, Exchange
from llmctl.model.json import encode

JOINED_CHARACTERS = 4_000
MAX_PASSAGES = 10_000
TURN = 5_000  # characters judged in one go before others get their turn: some milliseconds
CACHE_HEADER = b"x-llmctl-cache"
KEPT = 20_000  # characters judged for the record alone, once the request is refused

_ABOUT: dict[Source, About] = {
    source: About("input", source) for source in ("system", "user", "assistant", "tool", "retrieved")
}


class InputGuards:
    """Judges each text with each policy; redactions of all of them are made together."""

    name = "input_guards"

    def __init__(self, plans: Plans, now: Callable[[], float]) -> None:
        self._plans = plans
        self._now = now

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `cleared`, `guards`, `notices`, and where something was redacted `restoration`. Raises Blocked."""
        _take_context(exchange)
        if (header := exchange.headers.get(CACHE_HEADER)) is not None:
            exchange.wish = _wish(header)
        plan = self._plans.of(exchange)
        if not plan.policies:
            exchange.cleared = True
            return
        texts = Texts(exchange.payload, exchange.operation)
        hearing = Hearing(exchange, "input", self._now)
        redacting = _Redacting(texts)
        unread: list[Passage] | None = None
        try:
            self._whole(plan, texts, hearing, exchange)
            unread = texts.passages[::-1]
            size = 0
            while unread:
                await self._passage(plan, unread[-1], hearing, redacting)
                size += len(unread.pop().text)
                if size > TURN and unread:
                    size = 0
                    await asyncio.sleep(0)
            if plan.joined and len(texts.passages) > 1:
                await self._joined(plan, texts, hearing)
        finally:
            cleared = unread is not None and redacting.rest(plan, unread, exchange.id)
            redacting.apply(exchange)
            if exchange.raw is not None:
                # What was judged is sent and kept: of a name given twice the client's bytes hold another value too.
                exchange.raw = encode(exchange.payload)
            exchange.cleared = cleared
            hearing.close()

    def _whole(self, plan: Plan, texts: Texts, hearing: Hearing, exchange: Exchange) -> None:
        """What concerns the request as a whole rather than one of its texts."""
        if len(texts.passages) > MAX_PASSAGES:
            raise InvalidRequest(f"the request has more than {MAX_PASSAGES:,} texts; send fewer")
        for policy in plan.whole:
            guard: Validation = policy.guard  # type: ignore[assignment]  # `whole` are of that kind
            if exchange.raw is None or not guard.surely_small(exchange.raw):
                hearing.hear(policy, policy.decided(check_request(exchange.payload, guard.limits)))
        if texts.unreadable:
            many = f"unscanned: {texts.unreadable} parts of the request are no text"
            for policy in plan.policies:
                if policy not in plan.whole:
                    hearing.hear(policy, Finding("unscanned", "allow", 0.0, many, "media"))

    async def _passage(self, plan: Plan, passage: Passage, hearing: Hearing, redacting: "_Redacting") -> None:
        digest = b"" if plan.waits else plan.digest(passage.source, passage.text)
        known = plan.passed(digest)
        if known is not None:
            hearing.note(known)
            return
        text, about = passage.text, _ABOUT[passage.source]
        findings: Findings = {}
        clean = False
        try:
            if len(text) <= plan.quick:
                screen = plan.screens[passage.source]
                findings = screen.passed.copy()
                clean = hearing.judge(screen.asked(text), text, about, findings)
            else:
                clean = await _ask(plan, passage, about, hearing, findings)
        finally:  # what was found before a policy refused is still redacted, for the record
            if not clean:
                for policy, finding in findings.items():
                    if finding.redactions:
                        redacting.add(passage, finding, restore=policy.restore)
        if clean and not plan.waits:
            plan.remember(digest, findings)

    async def _joined(self, plan: Plan, texts: Texts, hearing: Hearing) -> None:
        said = texts.of("user")
        if len(said) < 2:
            return
        text = " ".join(said)[-JOINED_CHARACTERS:]
        for policy in plan.joined:
            finding = await policy.ask(text, _ABOUT["user"], hearing.exchange.id)
            if finding.action == "redact":  # its spans are places in no message
                finding = policy.unplaced(finding)
            hearing.hear(policy, finding)


async def _ask(plan: Plan, passage: Passage, about: About, hearing: Hearing, findings: Findings) -> bool:
    """Ask one policy after the other; what they find is added. Says whether the text may go as it is."""
    clean = True
    hearing.start()
    for policy in plan.of(passage.source):
        finding = findings[policy] = await policy.ask(passage.text, about, hearing.exchange.id)
        clean = clean and finding.verdict == "allow"
        hearing.hear(policy, finding)
    return clean


class _Redacting:
    """Redactions found so far, by passage."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._found: dict[int, tuple[Passage, list[tuple[Finding, bool]]]] = {}

    def add(self, passage: Passage, finding: Finding, *, restore: bool) -> None:
        self._found.setdefault(id(passage), (passage, []))[1].append((finding, restore))

    def rest(self, plan: Plan, passages: list[Passage], request_id: str) -> bool:
        """Find what is to be redacted in texts that were not judged to the end, for the record; whether that worked."""
        if sum(len(passage.text) for passage in passages) > KEPT:
            return False
        for passage in passages:
            for policy in plan.of(passage.source):
                if policy.asked:
                    return False
                finding = policy.look(passage.text, _ABOUT[passage.source], request_id)
                if finding.verdict == "error" and finding.action == "block":
                    return False
                if finding.redactions:
                    self.add(passage, finding, restore=policy.restore)
        return True

    def apply(self, exchange: Exchange) -> None:
        """Make them in the payload, which the client's own bytes then no longer encode."""
        if not self._found:
            return
        names = Redaction()
        for passage in self._texts.passages:
            names.avoid(passage.text)
        for passage, findings in self._found.values():
            for_good = Covered(passage.text)
            for span in (span for finding, restore in findings if not restore for span in finding.redactions):
                for_good.add(span.start, span.end)
            restored = {
                span
                for finding, restore in findings
                if restore
                for span in finding.redactions
                if not for_good.touches(span.start, span.end)
            }
            spans = [span for finding, _ in findings for span in finding.redactions]
            self._texts.replace(passage, replaced(passage.text, spans, names, restored))
        self._texts.write_back()
        exchange.raw = None
        exchange.restoration = names


def _wish(header: bytes) -> str:
    wish = header.decode("latin-1").strip().lower()
    if wish not in WISHES:
        name = CACHE_HEADER.decode()
        raise InvalidRequest(f"the header {name} takes {', '.join(WISHES)}", param=name)
    return wish


def _take_context(exchange: Exchange) -> None:
    """`llmctl: {context: [...], cache: ...}` is for us alone: what the answer may rest on, what the cache may do."""
    if "llmctl" not in exchange.payload:
        return
    ours = exchange.payload.pop("llmctl")
    exchange.raw = None
    if not isinstance(ours, dict) or not ours.keys() <= {"context", "cache"}:
        raise InvalidRequest("`llmctl` takes `context`, a list of texts, `cache`, and nothing else", param="llmctl")
    context, wish = ours.get("context", []), ours.get("cache", "")
    if not isinstance(context, list) or not all(isinstance(passage, str) for passage in context):
        raise InvalidRequest("`llmctl.context` is a list of texts", param="llmctl.context")
    if "cache" in ours and wish not in WISHES:
        raise InvalidRequest(f"`llmctl.cache` is one of {', '.join(WISHES)}", param="llmctl.cache")
    exchange.passages, exchange.wish = tuple(context), wish
