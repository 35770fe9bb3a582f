"""What GitHub runs: valid, with the least rights, and made of commands that exist."""

import re
import shlex

import pytest
import typer
import yaml

from rakuten_assets_tests.docker.tools import PROJECT, programs, tool

WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))


def read(workflow):
    return yaml.safe_load(workflow.read_text())


def steps(workflow):
    return [step for job in read(workflow)["jobs"].values() for step in job["steps"]]


def commands(workflow):
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    return [shlex.split(part) for line in lines for part in re.split(r"\|\||\|", line) if part.strip()]


def test_there_are_two():
    assert [workflow.name for workflow in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_github_understands_it(workflow):
    tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)


def test_nothing_in_it_is_known_to_be_unsafe():
    tool("zizmor", "--offline", "--quiet", PROJECT / ".github")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_it_may_read_and_no_more_unless_a_job_says_so(workflow):
    said = read(workflow)
    assert said["permissions"] == {"contents": "read"}
    for name, job in said["jobs"].items():
        assert job["timeout-minutes"] <= 180, name
        assert workflow.name == "release.yml" or "permissions" not in job
    assert [
        step for step in steps(workflow) if not re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step.get("uses", "a/b@v1"))
    ] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_what_is_kept_lies_where_the_action_takes_it(workflow):
    """upload-artifact fails for a path with `..` in it."""
    assert [step for step in steps(workflow) if ".." in str(step.get("with", {}).get("path", ""))] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_command_exists(workflow):
    from rakuten_assets.cli import app

    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(workflow):
        if command[0] == "make":
            assert set(command[1:]) <= targets, command
        if command[0].startswith("docker/"):
            assert (PROJECT / command[0]).stat().st_mode & 0o111, command
        if command[0] == ".venv/bin/rakuten":
            group = typer.main.get_command(app).commands[command[1]]
            known = {option for parameter in group.params for option in parameter.opts}
            assert {word for word in command if word.startswith("--")} <= known, command
        elif command[0].startswith(".venv/bin/"):
            assert (PROJECT / command[0]).exists(), command


def test_every_image_is_released():
    images = read(PROJECT / ".github/workflows/release.yml")["jobs"]["images"]["strategy"]["matrix"]
    assert {*images["target"], *(each["target"] for each in images["include"])} == programs().keys()
