# make train, make test: each sets up all it needs first. Wants Python 3.11 or newer and a package registry.
PYTHON ?= python3
VENV := .venv
MINIMUM := .venv-minimum
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread in each process, since the two processes share the cores. Compiled modules are kept in .venv, even on a
# machine that keeps none: every process that a test starts would compile all libraries again.
TESTING := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/compiled

.PHONY: help setup train test test-slow test-minimum coverage docs lint format clean

help:  ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## create .venv with all that training and testing need

# Installed again only when pyproject.toml changes. uv takes a fraction of pip's time.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]'
	@touch $@

train: $(READY)  ## train the default configuration: the brain set, about 3 minutes on 2 cores
	$(BIN)/segnet-train $(ARGS)

lint: $(READY)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint  ## lint, the fast tests and the examples in docstrings, under 5 minutes on 2 cores
	$(TESTING) $(BIN)/python -m pytest -n 2 $(ARGS)

test-slow: $(READY)  ## the tests that train for longer
	$(TESTING) $(BIN)/python -m pytest -n 2 -m slow $(ARGS)

coverage: $(READY)  ## the fast tests again, and the share of lines and branches that they reach
	$(TESTING) $(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered $(ARGS)

# The oldest releases that pyproject.toml promises, in an environment of their own: several GB for torch's CUDA build.
# Old libraries beside newer ones of theirs that have deprecated something: no news, and no error.
test-minimum: $(READY)  ## the fast tests with the oldest promised releases
	$(PYTHON) -m venv $(MINIMUM)
	$(BIN)/uv pip install --quiet --python $(MINIMUM)/bin/python --resolution lowest-direct --editable '.[dev]'
	$(TESTING) $(MINIMUM)/bin/python -m pytest -n 2 -W ignore::DeprecationWarning $(ARGS)

docs: $(READY)  ## build the docs site into site/; broken links and anchors are errors
	$(BIN)/python -m scripts.results --reports
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m scripts.check_site site

clean:  ## remove the environments and the docs site
	rm -rf $(VENV) $(MINIMUM) site
