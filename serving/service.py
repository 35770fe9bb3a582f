"""The prediction service: a champion behind HTTP. `python -m bentoml serve serving.service:RakutenClassifier`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

import bentoml

from rakuten_assets import telemetry
from serving import admin, metrics
from serving.app import app, predict_each
from serving.build import CLASSIFIER
from serving.guard import Guard, TaskDoor
from serving.image import image
from serving.live import Live
from serving.schemas import ItemError, ItemPrediction, TaskIn, TaskResult
from serving.settings import BentoArguments, ServingSettings

# Products of a task that are classified at once: those of impatient callers find their place between them.
TASK_CHUNK = 16

# A thread that reads texts or loads a model hands Python's lock on after this long. With the default of 5 ms, one that
# decodes a picture, which takes the lock dozens of times, would wait that long each time.
SWITCH_SECONDS = 0.0005

arguments = bentoml.use_arguments(BentoArguments)
settings = ServingSettings()

cores = len(os.sched_getaffinity(0))
workers = settings.workers or (1 if arguments.device == "gpu" else cores)
# Each worker computes on its share of the cores: threads that outnumber these only wait for each other.
threads = str(max(1, cores // workers))
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")

app.include_router(admin.router)
app.include_router(metrics.router)


@bentoml.service(
    name="RakutenClassifier",
    workers=workers,
    # BentoML keeps some 4 KB of every request for this long, also when it has been answered.
    traffic={"timeout": 60},
    metrics={"enabled": False},  # theirs are labelled by the path as it was called: `serving/metrics.py` has ours
    # The spans are the guard's, and so are the lines of the log: BentoML's are of every chunk, and hold addresses.
    tracing={"excluded_urls": ".*"},
    logging={"access": {"enabled": False}},
    image=image(arguments.device, arguments.requirements),
    envs=[{"name": name, "value": threads} for name in THREADS] + [{"name": "MALLOC_ARENA_MAX", "value": "2"}],
)
@bentoml.asgi_app(app)
class RakutenClassifier:
    """Puts products into categories."""

    if arguments.model:
        bundled = bentoml.models.BentoModel(arguments.model)

    def __init__(self) -> None:
        import cv2

        # After BentoML, which sets up its own log just before.
        telemetry.start("serving", "bentoml", "uvicorn.error")
        cv2.setNumThreads(int(threads))
        sys.setswitchinterval(SWITCH_SECONDS)
        folder = Path(self.bundled.path) / CLASSIFIER if arguments.model else None
        self.live = app.state.live = Live(settings, folder)
        self.live.start()

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def follow(self) -> None:
        self._watching = asyncio.create_task(self.live.watch())

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        self._watching.cancel()
        telemetry.stop()

    def __is_ready__(self) -> bool:
        return self.live.champion is not None

    @bentoml.task(input_spec=TaskIn)  # type: ignore[untyped-decorator]
    async def predict_many(self, **asked: object) -> TaskResult:
        """Classify many products in the background."""
        wanted = TaskIn.model_validate(asked)
        answers: list[ItemPrediction | ItemError] = []
        for start in range(0, len(wanted.products), TASK_CHUNK):
            answers += await predict_each(self.live, wanted.products[start : start + TASK_CHUNK], wanted.top)
        return TaskResult(predictions=answers)


service = cast("bentoml.Service[RakutenClassifier]", RakutenClassifier)
service.add_asgi_middleware(Guard, body_seconds=settings.body_seconds)
service.add_asgi_middleware(TaskDoor)
