# Short verbs; `make help` lists them. ARGS goes on to the program: make run ARGS="--config my.yaml"

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# What ruff looks at is in pyproject.toml; the tests run in as many processes as there are jobs.
JOBS ?= 2
# The first Python that is new enough; only asked for when the environment has to be made.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes

.DEFAULT_GOAL := help
.PHONY: help install run test faults lint types fmt golden tables compatibility hostile bench soak fuzz check requirements audit sbom clean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.for-tests $(VENV)/.for-clients  ## make .venv with all that run and test need; nothing when up to date

run: $(VENV)/.for-run  ## start on port 33333, against the built-in demo unless config.yaml says otherwise
	@exec $(BIN)/python -m service $(ARGS)

test: install  ## run every test; installs redis-server, nginx and chromium first where apt-get and root are there
	@tests/system_packages.sh
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

faults: install  ## play every fault against every endpoint, and print a table of what came of it
	$(BIN)/python -m tests.faults --jobs 2 $(ARGS)

lint: install  ## look for mistakes, and for files that are not formatted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## check the types
	$(BIN)/mypy

fmt: install  ## format, and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

golden: install  ## write tests/golden anew; read the difference before it is committed
	WRITE_GOLDEN=true $(BIN)/python -m pytest --quiet tests/test_golden.py

compatibility: install  ## write docs/compatibility.md anew; read the difference before it is committed
	WRITE_COMPATIBILITY=true $(BIN)/python -m pytest --quiet tests/compatibility

hostile: install  ## write docs/hostile-inputs.md anew; read the difference before it is committed
	WRITE_HOSTILE=true $(BIN)/python -m pytest --quiet tests/test_hostile.py

bench: install  ## measure speed beside a byte pipe: make bench ARGS="--quick"; see bench/RESULTS.md
	$(BIN)/python -m bench $(ARGS)

soak: install  ## look for what ten minutes of answers and faults leave: make soak ARGS="--minutes 2"
	$(BIN)/python -m bench.soak $(ARGS)

tables: $(VENV)/.for-run  ## write the tables of settings and endings in docs/ anew, from the code and its words there
	$(BIN)/python -m docs.tables

fuzz: $(VENV)/.for-fuzz  ## look for inputs that break an invariant: make fuzz ARGS="--minutes 5"; see fuzz/RESULTS.md
	$(VENV)/fuzz/bin/python -m fuzz $(ARGS)

check: lint types test  ## all of lint, types and test

# uv runs in a throw-away environment: it is needed for this and nothing else.
requirements: $(VENV)/bin/python  ## pin requirements*.in anew, with hashes, for every Python from 3.11
	rm -rf $(VENV)/uv
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip --disable-pip-version-check install --quiet uv
	for name in requirements requirements-dev requirements-clients requirements-supply requirements-fuzz; do \
		echo "pinning $$name.in" >&2; \
		UV_CUSTOM_COMPILE_COMMAND="make requirements" $(VENV)/uv/bin/uv pip compile --quiet --universal \
			--python-version 3.11 --generate-hashes --no-emit-index-url --output-file $$name.txt $$name.in \
			|| exit; done
	rm -rf $(VENV)/uv

# As above, but pinned: what looks at the packages is not to be one of those to look at.
SUPPLY := $(VENV)/supply
MAKE_SUPPLY := rm -rf $(SUPPLY) && $(BIN)/python -m venv $(SUPPLY) && $(SUPPLY)/bin/python -m pip \
	--disable-pip-version-check --no-input install --quiet --require-hashes -r requirements-supply.txt

audit: $(VENV)/bin/python  ## look for known vulnerabilities in what is pinned; status 3 of supply.audit: not known
	@$(MAKE_SUPPLY)
	@$(BIN)/python -m supply.audit $(SUPPLY)/bin/pip-audit requirements.txt requirements-dev.txt \
		requirements-supply.txt; status=$$?; rm -rf $(SUPPLY); exit $$status

sbom: $(VENV)/bin/python  ## write docs/sbom.json (CycloneDX) and docs/licences.md anew from requirements.txt
	@$(MAKE_SUPPLY)
	rm -rf $(VENV)/sbom
	$(BIN)/python -m venv --without-pip $(VENV)/sbom
	$(BIN)/python -m pip --python $(VENV)/sbom/bin/python --disable-pip-version-check --no-input install \
		--quiet --require-hashes -r requirements.txt
	$(SUPPLY)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file docs/sbom.json $(VENV)/sbom/bin/python
	$(BIN)/python -m supply.licences docs/sbom.json docs/licences.md
	rm -rf $(VENV)/sbom $(SUPPLY)

clean:  ## remove .venv and caches; data/ and log/ stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "on Debian, venv is in the package python3-venv" >&2; exit 1; }

# pip and npm are silent while all goes well; so what takes long is announced.
$(VENV)/.for-run: requirements.txt | $(VENV)/bin/python
	@echo "into $(VENV): what the gateway needs (about a minute)" >&2
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.for-tests: requirements-dev.txt $(VENV)/.for-run
	@echo "into $(VENV): what the tests need (about a minute)" >&2
	$(PIP) -r requirements.txt -r requirements-dev.txt
	@touch $@

# Clients that people use pin older releases of what the tests use: an environment of their own.
# The SDK for Node runs on the node that PyPI has, so that no system package is needed for it.
CLIENTS := $(VENV)/clients
NODE_FILES := $(addprefix tests/clients/node/,package.json package-lock.json .npmrc)

$(VENV)/.for-clients: requirements-clients.txt $(NODE_FILES) | $(VENV)/.for-tests
	@echo "into $(CLIENTS): clients that the tests run, 650 MB (a few minutes)" >&2
	$(BIN)/python -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes \
		-r requirements-clients.txt
	mkdir -p $(CLIENTS)/node
	cp $(NODE_FILES) $(CLIENTS)/node
	PATH="$(CURDIR)/$(CLIENTS)/bin:$$PATH" npm ci --prefix $(CLIENTS)/node --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# The fuzzer has wheels for few Pythons and machines, and instruments what it runs: by itself, too.
$(VENV)/.for-fuzz: requirements.txt requirements-fuzz.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/fuzz
	$(VENV)/fuzz/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes \
		--only-binary atheris -r requirements.txt -r requirements-fuzz.txt \
		|| { echo "atheris has wheels for Linux on x86-64 and CPython 3.11 to 3.14 only" >&2; exit 1; }
	@touch $@
