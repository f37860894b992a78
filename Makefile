# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv if it is not there.
PY := .venv/bin/python
BIN := .venv/bin
export DO_NOT_TRACK := 1
# Certificates of the machine, as pip uses them: a firm may have its own.
export UV_SYSTEM_CERTS := 1
# With this set, every start would compile every package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lock picture clean

demo: .venv/.stamp
	@$(BIN)/syscard demo

test: .venv/.stamp
	@$(BIN)/pytest -n 2 --dist loadgroup

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

# Resolve again; the lock names no registry.
lock: .venv/.stamp
	$(BIN)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
		pyproject.toml --all-extras --group dev -o requirements.lock

picture: .venv/.stamp
	$(PY) -m syscard_tui.picture --home .demo docs/overview.svg

clean:
	rm -rf .venv .demo dist .pytest_cache .mypy_cache .ruff_cache
