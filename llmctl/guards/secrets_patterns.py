"""What keys, tokens and passwords look like. All are RE2: linear in the text."""

from llmctl.guards import secrets_words as words

_PEM = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"

API_KEY = "|".join(
    (
        r"\bsk-[A-Za-z0-9]{20,}",  # OpenAI, DeepSeek and others
        r"\bsk-(?:ant|proj|svcacct|admin|None|service|or-v1|lf)-[A-Za-z0-9_-]{20,}",
        r"\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{28}|\bya29\.[A-Za-z0-9_-]{30,}",  # Google
        r"\bgh[opsru]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{22,}|\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bxox[abceoprs]-[A-Za-z0-9-]{10,}|\bxapp-[0-9]-[A-Za-z0-9-]{10,}",  # Slack
        r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}",  # Stripe
        r"\b(?:hf|gsk|r8|nvapi|pplx|xai|npm)[_-][A-Za-z0-9_-]{30,}",
        r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",  # SendGrid
        r"\b(?:AC|SK)[0-9a-f]{32}\b",  # Twilio
        r"\bdop_v1_[0-9a-f]{64}|\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|\bdapi[0-9a-f]{32}\b",
        r"\bpypi-AgE[A-Za-z0-9_-]{50,}|\bAGE-SECRET-KEY-1[0-9A-Z]{58}",
        r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",  # Telegram
        r"\bllmctl_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{43}",
    )
)
# A header is JSON, perhaps with blanks after its brace. Encrypted ones have five parts, the second may be empty.
_HEAD = r"e(?:yJ|yA|yI|wo|wk|w0)[A-Za-z0-9_-]{8,}"
JWT = (
    rf"\b{_HEAD}\.(?:[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{{8,}}"
    r"|[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"
)
_AFTER_SCHEME = r"(?:[ \t]{1,4}|%20|\+|\s?[:=]\s?)[\"'`]?"
BEARER = (
    rf"(?i)\b(?:bearer|basic){_AFTER_SCHEME}([A-Za-z0-9._~+/-]{{16,}}=*)"
    r"|\bauthorization[\"']?\s*[:=]\s*[\"']?(?:token|apikey|api-key|negotiate|digest|splunk|hawk|basic|jwt)\s+"
    r"([A-Za-z0-9._~+/-]{8,}=*)"
)
# No two dashes in a row before the end, or each of many beginnings would be searched up to the end of the text.
_HEADER = r"(?:Proc-Type|DEK-Info|Version|Comment): ?[0-9A-Za-z,. \-]"
_CUT_OFF = rf"{_PEM}(?:(?:\s|\\[nr])*(?:[A-Za-z0-9+/=]{{30,}}|{_HEADER}+))*(?:\s|\\[nr])*"  # before its end
PRIVATE_KEY = (
    rf"{_PEM}(?:[A-Za-z0-9+/=:,.\s\\]-?)*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    rf"|{_CUT_OFF}[A-Za-z0-9+/=]*"
    r"|PuTTY-User-Key-File-[23]:[^\x{00}]*?Private-MAC: ?[0-9a-f]{40,64}"
)
CONNECTION = (
    r"\b[A-Za-z][A-Za-z0-9+.\-]*://[^\s/:@\"'<>]*:([^\s/@\"'<>]+)@[^\s\"'<>`]+"
    r"|(?i)\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=([A-Za-z0-9+/%&=_-]{20,})"
    r"|(?i)\b(?:server|data source|host|uid|user id)=[^;\n]*;(?:[^;\n]*;)*?(?:password|pwd)=([^;\s\"']+)"
)
TRIGGERS: dict[str, str] = {
    "PRIVATE_KEY": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-",
    "CONNECTION_STRING": (
        r"://[^\s/:@]*:[^\s/@]+@|(?i:AccountKey|SharedAccessKey|SharedAccessSignature)=|(?i:password|pwd)="
    ),
    "API_KEY": API_KEY,
    "JWT": rf"{_HEAD}\.",
    "BEARER_TOKEN": rf"(?i)\b(?:bearer|basic){_AFTER_SCHEME}[A-Za-z0-9._~+/-]{{16}}|\bauthorization\b",
    "PASSWORD": words.TRIGGER,
}

# What may still become a secret when more text comes, up to the end of the text; leftmost is longest.
UNSETTLED = (
    rf"(?:{words.VALUE}+"  # the last word
    r"|[A-Za-z][A-Za-z0-9+.\-]*://\S*"
    r"|-{1,5}|-----B(?:E|EG|EGI|EGIN(?: [A-Z0-9 ]{0,60}-{0,5})?)?"
    rf"|{_PEM}(?:[A-Za-z0-9+/=:,.\s\\]-?)*(?:--{{1,5}}(?:E|EN|END(?: [A-Z0-9 ]{{0,60}}-{{0,5}})?)?)?"
    rf"|{_CUT_OFF}(?:[A-Za-z0-9+/=\-]*|{_HEADER}*)\\?"
    r"|PuTTY-User-Key-File-[23]:[^\x{00}]*"
    r"|(?i:\b(?:server|data source|host|uid|user id)=[^;\n]*(?:;[^;\n]*)*)"
    r")\z"
)
