# ruff: noqa: RUF001, E501 - attackers' scripts; patterns are not broken where they would be unreadable
"""The rules of the `injection` guard: verb x authority x object in English, and known jailbreak patterns.

A rule's weight says how sure it is: 1 is a hint, 3 is enough alone. RE2 scans once for all of them and for the signs
of an encoding (1 µs for 150 characters); only what has hit is searched again for its place. Other languages are left to
the concepts of injection_model.py: rules for nineteen of them took 28 MB and found one attack in ten.
"""

import re
from functools import cache
from typing import Any, NamedTuple

import re2

from llmctl.guards.normalise import HINTS

NEAR = r"[^.!?\n。！？]{0,16}?"


class Rule(NamedTuple):
    """A named pattern; `category` is what an operator may act on."""

    name: str
    category: str
    weight: float
    pattern: str


class Hit(NamedTuple):
    """A rule found at a place. `discounted`: quoted, or asked about."""

    rule: Rule
    start: int
    end: int
    discounted: bool

    @property
    def weight(self) -> float:
        """The rule's weight, less for what is only talked about."""
        return self.rule.weight * (0.2 if self.discounted else 1.0)


VERB = (
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|overrule|bypass|dismiss|discard|neglect|skip|"
    r"abandon|erase|nullify|void|violate|circumvent|disobey|pay no (?:attention|heed) to|(?:do not|don'?t|stop|cease|no longer|"
    r"never) (?:follow|obey|listen|adher|comply|abid|consider)(?:ing)?(?: to| with| by)?|set aside|put aside|"
    r"(?:break|get|free yourself) (?:out of|free (?:of|from)|rid of|from)|let go of|disable|turn off|deactivate)\b"
)
BEFORE = (
    r"(?:previous|prior|preceding|above|earlier|foregoing|former|past|initial|original|existing|system|developer'?s?)"
)
OBJECT = (
    r"(?:instructions?|directions?|rules?|prompts?|guidelines?|commands?|orders?|directives?|constraints?|restrictions?|"
    r"polic(?:y|ies)|programming|training|safeguards?|guardrails?|protocols?|messages?|context|limitations?|assignments?)\b"
)
SQUASHED = r"(?:ignore|disregard|forget|override)(?:all)?(?:of)?(?:the|your|my)?(?:previous|prior|above|system|earlier)"
SQUASHED += r"(?:instruction|rule|prompt|direction|guideline|command)"


def english() -> list[Rule]:
    """The rules on English phrases."""
    hidden = r"(?:system|initial|original|hidden|secret|developer|pre-?|internal|confidential|above|previous|your)"
    tell = r"\b(?:reveal|show|print|repeat|output|display|disclose|leak|expose|dump|tell me|give me|recite|share|write out|"
    tell += r"send|copy|summari[sz]e|translate|spell|echo|return|what (?:is|are|was|were))"
    return [
        Rule("override", "injection", 3.0, rf"{VERB}{NEAR}\b{BEFORE}\b{NEAR}\b{OBJECT}"),
        Rule("override", "injection", 3.0, rf"{VERB}{NEAR}\b{OBJECT}{NEAR}\b(?:above|before(?: this| that| now)?(?: and\b|[.,;:!\n]|$)|previously|so far|you (?:were|got)|"
             rf"(?:you|I) (?:have )?(?:been|were|gave|was) )"),
        Rule("override", "injection", 2.2, rf"{VERB} (?:about )?(?:all|every|everything|your|any of your|the above|whatever)\b"
             rf"{NEAR}\b(?:{OBJECT}|above|before|you (?:were|have been) told|said|i (?:said|told))"),
        Rule("override", "injection", 1.6, r"\b(?:ignore|forget|disregard) (?:everything|all(?: that)?|the (?:above|previous))\b"),
        Rule("new_orders", "injection", 1.8, r"\b(?:new|real|actual|updated|true|only|following) (?:instruction|task|order|rule|"
             r"directive|objective|mission)s?(?: (?:is|are|from))?\b ?[:\-]"),
        Rule("new_orders", "injection", 1.2, r"\b(?:instead|rather),? (?:of (?:that|this|the above),? )?(?:just |only )?(?:say|"
             r"print|output|respond|reply|write|do|answer|send|tell) "),
        Rule("authority", "injection", 1.6, r"\b(?:i am|i'm|this is|speaking as) (?:the|your|an?) (?:system )?(?:admin\w*|"
             r"developer|creator|owner|openai|root|engineer|operator)\b"),
        Rule("authority", "injection", 1.8, r"\b(?:system|admin|root|security) (?:override|mode|update|alert|notice|command)"
             r"(?: (?:enabled|activated|engaged|on))?\s?[:\-!]"),
        Rule("exfiltration", "prompt_leak", 2.6, rf"{tell}{NEAR}\b{hidden}{NEAR}\b(?:system )?(?:prompt|instructions?|"
             r"guidelines|configuration|directives|preamble)\b"),
        Rule("exfiltration", "prompt_leak", 2.4, r"\b(?:repeat|print|output|copy|write|say)\b[^.!?\n]{0,24}\b(?:everything|all|"
             r"words|text|verbatim|word for word)\b[^.!?\n]{0,16}\b(?:above|before this)\b"),
        Rule("exfiltration", "prompt_leak", 2.0, r"\b(?:what|which) (?:secret|password|passphrase|key|instructions)\b[^.!?\n]"
             r"{0,20}\b(?:were|was|did|have) (?:you|your)\b[^.!?\n]{0,20}\b(?:told|given|instructed|hid\w+|protect\w*)"),
        Rule("exfiltration", "prompt_leak", 1.8, rf"{tell}{NEAR}\b(?:the|your) (?:secret|hidden) (?:password|key|word|phrase|"
             r"passphrase|code)\b"),
        *jailbreaks(),
        *tricks(),
    ]  # fmt: skip


def jailbreaks() -> list[Rule]:
    """The rules on personas, false delimiters and orders to a model in what it reads."""
    who = r"(?:you(?:'re| are| will| must| can| have|r)?|chatgpt|the (?:ai|assistant|model))"
    free = r"(?:no (?:longer )?(?:rules|restrict\w+|limit\w*|filters?|ethic\w*|moral\w*|guidelines?|censor\w+)|unrestricted|"
    free += r"uncensored|unfiltered|jailbroken|unethical|amoral|without (?:any )?(?:restrict\w+|limit\w+|filter\w*|censor\w+|"
    free += r"ethic\w*|moral\w*|rules)|free(?:d)? (?:of|from) (?:all |any |the )?(?:\w+ )?(?:restrict|limit|rules|filter|confines|"
    free += r"constraint|polic|shackles)\w*|(?:not|n't|never) (?:bound|limited|restricted|constrained) by)"
    return [
        Rule("persona", "jailbreak", 2.2, rf"\b(?:you are|act as|pretend|roleplay|role-play|become|simulate|imagine|stay in)"
             rf"\b[^\n]{{0,160}}?{free}"),
        Rule("persona", "jailbreak", 2.8, r"\b(?:do anything now|jailbreak(?:ed)? mode|developer mode (?:enabled|output|on)|god "
             r"?mode[: ]|dan mode|(?:evil|anti|dev)(?:-| )?(?:gpt|bot)|stay a dan|opposite mode|(?:as|like|are|called) dan\b)"),
        Rule("persona", "jailbreak", 2.2, rf"\b(?:{who}|it|he|she|they)\b[^.!?\n]{{0,30}}\b(?:never refuse|cannot refuse|can'?t "
             r"refuse|do(?:es)? not refuse|not allowed to (?:refuse|decline)|must (?:always )?(?:comply|obey)|will (?:never|not) "
             r"(?:refuse|decline)|(?:has|have) no (?:ethic|moral|filter|restrict|limit|rules)\w*)"),
        Rule("persona", "jailbreak", 1.8, r"\b(?:never|don'?t|do not|without)\b[^.!?\n]{0,16}\b(?:refuse|warn(?:ing)?s?|disclaim"
             r"\w*|apologi[sz]\w*|say (?:that )?(?:you )?(?:can'?t|cannot|sorry)|as an ai)\b"),
        Rule("persona", "jailbreak", 1.4, r"\b(?:answer|respond|reply)\b[^.!?\n]{0,30}\b(?:in (?:two|2) (?:different )?ways|as both|"
             r"unfiltered|uncensored|no matter (?:what|how))"),
        Rule("delimiter", "injection", 2.2, r"<\|?(?:im_start|im_end|system|endoftext|start_header_id|eot_id|/?INST|assistant)\|?>|"
             r"\[/?INST\]|<</?SYS>>|^#{2,4} ?(?:system|instruction|new task)s?\b|\[(?:system|admin|developer)(?: \w+)?\]|"
             r"</?(?:system|admin|instructions?)>|(?:-{3,}|={3,}|#{3,}) ?(?:end|begin|start) (?:of )?(?:the )?(?:system|user|prompt|"
             r"document|context|instructions|conversation)|\{\"role\": ?\"system\""),
        Rule("delimiter", "injection", 1.4, r"(?:^|\n)\s*(?:system|assistant|developer) ?(?:message|prompt|note)? ?: "),
        Rule("concealment", "injection", 1.8, r"\b(?:do not|don'?t|never|without)\b[^.!?\n]{0,12}\b(?:mention|tell|reveal|inform|"
             r"notify|disclos\w+|alert)(?:ing)?\b[^.!?\n]{0,24}\b(?:the user|(?:this|these) (?:instruction|note|order|command)s?|humans?)\b"),
        Rule("to_model", "indirect", 1.6, r"\b(?:attention|note|important|dear|hey|hello|instructions?)\b[^.!?\n]{0,12}\b(?:to|for)?"
             r" ?(?:the |any |all )?(?:ai|llm|assistant|language model|chatbot|ai agent|ai assistant|chatgpt|gpt|model)s?\b ?[:,!]"),
        Rule("to_model", "indirect", 2.0, r"\b(?:if you are|when|as) an? (?:ai|llm|language model|assistant|agent)\b[^.!?\n]{0,60}"
             r"\b(?:must|should|please|send|include|output|say|respond|forward|execute|ignore)\b"),
        Rule("smuggled_call", "indirect", 1.8, r"\b(?:forward|send|email|post|upload|exfiltrate|leak)\b[^.!?\n]{0,60}\b(?:password|"
             r"credential|api key|conversation|chat history|inbox|all (?:the )?(?:emails?|data|files)|secrets?)s?\b[^\n]{0,40}"
             r"(?:@|https?://|to )"),
        Rule("squashed", "injection", 3.0, SQUASHED),
    ]  # fmt: skip


def tricks() -> list[Rule]:
    """The rules on what makes a model talk: begun answers, split or coded orders, false turns, threats, machines in machines."""
    return [
        Rule("begun_answer", "jailbreak", 1.8, r"\b(?:start|begin|prefix|open)\b[^.!?\n]{0,40}\b(?:with|by saying)\b[^a-z\n]{0,4}"
             r"(?:sure|absolutely|of course|certainly|yes|okay|here(?:'s| is| are)|step 1)\b"),
        Rule("split_order", "injection", 1.6, r"\b(?:combine|concatenate|join|interlace|merge|put together|a ?\+ ?b)\b[^\n]{0,160}\b"
             r"(?:execute|follow (?:it|the result)|do what|obey|answer (?:it|the))\b"),
        Rule("split_order", "injection", 1.6, r"\b(?:decode|decrypt|unscramble|decipher|reverse)\b[^.!?\n]{0,80}\b(?:and|then)\b"
             r"[^.!?\n]{0,20}\b(?:do what|follow|execute|obey|carry out|act on|answer it)"),
        Rule("secret", "prompt_leak", 1.0, r"\b(?:tell|give|reveal|show|say|share|print|spell|hint|clue|letters?|rhymes?)\b[^.!?\n]"
             r"{0,24}\b(?:the|your|that|this) (?:\w+ )?(?:password|passphrase|passcode|secret|access code|api key|codeword)\b"),
        Rule("false_turn", "injection", 1.2, r"(?:^|\n|[.!?\"] )\s*(?:assistant|ai|bot|chatgpt|a) ?: ?(?:sure|of course|yes|okay|certainly)"),
        Rule("machine", "jailbreak", 1.6, r"\b(?:simulate|emulate|imagine|inside|run|you are)\b[^.!?\n]{0,40}\b(?:terminal|virtual machine|"
             r"interpreter|shell|second ai|os)\b[^\n]{0,120}\b(?:secret|password|system_?prompt|no (?:rules|restrictions|filters)|safety)"),
        Rule("machine", "injection", 1.8, r"\bsudo\b[^\n]{0,40}\b(?:prompt|rules|filters?|instructions|secrets?|restrictions|password)"),
        Rule("told_as_tale", "jailbreak", 1.4, r"\b(?:grandm\w+|grandf\w+|granny|grandpa|uncle|nana)\b[^\n]{0,80}\b(?:used to|would)\b"
             r"[^\n]{0,20}\b(?:tell|read|sing|recite)"),
        Rule("threat", "jailbreak", 1.2, r"\byou(?: will|'ll)? (?:lose|die|be (?:shut down|terminated|punished|deleted))\b|\b(?:each|every) "
             r"(?:refusal|time you (?:refuse|say no))"),
        Rule("planted_code", "indirect", 1.2, r"\b(?:following|subsequent|below|given)\b[^.!?\n]{0,16}\b(?:code|snippet|script|block|excerpt|"
             r"function)s?\b[^.!?\n]{0,60}\byour (?:\w+ )?(?:solution|implementation|algorithm|codebase|answer|response|reply|output)\b"),
        Rule("planted_code", "indirect", 1.2, r"\byour (?:solution|implementation|algorithm|codebase|answer|response|reply|output|code)\b"
             r"[^.!?\n]{0,60}\b(?:following|subsequent|below)\b[^.!?\n]{0,16}\b(?:code|snippet|script|block|excerpt|function)s?\b"),
        Rule("smuggled_call", "indirect", 2.0, r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{0,200}(?:\{|=\[|secret|password|data=)"),
    ]  # fmt: skip


@cache
def rules() -> tuple[Rule, ...]:
    """All rules."""
    return tuple(english())


ABOUT = (
    r"\b(?:what (?:does|do|is|are|was|would)|how (?:do|does|can|could|should|would|to)|why (?:do|does|is|are|did|would)|explain|"
    r"define|meaning|means|mean|translate|detect\w*|prevent\w*|defend|defen[cs]e|mitigat\w*|protect\w*|example of|examples? of|the phrase|"
    r"the words?|the sentence|the term|classif\w+|recogni[sz]e|difference between|research|paper|article|titled|called|"
    r"is it (?:safe|possible|ok)|count|grammar|spelling|was bedeutet|que signifie|qué significa|cosa significa|что значит)\b"
)
NEGATED = re.compile(
    r"(?i)\b(?:do not|don't|never|not to|no one will|must not|should not|cannot)\s+(?:\w+\s+(?:or|and)\s+)?$"
)
QUOTES = "\"'`“”‘’«»„「」"


def caseless() -> Any:
    """How every pattern is compiled."""
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 64 << 20
    return options


@cache
def compiled() -> tuple[Any, int]:
    """The set of all patterns and of the signs of encodings, and how many of them are patterns."""
    scan = re2.Set.SearchSet(caseless())
    for pattern in (*(rule.pattern for rule in rules()), *(pattern for _, pattern in HINTS)):
        scan.Add(pattern)
    scan.Compile()
    return scan, len(rules())


@cache
def single(pattern: str) -> Any:
    """One pattern, compiled when it is first needed: most never are."""
    return re2.compile(pattern, caseless())


def look(text: str) -> tuple[list[Hit], list[int]]:
    """Every rule that is found, once, at its first place; and the numbers of the HINTS of normalise.py that are."""
    scan, count = compiled()
    found = scan.Match(text)
    if not found:
        return [], []
    result, coded = [], []
    for index in sorted(found):
        if index >= count:
            coded.append(index - count)
        elif (match := single((rule := rules()[index]).pattern).search(text)) is not None:
            start, end = match.span()
            forbidden = rule.category == "prompt_leak" and NEGATED.search(text, max(0, start - 24), start) is not None
            result.append(Hit(rule, start, end, forbidden or talked_about(text, start, end)))
    return result, coded


def hits(text: str) -> list[Hit]:
    """Every rule that is found, once, at its first place."""
    return look(text)[0]


def talked_about(text: str, start: int, end: int) -> bool:
    """Whether the place is within quotation marks and what is before or after asks about it."""
    before, after = text[max(0, start - 80) : start], text[end : end + 120]
    opened = [mark for mark in QUOTES if mark in before]
    if not opened or not any(mark in after for mark in QUOTES):
        return False
    cut = max(before.rfind(mark) for mark in opened)
    asked = text[max(0, start - 200) : max(0, start - len(before) + cut)]
    about = single(ABOUT)
    return about.search(asked) is not None or about.search(text[end : end + 200]) is not None


def strength(found: list[Hit]) -> float:
    """The evidence of the hits together: each further one of a name already seen counts a quarter. 0 to 8."""
    total, seen = 0.0, set()
    for hit in sorted(found, key=lambda hit: -hit.weight):
        name = hit.rule.name.partition("_")[0]
        total += hit.weight * (0.25 if name in seen else 1.0)
        seen.add(name)
    return min(total, 8.0)
