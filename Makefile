# Two commands set everything up: `make rehearse` rehearses, `make test` tests. Both need Python >= 3.11 and make only.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: rehearse test check benchmark clean
.DEFAULT_GOAL := rehearse

# The stamp depends on what decides the environment's content, so a second call starts immediately and needs no network.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kafka-cutover needs Python >= 3.11, found " + sys.version.split()[0] + ": set PYTHON=/path/to/python3.11")'
	@echo "==> virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> installing kafka-cutover and what its tests need (a minute or two the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	@$(BIN)/kafka-cutover --version
	@touch $@

rehearse: $(READY)
	$(BIN)/kafka-cutover rehearse $(ARGS)

# Two processes, since most of a test with brokers is waiting; each has a testbed of its own.
test: $(READY) check
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache cutover-out
