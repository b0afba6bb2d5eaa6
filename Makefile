# Two commands matter: `make demo` and `make test`. Both build their own environment in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --compile
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint docs gallery bench lock clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The editable install takes its build tool from the lock too, hence --no-build-isolation.
$(VENV)/runtime.stamp: $(BIN)/python requirements/runtime.txt pyproject.toml
	$(INSTALL) -r requirements/runtime.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp requirements/dev.txt
	$(INSTALL) -r requirements/dev.txt
	touch $@

demo: $(VENV)/runtime.stamp ## simulate a study, analyse it, print where the report is
	$(BIN)/qsmstats demo demo

test: $(VENV)/dev.stamp ## the test suite (under 5 minutes on 2 cores)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/dev.stamp ## long simulations: coverage, recovery of truth
	$(BIN)/python -m pytest -n auto -m slow

lint: $(VENV)/dev.stamp ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/dev.stamp ## the documentation, warnings are errors
	$(BIN)/python docs/extensions/schema_tables.py
	$(BIN)/sphinx-build -W -b html docs docs/_build/html

gallery: $(VENV)/dev.stamp ## the pictures of docs/gallery.md
	$(BIN)/python docs/gallery.py

bench: $(VENV)/dev.stamp ## the project beside its peers, as ratios
	for f in benchmarks/*.py; do $(BIN)/python $$f || exit 1; done

lock: ## resolve exact versions anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  pyproject.toml --group build -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  pyproject.toml --group build --group test --group docs --group hooks --group bench -c requirements/runtime.txt -o requirements/dev.txt

clean: ## remove the environment and what the demo wrote
	rm -rf $(VENV) demo
