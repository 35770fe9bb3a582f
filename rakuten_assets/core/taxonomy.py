"""The categories of Rakuten France that a product can land in: `prdtypecode` and its names."""

from typing import NamedTuple


class Category(NamedTuple):
    """One leaf of the taxonomy: its code and what sellers (fr) and documentation (en) call it."""

    code: int
    fr: str
    en: str


CATEGORIES: tuple[Category, ...] = (
    Category(10, "Livre occasion", "Used books"),
    Category(40, "Jeu vidéo, accessoire tech.", "Video games and tech accessories"),
    Category(50, "Accessoire console", "Console accessories"),
    Category(60, "Console de jeu", "Game consoles"),
    Category(1140, "Figurine", "Figurines"),
    Category(1160, "Carte de collection", "Trading cards"),
    Category(1180, "Jeu de plateau", "Tabletop figures and games"),
    Category(1280, "Jouet enfant, déguisement", "Toys and costumes"),
    Category(1281, "Jeu de société", "Board games"),
    Category(1300, "Jouet tech", "Tech toys and models"),
    Category(1301, "Paire de chaussettes", "Socks and small baby wear"),
    Category(1302, "Jeu extérieur, vêtement", "Outdoor games and clothing"),
    Category(1320, "Autour du bébé", "Baby care"),
    Category(1560, "Mobilier intérieur", "Indoor furniture"),
    Category(1920, "Chambre", "Bedding and bedroom"),
    Category(1940, "Cuisine", "Kitchen and food"),
    Category(2060, "Décoration intérieure", "Home decoration"),
    Category(2220, "Animal", "Pets"),
    Category(2280, "Revues et journaux", "Magazines and newspapers"),
    Category(2403, "Magazines, livres et BD", "Comics, books and magazine lots"),
    Category(2462, "Jeu occasion", "Used games and consoles"),
    Category(2522, "Bureautique et papeterie", "Office and stationery"),
    Category(2582, "Mobilier extérieur", "Outdoor furniture"),
    Category(2583, "Autour de la piscine", "Pools and spas"),
    Category(2585, "Bricolage", "Tools and DIY"),
    Category(2705, "Livre neuf", "New books"),
    Category(2905, "Jeu PC", "PC games"),
)

CODES: tuple[int, ...] = tuple(category.code for category in CATEGORIES)
"""All codes, ascending. A code's position is its class index in every probability vector."""

INDEX: dict[int, int] = {code: position for position, code in enumerate(CODES)}

NAMES: dict[int, str] = {category.code: category.fr for category in CATEGORIES}

# Pairs that the data-science report found to be confused by every model it tried.
KNOWN_CONFUSIONS: tuple[tuple[int, int], ...] = (
    (10, 2403),
    (10, 2705),
    (2280, 2403),
    (1180, 1281),
    (1280, 1300),
    (1280, 1281),
    (40, 50),
    (40, 2462),
    (1280, 1320),
    (1320, 1560),
)
