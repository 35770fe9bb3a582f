"""Claim: a fingerprint takes at most a third of the time of `imagededup`'s perceptual hash alone.

`python benchmarks/fingerprints.py [--n 200] [--images DIR]`: on drawn 500 x 500 JPEGs, baseline and progressive
(as catalogues store them), or on the JPEGs of a folder. One process, one thread, on both sides.
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from random import Random

from rakuten_assets.core.images import fingerprint, phash
from rakuten_assets.core.sample_pictures import draw_picture
from rakuten_assets.core.taxonomy import CODES

REPETITIONS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--images", type=Path)
    arguments = parser.parse_args()
    print("| JPEGs | what | ms a picture | times faster |")
    print("| --- | --- | ---: | ---: |")
    if arguments.images:
        compare(arguments.images.name, sorted(arguments.images.glob("*.jpg"))[: arguments.n])
        return
    with tempfile.TemporaryDirectory() as folder:
        for form in ("baseline", "progressive"):
            # At this quality they weigh what pictures of the catalogue do: some 30 kB.
            compare(form, drawn(Path(folder), arguments.n, progressive=form == "progressive"))


def drawn(folder: Path, n: int, progressive: bool) -> list[Path]:
    files = [folder / f"{progressive}{number}.jpg" for number in range(n)]
    for number, file in enumerate(files):
        picture = draw_picture(Random(number), CODES[number % len(CODES)])
        picture.save(file, quality=75, progressive=progressive)
    return files


def compare(form: str, files: list[Path]) -> None:
    logging.disable(logging.INFO)
    from imagededup.methods import PHash

    theirs = PHash(verbose=False)
    contestants = {
        "imagededup PHash().encode_image": lambda file: theirs.encode_image(image_file=file),
        "phash": lambda file: phash(file.read_bytes()),
        "fingerprint (sha256, phash, quality)": lambda file: fingerprint(file.read_bytes()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(REPETITIONS):
        for name, encode in contestants.items():
            started = time.perf_counter()
            for file in files:
                encode(file)
            seconds[name].append((time.perf_counter() - started) / len(files))
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    slowest = medians["imagededup PHash().encode_image"]
    for name, median in medians.items():
        print(f"| {form} | {name} | {median * 1000:.2f} | {slowest / median:.1f} |")


if __name__ == "__main__":
    main()
