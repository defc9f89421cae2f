# Two commands set everything up: `make rehearse` rehearses, `make test` tests. Both need Python >= 3.11 and make only.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HARNESS := $(VENV)/.harness

.PHONY: rehearse test coverage mutation check docs benchmark clean
.DEFAULT_GOAL := rehearse

# A stamp for each set of packages: a rehearsal needs the harness alone, everything else needs all of them. A stamp depends
# on what decides the environment's content, so a second call starts immediately and needs no network.
$(HARNESS): EXTRA := harness
$(READY): EXTRA := test
$(HARNESS) $(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kafka-cutover needs Python >= 3.11, found " + sys.version.split()[0] + ": set PYTHON=/path/to/python3.11")'
	@echo "==> virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> installing kafka-cutover[$(EXTRA)] (a minute or two the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[$(EXTRA)]'
	@$(BIN)/kafka-cutover --version
	@touch $@

rehearse: $(if $(wildcard $(READY)),$(READY),$(HARNESS))
	$(BIN)/kafka-cutover rehearse $(ARGS)

# For two processors: two processes with brokers, each with a testbed of its own, mostly wait, and a third one computes
# meanwhile (tests/scheduling.py). A smaller machine needs WORKERS=2.
WORKERS ?= 3
test: $(READY) check
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

# Lines and branches of the shim, the judge, the procedure and the conductor that the tests without brokers reach.
coverage: $(READY)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadfile tests/unit tests/contract $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# Mutants of the judge and of the procedure; ARGS="'cutover_harness.procedure.settling*'" for a part.
mutation: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	$(BIN)/python scripts/mutation.py $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site: site/index.html. A broken link is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)

benchmark: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) site .cache/mutation .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache cutover-out
