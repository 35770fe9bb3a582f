import json
import multiprocessing
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from rakuten_assets.core import translate
from rakuten_assets.core.translate import (
    GlossaryTranslator,
    GoogleTranslator,
    MarianTranslator,
    TranslationCache,
    TranslatorUnavailable,
    blocks,
)


class FakeTranslator:
    """Says everything in capitals, remembers what it was asked, and fails on what it was told to."""

    name = "fake"

    def __init__(self, fails: Sequence[str] = (), error: Exception | None = None, says: str | None = None) -> None:
        self.fails, self.error, self.says = fails, error or RuntimeError("too hard"), says
        self.asked: list[list[str]] = []

    def translate(self, texts: Sequence[str], source: str) -> list[str]:
        self.asked.append(list(texts))
        if any(text in self.fails for text in texts):
            raise self.error
        return [self.says if self.says is not None else f"{source}:{text.upper()}" for text in texts]


def spoken(*rows: tuple[str | None, str | None]) -> pl.DataFrame:
    columns = {"productid": pl.Int64, "light": pl.String, "language": pl.String}
    return pl.DataFrame([(number, *row) for number, row in enumerate(rows)], schema=columns, orient="row")


@pytest.fixture
def cache(tmp_path: Path) -> TranslationCache:
    return TranslationCache(tmp_path / "translations")


def test_french_and_empty_texts_are_left_alone(cache: TranslationCache) -> None:
    translator = FakeTranslator()
    done = translate.translate(spoken(("une chaise", "fr"), ("", "en"), (None, "en"), ("x", None)), translator, cache)

    assert translator.asked == []
    assert done.table["translated"].to_list() == ["une chaise", "", None, "x"]
    assert done.table["translator"].null_count() == 4
    assert (done.kept, done.failed) == (4, 0)


def test_rows_keep_their_order_and_say_who_translated_them(cache: TranslationCache) -> None:
    done = translate.translate(
        spoken(("a chair", "en"), ("une table", "fr"), ("ein tisch", "de")), FakeTranslator(), cache
    )

    assert done.table.to_dict(as_series=False) == {
        "productid": [0, 1, 2],
        "translated": ["en:A CHAIR", "une table", "de:EIN TISCH"],
        "translator": ["fake", None, "fake"],
        "translation_failed": [False, False, False],
    }


def test_a_text_is_sent_once_however_often_it_occurs(cache: TranslationCache) -> None:
    translator = FakeTranslator()
    done = translate.translate(spoken(("a", "en"), ("a", "en"), ("b", "en"), ("a", "de")), translator, cache)

    assert translator.asked == [["a", "b"], ["a"]]
    assert done.translated == 4


def test_a_text_is_never_paid_for_twice(tmp_path: Path) -> None:
    texts = spoken(("a", "en"), ("b", "en"))
    translate.translate(texts, FakeTranslator(), TranslationCache(tmp_path))
    translator = FakeTranslator()
    again = translate.translate(texts, translator, TranslationCache(tmp_path))

    assert translator.asked == []
    assert (again.translated, again.from_cache) == (0, 2)
    assert again.table["translated"].to_list() == ["en:A", "en:B"]
    assert again.table["translator"].to_list() == ["fake", "fake"]


def test_another_translator_is_asked_anew(cache: TranslationCache) -> None:
    texts = spoken(("a", "en"))
    translate.translate(texts, FakeTranslator(), cache)
    other = FakeTranslator()
    other.name = "other"

    assert translate.translate(texts, other, cache).translated == 1


def test_the_original_is_kept_counted_and_flagged_where_translation_fails(cache: TranslationCache) -> None:
    texts = spoken(("a", "en"), ("bad", "en"), ("c", "en"), ("bad", "en"))
    done = translate.translate(texts, FakeTranslator(fails=["bad"]), cache)

    assert done.table["translated"].to_list() == ["en:A", "bad", "en:C", "bad"]
    assert done.table["translation_failed"].to_list() == [False, True, False, True]
    assert done.table["translator"].to_list() == ["fake", None, "fake", None]
    assert (done.translated, done.failed) == (2, 2)
    assert done.reasons == ("en: RuntimeError: too hard",)


def test_a_failure_is_not_cached(cache: TranslationCache) -> None:
    texts = spoken(("a", "en"), ("bad", "en"))
    translate.translate(texts, FakeTranslator(fails=["bad"]), cache)
    translator = FakeTranslator()
    done = translate.translate(texts, translator, cache)

    assert translator.asked == [["bad"]]
    assert (done.translated, done.from_cache, done.failed) == (1, 1, 0)


@pytest.mark.parametrize("answer", ["", "  "])
def test_an_empty_answer_is_a_failure(cache: TranslationCache, answer: str) -> None:
    done = translate.translate(spoken(("a", "en")), FakeTranslator(says=answer), cache)

    assert (done.table["translated"].item(), done.failed) == ("a", 1)


def test_a_translator_without_a_model_is_asked_once_and_the_other_languages_go_on(
    cache: TranslationCache,
) -> None:
    translator = FakeTranslator(fails=["a"], error=TranslatorUnavailable("no model"))
    done = translate.translate(spoken(("a", "en"), ("b", "en"), ("c", "de")), translator, cache)

    assert translator.asked == [["a", "b"], ["c"]]
    assert done.table["translation_failed"].to_list() == [True, True, False]


def test_a_service_that_is_down_is_given_up(cache: TranslationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "CHUNK", 2)
    translator = FakeTranslator(fails=["a", "b", "c"])
    done = translate.translate(spoken(("a", "en"), ("b", "en"), ("c", "en")), translator, cache)

    assert translator.asked == [["a", "b"], ["a"], ["b"]]
    assert done.failed == 3


def test_what_was_translated_before_a_crash_is_kept(cache: TranslationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "CHUNK", 1)
    texts = spoken(("a", "en"), ("b", "en"))
    with pytest.raises(KeyboardInterrupt):
        translate.translate(texts, FakeTranslator(fails=["b"], error=KeyboardInterrupt()), cache)  # type: ignore[arg-type]
    translator = FakeTranslator()
    translate.translate(texts, translator, TranslationCache(cache.root))

    assert translator.asked == [["b"]]


def test_a_cache_is_not_needed() -> None:
    assert translate.translate(spoken(("a", "en")), FakeTranslator()).table["translated"].item() == "en:A"


def test_no_products_give_no_rows(cache: TranslationCache) -> None:
    done = translate.translate(spoken(), FakeTranslator(), cache)

    assert done.table.columns == ["productid", "translated", "translator", "translation_failed"]
    assert done.table.schema["translator"] == pl.String
    assert done.table.is_empty()


@pytest.mark.parametrize("root", ["local", "memory"])
def test_the_cache_gives_back_what_was_put_on_any_path(root: str, tmp_path: Path) -> None:
    path = UPath(tmp_path) if root == "local" else UPath(f"memory://{tmp_path.name}/translations")
    first = TranslationCache(path)
    first.put_many({"k1": "un", "k2": "deux"})

    assert TranslationCache(path).get_many(["k2", "k3", "k1"]) == {"k2": "deux", "k1": "un"}


def test_an_empty_cache_knows_nothing_and_writes_nothing(tmp_path: Path) -> None:
    cache = TranslationCache(tmp_path / "none")
    cache.put_many({})

    assert cache.get_many(["k"]) == {}
    assert not (tmp_path / "none").exists()


def test_a_reader_sees_what_others_have_added_since(tmp_path: Path) -> None:
    reader, writer = TranslationCache(tmp_path), TranslationCache(tmp_path)
    assert reader.get_many(["k"]) == {}
    writer.put_many({"k": "un"})

    assert reader.get_many(["k"]) == {"k": "un"}


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TranslationCache(tmp_path).put_many({"k": "un"})
    cache = TranslationCache(tmp_path)
    cache.get_many(["k"])
    monkeypatch.setattr(pl, "read_parquet", None)

    assert cache.get_many(["k"]) == {"k": "un"}


def test_what_a_killed_writer_left_behind_is_not_read(tmp_path: Path) -> None:
    cache = TranslationCache(tmp_path)
    cache.put_many({"k": "un"})
    whole = next(tmp_path.glob("*.parquet"))
    (tmp_path / f".{whole.name}.part").write_bytes(whole.read_bytes()[:20])

    assert TranslationCache(tmp_path).get_many(["k"]) == {"k": "un"}


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    cache = TranslationCache(tmp_path)
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.put_many({"k": "un"})

    assert list(tmp_path.glob("*.parquet")) == []
    assert TranslationCache(tmp_path).get_many(["k"]) == {}


def _write(root: str, writer: int) -> None:
    for number in range(5):
        TranslationCache(root).put_many({f"{writer}-{number}": "texte", "shared": "le même"})


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), writer)) for writer in range(2)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()

    keys = [f"{writer}-{number}" for writer in range(2) for number in range(5)] + ["shared"]
    assert set(TranslationCache(tmp_path).get_many(keys)) == set(keys)


@pytest.mark.parametrize(
    ("source", "text", "french"),
    [
        ("en", "Inflatable Pool with filter pump, 2.5 m", "Piscine gonflable avec pompe à filtration, 2.5 m"),
        ("en", "STAINLESS-STEEL KNIFE", "ACIER INOXYDABLE COUTEAU"),
        ("en", "poolside Kobaru 3000", "poolside Kobaru 3000"),
        ("de", "Gartenstuhl aus Holz", "Chaise de jardin aus Bois"),
        ("es", "Libro para niños", "Livre pour enfants"),
        ("it", "Gioco da tavolo per la famiglia", "Jeu de société pour la famille"),
        ("nl", "Zwembad met ladder", "Piscine avec échelle"),
        ("pt", "Livro para crianças", "Livro para crianças"),
        ("en", "", ""),
    ],
)
def test_the_glossary_puts_the_longest_phrases_it_knows_into_french(source: str, text: str, french: str) -> None:
    assert GlossaryTranslator().translate([text], source) == [french]


@settings(deadline=None)
@given(st.lists(st.text()), st.sampled_from(["en", "de", "es", "it", "nl", "xx"]))
def test_the_glossary_answers_every_text(texts: list[str], source: str) -> None:
    assert len(GlossaryTranslator().translate(texts, source)) == len(texts)


def test_the_glossary_has_one_answer_for_each_phrase_of_each_language() -> None:
    path = Path(translate.__file__).with_name("glossary.tsv")
    rows = pl.read_csv(StringIO(path.read_text("utf-8")), separator="\t", quote_char=None)

    assert rows.columns == ["fr", "en", "de", "es", "it", "nl"]
    for language in rows.columns[1:]:
        phrases = [phrase for cell in rows[language].drop_nulls() for phrase in cell.split("|")]
        assert len(phrases) == len(set(phrases)) > 400
        assert all(phrase == phrase.lower().strip() for phrase in phrases)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab. !\né"), max_size=300), st.integers(1, 40))
def test_blocks_hold_all_words_within_the_limit(text: str, limit: int) -> None:
    pieces = list(blocks(text, limit))

    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("Un livre. Une table. Une chaise.", 22, ["Un livre. Une table.", "Une chaise."]),
        ("une très longue phrase", 12, ["une très", "longue", "phrase"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("court", 100, ["court"]),
        ("", 10, []),
    ],
)
def test_blocks_end_with_a_sentence_or_a_word_if_they_can(text: str, limit: int, pieces: list[str]) -> None:
    assert list(blocks(text, limit)) == pieces


class FakeGoogle:
    def __init__(self) -> None:
        self.blocks: list[str] = []

    def translate(self, block: str, target_language: str, source_language: str, format_: str) -> dict[str, str]:
        assert (target_language, source_language, format_) == ("fr", "en", "text")
        self.blocks.append(block)
        if "fail" in block:
            raise ConnectionError("quota")
        return {"translatedText": block.upper()}


def test_google_gets_blocks_of_at_most_4900_characters_in_order_and_the_text_comes_back_whole() -> None:
    client = FakeGoogle()
    text = " ".join(f"word{number}." for number in range(2_000))

    assert GoogleTranslator(client).translate([text], "en") == [text.upper()]
    assert len(client.blocks) > 1
    assert max(map(len, client.blocks)) <= 4_900
    assert " ".join(client.blocks) == text


def test_google_keeps_the_original_of_a_text_when_one_of_its_blocks_fails(cache: TranslationCache) -> None:
    text = "word. " * 1_000 + "fail"
    done = translate.translate(
        spoken((text, "en"), ("a chair", "en"), ("une chaise", "fr")), GoogleTranslator(FakeGoogle()), cache
    )

    assert done.table["translated"].to_list() == [text, "A CHAIR", "une chaise"]
    assert (done.translated, done.failed, done.kept) == (1, 1, 1)


def test_google_without_its_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud", None)

    with pytest.raises(ImportError, match=r"pip install 'rakuten-assets\[google\]'"):
        GoogleTranslator()


@pytest.fixture(scope="module")
def marian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model with random weights and a vocabulary of a few sentences, in the hub's format."""
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    root = tmp_path_factory.mktemp("marian")
    folder = root / "opus-en-fr"
    corpus = root / "corpus.txt"
    corpus.write_text("a wooden garden chair\nun tavolo e una sedia\nune chaise de jardin en bois\n" * 5)
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(root / "tiny"), vocab_size=30, minloglevel=2
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(root / "tiny.model"))
    known = [pieces.id_to_piece(number) for number in range(3, pieces.get_piece_size())]
    vocabulary = {piece: number for number, piece in enumerate(["</s>", "<unk>", *known, "<pad>"])}
    (root / "vocab.json").write_text(json.dumps(vocabulary))
    spm = str(root / "tiny.model")
    MarianTokenizer(spm, spm, str(root / "vocab.json")).save_pretrained(folder)

    torch.manual_seed(0)
    padding = vocabulary["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=512,
        pad_token_id=padding,
        decoder_start_token_id=padding,
        eos_token_id=0,
        max_length=12,
    )
    MarianMTModel(config).save_pretrained(folder)
    return folder


def test_marian_answers_each_text_alike_in_any_batch(marian_folder: Path) -> None:
    texts = ["a wooden garden chair", "a chair", "a wooden chair. " * 60, "a chair"]
    alone = MarianTranslator(str(marian_folder), batch_size=1).translate(texts, "en")
    together = MarianTranslator(str(marian_folder), batch_size=8).translate(texts, "en")

    assert alone == together
    assert len(alone) == 4
    assert alone[1] == alone[3] != ""


def test_marian_reads_long_texts_to_their_end(marian_folder: Path) -> None:
    translator = MarianTranslator(str(marian_folder))
    short, long = translator.translate(["a chair. " * 20, "a chair. " * 200], "en")

    assert len(long) > 3 * len(short)


def test_marian_loads_one_model_a_language_and_only_when_asked(marian_folder: Path) -> None:
    translator = MarianTranslator(str(marian_folder.parent / "opus-{source}-fr"))
    assert translator._loaded == {}
    translator.translate(["a chair"], "en")
    first = translator._loaded["en"]
    translator.translate(["a table"], "en")

    assert list(translator._loaded) == ["en"]
    assert translator._loaded["en"] is first
    assert translator.name == f"marian:{marian_folder.parent}/opus-{{source}}-fr"


def test_marian_without_a_model_for_a_language_leaves_its_texts(marian_folder: Path, cache: TranslationCache) -> None:
    translator = MarianTranslator(str(marian_folder.parent / "opus-{source}-fr"))
    done = translate.translate(spoken(("a chair", "en"), ("ein stuhl", "de")), translator, cache)

    assert done.table["translation_failed"].to_list() == [False, True]
    assert "TranslatorUnavailable" in done.reasons[0]
