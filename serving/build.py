"""Makes a Bento of the folder it runs in: `python -m serving.build CLASSIFIER VERSION-DEVICE REQUIREMENTS`.

The classifier is a folder; the Bento goes into BentoML's store in `BENTOML_HOME`.
"""

import os
import shutil
import sys
from pathlib import Path

import bentoml

from rakuten_assets.core.classifier_files import folder_hash
from serving.image import finished

NAME = "rakuten-classifier"

# Folder of the classifier in BentoML's model, beside BentoML's own `model.yaml`, which is no part of what it is.
CLASSIFIER = "classifier"


def build(classifier: Path, name: str, requirements: str) -> None:
    """Put the classifier into BentoML's model store, and the Bento `name` with it into that of Bentos."""
    # What BentoML notes down of workers and threads is then the same on every machine; it is not what is served with.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    version, _, device = name.rpartition("-")
    model = _stored(classifier, version)
    bento = bentoml.build(
        "serving.service:RakutenClassifier",
        name=NAME,
        version=name,
        build_ctx=".",
        description=f"Product classifier, champion {version}.",
        models=[str(model.tag)],
        python={"lock_packages": False},
        args={"model": str(model.tag), "device": device, "requirements": requirements},
    )
    _complete(Path(bento.path), model)


def _stored(classifier: Path, version: str) -> bentoml.Model:
    """The classifier in BentoML's model store; one that is not what it should be is replaced."""
    tag = f"{NAME}:{version}"
    try:
        model = bentoml.models.get(tag)
        if folder_hash(Path(model.path) / CLASSIFIER) == version:
            return model
        bentoml.models.delete(tag)
    except bentoml.exceptions.NotFound:
        pass
    with bentoml.models.create(tag) as model:
        shutil.copytree(classifier, Path(model.path) / CLASSIFIER, copy_function=shutil.copyfile)
    return model


def _complete(bento: Path, model: bentoml.Model) -> None:
    """Put the model into the Bento, which then needs no store beside it, and make its Dockerfile the final one."""
    target = bento / "models" / NAME
    shutil.copytree(model.path, target / str(model.tag.version), copy_function=shutil.copyfile)
    (target / "latest").write_text(str(model.tag.version))
    dockerfile = bento / "env" / "docker" / "Dockerfile"
    dockerfile.write_text(finished(dockerfile.read_text()))


if __name__ == "__main__":
    build(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
