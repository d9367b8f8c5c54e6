# Needs make and Python >= 3.11 with venv; uses uv where it is installed.

VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=
LOCK_ARGS ?=

BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.requirements-installed
UV := $(shell command -v uv 2>/dev/null)

# A name on the path may be a shim that cannot run, so each is tried.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	  then echo "$$p"; break; fi; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test slow soak test-browser test-cluster laws-deep mutate check lint types layers tidy \
  format docs bench lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(STAMP)  ## replay the bundled week and print the table
	@$(BIN)/greensched demo

QUICK := -m "not slow and not soak and not cluster and not browser"
test: $(STAMP)  ## run the tests (within five minutes on two cores)
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(QUICK) $(PYTEST_ARGS)

slow: $(STAMP)  ## run the tests that take longer than that
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile -m slow $(PYTEST_ARGS)

soak: $(STAMP)  ## repeat for long what tests do a few times
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile -m soak $(PYTEST_ARGS)

laws-deep: $(STAMP)  ## 50,000 examples of each pure law, ten minutes of each simulated one
	@$(PY) -m tests.laws.deep

mutate: $(STAMP)  ## faults in accounting/ and ledger/ that tests must see; writes docs/mutation.md
	@$(PY) -m tests.mutation --jobs $(WORKERS)

# Another version: make test-cluster KUBERNETES=kubernetes-1.34
KUBERNETES ?= kubernetes-1.36
test-cluster: $(STAMP)  ## run the tests on a real control plane (needs Go; builds it once)
	@$(PY) -m tests.cluster.binaries $(KUBERNETES) helm promtool
	@GREENSCHED_TEST_KUBERNETES=$(KUBERNETES) $(PY) -m pytest -m cluster tests/cluster $(PYTEST_ARGS)

# A browser that no longer answers must not hold up the rest: its test ends, with where it was.
NO_HANG := -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true
test-browser: $(STAMP)  ## run the tests in a real browser (installs Chromium where it is missing)
	@$(PY) -m tests.browser.chromium
	@$(PY) -m pytest -m browser tests/browser $(NO_HANG) $(PYTEST_ARGS)

check: lint types layers tidy  ## style, types, layers and tidiness (-k: all findings at once)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)
	@$(BIN)/mypy greensched tests benchmarks

layers: $(STAMP)
	@$(BIN)/lint-imports --no-logo

tidy: $(STAMP)
	@$(PY) -m pytest -q tests/test_tidy.py

format: $(STAMP)  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## build the documentation as a site, warnings as errors: build/site/index.html
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --strict

bench: $(STAMP)  ## time what is promised; writes docs/benchmarks.md
	@$(PY) -m benchmarks

# The locks name no index: hashes alone say what is meant, wherever it is fetched from.
LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url $(LOCK_ARGS)

lock:  ## pin requirements/ anew from pyproject.toml (LOCK_ARGS=--upgrade for newer versions)
	@uv="$(or $(UV),$(wildcard $(BIN)/uv))"; \
	if [ -z "$$uv" ]; then echo "make lock needs uv: $(PY) -m pip install uv" >&2; exit 1; fi; \
	"$$uv" $(LOCK) pyproject.toml -o requirements/run.txt && \
	"$$uv" $(LOCK) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt && \
	"$$uv" $(LOCK) pyproject.toml --extra k8s -c requirements/dev.txt -o requirements/k8s.txt

clean:  ## remove the environment, caches and results
	rm -rf $(VENV) build dist results .hypothesis .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache

$(PY):
	@if [ -z "$(PYTHON)" ]; then \
	  echo "greensched needs Python 3.11 or newer; none was found (PYTHON=/path/to/python)" >&2; \
	  exit 1; fi
ifneq ($(UV),)
	@$(UV) venv --quiet --allow-existing --python "$(PYTHON)" $(VENV)
else
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$(PYTHON) has no working venv module: install it (Debian, Ubuntu: python3-venv)," \
	    "or uv, or name another interpreter with PYTHON=/path/to/python" >&2; exit 1; fi
	@"$(PYTHON)" -m venv $(VENV)
endif

$(STAMP): requirements/dev.txt pyproject.toml | $(PY)
	@echo "installing the locked requirements into $(VENV)" >&2
ifneq ($(UV),)
	@$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
else
	@$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
endif
	@touch $@
