"""Whether something has drifted: what was compared, what chance allows, and one score over all of it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["data", "prediction", "concept"]

# How often a window without any drift is flagged, over all parts together: once in four years of weekly windows.
FALSE_ALARMS = 0.005


@dataclass(frozen=True)
class Part:
    """One thing that may have drifted: `value` and `limit` in its own unit, `score` at least 1 where it has."""

    name: str
    kind: Kind
    value: float
    limit: float
    score: float
    detail: str = ""


@dataclass(frozen=True)
class Drift:
    """All parts, the highest score first, and that score: at least 1 where something has drifted."""

    score: float
    parts: tuple[Part, ...]

    @property
    def found(self) -> bool:
        return self.score >= 1

    @property
    def summary(self) -> str:
        """One sentence about the worst part: `drift 2.31: unseen_words (data) 0.84 over 0.12`."""
        if not self.parts:
            return "no drift: nothing to compare"
        worst = self.parts[0]
        detail = f" ({worst.detail})" if worst.detail else ""
        limits = f"{worst.value:.3g} {'over' if self.found else 'within'} {worst.limit:.3g}"
        return f"{'drift' if self.found else 'no drift'} {self.score:.2f}: {worst.name} ({worst.kind}) {limits}{detail}"

    def as_rows(self) -> list[dict[str, Any]]:
        """A row a part as plain values, for JSON and tables."""
        return [asdict(part) for part in self.parts]


def combine(*lists: Iterable[Part]) -> Drift:
    """All parts as one finding, of the data and predictions (`Reference.compare`) and of concepts (`concept`).

    Without any part the score is 0; a score is never below that.
    """
    parts = sorted((part for some in lists for part in some), key=lambda part: -part.score)
    return Drift(max(parts[0].score, 0.0) if parts else 0.0, tuple(parts))
