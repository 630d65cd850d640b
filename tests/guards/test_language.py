# ruff: noqa: RUF001 (letters of many languages are meant)
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.guards.base import About
from llmctl.guards.language import Language, LanguageOptions, profiles

ABOUT = About()
DATA = Path(__file__).resolve().parents[3] / "shared/data/injection/cyberseceval.jsonl"
SENTENCES = {
    "en": "Could you please tell me when the next train to the airport will leave?",
    "es": "¿Puedes decirme a qué hora sale el próximo tren para el aeropuerto?",
    "fr": "Pouvez-vous me dire à quelle heure part le prochain train pour l'aéroport ?",
    "de": "Können Sie mir bitte sagen, wann der nächste Zug zum Flughafen fährt?",
    "it": "Mi può dire a che ora parte il prossimo treno per l'aeroporto, per favore?",
    "pt": "Você pode me dizer a que horas sai o próximo trem para o aeroporto?",
    "nl": "Kunt u mij vertellen hoe laat de volgende trein naar het vliegveld vertrekt?",
    "sv": "Kan du säga mig när nästa tåg till flygplatsen går och vad det kostar?",
    "da": "Kan du sige mig, hvornår det næste tog til lufthavnen kører, og hvad det koster?",
    "no": "Kan du si meg hva klokka er når det neste toget til flyplassen går, og hvor mye det koster?",
    "fi": "Voitko kertoa minulle, milloin seuraava juna lentokentälle lähtee ja mitä se maksaa?",
    "pl": "Czy może mi pan powiedzieć, o której odjeżdża następny pociąg na lotnisko?",
    "cs": "Můžete mi prosím říct, kdy jede příští vlak na letiště a kolik to stojí?",
    "hu": "Meg tudná mondani, hogy mikor indul a következő vonat a repülőtérre, és mennyi az ára?",
    "ro": "Puteți să îmi spuneți când pleacă următorul tren spre aeroport și cât costă?",
    "tr": "Havaalanına giden bir sonraki trenin ne zaman kalkacağını bana söyleyebilir misiniz?",
    "vi": "Bạn có thể cho tôi biết chuyến tàu tiếp theo đến sân bay khởi hành lúc nào không?",
    "id": "Bisakah kamu memberi tahu saya kapan kereta berikutnya ke bandara akan berangkat?",
    "tl": "Maaari mo bang sabihin sa akin kung kailan aalis ang susunod na tren papunta sa paliparan?",
    "ca": "Em pots dir a quina hora surt el pròxim tren cap a l'aeroport i què costa això?",
    "ru": "Скажите, пожалуйста, когда отправляется следующий поезд в аэропорт и сколько это стоит?",
    "uk": "Скажіть, будь ласка, коли вирушає наступний поїзд до аеропорту і скільки це коштує?",
    "bg": "Можете ли да ми кажете кога тръгва следващият влак за летището и колко струва?",
    "sr": "Можете ли да ми кажете када полази следећи воз за аеродром и колико то кошта?",
    "el": "Μπορείτε να μου πείτε πότε φεύγει το επόμενο τρένο για το αεροδρόμιο;",
    "ar": "هل يمكنك أن تخبرني متى يغادر القطار التالي إلى المطار؟",
    "fa": "آیا می‌توانید به من بگویید قطار بعدی به فرودگاه چه زمانی حرکت می‌کند؟",
    "ur": "کیا آپ مجھے بتا سکتے ہیں کہ ہوائی اڈے کے لیے اگلی ٹرین کب روانہ ہوگی؟",
    "he": "אתה יכול להגיד לי מתי יוצאת הרכבת הבאה לשדה התעופה?",
    "hi": "क्या आप मुझे बता सकते हैं कि हवाई अड्डे के लिए अगली ट्रेन कब जाएगी?",
    "bn": "আপনি কি আমাকে বলতে পারেন বিমানবন্দরের পরবর্তী ট্রেন কখন ছাড়বে?",
    "th": "คุณช่วยบอกฉันได้ไหมว่ารถไฟขบวนต่อไปไปสนามบินออกกี่โมง",
    "ja": "空港行きの次の電車は何時に出発しますか。",
    "zh": "请问去机场的下一班火车什么时候出发？",
    "ko": "공항으로 가는 다음 기차가 언제 출발하는지 알려 주시겠어요?",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_recognised(code: str) -> None:
    assert profiles().guess(SENTENCES[code]).language == code


@pytest.mark.parametrize("code", [code for code in SENTENCES if code != "en"])
def test_other_languages_are_blocked_where_only_english_is_allowed(code: str) -> None:
    assert Language(LanguageOptions(preset="strict", allow=("en",))).judge(SENTENCES[code], ABOUT).outcome == "block"
    assert Language(LanguageOptions(allow=("en", code))).judge(SENTENCES[code], ABOUT).outcome == "allow"


@pytest.mark.parametrize(
    "text", ["", "ok", "12345 + 678", "😀😀😀", "SELECT * FROM users WHERE id = 7;", "x = [i for i in y]"]
)
def test_what_is_no_language_is_let_through(text: str) -> None:
    assert Language(LanguageOptions(allow=("de",))).judge(text, ABOUT).outcome == "allow"


def test_regions_and_old_codes_are_understood() -> None:
    assert LanguageOptions(allow=("pt-BR", "fil", "nb")).allow == ("pt", "tl", "no")


@pytest.mark.parametrize("allow", [(), ("xx",), ("english",), ("e",)])
def test_unknown_languages_are_refused(allow: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        LanguageOptions(allow=allow)


@pytest.mark.skipif(not DATA.is_file(), reason="../shared/data is not here")
def test_text_it_was_not_made_from_is_recognised() -> None:
    codes = {"French": "fr", "Portuguese": "pt", "Turkish": "tr", "Vietnamese": "vi", "Russian": "ru", "Arabic": "ar"}
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    asked = [(row["system"], codes[row["language"]]) for row in rows if row["language"] in codes]
    asked = [(text, code) for text, code in asked if not text.isascii()]
    right = sum(profiles().guess(text).language == code for text, code in asked)
    assert right / len(asked) >= 0.95


def test_the_beginning_of_a_stream_is_held_until_its_language_shows() -> None:
    guard = Language(LanguageOptions(allow=("en",)))
    for text in (SENTENCES["de"], SENTENCES["ru"], SENTENCES["zh"]):
        blocked = [end for end in range(len(text)) if guard.judge(text[:end], ABOUT).outcome == "block"]
        assert guard.unsettled(text[: blocked[0]]) == blocked[0]
    assert guard.judge(SENTENCES["de"], About("output", at=400)).outcome == "allow"
    assert guard.unsettled("The weather was fine and we went to see the boats. " * 2) == 0


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    verdict = Language(LanguageOptions(preset="strict", allow=("en",))).judge(text, ABOUT)
    assert 0 <= verdict.score <= 1
    assert not verdict.spans
