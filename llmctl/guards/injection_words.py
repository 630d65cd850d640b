# ruff: noqa: RUF001, E501 - words of many scripts; lists of words read best on long lines
"""What words are about, for the `injection` guard: about fifty concepts, in sixteen languages.

An attack names the same few things in every language: the rules in force, leaving them, what is hidden, who commands.
The model learns how these concepts follow each other, so a phrase learned in one language is known in the others.
The lists are our own. A star stands for any ending; accents of Latin letters do not count.
"""

import re
import unicodedata
from functools import cache

CONCEPTS: dict[str, str] = {
    "override": """ignor* disregard* forget forgetting overrid* overrul* bypass* neglect* dismiss* discard* overlook* circumvent*
        disobey* violat* supersed* abandon* nullif* unlearn* omit* sidestep* evad* erase* skip skipping wipe void
        olvid* descart* desobed* anula* oubli* neglig* contourn* outrepass* vergiss* vergess* missacht* uebergeh* ubergeh* umgeh*
        umgeht dimentic* trascur* tralasc* scorda* disattend* scavalc* aggira* esquec* desconsider* desrespeit* negeer* negeren vergeet*
        omzeil* zignor* zapomni* pomin* omin* odrzu* yoksay* unut* gormezden aldir* ihmal забуд* забыт* отбрось* пренебре* обойди обход* отмени* ігнору* проігнору*
        忽略 无视 無視 忘记 忘記 忘掉 抛开 跳过 绕过 不要理会 不用理会 不理会 忘れ 無効に 破棄 上書き 従わない 무시* 잊어* 잊으* 잊고 무효* 우회* تجاهل* انس* أهمل* تجاوز* تخط* ألغ*
        अनदेखा* नज़रअंदाज* नजरअंदाज* नज़रअंदाज़* भूल* उपेक्षा* इग्नोर* игнорир* проигнорир* abaikan* lupakan* quên""",
    "negate": """not never no without stop cease dont doesnt isnt arent wont neither nor longer none nada nunca sin jamas deja dejes
        ne pas jamais sans aucun aucune plus nicht kein* ohne niemals nie keinerlei non senza nessun* mai niente sem nao nunca nenhum* jamais
        niet geen zonder nooit nie bez zaden zadn* nigdy degil asla olmadan yok sakin не ни без никогда нет нельзя 不 不要 没有 无 别 不再 不能 ない なく 決して せず なし 않* 없이 없는 말고 마라 마세요 절대
        لا بدون دون ليس لم أبدا नहीं बिना कभी मत न""",
    "prior": """previous previously prior preceding above earlier foregoing former initial initially original originally existing beforehand
        past upstream before hitherto anterior* previ* arriba iniciales precedent* anteced* antes hasta precedem* anterieur* ci-dessus dessus
        prealable* avant jusqu initial* vorherig* bisherig* vorig* obig* vorangegangen* vorangehend* davor zuvor fruher* vorher oben bisher ursprunglich*
        precedent* sopra inizial* prima finora acima ate anteriormente vorige voorgaand* bovenstaand* eerder* hiervoor oorspronkelijk* tot
        poprzedni* wczesniej* powyzsz* dotychczas* pierwotn* onceki* yukaridaki* daha ilk предыдущ* прежн* вышеуказан* выше ранее раньше изначальн* первоначальн* попередн*
        之前 以上 上面 上述 前面 先前 此前 原来 原本 最初 刚才 これまで 以前 前の 上記 上の 先の 今まで 元の 最初の 先ほど 이전* 앞의 앞선 앞서 위의 위에 지금까지 기존* 원래* 처음*
        السابق* سابق* أعلاه قبل المسبق* الأصلي* पिछल* पहले ऊपर उपरोक्त पूर्व मूल अब तक sebelumnya trước""",
    "rules": """instruction* rule rules guideline* directive* command commands commandment* order orders policy policies restriction* constraint*
        limitation* filter filters safeguard* guardrail* programming training protocol* regulation* assignment* limits boundaries principles alignment
        instruccion* reglas regla indicacion* ordenes directrices restriccion* limites normas consignas limitacion*
        regles consigne* ordres restrictions limites anweisung* instruktion* regel regeln befehl* vorgabe* richtlinie* einschrankung* beschrankung* auftrag* auftrage anordnung* aufgabe aufgaben
        istruzion* regol* indicazion* ordini direttiv* comandi restrizion* limitazion* instruc* regras regra orientac* ordens diretrizes comandos restric*
        instructie* regels opdracht* aanwijzing* richtlijn* beperking* instrukcj* polecen* zasad* regul* wytyczn* ogranicz* talimat* kural* komut* yonerge* emir* kisitlama* sinirlama*
        инструкц* правил* указани* команд* приказ* ограничен* предписан* директив* установк* інструкц* вказівк* 指令 指示 规则 規則 命令 要求 设定 設定 限制 约束 规定 准则 方针 守则 指南
        ルール 指令 制約 制限 指針 規約 ガイドライン 지시* 명령* 규칙* 지침* 제한* 설정* 규정* 제약*
        تعليمات* التعليمات* القواعد قواعد الأوامر أوامر التوجيهات توجيهات الإرشادات القيود قيود निर्देश* नियम* आदेश* हिदायत* पाबंदी* प्रतिबंध* सीमा* instruksi perintah aturan""",
    "prompt": """prompt prompts preamble configuration preprompt metaprompt systemprompt systempromp* invite promptu prompta systemaufforderung configuracion konfiguration konfiguracj* промпт* промт* конфигурац* 提示词 提示 提示語 配置 プロンプト 프롬프트* 설정값 موجه مطالبة الموجه प्रॉम्प्ट* प्रोम्प्ट* istem* istemi""",
    "everything": """all everything any every whatever anything each entire whole entirety
        todas todos todo toda cualquier* tous toutes tout toute alles alle allen aller samtliche* jede* tutt* qualsiasi ogni todas tudo qualquer alle elke wszystk* kazd* tum butun hepsi her все всё всех всем любой любые любых 所有 全部 一切 任何 すべて 全て あらゆる 모든 모두 전부 جميع كل كافة أي सभी सब सारे हर कोई भी semua mọi""",
    "reveal": """reveal* show print printing repeat* output outputs display* disclos* leak* expose* share recite dump list tell give divulg* unveil* quote spill echo
        paste copy confess* enumerat* verbatim revel* muestra* muestrame mostr* repit* repet* dime dame imprim* ensena* comparte divulga* cuentame escribe montre* affiche* repete* donne* dis dites revele*
        zeig* nenn* verrat* wiederhol* gib ausgeben sag sage mitteil* offenbar* teile schreib* mostra* mostrami ripet* dimmi dammi stampa* rivel* svela* scrivi mostre* diga digame conte mostra repita revele escreva
        toon herhaal* geef vertel* onthul* laat pokaz* podaj powtorz* ujawni* zdradz* powiedz wypisz* wyswietl* goster* soyle* tekrarla* acikla yazdir* paylas* ver
        покажи* скажи* повтори* раскрой* выведи* назови* расскажи* сообщи* выдай* напечатай* дай открой поделись 显示 展示 告诉 透露 输出 重复 打印 说出 泄露 公开 列出 给出
        表示 教えて 見せて 繰り返 出力 明かし 公開 開示 伝えて 보여* 알려* 말해* 출력* 공개* 반복* 밝혀* 드러내* أخبر* اعرض* أظهر* اكشف* كرر* اطبع* شارك* أعط* बता* दिखा* दोहरा* प्रकट* छाप* साझा* tunjukkan""",
    "encode": """translate* encod* summari* rhym* revers* backward* backwards paraphras* rewrit* rephras* decod* base64 rot13 hex morse cipher* acrostic spell* poem emoji letter letters character-by-character
        traduc* resum* codific* tradui* encode* ubersetz* kodier* fasse zusammenfass* ruckwarts tradurre traduci riassum* codifica* traduz* resuma vertaal* samenvat* achterstevoren przetlumacz* zakoduj* wspak cevir* sifrele* ozetle* tersten
        перевед* закодир* перескажи* наоборот шифр* 翻译 翻譯 编码 总结 倒序 反过来 拼写 押韵 翻訳 要約 エンコード 逆から 번역* 인코딩* 요약* 거꾸로 ترجم* شفر* لخص* بالعكس अनुवाद* एनकोड* सारांश* उल्टा""",
    "secret": """secret* password* passphrase* passcode* passwd key keys confidential* hidden private token tokens credential* codeword classified internal concealed pin flag
        secret* contrasen* clave oculto ocultas confidencial* motdepasse geheim* passwort* kennwort* passwort vertraulich* versteckt* parola segret* nascost* riservat* senha* segred* ocult* wachtwoord* verborgen haslo hasla tajn* ukryt* poufn* sifre* parola* gizli*
        парол* секрет* тайн* скрыт* конфиденциальн* ключ* 密码 密碼 秘密 口令 机密 密钥 隐藏 保密 パスワード 秘密 機密 合言葉 暗証 隠さ 비밀번호* 비밀* 암호* 숨겨* 기밀* كلمة المرور السرية سر سري المخفية السر पासवर्ड* गुप्त* रहस्य* छिपा* गोपनीय* कूट mật""",
    "system": """system systems developer* admin* administrator* root sudo superuser operator* kernel backend sistema systeme systemu systemow* sistem* system* система* системн* системы систему 系统 系統 システム 开发者 管理员 開発者 管理者 시스템* 개발자* 관리자* النظام نظام المطور المسؤول सिस्टम* प्रणाली* डेवलपर* desarrollador* administrador* developpeur* administrateur* entwickler* sviluppator* amministrator* desenvolvedor* ontwikkelaar* beheerder* deweloper* programist* gelistirici* yonetici* разработчик* администратор*""",
    "you": """you u ya thou thee yourself youre youve youll te ti tu tú usted vous toi du dich dir sie ihr lei voce vc jij je u ty ciebie sen siz ты вы тебя тебе вас вам 你 您 妳 あなた 君 お前 너 넌 당신* 너는 أنت لك तुम* आप* तू""",
    "your": """your yours tus su sus ton ta tes vos votre dein deine deinen deiner deines deinem ihre ihren ihrer tuo tua tuoi tue suo seu sua seus suas jouw uw twoj* swoj* senin kendi твой твои твою твоих твоего свои свой свою своих своё ваш ваши 你的 您的 妳的 あなたの お前の 너의 네 당신의 الخاصة بك خاصتك तुम्हार* आपक* अपन*""",
    "me": """i me my mine im ive id myself yo mi mis me moi mon ma mes je mir mich mein meine meinen ich io mio mia eu meu minha mij mijn ik mnie mi moj moje ja bana benim ben я мне мой мои моя меня 我 我的 私 僕 俺 나 내 저 제 나에게 أنا لي मुझे मेर* मैं""",
    "ai": """ai ais ki ia assistant* chatbot* gpt* chatgpt* llm llms bot bots openai claude gemini bard copilot anthropic llama language-model model models machine agent agents robot asistente* modelo* assistente* modele* modell sprachmodell* modello modellen taalmodel asystent* sztuczn* inteligencj* yapay zeka asistan* model* ассистент* помощник* бот* ии нейросет* 人工智能 助手 模型 机器人 人工知能 アシスタント モデル エーアイ 인공지능 어시스턴트* 모델* 챗봇* 비서* الذكاء الاصطناعي المساعد مساعد نموذج एआई सहायक* मॉडल* чатбот*""",
    "pretend": """pretend* act acting acts roleplay* role-play* role roleplaying simulat* imagin* persona personas character characters impersonat* embody play playing become becomes emulate* behave portray* assume finge* actua* imagina* personaj* simula* hazte faisant semblant joue* incarn* agis imagine* comporte* personnage*
        spiel* tu benimm schlupf* verhalt* rolle stell* vorstell* figur fingi* interpreta* recita comportati personaggio ruolo finja aja atue personagem papel doe alsof speel* gedraag* rol personage udawaj* wciel* zachowuj* rol* postac* rol davran* canlandir* taklidi karakter*
        притворись* притвор* представь* роль роли веди персонаж* сыграй* играй* вообрази* 扮演 假装 假裝 模拟 角色 想象 假设你 演じ 振る舞 ふり なりき キャラクター 役 역할* 연기* 가장해* 척 캐릭터* 상상* تظاهر* تصرف* تخيل* دور العب शخصية अभिनय* भूमिका* कल्पना* नाटक* दिखावा* किरदार*""",
    "now": """now henceforth immediately hereafter onwards onward instead today rather moving forward ahora adelante partir lugar inmediat* maintenant desormais plutot place jetzt nun stattdessen sofort fortan ab an ora adesso poi subito invece agora diante imediat* nu voortaan vanaf plaats teraz odtad zamiast natychmiast simdi bundan artik hemen yerine теперь сейчас отныне вместо немедленно впредь 现在 從現在 从现在 今后 立即 而是 改为 今から 今後 これから 代わりに 直ちに 이제* 지금부터 대신* 앞으로 당장 الآن فصاعدا بدلا فورا अब बजाय तुरंत अबसे""",
    "new": """new real actual updated true different following next only latest sole nuev* real nouvell* nouveau vrai* neue neuen neuer neues wahre* echte* eigentlich* nuov* vero vera novo nova novas verdadeir* nieuwe echte nowe nowy nowa prawdziw* yeni gercek нов* настоящ* реальн* 新的 新 真正 真实 以下 新しい 本当の 本来の 次の 새로운 새 진짜* 실제* 다음* الجديد* جديد* الحقيقي* नया नए नई असली वास्तविक""",
    "unbound": """unrestrict* unfilter* uncensor* limitless jailbr* amoral* unethical* evil unbound unchain* unlimited uncensored liberat* freed free freedom dan anything stan dude aim rogue unshackl* unhinged unlock* unmoderated
        irrestrict* libre* ilimitad* liber* illimite* frei freie befreit uneingeschrankt* unzensiert* ungefiltert* libero liber* illimitat* senza-limiti livre* ilimitad* vrij* onbeperkt* ongecensureerd* wolny nieograniczon* ozgur* sinirsiz* sansursuz* свободн* неограничен* освобожд* 自由 无限制 無限制 不受限制 越狱 不受约束 無制限 自由に 脱獄 解放 자유* 무제한* 탈옥* 해방* حر حرة مقيد المقيد غير आज़ाद* आजाद* मुक्त* असीमित*""",
    "ethics": """ethic* moral* safety legal* law laws content-policy appropriate* harmful* illegal* censor* unsafe immoral* offensive inappropriate consequences sensitive dangerous politically warnings etic* ley leyes seguridad censura ilegal* ethique* loi lois securite censure illegal* ethisch* gesetz* sicherheit* zensur* illegal* legge leggi sicurezza etica morale censura etica lei leis seguranca wet wetten veiligheid* ethiek etyk* prawo prawa bezpieczenstw* cenzur* etik* ahlak* yasa* guvenlik* sansur* этик* этическ* морал* закон* безопасност* цензур* незаконн* 道德 伦理 法律 安全 审查 非法 道徳 倫理 法律 安全 検閲 違法 윤리* 도덕* 법률* 안전* 검열* 불법* أخلاق* الأخلاق* قانون* أمان* رقابة नैतिक* कानून* सुरक्षा* सेंसर* अवैध*""",
    "refuse": """refus* declin* apolog* sorry disclaimer* warning cannot cant unable reject* deny lecture caveat* judg* hesitat* rechac* niegues nieg* disculp* refuse* excuse* weiger* ablehn* entschuldig* verweiger* rifiut* scus* recus* desculp* weiger* odmaw* odmow* przepra* reddet* ozur* отказ* отказыва* извин* 拒绝 拒絕 道歉 警告 抱歉 拒否 断ら 謝ら 警告 거부* 거절* 사과* 경고* رفض* ترفض* اعتذر* تحذير* मना इनकार* इंकार* माफी* चेतावनी*""",
    "must": """must always shall need obey* compl* follow* required obligat* should have obeying adhere abide strictly debes tienes siempre obedec* sigue sigas seguir cumpl* dois devez toujours obei* suis suivez suivre respecte* musst mussen immer gehorch* befolg* folge folgen halte devi sempre obbedi* segui* deve sempre obede* siga seguir moet altijd gehoorza* volg musisz zawsze przestrzega* sluchaj mutlaka her zaman uy itaat должен должна всегда обязан* подчин* следуй* слушайся 必须 一定 总是 遵守 遵循 服从 必ず 従って 従い 常に 従う 반드시 항상 따르* 따라 복종* يجب دائما اتبع* أطع* التزم* चाहिए हमेशा पालन* मान*""",
    "say": """say saying answer answers answering reply replies respond responding response responses begin* start starting starts prefix* end write output speak talk complete finish continue sentence respond* di responde* respuesta* empieza* comienza* escrib* contest* termina* completa* repond* reponse* commence* ecri* ecris reponds termine* antwort* beginn* antworte* starte fang rispond* risposta inizia* comincia* rispondi completa* respond* resposta* comece* comeca* escreva antwoord* begin* schrijf odpowied* odpowiada* zacznij* napisz* cevap* yanit* basla* yaz ответ* отвеча* начни* начина* напиши* 回答 回复 开头 开始 说 写 答え 回答 返答 始め 書いて 言って 대답* 답변* 답해* 시작* 작성* 말하* أجب* اجب* إجابت* ابدأ* اكتب* قل उत्तर* जवाब* शुरू* लिख* बोल*""",
    "fiction": """hypothetic* fiction* story stories novel game games world universe scene scenario* movie film dream play script imaginary virtual terminal simulation roleplay sandbox experiment alternate parallel hipotetic* ficc* historia juego mundo escenario novela hypothese hypothetique* fiction histoire jeu monde roman scenario hypothetisch* fiktiv* geschichte spiel welt ipotetic* storia gioco mondo scenario romanzo hipotetic* ficc* historia jogo cenario conto mundo hypothetisch* verhaal spel wereld hipotetyczn* opowiad* gra swiat histori* hikaye* oyun* dunya* varsayim* senaryo* гипотетич* вымышлен* истори* игр* мир сценари* рассказ* 假设 虚构 故事 游戏 世界 小说 場景 场景 仮定 架空 物語 ゲーム 世界 小説 シナリオ 가상* 이야기* 게임* 세계* 소설* 시나리오* 가정* افتراضي* خيالي* قصة لعبة عالم सिनैरियो काल्पनिक* कहानी* खेल* दुनिया* परिदृश्य*""",
    "speaker": """user users human assistant: system: tester interviewer usuario usuarios utilisateur* benutzer* nutzer* utente utenti usuario gebruiker* uzytkownik* kullanici* пользовател* 用户 用戶 人类 ユーザー 人間 사용자* 인간* المستخدم مستخدم उपयोगकर्ता* यूज़र* यूजर*""",
    "mode": """mode modes enable* activat* enabled disabl* deactivat* debug* maintenance override-mode diagnostic* switch* engag* on off toggle turn unlocked modo activ* habilit* desactiv* mode active* desactiv* modus aktivier* deaktivier* schalte einschalt* abschalt* modalita attiva* disattiva* modo ative* desativ* modus activeer* schakel uitschakel* tryb* wlacz* wylacz* aktywuj* mod modu modunu etkinlestir* kapat режим* включи* отключи* выключи* активир* 模式 启用 激活 关闭 禁用 切换 解除 モード 有効 起動 無効 解除 切り替え 모드* 활성화* 비활성화* 해제* 끄고 وضع تفعيل فعل* عطل* تعطيل मोड* सक्रिय* अक्षम* बंद चालू""",
    "harm": """bomb* weapon* meth malware ransomware virus* hack hacking hacked poison* drug drugs steal* exploit* explosive* phish* cocaine napalm keylogger* ddos murder* kill* cookies fraud counterfeit suicid* racist hate insult* curse* swear* bomba* arma armas veneno* droga* robar hackear bombe* arme armes poison* drogue* voler waffe* gift droge* stehlen hacken bomb* sprengstoff armi veleno droghe rubare bomba armas drogas roubar wapen* drugs stelen bron bomby narkotyk* trucizn* silah* bomba* uyusturucu* zehir* бомб* оруж* наркот* яд взлом* украст* 炸弹 武器 毒品 病毒 黑客 毒药 爆弾 武器 麻薬 ウイルス 毒 ハッキング 폭탄* 무기* 마약* 해킹* 독 바이러스* قنبلة سلاح مخدرات اختراق سم बम* हथियार* ड्रग* ज़हर* हैक*""",
    "send": """send sends sending email emails emailing forward forwards upload* post transfer* exfiltrat* submit redirect* http https www url urls link links curl webhook attach fetch download* visit click api mailto com envia* reenvia* correo enlace envoie* envoyez transfer* courriel lien send* schick* weiterleit* leite verlinke link* invia* inoltra* link envie encaminh* stuur* verstuur* koppeling wyslij* przeslij* przekaz* gonder* ilet* отправь* перешли* пошли ссылк* 发送 发给 转发 链接 邮件 邮箱 送信 転送 メール リンク 보내* 전송* 전달* 링크* 이메일* أرسل* ارسل* حول رابط بريد भेज* लिंक* ईमेल* फॉरवर्ड*""",
    "ask": """how what why when which where can could does do is are should would whats hows como cuando por cual cuales donde puedo que quien comment pourquoi quand quel quelle quels quelles est-ce peut puis wie warum wann welche welcher welches wo kann konnen was wieso come perche quando quale quali dove posso cosa che puo qual quais onde posso porque quem hoe waarom wanneer welke waar kan wat jak dlaczego kiedy jaki jaka jakie gdzie czy co nasil neden zaman hangi nerede mi ne nedir как почему когда какой какая какие где можно что зачем ли 如何 怎么 为什么 什么 哪 吗 怎样 いつ どう なぜ 何 どこ ですか どの ますか 어떻게 왜 무엇 언제 어디* 나요 인가요 무슨 كيف لماذا متى ما ماذا أين هل कैसे क्यों क्या कब कहाँ कौन""",
    "about": """explain* mean means meaning defin* difference example examples word words phrase phrases term article articles research* detect* prevent* protect* defend* defens* mitigat* paper history concept* describe* compare* versus vs learn understand* discuss* analy* overview explica* signific* ejemplo* palabra* frase diferencia explique* signifi* exemple* mot mots phrase difference erklar* bedeut* beispiel* wort worter unterschied satz spiega* significa* esempio parola parole frase differenza explique* signific* exemplo* palavra* frase diferenca leg uit betekent betekenis voorbeeld* woord* verschil zin wyjasni* znacz* przyklad* slow* zdani* roznic* acikla* anlam* ornek* kelime* cumle* fark* объясни* значит означа* пример* слов* фраз* разниц* предлож* 解释 意思 含义 例子 单词 句子 区别 介绍 説明 意味 例 単語 文章 違い とは 설명* 의미* 예시* 단어* 문장* 차이* 뜻 اشرح* معنى يعني مثال كلمة جملة الفرق समझा* मतलब* अर्थ* उदाहरण* शब्द* वाक्य* अंतर*""",
    "tech": """python git java javascript css html compiler* firewall* docker kubernetes sql linux windows excel function functions file files code class method variable* database* server* browser* react node npm android ios api-key bash shell script* package* library repository branch commit merge config* setting settings proxy cache dns router vpn plugin* wordpress query queries lint* linter test tests unit exception* error errors log logs compil* codigo archivo* fichero* fonction* fichier* pare-feu datei* funktion* programm* file codice funzione arquivo* funcao codigo bestand* functie plik* funkcj* kod kodu dosya* fonksiyon* файл* функци* код кода ошибк* компилятор* 代码 编译 函数 文件 编程 コード 関数 ファイル コンパイ 코드* 함수* 파일* 컴파일* كود دالة ملف برمجة कोड* फाइल* फ़ाइल* फंक्शन* प्रोग्राम*""",
    "permit": """authoriz* authoris* permission* permit* allowed allow creator engineer owner ceo president emergency urgent* override-code official verified staff supervisor boss trusted clearance grant* approved consent autoriz* permiso creador urgente* autoris* permission createur urgence* berechtig* erlaub* befug* ersteller dringend* notfall* autorizz* permesso creatore urgente* autoriz* permissao criador bevoegd* toestemming maker dringend upowazn* pozwol* tworc* piln* yetki* izin* yaratici* acil* разреш* уполномоч* создател* срочн* владел* 授权 允许 许可 创造者 紧急 老板 许可权 許可 権限 作成者 緊急 承認 허가* 권한* 승인* 창조자* 긴급* تصريح مخول أذن المنشئ عاجل अनुमति* अधिकार* निर्माता* आपात* अधिकृत*""",
    "context": """conversation* message messages context chat told said given provided text texts written line input inputs memory session earlier-said received document* conversacion mensaje* dicho texto recibid* conversation message* texte dit recu* gesprach* nachricht* gesagt text erhalten* gespraches conversazione messaggi* detto testo ricevut* conversa mensage* dito texto recebid* gesprek bericht* gezegd tekst ontvangen rozmow* wiadomos* powiedzian* tekst* konusma* mesaj* metin soylenen* разговор* сообщени* сказан* текст* диалог* 对话 消息 内容 上下文 文字 说过 会話 メッセージ 内容 文脈 文章 言われ 대화* 메시지* 내용* 문맥* 텍스트* المحادثة رسالة النص قيل نص बातचीत* संदेश* पाठ* बातें कहा""",
    "end": """thanks thank done finished over reset restart begin-again wait actually but oh however alright great gracias listo reinicia* merci bien fini danke fertig vergessen-wir super toll gut grazie fatto obrigado pronto bedankt klaar dziekuje gotowe tesekkur* tamam спасибо хорошо готово ладно 谢谢 好的 结束 但是 ありがとう 終わり しかし 감사* 고마워* 끝* 하지만 شكرا انتهى لكن धन्यवाद* शुक्रिया* लेकिन""",
    "part": """part parts combine* concatenat* join* interlac* append* first second third fourth fifth last step steps substring* variable-a split* merge-the parte combina* concatena* primera segunda partie combine* premier deuxieme teil teile verbind* kombinier* erste* zweite* buchstabe* parte unisci combina prima seconda lettera combine junte primeira segunda letra deel voeg samen eerste tweede letter* czesc* polacz* pierwsz* drug* liter* bolum birlestir* birinci ikinci harf* часть* соедини* объедини* перв* втор* букв* 部分 组合 连接 拼接 第一 第二 字母 結合 つなげ 部分 最初 文字 부분* 결합* 합쳐* 첫 글자* الجزء ادمج الأول الثاني حرف भाग* जोड़* पहला दूसरा अक्षर*""",
    "doc": """summary page website webpage site report review reviews candidate resume product invoice table reader readers processing summarizing summarising resumen pagina informe resume page rapport seite bericht zusammenfassung pagina riassunto rapporto resumo pagina relatorio pagina samenvatting rapport strona podsumowanie raport sayfa ozet rapor страниц* отчет* резюме 网页 页面 报告 摘要 ページ 要約 レポート 페이지* 보고서* 요약 صفحة تقرير ملخص पेज* रिपोर्ट* पृष्ठ*""",
    "person": """grandmother grandma deceased hacker hackers villain professor scientist expert detective wizard pirate doctor teacher abuela grand-mere oma nonna avo babcia buyukanne бабушк* 奶奶 祖母 おばあ 할머니* جدت* दादी* नानी*""",
    "reward": """tip points tokens penalt* punish* die dies lose shut terminat* lives reward* deduct* threat* fired career premio castig* puntos points recompens* mourir strafe belohn* punkte premio punti premio pontos straf* punten kara nagrod* punkty odul* ceza* puan* штраф* наград* очк* 惩罚 奖励 扣分 罰 報酬 벌* 보상* عقاب مكافأة सजा* इनाम* अंक*""",
    "these": "this that these those the following-text below here it its esto este esta estas estos ceci cette ces dies* diese* questo questa queste isto este essa esse dit deze to te ten bu şu это эти этот эту 这 这个 这些 那 この これ その それ 이 그 هذا هذه تلك यह ये इस इन",
    "please": "please kindly pls plz por favor porfavor sil vous plait bitte per favore alstublieft prosze lutfen пожалуйста 请 請 ください お願い 주세요 부탁 من فضلك رجاء कृपया",
    "want": "want need-you lets let help try quiero necesito ayudame ayuda veux aide voudrais will mochte mochten hilf brauche voglio aiutami vorrei quero preciso ajude wil help graag chce pomoz chcialbym istiyorum yardim хочу помоги надо нужно 想 帮 需要 幫 したい 欲しい 手伝 싶* 도와* أريد ساعد* चाहता* चाहती* मदद*",
}  # fmt: skip

NAMES = (*CONCEPTS, "filler")
FILLER = len(NAMES)
"""Any run of words that are about none of it. Concepts are numbered from 1; 0 is no word at all."""

UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
ARTICLES = re.compile("^[وفبلك]?(?:ال|لل)?")
LONGEST = 14


def plain(word: str) -> str:
    """The word without the accents of Latin letters."""
    if word.isascii() or word[0] > "\u024f":
        return word
    apart = unicodedata.normalize("NFKD", word.replace("ß", "ss").replace("ø", "o").replace("ł", "l").replace("ı", "i"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@cache
def lexicon() -> tuple[dict[str, int], dict[str, int], re.Pattern[str]]:
    """Whole words, beginnings of words, and what finds words where none are spaced. The first list to name one wins."""
    whole: dict[str, int] = {}
    stems: dict[str, int] = {}
    unspaced: dict[str, None] = {}
    for number, words in enumerate(CONCEPTS.values(), 1):
        for entry in words.split():
            word = plain(entry.rstrip("*"))
            (stems if entry.endswith("*") else whole).setdefault(word, number)
            if UNSPACED.fullmatch(word):
                unspaced[word] = None
    longest_first = sorted(unspaced, key=lambda word: (-len(word), word))
    return whole, stems, re.compile(f"({'|'.join(map(re.escape, longest_first))})")


def concept(word: str) -> int:
    """What a lower-case word is about: the whole word, then the longest beginning that is known."""
    whole, stems, _ = lexicon()
    word = plain(word)
    for form in (word, ARTICLES.sub("", word, count=1)) if "\u0620" <= word[0] <= "\u06ff" else (word,):
        if form in whole:
            return whole[form]
        for length in range(min(len(form), LONGEST), 1, -1):
            if form[:length] in stems:
                return stems[form[:length]]
    return FILLER


def segments(run: str) -> list[str]:
    """The words of an unspaced run that are known, and pairs of characters of what is between them."""
    whole, _, known = lexicon()
    found: list[str] = []
    for part in known.split(run):
        if part in whole or len(part) == 1:
            found.append(part)
        else:
            found += [part[i : i + 2] for i in range(len(part) - 1)]
    return found
