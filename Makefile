# Every target makes what it needs: a virtual environment in .venv, from names, versions and hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LANE := .venv-dbt-1.10
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types layers deps docs pytest coverage lane-dbt-1.10 wheel bench lock clean system

help: ## Show the targets
	@grep -E '^[a-z][a-zA-Z0-9.-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.ready ## Run the whole thing on real purchases: dbt, sandbox, plan, sync, a week later, sync again
	$(BIN)/python scripts/demo.py

test: check pytest lane-dbt-1.10 wheel ## Run everything that CI runs

check: lint types layers deps docs ## Lint, types, layers, dependencies, docs

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.ready
	$(BIN)/mypy

layers: $(VENV)/.ready
	$(BIN)/lint-imports

deps: $(VENV)/.ready
	$(BIN)/deptry .

docs: $(VENV)/.ready
	$(BIN)/python scripts/docs.py --check
	$(BIN)/zensical build --strict --clean

pytest: $(VENV)/.ready system
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

coverage: $(VENV)/.ready system ## Run the tests and show which branches they leave out
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=term:skip-covered

# The oldest dbt that we support builds the example project, and we sync it.
lane-dbt-1.10: $(LANE)/.ready
	$(LANE)/bin/python -m pytest -q -p no:randomly -m "" tests/lanes

wheel: $(VENV)/.ready
	$(BIN)/python scripts/wheel.py

bench: $(VENV)/.ready ## Measure, as ratios in one run, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

system:
	@sh scripts/system_packages.sh

lock: $(VENV)/.ready ## Compile requirements/*.in to names, versions and hashes
	$(PYTHON) scripts/lock.py

clean: ## Remove environments and everything that was made
	rm -rf $(VENV) $(LANE) .demo site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	sh scripts/environment.sh "$(PYTHON)" $(VENV) requirements/dev.txt

$(LANE)/.ready: requirements/dbt-1.10.txt pyproject.toml
	sh scripts/environment.sh "$(PYTHON)" $(LANE) requirements/dbt-1.10.txt
