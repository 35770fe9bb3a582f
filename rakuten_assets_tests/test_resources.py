import dagster as dg
import pytest
from upath import UPath

from rakuten_assets.core.classifier_files import folder_hash
from rakuten_assets.resources import COMPLETE, ModelStore, Translation, replacing


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = UPath(tmp_path / "table")
    path.write_text("old")

    def write_half():
        with replacing(path) as new:
            new.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table"]


@pytest.fixture
def store(tmp_path):
    return ModelStore(url=str(tmp_path / "root"), cache=str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "text").mkdir(parents=True)
    (folder / "text" / "weights").write_bytes(b"1")
    return folder


def test_a_model_folder_comes_back_as_it_was(store, model):
    store.upload(model, "models/a/1")
    assert folder_hash(store.fetch("models/a/1")) == folder_hash(model)


def test_a_folder_that_was_not_finished_is_not_there(store, model):
    store.upload(model, "models/a/1")
    (UPath(store.url) / "models/a/1" / COMPLETE).unlink()
    with pytest.raises(FileNotFoundError, match="no complete model folder"):
        store.fetch("models/a/1")


def test_the_hash_names_the_content(model):
    before = folder_hash(model)
    (model / "text" / "weights").write_bytes(b"2")
    assert folder_hash(model) != before


def test_a_remote_model_is_downloaded_once(tmp_path, model):
    remote = ModelStore(url="memory://bucket", cache=str(tmp_path / "cache"))
    remote.upload(model, "models/a/1")
    folder = remote.fetch("models/a/1")
    assert folder_hash(folder) == folder_hash(model)
    UPath("memory://bucket/models/a/1/text/weights").unlink()
    assert remote.fetch("models/a/1") == folder


def test_an_unknown_translator_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="glossary, marian, google"):
        Translation(kind="babelfish").translator()


def test_the_resources_are_configured_from_the_settings(settings):
    from rakuten_assets.resources import resources

    made = resources(settings)
    assert made["data"].url == str(settings.root)
    assert isinstance(made["io_manager"], dg.ConfigurableIOManager)


def test_a_whole_bucket_is_a_root_as_well(settings):
    from rakuten_assets.resources import resources
    from rakuten_assets.services import _commands

    whole = settings.model_copy(update={"data_root": "s3://bucket"})
    assert resources(whole)["io_manager"].base_dir == "s3://bucket/assets"
    assert "s3://bucket/mlflow" in _commands(whole)["mlflow"]


def test_links_lead_to_where_people_reach_the_pages(settings, monkeypatch):
    from rakuten_assets.assets.monitoring import page_url
    from rakuten_assets.resources import resources

    public = {f"public_{name}_url": f"https://{name}.example.org/" for name in ("webapp", "dagster", "mlflow")}
    behind = settings.model_copy(update=public)
    made = resources(behind)
    assert made["notifier"].platform == "https://dagster.example.org"
    assert made["tracking"].model_url("7").startswith("https://mlflow.example.org/#/")
    monkeypatch.setenv("RAKUTEN_PUBLIC_WEBAPP_URL", "https://webapp.example.org")
    assert page_url(3) == "https://webapp.example.org/drift/3/features"
    assert resources(settings)["notifier"].platform == f"http://{settings.host}:{settings.dagster_port}"
