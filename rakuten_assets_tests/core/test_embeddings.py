import numpy as np
import pytest
from PIL import Image

from rakuten_assets.core import embeddings, text_terms

TEXTS = [
    "Piscine tubulaire ronde",
    "Livre de poche ancien",
    "piscines rondes tubulaires",
    "Console de jeu",
] * 3


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory):
    """A tiny random BERT with a vocabulary of its own, saved as the hub keeps models."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("hub")
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), **shape)).save_pretrained(folder)
    return folder


@pytest.fixture(params=[embeddings.BUILT_IN, "hub"])
def encoder(request, hub_model):
    backbone = str(hub_model) if request.param == "hub" else request.param
    return embeddings.fit_text_encoder(backbone, TEXTS, 1000)


def dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def test_a_text_has_one_vector_whoever_stands_beside_it(encoder):
    together, alone = dense(encoder.transform(TEXTS)), dense(encoder.transform(TEXTS[1:2]))
    assert np.allclose(together[1], alone[0], atol=1e-6)


def test_a_text_encoder_comes_back_from_disk_as_it_was(encoder, tmp_path):
    encoder.save(tmp_path)
    again = embeddings.load_text_encoder(tmp_path)
    assert np.allclose(dense(again.transform(TEXTS)), dense(encoder.transform(TEXTS)), atol=1e-6)


def test_the_built_in_vectors_are_those_of_scikit_learn():
    """Digit for digit: training and serving may not differ, nor one version of this code from the next."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    odd = [
        "",
        "É",
        "Œuf\nd'ŒUF İstanbul ΣΑΣ a b",
        "x" * 3000,
        "ﬁn de ½ m²\u2009thin a̐é\u00a0nb",
        "a\n",
        "\nb",
        "テキスト",
        "mot " * 600,
    ]
    texts = [*TEXTS, *odd]
    title = [text.split("\n", 1)[0][:1000] for text in texts]
    parts = [
        (texts, {"analyzer": "word", "ngram_range": (1, 2)}, 0.7),
        ([text[:1000] for text in texts], {"analyzer": "char_wb", "ngram_range": (2, 5)}, 1),
        (title, {"analyzer": "char_wb", "ngram_range": (2, 5)}, 1),
        ([text[:1000] for text in texts], {"analyzer": text_terms.writing}, 0.5),
        (title, {"tokenizer": text_terms.opening, "token_pattern": None}, 0.4),
    ]
    expected = [
        TfidfVectorizer(strip_accents="unicode", sublinear_tf=True, dtype=np.float32, **kind).fit_transform(read)
        * np.float32(weight)
        for read, kind, weight in parts
    ]
    encoder = embeddings.TfidfEncoder.fit(texts)
    for _ in range(2):  # the second time, its words are known
        assert np.array_equal(encoder.transform(texts).toarray(), hstack(expected).toarray())
    assert encoder.words == slice(0, expected[0].shape[1])


def test_inflected_words_are_near_one_another():
    vectors = dense(embeddings.TfidfEncoder.fit(TEXTS).transform(TEXTS))
    assert vectors[0] @ vectors[2] > 2 * (vectors[0] @ vectors[1])


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (224, 224, 3), np.uint8)) for _ in range(3)]


@pytest.fixture(params=["built-in", "timm"])
def image_encoder(request):
    if request.param == "built-in":
        return embeddings.image_encoder(embeddings.BUILT_IN)
    return embeddings.TimmEncoder("resnet10t", pretrained=False)


def test_a_picture_has_one_vector_whoever_stands_beside_it(image_encoder, pictures):
    together, alone = image_encoder.transform(pictures), image_encoder.transform(pictures[1:2])
    assert together.shape[0] == 3
    assert np.allclose(together[1], alone[0], atol=1e-4)


def test_an_image_encoder_comes_back_from_disk_as_it_was(image_encoder, pictures, tmp_path):
    image_encoder.save(tmp_path)
    again = embeddings.load_image_encoder(tmp_path)
    assert again.size == image_encoder.size
    assert np.allclose(again.transform(pictures), image_encoder.transform(pictures), atol=1e-5)


def test_a_backbone_that_cannot_be_had_is_an_error_not_a_fallback(tmp_path):
    with pytest.raises(OSError, match=str(tmp_path)):
        embeddings.fit_text_encoder(str(tmp_path / "nothing"), TEXTS, 100)
