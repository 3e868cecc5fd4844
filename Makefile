# `make help` lists the targets. All that is installed goes into .venv, all that is made into build/.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps
# A lock is complete, so nothing is resolved; nothing is built from source, which would fetch build tools of the day.
LOCKED := $(PIP) --require-hashes --only-binary :all:
PYTEST_ARGS ?=
# Containers set it, and each of the hundreds of processes of the tests would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
WITH_DOCKER := tests/support/docker/run.sh
# $(call BESIDE_TYPES,COMMAND): mypy keeps one processor busy for a while, so it runs beside; what it says comes last.
define BESIDE_TYPES
mkdir -p build; $(BIN)/mypy >build/mypy.log 2>&1 & mypy=$$!; status=0; $(1) || status=$$?; \
  echo "$(BIN)/mypy"; wait $$mypy || status=$$?; cat build/mypy.log; exit $$status
endef
FIND_COMMAND = The command solekey is in $(BIN). In each terminal: export PATH=\"$(CURDIR)/$(BIN):\$$PATH\"

MANIFESTS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) clients/python/pyproject.toml
PACKAGES := $(MANIFESTS:%/pyproject.toml=%)
# `make check` fails while one of their files differs: tests/docs/test_generated.py.
GENERATORS := spec/generate_events.py spec/generate_catalogue.py spec/generate_vectors.py deploy/generate_mtls.py \
  deploy/generate_overrides.py deploy/generate_kubernetes.py \
  docs/generate_cli_reference.py docs/generate_api_reference.py docs/generate_error_reference.py docs/generate_decisions_index.py

##@ Use it

.PHONY: demo
demo: $(VENV)/.installed-demo  ## Run the whole story on an embedded platform, audit its log; results in build/demo
	$(BIN)/python -m demo.story

NOTEBOOKS := $(CURDIR)/build/notebooks

.PHONY: notebooks
notebooks: notebooks-sample $(VENV)/.installed-notebooks  ## Open the auditor's notebooks in JupyterLab, on a sample log
	SOLEKEY_AUDIT_LOG=$(NOTEBOOKS)/log.tar SOLEKEY_AUDIT_PINS=$(NOTEBOOKS)/pins.json \
	  $(BIN)/python -m jupyterlab --notebook-dir=notebooks

.PHONY: notebooks-sample
notebooks-sample: $(VENV)/.installed-demo
	$(BIN)/python -m demo.sample_log $(NOTEBOOKS)

.PHONY: up
up: $(VENV)/.installed-demo  ## Run the embedded platform in the foreground; data kept in build/up
	@echo "$(FIND_COMMAND)"
	@echo "Starting the platform …"
	$(BIN)/python -m solekey_standalone --data-dir build/up

##@ Work on it

.PHONY: install
install: $(VENV)/.installed-dev  ## Make .venv with everything that developing needs (PYTHON=… picks the interpreter)
	@echo "$(FIND_COMMAND)"

.PHONY: check
check: style  ## Lint, types, import contracts and the quick tests: under two minutes
	$(call BESIDE_TYPES,$(BIN)/python -m pytest -q -n 2 -m "not slow and not kafka and not postgres and not docker" $(PYTEST_ARGS))

.PHONY: test
test: style  ## Everything: `check` with the tests that need real PostgreSQL, Kafka and Docker
	$(call BESIDE_TYPES,$(WITH_DOCKER) $(BIN)/python -m pytest -q -n 2 -m "not soak" --dist loadfile \
	  --no-loadscope-reorder --durations=25 $(PYTEST_ARGS))

.PHONY: coverage
coverage: $(VENV)/.installed-dev  ## Which lines and branches the quick tests leave out (measuring doubles their time)
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not kafka and not postgres and not docker" --cov --cov-report= $(PYTEST_ARGS)
	$(BIN)/python -m coverage report --skip-covered

.PHONY: test-docker
test-docker: $(VENV)/.installed-dev  ## The deployment in Docker alone: image, Compose, a user's life, restarts, mTLS
	$(WITH_DOCKER) $(BIN)/python -m pytest -q -m docker $(PYTEST_ARGS)

.PHONY: lint
lint: style  ## Ruff, formatting, the import contracts and mypy --strict
	$(BIN)/mypy

.PHONY: style
style: $(VENV)/.installed-dev  ## What is seconds of it: ruff, formatting and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: generate
generate: $(VENV)/.installed-dev  ## Make all generated files anew: schemas, catalogue, vectors, pages of reference
	for generator in $(GENERATORS); do $(BIN)/python $$generator; done

.PHONY: format
format: $(VENV)/.installed-dev  ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(VENV)/.installed-dev  ## Lock requirements/*.in anew (UPGRADE=--upgrade takes the newest versions)
	BIN=$(BIN) requirements/lock.sh $(UPGRADE)

.PHONY: clean
clean:  ## Remove .venv, build/ and every cache
	rm -rf $(VENV) build .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: models
models: | $(BIN)/python  ## Check the model of who may say what (spec/models) with Spin: old rules, new rules, mutants
	$(BIN)/python spec/models/check.py

.PHONY: tamper
tamper: $(VENV)/.installed-dev  ## Lie in a log in every way that we know; the audit must find each (build/tamper.json)
	$(BIN)/python -m tamper

.PHONY: soak
soak: $(VENV)/.installed-dev  ## Kill devices, services and connections for long (SOLEKEY_SOAK_CYCLES, SOLEKEY_SOAK_SECONDS)
	$(BIN)/python -m tests.system.killing.cycles

.PHONY: soak-services
soak-services: $(VENV)/.installed-dev  ## Kill one of four services at a time, and fill Kafka's disk
	$(BIN)/python -m pytest -q -n 0 -m soak tests/system/killing

.PHONY: soak-delivery
soak-delivery: $(VENV)/.installed-dev  ## Kill publisher, followers and broker on Kafka, 200 times (SOLEKEY_SOAK_CYCLES)
	$(BIN)/python -m tests.system.delivery.cycles
	$(BIN)/python -m tests.system.delivery.leaders
	$(BIN)/python -m pytest -q -n 0 tests/system/delivery

.PHONY: evidence
evidence: $(VENV)/.installed-dev  ## Show that the server side never had a secret: 4 services, Kafka, PostgreSQL (build/evidence)
	$(BIN)/python -m evidence.run

##@ Measure it

.PHONY: bench-crypto
bench-crypto: $(VENV)/.installed-dev  ## Speed of sealing and opening beside age, cp and openssl (build/bench/crypto.json)
	$(BIN)/python -m bench.crypto

.PHONY: bench-abuse
bench-abuse: $(VENV)/.installed-dev  ## What an abusive account and 1,000 slow sockets do to others (build/bench/abuse.json)
	$(BIN)/python -m bench.abuse

.PHONY: bench-audit
bench-audit: $(VENV)/.installed-dev  ## An audit of 1,000,000 events beside the raw rate of Ed25519 (build/bench/audit.json)
	$(BIN)/python -m bench.audit

.PHONY: bench-archive
bench-archive: $(VENV)/.installed-dev  ## An audit that goes on from an archive of 1,000,000 events with 10,000 new ones (build/bench/audit-archive.json)
	$(BIN)/python -m bench.audit_archive

.PHONY: bench-capacity
bench-capacity: $(VENV)/.installed-dev  ## What an account, an item and an event take on disk (build/bench/capacity.json)
	$(BIN)/python -m bench.capacity

.PHONY: bench-history
bench-history: $(VENV)/.installed-dev  ## What accounts with 100,000 commits cost at a service and a client (build/bench/history.json)
	$(BIN)/python -m bench.history

.PHONY: bench-rebuild
bench-rebuild: $(VENV)/.installed-dev  ## An inbox folded from zero, on SQLite and PostgreSQL (build/bench/rebuild.json)
	$(BIN)/python -m bench.rebuild

.PHONY: bench-rotation
bench-rotation: $(VENV)/.installed-dev  ## Speed of re-encryption, user key changes and resuming (build/bench/rotation.json)
	$(BIN)/python -m bench.rotation

.PHONY: bench-vault
bench-vault: $(VENV)/.installed-dev  ## Puts, gets and lists with 1,000, 10,000 and 100,000 items (build/bench/vault.json)
	$(BIN)/python -m bench.vault

.PHONY: bench-services
bench-services: $(VENV)/.installed-dev  ## What the services answer a second beside bare nameko (build/bench/services.json)
	$(BIN)/python -m bench.services

.PHONY: bench-revocation
bench-revocation: $(VENV)/.installed-dev  ## From a revocation to its refusal: 4 services on Kafka (build/bench/revocation.json)
	$(BIN)/python -m bench.revocation
	$(BIN)/python -m bench.revocation --busy 2 --output build/bench/revocation-busy.json

##@ More

.PHONY: help
help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {split($$1, name, ":"); printf "  make %-16s %s\n", name[1], $$2}' $(MAKEFILE_LIST)

# A stamp is newer than the lock and the manifests that it was installed from, so the second time costs nothing.
$(BIN)/python:
	@requirements/make_venv.sh $(VENV) $(PYTHON)

$(VENV)/.installed-%: requirements/%.txt requirements/installer.txt $(MANIFESTS) | $(BIN)/python
	@echo "Installing requirements/$*.txt and our own packages into $(VENV) (once; a minute or two) …"
	@$(LOCKED) -r requirements/installer.txt
	@$(LOCKED) -r requirements/$*.txt
	@$(PIP) --no-build-isolation $(PACKAGES:%=-e ./%)
	@$(BIN)/python -m pip --disable-pip-version-check check >/dev/null
	@touch $@ $(if $(filter dev,$*),$(VENV)/.installed-demo)
