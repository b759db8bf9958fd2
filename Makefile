# Run `make help`. Works in a path with spaces: only relative paths are used.
PYTHON ?= python3
# gpu also works without a GPU; onnxruntime-gpu and onnxruntime exclude each other.
EXTRA ?= $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),gpu,cpu)
# An additional package index, for instance one with CPU builds of torch.
EXTRA_INDEX ?=
PROFILE ?=
# Further options of pytest, for instance PYTEST_FLAGS=--no-skips.
PYTEST_FLAGS ?=
BIN := .venv/bin
# Stages run `python`: it must be this environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-team lint dashboard screenshots mlflow bench clean publish-run

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(BIN)/.setup-$(EXTRA) ## Create .venv with the tested versions (EXTRA=gpu|cpu, EXTRA_INDEX=url)

$(BIN)/.setup-$(EXTRA): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Name another with make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install $(if $(EXTRA_INDEX),--extra-index-url $(EXTRA_INDEX)) --constraint constraints.txt --editable '.[$(EXTRA),dev]'
	@rm -f $(BIN)/.setup-* && touch $@

repro: setup ## Run the pipeline; only what changed runs (PROFILE=smoke|full runs beside it, in runs/)
	@$(if $(PROFILE),roleshift run --params profiles/$(PROFILE).yaml --name $(PROFILE),dvc repro)

test: setup ## Run the tests
	@OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile -m 'not real and not slow and not e2e and not team' $(PYTEST_FLAGS)

test-team: setup ## Test shared backends: PostgreSQL (of this machine), an S3 store, an MLflow server with users
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRA),dev,team-test]'
	@OMP_NUM_THREADS=1 python -m pytest -m team tests/team --no-skips $(PYTEST_FLAGS)

lint: setup ## Check style, types and import contracts
	@ruff check . && ruff format --check . && mypy && lint-imports

dashboard: setup ## Open the dashboard
	@streamlit run dashboards/app.py --server.address 127.0.0.1

screenshots: setup ## Photograph every page of this checkout's run into screenshots/, and README's into docs/screenshots/
	@python -P dashboards/screenshots.py

mlflow: setup ## Open MLflow's own pages on this project's tracking store
	@mlflow ui --backend-store-uri "$$(roleshift tracking-uri)" --host 127.0.0.1 --port 5000

bench: setup ## Run the benchmarks
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRA),dev,bench]'
	@for script in benchmarks/*.py; do echo "== $$script"; python -P "$$script" || exit 1; done

publish-run: setup ## Write docs/default-run/ and the README's table from a complete run at a clean commit
	@roleshift publish-run

clean: ## Remove what no run needs: unfinished stage folders, caches of tools
	@if [ -x $(BIN)/roleshift ]; then roleshift clean; fi
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
