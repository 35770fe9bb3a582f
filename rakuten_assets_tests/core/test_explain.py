import json
from base64 import b64encode
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from rakuten_assets.core.classifier import ProductClassifier, prepare_picture, read_texts
from rakuten_assets.core.embeddings import TfidfEncoder, TransformerEncoder
from rakuten_assets.core.explain import explain
from rakuten_assets.core.explain_image import explain_picture, log_odds
from rakuten_assets.core.explain_text import explain_text
from rakuten_assets.core.images import BadPicture
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.taxonomy import CODES, INDEX
from rakuten_assets.core.text_models import TextModel

ODD = [
    "Piscine tubulaire ronde\nBâche été, échelle et épuisette: la piscine de l'été.",
    "Robe robe ROBE robe",
    "Cœur brisé n°12 ½ l … ™ x² ﬁn 1\u00a0000 pièces",
    "İstanbul e\u0301te\u0301 l´eau \u0301 Σίσυφος ΣΑΣ 한국어",
    "a b 12 à é\nx",
    "12 345",
    "..",
    "jeu-vidéo (PS4), jeu_vidéo/PS5",
    "Lampe de bureau " * 80 + "\n" + "abat-jour rouge " * 200,
    "titre sans description",
]


def linear_on(vectors, seed=0):
    """A classifier that has an opinion about every feature."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(vectors.shape[1], 27)).astype(np.float32)
    return LinearClassifier(weights, rng.normal(size=27).astype(np.float32), 3.0)


@pytest.fixture(scope="module")
def knows_all():
    """A text model that knows every term of the odd texts."""
    encoder = TfidfEncoder.fit(ODD)
    return TextModel(encoder, linear_on(encoder.transform(ODD)))


@pytest.fixture(scope="module")
def champion(platform):
    return ProductClassifier.load(Path(str(platform.settings.root / platform.registry.get("champion").folder)))


@pytest.fixture(scope="module")
def sample_texts(platform):
    return [text for text in platform.table("cleaned_text", "*")["light"].to_list() if text][:150]


def logits(model, text):
    """In double precision: the model's own sums are in single."""
    vectors, known = model.encoder.transform([text]), model.classifier
    return known.scale * (vectors.astype(np.float64) @ known.weights.astype(np.float64) + known.bias)[0]


def placed(found):
    return found.base + sum(word.contribution for word in found.words)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_the_words_add_up_to_the_logit(knows_all, text):
    for at in (0, 13, 26):
        found = explain_text(knows_all, text, at)
        assert placed(found) == pytest.approx(logits(knows_all, text)[at], abs=1e-6)
        assert abs(found.elsewhere) < 1e-6
        assert found.logit == pytest.approx(placed(found), abs=1e-6)


def test_the_words_of_real_listings_add_up_to_what_the_champion_says(champion, sample_texts):
    for text in sample_texts:
        at = int(champion.text_model.log_proba([text])[0].argmax())
        found = explain_text(champion.text_model, text, at)
        assert placed(found) == pytest.approx(logits(champion.text_model, text)[at], abs=1e-6)


def test_the_softmax_of_the_logits_is_the_text_models_answer(champion, sample_texts):
    text = sample_texts[0]
    scores = np.array([explain_text(champion.text_model, text, at).logit for at in range(27)])
    assert np.log(np.exp(scores) / np.exp(scores).sum()) == pytest.approx(
        champion.text_model.log_proba([text])[0], abs=1e-4
    )


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_every_word_is_told_where_it_stands(knows_all, text):
    words = explain_text(knows_all, text, 0).words
    assert [word.text for word in words] == text.split()
    assert all(text[word.start : word.end] == word.text for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)


def test_a_word_is_told_apart_from_the_others(knows_all):
    """These words have no letter in common, so no n-gram of one is found in another."""
    text = "Foudra piscine foudra\nfoudra"
    encoder = TfidfEncoder.fit([text])
    weights = np.zeros((encoder.transform([text]).shape[1], 27), np.float32)
    weights[encoder.transform(["piscine"]).indices] = 1
    found = explain_text(TextModel(encoder, LinearClassifier(weights, np.zeros(27, np.float32))), text, 0)
    others = [word.contribution for word in found.words if word.text != "piscine"]
    assert others == [0, 0, 0]
    assert found.words[1].contribution == pytest.approx(found.logit) != 0


def test_a_repeated_word_shares_what_it_says_and_a_pair_is_shared_by_its_words():
    encoder = TfidfEncoder.fit(["rouge bleu rouge vert"])
    vocabulary = encoder.transform(["rouge bleu rouge vert"]).shape[1]

    def columns_of(text):
        return {at for at in encoder.transform([text]).indices if at < encoder.words.stop}

    pair = columns_of("bleu rouge") - columns_of("bleu") - columns_of("rouge")
    alone = columns_of("rouge")
    for columns, shares in ((pair, [0, 0.5, 0.5, 0]), (alone, [0.5, 0, 0.5, 0])):
        weights = np.zeros((vocabulary, 27), np.float32)
        weights[list(columns)] = 1
        model = TextModel(encoder, LinearClassifier(weights, np.zeros(27, np.float32)))
        found = explain_text(model, "rouge bleu rouge vert", 0)
        got = [word.contribution / found.logit for word in found.words]
        assert got == pytest.approx(shares, abs=1e-6)


def test_without_its_strongest_words_a_text_says_less_than_without_others(champion, sample_texts):
    wins, rng, model = [], np.random.default_rng(0), champion.text_model
    for text in [text for text in sample_texts if len(text.split()) >= 8][:50]:
        at = int(model.log_proba([text])[0].argmax())
        shares = np.array([word.contribution for word in explain_text(model, text, at).words])
        strongest = np.argsort(-shares)[:3]
        others = [rng.choice(len(shares), 3, replace=False) for _ in range(5)]
        shorter = [without(text, words) for words in (strongest, *others)]
        odds = log_odds(model.log_proba(shorter), at)
        wins.append(odds[0] < odds[1:].mean())
    assert len(wins) == 50
    assert np.mean(wins) > 0.9


def without(text, words):
    """The text without some of its words, the lines as they were."""
    numbers = iter(range(len(text)))
    lines = ([word for word in line.split() if next(numbers) not in words] for line in text.split("\n"))
    return "\n".join(" ".join(line) for line in lines)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """A tiny random BERT with a tokenizer that cuts words into pieces and frames a text, as BERT's own does."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("hub")
    letters = sorted(set("abcdefghijklmnopqrstuvwxyzéâ'.:,"))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "piscine", "##s", "ronde", *letters, *(f"##{at}" for at in letters)]
    tokenizer = Tokenizer(WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(pieces), **shape)).save_pretrained(folder)
    encoder = TransformerEncoder(str(folder))
    return TextModel(encoder, linear_on(encoder.transform(["piscine"])))


@pytest.mark.parametrize("text", ["piscines rondes", "piscine, ronde\nbâche d'été: 12 m", "ronde " * 400])
def test_the_words_that_a_transformer_reads_add_up_too(transformer, text):
    found = explain_text(transformer, text, 4)
    assert found.logit == pytest.approx(logits(transformer, text)[4], abs=1e-5)
    assert [word.text for word in found.words] == text.split()
    assert found.words[0].contribution != 0


def test_a_transformers_frame_stands_on_no_word_and_what_it_did_not_read_says_nothing(transformer):
    found = explain_text(transformer, ("ronde " * 400).strip(), 4)
    read = transformer.encoder.MAX_TOKENS - 2
    assert abs(found.elsewhere) > 1e-6
    assert all(word.contribution != 0 for word in found.words[:read])
    assert all(word.contribution == 0 for word in found.words[read:])


def test_an_encoder_that_nobody_can_trace_is_an_error(knows_all):
    with pytest.raises(TypeError, match="object"):
        explain_text(replace(knows_all, encoder=object()), "piscine", 0)


class BrightCorner:
    """An image model that sees the first category in a bright region: the second row from above, the last column."""

    def log_proba(self, pictures):
        bright = np.array([np.asarray(picture)[34:62, 196:222].mean() for picture in pictures])
        sure = 1 / (1 + np.exp(-(bright - 128) / 32))
        return np.log(np.column_stack([sure, *[(1 - sure) / 26] * 26]))


def test_the_region_that_decides_stands_out_in_its_row_and_column():
    picture = Image.new("RGB", (224, 224), "black")
    picture.paste("white", (192, 32, 224, 64))
    found = explain_picture(BrightCorner(), picture, 0)
    values = np.array(found.values)
    assert values.shape == (found.rows, found.columns) == (7, 7)
    assert np.unravel_index(values.argmax(), values.shape) == (1, 6)
    # Log-odds of a bright corner less those of a black one.
    assert values.max() == pytest.approx((255 - 128) / 32 + 128 / 32, abs=0.01)
    assert values[3:, :5] == pytest.approx(0)


def test_the_map_lies_on_the_picture_that_the_model_saw(champion):
    data = encode(draw_picture(Random(3), 2583))
    shown = Image.open(BytesIO(explain(champion, Product(image=data)).picture.picture))
    seen = prepare_picture(data, champion.preparation)
    assert shown.format == "JPEG"
    assert np.abs(np.asarray(shown, float) - np.asarray(seen, float)).mean() < 6


def test_the_odds_of_a_sure_answer_are_finite():
    sure = np.array([[-1e-30, -60.0, -61.0]])
    assert log_odds(sure, 0)[0] == pytest.approx(60 - np.log1p(np.exp(-1)))


def beside(code, seed, left):
    """A drawn product on one side of a plain ground, too wide to be cropped."""
    rng = Random(seed)
    ground = Image.new("RGB", (500, 500), tuple(rng.randint(200, 255) for _ in range(3)))
    ground.paste(draw_picture(rng, code).crop((140, 0, 360, 500)), (0 if left else 280, 0))
    return encode(ground)


def test_the_strongest_regions_lie_on_the_product(champion):
    shares = []
    for number in range(14):
        left = number % 2 == 0
        picture = prepare_picture(beside(CODES[number], number, left), champion.preparation)
        at = int(champion.image_model.log_proba([picture])[0].argmax())
        values = np.array(explain_picture(champion.image_model, picture, at).values)
        strongest = np.argsort(-values.ravel())[:8] % 7
        own, other = (strongest < 3, strongest > 3) if left else (strongest > 3, strongest < 3)
        shares.append(own.sum() / max(own.sum() + other.sum(), 1))
    # Both sides have three columns, so chance is a half.
    assert np.mean(shares) > 0.7
    assert np.mean(np.array(shares) > 0.5) > 0.7


def test_without_its_strongest_regions_a_picture_says_less_than_without_others(champion):
    drops, rng, model = [], np.random.default_rng(0), champion.image_model
    for number in range(12):
        picture = prepare_picture(encode(draw_picture(Random(number), CODES[2 * number])), champion.preparation)
        at = int(model.log_proba([picture])[0].argmax())
        values = np.array(explain_picture(model, picture, at).values).ravel()
        chosen = [np.argsort(-values)[:8], *(rng.choice(49, 8, replace=False) for _ in range(5))]
        odds = log_odds(model.log_proba([blurred(picture, regions) for regions in chosen]), at)
        drops.append(odds[1:].mean() - odds[0])
    assert np.mean(np.array(drops) > 0) > 0.7
    assert np.mean(drops) > 0.3


def blurred(picture, regions):
    """The picture with some of its regions blurred: another way of hiding than the one that the map was made by."""
    hidden = np.zeros((7, 7), bool)
    hidden[np.unravel_index(regions, (7, 7))] = True
    mask = Image.fromarray(np.kron(hidden, np.ones((32, 32), bool)).astype(np.uint8) * 255)
    return Image.composite(picture.filter(ImageFilter.GaussianBlur(32)), picture, mask)


PICTURE = encode(draw_picture(Random(5), 2583))
TITLE, DESCRIPTION = "Piscine tubulaire ronde 366 cm", "<p>Avec pompe &amp; &eacute;chelle</p>"


@pytest.mark.parametrize(
    ("product", "rests_on"),
    [
        (Product(TITLE, DESCRIPTION), "text"),
        (Product(TITLE, ""), "text"),
        (Product(image=PICTURE), "image"),
        (Product("<br>", "", PICTURE), "image"),
        (Product(TITLE, DESCRIPTION, PICTURE), "both"),
    ],
)
def test_an_explanation_says_what_the_prediction_says_and_shows_what_it_rests_on(champion, product, rests_on):
    found, answer = explain(champion, product), champion.predict([product])[0]
    assert (found.category, found.runner_up) == answer.categories[:2]
    assert (found.rests_on, found.model_version) == (answer.rests_on, answer.model_version)
    assert found.rests_on == rests_on
    assert (found.text is None, found.text_opinion is None) == (rests_on == "image",) * 2
    assert (found.picture is None, found.image_opinion is None) == (rests_on == "text",) * 2


def test_the_text_is_shown_as_the_model_read_it(champion):
    assert explain(champion, Product(TITLE, DESCRIPTION)).text.text == f"{TITLE}\nAvec pompe & échelle"
    translating = replace(champion, text_view="translated")
    english = Product("Round swimming pool with ladder and cover for the whole family in the garden")
    found = explain(translating, english).text
    assert [found.text] == read_texts([english], "translated")
    assert "piscine" in found.text.lower()


def test_another_category_can_be_explained(champion):
    product = Product(TITLE, DESCRIPTION, PICTURE)
    predicted, other = explain(champion, product), explain(champion, product, 10)
    assert predicted.category.code != other.category.code == 10
    assert other.runner_up == predicted.category
    assert other.text.logit < predicted.text.logit


def test_both_opinions_are_told_and_what_they_weigh_in_a_pool(champion):
    product = Product(TITLE, DESCRIPTION, PICTURE)
    champion = replace(champion, fusion=replace(champion.fusion, strategy="stack-logistic", combination=None))
    found, answer = explain(champion, product, 40), champion.predict_log_proba([product])
    assert champion.fusion.method.startswith("pool")
    assert found.text_opinion.confidence == pytest.approx(np.exp(answer.text[0, INDEX[40]]))
    assert found.image_opinion.confidence == pytest.approx(np.exp(answer.image[0, INDEX[40]]))
    assert (found.text_opinion.weight, found.image_opinion.weight) == champion.fusion.pool_weights
    assert explain(champion, Product(TITLE)).text_opinion.weight is None
    voting = replace(champion, fusion=replace(champion.fusion, strategy="vote"))
    assert explain(voting, product).text_opinion.weight is None


def test_a_classifier_without_pictures_explains_the_text(champion):
    found = explain(replace(champion, image_model=None), Product(TITLE, image=PICTURE))
    assert found.picture is None
    assert found.rests_on == "text"


@pytest.mark.parametrize(
    ("product", "code", "error"),
    [
        (Product(), None, "nothing to explain"),
        (Product("<br>", "&nbsp;"), None, "nothing to explain"),
        (Product(TITLE), 11, "11 is no category"),
    ],
)
def test_what_cannot_be_explained_is_said_so(champion, product, code, error):
    with pytest.raises(ValueError, match=error):
        explain(champion, product, code)


def test_a_picture_that_cannot_be_read_is_said_so(champion):
    with pytest.raises(BadPicture):
        explain(champion, Product(TITLE, image=b"no picture"))


def test_an_explanation_becomes_json(champion):
    found = asdict(explain(champion, Product(TITLE, DESCRIPTION, PICTURE)))
    again = json.loads(json.dumps(found, default=lambda data: b64encode(data).decode()))
    assert again["category"]["code"] == found["category"]["code"]
    assert again["picture"]["values"] == [list(row) for row in found["picture"]["values"]]
