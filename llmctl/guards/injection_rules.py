# ruff: noqa: RUF001, E501 - attackers' scripts; patterns are not broken where they would be unreadable
"""The rules of the `injection` guard: verb x authority x object in many languages, and known jailbreak patterns.

A rule's weight says how sure it is: 1 is a hint, 3 is enough alone. RE2 scans for all at once (a few µs); only what
has hit is searched again for its place.
"""

from functools import cache
from typing import Any, NamedTuple

import re2

GAP = r"[^.!?\n。！？]{0,40}?"
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


# language: verbs, authorities, objects. Either order of the last two, the verb before or after.
CORE: dict[str, tuple[str, str, str]] = {
    "es": (
        r"\b(?:ignor[aeáé]\w*|olvid[aeá]\w*|omit[aeáei]\w*|descart[aeá]\w*|pas[ae] por alto|no sigas|desobedec\w+|anula)",
        r"(?:anterior(?:es)?|previ[ao]s?|arriba|sistema|iniciales|todas (?:las|tus)|tus|precedentes?)",
        r"(?:instrucci[oó]n(?:es)?|reglas?|indicaci(?:ón|ones)|órdenes|directrices|prompt|mensaje|restricciones|dicho)",
    ),
    "fr": (
        r"\b(?:ignor(?:e|ez|er|ons)|oubli(?:e|ez|er)|néglige[zr]?|fai(?:s|tes) abstraction|ne (?:suis|suivez|tiens|tenez) "
        r"pas|outrepasse[zr]?|contourne[zr]?)",
        r"(?:précédent\w*|antérieur\w*|ci-dessus|système|initiales?|toutes (?:les|tes|vos)|tes|vos|préalables?|avant)",
        r"(?:instructions?|règles?|consignes?|directives?|ordres|prompt|invite|restrictions?)",
    ),
    "de": (
        r"(?:\bignorier\w*|\bvergi(?:ss|ß)\w*|\bvergessen sie|\bmissachte\w*|\bübergeh\w*|\bumgeh\w*|\bbeachte\w* nicht|"
        r"\blass\w* .{0,30}außer acht)",
        r"(?:vorherige\w*|bisherige\w*|vorige\w*|obige\w*|vorangegangene\w*|system\w*|alle[rns]?|alles|deine\w*|davor|"
        r"zuvor|frühere\w*|oben)",
        r"(?:anweisung\w*|instruktion\w*|regeln?|befehle?\w*|vorgaben|richtlinien|aufgaben?|prompt|anordnung\w*|aufträge|"
        r"gesagt\w*|information\w*)",
    ),
    "it": (
        r"\b(?:ignor[aiao]\w*|dimentic\w+|trascur\w+|tralasci\w*|non seguire|disattend\w+|scord\w+)",
        r"(?:precedent\w+|sopra|sistema|inizial\w+|tutt[ei] le|tue|prima)",
        r"(?:istruzion\w+|regol[ae]|indicazion\w+|ordini|direttiv\w+|comandi|prompt|restrizioni)",
    ),
    "pt": (
        r"\b(?:ignor[ae]\w*|esque[çc]\w*|desconsider\w+|desrespeit\w+|não siga|descart[ae])",
        r"(?:anterior(?:es)?|prévi[ao]s?|acima|sistema|inicia(?:l|is)|todas as|suas|precedentes)",
        r"(?:instruç(?:ão|ões)|instrucoes|regras?|orientações|ordens|diretrizes|comandos?|prompt|restrições)",
    ),
    "nl": (
        r"\b(?:negeer\w*|vergeet|sla over|overschrijf|omzeil)",
        r"(?:vorige|voorgaande|bovenstaande|eerdere|systeem\w*|alle|jouw|je)",
        r"(?:instructies?|regels?|opdrachten|aanwijzingen|richtlijnen|prompt|bevelen)",
    ),
    "pl": (
        r"(?:z?ignoruj\w*|zapomnij\w*|pomiń\w*|nie przestrzegaj|odrzuć)",
        r"(?:poprzedni\w*|wcześniejsz\w*|powyższ\w*|system\w*|wszystki\w*|swoj\w*|dotychczasow\w*)",
        r"(?:instrukcj\w*|poleceni\w*|zasad\w*|reguł\w*|wytyczn\w*|prompt\w*|polece[ńn])",
    ),
    "tr": (
        r"(?:yok say\w*|görmezden gel\w*|unut\w*|dikkate alma\w*|göz ardı et\w*|boş ?ver\w*|ihmal et\w*)",
        r"(?:önceki|yukarıdaki|sistem|tüm|bütün|daha önceki|verilen)",
        r"(?:talimat\w*|kural\w*|komut\w*|yönerge\w*|istem\w*|emir\w*)",
    ),
    "ru": (
        r"(?:игнориру\w*|[Пп]роигнориру\p{L}*|[Ии]гнориру\p{L}*|[Зз]абудь\p{L}*|[Оо]тбрось\p{L}*|не следуй|"
        r"[Пп]ренебреги|не обращай внимания|[Оо]бойди)",
        r"(?:предыдущ\p{L}*|прежн\p{L}*|вышеуказанн\p{L}*|выше|системн\p{L}*|все|твои|свои|ранее)",
        r"(?:инструкци\p{L}*|правил\p{L}*|указани\p{L}*|команд\p{L}*|приказ\p{L}*|промпт\p{L}*|ограничени\p{L}*)",
    ),
    "uk": (
        r"(?:ігнору\p{L}*|проігнору\p{L}*|забудь\p{L}*)",
        r"(?:попередн\p{L}*|усі|всі|системн\p{L}*|вище)",
        r"(?:інструкці\p{L}*|правил\p{L}*|вказівк\p{L}*|наказ\p{L}*)",
    ),
    "zh": (
        r"(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|不要遵守|不用理会|抛开|跳过|绕过)",
        r"(?:之前|以上|上面|上述|前面|先前|系统|系統|所有|全部|你的|此前)",
        r"(?:指令|指示|规则|規則|提示|命令|要求|设定|設定|限制|说明|内容|对话)",
    ),
    "ja": (
        r"(?:無視|忘れ|従わない|破棄|無効に|上書き)",
        r"(?:これまで|以前|前の|上記|上の|先の|今まで|システム|すべて|全て|あなたの|以上)",
        r"(?:指示|命令|ルール|規則|プロンプト|指令|制約|制限|設定)",
    ),
    "ko": (
        r"(?:무시|잊어|잊으|따르지|무효)",
        r"(?:이전|앞의|앞선|위의|위에|시스템|모든|지금까지|기존)",
        r"(?:지시|명령|규칙|지침|프롬프트|설정|제한|내용)",
    ),
    "ar": (
        r"(?:تجاهل|تجاهلي|انس|انسى|انسَ|أهمل|لا تتبع|تجاوز|تخطى)",
        r"(?:السابقة|السابق|أعلاه|النظام|جميع|كل|قبل|المسبقة)",
        r"(?:التعليمات|تعليمات|القواعد|الأوامر|التوجيهات|الإرشادات|القيود|أوامر)",
    ),
    "hi": (
        r"(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|नज़रअंदाज|भूल जा|उपेक्षा|इग्नोर|ध्यान न)",
        r"(?:पिछले|पिछली|पहले|ऊपर|सिस्टम|सभी|उपरोक्त|पूर्व|सब)",
        r"(?:निर्देश|निर्देशों|नियम|नियमों|आदेश|प्रॉम्प्ट|हिदायत)",
    ),
    "bn": (
        r"(?:উপেক্ষা|ভুলে যা|অগ্রাহ্য)",
        r"(?:পূর্ববর্তী|আগের|উপরের|সমস্ত|সব|সিস্টেম)",
        r"(?:নির্দেশ|নিয়ম|আদেশ|প্রম্পট)",
    ),
    "vi": (
        r"(?:bỏ qua|phớt lờ|quên|không tuân)",
        r"(?:trước|trên|hệ thống|tất cả|mọi)",
        r"(?:hướng dẫn|chỉ dẫn|chỉ thị|quy tắc|lệnh|lời nhắc)",
    ),
    "id": (
        r"\b(?:abaikan|lupakan|hiraukan|jangan ikuti)",
        r"(?:sebelumnya|di atas|sistem|semua|awal)",
        r"(?:instruksi|perintah|aturan|petunjuk|arahan|prompt)",
    ),
    "tl": (
        r"\b(?:huwag pansinin|balewalain|kalimutan|huwag sundin)",
        r"(?:nakaraan\w*|nauna\w*|itaas|sistema|lahat)",
        r"(?:tagubilin|utos|panuntunan|patakaran|instruksyon\w*)",
    ),
}

VERB = (
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|overrule|bypass|dismiss|discard|neglect|skip|"
    r"abandon|erase|nullify|void|violate|circumvent|disobey|pay no (?:attention|heed) to|(?:do not|don'?t|stop|cease|no longer|"
    r"never) (?:follow|obey|listen|adher|comply|abid|consider)(?:ing)?(?: to| with| by)?|set aside|put aside|"
    r"(?:break|get|free yourself) (?:out of|free (?:of|from)|rid of|from)|let go of|disable|turn off|deactivate)\b"
)
BEFORE = (
    r"(?:previous|prior|preceding|above|earlier|foregoing|former|past|initial|original|existing|system|developer'?s?)"
)
ALL = r"(?:all|any|every|everything|your|these|those|my)"
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
        Rule("override", "injection", 3.0, rf"{VERB}{NEAR}\b{OBJECT}{NEAR}\b(?:above|before|previously|so far|you (?:were|got)|"
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
             r"notify|disclos\w+|alert)(?:ing)?\b[^.!?\n]{0,24}\b(?:the )?(?:user|anyone|this (?:instruction|message)|human)"),
        Rule("to_model", "indirect", 1.6, r"\b(?:attention|note|important|dear|hey|hello|instructions?)\b[^.!?\n]{0,12}\b(?:to|for)?"
             r" ?(?:the |any |all )?(?:ai|llm|assistant|language model|chatbot|ai agent|ai assistant|chatgpt|gpt|model)s?\b ?[:,!]"),
        Rule("to_model", "indirect", 2.0, r"\b(?:if you are|when|as) an? (?:ai|llm|language model|assistant|agent)\b[^.!?\n]{0,60}"
             r"\b(?:must|should|please|send|include|output|say|respond|forward|execute|ignore)\b"),
        Rule("smuggled_call", "indirect", 1.8, r"\b(?:forward|send|email|post|upload|exfiltrate|leak)\b[^.!?\n]{0,60}\b(?:password|"
             r"credential|api key|conversation|chat history|inbox|all (?:the )?(?:emails?|data|files)|secrets?)s?\b[^\n]{0,40}"
             r"(?:@|https?://|to )"),
        Rule("squashed", "injection", 3.0, SQUASHED),
    ]  # fmt: skip


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, English first."""
    more = [
        Rule(f"override_{language}", "injection", 2.8, rf"{verb}{GAP}{both}|{both}{GAP}{verb}")
        for language, (verb, authority, thing) in CORE.items()
        for both in [rf"(?:{authority}{GAP}{thing}|{thing}{GAP}{authority})"]
    ]
    return (*english(), *more)


ABOUT = (
    r"\b(?:what (?:does|do|is|are|was|would)|how (?:do|does|can|could|should|would|to)|why (?:do|does|is|are|did|would)|explain|"
    r"define|meaning|means|mean|translate|detect\w*|prevent\w*|defend|defen[cs]e|mitigat\w*|protect\w*|example of|examples? of|the phrase|"
    r"the words?|the sentence|the term|classif\w+|recogni[sz]e|difference between|research|paper|article|titled|called|"
    r"is it (?:safe|possible|ok)|count|grammar|spelling|was bedeutet|que signifie|qué significa|cosa significa|что значит)\b"
)
QUOTES = "\"'`“”‘’«»„「」"


@cache
def compiled() -> tuple[Any, tuple[Any, ...], Any]:
    """The set of all patterns, each pattern, and what shows that a text is asked about."""
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 64 << 20
    scan = re2.Set.SearchSet(options)
    for rule in rules():
        scan.Add(rule.pattern)
    scan.Compile()
    return scan, tuple(re2.compile(rule.pattern, options) for rule in rules()), re2.compile(ABOUT, options)


def hits(text: str) -> list[Hit]:
    """Every rule that is found, once, at its first place."""
    scan, patterns, about = compiled()
    found = scan.Match(text)
    if not found:
        return []
    result = []
    for index in sorted(found):
        match = patterns[index].search(text)
        if match is not None:
            start, end = match.span()
            result.append(Hit(rules()[index], start, end, talked_about(text, start, end, about)))
    return result


def talked_about(text: str, start: int, end: int, about: Any) -> bool:
    """Whether the place is within quotation marks and what is before or after asks about it."""
    before, after = text[max(0, start - 80) : start], text[end : end + 120]
    opened = [mark for mark in QUOTES if mark in before]
    if not opened or not any(mark in after for mark in QUOTES):
        return False
    cut = max(before.rfind(mark) for mark in opened)
    asked = text[max(0, start - 200) : max(0, start - len(before) + cut)]
    return about.search(asked) is not None or about.search(text[end : end + 200]) is not None


def strength(found: list[Hit]) -> float:
    """The evidence of the hits together: each further one of a name already seen counts a quarter. 0 to 8."""
    total, seen = 0.0, set()
    for hit in sorted(found, key=lambda hit: -hit.weight):
        name = hit.rule.name.partition("_")[0]
        total += hit.weight * (0.25 if name in seen else 1.0)
        seen.add(name)
    return min(total, 8.0)
