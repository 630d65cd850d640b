"""Output policies applied to the texts of one exchange's answer."""

import asyncio
from functools import cached_property

from llmctl.errors import Blocked
from llmctl.gateway.passages import hides, strings, unescaped
from llmctl.gateway.plans import SHORT, Plan
from llmctl.gateway.policies import Finding, Hearing, Policy
from llmctl.gateway.spoken import ARGUMENTS
from llmctl.guards.base import About, Span
from llmctl.guards.redaction import Redaction, replaced, stand_in
from llmctl.guards.window import Channel
from llmctl.model.json import UNDECODABLE, decode, encode

ANSWERS = frozenset({"schema", "hallucination", "citation", "factuality", "refusal", "language", "topics"})
"""Guards that judge what the answer says, not its reasoning or the arguments of a call."""

TURN = 20_000  # characters judged, by any guard, before others get their turn: some milliseconds


class Unfit(Blocked):
    """The answer does not have the form asked for; the model may be asked again. `reason` says what is wrong."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Judging:
    """Judges texts and parts of texts; findings go to the hearing."""

    def __init__(self, plan: Plan, about: About, hearing: Hearing) -> None:
        self.hearing = hearing
        self.plan = plan
        self._about = about
        self._id = hearing.exchange.id
        self._turn = 0

    @cached_property
    def _names(self) -> Redaction:
        """The request's, so that no placeholder means two things."""
        kept = self.hearing.exchange.restoration
        return kept if isinstance(kept, Redaction) else Redaction()

    async def text(self, field: str, text: str) -> str | None:
        """What a whole text becomes; None where it stays as it is. Raises Blocked, GuardFailed."""
        if field in ARGUMENTS:
            return await self._arguments(text)
        return self._redacted(text, await self._spans(field, text))

    async def advance(self, channel: Channel, field: str, *, final: bool = False) -> None:
        """Judge what has arrived of a text, as far as it can be judged by now."""
        if field in ARGUMENTS:
            if final:
                await self._call(channel)
            return
        # Where all is held, nothing may be settled before the guards that want all of it have had their say.
        while not self.plan.holds_all and (cut := channel.cut()) is not None:
            await self._part(channel, field, cut, final=False)
        if final:
            await self._part(channel, field, channel.end, final=True)

    async def _part(self, channel: Channel, field: str, upto: int, *, final: bool) -> None:
        spans: list[Span] = []
        hold = 0
        self.hearing.start()
        about, at = self._about, 0
        for policy in self.plan.policies:
            if field in ("content", "text") or policy.kind not in ANSWERS:
                behind = policy.lookbehind
                if behind is None and not final:
                    continue
                start, text = (0, channel.everything()) if behind is None else channel.window(behind, upto)
                if start != at:
                    about, at = _moved(self._about, start), start
                finding = await self._finding(policy, text, about)
                spans += [Span(s.start + start, s.end + start, s.category, s.replacement) for s in finding.redactions]
                if not final:
                    hold = max(hold, policy.unsettled(text, self._id))
                self._names.avoid(text)
        channel.settle(upto, spans, hold, self._name, final=final)

    async def _call(self, channel: Channel) -> None:
        """The arguments of a call, which are complete now."""
        text = channel.everything()[channel.settled :]
        changed = await self._arguments(text) if text else None
        spans = [] if changed is None else [Span(channel.settled, channel.end, "", changed)]
        channel.settle(channel.end, spans, 0, self._name, final=True)

    async def _arguments(self, text: str) -> str | None:
        """Arguments are JSON: what its strings say counts, however they are escaped."""
        try:
            box = [decode(text)]
        except (*UNDECODABLE, UnicodeEncodeError):
            text = unescaped(text)
            return self._redacted(text, await self._spans("arguments", text))
        changed = False
        for passage in list(strings(box, "assistant")):
            said = self._redacted(passage.text, await self._spans("arguments", passage.text, part=True))
            if said is not None:
                passage.holder[passage.key] = said
                changed = True
        # Names, and values that their names make what they are: a password is one because it is called so.
        plain = encode(box[0]).decode()
        said = self._redacted(plain, await self._spans("arguments", plain))
        return plain if said is None and (changed or hides(text, box[0])) else said

    async def _spans(self, field: str, text: str, *, part: bool = False) -> list[Span]:
        """What is to be redacted. Parts of a text are not worth a question to somebody else: all of it comes too."""
        spans: list[Span] = []
        answer = field in ("content", "text")
        if answer and len(text) <= self.plan.quick:
            return self._at_once(text)
        self.hearing.start()
        for policy in self.plan.policies:
            if (answer or policy.kind not in ANSWERS) and not (part and policy.asked):
                spans += (await self._finding(policy, text, self._about)).redactions
        return spans

    def _at_once(self, text: str) -> list[Span]:
        """The same of a whole answer that all policies judge at once, or that passed them lately."""
        plan, about = self.plan, self._about
        alone = len(text) <= SHORT and not about.system and not plan.needs_context  # nothing else is looked at
        digest = plan.digest("assistant", text) if alone else b""
        if alone and (known := plan.passed(digest)) is not None:
            self.hearing.note(known)
            return []
        screen = plan.answers[bool(about.system)]
        found = screen.passed.copy()
        if not self.hearing.judge(screen.asked(text), text, about, found):
            return [span for finding in found.values() for span in finding.redactions]
        if alone:
            plan.remember(digest, found)
        return []

    async def _finding(self, policy: Policy, text: str, about: About) -> Finding:
        self._turn += len(text)
        if self._turn > TURN:  # an answer of many texts, or one that came in one piece
            self._turn = 0
            await asyncio.sleep(0)
        finding = await policy.ask(text, about, self._id)
        try:
            self.hearing.hear(policy, finding)
        except Blocked as error:
            if policy.kind == "schema":
                raise Unfit(error.message, finding.reason) from None
            raise
        return finding

    def _redacted(self, text: str, spans: list[Span]) -> str | None:
        if not spans:
            return None
        self._names.avoid(text)
        return replaced(text, spans, self._names, ())

    def _name(self, span: Span, value: str) -> str:
        """Never one that is restored: it is not the client's own."""
        return stand_in(span, value, self._names, keep=False)


def _moved(about: About, at: int) -> About:
    return About(about.direction, about.source, about.context, about.question, about.system, about.response_format, at)
