"""The machine that the metrics program runs on, its GPUs, and the programs on it."""

from grafana_foundation_sdk.builders import dashboard
from parts import BLUE, GREEN, GREY, ORANGE, RED, bars, lines, number
from parts import board as board_of

DISK = "min(rakuten_machine_disk_free_bytes / rakuten_machine_disk_bytes)"
MEMORY = "min(rakuten_machine_memory_available_bytes / rakuten_machine_memory_bytes)"


def board(domain: str) -> dashboard.Dashboard:
    return board_of(
        "machine",
        "Rakuten · Machine",
        "Processor, memory, disk, GPU and programs.",
        domain,
        [
            number(
                "Processor",
                "Share of the cores that work. Alert: ProcessorBusy.",
                "percentunit",
                {"busy": "max(rakuten_machine_cpu_busy_ratio)"},
                limits=[(0.8, ORANGE), (0.95, RED)],
                span=6,
            ),
            number(
                "Memory that is free",
                "What programs may still take. Alert: MemoryShort.",
                "percentunit",
                {"free": MEMORY},
                limits=[(0, RED), (0.05, ORANGE), (0.15, GREEN)],
                span=6,
            ),
            number(
                "Disk that is free",
                "Of the state folder's disk. Alerts: DiskFull, DiskFullSoon.",
                "percentunit",
                {"free": DISK},
                limits=[(0, RED), (0.05, ORANGE), (0.15, GREEN)],
                span=6,
            ),
            number(
                "Sources that answer",
                "Of the metrics program: database, Dagster, MLflow, machine. Alert: SourceDown.",
                "percentunit",
                {"up": "avg(rakuten_metrics_source_up)"},
                limits=[(0, RED), (1, GREEN)],
                span=6,
            ),
            lines(
                "Processor",
                "Share of the cores that work.",
                "percentunit",
                {"busy": "max(rakuten_machine_cpu_busy_ratio)"},
                colours={"busy": BLUE},
                limits=[(0.95, RED)],
                most=1,
            ),
            lines(
                "Memory",
                "In use, and what programs may still take.",
                "bytes",
                {
                    "in use": "max(rakuten_machine_memory_bytes - rakuten_machine_memory_available_bytes)",
                    "free": "max(rakuten_machine_memory_available_bytes)",
                },
                colours={"in use": BLUE, "free": GREY},
                stacked=True,
            ),
            lines(
                "Disk",
                "Of the state folder: in use and free. Alert: DiskFullSoon.",
                "bytes",
                {
                    "in use": "max(rakuten_machine_disk_bytes - rakuten_machine_disk_free_bytes)",
                    "free": "max(rakuten_machine_disk_free_bytes)",
                },
                colours={"in use": BLUE, "free": GREY},
                stacked=True,
            ),
            lines(
                "Memory of the programs",
                "Of the web app and the worker.",
                "bytes",
                {"{{job}}": 'sum by (job) (process_resident_memory_bytes{job=~"web-app|worker"})'},
                colours={"web-app": BLUE, "worker": GREEN},
            ),
            lines(
                "GPU",
                "Share of the time in which each worked.",
                "percentunit",
                {"GPU {{gpu}}": "max by (gpu) (rakuten_machine_gpu_busy_ratio)"},
                most=1,
            ),
            lines(
                "Memory of the GPU",
                "Share that is in use. Alert: GpuMemoryFull.",
                "percentunit",
                {
                    "GPU {{gpu}}": "max by (gpu) "
                    "(rakuten_machine_gpu_memory_used_bytes / rakuten_machine_gpu_memory_bytes)"
                },
                limits=[(0.95, RED)],
                most=1,
            ),
            bars(
                "Programs",
                "1 answers, 0 does not. Alerts: PredictionServiceDown, WebAppDown, WorkerDown and others.",
                "short",
                {"{{job}}": "min by (job) (up)"},
                limits=[(0, RED), (1, GREEN)],
                most=1,
            ),
            bars(
                "How long the sources are read",
                "The last time; they are read every 15 seconds.",
                "s",
                {"{{source}}": "max by (source) (rakuten_metrics_source_read_seconds)"},
                limits=[(5, ORANGE), (15, RED)],
            ),
        ],
    )
