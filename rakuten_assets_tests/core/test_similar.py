from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from rakuten_assets.core.embeddings import TfidfEncoder
from rakuten_assets.core.similar import PRODUCTS, Projection, Side, SimilarProducts

THEMES = {
    10: "roman poche auteur édition livre page lecture",
    60: "console manette jeu écran câble mémoire pack",
    2583: "piscine bâche pompe filtre échelle tubulaire liner",
}


def titles(each, seed=0):
    """Titles of four words of one theme, with a common word between; `each` of every theme."""
    draw = np.random.default_rng(seed)
    return [
        " neuf ".join(draw.choice(words.split(), 4, replace=False)) for words in THEMES.values() for _ in range(each)
    ]


def pictures(each, seed=0):
    """Vectors (rows x 6) around one centre a theme."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(len(THEMES), 6)) * 4
    return (np.repeat(centres, each, axis=0) + draw.normal(size=(len(THEMES) * each, 6)) + 5).astype(np.float32)


@pytest.fixture(scope="module")
def encoder():
    return TfidfEncoder.fit(titles(30))


@pytest.fixture(scope="module")
def similar(encoder):
    """90 known products; those at every third place have no picture, the one at place 1 has no text."""
    texts, images = encoder.transform(titles(30)), pictures(30)
    text, image = Projection.of_texts(texts, encoder), Projection.principal(images)
    table = pl.DataFrame(
        {
            "productid": range(100, 190),
            "designation": titles(30),
            "prdtypecode": np.repeat(list(THEMES), 30),
            "image": [None if at % 3 == 0 else f"{at:064x}" for at in range(90)],
        },
        schema=PRODUCTS,
    )
    said, seen = text.transform(texts), image.transform(images)
    said[1], seen[::3] = 0, 0
    return SimilarProducts(table, Side(text, said), Side(image, seen))


def likeness(found):
    return {near.productid: near.similarity for near in found}


@pytest.mark.parametrize("has", ["text", "image", "both"])
def test_the_nearest_are_of_the_same_kind(similar, encoder, has):
    texts = None if has == "image" else encoder.transform(titles(10, seed=1))
    images = None if has == "text" else pictures(10, seed=1)
    found = similar.nearest(texts, images, 5)
    shares = [
        np.mean([near.code == code for near in row])
        for row, code in zip(found, np.repeat(list(THEMES), 10), strict=True)
    ]
    assert np.mean(shares) > 0.8


def test_a_known_product_finds_itself_first_and_with_all_its_fields(similar, encoder):
    first = similar.nearest(encoder.transform(titles(30)[32:33]), pictures(30)[32:33])[0][0]
    assert (first.productid, first.code, first.image) == (132, 60, f"{32:064x}")
    assert first.designation == titles(30)[32]
    assert first.similarity == pytest.approx(1, abs=1e-5)


def test_likeness_falls_and_is_a_mean_of_cosines(similar, encoder):
    texts, images = encoder.transform(titles(1, seed=2)), pictures(1, seed=2)
    for row in similar.nearest(texts, images, 90):
        falling = [near.similarity for near in row]
        assert falling == sorted(falling, reverse=True)
        assert -1 <= falling[-1] < 0 < falling[0] <= 1 + 1e-6
    said, seen = (likeness(similar.nearest(*pair, 90)[0]) for pair in ((texts, None), (None, images)))
    for near in similar.nearest(texts, images, 90)[0]:
        assert near.similarity == pytest.approx((said[near.productid] + seen[near.productid]) / 2, abs=1e-5)


def test_what_a_known_product_lacks_counts_nothing(similar, encoder):
    of_images = likeness(similar.nearest(None, pictures(1), 90)[0])
    of_texts = likeness(similar.nearest(encoder.transform(titles(1)), None, 90)[0])
    assert [of_images[100 + at] for at in range(0, 90, 3)] == [0] * 30
    assert of_texts[101] == 0
    assert of_images[101] != 0


def test_what_a_query_lacks_is_left_out_of_its_mean(similar, encoder):
    texts, images = encoder.transform(titles(30)[31:33]), pictures(30)[31:33].copy()
    images[1] = 0
    both, text_alone = similar.nearest(texts, images, 90)
    assert likeness(text_alone) == pytest.approx(likeness(similar.nearest(texts[1:], None, 90)[0]), abs=1e-5)
    assert likeness(both) != pytest.approx(likeness(similar.nearest(texts[:1], None, 90)[0]), abs=1e-2)


def test_a_query_with_nothing_to_compare_finds_nothing(similar, encoder):
    found = similar.nearest(encoder.transform(["", "qqq zzz", "piscine"]), None)
    assert [len(row) for row in found] == [0, 0, 5]
    assert similar.nearest(None, None) == []


def test_an_answer_does_not_depend_on_who_else_asks(similar, encoder):
    texts, images = encoder.transform(titles(60, seed=3)), pictures(60, seed=3)
    together, alone = similar.nearest(texts, images), similar.nearest(texts[170:171], images[170:171])
    assert len(together) == 180
    assert [near.productid for near in together[170]] == [near.productid for near in alone[0]]


def test_more_than_are_known_cannot_be_found(similar, encoder):
    assert len(similar.nearest(encoder.transform(["piscine"]), None, 1000)[0]) == 90


def test_agreement_is_the_share_of_neighbours_of_the_own_category(similar, encoder):
    units = similar.text.projection.transform(encoder.transform(titles(10, seed=1)))
    codes = np.repeat(list(THEMES), 10)
    # With products of mixed kinds, of a query's neighbours some agree and some do not.
    mixed = replace(similar, products=similar.products.with_columns(prdtypecode=pl.Series(list(THEMES) * 30)))
    rows = mixed.nearest(encoder.transform(titles(10, seed=1)), None, 5)
    by_hand = np.mean([near.code == code for row, code in zip(rows, codes, strict=True) for near in row])
    assert mixed.agreement(units, None, codes) == pytest.approx(by_hand)
    assert 0.2 < by_hand < 0.5
    assert similar.agreement(units, None, codes) > 0.8
    assert similar.agreement(units, None, np.roll(codes, 10)) < 0.2
    assert np.isnan(similar.agreement(np.zeros_like(units), None, codes))


def test_what_all_products_share_does_not_drown_what_tells_them_apart(encoder):
    """Whitening: beside a common word, plain singular vectors hardly see the rest."""
    sellers = [f"{title} vendeur {number % 3} livraison" for number, title in enumerate(titles(30))]
    texts = encoder.transform(sellers)
    axes = Projection.of_texts(texts, encoder).axes
    spread = (np.asarray(texts[:, : axes.shape[0]] @ axes) ** 2).mean(axis=0)
    assert np.allclose(spread[spread > 0], spread[0], rtol=0.01)
    assert (spread > 0).sum() > 10


def test_only_words_are_compared_where_the_encoder_tells_them_apart(encoder):
    columns = Projection.of_texts(encoder.transform(titles(30)), encoder).columns
    assert 0 < len(columns) <= encoder.words.stop
    assert columns.max() < encoder.words.stop


def test_dense_text_vectors_are_reduced_as_pictures_are(similar):
    class Network:
        pass

    projection = Projection.of_texts(pictures(30), Network())
    assert np.allclose(np.linalg.norm(projection.transform(pictures(5, seed=4)), axis=1), 1, atol=1e-5)
    assert projection.columns is None


def test_known_products_come_back_from_disk_mapped_and_as_they_were(similar, encoder, tmp_path):
    similar.save(tmp_path)
    again = SimilarProducts.load(tmp_path)
    assert isinstance(again.text.known, np.memmap)
    assert not again.text.known.flags.writeable
    texts, images = encoder.transform(titles(5, seed=5)), pictures(5, seed=5)
    assert again.nearest(texts, images) == similar.nearest(texts, images)


def test_a_catalogue_without_pictures_is_compared_by_its_texts(similar, encoder, tmp_path):
    SimilarProducts(similar.products, similar.text, None).save(tmp_path)
    again = SimilarProducts.load(tmp_path)
    texts = encoder.transform(titles(1))
    assert again.nearest(texts, pictures(1)) == similar.nearest(texts, None)


def test_an_object_array_is_not_unpickled(similar, tmp_path):
    similar.save(tmp_path)
    np.save(tmp_path / "text.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="object"):
        SimilarProducts.load(tmp_path)
