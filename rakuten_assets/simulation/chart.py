"""The story as one picture: what people got with the loop and would have got without it."""

from pathlib import Path

from rakuten_assets.plots import ACCENT, WARNING
from rakuten_assets.simulation.story import Story

# Nothing to act on.
QUIET = "#8a979c"


def draw(story: Story, file: Path) -> None:
    """Write a PNG: weighted F1 by week above, the drift scores that the loop acted on below."""
    from matplotlib.figure import Figure

    weeks = story.weeks
    numbers = [each.number for each in weeks]
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot(numbers, [each.with_loop for each in weeks], marker="o", color=ACCENT, label="with the loop")
    above.plot(numbers, [each.without_loop for each in weeks], marker="o", ls="--", color=WARNING, label="without it")
    promoted = [each.number + 0.5 for each in weeks if each.verdict.startswith("promoted")]
    for place, at in enumerate(promoted):
        above.axvline(at, color=ACCENT, alpha=0.2, lw=6, label="a new champion" if place == 0 else None)
    above.set(ylabel="weighted F1", title="Products of a marketplace that changes")
    above.legend(loc="lower left", frameon=False)
    scores = [each.drift or 0.0 for each in weeks]
    below.bar(numbers, scores, color=[WARNING if score >= 1 else QUIET for score in scores], width=0.5)
    below.axhline(1, color="grey", lw=1)
    below.set(ylabel="drift score", xticks=numbers)
    below.set_xticklabels([f"week {each.number}\nbias {each.bias:.0%}" for each in weeks])
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)
