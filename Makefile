# What people type. `make setup` needs git, make, Python 3.11 and Go (or pulumi on PATH); it brings the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
FOLDERS := cli fleet infra planner playbooks runbooks
TYPES := .venv/types/quartermaster
SETUP = PYTHONPATH=.venv/types PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m quartermaster.infra.setup
FAST := not engine and not hosts and not browser and not prometheus and not slow and not soak

# Modules of Python side by side, a lane each; what all but the first say comes at the end. Ends with a status of a lane
# that failed. Real hosts go before the others: they wait more than they compute, and their seconds are counted. The first,
# the shortest, goes after all.
AFTER = $(if $(filter HOSTS_%,$(1)),nice -n 4)
LAST = $(if $(AFTER),nice -n 9)
define lanes
@said=$$(mktemp -d); beside=(); status=0; set -m; \
  $(foreach lane,$(wordlist 2,9,$(1)),$(if $(filter HOSTS_%,$(lane)),,$(AFTER)) .venv/bin/python -m $($(lane)) >$$said/$(lane) 2>&1 & beside+=($$!);) set +m; \
  trap 'for lane in $${beside[@]}; do kill -INT $$lane 2>/dev/null && wait $$lane; done; rm -rf $$said' EXIT; \
  $(LAST) .venv/bin/python -m $($(firstword $(1))) || status=$$?; \
  for lane in $${beside[@]}; do wait $$lane || status=$$?; done; cat $$said/*; exit $$status
endef

# A minute of work where it keeps nothing of an earlier run.
TYPED = mypy $(addprefix -p quartermaster.,$(FOLDERS))
# About as long as each other.
PARTS := tests/planner tests/infra tests/local tests/fleet
FAST_PARTS = pytest -q -m "$(FAST)" $(PARTS)
FAST_REST = pytest -q -m "$(FAST)" $(addprefix --ignore=,$(PARTS))
# On real hosts tests wait more than they compute, so that two lanes of them fill what the others leave of two processors:
# roles and patching, and all else.
MADE := $(patsubst %,tests/hosts/test_%.py,roles patch patch_controller patch_faults patch_load readme)
HOSTS_MADE = pytest -q -m "hosts and not soak" $(MADE)
HOSTS_REST = pytest -q -m "hosts and not soak" tests/hosts $(addprefix --ignore=,$(MADE))
ENGINE = pytest -q -m "(engine or hosts) and not soak" --ignore=tests/hosts
REST = pytest -q -m "not engine and not hosts and not soak"

.PHONY: help setup demo test check fmt soak acceptance-aws bench docs lock clean folders

help: ## This list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

# The links by which the folders import as quartermaster.NAME before anything is installed.
folders:
	@mkdir -p $(TYPES)
	@for name in $(FOLDERS); do [ -L $(TYPES)/$$name ] || ln -s ../../../$$name $(TYPES)/$$name; done

setup: folders ## Bring everything this machine lacks: packages, .venv, engine, base tree
	@$(SETUP)

demo: setup ## The whole loop on this machine, then clean up (KEEP=1 leaves it running)
	@.venv/bin/ops demo $(if $(filter-out 0,$(KEEP)),--keep)

test: folders ## Every test but the soak ones, those of pages with Chromium
	@$(SETUP) --browser
	$(call lanes,REST ENGINE HOSTS_MADE HOSTS_REST)

check: folders ## Format, lint, types, imports and the fast tests: what CI asks first
	@$(SETUP) --only venv
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@PYTHONPATH=.venv/types .venv/bin/lint-imports
	$(call lanes,FAST_REST FAST_PARTS TYPED)

fmt: folders ## Format, and mend what ruff can
	@$(SETUP) --only venv
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

soak: setup ## The tests with full counts, nine minutes at a time (PART=hosts: under tests/hosts)
	@.venv/bin/python -m pytest -q -m soak tests/$(PART)

acceptance-aws: setup ## Unproven: a small stack in an AWS account of yours, destroyed at its end
	@.venv/bin/python -m pytest -q -m aws tests/acceptance

bench: setup ## Measurements, printed
	@for file in bench/*.py; do echo "== $$file"; .venv/bin/python "$$file"; done

docs: folders ## The documentation as a site, in build/docs
	@$(SETUP) --only venv
	@.venv/bin/mkdocs build --strict --quiet --site-dir build/docs

lock: ## Lock anew what pyproject.toml asks for
	@.venv/bin/uv pip compile --quiet --generate-hashes --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## Remove .venv and what tools left here; the cache of the user stays
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache ./*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
