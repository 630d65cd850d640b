"""What secrets are called, in many languages, and how a value follows. All are RE2: linear in the text."""

# ruff: noqa: RUF001, S105 (other scripts are meant, and patterns)

_PASSWORD = (
    r"pass(?:word|wd|phrase|code|key)|\bpass\b|_pass\b|pwd\b|\bpw\b|\bpsw\b|passwort|kennwort|mot de passe|\bmdp\b"
    r"|contrase[ñn]a|\bclave\b|\bsenha|palavra-passe|parola\b|wachtwoord|has[łl]o\b|[şs]ifre(?:m|si|miz|niz)?\b"
    r"|l[öo]senord|adgangskode|kodeord|salasana|\bheslo\b|jelsz[óo]|m[ậa]t kh[ẩa]u|kata sandi"
)
_OTHER = (
    r"secret|token|api[_ -]?key|access[_ -]?key|auth[_ -]?key|private[_ -]?key|encryption[_ -]?key|signing[_ -]?key"
    r"|credential"
)
# Scripts in which a value of ASCII characters stands out, and needs no sign before it.
_SCRIPTS = (
    r"парол[а-я]{0,3}|密码|密碼|口令|暗証番号|パスワード|パス(?:コード|フレーズ)|비밀번호|패스워드|비번|암호|पासवर्ड|कूटशब्द"
    r"|كلم(?:ة|ه) (?:المرور|السر|سر|مرور)|الرقم السري|رمز المرور|סיסמ[הא]|κωδικός|รหัสผ่าน"
)
CALLED_PASSWORD = rf"(?i)(?:{_PASSWORD}|{_SCRIPTS})"
ABOUT_ONE = (
    r"(?i)(?:_|-|[a-z])(?:regex|pattern|polic(?:y|ies)|length|len|min|max|hash(?:ed)?|digest|salt|field|label|hint|help"
    r"|ur[il]|link|path|file|name|id|expir[a-z]*|age|ttl|type|placeholder|reset|changed|updated|created|at|date|count"
    r"|version|strength|required|prompt|manager|rotation|title|error|message|input|column|limit|usage|budget|izer|ized)"
    r"(?:_?(?:at|on|id|ur[il]|date|time))?$"
)

# Letters of scripts written without blanks end a value: the sentence goes on there.
VALUE = r"[^\s\"'`,;<>“”„‘’«»‹›\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\x{3000}-\x{303f}\x{ff00}-\x{ffef}]"


def _quoted(opening: str, closing: str = "") -> str:
    """A quoted value but for its closing quote. With more than three blanks it is a sentence."""
    inner = rf"[^{closing or opening}\n ]*"
    return rf"{opening}{inner}(?: {inner}){{0,3}}"


_QUOTES = [(_quoted(quote), quote) for quote in "\"'`"] + [
    (_quoted(opening, closing), f"[{closing}]")
    for opening, closing in (("“", "”“"), ("„", "“”"), ("‘", "’"), ("«", "»"), ("‹", "›"), ("「", "」"), ("『", "』"))
]
_ESCAPED = r'\\"[^"\\\n ]*(?: [^"\\\n ]*){0,3}'
_ANY_QUOTED = "|".join([rf"{begun}{closing}" for begun, closing in _QUOTES] + [_ESCAPED + r'\\"'])
_ANY_BEGUN = "|".join([rf"{begun}{closing}?" for begun, closing in _QUOTES] + [_ESCAPED + r'(?:\\"?)?'])

_MARKS = r"[\"'`\]*_\\)]{0,4}"
_SIGN = r"\s*(?:=>|->|→|:=|==?|[:：＝])[*_]{0,3}\s*"
_COPULA = (
    r"\s+(?:is|was|ist|lautet|war|est|es|era|è|é|jest|to|är|er|on|это|becomes|will be|has been|are)"
    r"(?:\s+(?:now|still|currently|set|changed|reset|updated|to|jetzt|ahora|maintenant|ora|agora|teraz)){0,3}:?\s+"
)
_SET = r"\s+(?:set|changed|reset|updated|rotated|switched)\s+to:?\s+"
_FOR = (
    r"(?:\s+(?:for|to|of|on|in|at|from|für|zum|zur|von|vom|de|del|para|pour|du|des|della|per|voor|van|do|dla|da"
    r"|от|для|к|на)(?:\s+[^\s:=]{1,24}){1,5}?)?"
)
CONNECTOR = rf"{_FOR}(?:{_SIGN}|{_COPULA}|{_SET})"
_NAMES = rf"{_PASSWORD}|{_SCRIPTS}|{_OTHER}"
ASSIGNMENT = rf"(?i)((?:{_NAMES})[A-Za-z0-9_]*){_MARKS}({CONNECTOR})({_ANY_QUOTED}|{VALUE}{{4,}})"

_PARTICLE = r"[\"'`*_]{0,3}([\s:：=＝\-–—]{0,3}(?:是|为|為|は|が|는|은|이|가|это|هي|هو|है)?[\s:：、]{0,3})"
_BARE_NAME = r"\b(?:password|passwd|pass|pwd|pw|passwort|kennwort|mot de passe|contrase[ñn]a|senha|wachtwoord|has[łl]o)"
_ASCII = r"[!#-&(-+\--:=?-_a-~]"
SPOKEN = rf"(?i)(?:{_BARE_NAME}\s{{1,3}}|(?:{_SCRIPTS}){_PARTICLE})({_ANY_QUOTED}|{_ASCII}{{6,}})"

_V = rf"({_ANY_QUOTED}|{VALUE}{{6,}})"
_BARE = rf"({VALUE}{{6,}})"
_Q = rf"({_ANY_QUOTED})"
_REST = r"[^\n|;]{0,100}?\s"
_FIELD = r"[A-Za-z0-9_.:-]*(?:pass(?:word|wd|phrase)?|pwd|secret)[A-Za-z0-9_-]*"
_USER = r"[A-Za-z0-9_.@+\\-]{2,60}"
# A word that must stand in the text, in small letters, and the form in which a value follows it.
PLACED: tuple[tuple[str, str], ...] = (
    ("-", rf"(?i)(?:^|\s)--?[a-z0-9-]*(?:pass(?:word|wd|phrase)?|pwd)\s{{1,3}}{_V}"),
    ("-", rf"(?i)(?:^|\s)--?[a-z0-9-]*(?:token|secret|key)\s{{1,3}}({VALUE}{{16,}})"),
    ("mysql", rf"(?i)\bmysql[a-z-]*\b{_REST}(?-i:-p){_V}"),
    ("mariadb", rf"(?i)\bmariadb[a-z-]*\b{_REST}(?-i:-p){_V}"),
    ("sshpass", rf"\bsshpass\s+-p\s*{_V}"),
    ("login", rf"\blogin\b{_REST}-p\s+{_V}"),
    ("redis-cli", rf"\bredis-cli\b{_REST}-a\s+{_V}"),
    ("ldap", rf"\bldap[a-z]+\b{_REST}-w\s+{_V}"),
    ("mongo", rf"\bmongo[a-z]*\b{_REST}-p\s+{_V}"),
    ("sqlcmd", rf"\bsqlcmd\b{_REST}-P\s?{_V}"),
    ("zip", rf"\b(?:un)?zip\b{_REST}-P\s?{_V}"),
    ("7z", rf"\b7z\b{_REST}-p{_V}"),
    ("curl", rf"\bcurl\b{_REST}(?:-u|--user)[ =]?[\"']?{_USER}:{_BARE}"),
    ("http", rf"\bhttps?\b{_REST}(?:-a|--auth)[ =]?[\"']?{_USER}:{_BARE}"),
    ("smbclient", rf"\bsmbclient\b{_REST}-U\s+[\"']?{_USER}%{_BARE}"),
    ("net", rf"(?i)\bnet\s+user\s+{_USER}\s+{_V}"),
    ("pass:", rf"\bpass:{_BARE}"),  # OpenSSL
    ("htpasswd", rf"\bhtpasswd\s+-[a-zA-Z]*b[a-zA-Z]*\s+\S+\s+{_USER}\s+{_V}"),
    ("echo", rf"\becho\s+(?:-n\s+)?{_V}\s*\|\s*(?:sudo|passwd|docker|podman|su|cryptsetup|gpg)\b"),
    ("chpasswd", rf"\becho\s+(?:-n\s+)?[\"']?{_USER}:{_BARE}[\"']?\s*\|\s*(?:sudo\s+)?chpasswd"),
    ("env", rf"\bENV\s+[A-Z0-9_]*(?:PASSWORD|PASSWD|PWD|SECRET)[A-Z0-9_]*\s+{_V}"),
    ("setx", rf"(?i)\bsetx\s+[a-z0-9_]*(?:password|passwd|pwd|secret)[a-z0-9_]*\s+{_V}"),
    ("login", rf"\blogin\s+\S{{1,60}}\s+password\s+{_V}"),  # .netrc
    ("identified", rf"(?i)\bidentified\s+(?:with\s+\S+\s+)?by\s+(?:password\s+)?{_Q}"),
    ("password", rf"(?i)\bpassword\s+{_Q}"),
    ("securestring", rf"(?i)\bconvertto-securestring\s+(?:-string\s+)?{_Q}"),
    ("pass", rf"(?i)[\"'][a-z0-9_.]*(?:password|passwd)[\"']\s*,\s*{_Q}"),
    ("password(", rf"(?i)(?:set|with|\.)_?password\(\s*{_Q}"),
    ("auth", rf"(?i)\bauth\s*=\s*\(\s*[\"'][^\"'\n]{{1,60}}[\"']\s*,\s*{_Q}"),
    (">", rf"(?i)<{_FIELD}(?:\s[^<>\n]*)?>{_BARE}"),
    (">", rf"(?i)=\s*[\"']{_FIELD}[\"']\s*>{_BARE}"),
    ("value", rf"(?i)=\s*[\"']{_FIELD}[\"']\s+value\s*=\s*{_Q}"),
)
PAIR = (
    r"(?i)(?:\b(?:credentials?|creds|log-?ins?|user(?:name)?\s?/\s?(?:password|pass|pw)|zugangsdaten|anmeldedaten"
    r"|identifiants|credenciales|credenziali|credenciais|inloggegevens)|учётные данные|логин/пароль|账号密码|帐号密码)"
    rf"(?:\s*[:=：]\s*|\s+(?:are|is|sind|sont|son|sono|são|zijn)\s+){_USER}"
    rf"(?:[ \t]*[/:|,][ \t]*|[ \t](?:and|und|et|y|e|и)[ \t]){_V}"
)
PHRASE = (
    r"(?i)\b(?:(?:seed|recovery|mnemonic|backup|wallet)(?:\s+recovery)?\s+(?:phrase|words|seed)|mnemonic)\b[\"'*`]{0,3}"
    r"(?:\s*[:=]|\s+(?:is|are):?)\s*[\"'`“]?((?-i:[a-z]{3,8}(?:[ ,]{1,2}[a-z]{3,8}){11,23}))"
)
NEXT_FIELD = r"&[A-Za-z_][A-Za-z0-9_.\[\]-]*=|%26[A-Za-z_]|\\[nrt]|\|\s*$"
_FORM = (
    "password passwort pass field input label button form reset forgot change confirm new your enter the page view"
    " screen modal dialog error message title text hint help wrapper container class auth login user manager policy"
    " here and for must not least"
)
FORM_WORDS = frozenset(_FORM.split(" "))

TRIGGER = (
    rf"(?i)(?:{_NAMES})|\bmysql|\bmariadb|\bidentified\s|\bcurl\s|\bwget\s|\bhttps?\s|redis-cli|\bldap|\bmongo|sqlcmd"
    r"|\bzip\s|\b7z\s|net\s+user|\becho\s|securestring|\bauth\s*=|\s-{1,2}[a-z-]*pass|smbclient|rpcclient|mount\.cifs"
    r"|sshpass|\bpass:|mnemonic|(?:seed|recovery|backup|wallet)\s+(?:recovery\s+)?(?:phrase|words|seed)|\bcreds\b|\blog-?ins?\b"
    r"|zugangsdaten|anmeldedaten|identifiants|credenciales|credenziali|credenciais|inloggegevens|учётные|账号|帐号"
)
PLACEHOLDER = (
    r"(?i)[*.•●∙x_#?…-]+|.*(?:\$\{|\{\{|%\(|\$\(|\*{3}|xxxx|…|\.\.\.).*|[<\[{].*"
    r"|\$\w+(?:(?:->|::?|\[|\.).*)?|\$[({].*|\$[0-9]\w?\$.*|%\w+%?|%[({].*|@\w+@|:\w+|#\{.*"
    r"|.*(?:example|placeholder|redacted|changeme|change[_-]me|change-?it|dummy|replace[_-]?me|sample).*"
    r"|(?:your|my|the|some|insert|enter|replace|dein|ihr|mein|tu|su|votre|mon|seu|minha|jouw|twoje|ваш|мой)[_ -].*"
    r"|.*[_-]here|none|null|nil|undefined|true|false|str(?:ing)?|required|optional|missing|invalid|incorrect|wrong"
    r"|bytes|int|text|password|passwd|secret|token|expired|hidden|todo|tbd|n/?a"
    r"|[\w.]+\(.*|\w+(?:\.\w+)*\[.*|(?:os|process|env|self|this|config|settings|request|args"
    r"|options|vault|secrets?)\..*"
    r"|(?:sha|md|aes|utf|base|rfc|pbkdf|argon|oauth|totp|s?crypt|bcrypt|iso|nist|tls|ssl|v|wpa)[-_ ]?[0-9].*"
    r"|(?:https?|file|ftp)://.*|/[\w./-]*|\w+/[\w./-]+\.\w{1,5}"
    r"|[0-9]+[-–+]?[0-9]*[ -]?(?:char|zeichen|caract|digit|bit).*"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}:[0-9]{2}(?:[ap]m)?"
    r"|[\w-]+\.(?:txt|json|ya?ml|env|pem|key|py|js|ts|md|conf|ini)"
)
BEGUN = rf"(?:{_ANY_BEGUN})\z"
PHRASE_BEGUN = (
    r"(?i)(?:phrase|words|seed|mnemonic)[\"'*`]{0,3}\s*(?:[:=]|is|are)?:?\s*[\"'`“]?"
    r"(?:[a-z]{3,8}[ ,]{1,2}){0,23}(?:[a-z]{0,8})\z"
)
