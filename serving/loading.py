"""Models from where they are stored to where they answer: fetched, verified, loaded, and checked."""

from pathlib import Path

from rakuten_assets.core import parity
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.classifier_files import fetch, verify
from serving.errors import Refused
from serving.settings import ServingSettings

# Largest difference of a probability between here and where the model was trained.
TOLERANCE = 1e-6


def load(version: str, settings: ServingSettings, bundled: Path | None = None) -> ProductClassifier:
    """The classifier of this version, which answers its parity examples as it did where it was trained.

    `bundled` is the folder of the Bento's own model. Raises `Refused`: 404 where there is no such version, 409 where
    it cannot be trusted.
    """
    folder = _folder(version, settings, bundled)
    try:
        verify(folder, version)
        classifier = ProductClassifier.load(folder)
        gap = parity.largest_gap(folder, classifier)
    except (ValueError, KeyError, OSError) as error:
        raise Refused(409, "unusable_model", f"Version {version} cannot be used: {error}") from error
    if not gap <= TOLERANCE:
        message = f"Version {version} answers its parity examples otherwise than where it was trained, by {gap:.2g}."
        raise Refused(409, "parity", message)
    return classifier


def bundled_version(bundled: Path | None) -> str | None:
    """The version of the Bento's own model."""
    return (bundled / "VERSION").read_text().strip() if bundled else None


def _folder(version: str, settings: ServingSettings, bundled: Path | None) -> Path:
    if bundled and version == bundled_version(bundled):
        return bundled
    try:
        return fetch(settings.root, f"models/stacked_model/{version}", settings.state_dir / "cache")
    except FileNotFoundError as error:
        raise Refused(404, "no_such_version", f"There is no complete version {version}.") from error
