"""Loading the definitions: `import rakuten_assets.definitions` against `import dagster`, in fresh interpreters.

Run: python benchmarks/definitions.py [--repeat N]
"""

import argparse
import statistics
import subprocess
import sys

HEAVY = ("torch", "transformers", "mlflow", "evidently")

# The interpreter's own start is left out: it would flatter the ratio.
TIMED = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, *(name for name in {heavy} if name in sys.modules))
"""


def seconds(module: str) -> tuple[float, list[str]]:
    """How long a fresh interpreter imports the module, and which heavy ones came with it."""
    command = [sys.executable, "-c", TIMED.format(module=module, heavy=HEAVY)]
    spent, *heavy = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return float(spent), heavy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat

    modules = ("dagster", "rakuten_assets.definitions")
    heavy = {name for module in modules for name in seconds(module)[1]}  # also writes the bytecode
    laps = [[seconds(module)[0] for module in modules] for _ in range(repeat)]
    theirs, ours = map(statistics.median, zip(*laps, strict=True))

    print(f"Median of {repeat} fresh interpreters each, interleaved\n")
    print("| import | seconds | ratio |\n| --- | --- | --- |")
    print(f"| dagster | {theirs:.2f} | 1 |")
    print(f"| rakuten_assets.definitions | {ours:.2f} | {ours / theirs:.2f} |\n")
    print(f"of {', '.join(HEAVY)}, imported: {', '.join(sorted(heavy)) or 'none'}")


if __name__ == "__main__":
    main()
