"""The container image of a Bento: what stands below the service's own files, for a CPU or a GPU."""

import re
from pathlib import Path
from typing import Literal

from bentoml.images import Image

Device = Literal["cpu", "gpu"]

PORT = 3001

# Everything that the service writes lies here; the rest of the image is not its own.
STATE = "/var/lib/rakuten"

UV = "uv==0.13.9"

ENVIRONMENT = {
    "HOME": STATE,
    "BENTOML_HOME": f"{STATE}/bentoml",
    "BENTOML_PORT": PORT,
    "BENTOML_DO_NOT_TRACK": "True",
    "RAKUTEN_SERVING_MODELS": f"{STATE}/data",
    "RAKUTEN_SERVING_STATE_DIR": f"{STATE}/serving",
    "PYTHONDONTWRITEBYTECODE": 1,
}

LIVE = "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['BENTOML_PORT'] + '/livez', None, 4)"

# Only what is not so already: a change of mode copies a file into a new layer, and the packages are most of the image.
NOT_YET = r"find /app /home/bentoml ! -type l \( ! -user root -o -perm /022 -o ! -perm -004 -o -type d ! -perm -001 \)"


def image(device: Device, requirements: str) -> Image:
    """A Python with the pinned packages of `requirements`, a path beside the package `serving`.

    Nothing is resolved when a Bento is built, so that takes no network; the base images need no compiler, since every
    package comes as a wheel. OpenCV (headless), scikit-learn and XGBoost bring the libraries that they load.
    """
    made = _gpu() if device == "gpu" else _cpu()
    pins = (Path(__file__).parent.parent / requirements).read_text().splitlines()
    return made.python_packages(*(pin for pin in pins if pin and not pin.startswith("#")))


def finished(dockerfile: str) -> str:
    """BentoML's Dockerfile with what an `Image` cannot say; `docker build` takes it as it is.

    Root owns everything but the state folder, so neither code nor model can be changed by who breaks in. The number of
    threads is not that of the machine which built the Bento: the service sets it where it runs.
    """
    text = re.sub(r"ARG (\w+_THREADS)=.*\n+ENV \1=.*\n+", "", dockerfile)
    text = text.replace("COPY --chown=bentoml:bentoml", "COPY --chown=root:root")
    text = re.sub(r"EXPOSE \d+", f"EXPOSE {PORT}", text, count=1)
    text = re.sub(r"# Expose Prometheus port\nEXPOSE \d+\n+", "", text)
    before, user, after = text.rpartition("USER bentoml\n")
    if not user:
        raise ValueError("BentoML's Dockerfile has another form than expected: it does not end as the user bentoml.")
    return _at_the_top(before) + _last_steps() + user + after


def _cpu() -> Image:
    # Without a distribution's name BentoML adds no packages of its own, among them a compiler and git.
    return Image("python:3.11-slim-trixie", distro="", python_version="3.11").run(f"pip install --no-cache-dir {UV}")


def _gpu() -> Image:
    """Ubuntu's Python refuses packages outside of virtual environments, and BentoML's `pip install uv` needs a pip."""
    made = Image("nvidia/cuda:13.0.2-runtime-ubuntu24.04", distro="", python_version="3.12")
    install = "apt-get install -q -y --no-install-recommends ca-certificates python3.12 python3.12-venv"
    made.run(f"apt-get update && {install} && rm -rf /var/lib/apt/lists/*")
    made.run(f"python3.12 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir {UV}")
    return made.run("ln -s /opt/uv/bin/uv /usr/local/bin/uv")


def _at_the_top(text: str) -> str:
    """uv neither keeps a cache in the image nor fetches another Python than the image's."""
    return re.sub(r"(FROM .*\n)", r"\1\nENV UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never\n", text, count=1)


def _last_steps() -> str:
    environment = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    return (
        "# Code, model and packages belong to root; nobody else may write to them.\n"
        f"RUN {NOT_YET} -exec chown root:root {{}} + -exec chmod go-w,a+rX {{}} + && \\\n"
        f"    install -d -o bentoml -g bentoml -m 0700 {STATE}\n\n"
        f"ENV {environment}\n\n"
        f'HEALTHCHECK --interval=15s --timeout=5s --start-period=90s CMD ["python", "-c", "{LIVE}"]\n\n'
    )
