"""What keys, tokens and passwords look like. All are RE2: linear in the text."""

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
JWT = r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
BEARER = r"(?i)\b(?:bearer|basic)[ \t]+([A-Za-z0-9._~+/-]{16,}=*)"
# No two dashes in a row before the end, or each of many beginnings would be searched up to the end of the text.
PRIVATE_KEY = (
    rf"{_PEM}(?:[A-Za-z0-9+/=:,.\s\\]-?)*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    rf"|{_PEM}(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{{30,}})*(?:\s|\\[nr])*[A-Za-z0-9+/=]*"  # cut off before its end
    r"|PuTTY-User-Key-File-[23]:[^\x{00}]*?Private-MAC: ?[0-9a-f]{40,64}"
)
CONNECTION = (
    r"\b[A-Za-z][A-Za-z0-9+.\-]*://[^\s/:@\"'<>]*:([^\s/@\"'<>]+)@[^\s\"'<>`]+"
    r"|(?i)\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=([A-Za-z0-9+/%&=_-]{20,})"
    r"|(?i)\b(?:server|data source|host|uid|user id)=[^;\n]*;(?:[^;\n]*;)*?(?:password|pwd)=([^;\s\"']+)"
)
_NAMES = (
    r"pass(?:word|wd|phrase|code)|\bpwd|_pwd|secret|token|api[_ -]?key|access[_ -]?key|auth[_ -]?key|private[_ -]?key"
    r"|encryption[_ -]?key|signing[_ -]?key|credential|passwort|kennwort|mot de passe|contrase[ñn]a"
)
ASSIGNMENT = (
    rf"(?i)((?:{_NAMES})[A-Za-z0-9_]*)[\"'`\]]*(\s*(?:=>|:=|==?|:)\s*|\s+is:?\s+)"
    r"(\"[^\"\n]{4,}\"|'[^'\n]{4,}'|`[^`\n]{4,}`|[^\s\"'`,;<>]{4,})"
)

TRIGGERS: dict[str, str] = {
    "PRIVATE_KEY": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-",
    "CONNECTION_STRING": (
        r"://[^\s/:@]*:[^\s/@]+@|(?i:AccountKey|SharedAccessKey|SharedAccessSignature)=|(?i:password|pwd)="
    ),
    "API_KEY": API_KEY,
    "JWT": r"eyJ[A-Za-z0-9_-]{8,}\.",
    "BEARER_TOKEN": r"(?i)\b(?:bearer|basic)[ \t]+[A-Za-z0-9._~+/-]{16}",
    "PASSWORD": rf"(?i)(?:{_NAMES})[A-Za-z0-9_]*[\"'`\]]*(?:\s*[:=]|\s+is:?\s)",
}

PLACEHOLDER = (
    r"(?i)[*.•x_#-]+|.*(?:\$\{|\{\{|%\(|\$\().*|[<\[{$%].*"
    r"|.*(?:example|placeholder|redacted|changeme|change[_-]me|dummy).*"
    r"|(?:your|my|the|some|insert|enter|replace)[_ -].*|.*[_-]here|none|null|nil|undefined|true|false|str(?:ing)?"
    r"|bytes|int|text|password|passwd|secret|token|required|optional|missing|invalid|incorrect|wrong|expired|hidden"
    r"|\w+\(.*|(?:os|process|env|self|this|config|settings|request|args|options|vault|secrets?)[.\[].*"
)
