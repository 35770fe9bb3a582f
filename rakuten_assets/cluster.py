"""The same definitions on a Ray cluster, where `RAKUTEN_RAY_ADDRESS` names one.

The steps of a run become Ray jobs: dagster-ray's executor submits them and asks for their health, Ray decides where
they run. `rakuten_assets/ray_jobs.py` has batches prepared and products classified side by side. Tables, pictures and
models go through the data root, never through Ray, which is imported only when something is sent to it.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dagster as dg

from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

HERE = {"localhost", "127.0.0.1", "::1"}

# What embeds pictures and texts, and what trains on the vectors.
LEARNING = {"features", "models"}

# Everything that would otherwise start a thread for each core of the machine, though a step has asked for some.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "OPENCV_FOR_THREADS_NUM")

# Ray shows the environment of its jobs to everybody who sees its dashboard.
SECRET = {"database_url"}


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """Where steps run: in the run's own process, or as jobs of the Ray cluster; raises ValueError as `check`."""
    if not settings.ray_address:
        return dg.in_process_executor
    check(settings)
    from dagster_ray import ray_executor

    return ray_executor.configured(
        {
            "ray": {
                "address": settings.ray_address,
                "num_cpus": settings.ray_cores,
                "runtime_env": {"env_vars": environment(settings)},
            }
        }
    )


def client(settings: Settings) -> "JobSubmissionClient":
    """Of the cluster's job server; raises ValueError as `check`, and ConnectionError where it does not answer."""
    check(settings)
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(settings.ray_address)


def check(settings: Settings) -> None:
    """Raises ValueError where the cluster's nodes could not reach the database."""
    address = settings.ray_address
    if address and not settings.database_url and urlsplit(address).hostname not in HERE:
        raise ValueError(
            f"The Ray cluster {address} is on other machines, which cannot reach the embedded PostgreSQL: "
            "set RAKUTEN_DATABASE_URL here and in the environment of the cluster's nodes."
        )


def environment(settings: Settings) -> dict[str, str]:
    """What a step is told: these settings without secrets, and as many threads as it has cores."""
    told = settings.model_dump(mode="json", include=settings.model_fields_set - SECRET, exclude_none=True)
    told["data_root"] = str(settings.root)
    told.pop("state_dir", None)
    if not settings.database_url:
        # Only nodes of this machine can share its embedded database; others have a state folder of their own.
        told["state_dir"] = str(settings.local_state)
    threads = dict.fromkeys(THREADS, str(settings.ray_cores))
    return {f"RAKUTEN_{name.upper()}": str(value) for name, value in told.items()} | threads


def needs(group: str) -> dict[str, Any]:
    """Tags of an asset of this group for dagster-ray: a share of a GPU, where the cluster has any."""
    settings = Settings()
    if settings.ray_address and settings.ray_gpu_share and group in LEARNING:
        return {"dagster-ray/config": {"num_gpus": settings.ray_gpu_share}}
    return {}
