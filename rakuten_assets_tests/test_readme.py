"""What the documentation says is so: settings, commands, links, files, categories, reasons and the graph."""

import re
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import pytest
import typer

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.cli import app
from rakuten_assets.core.taxonomy import CATEGORIES
from rakuten_assets.definitions import defs
from rakuten_assets.settings import Settings
from serving.settings import ServingSettings
from webapp.settings import WebSettings

PROJECT = Path(__file__).parent.parent
README, CONTRIBUTING = (PROJECT / name for name in ("README.md", "CONTRIBUTING.md"))
DOCUMENTS = [README, CONTRIBUTING, PROJECT / "CHANGELOG.md"]

FENCES = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def test_the_settings_table_is_the_settings():
    assert [tuple(row) for row in table("Settings")] == [
        (f"`{name}`", f"`{default}`" if default else "", description) for name, default, description in settings()
    ]


def test_the_example_environment_is_the_settings():
    written = (PROJECT / ".env.example").read_text()
    assert re.findall(r"^# (.+)\n#(\w+)=(.*)$", written, re.MULTILINE) == [
        (description, name, default) for name, default, description in settings()
    ]
    assert len(re.findall("RAKUTEN_", written)) == len(settings())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document):
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {target for line in code(document) for target in re.findall(r"\bmake ([a-z]+)", line)}
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_rakuten_command_that_is_named_exists_with_its_options(document):
    commands = typer.main.get_command(app).commands
    named = [found for line in code(document) for found in re.findall(r"\brakuten ([a-z]+)\b([^#]*)", line)]
    for command, rest in named:
        assert command in commands
        # A group's options are those of its commands.
        group = getattr(commands[command], "commands", {"": commands[command]}).values()
        options = {option for each in group for parameter in each.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, command


def test_every_command_is_in_the_readme():
    said = "\n".join(code(README))
    assert [name for name in typer.main.get_command(app).commands if f"rakuten {name}" not in said] == ["demo"]
    assert "make demo" in said


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (PROJECT / link).exists()] == []


@pytest.mark.parametrize("document", [README, CONTRIBUTING], ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document):
    prose = FENCES.sub("", document.read_text())
    named = [
        name for name in INLINE.findall(prose) if re.fullmatch(r"(rakuten_assets\w*|benchmarks|docs)/[\w./-]*", name)
    ]
    assert named
    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_the_map_names_files_that_exist():
    for first, *others in (INLINE.findall(row[0]) for row in table("Map of files")):
        folder = (PROJECT / first).parent
        assert [path for path in (PROJECT / first, *(folder / name for name in others)) if not path.exists()] == []


def test_the_map_names_every_module_of_the_package():
    mapped = {Path(name).name for row in table("Map of files") for name in INLINE.findall(row[0])}
    modules = {path.name for path in (PROJECT / "rakuten_assets").glob("*.py") if not path.name.startswith("__")}
    assert modules - mapped == {"plots.py", "progress.py"}


def test_the_categories_are_the_taxonomy():
    cells = [row[at : at + 3] for row in table("Words", "code |") for at in (0, 3)]
    assert sorted([int(code), fr, en] for code, fr, en in cells if code) == [list(entry) for entry in CATEGORIES]


def test_every_reason_to_set_something_aside_is_explained():
    source = "\n".join(path.read_text() for path in (PROJECT / "rakuten_assets/core").glob("deliver*.py"))
    given = re.findall(r'(?:Rule\(|UnusableFile\(|return|row,)\s*"([a-z0-9_]+)",\s', source)
    explained = [reason for row in table("Deliveries and quarantine") for reason in INLINE.findall(row[1])]
    assert len(explained) == len(set(explained))
    assert set(explained) == set(given)


def test_every_attack_that_is_listed_has_its_test():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (PROJECT / "docs/webapp.md").read_text())
    assert len(named) > 20
    tests = {file: (PROJECT / "rakuten_assets_tests" / file).read_text() for file, _ in named}
    assert [(file, name) for file, name in named if f"def {name}(" not in tests[file]] == []


def test_the_sensors_are_the_sensors():
    assert [INLINE.findall(row[0])[0] for row in table("The one flow")] == [sensor.name for sensor in defs.sensors]


def test_the_drawing_shows_the_asset_graph():
    """Every asset, in its group, and everything it rests on, directly or through others."""
    drawing = next(body for kind, body in FENCES.findall(README.read_text()) if kind == "mermaid")
    names = {asset.key.to_user_string() for asset in ALL_ASSETS}
    real = {
        (upstream.to_user_string(), asset.key.to_user_string())
        for asset in ALL_ASSETS
        for upstream in asset.asset_deps[asset.key]
    }
    assert {pair for pair in closure(drawn_edges(drawing)) if set(pair) <= names} == closure(real)
    groups = re.findall(r"subgraph \w+ \[(\w+)\]\n(.*?)\n  end", drawing, re.DOTALL)
    assert {(group, name) for group, body in groups for name in re.findall(r"\w+", body) if name in names} == {
        (asset.group_names_by_key[asset.key], asset.key.to_user_string()) for asset in ALL_ASSETS
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_figure_was_left_open(document):
    assert re.findall(r"FIGURE_\w+", document.read_text()) == []


@cache
def settings():
    """Name in the environment, default as it is written there, and description of each setting."""
    found = {
        f"{model.model_config['env_prefix']}{name.upper()}": field
        for model in (WebSettings, ServingSettings, Settings)
        for name, field in model.model_fields.items()
    }
    return [(name, written(field.default), field.description) for name, field in sorted(found.items())]


def written(default):
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def code(document):
    """Lines of code: those in shell fences, and what stands between backticks."""
    text = document.read_text()
    fenced = [line for kind, body in FENCES.findall(text) if kind == "bash" for line in body.splitlines()]
    return fenced + INLINE.findall(FENCES.sub("", text))


def table(section, header=""):
    """Cells of the last table of a README section, or of the one whose header begins with `header`."""
    body = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", README.read_text(), re.MULTILINE | re.DOTALL)[1]
    tables = re.findall(r"^\| (.*)\n\| ---.*\n((?:\|.*\n)+)", body, re.MULTILINE)
    rows = next(rows for head, rows in reversed(tables) if head.startswith(header))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.splitlines()]


def drawn_edges(drawing):
    """Pairs of nodes that the arrows of a Mermaid flowchart join."""
    edges = set()
    for line in filter(lambda line: "-->" in line, drawing.splitlines()):
        stops = re.split(r"-->(?:\|[^|]*\|)?", line)
        nodes = [[re.match(r"\s*(\w+)", node)[1] for node in stop.split(" & ")] for stop in stops]
        edges |= {pair for left, right in pairwise(nodes) for pair in product(left, right)}
    return edges


def closure(edges):
    """Every pair of nodes with a way from the first to the second."""
    found = set(edges)
    while more := {(a, d) for a, b in found for c, d in edges if b == c} - found:
        found |= more
    return found
