"""What a reader sees of a product's texts, and the two views that models learn from."""

import html
import re
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from unicodedata import normalize

import polars as pl

# Polars hands this to Rust's regex engine, which cannot backtrack: 100,000 times "<" costs a millisecond.
# A comment, script or style that is never closed hides the rest, as in a browser; an unfinished tag is text.
MARKUP = (
    r"(?s)<!--.*?(?:--\s*>|\z)"
    r"|<(?i-u:script)(?:[\s/][^>]*)?>.*?(?:</\s*(?i-u:script)\s*>|\z)"
    r"|<(?i-u:style)(?:[\s/][^>]*)?>.*?(?:</\s*(?i-u:style)\s*>|\z)"
    r"|<!\[CDATA\[|\]\]>"
    r"""|<[a-zA-Z](?:[^>=]|=\s*"[^"]*"|=\s*'[^']*'|=)*>"""
    r"|<[/!?][^>]*>"
)

ENTITY = r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);"

# Windows' curly quotes, dashes and œ, read as Latin-1 by an export.
WINDOWS_LETTERS = {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}

# Control characters, and those that only guide line breaking or direction: nobody sees them.
INVISIBLE = r"[\x00-\x1F\x7F--\s]|[\u{AD}\u{200B}\u{200E}\u{200F}\u{202A}-\u{202E}\u{2060}\u{FEFF}]"

# Only a text with another character can change under NFC, which costs more than all other steps, or has
# letters of Windows in it.
BEYOND_COMPOSED = r"[^\x00-\x7F\u{A0}-\u{2FF}\u{2010}-\u{203F}\u{20AC}\u{2122}]"

# Anything but a lone space: most texts have few, so most characters are never copied twice.
SPACES = r"\s\s+|[\s--\x20]"

WORD = re.compile(r"[^\W\d_]+")

# A service that runs for months meets ever new words: at this many (some 100 MB) it starts its list afresh.
VOCABULARY_LIMIT = 500_000


def visible_text(raw: str) -> str:
    """What a reader sees of `raw`: no markup, entities decoded, NFC, one space between words."""
    text = raw.encode("utf-8", "ignore").decode("utf-8")  # JSON can carry half a character
    return str(pl.select(visible(pl.lit(pl.Series([text])))).item())


def clean(products: pl.DataFrame) -> pl.DataFrame:
    """One row per product, in order, each depending on its own texts alone.

    Parameters
    ----------
    products
        `productid`, `designation` and `description`; the texts may be null, other columns are left out.

    Returns
    -------
    pl.DataFrame
        `productid`; `light`, the title and below it the description as seen; `classic`, their folded lemmas;
        `text_key`, equal for equal texts and null where there is none; `html`, whether markup was found;
        `title_length` and `description_length` in visible characters; `missing_description`, nothing to see.
    """
    seen = _seen(products, "productid", html=_marked(_raw("designation")) | _marked(_raw("description")))
    return seen.select(
        "productid",
        "light",
        classic=pl.col("light").map_batches(_classic, return_dtype=pl.String),
        # The same words are the same text, wherever the title ends.
        text_key=pl.col("light").str.replace("\n", " ").map_batches(_text_keys, return_dtype=pl.String),
        html="html",
        title_length=pl.col("title").str.len_chars(),
        description_length=pl.col("description").str.len_chars(),
        missing_description=pl.col("description") == "",
    )


def views(products: pl.DataFrame) -> pl.DataFrame:
    """`productid`, `light` and `classic` of `clean` alone: half of the work, where somebody waits for an answer."""
    return _seen(products, "productid").select(
        "productid", "light", classic=pl.col("light").map_batches(_classic, return_dtype=pl.String)
    )


def _seen(products: pl.DataFrame, *columns: str, **more: pl.Expr) -> pl.DataFrame:
    """`title`, `description` and `light`, and what else is asked for."""
    title, description = visible(_raw("designation")), visible(_raw("description"))
    return products.select(*columns, title=title, description=description, **more).with_columns(
        light=pl.concat_str("title", "description", separator="\n").str.strip_chars()
    )


def _raw(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).fill_null("")


def visible(raw: pl.Expr) -> pl.Expr:
    """`visible_text` of a whole column, which has no nulls."""
    decoded = _unmarked(raw).map_batches(_decoded, return_dtype=pl.String)
    composed = decoded.str.replace_all(INVISIBLE, "").map_batches(_composed, return_dtype=pl.String)
    return composed.str.replace_all(SPACES, " ").str.strip_chars()


def duplicate_texts(texts: pl.DataFrame) -> pl.DataFrame:
    """One row per text that several products share; contradictory where they have different categories.

    Parameters
    ----------
    texts
        `productid`, `text_key` and `prdtypecode`, which may be null.

    Returns
    -------
    pl.DataFrame
        `text_key`, ascending; `productids` and the distinct known `categories`, ascending; `contradictory`.
    """
    return (
        texts.filter(pl.col("text_key") != "")
        .group_by("text_key")
        .agg(
            productids=pl.col("productid").sort(),
            categories=pl.col("prdtypecode").drop_nulls().unique().sort(),
        )
        .filter(pl.col("productids").list.len() > 1)
        .with_columns(contradictory=pl.col("categories").list.len() > 1)
        .sort("text_key")
    )


def _unmarked(texts: pl.Expr) -> pl.Expr:
    return texts.str.replace_all(MARKUP, " ")


def _marked(raw: pl.Expr) -> pl.Expr:
    return (raw != _unmarked(raw)) | raw.str.contains(ENTITY)


def _decoded(texts: pl.Series) -> pl.Series:
    coded = texts.str.contains(r"&[#a-zA-Z]")
    return _changed(texts, coded, _unescape) if coded.any() else texts


def _composed(texts: pl.Series) -> pl.Series:
    odd = texts.str.contains(BEYOND_COMPOSED)
    return (
        _changed(texts, odd, lambda some: some.str.replace_many(WINDOWS_LETTERS).str.normalize("NFC"))
        if odd.any()
        else texts
    )


def _changed(texts: pl.Series, where: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """`texts` with a costly change made only where it can matter."""
    rows = where.arg_true()
    return texts.scatter(rows, change(texts.gather(rows)))


def _unescape(texts: pl.Series) -> pl.Series:
    """Entities decoded, twice where a delivery escaped them twice (`&amp;eacute;`)."""
    once = map(html.unescape, texts.to_list())
    twice = (html.unescape(text) if "&" in text and re.search(ENTITY, text) else text for text in once)
    return pl.Series(twice, dtype=pl.String)


def _text_keys(texts: pl.Series) -> pl.Series:
    keys = (blake2b(text.casefold().encode(), digest_size=16).hexdigest() if text else None for text in texts)
    return pl.Series(keys, dtype=pl.String)


def _classic(texts: pl.Series) -> pl.Series:
    words = _Vocabulary.shared()
    rows = (filter(None, map(words.__getitem__, WORD.findall(text.lower()))) for text in texts)
    return pl.Series(map(" ".join, rows), dtype=pl.String)


class _Vocabulary(dict[str, str]):
    """Lower-case word → its folded lemma, or "" where it says nothing; each word is looked up once."""

    @staticmethod
    @cache
    def shared() -> "_Vocabulary":
        return _Vocabulary()

    def __missing__(self, word: str) -> str:
        if len(self) >= VOCABULARY_LIMIT:
            self.clear()
        self[word] = lemma = _folded_lemma(word)
        return lemma


def _folded_lemma(word: str) -> str:
    from simplemma import lemmatize

    lemma = lemmatize(word, lang=("fr", "en"))
    folded = _folded(lemma)
    return "" if len(folded) < 2 or word in SILENT or lemma in AUXILIARIES else folded


def _folded(word: str) -> str:
    """Letters alone, without accents and ligatures: `Œuf` → `oeuf`, `m²` → `m`."""
    plain = normalize("NFKD", word.lower().translate(LIGATURES))
    return "".join(filter(str.isalpha, plain))


LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o", "ł": "l", "đ": "d"})

# Lemmas with too many forms to list.
AUXILIARIES = frozenset({"être", "avoir", "faire", "pouvoir", "be", "have", "do"})

# Articles, pronouns, prepositions, auxiliaries. A word that names a product in one of the six languages is no
# stop word in another: English "car" and "hat", German "war", Italian "sei" stay.
STOP_WORDS = """
à au aux afin ai ainsi alors après as aucun aucune aujourd aura aussi autre autres avait avant avec avez
avoir avons bien c ce ceci cela celle celles celui cependant ces cet cette ceux chaque chez ci comme comment
contre d dans de déjà depuis des donc dont du dun dune elle elles en encore entre es est et étaient était
êtes être eu eux faire fait fut grâce hui ici il ils j jamais je jusqu jusque l la le les leur leurs lors
lorsque lui m ma mais me même mêmes mes moi moins mon n ne ni nos notre nous on ont ou où par parce pas
pendant peu peut peuvent plus plusieurs pour pouvez pouvoir puis puisque qu quand que quel quelle quelles
quelque quelques quels qui quoi s sa sans se selon sera seront ses si soit sommes son sont sous suis sur ta
te tes toi ton toujours tous tout toute toutes très trop tu un une vers voici voilà vos votre vous y a about
above after again against all am an and any are at be because been before being below between both but by
could did do does doing down during each few for from further had has have having he her here hers him his
how i if in into is it its itself just may might more most must my no nor not now of off once only or other
our ours out over own same shall she should so some such than that the their them then there these they this
those through to too under until up very was we were what when where which while who whom why will with
would you your yours aber alle als am an auch auf aus bei beim bis da damit dann das dass dem den der des
die dieser diese dieses diesem diesen doch durch ein eine einem einen einer eines er euer für gegen haben
hatte hatten hier ich ihr ihre ihrem ihren ihrer im jede jeder jedes kann kein keine keinen können mehr mein
mit muss nach nicht noch nur oder ohne schon sehr sein seine seiner seit sich sie sind über um und unser
unter vom von vor während waren wegen welche welcher wenn wer werden wie wir wird wurde wurden zu zum zur
zwischen al algo aquel como con cual cuando del desde donde e el ella en entre era esa esas ese eso está
están estar este estas esto estos fue ha hacia han hasta hay las les lo los más menos mi mis muy no nos
nuestra nuestro o otra otras otro otros para pero por porque puede pueden que quien según ser si sin sino
sobre son su sus también tan tiene toda todas todo todos tus u una unas uno unos ya agli ai alla alle allo
altra altre altri altro anche che chi col come cui da dagli dai dal dalla dalle dallo degli dei del della
delle dello di dove ed era essere fra gli hanno il loro ma meno mio mia molti molto negli nei nel nella
nelle nello noi non nostra nostro ogni per perché più può quando quella quelle quelli quello questa queste
questi questo sono stata stato su sua sue sugli sui sul sulla sulle sullo suo suoi tra tua tuo tutta tutte
tutti tutto vostra vostro aan als bij dan dat deze die dit door een er geen haar had hebben heeft het hij
hoe hun ik is jij jullie kan kunnen maar met mijn moet naar niet nog of omdat om onder ons onze ook op over
te tegen tot tussen uit uw van voor waar wat werd wel welke wie wij worden wordt zal ze zeer zijn zo zonder
"""

# Units, what sellers shorten, and what is left of markup that was escaped twice.
UNITS_AND_ABBREVIATIONS = """
mm cm xcm cmx mmx dm km ml cl dl kg mg gr oz lb lbs inch inches pouce pouces po ft hz khz mhz ghz kw kwh wh
mah ah mw watt watts volt volts mo ko go mb gb tb kb dpi px psi rpm tr min mn sec hr hrs db lm lux env
approx ca réf ref refs nb nbre num qte qté qty pcs pc pce pces pz stk st vs etc ex svp dim dims diam larg
tbe ttc ht eur usd euro euros tel tél www http https com html br li ul ol td nbsp amp quot
"""


def _both_spellings(words: str) -> frozenset[str]:
    """As written and without accents, as sellers type them; "maïs" and "dés" are still no stop words."""
    return frozenset(words.split()) | frozenset(map(_folded, words.split()))


SILENT = _both_spellings(STOP_WORDS + UNITS_AND_ABBREVIATIONS)
