import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rakuten_assets.core import embeddings, image_features
from rakuten_assets.core.calibration import NEVER
from rakuten_assets.core.embeddings import HandmadeFeatures
from rakuten_assets.core.image_models import Block, ImageModel, KernelMap, blocks_of
from rakuten_assets.core.image_networks import PLAIN_CNN, Augmentation, ClipEncoder, ImageNetwork, NetworkSettings
from rakuten_assets.core.linear import LinearClassifier, positions
from rakuten_assets.core.taxonomy import CODES

TAUGHT = CODES[:3]
TINY = NetworkSettings(
    "test_vit", size=32, augmentation=None, dropout=0.0, epochs=2, batch_size=8, schedule="cosine", patience=99
)


def drawn(count, seed, taught=TAUGHT):
    """Pictures of stripes, whose direction and colour are their category's."""
    rng = np.random.default_rng(seed)
    codes = np.array([taught[at % len(taught)] for at in range(count)])
    pictures = []
    for code in codes:
        kind = taught.index(code)
        pixels = rng.integers(0, 150, (32, 32, 3), np.uint8)
        stripes = (np.arange(32) // 4 + int(rng.integers(4))) % 2 == 0
        channel = pixels[..., kind % 3]
        channel[stripes if kind % 2 else (slice(None), stripes)] += 60
        pictures.append(Image.fromarray(pixels))
    return pictures, codes


@pytest.fixture(scope="module")
def learnt():
    return drawn(48, seed=0)


@pytest.fixture(scope="module")
def validation():
    return drawn(24, seed=1)


def fitted(learnt, validation=None, progress=None, weights=None, **changes):
    pictures, codes = learnt
    weights = np.ones(len(codes)) if weights is None else weights
    return ImageNetwork.fit(pictures, codes, weights, validation, replace(TINY, **changes), progress)


def weights(network):
    return {name: value.clone() for name, value in network.model.state_dict().items()}


@pytest.mark.parametrize("architecture", [PLAIN_CNN, "test_vit", "test_resnet", "test_convnext"])
def test_a_network_learns_what_pictures_show(architecture, learnt, validation):
    size = 16 if architecture == PLAIN_CNN else 32
    gently = Augmentation(rotation=5, zoom=0)
    network = fitted(
        learnt, validation, architecture=architecture, size=size, epochs=12, learning_rate=3e-3, augmentation=gently
    )
    said = network.log_proba(validation[0]).argmax(1)
    assert (said == positions(validation[1])).mean() > 0.8
    assert network.size == size


def test_probabilities_are_of_27_categories_and_those_never_taught_have_none(learnt, validation):
    log_proba = fitted(learnt, validation).log_proba(validation[0][:5])
    taught = positions(np.array(TAUGHT))
    assert log_proba.shape == (5, 27)
    assert log_proba.dtype == np.float64
    assert np.allclose(np.exp(log_proba).sum(1), 1)
    assert (np.delete(log_proba, taught, axis=1) == NEVER).all()
    assert (log_proba[:, taught] > NEVER).all()


def test_a_validation_row_of_an_untaught_category_disturbs_nothing(learnt):
    network = fitted(learnt, drawn(12, seed=1, taught=CODES[2:5]))
    assert np.isfinite(network.scale)
    assert all(np.isfinite(epoch).all() for epoch in network.history)


def test_rows_without_weight_are_not_learnt_from(learnt):
    codes = learnt[1]
    network = fitted(learnt, weights=(codes != TAUGHT[0]).astype(float), epochs=1)
    assert (network.log_proba(learnt[0][:4])[:, positions(np.array(TAUGHT[:1]))] == NEVER).all()
    with pytest.raises(ValueError, match="no row has a weight"):
        fitted(learnt, weights=np.zeros(len(codes)))


@pytest.mark.parametrize("architecture", [PLAIN_CNN, "test_resnet"])
@pytest.mark.parametrize("stages", [0, 1])
def test_frozen_stages_do_not_move_and_the_others_do(architecture, stages, learnt):
    """Nor do the running means of a frozen batch normalisation."""
    from timm.models import group_parameters

    changes = {"architecture": architecture, "trained_stages": stages}
    before = weights(fitted(learnt, epochs=1, learning_rate=0.0, weight_decay=0.0, **changes))
    after = fitted(learnt, epochs=1, **changes)
    groups = group_parameters(after.model, after.model.group_matcher(coarse=True))
    learning = {name for group in sorted(groups)[-(stages + 1) :] for name in groups[group]}
    layers = {name.rsplit(".", 1)[0] for name in learning}
    moved = {name for name, value in weights(after).items() if not value.equal(before[name])}
    assert moved >= learning
    assert {name.rsplit(".", 1)[0] for name in moved} == layers


def test_all_stages_are_trained_unless_said_otherwise(learnt):
    before = weights(fitted(learnt, epochs=1, learning_rate=0.0, weight_decay=0.0))
    after = fitted(learnt, epochs=1)
    assert all(not value.equal(before[name]) for name, value in after.model.named_parameters())


def test_training_stops_when_it_no_longer_helps_and_keeps_the_best_epoch(learnt, validation):
    """A rate far too high spoils the network after a while; what is kept answers as well as its best epoch."""
    seen = []
    network = fitted(
        learnt,
        validation,
        seen.append,
        architecture=PLAIN_CNN,
        size=16,
        epochs=40,
        patience=4,
        learning_rate=0.1,
        trained_stages=0,
    )
    best = max(network.history, key=lambda epoch: (epoch.validation_f1, -epoch.validation_loss))
    assert tuple(seen) == network.history
    assert len(network.history) == best.number + 1 + 4 < 40
    labels = positions(validation[1])
    unscaled = network._log_proba(network._logits(validation[0]), 1.0)
    assert -unscaled[np.arange(len(labels)), labels].mean() == pytest.approx(best.validation_loss, abs=1e-6)


def test_the_temperature_makes_the_validation_rows_likelier(learnt, validation):
    network = fitted(learnt, validation, epochs=6)
    labels = positions(validation[1])
    rows, logits = np.arange(len(labels)), network._logits(validation[0])
    fitted_loss, plain_loss = (-network._log_proba(logits, scale)[rows, labels].mean() for scale in (network.scale, 1))
    assert network.scale != 1
    assert fitted_loss < plain_loss


def test_the_same_seed_gives_the_same_network_and_another_one_another(learnt, validation):
    changes = {"augmentation": Augmentation(), "dropout": 0.3, "architecture": PLAIN_CNN}
    one, again, other = (fitted(learnt, validation, seed=seed, **changes) for seed in (1, 1, 2))
    assert np.array_equal(one.log_proba(validation[0]), again.log_proba(validation[0]))
    assert not np.allclose(one.log_proba(validation[0]), other.log_proba(validation[0]))


def test_accumulated_batches_are_one_large_batch(learnt):
    """Of uneven length and weight too; where a network looks at one picture at a time."""
    uneven = np.linspace(0.2, 2, len(learnt[1]))
    # Rows that do not fill the last step, whose parts are of different sizes.
    part = (learnt[0][:42], learnt[1][:42])
    large = fitted(part, weights=uneven[:42], batch_size=32)
    added = fitted(part, weights=uneven[:42], batch_size=8, accumulation=4)
    unlike = fitted(part, weights=uneven[:42], batch_size=8)
    answers = [network.log_proba(learnt[0]) for network in (large, added, unlike)]
    assert np.allclose(answers[0], answers[1], atol=1e-3)
    assert not np.allclose(answers[0], answers[2], atol=1e-2)


def test_rare_classes_weigh_as_much_as_balance_says(learnt):
    pictures, codes = learnt
    rare = np.flatnonzero(codes == TAUGHT[0])[4:]
    kept = np.setdiff1d(np.arange(len(codes)), rare)
    few = ([pictures[row] for row in kept], codes[kept])
    rare_picture = [pictures[int(np.flatnonzero(codes == TAUGHT[0])[0])]]
    place = positions(np.array(TAUGHT[:1]))[0]
    # One step of all rows: the gradient alone tells.
    flat, lifted = (fitted(few, epochs=1, batch_size=64, balance=balance) for balance in (0.0, 1.0))
    assert lifted.log_proba(rare_picture)[0, place] > flat.log_proba(rare_picture)[0, place]


def test_time_that_is_used_up_ends_the_training(learnt, validation):
    network = fitted(learnt, validation, seconds=0.0, epochs=50)
    assert len(network.history) == 1
    assert np.isfinite(network.log_proba(validation[0])).all()


def test_a_sequence_that_opens_its_pictures_when_asked_is_enough(learnt, validation):
    class Opened:
        def __len__(self):
            return len(learnt[0])

        def __getitem__(self, row):
            return learnt[0][row].copy()

    one = fitted((Opened(), learnt[1]), validation)
    assert np.array_equal(one.log_proba(validation[0]), fitted(learnt, validation).log_proba(validation[0]))


@pytest.mark.parametrize("architecture", [PLAIN_CNN, "test_vit", "test_resnet"])
def test_a_network_comes_back_from_disk_as_it_was_without_network_or_pickle(
    architecture, learnt, validation, tmp_path, monkeypatch
):
    network = fitted(learnt, validation, architecture=architecture)
    network.save(tmp_path)
    expected = network.log_proba(validation[0])

    def forbidden(*_, **__):
        raise AssertionError("loading a model must neither unpickle nor ask the network")

    for name in ("socket.socket.connect", "pickle.Unpickler", "pickle.load", "pickle.loads"):
        monkeypatch.setattr(name, forbidden)
    again = ImageNetwork.load(tmp_path)
    assert np.array_equal(again.log_proba(validation[0]), expected)
    assert (again.settings.architecture, again.size, again.history) == (architecture, 32, network.history)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.safetensors", "network.json"]


@pytest.fixture
def hub_folder(tmp_path):
    """A random network of four classes, as the hub keeps it."""
    import timm
    import torch
    from timm.models import save_for_hf

    torch.manual_seed(3)
    model = timm.create_model("test_resnet", num_classes=4)
    save_for_hf(model, tmp_path / "hub", safe_serialization=True)
    return tmp_path / "hub", model.state_dict()


@pytest.mark.parametrize("how", ["local-dir", "file"])
def test_pretrained_weights_are_taken_from_disk_but_for_the_classifier(how, hub_folder, learnt):
    folder, expected = hub_folder
    named = (
        {"architecture": f"local-dir:{folder}", "pretrained": True}
        if how == "local-dir"
        else {"architecture": "test_resnet", "pretrained": str(folder / "model.safetensors")}
    )
    network = fitted(learnt, epochs=1, trained_stages=0, **named)
    trunk = {name: value for name, value in weights(network).items() if not name.startswith(("fc", "head"))}
    assert len(trunk) > 10
    assert all(value.equal(expected[name]) for name, value in trunk.items())
    assert network.log_proba(learnt[0][:1]).shape == (1, 27)


def test_a_network_from_a_hub_folder_comes_back_without_that_folder(hub_folder, learnt, tmp_path):
    network = fitted(learnt, epochs=1, architecture=f"local-dir:{hub_folder[0]}", pretrained=True)
    network.save(tmp_path / "saved")
    shutil.rmtree(hub_folder[0])
    again = ImageNetwork.load(tmp_path / "saved")
    assert np.array_equal(again.log_proba(learnt[0]), network.log_proba(learnt[0]))


def test_weights_that_are_not_safetensors_are_refused(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"x")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    for named in ({"pretrained": str(tmp_path / "weights.pth")}, {"architecture": f"local-dir:{tmp_path}"}):
        with pytest.raises(FileNotFoundError, match="safetensors"):
            NetworkSettings(**{"architecture": "test_resnet", "pretrained": True} | named)


def test_the_plain_network_begins_where_another_one_ended(learnt, tmp_path):
    first = fitted(learnt, architecture=PLAIN_CNN)
    first.save(tmp_path)
    second = fitted(
        learnt, architecture=PLAIN_CNN, pretrained=str(tmp_path / "model.safetensors"), trained_stages=0, epochs=1
    )
    assert all(
        second.model.state_dict()[name].equal(value) for name, value in first.model.blocks.named_parameters("blocks")
    )


def test_the_random_numbers_of_others_are_left_alone(learnt):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fitted(learnt, epochs=1)
    assert torch.rand(3).equal(expected)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def clip_folder(request, tmp_path_factory):
    """A tiny random CLIP or SigLIP with a vocabulary of its own, as the hub keeps models."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        PreTrainedTokenizerFast,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
        SiglipProcessor,
    )

    kinds = {
        "clip": (CLIPConfig, CLIPModel, CLIPImageProcessor, CLIPProcessor),
        "siglip": (SiglipConfig, SiglipModel, SiglipImageProcessor, SiglipProcessor),
    }
    config, model, image_processor, processor = kinds[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[EOS]", "une", "piscine", "livre"])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]", unk_token="[UNK]", model_max_length=8
    )
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = layers | {"vocab_size": 6, "max_position_embeddings": 8, "eos_token_id": 2, "pad_token_id": 0}
    vision = layers | {"image_size": 16, "patch_size": 8}
    torch.manual_seed(0)
    options = {"projection_dim": 8} if request.param == "clip" else {}
    model(config(text_config=text, vision_config=vision, **options)).save_pretrained(folder)
    size = {"height": 16, "width": 16}
    processor(image_processor(size=size, crop_size=size), tokenizer).save_pretrained(folder)
    return folder


def test_clip_sees_pictures_and_prompts_in_one_space(clip_folder, learnt, tmp_path):
    encoder = ClipEncoder(clip_folder, batch_size=4)
    vectors = encoder.transform(learnt[0][:6])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(encoder.transform(learnt[0][5:6])[0], vectors[5], atol=1e-5)
    assert encoder.transform([]).shape == (0, vectors.shape[1])
    log_proba = encoder.zero_shot(learnt[0][:6], ["une piscine", "un livre", "piscine"])
    assert log_proba.shape == (6, 3)
    assert np.allclose(np.exp(log_proba).sum(1), 1)
    encoder.save(tmp_path)
    again = ClipEncoder.load(tmp_path)
    assert again.size == 16
    assert np.allclose(again.transform(learnt[0][:6]), vectors, atol=1e-6)


def test_clip_is_a_backbone_like_any_other(clip_folder, learnt, tmp_path):
    encoder = embeddings.image_encoder(f"clip:{clip_folder}")
    encoder.save(tmp_path)
    again = embeddings.load_image_encoder(tmp_path)
    assert np.allclose(again.transform(learnt[0][:3]), encoder.transform(learnt[0][:3]), atol=1e-6)


def test_a_clip_that_is_not_there_is_an_error_and_no_download(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        ClipEncoder(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def vectors():
    """Rows of two blocks, of which the second has by far the larger distances and says nothing."""
    rng = np.random.default_rng(0)
    codes = np.array([TAUGHT[at % 3] for at in range(120)])
    told = np.eye(3)[positions(codes) % 3] + rng.normal(0, 0.3, (120, 3))
    return np.hstack([told, rng.normal(0, 100, (120, 20))]).astype(np.float32), codes


BLOCKS = (Block(0, 3, 2.0), Block(3, 23))


def test_a_kernel_a_block_is_the_weighted_mean_of_gaussian_kernels(vectors):
    rows = vectors[0][:40]
    kernel = KernelMap.fit(rows, 0.7, blocks=BLOCKS)
    expected = np.zeros((40, 40))
    for block, share in zip(BLOCKS, (2 / 3, 1 / 3), strict=True):
        cut = rows[:, block.start : block.end].astype(np.float64)
        distances = ((cut[:, None] - cut[None]) ** 2).sum(2)
        expected += share * np.exp(-distances / (0.7 * np.median(distances)))
    coordinates = kernel.transform(rows)
    assert np.allclose(coordinates @ coordinates.T, expected, atol=1e-4)


def test_a_loud_block_does_not_drown_one_that_knows(vectors):
    rows, codes = vectors

    def right(blocks):
        kernel = KernelMap.fit(rows[:60], 1.0, blocks=blocks)
        model = LinearClassifier.fit(kernel.transform(rows[:60]), codes[:60], np.ones(60), 1.0, 0.0)
        return (model.margins(kernel.transform(rows[60:])).argmax(1) == positions(codes[60:])).mean()

    assert right(BLOCKS) > 0.8 > right(())


def test_a_row_has_one_answer_whoever_stands_beside_it(vectors):
    kernel = KernelMap.fit(vectors[0], 1.0, blocks=BLOCKS)
    assert np.array_equal(kernel.transform(vectors[0])[7], kernel.transform(vectors[0][7:8])[0])


def test_a_kernel_map_comes_back_from_disk_and_so_does_one_from_before_there_were_blocks(vectors, tmp_path):
    from safetensors.numpy import load_file, save_file

    for blocks in (BLOCKS, ()):
        kernel = KernelMap.fit(vectors[0], 1.0, blocks=blocks)
        kernel.save(tmp_path / "kernel.safetensors")
        again = KernelMap.load(tmp_path / "kernel.safetensors")
        assert again.blocks == kernel.blocks
        assert np.array_equal(again.transform(vectors[0]), kernel.transform(vectors[0]))
    tensors = load_file(tmp_path / "kernel.safetensors")
    del tensors["blocks"]
    save_file(tensors, tmp_path / "old.safetensors")
    assert np.array_equal(
        KernelMap.load(tmp_path / "old.safetensors").transform(vectors[0]), again.transform(vectors[0])
    )


def test_an_image_model_compares_block_by_block_and_comes_back_from_disk(learnt, tmp_path):
    encoder = HandmadeFeatures()
    rows = encoder.transform(learnt[0])
    kernel = KernelMap.fit(rows, 1.0, blocks=blocks_of(encoder))
    classifier = LinearClassifier.fit(kernel.transform(rows), learnt[1], np.ones(len(rows)), 1.0, 0.0)
    model = ImageModel(encoder, kernel, classifier)
    assert len(kernel.blocks) == len(image_features.BLOCKS)
    assert kernel.blocks[-1].end == rows.shape[1]
    assert (model.log_proba(learnt[0]).argmax(1) == positions(learnt[1])).mean() > 0.9
    model.save(tmp_path)
    assert np.array_equal(ImageModel.load(tmp_path).log_proba(learnt[0]), model.log_proba(learnt[0]))


def test_a_mirrored_picture_has_the_same_structure(learnt):
    """The blocks of second order do not tell left from right, and they do tell upright from lying."""
    picture = learnt[0][0].resize((224, 224))
    picture.paste((200, 30, 30), (20, 40, 90, 200))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    said, of_mirrored, of_turned = (image_features.features(each) for each in (picture, mirrored, turned))
    at = image_features.BLOCKS["structure"]
    assert np.allclose(said[at], of_mirrored[at], atol=1e-5)
    assert not np.allclose(said[at], of_turned[at], atol=1e-3)


@pytest.mark.parametrize("colour", ["white", "black", (255, 0, 0)])
def test_a_picture_of_nothing_has_finite_features(colour):
    assert np.isfinite(image_features.features(Image.new("RGB", (224, 224), colour))).all()
