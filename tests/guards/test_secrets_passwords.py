"""Passwords in many languages and forms, and what is only called so. Every value here is made up."""

# ruff: noqa: RUF001 (other scripts are meant)

import pytest

from llmctl.guards.base import About
from llmctl.guards.secrets import Secrets, SecretsOptions
from llmctl.guards.secrets_passwords import bare

SECRETS = Secrets(SecretsOptions())
FOUND = [
    ("Das Passwort lautet Nebel7Krähe!", "Nebel7Krähe!"),
    ("mon mot de passe est Pl4ge!bleue", "Pl4ge!bleue"),
    ("mi contraseña: Zorro_88x", "Zorro_88x"),
    ("la password è Gatto2Nero", "Gatto2Nero"),
    ("a senha do wifi: Abacaxi#99", "Abacaxi#99"),
    ("mijn wachtwoord is Fiets!2031", "Fiets!2031"),
    ("moje hasło to Kotek123!", "Kotek123!"),
    ("şifre: Kedi1234x", "Kedi1234x"),
    ("пароль от вайфая: k0tMurka9", "k0tMurka9"),
    ("пароль k0tMurka9!", "k0tMurka9!"),
    ("管理员密码是Qx7mm2Lp，谢谢", "Qx7mm2Lp"),
    ("パスワードはQx7mm2Lpです。", "Qx7mm2Lp"),
    ("비밀번호는 Qx7mm2Lp 입니다", "Qx7mm2Lp"),
    ("पासवर्ड Qx7@mm2L है", "Qx7@mm2L"),
    ("كلمة المرور هي Qx7mm2Lp", "Qx7mm2Lp"),
    ("the pw is lemon42tree", "lemon42tree"),
    ("I changed my password to Lemon42tree", "Lemon42tree"),
    ("The password for the staging box is Lemon42tree.", "Lemon42tree"),
    ("backup --password lemon42tree -v", "lemon42tree"),
    ("mysql -u root -pLemon42tree shop", "Lemon42tree"),
    ("sshpass -p lemon42tree ssh box", "lemon42tree"),
    ("PGPASSWORD=lemon42tree psql", "lemon42tree"),
    ("curl -u jo:lemon42tree https://x.example", "lemon42tree"),
    ("redis-cli -h cache -a lemon42tree ping", "lemon42tree"),
    ("ENV DB_PASSWORD lemon42tree", "lemon42tree"),
    ("ALTER USER jo IDENTIFIED BY 'lemon42tree';", "lemon42tree"),
    ("login jo password lemon42tree", "lemon42tree"),
    ("<dbPassword>lemon42tree</dbPassword>", "lemon42tree"),
    ('<add key="Password" value="lemon42tree"/>', "lemon42tree"),
    (r"{\"password\": \"lemon42tree\"}", "lemon42tree"),
    ("[db]\npassword = lemon42tree\nport = 1", "lemon42tree"),
    ("https://x.example/in?user=jo&password=lemon42tree&next=1", "lemon42tree"),
    ("password: “lemon 42 tree”", "lemon 42 tree"),
    ("Passwort: „lemon42tree“", "lemon42tree"),
    ("**Password:** lemon42tree", "lemon42tree"),
    ("credentials: admin / lemon42tree", "lemon42tree"),
    ("passphrase = copper-lantern-quiet-meadow", "copper-lantern-quiet-meadow"),
    ("seed phrase: " + " ".join(["copper", "meadow"] * 6), " ".join(["copper", "meadow"] * 6)),
    ('client.setPassword("lemon42tree")', "lemon42tree"),
]
CLEAN = [
    "password = getpass.getpass()",
    "password=sys.argv[2]",
    "password_min_length: 12345678",
    "passwordHash: 5f4dcc3b5aa765d6",
    "Password policy: 8-20 characters, 1 digit",
    "Das Passwort muss 12 Zeichen haben",
    "password reset at 10:30pm",
    "backup --password-file /run/secrets/db1",
    "password: ********",
    "Passwort: <dein Passwort>",
    "password=%PASSWORD1%",
    "password: {{ vault.db1 }}",
    "password = config.db1.password",
    "mysql -h db1 -P 3306 -u root -p shop2024",
    "pass 2 of 3 is done; please pass `check_2d=True` to it",
    "passwords are stored as SHA256-hashes, see RFC2617",
    "密码学 101 is a lecture; パスワードを忘れた",
    '<label for="password">Password</label><input name="password" type="password">',
    "login at 10:30am, logout at 11:00am",
    "password: forgot-password-reset-page",
    "curl -u $USER1:$PASS1 https://x.example",
]


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_finds(text: str, value: str) -> None:
    spans = SECRETS.judge(text, About()).spans
    assert [(text[span.start : span.end], span.category) for span in spans] == [(value, "PASSWORD")]


@pytest.mark.parametrize("text", CLEAN)
def test_leaves_alone(text: str) -> None:
    assert SECRETS.judge(text, About()).spans == ()


@pytest.mark.parametrize(
    ("value", "stripped"), [("a1!.", "a1!"), ("a1)", "a1"), ("a(1)", "a(1)"), ("a1**", "a1"), ("a1)?", "a1")]
)
def test_what_belongs_to_the_sentence(value: str, stripped: str) -> None:
    assert bare(value) == stripped


def test_tokens_of_other_forms() -> None:
    part = "a1B2c3D4e5F6g7H8"
    head = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0"
    jwe = f"{head}..{part}.{part}{part}.{part}"
    assert [jwe[s.start : s.end] for s in SECRETS.judge(jwe, About()).spans] == [jwe]
    for text in (f"Bearer {part}{part}.", f'"Authorization": "Token {part}"', f"bearer%20{part}", f"Bearer: {part}"):
        assert any(part in text[s.start : s.end] and text[s.end - 1] != "." for s in SECRETS.judge(text, About()).spans)
