# llmctl: `make help` lists the targets. PYTHON= names the interpreter a new .venv is made with
# (3.11 or later; without it the fastest that is found).

PYTHON ?=
PYTEST_ARGS ?=
LOCK_ARGS ?=
CONFIG ?= configs/gateway.yaml

venv := .venv
bin := $(venv)/bin
# Stamps live in the venv, so that removing it makes everything anew.
base := $(venv)/.stamp-venv
run := $(venv)/.stamp-run
dev := $(venv)/.stamp-dev

pip := $(bin)/python -m pip --quiet --disable-pip-version-check --no-input
# Some indexes that pip is told of may lack a package; that is no error as long as one has it.
pip_quiet := 2> >(grep -v '^WARNING: Location .* is ignored' >&2)
compile := $(bin)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --group build --extra local

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help serve test check fix bench drill docs licences lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(run) ## the gateway on 127.0.0.1:8080, set up first if need be
	@exec $(bin)/llmctl serve -c $(CONFIG)

test: $(dev) ## the tests (PYTEST_ARGS="-k pool -x" goes to pytest)
	@$(bin)/python -m pytest -n 2 $(PYTEST_ARGS)

check: $(dev) ## lint, format, types, import direction, shape, generated documents; all of them, then fails
	@status=0; \
	$(bin)/ruff check . || status=1; \
	$(bin)/ruff format --check --quiet . || { echo "not formatted: run 'make fix'"; status=1; }; \
	$(bin)/mypy || status=1; \
	$(bin)/lint-imports --no-logo || status=1; \
	$(bin)/python -m pytest tests/test_shape.py || status=1; \
	$(bin)/python -m tools.docs --check || status=1; \
	$(bin)/python -m tools.licences --check || status=1; \
	exit $$status

fix: $(dev) ## what ruff can put right by itself
	@$(bin)/ruff check --fix --quiet . || true
	@$(bin)/ruff format --quiet .

bench: $(dev) ## every bench/*.py but the drill, a JSON document each
	@for script in $(sort $(filter-out bench/drill.py,$(wildcard bench/*.py))); do echo "# $$script" >&2; $(bin)/python $$script; done

drill: $(dev) ## imitated providers fail and every answer is checked; a JSON document, a quarter of an hour
	@$(bin)/python bench/drill.py

docs: $(dev) ## docs/reference/*.md from the command line and the schema
	@$(bin)/python -m tools.docs

licences: $(dev) ## docs/licences.md from the locked packages
	@$(bin)/python -m tools.licences

lock: $(dev) ## the lock files from pyproject.toml (LOCK_ARGS=--upgrade takes new versions)
	@$(compile) $(LOCK_ARGS) --output-file requirements.lock
	@$(compile) $(LOCK_ARGS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove the venv, caches and build output; records in .llmctl/ stay
	@rm -rf $(venv) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(base):
	@python="$(PYTHON)"; python=$${python:-$$(sh tools/fastest-python.sh)}; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "llmctl needs Python 3.11 or later; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	test -x $(bin)/python || { echo "making $(venv) with $$python" >&2; "$$python" -m venv $(venv); }
	@touch $@

$(run): requirements.lock pyproject.toml | $(base)
	@echo "installing requirements.lock into $(venv), once (20 seconds or more)" >&2
	@$(pip) install --no-deps --require-hashes -r requirements.lock $(pip_quiet)
	@$(pip) install --no-deps --no-build-isolation --editable . $(pip_quiet)
	@touch $@

$(dev): requirements.lock requirements-dev.lock pyproject.toml | $(base)
	@echo "installing requirements-dev.lock into $(venv), once (30 seconds or more)" >&2
	@$(pip) install --no-deps --require-hashes -r requirements-dev.lock $(pip_quiet)
	@$(pip) install --no-deps --no-build-isolation --editable . $(pip_quiet)
	@touch $(run) $@
