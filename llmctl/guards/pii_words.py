"""What dates of birth and documents are called in sixteen languages, and how dates are written there. All are RE2."""

# ruff: noqa: RUF001 (other scripts are meant)

BIRTH = (
    r"(?:birth(?:day|date)?|born|\bd\.?o\.?b\b"
    r"|\bgeb(?:oren|urt[a-z]*)?\b|geboorte[a-z]*|\bn[ée]e?(?:\(e\))? (?:le|en)\b"
    r"|naissance|anniversaire|nacimiento|\bnaci(?:d[oa]|ó)?\b|\bnac\.|cumplea[ñn]os|nascita|\bnat[oa] (?:il|a)\b"
    r"|compleanno|nascimento|\bnascid[oa]\b|\bnasc(?:i|eu)\b|\bnasc\.|anivers[áa]rio|urodze[nń][a-z]*|urodzon[a-zy]"
    r"|urodzi[łl][a-z]*|\bur\.|рожден|рождён|родил(?:ся|ась|ся)|\bдр\b|д\.\s?р\.|do[ğg]um|do[ğg]du|出生|生日|生于|生於"
    r"|生年月日|誕生日|生まれ|생년월일|생일|출생|태어|जन्म|ميلاد|مواليد|الولادة|ولد(?:ت)? (?:في|بتاريخ|يوم))"
)
PASSPORT = (
    r"(?:passport|passeport|reisepass|\bpass-?(?:nr|nummer|no)\b|pasaporte?|passaport[eo]|paspoort|paszport|паспорт"
    r"|护照|護照|パスポート|旅券|여권|पासपोर्ट|جواز)"
)
LICENCE = (
    r"(?:driv(?:er|ing)(?:'|\x{2019}|s){0,2} ?(?:licen[cs]e|id)|\bDL\b|f[üu]hrerschein|fahrerlaubnis|permis de conduire"
    r"|(?:licencia|permiso|carn[eé]t?) de (?:conduc|manej)[a-zó]*|patente di guida|\bpatente (?:n|num)"
    r"|(?:carteira|carta) (?:nacional )?de (?:habilita[çc][ãa]o|motorista|condu[çc][ãa]o)|\bcnh\b|rijbewijs"
    r"|praw[oa] jazdy|водительск\p{L}+ (?:удостоверен|прав)\p{L}*|ehliyet|sürücü belgesi"
    r"|驾驶证|驾照|駕照|駕駛執照|驾驶执照"
    r"|運転免許|免許証|운전면허|면허\s?번호|ड्राइविंग लाइसेंस|رخصة (?:ال)?(?:قيادة|سياقة|سواقة))"
)
_MONTHS = (
    "jan|jän|feb|fév|mar|mär|mrz|maa|mrt|apr|avr|abr|may|mai|mei|maj|mag|jun|juin|giu|jul|juil|lug|aug|aoû|aou|ago"
    "|sep|set|oct|okt|out|ott|nov|dec|dez|déc|dic|ene|gen|styc|lut|kwi|cze|lip|sie|wrz|paź|paz|lis|gru|oca|şub|sub|nis"
    "|haz|tem|ağu|agu|eyl|eki|kas|ara|янв|фев|мар|апр|мая|май|июн|июл|авг|сен|окт|ноя|дек|जन|फ़र|फर|मार्च|अप्रै|मई|जून"
    "|जुल|अग|सित|अक्|नव|दिस|يناير|فبراير|مارس|أبريل|ابريل|مايو|يونيو|يوليو|أغسطس|اغسطس|سبتمبر|أكتوبر|اكتوبر|نوفمبر"
    "|ديسمبر|كانون|شباط|آذار|نيسان|أيار|حزيران|تموز|آب|أيلول|تشرين"
)
_MONTH = rf"(?:{_MONTHS})[^\s0-9,]{{0,9}}"
_ORDINAL = r"(?:st|nd|rd|th|er|ère|º|ª|°|\.)?"
_EAST = r"[0-9]{4} ?[年년] ?[0-9]{1,2} ?[月월] ?[0-9]{1,2} ?[日일]?"
_FIGURES = (
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ]{1,2}[0-9]{1,2}[-/. ]{1,2}[0-9]{2,4}"
    r"|[0-9]{4}[-/.] [0-9]{1,2}[-/.] [0-9]{1,2}|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
)
_NAMED = (
    rf"[0-9]{{1,2}}{_ORDINAL}(?: ?(?:of|de|di|do))?[ -]?{_MONTH}(?: de| del| do)?,?[ -][0-9]{{4}}"
    rf"|{_MONTH} [0-9]{{1,2}}{_ORDINAL},? [0-9]{{4}}"
)
DATE = rf"(?:{_EAST}|(?:{_NAMED}|{_FIGURES})\b)"
BORN_THEN = r"(?: ?年?(?:生まれ|出生|生|に生)|생|\s?출생|\s?에 태어|\s(?:года рожд|г\.? ?р|do[ğg]umlu|geboren\b))"
"""What after a date makes it one of birth."""
DATE_OF_BIRTH = rf"(?i){BIRTH}[^0-9]{{0,30}}?({DATE})"
BORN_AFTER = rf"(?i)(?:\A|[^0-9.,/-])({DATE}){BORN_THEN}"
DATE_BEGUN = (
    r"[0-9]{4} ?[年년] ?(?:[0-9]{1,2} ?(?:[月월] ?(?:[0-9]{1,2} ?(?:[日일]\s?(?:에|출)?\s?)?)?)?)?"
    rf"|(?i:[0-9]{{1,2}}{_ORDINAL}(?: (?:of|de|di))? "
    rf"(?:{_MONTH}(?: de| del)?,? ?(?:[0-9]{{1,4}}(?:\s[^\s0-9]{{0,8}}){{0,2}})?)?)"
)
TRIGGER_BIRTH = rf"(?i){BIRTH}|[0-9][日일]?{BORN_THEN}"

NATIONAL_ID = (
    r"(?:national (?:id|identity|insurance)|identity (?:card|number|document)|\baadhaar\b|\bpan (?:no|number|card)"
    r"|personalausweis[a-z]*|ausweisnummer|steuer-?(?:id|nummer|identifikationsnummer)|sozialversicherungsnummer"
    r"|num[ée]ro (?:de s[ée]curit[ée] sociale|fiscal)|s[ée]curit[ée] sociale|carte (?:nationale )?d['’]identit[ée]"
    r"|\bdn[ie]\b|\bni[ef]\b|documento (?:nacional )?de identidad|codice fiscale|carta d['’]identit[àa]|\bcpf\b"
    r"|cart[ãa]o de cidad[ãa]o|identifica[çc][ãa]o fiscal|\bbsn\b|burgerservicenummer|identiteitskaart|\bpesel\b"
    r"|dow(?:ód|odu|od) osobist[a-z]*|инн\b|снилс|удостоверени[ея] личности|kimlik (?:no|numara)|vergi (?:no|numara)"
    r"|身份证|身分證|マイナンバー|個人番号|주민등록번호|주민번호"
    r"|आधार|पैन (?:नंबर|कार्ड)|رقم الهوية|بطاقة الهوية|الرقم القومي)"
)
PHONE = (
    r"电话|手机|電話|携帯|전화|휴대|연락처|телефон|\bтел\b|моб\.|هاتف|جوال|موبايل|फ़ोन|फोन|मोबाइल|t[ée]l[ée]fono"
    r"|celular|cellulare|komórk|telefoon|mobiel|\bcep\b"
)
