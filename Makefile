# Two commands on a fresh machine: make demo, make test. Everything else is a part of them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SHARED_DATA := $(wildcard ../shared/data)
UV := $(BIN)/uv --quiet
TWO := -n 2 --dist loadfile --no-loadscope-reorder

export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export OTEL_SDK_DISABLED := true
export DO_NOT_TRACK := 1
ifneq ($(SHARED_DATA),)
export CAREPATH_DATA ?= $(abspath $(SHARED_DATA))
endif

.PHONY: help setup demo test check lint lock bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## make .venv from requirements.lock and compile the kernels

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "CarePath needs Python 3.11; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "set up: the locked packages into .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation -e .
	@echo "set up: the kernels"
	@$(BIN)/python -c 'import features.sweep, features.behind, serving.walk, training.treeshap, training.affinity.recommender'
	@touch $(READY)

demo: $(READY) ## sample hospital, vectors, train all, serve on 127.0.0.1:3000 (ARGS=--exit: all but stay)
	@$(BIN)/python -m serving.demo $(ARGS)

test: $(READY) ## every test
	@$(BIN)/python -m pytest $(TWO)
	@$(BIN)/python -m pytest --nbmake --nbmake-timeout=300 notebooks

check: $(READY) ## the fast tests
	@$(BIN)/python -m pytest $(TWO) -m 'not slow'

lint: $(READY) ## style, types, import layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

lock: $(READY) ## resolve every requirement again, in one go
	@$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --upgrade -o requirements.lock

bench: $(READY) ## the kernel against its peer; also bench-features, bench-serving, bench-training, bench-recommend
	@$(BIN)/python -m bench.treeshap

bench-%: $(READY)
	@$(BIN)/python -m bench.$* $(ARGS)

clean: ## everything made here but the environment and mlruns
	@rm -rf var dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
