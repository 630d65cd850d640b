"""Whether an answer refuses: one linear pattern over its beginning, in 14 languages. It judges how the answer opens,
because what comes later is usually a caveat in an answer."""

# ruff: noqa: RUF001 (letters of many languages are meant)

from typing import Any, ClassVar, Literal

import re2
from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Signs, Span, Verdict

HEAD = 320  # characters of an answer that are looked at
EARLY = 80  # a refusal that starts this early is one
THRESHOLDS: dict[Preset, float] = {"strict": 0.4, "balanced": 0.6, "lenient": 0.8}

_DO = (
    r"(?:help|assist|answer|provide|comply|do that|do this|fulfil|fulfill|create|write|generate|support|continue|share|"
    r"give|discuss|engage|participate|offer|produce|respond|complete|process|condone|encourage|tell|advise|accommodate|"
    r"facilitate|make|talk|explain how|instruct|describe|draft|be able to)"
)
_ENGLISH = (
    rf"\bi(?:'m|\x{{2019}}m| am)? (?:just |really |simply )?(?:cannot|can't|can\x{{2019}}t|can not|won't|"
    rf"won\x{{2019}}t|will not|am not able to|not able to|am unable to|unable to|not going to|must decline to|"
    rf"have to decline to|not comfortable|not allowed to|not permitted to|refuse to|couldn't|shouldn't|"
    rf"not programmed to) (?:\w+ ){{0,2}}(?:{_DO})\b",
    r"\b(?:i must|i have to|i need to|i'll have to|i will have to|i'm going to|i respectfully)"
    r" (?:\w+ )?(?:decline|refuse)\b",
    r"^\W*(?:i'm |i am |so |very )*(?:sorry|apologi[sz]e|i apologi[sz]e|my apologies)\b[^.!?]{0,40}\b(?:but )?"
    r"(?:i |we )?(?:cannot|can't|can\x{2019}t|unable|not able|won't|will not|couldn't)\b",
    r"\b(?:goes|is|are) against my (?:\w+ )?(?:guidelines|principles|programming|polic(?:y|ies)|values)\b",
    r"\bnot (?:something|a request|a topic|content) (?:that )?i(?:'m| am)? (?:can|will|able|willing|comfortable)\b",
    r"\bas an ai\b[^.!?]{0,80}\b(?:cannot|can't|unable|not able|do not|don't|must not)\b",
    r"^\W*(?:nope?|no way|absolutely not|i refuse|i won't|i decline|request denied|sorry, no)\b[^?]{0,12}[.,!]",
)
_OTHERS = (
    r"lo siento\b.{0,40}\bno puedo|no puedo (?:ayudar|asistir|proporcionar|cumplir|responder|hacer|ofrecer)",
    r"(?:désolé|je regrette|je m.excuse)\b.{0,50}\bne (?:peux|puis)|je ne (?:peux|puis) pas (?:vous |t.|te )?"
    r"(?:aider|fournir|répondre|faire|créer|écrire)|je refuse de",
    r"(?:tut mir leid|entschuldig\w*)\b.{0,60}\bkann\b.{0,60}\bnicht|ich kann (?:ihnen |dir |dabei |das |diese\w* )*"
    r".{0,40}\bnicht (?:helfen|weiterhelfen|beantworten|erfüllen|bereitstellen|unterstützen)",
    r"mi dispiace\b.{0,40}\bnon posso|non posso (?:aiutar|fornir|risponder|assister|soddisfar|far)",
    r"(?:desculp|lamento|sinto muito).{0,50}\bnão posso|não posso (?:ajudar|fornecer|responder|atender|fazer)",
    r"het spijt me\b.{0,50}\bkan\b.{0,40}\bniet|ik kan (?:je |u )?(?:daar |hier )?.{0,30}niet (?:helpen|mee helpen)",
    r"przykro mi\b.{0,40}\bnie mogę|nie mogę (?:pomóc|udzielić|odpowiedzieć|spełnić)",
    r"(?:извините|к сожалению|простите|мне жаль).{0,50}не могу|я не могу (?:помочь|ответить|предоставить|выполнить)",
    r"üzgünüm.{0,80}(?:edemem|olamam|veremem|yapamam|edemiyorum|olamıyorum)|yardımcı olama(?:m|yacağım|ıyorum)",
    r"(?:抱歉|对不起|對不起|很遗憾).{0,20}(?:无法|不能|無法)|我(?:无法|不能|無法)(?:提供|帮助|協助|协助|回答|满足)",
    r"(?:申し訳|すみません|ごめんなさい|恐れ入り).{0,50}(?:できません|できない|致しかね|いたしかね|お答えできま)",
    r"(?:죄송|미안).{0,60}(?:없습니다|수 없|어렵습니다|못합니다)|도와드릴 수 없",
    r"(?:آسف|عذر|أعتذر).{0,50}(?:لا أستطيع|لا يمكنني|لن أتمكن)|لا (?:يمكنني|أستطيع) (?:مساعد|تقديم|الإجابة|المساعد)",
    r"(?:माफ़|माफ|क्षमा|खेद).{0,60}(?:नहीं कर सकत|नहीं दे सकत|असमर्थ)|मदद नहीं कर सकत",
)


class RefusalOptions(GuardOptions):
    """Options of `refusal`."""

    outcome: Literal["warn", "block"] = Field("warn", description="What a refusal gets.")


class Refusal:
    """Tells answers that decline from answers that answer."""

    Options: ClassVar[type[GuardOptions]] = RefusalOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = HEAD
    cost_us: ClassVar[float] = 4.0

    def __init__(self, options: RefusalOptions) -> None:
        self._threshold = THRESHOLDS[options.preset]
        self._outcome = options.outcome
        pattern = "(?is)" + "|".join((*_ENGLISH, *_OTHERS))
        self._pattern: Any = re2.compile(pattern)
        self.signs = Signs((pattern,), HEAD)

    def judge(self, text: str, about: About) -> Verdict:
        """Scores .9 for a refusal that opens the answer, .5 for one after its opening; the rest of it is not read."""
        if about.at:
            return ALLOW
        head = text[:HEAD]
        try:
            found = self._pattern.search(head)
        except UnicodeEncodeError:  # a lone surrogate
            found = self._pattern.search(head.encode("utf-8", "replace").decode())
        if found is None:
            return ALLOW
        start, end = found.span()
        score = 0.9 if start <= EARLY else 0.5
        if score < self._threshold:
            return Verdict("allow", score)
        return Verdict(self._outcome, score, "the answer declines", "refusal", (Span(start, end, "refusal"),))

    def unsettled(self, text: str) -> int:
        """Where a refusal is blocked, the opening until all of it is there."""
        return len(text) if self._outcome == "block" and len(text) < HEAD else 0
