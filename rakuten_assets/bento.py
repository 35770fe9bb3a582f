"""Bentos: a champion, the core and the service as one folder that runs anywhere, and the image made of it.

BentoML reads its home when it is imported, and is slow to import, so a Bento is made by a process of its own, which
sees nothing but what the Bento will hold: `serving/build.py`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from uuid import uuid4

from upath import UPath

from rakuten_assets.core import classifier_files
from rakuten_assets.core.classifier_files import COMPLETE, folder_hash, verify

Device = Literal["cpu", "gpu"]

NAME = "rakuten-classifier"
SOURCES = Path(__file__).parent.parent

# Written last into a Bento: one without it is what a killed process left behind.
RECORD = "record.json"

ENGINE_SECONDS = 10


@dataclass(frozen=True)
class Built:
    """A Bento in BentoML's store: `content` is a hash of its source, model and environment, `size` is in bytes."""

    tag: str
    path: str
    content: str
    source: str
    files: int
    size: int


@dataclass(frozen=True)
class Result:
    """What `build` has come to, and whether it was there already."""

    built: Built
    reused: bool
    seconds: float


class BuildFailed(RuntimeError):
    """BentoML could not make a Bento; the text is the end of what it said."""


def build(classifier: Path, home: Path, device: Device = "cpu") -> Result:
    """The Bento of a classifier folder in the store under `home`; one with the same content is made once.

    Raises ValueError where the folder is not the version that it names, `BuildFailed` where BentoML fails.
    """
    start = time.perf_counter()
    version = (classifier / "VERSION").read_text().strip()
    verify(classifier, version)
    tag = f"{NAME}:{version}-{device}"
    place = _place(home, f"{version}-{device}")
    with TemporaryDirectory() as name:
        stage(Path(name) / "src")
        source = folder_hash(Path(name) / "src")
        built = read(place)
        reused = built is not None and built.source == source and built.content == content(place)
        if not reused:
            _make(Path(name), classifier, place, requirements(classifier))
            built = _record(place, tag, source)
    assert built is not None
    return Result(built, reused, time.perf_counter() - start)


def keep(built: Built, root: UPath) -> str:
    """Copy a Bento to the data root, under its content, whole or not at all; the result is its name there."""
    place = Path(built.path)
    name = f"bentos/{NAME}/{place.name}/{built.content[:16]}"
    classifier_files.upload(place, root, name)
    return name


def fetch(root: UPath, name: str, home: Path) -> Built:
    """The Bento that `keep` has called `name`, in the store under `home`; one that is there already stays.

    Raises FileNotFoundError where there is none, ValueError where it is not what its name says.
    """
    place, digest = _place(home, name.split("/")[-2]), name.split("/")[-1]
    built = read(place)
    if built is not None and built.content.startswith(digest) and content(place) == built.content:
        return built
    partial = place.with_name(f".{place.name}.{uuid4().hex}")
    try:
        with TemporaryDirectory() as cache:
            kept = classifier_files.fetch(root, name, Path(cache))
            shutil.copytree(kept, partial)
        # Its own marker; the one of the classifier in it is a part of the Bento.
        (partial / COMPLETE).unlink()
        if not content(partial).startswith(digest):
            raise ValueError(f"The Bento {root / name} is damaged: its content is not what its name says.")
        there = read(partial)
        if there is None:
            raise ValueError(f"The Bento {root / name} has no record.")
        built = replace(there, path=str(place))
        (partial / RECORD).write_text(json.dumps(asdict(built), indent=2))
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return built


def requirements(classifier: Path) -> str:
    """The pinned packages that a classifier needs: PyTorch only where an encoder, or what decides, is a network."""
    kinds = [json.loads(file.read_text())["kind"] for file in classifier.glob("*/encoder/encoder.json")]
    light = set(kinds) <= {"tfidf", "handmade"} and not any(classifier.glob("*/network"))
    return "serving/requirements.txt" if light else "serving/requirements-torch.txt"


def stage(folder: Path) -> None:
    """Copy what a Bento runs to `folder`: the core, the service, what they tell, and nothing else of the platform."""
    wanted = [SOURCES / "rakuten_assets" / name for name in ("__init__.py", "telemetry.py")]
    for part in ("rakuten_assets/core", "serving"):
        wanted += [path for path in (SOURCES / part).rglob("*") if path.suffix in {".py", ".tsv", ".txt"}]
    for file in wanted:
        place = folder / file.relative_to(SOURCES)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())


def content(bento: Path) -> str:
    """SHA-256 over the names and bytes of a Bento's source, models and environment, without times of creation."""
    digest = hashlib.sha256()
    for name in sorted(file.relative_to(bento) for part in ("src", "models", "env") for file in _files(bento / part)):
        data = (bento / name).read_bytes()
        if name.suffix == ".yaml":
            data = b"\n".join(line for line in data.splitlines() if not line.startswith(b"creation_time:"))
        digest.update(name.as_posix().encode() + b"\0" + hashlib.sha256(data).digest())
    return digest.hexdigest()


def serve_command(built: Built) -> list[str]:
    """Serves the Bento where BentoML is installed."""
    return ["bentoml", "serve", built.path, "--port", "3001"]


def image_command(built: Built) -> list[str]:
    """Builds the Bento's image, from the Dockerfile in it."""
    return ["docker", "build", "--tag", built.tag, "--file", f"{built.path}/env/docker/Dockerfile", built.path]


def containerize_command(built: Built) -> list[str]:
    """BentoML's own way to an image, in which the service may write everywhere: it makes a Dockerfile of its own."""
    home = Path(built.path).parents[2]
    return ["env", f"BENTOML_HOME={home}", "bentoml", "containerize", built.tag, "-t", built.tag]


def docker_engine() -> str | None:
    """The version of the Docker engine that answers here; None where none does."""
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None


def read(place: Path) -> Built | None:
    """The Bento at this place; None where there is none that is complete."""
    try:
        return Built(**json.loads((place / RECORD).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _place(home: Path, version: str) -> Path:
    return home / "bentos" / NAME / version


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _record(place: Path, tag: str, source: str) -> Built:
    files = _files(place)
    size = sum(file.stat().st_size for file in files)
    built = Built(tag, str(place), content(place), source, len(files), size)
    (place / RECORD).write_text(json.dumps(asdict(built), indent=2))
    return built


def _make(work: Path, classifier: Path, place: Path, packages: str) -> None:
    """Let a process of its own put the Bento at `place`; its environment holds no setting of this one's service."""
    shutil.rmtree(place, ignore_errors=True)
    command = [sys.executable, "-W", "ignore", "-m", "serving.build", str(classifier.absolute()), place.name, packages]
    done = subprocess.run(command, cwd=work / "src", env=_environment(work, place), capture_output=True, text=True)
    if done.returncode:
        raise BuildFailed(f"BentoML could not build {place.name}: {done.stderr.strip()[-2000:]}")


def _environment(work: Path, place: Path) -> dict[str, str]:
    # BentoML looks for uv before it knows that there is nothing to lock, and would fetch it from the network.
    (work / "bin").mkdir()
    (work / "bin" / "uv").symlink_to("/bin/false")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAKUTEN_", "BENTOML_"))}
    return kept | {
        "PATH": f"{work / 'bin'}:{kept.get('PATH', '')}",
        "PYTHONPATH": "",
        "BENTOML_HOME": str(place.parents[2]),
        "BENTOML_DO_NOT_TRACK": "True",
    }
