import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rakuten_assets.core.calibration import NEVER
from rakuten_assets.core.taxonomy import CODES, INDEX
from rakuten_assets.core.text_networks import MaskedSettings, TextNetwork, TextNetworkSettings, pretrain_masked

TOPICS = {
    10: "livre roman poche ancien auteur page",
    2583: "piscine filtre pompe tubulaire ronde bâche",
    60: "console manette jeu cartouche écran port",
}
NOISE = ["le", "la", "de", "neuf", "lot", "grand", "petit", "bleu", "rouge", "avec", "pour", "sans"]


def products(rows, seed):
    """Texts with one word of their topic among words that say nothing, and their codes."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(list(TOPICS), rows)
    texts = []
    for code in codes:
        words = [*rng.choice(NOISE, rng.integers(2, 7)), rng.choice(TOPICS[int(code)].split())]
        texts.append(" ".join(rng.permutation(words)))
    return texts, codes.astype(np.int64)


LEARNT, HEARD, ASKED = products(240, 0), products(60, 1), products(60, 2)
ODD = ["", "   ", "テキスト 😀", "mot " * 500, "Piscine"]


def tiny_bert(folder, width=32, seed=0):
    """A random BERT of two layers with a vocabulary of words, saved as the hub keeps models."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({word for text in LEARNT[0] for word in text.split()})
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(seed)
    shape = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=40, **shape)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("hub") / "bert")


@pytest.fixture(scope="module")
def settings(bert):
    """Settings of each kind, small enough for seconds."""
    return {
        "fasttext": TextNetworkSettings(
            kind="fasttext", dim=16, buckets=4096, epochs=15, learning_rate=0.05, batch_size=16
        ),
        "lstm": TextNetworkSettings(kind="lstm", dim=16, units=16, epochs=10, learning_rate=0.02, batch_size=16),
        "transformer": TextNetworkSettings(backbones=(bert,), epochs=6, learning_rate=3e-3),
    }


KINDS = ["fasttext", "lstm", "transformer"]


def fit(settings, rows=LEARNT, validation=HEARD, progress=None):
    return TextNetwork.fit(*rows, np.ones(len(rows[1])), validation, settings, progress)


@pytest.fixture(scope="module")
def networks(settings):
    return {kind: fit(settings[kind]) for kind in KINDS}


def right(network):
    found = np.array(CODES)[network.log_proba(ASKED[0]).argmax(1)]
    return float((found == ASKED[1]).mean())


def weights(network):
    return {name: value.detach().clone() for name, value in network.built.module.named_parameters()}


def moved(before, after):
    return {name for name, value in after.items() if not np.allclose(before[name], value, atol=1e-7)}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_learns_which_words_tell_a_category(networks, kind):
    network = networks[kind]
    assert right(network) > 0.9
    proba = np.exp(network.log_proba(ASKED[0]))
    assert proba.shape == (60, 27)
    assert np.allclose(proba.sum(1), 1)
    first, last = network.history[0], network.history[-1]
    assert last.loss < first.loss
    assert last.seconds > first.seconds > 0
    assert last.validation_f1 > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_has_one_answer_whoever_stands_beside_it(networks, kind):
    texts = [*ASKED[0], *ODD]
    together = networks[kind].log_proba(texts)
    alone = np.concatenate([networks[kind].log_proba([text]) for text in texts])
    assert np.isfinite(together).all()
    assert np.allclose(together, alone, atol=1e-5)
    assert networks[kind].log_proba([]).shape == (0, 27)


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_that_was_never_taught_is_never_the_answer(networks, kind):
    taught = [INDEX[code] for code in TOPICS]
    log_proba = networks[kind].log_proba(ASKED[0])
    assert (np.delete(log_proba, taught, 1) == NEVER).all()
    assert (log_proba[:, taught] > NEVER).any(0).all()


def test_rows_without_weight_teach_nothing(settings):
    row_weights = (LEARNT[1] != 60).astype(float)
    network = TextNetwork.fit(*LEARNT, row_weights, HEARD, replace(settings["fasttext"], epochs=1))
    assert network.seen.sum() == 2
    assert (network.log_proba(ASKED[0])[:, INDEX[60]] == NEVER).all()
    with pytest.raises(ValueError, match="nothing to learn"):
        TextNetwork.fit(*LEARNT, np.zeros(len(LEARNT[1])), HEARD, settings["fasttext"])


def test_empty_texts_can_be_learnt_from_and_one_category_is_an_answer(settings):
    for kind in KINDS:
        network = fit(replace(settings[kind], epochs=1), (["", "livre", ""], np.array([10, 10, 10])), None)
        assert np.allclose(network.log_proba(["", "x"])[:, INDEX[10]], 0)
        assert network.scale == 1


def test_rare_categories_weigh_more_the_more_balance_is_asked_for(settings):
    """Of texts that tell nothing, the balanced network gives both categories the same chance."""
    rows = ["objet"] * 40, np.array([10] * 36 + [60] * 4)
    one = replace(settings["fasttext"], epochs=100, weight_decay=0)
    odds = {}
    for balance in (0.0, 1.0):
        log_proba = fit(replace(one, balance=balance), rows, None).log_proba(["objet"])[0]
        odds[balance] = np.exp(log_proba[INDEX[60]])
    assert odds[0.0] == pytest.approx(0.1, abs=0.1)
    assert odds[1.0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("layers", "learning"), [(0, set()), (1, {"layer.1."}), (None, {"layer.0.", "layer.1."})])
def test_frozen_layers_do_not_move(bert, settings, layers, learning):
    before = weights(TextNetwork._begun(LEARNT[0], np.ones(27, bool), settings["transformer"]))
    network = fit(replace(settings["transformer"], trained_layers=layers, epochs=1))
    after = {name: value for name, value in weights(network).items() if not name.startswith("head.")}
    changed = moved(before, after)
    assert {part for part in ("layer.0.", "layer.1.") if any(part in name for name in changed)} == learning
    assert any("word_embeddings" in name for name in changed) == (layers is None)


@pytest.mark.parametrize("architecture", ["Camembert", "Flaubert", "DebertaV2", "XLMRoberta"])
def test_the_last_layer_is_found_and_the_longest_text_read_in_every_architecture(architecture):
    import torch
    import transformers

    from rakuten_assets.core.text_network_modules import Backbone, freeze, longest

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    if architecture == "Flaubert":
        shape = {"emb_dim": 16, "n_layers": 2, "n_heads": 2}
    config = getattr(transformers, f"{architecture}Config")(vocab_size=50, max_position_embeddings=20, **shape)
    encoder = getattr(transformers, f"{architecture}Model")(config)
    freeze(encoder, 1)
    learning = {name for name, each in encoder.named_parameters() if each.requires_grad}
    assert learning
    assert all(".1." in name for name in learning)
    assert not any("embed" in name for name in learning)
    tokenizer = type("Tokenizer", (), {"model_max_length": 10**30})
    length = longest(Backbone(encoder, tokenizer, ""), 512)
    assert length in (18, 20)
    ids = torch.randint(5, 50, (2, length))
    assert encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.shape == (2, length, 16)


def test_a_list_within_a_layer_is_no_list_of_layers():
    from torch import nn

    from rakuten_assets.core.text_network_modules import freeze

    layers = nn.ModuleList(nn.ModuleDict({"parts": nn.ModuleList(nn.Linear(1, 1) for _ in range(2))}) for _ in range(2))
    encoder = nn.ModuleDict({"layers": layers})
    encoder.config = type("Config", (), {"num_hidden_layers": 2})
    freeze(encoder, 1)
    assert {name[:9] for name, each in encoder.named_parameters() if each.requires_grad} == {"layers.1."}
    encoder.config.num_hidden_layers = 7
    with pytest.raises(ValueError, match="no list of 7 layers"):
        freeze(encoder, 1)


def test_what_is_frozen_drops_nothing_out(settings):
    module = fit(replace(settings["transformer"], trained_layers=1, epochs=1)).built.module.train()
    dropouts = {name: each.training for name, each in module.named_modules() if type(each).__name__ == "Dropout"}
    assert {name for name, on in dropouts.items() if on} == {
        name for name in dropouts if "layer.1." in name or name == "dropout"
    }


def test_two_backbones_answer_together(bert, settings, tmp_path):
    second = tiny_bert(tmp_path / "second", width=16, seed=1)
    network = fit(replace(settings["transformer"], backbones=(bert, second)))
    assert network.built.module.head.in_features == 48
    assert right(network) > 0.9
    assert network.source == f"path:{bert} + path:{second}"
    network.save(tmp_path / "saved")
    shutil.rmtree(second)
    again = TextNetwork.load(tmp_path / "saved")
    assert np.allclose(again.log_proba(ODD), network.log_proba(ODD), atol=1e-6)


def test_the_best_epoch_is_what_stays(settings):
    """Validation rows whose labels are turned round become worse the more is learnt: the first epoch is the best."""
    turn = dict(zip(TOPICS, [*TOPICS][1:] + [*TOPICS][:1], strict=True))
    wrong = HEARD[0], np.array([turn[int(code)] for code in HEARD[1]])
    asked = replace(settings["lstm"], epochs=30, patience=4, schedule="constant", balance=0)
    network = fit(asked, validation=wrong)
    f1 = [epoch.validation_f1 for epoch in network.history]
    best = int(np.argmax(f1))
    assert len(f1) == best + 1 + 4 < 30
    assert min(f1) < f1[best]
    loss, kept = network._measured(network.built.reader.read(wrong[0]), np.searchsorted(CODES, wrong[1]))
    assert kept == f1[best]
    assert loss == pytest.approx(network.history[best].validation_loss)


def test_confidence_is_fitted_to_validation_rows(settings):
    """Labels that are wrong in a third of the validation rows make the same network less sure."""
    rng = np.random.default_rng(0)
    codes = HEARD[1].copy()
    codes[::3] = rng.permutation(codes[::3])
    sure, unsure = (
        fit(replace(settings["fasttext"], patience=99), validation=(HEARD[0], c)) for c in (HEARD[1], codes)
    )
    assert unsure.scale < sure.scale
    assert np.exp(unsure.log_proba(ASKED[0]).max(1)).mean() < 0.9 < np.exp(sure.log_proba(ASKED[0]).max(1)).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_accumulated_batches_are_one_large_batch(settings, kind):
    """With smoothing and class weights; rates are small, since Adam makes much of tiny differences."""
    asked = replace(settings[kind], epochs=1, dropout=0, learning_rate=1e-3, label_smoothing=0.1, batch_size=40)
    if kind == "transformer":  # the encoder has a dropout of its own
        asked = replace(asked, trained_layers=0)
    rows = LEARNT[0][:150], LEARNT[1][:150]
    whole = weights(fit(asked, rows))
    parts = weights(fit(replace(asked, batch_size=10, accumulation=4), rows))
    assert all(np.allclose(whole[name], parts[name], atol=1e-5) for name in whole)
    without = weights(fit(replace(asked, batch_size=10), rows))
    assert not all(np.allclose(whole[name], without[name], atol=1e-5) for name in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_network_again(settings, networks, kind):
    asked = replace(settings[kind], epochs=1)
    one, two, other = (fit(replace(asked, seed=seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.log_proba(ASKED[0]), two.log_proba(ASKED[0]))
    assert not np.array_equal(one.log_proba(ASKED[0]), other.log_proba(ASKED[0]))


def test_training_leaves_the_random_numbers_of_others_alone(settings):
    import torch

    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fit(replace(settings["lstm"], epochs=1))
    assert torch.rand(1) == expected


def test_what_was_saved_answers_the_same_in_a_new_process_without_a_network(networks, tmp_path):
    for kind in KINDS:
        networks[kind].save(tmp_path / kind)
        np.save(tmp_path / f"{kind}.npy", networks[kind].log_proba([*ASKED[0], *ODD]))
    (tmp_path / "texts.json").write_text(json.dumps([*ASKED[0], *ODD]))
    program = """
import json, socket, sys
from pathlib import Path
import numpy as np
from rakuten_assets.core.text_networks import TextNetwork
def refused(*_): raise AssertionError("the network was asked")
socket.socket.connect = refused
folder = Path(sys.argv[1])
texts = json.loads((folder / "texts.json").read_text())
for kind in ("fasttext", "lstm", "transformer"):
    again = TextNetwork.load(folder / kind)
    assert np.allclose(again.log_proba(texts), np.load(folder / f"{kind}.npy"), atol=1e-6), kind
    print(again.source, again.settings.kind, len(again.history))
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program, tmp_path], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = [f"{networks[kind].source} {kind} {len(networks[kind].history)}" for kind in KINDS]
    assert done.stdout.splitlines() == expected
    for kind in KINDS:
        again = TextNetwork.load(tmp_path / kind)
        assert (again.settings, again.history) == (networks[kind].settings, networks[kind].history)


def test_no_saved_file_can_run_code(networks, tmp_path):
    for kind in KINDS:
        networks[kind].save(tmp_path / kind)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors"}
    for file in files:
        if file.suffix == ".json":
            json.loads(file.read_text())
        else:
            content = file.read_bytes()
            json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def test_sources_are_said_plainly(networks, bert, settings):
    assert networks["fasttext"].source == networks["lstm"].source == "none: random weights"
    assert networks["transformer"].source == f"path:{bert}"
    given = {
        "none": "none: random weights",
        bert: f"path:{bert}",
        str(Path(bert).parent): f"path:{bert}",
    }
    first = weights(TextNetwork._begun([], np.ones(27, bool), settings["transformer"]))
    for pretrained, source in given.items():
        name = bert if pretrained == "none" else "bert"
        asked = replace(settings["transformer"], backbones=(name,), pretrained=pretrained)
        network = TextNetwork._begun([], np.ones(27, bool), asked)
        assert network.source == source
        same = not any("word_embeddings" in each for each in moved(first, weights(network)))
        assert same == (pretrained != "none")


@pytest.mark.parametrize(
    ("backbones", "pretrained", "error", "words"),
    [
        (("nobody/nothing",), "auto", OSError, "'nobody/nothing' could not be had on the hub"),
        (("nobody/nothing",), "hub", OSError, "'nobody/nothing' could not be had on the hub"),
        (("nobody/nothing",), "none", OSError, "'nobody/nothing' could not be had in the hub's cache"),
        (("{bert}",), "hub", ValueError, "is a folder here"),
        (("bert",), "/nowhere", FileNotFoundError, "no backbone in /nowhere/bert nor in /nowhere"),
        (("bert", "other"), "{bert}", FileNotFoundError, "no backbone in"),
        (("{empty}",), "auto", OSError, "could not be had in this folder"),
    ],
)
def test_a_backbone_that_cannot_be_had_is_an_error_not_a_fallback(bert, tmp_path, backbones, pretrained, error, words):
    names = {"bert": bert, "empty": tmp_path}
    asked = TextNetworkSettings(
        backbones=tuple(name.format(**names) for name in backbones), pretrained=pretrained.format(**names)
    )
    with pytest.raises(error, match=words):
        fit(asked)


@pytest.mark.parametrize(
    "wrong", [{"kind": "svm"}, {"kind": "lstm", "pooling": "cls"}, {"pooling": "max"}, {"backbones": ()}]
)
def test_settings_that_contradict_one_another_are_refused(wrong):
    with pytest.raises(ValueError, match=r"kind|backbone"):
        TextNetworkSettings(**wrong)


def test_training_ends_when_its_time_is_over(settings):
    heard = []
    began = time.monotonic()
    network = fit(
        replace(settings["lstm"], epochs=10_000, patience=10_000, warm_up=0, seconds=1.0), progress=heard.append
    )
    assert time.monotonic() - began < 5
    assert 1 <= len(network.history) < 10_000
    assert tuple(heard) == network.history
    assert network.history[-1].learning_rate < 0.1 * settings["lstm"].learning_rate


@pytest.mark.parametrize(("schedule", "middle"), [("linear", 5 / 9), ("cosine", 0.5868), ("constant", 1.0)])
def test_the_learning_rate_rises_and_falls(settings, schedule, middle):
    from rakuten_assets.core.text_networks import _Training

    asked = replace(settings["fasttext"], epochs=10, schedule=schedule, batch_size=18)
    module = TextNetwork._begun([], np.ones(27, bool), asked).built.module
    training = _Training(module, asked, None, np.ones(180, int), np.ones(180), None)
    shares = {}
    for taken in (0, 4, 49, 99):
        training._taken = taken
        training._set_rates(training._optimisers[0])
        shares[taken] = training._optimisers[0].param_groups[0]["lr"] / asked.head_learning_rate
    assert shares[0] == pytest.approx(0.05)
    assert shares[4] == pytest.approx(0.45)
    assert shares[49] == pytest.approx(middle, abs=0.01)
    assert shares[99] < 0.01 or schedule == "constant"


def test_a_step_holds_texts_of_similar_length_and_an_epoch_every_text_once(settings):
    from rakuten_assets.core.text_networks import _Training

    lengths = np.random.default_rng(0).integers(1, 200, 2000)
    module = TextNetwork._begun([], np.ones(27, bool), settings["fasttext"]).built.module
    training = _Training(module, replace(settings["fasttext"], batch_size=10), None, lengths, np.ones(2000), None)
    one, two = list(training._steps()), list(training._steps())
    assert sorted(np.concatenate(one)) == list(range(2000))
    assert np.mean([np.ptp(lengths[rows]) for rows in one]) < 20
    assert {frozenset(rows) for rows in one}.isdisjoint(frozenset(rows) for rows in two)
    assert [lengths[rows].min() for rows in one] != sorted(lengths[rows].min() for rows in one)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_an_lstm_pools_as_it_is_told_and_reads_one_way_or_both(settings, pooling, both_ways):
    network = fit(replace(settings["lstm"], pooling=pooling, bidirectional=both_ways))
    assert network.built.module.head.in_features == 16 * (1 + both_ways)
    assert right(network) > 0.9


def test_characters_forgive_what_words_do_not_know(settings):
    rows = ["piscines", "livres"] * 20, np.array([2583, 10] * 20)
    told = {}
    for characters in (None, (3, 5)):
        network = fit(replace(settings["fasttext"], character_ngrams=characters), rows, None)
        told[characters] = np.exp(network.log_proba(["piscinnes"])[0, INDEX[2583]])
    assert told[3, 5] > 0.8
    assert told[None] == pytest.approx(0.5, abs=0.1)


def test_the_order_of_two_words_can_tell(settings):
    rows = ["jeu vidéo", "vidéo jeu"] * 20, np.array([60, 10] * 20)
    asked = replace(settings["fasttext"], epochs=30)
    pair = fit(asked, rows, None).log_proba(["jeu vidéo"])[0]
    assert pair[INDEX[60]] > np.log(0.9)
    single = fit(replace(asked, word_ngrams=1), rows, None).log_proba(["jeu vidéo"])[0]
    assert single[INDEX[60]] == pytest.approx(np.log(0.5), abs=0.1)


def test_a_small_bert_pretrained_on_the_texts_guesses_better_and_can_be_fine_tuned(tmp_path):
    texts = [*LEARNT[0], *HEARD[0], ""]
    asked = MaskedSettings(
        epochs=12, batch_size=16, width=32, layers=2, heads=2, vocabulary=150, learning_rate=5e-3, patience=99
    )
    history = pretrain_masked(texts, tmp_path / "bert", asked)
    assert [epoch.number for epoch in history] == list(range(13))
    assert history[-1].validation_loss < history[0].validation_loss - 1
    network = fit(TextNetworkSettings(backbones=(str(tmp_path / "bert"),), epochs=6, learning_rate=1e-3))
    assert network.source == f"path:{tmp_path / 'bert'}"
    assert right(network) > 0.9
    with pytest.raises(ValueError, match="two texts"):
        pretrain_masked(["one", " "], tmp_path / "none", asked)


def test_pretraining_is_measured_on_texts_that_it_does_not_learn_from(tmp_path):
    texts = ["zèbre girafe lion" if at % 50 == 0 else "livre poche roman" for at in range(100)]
    asked = MaskedSettings(
        epochs=10, batch_size=8, width=32, layers=1, heads=2, vocabulary=150, learning_rate=1e-2, patience=99
    )
    last = pretrain_masked(texts, tmp_path, asked)[-1]
    assert last.loss < 1.5 < 4 < last.validation_loss


def test_pretraining_keeps_to_its_time(tmp_path):
    asked = MaskedSettings(epochs=10_000, width=32, layers=1, heads=2, vocabulary=150, seconds=0.5)
    began = time.monotonic()
    assert len(pretrain_masked(LEARNT[0], tmp_path, asked)) >= 2
    assert time.monotonic() - began < 10


def test_hidden_tokens_are_a_share_of_the_words_and_at_least_one():
    import torch

    from rakuten_assets.core.text_network_modules import Masking, SubWords, word_pieces

    tokenizer = word_pieces(LEARNT[0], 150, 40)
    batch = SubWords([tokenizer], [40]).read(["livre", *["piscine ronde bleu " * 10] * 200])
    torch.manual_seed(0)
    masking = Masking(tokenizer, 0.15)
    shown, there, said = masking.hide(batch)
    hidden = said != -100
    assert hidden.any(1).all()
    assert not hidden[:, 0].any()
    assert not (hidden & (there == 0)).any()
    assert float(hidden[1:].sum() / there[1:].sum()) == pytest.approx(0.15, abs=0.02)
    assert float((shown == tokenizer.mask_token_id)[hidden].float().mean()) == pytest.approx(0.8, abs=0.05)

    def knows_nothing(input_ids, attention_mask):
        return type("Said", (), {"logits": torch.zeros(*input_ids.shape, 150)})

    assert torch.allclose(masking.losses(knows_nothing, shown, there, said), torch.tensor(np.log(150)).float())


def test_a_vector_a_text_is_pooled_from_what_is_there():
    import torch

    from rakuten_assets.core.text_network_modules import pooled

    states = torch.tensor([[[1.0, -1.0], [3.0, -5.0], [9.0, 9.0]]])
    there = torch.tensor([[1, 1, 0]])
    found = {how: pooled(states, there, how).tolist()[0] for how in ("mean", "max", "cls")}
    assert found == {"mean": [2, -3], "max": [3, -1], "cls": [1, -1]}


def test_the_last_layer_has_a_learning_rate_of_its_own(settings):
    asked = replace(settings["transformer"], learning_rate=1e-12, head_learning_rate=1e-2, epochs=1, weight_decay=0)
    quick, slow = weights(fit(asked)), weights(fit(replace(asked, head_learning_rate=1e-12)))
    assert moved(slow, quick) == {"head.weight", "head.bias"}
    usual = TextNetworkSettings()
    assert (usual.epochs, usual.batch_size, usual.learning_rate, usual.head_learning_rate) == (3, 16, 3e-5, 10 * 3e-5)


def test_smoothed_labels_are_never_quite_sure(settings):
    asked = replace(settings["fasttext"], label_smoothing=0.2)
    sure, smooth = (
        np.exp(fit(each, validation=None).log_proba(ASKED[0]).max(1)) for each in (settings["fasttext"], asked)
    )
    assert np.median(smooth) < 0.95 < np.median(sure)


def test_no_step_follows_a_gradient_longer_than_it_may(settings):
    import torch

    from rakuten_assets.core.text_networks import LONGEST_GRADIENT, _Training

    module = torch.nn.Linear(3, 1)

    class Optimiser:
        param_groups = ()

        def step(self):
            self.length = torch.cat([each.grad.flatten() for each in module.parameters()]).norm()

        def zero_grad(self):
            module.zero_grad()

    def losses(rows):
        return 1000 * module(torch.ones(len(rows), 3)).squeeze(1)

    training = _Training(module, settings["lstm"], losses, np.ones(8, int), np.ones(8), None)
    training._optimisers = [Optimiser()]
    training._step(np.arange(8))
    assert float(training._optimisers[0].length) == pytest.approx(LONGEST_GRADIENT, rel=1e-3)
