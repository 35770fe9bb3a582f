# Everything a person or a machine runs here. CI and the hooks call only these targets.
SHELL := /bin/bash
PYTHON ?= python3.11
PYTHON := $(shell command -v $(PYTHON) || command -v python3)
UV := $(shell command -v uv || echo .uv/bin/uv)
BIN := .venv/bin
# The part of the lock that a program needs.
PINS = $(UV) pip compile --quiet --universal --no-header --no-annotate --python-version 3.11 \
  --constraint requirements.lock --extra serving pyproject.toml

# Programs start in half to two thirds of the time where the bytecode of what they import is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo up dev test check bench lock secrets dashboards screenshots clean

demo: install          ## sample catalogue -> whole lineage -> all services
	$(BIN)/rakuten demo

up: install            ## every service, on the data that is there
	$(BIN)/rakuten up

dev: install           ## Dagster alone, reloading: no environment needed
	$(BIN)/dagster dev

test: install check    ## lint, types, import walls, tests; a process for each core, a file to each
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

check: install         ## lint, types, import walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install         ## every claim in benchmarks/, both sides in one run
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

install: .venv/.synced ## a virtual environment that is exactly requirements.lock

.venv/.synced: requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.uv/bin/uv:            # a machine without uv gets a private one
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --no-warn-script-location uv

lock: | $(UV)          ## after a change of dependencies
	$(UV) pip compile --quiet --universal --no-header --python-version 3.11 \
	  --extra assets --extra backbones --extra serving --extra webapp --extra cluster --group dev pyproject.toml --output-file requirements.lock
	$(PINS) --output-file serving/requirements.txt
	$(PINS) --extra backbones --output-file serving/requirements-torch.txt
	$(PINS) --extra assets --extra backbones --extra cluster --output-file docker/requirements/code-location.txt
	for program in webapp dagster mlflow; do $(UV) pip compile --quiet --universal --no-header --no-annotate \
	  --python-version 3.11 --constraint requirements.lock docker/requirements/$$program.in \
	  --output-file docker/requirements/$$program.txt || exit 1; done

secrets: install       ## look through the tree for secrets, and note what is none
	git ls-files | xargs $(BIN)/detect-secrets scan > .secrets.baseline

dashboards: install    ## Grafana's dashboards, from the code that describes them
	$(BIN)/python docker/grafana/boards

screenshots: install   ## the README's pictures, taken anew from a running demo
	$(BIN)/python docs/screenshots.py

clean:                 ## everything that was made here, except the data
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist *.egg-info
