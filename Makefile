# Merpati: `make run` starts it, `make test` tests it. Both set up what they need in .venv first.

PYTHON ?= python3
VENV := .venv$(if $(filter python3,$(PYTHON)),,-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
JOBS ?= auto

.PHONY: run test test-power test-imap-model test-clients fuzz lint format bench bench-card bench-day bench-growth bench-imap bench-idle translations clean

run: $(VENV)/.installed
	@exec $(BIN)/merpati run

test: $(VENV)/.installed-dev
	$(BIN)/pytest -q -n $(JOBS) $(ARGS)

test-power: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.power --cuts 100 $(ARGS)

fuzz: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

test-clients: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.clients.check $(ARGS)

test-imap-model: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.imap.model --minutes 10 $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check appliance web tests bench
	$(BIN)/ruff check appliance web tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format appliance web tests bench
	$(BIN)/ruff check --fix appliance web tests bench

bench: $(VENV)/.installed-dev
	$(BIN)/python bench/store_rate.py

bench-card: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.side_by_side $(ARGS)

bench-day: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.day $(ARGS)

bench-growth: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.growth $(ARGS)

bench-imap: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.imap $(ARGS)

bench-idle: $(VENV)/.installed-dev
	@MERPATI_IDLE_S=600 $(BIN)/pytest -q -s tests/card/test_idle.py

translations: $(VENV)/.installed-dev
	$(BIN)/python -m web.catalogue

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Merpati needs Python 3.11 or newer; this is $$($(PYTHON) --version)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing: apt install python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf .venv .venv-* build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
