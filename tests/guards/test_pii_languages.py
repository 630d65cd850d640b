"""Dates of birth, documents and numbers as other languages name and write them. All values are made up."""

# ruff: noqa: RUF001 (other scripts are meant)

import pytest

from llmctl.guards.base import About
from llmctl.guards.pii import Pii, PiiOptions

PII = Pii(PiiOptions())
FOUND = [
    ("Geburtsdatum: 4. März 1991", "DATE_OF_BIRTH", "4. März 1991"),
    ("Sie ist am 04.03.1991 geboren", "DATE_OF_BIRTH", "04.03.1991"),
    ("née le 4 août 1991 à Lyon", "DATE_OF_BIRTH", "4 août 1991"),
    ("fecha de nacimiento: 4 de marzo de 1991", "DATE_OF_BIRTH", "4 de marzo de 1991"),
    ("nata il 4 giugno 1991", "DATE_OF_BIRTH", "4 giugno 1991"),
    ("nascida em 4 de agosto de 1991", "DATE_OF_BIRTH", "4 de agosto de 1991"),
    ("geboortedatum 04-03-1991", "DATE_OF_BIRTH", "04-03-1991"),
    ("data urodzenia: 4 marca 1991", "DATE_OF_BIRTH", "4 marca 1991"),
    ("дата рождения: 4 марта 1991", "DATE_OF_BIRTH", "4 марта 1991"),
    ("Иванов, 04.03.1991 года рождения", "DATE_OF_BIRTH", "04.03.1991"),
    ("doğum tarihi: 4 Mart 1991", "DATE_OF_BIRTH", "4 Mart 1991"),
    ("出生日期：1991年3月4日，男", "DATE_OF_BIRTH", "1991年3月4日"),
    ("私は1991年3月4日生まれです", "DATE_OF_BIRTH", "1991年3月4日"),
    ("생년월일은 1991년 3월 4일입니다", "DATE_OF_BIRTH", "1991년 3월 4일"),
    ("जन्म तिथि: 4 मार्च 1991", "DATE_OF_BIRTH", "4 मार्च 1991"),
    ("تاريخ الميلاد: ٠٤/٠٣/١٩٩١", "DATE_OF_BIRTH", "٠٤/٠٣/١٩٩١"),
    ("Reisepass C01X00T47", "PASSPORT", "C01X00T47"),
    ("паспорт 45 10 123456", "PASSPORT", "45 10 123456"),
    ("护照号码E12345678，请", "PASSPORT", "E12345678"),
    ("numero di passaporto: YA1234567", "PASSPORT", "YA1234567"),
    ("여권번호 M12345678", "PASSPORT", "M12345678"),
    ("licencia de conducir 12345678Z", "DRIVER_LICENSE", "12345678Z"),
    ("rijbewijs: 5123456789", "DRIVER_LICENSE", "5123456789"),
    ("運転免許証番号は301234567890です", "DRIVER_LICENSE", "301234567890"),
    ("codice fiscale RSSMRA85T10A562S", "NATIONAL_ID", "RSSMRA85T10A562S"),
    ("CPF: 529.982.247-25", "NATIONAL_ID", "529.982.247-25"),
    ("Steuer-ID 65 929 970 489", "NATIONAL_ID", "65 929 970 489"),
    ("身份证号11010519491231002X。", "NATIONAL_ID", "11010519491231002X"),
    ("주민등록번호: 900101-1234568", "NATIONAL_ID", "900101-1234568"),
    ("mail=jo@example.org", "EMAIL", "jo@example.org"),
    ("user_email='jo@example.org'", "EMAIL", "jo@example.org"),
    ("x.example/in?e=jo%40example.org&n=1", "EMAIL", "jo%40example.org"),
    ("_jo@example.org_", "EMAIL", "jo@example.org"),
    ("Write to jo@example.org.Thanks", "EMAIL", "jo@example.org"),
    ("bounce+jo=example.com@list.example.org", "EMAIL", "bounce+jo=example.com@list.example.org"),
    ("card 4111.1111.1111.1111", "CARD", "4111.1111.1111.1111"),
    ("4111_1111_1111_1111 please", "CARD", "4111_1111_1111_1111"),
    ("4111\u00a01111\u20131111\u00a01111", "CARD", "4111\u00a01111\u20131111\u00a01111"),
    ("card: 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "CARD", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    ("卡号4111111111111111已用", "CARD", "4111111111111111"),
    ("카드번호는 4111-1111-1111-1111입니다", "CARD", "4111-1111-1111-1111"),
    ("電話は03-1234-5678です", "PHONE", "03-1234-5678"),
]
CLEAN = [
    "Il tourne le 12.03.2020 son film",
    "4111.1111.1111.1112 has a wrong check digit",
    "读者有1234567890元",
    "the passport office opens at 10:00",
    "a/b, c=d, @home",
    "生日快乐！ 誕生日おめでとう",
]


@pytest.mark.parametrize(("text", "category", "value"), FOUND)
def test_finds(text: str, category: str, value: str) -> None:
    spans = PII.judge(text, About()).spans
    assert [(span.category, text[span.start : span.end]) for span in spans] == [(category, value)]


@pytest.mark.parametrize("text", CLEAN)
def test_leaves_alone(text: str) -> None:
    assert PII.judge(text, About()).spans == ()
