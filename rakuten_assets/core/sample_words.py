"""What the sellers of the sample catalogue write, in six languages, about products that do not exist."""

import html
from functools import cache
from random import Random
from typing import NamedTuple

from rakuten_assets.core.taxonomy import KNOWN_CONFUSIONS


class Listing(NamedTuple):
    """A title and a description as a seller typed them, markup and all, and what was put into them."""

    title: str
    description: str | None
    language: str
    html: bool = False
    html_title: bool = False
    script: bool = False


class Lexicon(NamedTuple):
    """What one category is called in one language: its nouns, and phrases only used of it."""

    nouns: tuple[str, ...]
    details: tuple[str, ...]


# As the data-science report counted them; the last 5.2 % are spread over the rest it names.
LANGUAGE_SHARES = {"fr": 0.77, "en": 0.146, "de": 0.032, "es": 0.02, "it": 0.017, "nl": 0.015}
MISSING_DESCRIPTION = 0.35
HTML_DESCRIPTION = 0.5
HTML_TITLE = 0.0117
SCRIPT = 0.02
KEYWORD_STUFFED_TITLE = 0.03

# Together they put a word TF-IDF with LinearSVC near 0.8: a title that names nothing, one that borrows its
# noun from a category it is confused with, and a description that is only the seller's own boilerplate.
VAGUE_TITLE = 0.04
BORROWED_NOUN = 0.03
BOILERPLATE_DESCRIPTION = 0.3


def write_listing(rng: Random, code: int) -> Listing:
    """One seller's text for a product of category `code`."""
    language = rng.choices(list(LANGUAGE_SHARES), list(LANGUAGE_SHARES.values()))[0]
    named = rng.random() >= VAGUE_TITLE
    source = rng.choice(neighbours(code)) if rng.random() < BORROWED_NOUN else code
    title = _title(rng, source, language, named)
    html_title = rng.random() < HTML_TITLE
    if html_title:
        title = rng.choice((f"<b>{title}</b>", f"{_entities(title)} &amp; co", f"{title}<br />"))
    if rng.random() < MISSING_DESCRIPTION:
        return Listing(title, None, language, html_title, html_title)
    boilerplate = not named or rng.random() < BOILERPLATE_DESCRIPTION
    paragraphs = _description(rng, source, language, boilerplate)
    marked, script = rng.random() < HTML_DESCRIPTION, rng.random() < SCRIPT
    description = _mark_up(rng, paragraphs) if marked or script else "\n".join(paragraphs)
    if script:
        description = rng.choice(SCRIPTS) + description
    return Listing(title, description, language, marked or script or html_title, html_title, script)


@cache
def neighbours(code: int) -> tuple[int, ...]:
    """The categories that `code` is mistaken for: the report's confusions and their like."""
    pairs = KNOWN_CONFUSIONS + OTHER_CONFUSIONS
    return tuple({a if b == code else b: None for a, b in pairs if code in (a, b)})


@cache
def lexicon(code: int, language: str) -> Lexicon:
    """The words of one category; a language without phrases of its own has none."""
    unwrapped = WORDS[code].strip().replace("\n    ", " ")
    lines = dict(line.split(": ", 1) for line in unwrapped.splitlines())
    nouns, _, details = lines[language].partition(" // ")
    return Lexicon(tuple(nouns.split("; ")), tuple(details.split("; ")) if details else ())


def _title(rng: Random, code: int, language: str, named: bool) -> str:
    parts = [_name(rng, code, language)] if rng.random() < NAMED_WORKS.get(code, 0.0) else []
    if named:
        parts.insert(rng.randrange(len(parts) + 1), _noun(rng, code, language))
    shortest = rng.choices((30, 50, 75, 220), (0.4, 0.35, 0.22, KEYWORD_STUFFED_TITLE))[0]
    while sum(map(len, parts)) + 3 * len(parts) < shortest:
        parts.append(_attribute(rng, code, language, named))
    title = rng.choice((" - ", " ", " ", ", ")).join(parts)
    shape = rng.random()
    title = title.upper() if shape < 0.06 else title.title() if shape < 0.3 else title[:1].upper() + title[1:]
    return title[:250].strip(" -,")


def _name(rng: Random, code: int, language: str) -> str:
    """What a product is called, where such products have a name: a book, a magazine, a game and its world."""
    if code in BOOKS:
        book = f"{rng.choice(TITLE_HEADS[language])} {rng.choice(TITLE_TAILS[language])}"
        return f"{book} - {rng.choice(FIRST_NAMES)} {_invented(rng)}" if rng.random() < 0.6 else book
    if rng.random() < 0.2:
        return f"{_invented(rng)} {_invented(rng)}"
    return rng.choice(WORLDS) + (f" {rng.choice(SEQUELS)}" if rng.random() < 0.4 else "")


def _noun(rng: Random, code: int, language: str) -> str:
    """A noun of the category, the first ones oftener, as words are."""
    nouns = lexicon(code, language).nouns
    return nouns[min(int(rng.expovariate(3 / len(nouns))), len(nouns) - 1)]


def _attribute(rng: Random, code: int, language: str, named: bool) -> str:
    details = lexicon(code, language).details
    kind = rng.random()
    if kind < 0.1 and named and details:
        return rng.choice(details)
    if kind < 0.3:
        return _shared(rng, ADJECTIVES, language)
    if kind < 0.45:
        return _shared(rng, COLOURS, language)
    if kind < 0.55:
        return _shared(rng, MATERIALS, language)
    if kind < 0.7:
        return _shared(rng, NOISE, language)
    return _figure(rng, code)


def _figure(rng: Random, code: int) -> str:
    """A brand, a size, a year, a lot, a reference."""
    if code in BOOKS and rng.random() < 0.6:
        return rng.choice((f"{rng.randint(1890, 2020)}", f"n° {rng.randint(1, 900)}", f"vol. {rng.randint(1, 30)}"))
    return rng.choice(
        (
            rng.choice(BRANDS),
            _invented(rng),
            f"{rng.randint(4, 260)} x {rng.randint(4, 260)} cm",
            f"{rng.randint(2, 48)} pcs",
            f"{rng.choice('ABDGKLMRSTX')}{rng.choice('ABCEHNPRTVZ')}-{rng.randint(100, 9999)}",
            f"{rng.randint(1, 90)},{rng.randint(0, 9)} {rng.choice(('kg', 'cm', 'm', 'L'))}",
            f"{rng.randint(1975, 2020)}",
        )
    )


def _invented(rng: Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 2, 3)))).capitalize()


def _shared(rng: Random, words: dict[str, str], language: str) -> str:
    return rng.choice(words[language].split("; "))


def _description(rng: Random, code: int, language: str, boilerplate: bool) -> list[str]:
    """Sentences and lines; their number has the long tail that the report found."""
    lines = min(60, max(2, round(rng.lognormvariate(1.6, 0.75))))
    details = lexicon(code, language).details
    paragraphs = []
    for _ in range(lines):
        if not boilerplate and details and rng.random() < 0.3:
            paragraphs.append(rng.choice(details).capitalize() + ".")
        else:
            sentence = rng.choice(SENTENCES[language])
            paragraphs.append(_filled(rng, sentence, code, language, boilerplate))
    return paragraphs


def _filled(rng: Random, sentence: str, code: int, language: str, boilerplate: bool) -> str:
    return sentence.format(
        noun=PRODUCT[language] if boilerplate else _noun(rng, code, language),
        adjective=_shared(rng, ADJECTIVES, language),
        colour=_shared(rng, COLOURS, language),
        material=_shared(rng, MATERIALS, language),
        brand=_invented(rng) if rng.random() < 0.5 else rng.choice(BRANDS),
        n=rng.randint(2, 240),
        m=rng.randint(2, 90),
    )


def _mark_up(rng: Random, paragraphs: list[str]) -> str:
    style = rng.random()
    lines = [_entities(line) if style < 0.5 else line for line in paragraphs]
    if style < 0.25:
        return f"<p>{'</p><p>'.join(lines)}</p>"
    if style < 0.45:
        return f"<b>{lines[0]}</b><ul><li>{'</li><li>'.join(lines[1:])}</li></ul>"
    if style < 0.8:
        return "<br />".join(lines) + "<br>"
    return f'<div class="desc" style="font-size:12px">{"<br/> ".join(lines)}</div>'


def _entities(text: str) -> str:
    """`text` with its accents, quotes and some spaces as HTML entities."""
    named = text.translate({ord(char): f"&{name};" for char, name in ENTITIES.items()})
    return html.escape(named, quote=False) if "&" not in named else named.replace("'", "&#39;")


ENTITIES = {
    "é": "eacute", "è": "egrave", "à": "agrave", "ê": "ecirc", "ç": "ccedil", "ü": "uuml", "ö": "ouml",
    "ä": "auml", "ñ": "ntilde", "ó": "oacute", "í": "iacute", "°": "deg", "×": "times",
}  # fmt: skip

SCRIPTS = (
    "<script>var shop = 'top'; document.write(shop);</script>",
    '<style type="text/css">.desc { color: #333; margin: 0 }</style>',
    "<script type='text/javascript'>window.onload = function () { track(42); }</script>",
)

OTHER_CONFUSIONS: tuple[tuple[int, int], ...] = (
    (10, 2280), (2705, 2403), (40, 2905), (2462, 2905), (60, 2462), (50, 60), (50, 2462),
    (1140, 1180), (1140, 1280), (1160, 1180), (1300, 1302), (1302, 2583), (1301, 1320), (1301, 1302),
    (1560, 2582), (1560, 2060), (1920, 2060), (1560, 1920), (1940, 2060), (2220, 2060), (2522, 2403),
    (2522, 2060), (2582, 2585), (2583, 2585), (2582, 2583), (1320, 1920), (1140, 1160),
)  # fmt: skip

BOOKS = {10, 2280, 2403, 2705}

# How often a product of the category is sold under a name of its own.
NAMED_WORKS = {
    10: 0.9, 2705: 0.9, 2403: 0.8, 2280: 0.5, 40: 0.75, 2905: 0.75, 2462: 0.6, 60: 0.2, 50: 0.3, 1140: 0.75,
    1160: 0.8, 1180: 0.6, 1280: 0.3, 1281: 0.4, 1300: 0.15, 2522: 0.1,
}  # fmt: skip

SYLLABLES = (
    "ba", "bel", "bru", "ca", "chan", "dor", "dra", "el", "fa", "flo", "gar", "gui", "hel", "ja", "kal",
    "kri", "la", "len", "lo", "mar", "mi", "mon", "na", "nor", "o", "pel", "qui", "ra", "ri", "ro",
    "sal", "sen", "ta", "ter", "ti", "to", "tur", "va", "ver", "vi", "vol", "xa", "yo", "zan", "zu",
)  # fmt: skip

FIRST_NAMES = (
    "Anaïs", "Basile", "Clémence", "Damien", "Edmond", "Fanny", "Gaspard", "Hélène", "Isidore", "Jeanne",
    "Karl", "Louise", "Marius", "Nadège", "Octave", "Prune", "Quentin", "Rosa", "Simon", "Théa",
)  # fmt: skip

BRANDS = (
    "Valmarine", "Ortéa", "Kubiko", "Domelia", "Nordfell", "Tirabo", "Playnova", "Zephyro", "Lumika",
    "Casabrel", "Hexatron", "Miralune", "Bricofor", "Oakwick", "Softaline", "Gamora Tech", "Piklo",
    "Aquavent", "Riverstone", "Pandorel", "Teknoz", "Belmoda", "Vivako", "Solano", "Cartelys",
    "Ficelle & Co", "Minipouce", "Jardelia",
)  # fmt: skip

WORLDS = (
    "Drakmor", "Les Gardiens d'Astrel", "Robo Squadron", "Pixel Farm", "Kaelis Saga", "Star Harbour",
    "Monstropy", "Night Racer", "Ninja Kobaru", "Princesse Olivine", "Galactic Foot", "Zombie Lagoon",
    "Dino Patrouille", "Mecha Strike", "Les Trolls de Bruma", "Captain Ferox", "Sword of Elyra",
    "Turbo Kart", "Magica Luna", "Pirates de Corail", "Ligue Impact", "Shadow Protocol",
    "Le Petit Renard", "Titan Wars", "Fée Mirabelle", "Wild Poney", "Arcane Duel", "Cyber Metro",
    "Samouraï Gris", "Banana Rush",
)  # fmt: skip

SEQUELS = (
    "2", "3", "II", "IV", "Deluxe", "Origins", "Legends", "Collector", "Evolution", "Ultimate",
    "Reloaded", "2018",
)  # fmt: skip

TITLE_HEADS = {
    "fr": (
        "Le silence", "La maison", "Les enfants", "L'ombre", "Histoire", "Le jardin", "Voyage au bout",
        "Les secrets", "La mémoire", "Le temps", "Les oubliés", "Petit traité", "Le chant", "La fille",
        "L'art", "Une vie", "Le mystère", "Les chemins", "La guerre", "Le retour", "Chroniques",
        "Le dernier train", "Lettres", "La nuit", "Guide",
    ),
    "en": (
        "The silence", "The house", "Children", "A history", "The garden", "Secrets", "The memory",
        "Letters", "The last train", "The return", "A short guide", "The art", "Tales", "The night",
    ),
    "de": (
        "Das Schweigen", "Das Haus", "Die Kinder", "Geschichte", "Der Garten", "Die Geheimnisse",
        "Die Nacht", "Briefe",
    ),
    "es": (
        "El silencio", "La casa", "Los niños", "Historia", "El jardín", "Los secretos", "La noche",
        "Cartas",
    ),
    "it": (
        "Il silenzio", "La casa", "I bambini", "Storia", "Il giardino", "I segreti", "La notte",
        "Lettere",
    ),
    "nl": (
        "De stilte", "Het huis", "De kinderen", "Geschiedenis", "De tuin", "De geheimen", "De nacht",
        "Brieven",
    ),
}  # fmt: skip

TITLE_TAILS = {
    "fr": (
        "des marées", "de la vallée", "du vieux port", "des étoiles", "de l'hiver", "d'une reine",
        "des montagnes", "du pays bleu", "de Bretagne", "des justes", "de la mer", "sans retour",
        "de l'empire", "du capitaine", "des abeilles", "de la médecine", "de la philosophie",
        "d'autrefois", "du désert", "des loups", "de Paris", "à deux voix",
    ),
    "en": (
        "of the tides", "of the valley", "of the stars", "of winter", "of a queen", "from the sea",
        "of the empire", "of the wolves", "of the desert", "of medicine", "without return",
    ),
    "de": (
        "der Gezeiten", "des Tals", "der Sterne", "des Winters", "einer Königin", "vom Meer",
        "der Wölfe",
    ),
    "es": (
        "de las mareas", "del valle", "de las estrellas", "del invierno", "de una reina", "del mar",
        "de los lobos",
    ),
    "it": (
        "delle maree", "della valle", "delle stelle", "dell'inverno", "di una regina", "del mare",
        "dei lupi",
    ),
    "nl": (
        "van de getijden", "van de vallei", "van de sterren", "van de winter", "van een koningin",
        "van de zee",
    ),
}  # fmt: skip

ADJECTIVES = {
    "fr": (
        "pliable; réglable; étanche; portable; confortable; robuste; durable; pratique; moderne; "
        "vintage; solide; souple; imperméable; rétro; magnétique; électrique; gonflable; lavable; "
        "haute qualité; grand modèle; petit format; pour enfant; pour adulte; facile à ranger; "
        "multifonction; sans fil; fait main; original; classique; léger et compact; idée cadeau"
    ),
    "en": (
        "foldable; adjustable; waterproof; portable; comfortable; sturdy; durable; handy; modern; "
        "vintage; solid; soft; retro; magnetic; electric; inflatable; washable; high quality; large "
        "size; for kids; for adults; wireless; handmade; gift idea"
    ),
    "de": (
        "faltbar; verstellbar; wasserdicht; tragbar; bequem; robust; langlebig; praktisch; modern; "
        "klassisch; elektrisch; hochwertig; für Kinder; für Erwachsene; handgemacht; Geschenkidee"
    ),
    "es": (
        "plegable; ajustable; impermeable; portátil; cómodo; resistente; práctico; moderno; clásico; "
        "eléctrico; de alta calidad; para niños; para adultos; hecho a mano; idea de regalo"
    ),
    "it": (
        "pieghevole; regolabile; impermeabile; portatile; comodo; resistente; pratico; moderno; "
        "classico; elettrico; di alta qualità; per bambini; per adulti; fatto a mano; idea regalo"
    ),
    "nl": (
        "opvouwbaar; verstelbaar; waterdicht; draagbaar; comfortabel; stevig; duurzaam; handig; "
        "modern; klassiek; elektrisch; hoge kwaliteit; voor kinderen; voor volwassenen; handgemaakt; "
        "cadeau-idee"
    ),
}

COLOURS = {
    "fr": (
        "noir; blanc; gris anthracite; bleu marine; rouge; vert d'eau; jaune moutarde; rose poudré; "
        "beige; marron; multicolore; turquoise; violet; orange; doré; argenté; transparent"
    ),
    "en": (
        "black; white; charcoal grey; navy blue; red; sea green; mustard yellow; pink; beige; brown; "
        "multicolour; purple; gold; silver"
    ),
    "de": ("schwarz; weiß; anthrazit; dunkelblau; rot; grün; gelb; rosa; beige; braun; bunt; violett; gold; silber"),
    "es": (
        "negro; blanco; gris; azul marino; rojo; verde; amarillo; rosa; beige; marrón; multicolor; "
        "morado; dorado; plateado"
    ),
    "it": (
        "nero; bianco; grigio; blu scuro; rosso; verde; giallo; rosa; beige; marrone; multicolore; "
        "viola; dorato; argento"
    ),
    "nl": (
        "zwart; wit; antraciet; donkerblauw; rood; groen; geel; roze; beige; bruin; veelkleurig; paars; goud; zilver"
    ),
}

MATERIALS = {
    "fr": (
        "en bois massif; en coton; en acier inoxydable; en plastique; en aluminium; en velours; en "
        "polyester; en résine; en cuir; en métal; en silicone; en carton; en verre; en bambou; en "
        "tissu; en papier"
    ),
    "en": (
        "solid wood; cotton; stainless steel; plastic; aluminium; velvet; polyester; resin; leather; "
        "metal; silicone; glass; paper"
    ),
    "de": (
        "aus Massivholz; aus Baumwolle; aus Edelstahl; aus Kunststoff; aus Aluminium; aus Samt; aus "
        "Leder; aus Glas; aus Papier"
    ),
    "es": (
        "de madera maciza; de algodón; de acero; de plástico; de aluminio; de terciopelo; de cuero; de vidrio; de papel"
    ),
    "it": (
        "in legno massello; in cotone; in acciaio; in plastica; in alluminio; in velluto; in pelle; in vetro; in carta"
    ),
    "nl": (
        "van massief hout; van katoen; van roestvrij staal; van kunststof; van aluminium; van "
        "fluweel; van leer; van glas; van papier"
    ),
}

NOISE = {
    "fr": (
        "neuf; très bon état; livraison gratuite; lot de 2; lot de 3; lot de 10; édition limitée; "
        "import; promo; comme neuf; rare; occasion; envoi rapide; garantie 2 ans; modèle aléatoire; "
        "nouvelle collection; complet; état correct; sous blister"
    ),
    "en": (
        "new; very good condition; free shipping; set of 2; set of 4; limited edition; import; sale; "
        "like new; rare; fast delivery; new collection; complete; used"
    ),
    "de": (
        "neu; sehr guter Zustand; kostenloser Versand; 2er-Set; limitierte Auflage; Import; Angebot; "
        "wie neu; selten; gebraucht"
    ),
    "es": (
        "nuevo; muy buen estado; envío gratis; juego de 2; edición limitada; importación; oferta; "
        "como nuevo; raro; usado"
    ),
    "it": (
        "nuovo; ottime condizioni; spedizione gratuita; set di 2; edizione limitata; importazione; "
        "offerta; come nuovo; raro; usato"
    ),
    "nl": (
        "nieuw; zeer goede staat; gratis verzending; set van 2; beperkte oplage; import; aanbieding; "
        "als nieuw; zeldzaam; gebruikt"
    ),
}

PRODUCT = {
    "fr": "produit",
    "en": "product",
    "de": "Produkt",
    "es": "producto",
    "it": "prodotto",
    "nl": "product",
}

SENTENCES = {
    "fr": (
        "Découvrez ce modèle : {noun} {adjective}, couleur {colour}.",
        "Caractéristiques : {noun} {material}, dimensions {n} x {m} cm, poids {m} g.",
        "Fabrication {material}, très facile à entretenir et agréable au quotidien.",
        "Contenu du colis : {m} x {noun}, une notice en français.",
        "Nous expédions votre commande sous 48 heures dans un emballage soigné.",
        "En raison de la lumière et des écrans, la couleur peut différer légèrement de la photo.",
        "Un cadeau idéal pour un anniversaire, Noël ou une fête entre amis.",
        "Marque : {brand}. Référence : {n}-{m}. Couleur : {colour}.",
        "Merci de vérifier les dimensions avant l'achat : une erreur de 1 à {m} mm est possible.",
        "Ce {noun} vous accompagnera pendant de longues années, à la maison comme en voyage.",
        "La qualité {brand} : un article {adjective}, pensé pour toute la famille.",
        "Pour toute question, n'hésitez pas à nous contacter, notre équipe vous répond chaque jour.",
        "Conçu et contrôlé par nos soins, il est à la fois élégant et facile à utiliser.",
        "État conforme aux photos, quelques traces d'usage sans gravité.",
    ),
    "en": (
        "Discover this {adjective} {noun}, available in {colour}.",
        "Specifications: {noun}, {material}, size {n} x {m} cm, weight {m} g.",
        "Made of {material}, it is very easy to clean and pleasant to use every day.",
        "Package includes: {m} x {noun} and a user manual.",
        "Your order will be shipped within 48 hours in a careful package.",
        "Due to light and screen differences, the colour may be slightly different from the picture.",
        "A perfect gift for a birthday, Christmas or a party with your friends.",
        "Brand: {brand}. Reference: {n}-{m}. Colour: {colour}.",
        "Please check the size before you buy and allow an error of 1 to {m} mm.",
        "This {noun} will stay with you for many years, at home and on the road.",
        "If you have any question, please feel free to contact us, we answer every day.",
    ),
    "de": (
        "Entdecken Sie dieses Modell: {noun}, {adjective}, Farbe {colour}.",
        "Eigenschaften: {noun} {material}, Größe {n} x {m} cm, Gewicht {m} g.",
        "Sehr leicht zu reinigen und angenehm für jeden Tag.",
        "Lieferumfang: {m} x {noun} und eine Anleitung auf Deutsch.",
        "Wir verschicken Ihre Bestellung innerhalb von 48 Stunden sorgfältig verpackt.",
        "Ein ideales Geschenk zum Geburtstag oder zu Weihnachten für die ganze Familie.",
        "Marke: {brand}. Artikelnummer: {n}-{m}. Farbe: {colour}.",
        "Bitte prüfen Sie vor dem Kauf die Maße, eine Abweichung von 1 bis {m} mm ist möglich.",
    ),
    "es": (
        "Descubra este modelo: {noun} {adjective}, color {colour}.",
        "Características: {noun} {material}, medidas {n} x {m} cm, peso {m} g.",
        "Muy fácil de limpiar y agradable para el uso de todos los días.",
        "El paquete incluye: {m} x {noun} y un manual en español.",
        "Enviamos su pedido en 48 horas en un embalaje muy cuidado.",
        "Un regalo ideal para un cumpleaños, Navidad o una fiesta con amigos.",
        "Por favor, compruebe el tamaño antes de comprar, puede haber un error de {m} mm.",
    ),
    "it": (
        "Scopri questo modello: {noun} {adjective}, colore {colour}.",
        "Caratteristiche: {noun} {material}, dimensioni {n} x {m} cm, peso {m} g.",
        "Molto facile da pulire e piacevole per l'uso di tutti i giorni.",
        "La confezione contiene: {m} x {noun} e un manuale in italiano.",
        "Spediamo il tuo ordine entro 48 ore in un imballaggio molto curato.",
        "Un regalo ideale per un compleanno, per Natale o per una festa con gli amici.",
        "Si prega di controllare le misure prima dell'acquisto, è possibile un errore di {m} mm.",
    ),
    "nl": (
        "Ontdek dit model: {noun}, {adjective}, kleur {colour}.",
        "Kenmerken: {noun} {material}, afmetingen {n} x {m} cm, gewicht {m} g.",
        "Heel gemakkelijk schoon te maken en prettig voor elke dag.",
        "Inhoud van het pakket: {m} x {noun} en een handleiding in het Nederlands.",
        "Wij versturen uw bestelling binnen 48 uur in een zorgvuldige verpakking.",
        "Een ideaal cadeau voor een verjaardag, voor Kerstmis of voor een feest met vrienden.",
        "Controleer de maten voordat u koopt, een afwijking van {m} mm is mogelijk.",
    ),
}

# Per category and language: nouns, commonest first, then after "//" phrases for titles and descriptions.
# Books and games share words with their second-hand and new counterparts, as they do on the marketplace.
WORDS: dict[int, str] = {
    10: """
fr: livre; roman; livre ancien; édition originale; livre de poche; essai; broché; recueil; biographie;
    livre relié; thèse; théâtre; guide touristique; manuel scolaire // couverture légèrement jaunie;
    annotations au crayon en première page; ancien ouvrage de bibliothèque; reliure demi-cuir; quelques
    rousseurs sur la tranche; texte intégral
en: book; novel; old book; first edition; paperback; essay; hardcover; biography; textbook; travel guide
    // yellowed cover; former library copy; pencil notes on the first page; worn binding
de: Buch; Roman; altes Buch; Erstausgabe; Taschenbuch; Biografie
es: libro; novela; libro antiguo; primera edición; libro de bolsillo
it: libro; romanzo; libro antico; prima edizione; tascabile
nl: boek; roman; oud boek; eerste druk; pocketboek""",
    40: """
fr: jeu vidéo; jeu console; cartouche de jeu; jeu sur disque; version européenne; carte mémoire;
    adaptateur écran; jeu d'aventure; jeu de course; jeu de plateforme; steelbook; import japonais; jeu
    de rôle; bande originale // sauvegarde dans la cartouche; multijoueur en écran partagé;
    classification seize ans; notice et boîtier d'origine; jeu en version française; mode histoire et
    mode arcade
en: video game; console game; game cartridge; game disc; PAL version; memory card; screen adapter;
    adventure game; racing game; Japanese import // saves to the cartridge; split screen multiplayer;
    story mode and arcade mode; original case and manual
de: Videospiel; Konsolenspiel; Spielmodul; Speicherkarte; Abenteuerspiel; Rennspiel
es: videojuego; juego de consola; cartucho de juego; tarjeta de memoria; juego de aventuras
it: videogioco; gioco per console; cartuccia di gioco; scheda di memoria; gioco d'avventura
nl: videospel; consolespel; spelcartridge; geheugenkaart; avonturenspel""",
    50: """
fr: manette sans fil; housse de console; chargeur de manette; câble vidéo; étui de protection; station
    de charge; coque silicone; casque de jeu; volant de course; batterie de manette; support mural de
    console; film protecteur; bouton de rechange; joystick // vibration double moteur; compatible avec
    toutes les versions; prise jack de 3,5 mm; autonomie de douze heures; câble tressé de trois mètres;
    repose-pouces inclus
en: wireless controller; console case; controller charger; video cable; protective case; charging dock;
    silicone shell; gaming headset; racing wheel; spare button // dual motor vibration; compatible with
    all versions; jack plug; thumb grips included
de: kabelloser Controller; Konsolentasche; Ladestation; Videokabel; Schutzhülle; Spiele-Headset
es: mando inalámbrico; funda de consola; cargador de mando; cable de vídeo; base de carga
it: controller wireless; custodia per console; caricatore; cavo video; base di ricarica
nl: draadloze controller; consoletas; laadstation; videokabel; beschermhoes""",
    60: """
fr: console de jeu; console portable; console rétro; console de salon; mini borne d'arcade; pack
    console; console de poche; émulateur de poche; console reconditionnée; console édition spéciale;
    borne de bar; console tv // six cents jeux intégrés; disque dur de 500 Go; écran couleur de trois
    pouces; deux manettes fournies; sortie vidéo vers le téléviseur; batterie rechargeable
en: game console; handheld console; retro console; home console; mini arcade machine; console bundle;
    pocket console; refurbished console // six hundred built-in games; 500 GB hard drive; three inch
    colour screen; two controllers included
de: Spielkonsole; Handheld-Konsole; Retro-Konsole; Mini-Arcade; Konsolenpaket; Taschenkonsole
es: consola de juegos; consola portátil; consola retro; mini recreativa; pack de consola
it: console di gioco; console portatile; console retro; mini arcade; pacchetto console
nl: spelconsole; draagbare console; retroconsole; mini-arcadekast; consolepakket""",
    1140: """
fr: figurine; statuette; figurine articulée; buste; porte-clés; figurine de collection; réplique; statue
    en résine; mini figurine; socle de figurine; peluche collector; maquette de personnage; mug de fan;
    lampe de fan // peinte à la main; tête mobile; boîte vitrine; quinze points d'articulation;
    certificat numéroté; échelle un sixième
en: figure; statue; action figure; bust; keychain; collectible figure; replica; resin statue; mini
    figure; figure stand // hand painted; movable head; window box; fifteen points of articulation
de: Figur; Statue; Actionfigur; Büste; Schlüsselanhänger; Sammelfigur
es: figura; estatua; figura articulada; busto; llavero
it: figura; statua; figura articolata; busto; portachiavi
nl: figuur; beeldje; actiefiguur; buste; sleutelhanger""",
    1160: """
fr: carte à collectionner; carte rare; carte holographique; booster; carte foil; deck de démarrage;
    carte de joueur; carte promo; classeur de cartes; protège-cartes; vignette autocollante; carte
    reverse; blister de cartes; carte ultra rare // points de vie 90; créature 2/3; première édition
    anglaise; extension ombre et lumière; numéro 45 sur 102; état proche du neuf
en: trading card; rare card; holographic card; booster; foil card; starter deck; player card; promo
    card; card binder; sleeves // creature 2/3; near mint; common uncommon rare; number 45 of 102
de: Sammelkarte; seltene Karte; Holo-Karte; Booster; Starterdeck; Spielerkarte
es: carta coleccionable; carta rara; carta holográfica; sobre de cartas; carta de jugador
it: carta collezionabile; carta rara; carta olografica; bustina; carta giocatore
nl: ruilkaart; zeldzame kaart; holografische kaart; booster; spelerskaart""",
    1180: """
fr: miniature à peindre; jeu de plateau; unité d'infanterie; figurine de jeu; décor de bataille; dragon
    en métal; armée de départ; dés de combat; livre de règles; extension de jeu; escadron; champion à
    pied; tuiles de terrain; socles ronds // échelle 28 mm; profil de combat inclus; à assembler et à
    peindre; règles en anglais; pour deux généraux; campagne en dix scénarios
en: miniature to paint; tabletop game; infantry unit; gaming miniature; battle scenery; metal dragon;
    starter army; battle dice; rulebook; expansion // 28 mm scale; unpainted; rules in English; for two
    generals
de: Miniatur zum Bemalen; Tabletop-Spiel; Infanterie; Spielfigur; Gelände; Regelbuch
es: miniatura para pintar; juego de tablero; unidad de infantería; figura de juego; escenografía
it: miniatura da dipingere; gioco da tavolo; unità di fanteria; figura da gioco; scenario
nl: miniatuur om te schilderen; bordspel; infanterie-eenheid; speelfiguur; regelboek""",
    1280: """
fr: jouet; peluche; poupée; déguisement; puzzle en bois; dînette; garage miniature; jeu d'imitation;
    perruque; masque de carnaval; voiture à friction; château de princesse; trottinette de poupée;
    marionnette // dès trois ans; ne convient pas aux moins de 36 mois; piles non fournies; yeux brodés;
    taille huit ans; développe la motricité
en: toy; plush toy; doll; costume; wooden puzzle; tea set; toy garage; pretend play set; wig; carnival
    mask // from three years; not suitable under 36 months; batteries not included; embroidered eyes
de: Spielzeug; Plüschtier; Puppe; Kostüm; Holzpuzzle; Perücke
es: juguete; peluche; muñeca; disfraz; puzle de madera
it: giocattolo; peluche; bambola; costume; puzzle di legno
nl: speelgoed; knuffel; pop; verkleedkostuum; houten puzzel""",
    1281: """
fr: jeu de société; jeu de cartes; jeu de dés; puzzle; jeu de mémoire; loto; jeu d'ambiance; jeu de
    stratégie; jeu de dames; échiquier; jeu de quiz; jeu de l'oie; dominos; jeu coopératif // de deux à
    six joueurs; partie de trente minutes; règle du jeu multilingue; pions et plateau; dès huit ans;
    cinq cents questions
en: board game; card game; dice game; puzzle; memory game; bingo; party game; strategy game; chess set;
    quiz game // two to six players; thirty minute game; pawns and board; five hundred questions
de: Gesellschaftsspiel; Kartenspiel; Würfelspiel; Puzzle; Memoryspiel; Schachspiel
es: juego de mesa; juego de cartas; juego de dados; puzle; ajedrez
it: gioco di società; gioco di carte; gioco di dadi; puzzle; scacchiera
nl: gezelschapsspel; kaartspel; dobbelspel; puzzel; schaakspel""",
    1300: """
fr: drone; voiture télécommandée; maquette d'avion; train miniature; hélice de drone; batterie lipo;
    hélicoptère radiocommandé; locomotive; voiture miniature; robot programmable; moteur brushless;
    châssis de modélisme; wagon; quadricoptère // caméra embarquée; portée de cent mètres; échelle 1/43;
    transmission 2,4 GHz; mode sans tête; vol stationnaire
en: drone; remote control car; aircraft model; model train; drone propeller; lipo battery; rc
    helicopter; locomotive; diecast car; programmable robot // onboard camera; range of one hundred
    meters; 1/43 scale; headless mode
de: Drohne; ferngesteuertes Auto; Flugzeugmodell; Modelleisenbahn; Propeller; Modellauto
es: dron; coche teledirigido; maqueta de avión; tren en miniatura; hélice
it: drone; auto telecomandata; modellino di aereo; trenino; elica
nl: drone; radiografische auto; vliegtuigmodel; modeltrein; propeller""",
    1301: """
fr: chaussettes; chaussons bébé; chaussettes antidérapantes; collants fille; bonnet bébé; baby-foot;
    paire de mi-bas; chaussettes de sport; gants fille; bavoir; bandeau de naissance; billard de table;
    fléchettes; socquettes // pointure 35 à 38; lavage à trente degrés; élasthanne 3 %; taille six mois;
    maille douce; bord côtes
en: socks; baby slippers; non-slip socks; tights; baby hat; table football; sports socks; gloves; bib;
    dart set // shoe size 35 to 38; machine wash at thirty; six months size; soft knit
de: Socken; Babyschuhe; Stoppersocken; Strumpfhose; Babymütze; Dartpfeile
es: calcetines; zapatillas de bebé; calcetines antideslizantes; medias; gorro de bebé
it: calzini; scarpine; calzini antiscivolo; collant; cappellino
nl: sokken; babyslofjes; antislipsokken; maillot; babymuts""",
    1302: """
fr: trampoline; trottinette; ballon; balançoire; toboggan; canne à pêche; tente de jeu; cerf-volant;
    rollers; veste de pluie; gilet réfléchissant; lampe frontale; hameçon; vélo enfant; leurre // charge
    maximale 100 kg; filet de sécurité; roues de 200 mm; pour jouer au jardin; tissu respirant; lot de
    leurres souples
en: trampoline; scooter; ball; swing; slide; fishing rod; play tent; kite; roller skates; rain jacket //
    maximum load 100 kg; safety net; outdoor fun; breathable fabric
de: Trampolin; Roller; Ball; Schaukel; Rutsche; Angelrute
es: cama elástica; patinete; balón; columpio; tobogán
it: trampolino; monopattino; pallone; altalena; scivolo
nl: trampoline; step; bal; schommel; glijbaan""",
    1320: """
fr: poussette; biberon; tapis d'éveil; sac à langer; babyphone; turbulette; hochet; chaise haute;
    tétine; siège auto; mobile musical; porte-bébé; barrière de sécurité; veilleuse // dès la naissance;
    sans bisphénol; harnais cinq points; débit lent; pour maman et nourrisson; tissu oeko
en: stroller; baby bottle; play mat; diaper bag; baby monitor; sleeping bag; rattle; high chair;
    pacifier; car seat // from birth; five point harness; slow flow; for mom and newborn
de: Kinderwagen; Babyflasche; Krabbeldecke; Wickeltasche; Babyphone; Rassel
es: cochecito; biberón; manta de actividades; bolso cambiador; sonajero
it: passeggino; biberon; tappeto gioco; borsa fasciatoio; sonaglio
nl: kinderwagen; zuigfles; speelkleed; luiertas; rammelaar""",
    1560: """
fr: chaise; table basse; canapé; étagère; meuble tv; commode; bureau; tabouret; armoire; fauteuil; lit
    double; buffet; matelas; chaise de bureau; meuble à chaussures // assise rembourrée; à monter
    soi-même; pieds en hêtre; trois tiroirs; charge par tablette 15 kg; finition laquée
en: chair; coffee table; sofa; shelf; tv stand; dresser; desk; stool; wardrobe; armchair // padded seat;
    self assembly; beech legs; three drawers
de: Stuhl; Couchtisch; Sofa; Regal; Kommode; Hocker
es: silla; mesa de centro; sofá; estantería; cómoda
it: sedia; tavolino; divano; scaffale; comodino
nl: stoel; salontafel; bank; boekenkast; ladekast""",
    1920: """
fr: housse de coussin; taie d'oreiller; coussin; parure de lit; drap housse; couette; plaid; housse de
    couette; oreiller; rideau; protège-matelas; traversin; couvre-lit; jeté de canapé // fermeture
    éclair invisible; insert non inclus; impression numérique; 57 fils; garnissage fibre creuse; imprimé
    une face
en: cushion cover; pillowcase; cushion; bedding set; fitted sheet; duvet; throw blanket; duvet cover;
    pillow; curtain // hidden zipper; insert not included; digital print; home sofa decor
de: Kissenbezug; Kopfkissen; Kissen; Bettwäsche; Spannbettlaken; Vorhang
es: funda de cojín; funda de almohada; cojín; juego de cama; sábana bajera
it: federa per cuscino; federa; cuscino; completo letto; lenzuolo
nl: kussenhoes; kussensloop; kussen; beddengoed; hoeslaken""",
    1940: """
fr: café en grains; thé vert; confiture; bonbons; chocolat; capsules de café; huile d'olive; épices;
    biscuits; moule à gâteau; sirop; miel; poêle; conserve // à consommer de préférence avant; valeurs
    nutritionnelles pour 100 g; saveur vanille; issu de l'agriculture biologique; sachet refermable;
    arôme naturel
en: coffee beans; green tea; jam; candy; chocolate; coffee pods; olive oil; spices; cookies; cake mould
    // best before date on the pack; vanilla flavour; organic farming; natural aroma
de: Kaffeebohnen; grüner Tee; Marmelade; Bonbons; Schokolade; Gewürze
es: café en grano; té verde; mermelada; caramelos; chocolate
it: caffè in grani; tè verde; marmellata; caramelle; cioccolato
nl: koffiebonen; groene thee; jam; snoep; chocolade""",
    2060: """
fr: sticker mural; guirlande lumineuse; vase; tableau déco; horloge murale; bougie; lampe de table;
    tapis; cadre photo; sapin artificiel; fleurs artificielles; miroir; ballon décoratif; ruban led;
    figurine décorative // pour salon et chambre; facile à coller; décoration de Noël; lumière blanc
    chaud; toile sans cadre; deux mètres de fil
en: wall sticker; string lights; vase; wall art; wall clock; candle; table lamp; rug; photo frame;
    artificial flowers // living room decor; easy to stick; Christmas decoration; warm white light
de: Wandtattoo; Lichterkette; Vase; Wandbild; Wanduhr; Kerze
es: vinilo de pared; guirnalda de luces; jarrón; cuadro decorativo; reloj de pared
it: adesivo murale; ghirlanda luminosa; vaso; quadro; orologio da parete
nl: muursticker; lichtslinger; vaas; wanddecoratie; wandklok""",
    2220: """
fr: collier pour chien; laisse; panier pour chat; gamelle; litière; jouet pour chat; arbre à chat;
    aquarium; harnais; cage à oiseaux; croquettes; manteau pour chien; brosse à poils; niche // tour de
    cou réglable; pour petits chiens; votre animal de compagnie; anti-puces; coussin lavable; herbe à
    chat
en: dog collar; leash; cat bed; pet bowl; litter box; cat toy; cat tree; aquarium; harness; bird cage //
    for small dogs; your pet; neck size; catnip
de: Hundehalsband; Leine; Katzenbett; Futternapf; Katzenspielzeug; Kratzbaum
es: collar para perro; correa; cama para gato; comedero; juguete para gato
it: collare per cane; guinzaglio; cuccia per gatto; ciotola; gioco per gatto
nl: hondenhalsband; hondenriem; kattenmand; voerbak; kattenspeeltje""",
    2280: """
fr: magazine; journal; revue; hebdomadaire; numéro spécial; mensuel; journal ancien; hors-série;
    supplément; quotidien; bulletin; gazette; catalogue; couverture de presse // numéro du mois de mars;
    avec son poster; sommaire du numéro; reportage photo; petites annonces; la une sur les élections
en: magazine; newspaper; review; weekly; special issue; monthly; old newspaper; supplement // march
    issue; with its poster; photo report; classified ads
de: Zeitschrift; Zeitung; Magazin; Wochenblatt; Sonderheft; Monatsheft
es: revista; periódico; semanario; número especial; suplemento
it: rivista; giornale; settimanale; numero speciale; supplemento
nl: tijdschrift; krant; weekblad; speciaal nummer; bijlage""",
    2403: """
fr: bande dessinée; album bd; manga; lot de livres; comics; tome; intégrale; partition; lot de
    magazines; roman graphique; journal relié; coffret de livres; strip; album jeunesse // dos carré
    collé; dessins en noir et blanc; tomes un à cinq; édition cartonnée; planches couleur; série
    complète
en: comic book; graphic novel; manga; lot of books; comics; volume; complete series; sheet music; lot of
    magazines // black and white drawings; volumes one to five; colour plates
de: Comic; Comicalbum; Manga; Bücherpaket; Band; Notenheft
es: cómic; álbum ilustrado; manga; lote de libros; partitura
it: fumetto; albo illustrato; manga; lotto di libri; spartito
nl: stripboek; stripalbum; manga; boekenpakket; bladmuziek""",
    2462: """
fr: lot de jeux; console d'occasion; jeu vidéo d'occasion; console avec manettes; lot de cartouches; jeu
    rétro; console complète; pack de jeux; jeu en loose; console à réparer; vieux jeu; jeu sans boîte //
    vendu sans boîte; testé et fonctionnel; vendu en l'état; câbles fournis; jaquette abîmée; nettoyé et
    vérifié
en: lot of games; used console; used video game; console with controllers; lot of cartridges; retro
    game; complete console; game bundle // sold without box; tested and working; cables included; sold
    as is
de: Spielesammlung; gebrauchte Konsole; gebrauchtes Videospiel; Konsole mit Controllern; Retro-Spiel;
    Spielepaket
es: lote de juegos; consola usada; videojuego usado; consola con mandos; juego retro
it: lotto di giochi; console usata; videogioco usato; console con controller; gioco retro
nl: partij spellen; gebruikte console; gebruikt spel; console met controllers; retrospel""",
    2522: """
fr: stylo; carnet; cahier; agenda; trousse; classeur; papier à dessin; crayons de couleur; tampon
    encreur; cartouche d'encre; calculatrice; marqueur; étiquettes; ramette; plume // pages lignées;
    format A5; encre bleue; pointe moyenne; couverture rigide; 96 pages
en: pen; notebook; exercise book; diary; pencil case; binder; drawing paper; colouring pencils; ink
    stamp; ink cartridge // ruled pages; A5 size; blue ink; hard cover
de: Stift; Notizbuch; Heft; Kalender; Federmäppchen; Ordner
es: bolígrafo; cuaderno; libreta; agenda; estuche
it: penna; quaderno; taccuino; agenda; astuccio
nl: pen; notitieboek; schrift; agenda; etui""",
    2582: """
fr: salon de jardin; parasol; chaise longue; table de jardin; tonnelle; hamac; balancelle; coussin de
    jardin; banc; housse de salon; serre; voile d'ombrage; jardinière; abri de jardin; barbecue //
    résine tressée; toile de 180 g/m²; résiste aux intempéries; pour terrasse ou balcon; pied non
    fourni; structure époxy
en: garden furniture set; parasol; sun lounger; garden table; gazebo; hammock; garden swing; bench;
    furniture cover; shade sail // woven resin; weather resistant; for patio or balcony; base not
    included
de: Gartenmöbel; Sonnenschirm; Sonnenliege; Gartentisch; Pavillon; Hängematte
es: muebles de jardín; sombrilla; tumbona; mesa de jardín; hamaca
it: salotto da giardino; ombrellone; lettino; tavolo da giardino; amaca
nl: tuinset; parasol; ligstoel; tuintafel; hangmat""",
    2583: """
fr: piscine hors-sol; bâche à bulles; pompe de filtration; robot de piscine; liner; filtre à sable;
    échelle de piscine; chlore; skimmer; spa gonflable; enrouleur; épuisette; projecteur led piscine;
    pompe à chaleur; alarme de piscine // débit 6 m³/h; bassin de 8 x 4 m; raccord de 38 mm; traitement
    de l'eau; margelle et sangle; anti-algues
en: above-ground pool; solar cover; filter pump; pool robot; pool liner; sand filter; pool ladder;
    chlorine; skimmer; inflatable spa // flow rate 6 m³/h; water treatment; 38 mm hose; anti algae
de: Aufstellpool; Solarfolie; Filterpumpe; Poolroboter; Sandfilter; Poolleiter
es: piscina elevada; cubierta de piscina; bomba de filtración; robot de piscina; cloro
it: piscina fuori terra; telo per piscina; pompa di filtrazione; robot per piscina; cloro
nl: opzetzwembad; zwembadzeil; filterpomp; zwembadrobot; chloor""",
    2585: """
fr: perceuse; tondeuse; scie; tournevis; clé à molette; boîte à outils; nettoyeur haute pression; pompe
    à eau; visseuse; meuleuse; tuyau d'arrosage; taille-haie; gants de travail; échelle; forets; raccord
    // couple de 35 Nm; moteur thermique; mandrin auto-serrant; lame de 40 cm; 18 volts; acier trempé
en: drill; lawn mower; saw; screwdriver; wrench; toolbox; pressure washer; water pump; grinder; garden
    hose // torque 35 Nm; petrol engine; 18 volts; hardened steel
de: Bohrmaschine; Rasenmäher; Säge; Schraubendreher; Schraubenschlüssel; Gartenschlauch
es: taladro; cortacésped; sierra; destornillador; caja de herramientas
it: trapano; tosaerba; sega; cacciavite; cassetta degli attrezzi
nl: boormachine; grasmaaier; zaag; schroevendraaier; gereedschapskist""",
    2705: """
fr: livre neuf; roman; livre; essai; grand format; guide pratique; beau livre; livre jeunesse; broché;
    récit; témoignage; livre de cuisine; manuel; dictionnaire // l'auteur nous livre; un récit
    bouleversant; préface inédite; best-seller traduit en vingt langues; paru en mars; une enquête
    haletante
en: new book; novel; book; essay; practical guide; coffee table book; children's book; paperback;
    memoir; cookbook // the author tells; a moving story; new preface; a thrilling investigation
de: neues Buch; Roman; Buch; Ratgeber; Kinderbuch; Kochbuch
es: libro nuevo; novela; libro; guía práctica; libro infantil
it: libro nuovo; romanzo; libro; guida pratica; libro per ragazzi
nl: nieuw boek; roman; boek; praktische gids; kinderboek""",
    2905: """
fr: jeu pc; jeu en téléchargement; clé d'activation; jeu pc dvd; extension pc; code numérique; jeu de
    simulation; jeu de gestion; jeu pc cd-rom; édition pc; logiciel de jeu; jeu d'objets cachés //
    configuration minimale requise; téléchargement immédiat; processeur double coeur; carte graphique
    512 Mo; clé envoyée par courriel; espace disque 4 Go
en: pc game; download game; activation key; pc dvd game; pc expansion; digital code; simulation game;
    management game // minimum requirements; dual core processor; instant download; key sent by e-mail
de: PC-Spiel; Download-Spiel; Aktivierungsschlüssel; Simulationsspiel; PC-Erweiterung; Spielcode
es: juego de pc; juego para descargar; clave de activación; juego de simulación; código digital
it: gioco per pc; gioco da scaricare; chiave di attivazione; gioco di simulazione; codice digitale
nl: pc-spel; downloadspel; activeringssleutel; simulatiespel; digitale code""",
}
