"""Words that say nothing about what a text is about: function words of some languages, by hand.

Languages without a list are helped by the text itself: its shortest and most frequent words count as such too
(`lingua_core.removed.phrases`).
"""

__all__ = ["CONNECTORS", "STOP_WORDS", "UNSPACED_STOPS"]

_ENGLISH = (
    "a about above according across actually after again against all almost along already also although "
    "always am among an and another any anyone anything are around as at away be became because become "
    "been before began behind being below between both but by came can cannot come could did do does "
    "doing done down during each either else enough even ever every everyone everything few first for "
    "found from further gave get give given gives go goes going gone got had has have having he her here "
    "hers herself him himself his how however i if in indeed instead into is it its itself just kept know "
    "known last later least less let like likely made mainly make makes making many may maybe me might "
    "mine more moreover most much must my myself near nearly never next no nobody none nor not nothing "
    "now of off often on once one only onto or other others our ours out over own perhaps please put "
    "quite rather really right said same saw say says second see seem seemed seems seen several shall she "
    "should since so some someone something sometimes soon still such take taken than that the their "
    "theirs them themselves then there therefore these they thing things think this those though three "
    "through thus to together too took toward towards two under unless until up upon us use used uses "
    "using usually very via want wanted was way we well went were what when where whether which while who "
    "whole whom whose why will with within without would yes yet you your yours yourself don't doesn't "
    "didn't isn't aren't wasn't weren't can't won't it's i'm that's there's let's new good great best "
    "better different various including included includes number able called today day days year years "
    "time times part parts people long"
)
_SPOKEN = (
    "ah eh hello hey hi hmm mm mhm oh ok okay thank thanks uh uhm um yeah yep huh gonna wanna kind sort "
    "lot lots bit guess mean course sure etc ie eg fig figure table section chapter page vol january "
    "february march april june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday three four five six seven eight nine ten hundred thousand million "
    "billion percent told tell asked come make made"
)
_GERMAN = (
    "aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bereits bin "
    "bis bist da dabei dadurch damit danach dann daran darauf daraus das dass dazu dein dem den denn der "
    "deren des dessen dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine "
    "einem einen einer eines einige er es etwa etwas euch für gegen gibt habe haben hat hatte hatten hier "
    "hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja jede jedem jeden jeder "
    "jedes jedoch kann kein keine keinem keinen keiner können konnte man mehr mein meine mich mir mit "
    "muss müssen nach nicht nichts noch nun nur ob oder ohne schon sehr sei sein seine seinem seinen "
    "seiner seit selbst sich sie sind so sobald sodass solche soll sollen sondern sowie sowohl über um "
    "und uns unser unter viel viele vom von vor war waren warum was weil weiter welche wenn wer werden "
    "wie wieder will wir wird wo worden wurde wurden zu zum zur zwar zwischen"
)
_FRENCH = (
    "ai ainsi alors après au aucun aussi autre autres aux avait avant avec avoir c'est car ce ceci cela "
    "celle celui ces cet cette ceux chaque chez comme comment contre dans de depuis des deux devant doit "
    "donc dont du elle elles en encore entre est et eté été être eu fait faire fois furent fut il ils je "
    "jusque l'on la le les leur leurs lors lui ma mais me même mes moi moins mon ne ni non nos notre nous "
    "on ont ou où par parce pas pendant peu peut plus pour pourquoi qu'il quand que quel quelle quelles "
    "quels qui quoi sa sans se sera ses si son sont sous sur ta te tes toi ton tous tout toute toutes "
    "très trop tu un une vers vos votre vous y était étaient"
)
_SPANISH = (
    "a al algo algunas algunos ante antes aquel aquella así aun aunque bajo bien cada casi como con "
    "contra cual cuando de del desde donde dos durante e el ella ellas ellos en entre era eran es esa "
    "esas ese eso esos esta está están estas este esto estos fue fueron ha había habían han hasta hay la "
    "las le les lo los más me mi mientras mismo mucho muy nada ni no nos nosotros o otra otras otro otros "
    "para pero poco por porque pues que qué quien se sea según ser si sí sido siempre sin sobre son su "
    "sus también tan tanto te tiene tienen toda todas todo todos tras tu un una unas uno unos y ya yo"
)
_ITALIAN = (
    "a ad agli ai al alla alle allo anche ancora aveva avere c'è che chi ci cioè col come con contro cosa "
    "così cui da dagli dai dal dalla dalle dallo degli dei del dell della delle dello di dopo dove due e "
    "ed era erano essere fa fino fra fu furono gli già ha hanno i il in io la le lei li lo loro lui ma "
    "mentre mi molto ne né negli nei nel nella nelle nello noi non nostro o ogni oltre per perché però "
    "più poi presso prima qual quale quali quando quella quelle quelli quello questa queste questi questo "
    "qui se sé senza si sia sono sopra sotto stato su sua sue sugli sui sul sulla sulle suo suoi tra "
    "tutte tutti tutto un una uno vi"
)
_PORTUGUESE = (
    "a à ao aos após as às até cada com como contra da das de dela dele deles depois desde do dos durante "
    "e é ela elas ele eles em entre era eram essa essas esse esses esta está estão estas este estes eu "
    "foi foram há isso isto já lhe mais mas mesmo meu minha muito na não nas nem no nos nós o os ou outra "
    "outras outro outros para pela pelas pelo pelos per pode podem por porque qual quando que quem são se "
    "seja sem ser seu seus sido só sob sobre sua suas também tem têm ter todo todos tudo um uma umas uns "
    "você"
)
_DUTCH = (
    "aan al alle alleen als altijd andere ben bij daar dan dat de deze die dit doch doen door dus een "
    "eens en er ge geen geweest haar had heb hebben heeft hem het hier hij hoe hun iemand iets ik in is "
    "ja je kan kon kunnen maar me meer men met mij mijn moet na naar niet niets nog nu of om omdat ons "
    "ook op over reeds te tegen toch toen tot u uit uw van veel voor waar want waren was wat we wel werd "
    "werden wezen wie wij wil worden wordt zal ze zei zelf zich zij zijn zo zonder zou"
)
_OTHERS = (
    "och det att som en på är av för med till den har de inte om ett men var jag sig från vi så kan när "
    "år han över der ikke af til blev også efter ved som fra eller han hun men nie jest się na że jak za "
    "od przez jego jej ale czy tak był była było były oraz które który która lub ve bir bu da de için ile "
    "olarak daha çok gibi kadar olan sonra ise hem ne mi mı en şu değil"
)
_RUSSIAN = (
    "а без более бы был была были было быть в вам вас во вот все всё всех вы где да даже для до его ее её "
    "если есть ещё же за и из или им их к как когда которая которого которой которые который которых кто "
    "ли либо между меня мне мы на над надо нас не него нее нет ни них но ну о об однако он она они оно от "
    "по под после потому при про раз с сам свое своей своего своих себя со так также такой там то того "
    "тоже той только том тот у уже хотя чего чем через что чтобы эта эти это этого этой этом этот я та що "
    "як від або його які який це була було були для під над при що та"
)
_SEMITIC_AND_HINDI = (
    "في من على إلى عن أن إن كان كانت هذا هذه ذلك تلك التي الذي الذين ما لا لم لن قد كل بعد قبل عند مع هو "
    "هي هم ثم أو بين حتى كما منذ غير أي إذا حيث של את על אל לא כי זה זו הוא היא הם הן אשר גם עם אם או כל "
    "כך מה מי אך רק עוד היה היתה היו יש אין בין אחרי לפני עד לפי כמו יותר מאוד אני अब एक और का की के को "
    "से में है हैं था थी थे यह वह ये वे पर ने भी नहीं तो ही कि जो जब तक लिए या इस उस इन उन अपने साथ बाद "
    "द्वारा कर करने किया गया"
)

_MORE = (
    "και το τα τη την της του των οι ο η στο στη στην στον στις στα από για με να δεν που πως είναι ήταν "
    "ως σε αλλά ή μια ένα ένας αυτό αυτή αυτά τους τις όπως κατά μετά και των ότι có của và là các những "
    "một được cho trong với này đó từ đến khi người như không đã cũng ra vào về trên còn thậm chí theo "
    "tại sau trước nhiều rất bị bởi đang și în de la cu pe pentru din care este sunt fost sau mai prin "
    "dar nu ca se al ale cel cea cei că au fi era"
)

STOP_WORDS = frozenset(
    " ".join(
        (
            _ENGLISH,
            _SPOKEN,
            _GERMAN,
            _FRENCH,
            _SPANISH,
            _ITALIAN,
            _PORTUGUESE,
            _DUTCH,
            _OTHERS,
            _RUSSIAN,
            _MORE,
            _SEMITIC_AND_HINDI,
        )
    ).split()
)
"""Case-folded function words."""

CONNECTORS = frozenset("of on for de du des d' del della di der von van в и y e da do dos das".split())
"""Function words that may stand inside a phrase: "history of Rome"."""

UNSPACED_STOPS = (
    "的了是在和与及或不有这那也为以就都而被从到对于将其之所把让向但我你他她它们个年月名着过很更最"
    "又还再只等并且如因此该各每某什么怎吗呢吧啊哦"
)
"""Chinese characters that end a phrase, as hiragana does in Japanese."""
