# One command each; every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIBRARIES := $(VENV)/.libraries-installed
PROJECT := $(VENV)/.project-installed
SCALE := $(VENV)/.scale-installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve portal test conformance lint bench kernels soak hostile matching fuzz sbom lock softhsm compiler systemd browser clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(PROJECT) softhsm ## Run the whole scheme on SoftHSM2, from key ceremony to converted numbers
	@$(BIN)/python softhsm-config/demo

serve: $(PROJECT) softhsm ## Keep the demo's daemon running in the foreground, for curl
	@$(BIN)/python softhsm-config/demo serve

portal: $(PROJECT) softhsm ## Serve the citizen's portal and oversight's desk on localhost, with a card to try
	@$(BIN)/python softhsm-config/demo portal

test: $(SCALE) softhsm compiler systemd browser ## Run every test (ARGS="tests/token -x" for some)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

conformance: $(SCALE) softhsm compiler ## Qualify SoftHSM2, openCryptoki and NSS softokn (as root, which installs the last two); ARGS="--write-docs"
	@sh softhsm-config/tokens.sh
	@$(BIN)/python -m pytest tests/conformance tests/qualify
	@$(BIN)/python -m tests.qualify $(ARGS)

lint: $(SCALE) ## Check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(SCALE) softhsm ## Measure everything side by side; writes bench.json (ARGS="--full", "--only engine lanes", "--write-docs")
	@$(BIN)/python -m tests.bench $(ARGS)

kernels: $(SCALE) softhsm ## Measure the inner kernels; fails where one became slower than in the last run
	@$(BIN)/python -m tests.bench.kernels $(ARGS)

soak: $(SCALE) softhsm compiler ## Break one thing after another under load for ten minutes (ARGS="--seconds 60 --write-docs")
	@$(BIN)/python -m tests.soak $(ARGS)

hostile: $(SCALE) softhsm ## Send 100,000 hostile messages beside a proper caller (ARGS="--messages 5000")
	@$(BIN)/python -m tests.hostile $(ARGS)

matching: $(SCALE) ## Measure matching on an invented register of a million (ARGS="--people 20000 --write-docs")
	@$(BIN)/python -m tests.matching $(ARGS)

fuzz: $(SCALE) softhsm ## Fuzz parsers, ceremonies and the HTTP interface (ARGS="--examples 2000 --seed 7")
	@$(BIN)/python -m tests.fuzz $(ARGS)

sbom: $(PROJECT) var/sbom-venv/.installed ## Write the bill of materials of .venv to var/sbom.cdx.json (CycloneDX)
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) var/sbom-venv/bin/cyclonedx-py environment $(BIN)/python \
	  --pyproject pyproject.toml --mc-type application --output-reproducible --output-file var/sbom.cdx.json
	@echo "var/sbom.cdx.json"

clean: ## Remove .venv, var/ (all state of the demo) and caches
	rm -rf $(VENV) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache bench.json

lock: ## Make the lock files anew from requirements*.in (for maintainers; run it with Python 3.11)
	@rm -rf var/lock-venv && $(PYTHON) -m venv var/lock-venv && var/lock-venv/bin/python -m pip install --quiet pip-tools==7.6.2
	@for list in requirements requirements-scale requirements-sbom; do var/lock-venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
	  --strip-extras --no-header --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --pip-args='--only-binary :all: --no-binary pyffx' --output-file $$list.lock $$list.in || exit 1; done

var/sbom-venv/.installed: requirements-sbom.lock
	@echo "Installing the libraries of requirements-sbom.lock into var/sbom-venv (once)"
	@rm -rf var/sbom-venv && $(PYTHON) -m venv var/sbom-venv
	@var/sbom-venv/bin/python -m pip --quiet --disable-pip-version-check --no-input install --require-hashes --only-binary :all: -r requirements-sbom.lock || \
	  { echo "make: the libraries could not be installed; is the package index reachable?" >&2; exit 1; }
	@touch $@

softhsm:
	@PYTHON="$(PYTHON)" sh softhsm-config/bootstrap.sh

compiler: softhsm
	@PYTHON="$(PYTHON)" sh softhsm-config/compiler.sh

systemd: softhsm
	@sh softhsm-config/systemd.sh

browser: softhsm $(LIBRARIES)
	@PYTHON="$(BIN)/python" sh softhsm-config/browser.sh

# Each stamp is written last, so that an interrupted set-up is started anew and a finished one is not.
$(LIBRARIES): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Installing the libraries of requirements.lock into $(VENV) (once)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "make: no virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.lock || \
	  { echo "make: the libraries could not be installed; is the package index reachable?" >&2; exit 1; }
	@touch $@

$(PROJECT): $(LIBRARIES) pyproject.toml
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# Beyond what an appliance needs: Parquet, a cluster, the benchmark's peers (pyffx, pure Python, has no wheel).
$(SCALE): requirements-scale.lock $(PROJECT)
	@echo "Installing the libraries of requirements-scale.lock (once)"
	@$(PIP) install --require-hashes --only-binary :all: --no-binary pyffx --no-build-isolation -r requirements-scale.lock || \
	  { echo "make: the libraries could not be installed; is the package index reachable?" >&2; exit 1; }
	@touch $@
