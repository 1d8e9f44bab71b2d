# Lockstep: `make run` serves on http://127.0.0.1:8000, `make test` runs every check.
#
# Paths below are relative on purpose: the folder's own path may hold spaces.

PYTHON ?= python3
PORT ?= 8000
export PORT

BIN := .venv/bin
# Compiled once: a service and its tests start many processes, which would each compile it all again
# wherever Python is told to write no bytecode.
UV = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test test-rooms test-whole test-postgresql lint benchmark format requirements screenshots tools dev vendor clean

help:
	@echo "make run [PORT=8000]   serve on 127.0.0.1 (installs what is missing first)"
	@echo "make test              every check: linters, types, tests (PostgreSQL, Redis, Chromium)"
	@echo "make benchmark         how fast the emulator and an import are"
	@echo "make lint              linters and types alone"
	@echo "make install           the environment alone"
	@echo "make screenshots       take the pictures in docs/screenshots/ again, and one of every page"
	@echo "make requirements      compile requirements*.txt from requirements*.in"
	@echo "make clean             remove the environment; the data in var/ stays"

install: .venv/lockstep.stamp vendor

run: install
	@exec $(BIN)/python manage.py serve

# --- Environment: each stamp is newer than what it was made from --------------------------------

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Lockstep needs Python 3.11 or newer: install Debian's package python3," \
			"or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh .ci/packages python3-venv
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/uv.stamp: .venv/python.stamp requirements-uv.txt
	@echo "Installing the Python environment (.venv) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-uv.txt
	@touch $@

.venv/lockstep.stamp: .venv/uv.stamp requirements.txt pyproject.toml
	@$(UV) -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: .venv/lockstep.stamp requirements-dev.txt
	@$(UV) -r requirements-dev.txt
	@touch $@

vendor: .venv/lockstep.stamp
	@$(BIN)/python -P frontend/vendor.py

dev: .venv/dev.stamp
	@$(BIN)/python -P frontend/vendor.py dev

# --- Checks -------------------------------------------------------------------------------------

# Debian packages, installed where root runs this, else named.
tools:
	@sh .ci/packages chromium qemu-system-x86 gcc gnupg libxml2-utils libvirt0 rpm zsh

lint: dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

# Side by side: each waits much of its time, for a browser, a worker, a disk.
test: tools lint
	@$(MAKE) --no-print-directory --jobs=3 test-rooms test-whole test-postgresql

# The same for Lockstep's own modules, and for the tests, whose assertions pytest rewrites.
test-rooms test-whole test-postgresql: export PYTHONDONTWRITEBYTECODE =

test-rooms: tools dev
	$(BIN)/python -m pytest --ignore=tests/e2e

# The others' output, told in one piece each, as that of the first is told while it runs.
told = log=$$(mktemp) && { $(1) >"$$log" 2>&1; \
	status=$$?; echo; echo "$(2):"; cat "$$log"; rm -f "$$log"; exit $$status; }

test-whole: tools dev
	@$(call told,$(BIN)/python -m pytest tests/e2e,In the browser and over the wire)

test-postgresql: dev
	@$(call told,$(BIN)/python tests/on_postgresql.py -m database,On PostgreSQL)

# Files of another name than the tests', so that those do not wait for them.
benchmark: dev
	$(BIN)/python -m pytest -q -o python_files='bench_*.py' tests/benchmarks

format: dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# --- Upkeep -------------------------------------------------------------------------------------

# The end-to-end tests take them on their way, so that the tour shows what really happens.
screenshots: tools dev
	@mkdir -p docs/screenshots
	LOCKSTEP_SCREENSHOTS=docs/screenshots LOCKSTEP_COMPONENTS=1 $(BIN)/python -m pytest -q \
		-o python_files='test_*.py take_*.py' \
		tests/e2e/test_gallery.py tests/e2e/test_main_job.py tests/e2e/take_pictures.py

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make requirements"

requirements: .venv/uv.stamp
	$(COMPILE) requirements-uv.in -o requirements-uv.txt
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
