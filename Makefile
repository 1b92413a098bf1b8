# Two commands do all that is to be set up: `make demo` and `make test`. See README.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := $(VENV)/demo
SIMSO := $(VENV)/simso/.installed
COPROCSIM = COPROCSIM_STATE_DIR=$(DEMO) $(BIN)/coprocsim
PARALLEL ?= 2
ACCESSES ?= 10000000

.PHONY: demo test check lint torture bench simso golden dtb man clean

demo: $(VENV)/.runs
	@sh tests/demo.sh $(BIN)/coprocsim $(DEMO)

test: $(INSTALLED) $(if $(CI),$(SIMSO)) lint
	@$(BIN)/python -m pytest -q -n $(PARALLEL) $(if $(CI),,-m "not slow")
	@echo "make test: all passed"

# The quick round before a commit.
check: $(INSTALLED) lint
	@$(BIN)/python -m pytest -q -n $(PARALLEL) -m "not slow" -x

lint: $(INSTALLED)
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/mypy --no-error-summary

# Guests gone wrong: ten million random accesses over all cores, or as many as ACCESSES says.
torture: $(INSTALLED)
	@$(BIN)/python -m tests.torture $(ACCESSES)

bench: $(INSTALLED) $(SIMSO)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	@$(BIN)/python -m tests.benchmarks

# The simulator beside which schedulers are tested and measured.
simso: $(SIMSO)

# Write the golden transcripts anew; read the difference before you believe it.
golden: $(INSTALLED)
	@$(BIN)/python -m tests.cli.golden

# The .dtb beside each .dts; needs dtc (Debian: device-tree-compiler).
dtb: $(patsubst %.dts,%.dtb,$(wildcard dts/*.dts) tests/thirdparty/board.dts)

%.dtb: %.dts
	dtc -q -I dts -O dtb -o $@ $<

man: $(VENV)/.runs
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[man]'
	@$(BIN)/python -W ignore -m coprocsim.cli.manual $(VENV)/share/man/man1
	@echo "the manual pages are in $(VENV)/share/man; read one: man -M $(VENV)/share/man coprocsim-run"

clean:
	rm -rf $(VENV)

# What runs needs less than what tests needs: the demo does not wait for the test tools.
$(VENV)/.runs: pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

# SimSo wants a SimPy of its own, so it gets an environment of its own.
$(SIMSO): $(VENV)/.runs
	@$(PYTHON) -m venv $(VENV)/simso
	@$(VENV)/simso/bin/python -m pip install -q --disable-pip-version-check simso==0.8.5 simpy==2.3.1
	@touch $@

$(INSTALLED): $(VENV)/.runs
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@
