"""The drift story: a marketplace that changes, played through the real programs."""
