# Short verbs; `make help` lists them. ARGS goes on to the program: make run ARGS="--config my.yaml"

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Without byte code each process would compile all that it imports anew: a third of the time of tests.
unexport PYTHONDONTWRITEBYTECODE
# What ruff looks at is in pyproject.toml; the quick tests run in twice as many processes as there are
# jobs, since some wait a little, and all tests in three times as many, since those of the whole mostly
# wait for other processes: with twice as many, more than a quarter of the processors' time goes by unused.
JOBS ?= 2
# The first Python that is new enough; only asked for when the environment has to be made.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
# pip brings uv, and uv brings the rest. uv reads none of pip's settings, so a mirror that they name is handed on.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
MIRROR = $$($(PIP) config list | sed -nE "s/^(:env:|global|install)\.index-url='(.*)'$$/\2/p" | head -n 1)
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(MIRROR)}" $(BIN)/uv
INSTALL = $(UV) pip install --quiet --require-hashes --python

.DEFAULT_GOAL := help
.PHONY: help install run test quick test-compiled clients clients-web system-packages faults compiled lint types fmt golden tables compatibility hostile bench soak fuzz check requirements audit sbom clean

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.for-tests  ## make .venv with what running and testing need; nothing when up to date

run: $(VENV)/.for-run  ## start on port 33333, against the built-in demo unless config.yaml says otherwise
	@exec $(BIN)/python -m service $(ARGS)

test:  ## run every test; brings clients first, and redis-server, nginx and chromium where apt-get and root are there
	@$(MAKE) --no-print-directory --jobs 4 install clients system-packages
	$(BIN)/python -m pytest --forks $$(($(JOBS) * 3)) $(ARGS)

quick: install  ## run the tests that need no client, browser, server or wait: in half a minute
	$(BIN)/python -m pytest --forks $$(($(JOBS) * 2)) -m "not whole" --hypothesis-profile quick $(ARGS)

faults: install  ## play every fault against every endpoint, and print a table of what came of it
	$(BIN)/python -m tests.faults $(ARGS)

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

compiled: install system-packages  ## compile what runs for each event of an answer, for half its time; ARGS=remove undoes it
	$(BIN)/python -m supply.compiled $(ARGS)

test-compiled: install system-packages  ## compile a copy, and run there the tests of what is compiled
	$(BIN)/python -m pytest tests/supply/check_compiled.py $(ARGS)

bench: install  ## measure speed beside a byte pipe: make bench ARGS="--quick"; see bench/RESULTS.md
	$(BIN)/python -m bench $(ARGS)

soak: install  ## look for what ten minutes of answers and faults leave: make soak ARGS="--minutes 2"
	$(BIN)/python -m bench.soak $(ARGS)

tables: $(VENV)/.for-run  ## write the tables of settings and endings in docs/ anew, from the code and its words there
	$(BIN)/python -m docs.tables

fuzz: $(VENV)/.for-fuzz  ## look for inputs that break an invariant: make fuzz ARGS="--minutes 5"; see fuzz/RESULTS.md
	$(VENV)/fuzz/bin/python -m fuzz $(ARGS)

check: lint types test  ## all of lint, types and test

# What is pinned stays as it is, unless ARGS says --upgrade or --upgrade-package NAME.
requirements: $(VENV)/.for-uv  ## pin requirements*.in, with hashes, for every Python from 3.11: make requirements ARGS=--upgrade
	@for name in requirements requirements-uv requirements-dev requirements-supply requirements-fuzz \
		$(basename $(wildcard $(CLIENT_LISTS)/*.in)); do \
		echo "pinning $$name.in" >&2; \
		UV_CUSTOM_COMPILE_COMMAND="make requirements" $(UV) pip compile --quiet --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url $(ARGS) --output-file $$name.txt $$name.in || exit; done

# What looks at the packages is not to be one of those to look at.
SUPPLY := $(VENV)/supply
MAKE_SUPPLY = $(UV) venv --quiet --clear --python $(BIN)/python $(SUPPLY) && \
	$(INSTALL) $(SUPPLY)/bin/python -r requirements-supply.txt

audit: $(VENV)/.for-uv  ## look for known vulnerabilities in what is pinned; status 3 of supply.audit: not known
	@$(MAKE_SUPPLY)
	@$(BIN)/python -m supply.audit $(SUPPLY)/bin/pip-audit requirements.txt requirements-uv.txt \
		requirements-dev.txt requirements-supply.txt; status=$$?; rm -rf $(SUPPLY); exit $$status

sbom: $(VENV)/.for-uv  ## write docs/sbom.json (CycloneDX) and docs/licences.md anew from requirements.txt
	@$(MAKE_SUPPLY)
	@$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/sbom
	@$(INSTALL) $(VENV)/sbom/bin/python -r requirements.txt
	$(SUPPLY)/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-format JSON --output-file docs/sbom.json $(VENV)/sbom/bin/python
	$(BIN)/python -m supply.licences docs/sbom.json docs/licences.md
	rm -rf $(VENV)/sbom $(SUPPLY)

clean:  ## remove .venv and caches; data/ and log/ stay
	rm -rf $(VENV) .compiled .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f *__mypyc*.so && find handlers service upstream -name '*.so' -delete

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "on Debian, venv is in the package python3-venv" >&2; exit 1; }

# Those that install are silent while all goes well; so each says what it is about to do.
$(VENV)/.for-uv: requirements-uv.txt | $(VENV)/bin/python
	@echo "into $(VENV): uv, which installs the rest" >&2
	@$(PIP) install --quiet --require-hashes -r requirements-uv.txt
	@touch $@

# Byte code is made here, since a service cannot write it later.
$(VENV)/.for-run: requirements.txt | $(VENV)/.for-uv
	@echo "into $(VENV): what the gateway needs" >&2
	@$(INSTALL) $(BIN)/python --compile-bytecode -r requirements.txt
	@touch $@

$(VENV)/.for-tests: requirements-dev.txt $(VENV)/.for-run
	@echo "into $(VENV): what the tests need" >&2
	@$(INSTALL) $(BIN)/python -r requirements.txt -r requirements-dev.txt
	@touch $@

# Clients that people use, each as its users install it, in environments that their pins share; all
# at once where make has jobs. Those for Node run on the node that PyPI has, so that no system package
# is needed for it; of their scripts only that which links opencode's program is run.
CLIENTS := $(VENV)/clients
CLIENT_LISTS := tests/clients/python
NODE_FILES := $(addprefix tests/clients/node/,package.json package-lock.json .npmrc)
NPM = PATH="$(CURDIR)/$(CLIENTS)/sdk2/bin:$$PATH" npm --prefix $(CLIENTS)/node
CLIENT_STAMPS := $(addprefix $(VENV)/.for-clients-,node sdk2 sdk3 aider)
clients: $(CLIENT_STAMPS)

# Pages and bots that take much room: for changes of what is sent, not for each test.
clients-web: install $(VENV)/.for-clients-astrbot $(VENV)/.for-clients-open-webui system-packages  ## look at answers in Open WebUI and AstrBot, which take 8 GB
	$(BIN)/python -m pytest --timeout 600 tests/clients/web/check_*.py $(ARGS)

$(VENV)/.for-clients-%: $(CLIENT_LISTS)/%.txt | $(VENV)/.for-uv
	@echo "into $(CLIENTS)/$*: clients that the tests run" >&2
	@$(UV) venv --quiet --clear --python $(BIN)/python $(CLIENTS)/$*
	@$(INSTALL) $(CLIENTS)/$*/bin/python -r $<
	@touch $@

$(VENV)/.for-clients-node: $(NODE_FILES) $(VENV)/.for-clients-sdk2
	@echo "into $(CLIENTS)/node: clients that the tests run" >&2
	@mkdir -p $(CLIENTS)/node
	@cp $(NODE_FILES) $(CLIENTS)/node
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --silent
	@$(NPM) rebuild opencode-ai @anthropic-ai/claude-code > /dev/null
	@touch $@

system-packages: | $(VENV)/bin/python
	@tests/system_packages.sh

# The fuzzer has wheels for few Pythons and machines, and instruments what it runs: by itself, too.
$(VENV)/.for-fuzz: requirements.txt requirements-fuzz.txt | $(VENV)/.for-uv
	@echo "into $(VENV)/fuzz: what the fuzzer needs" >&2
	@$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/fuzz
	@$(INSTALL) $(VENV)/fuzz/bin/python --only-binary atheris -r requirements.txt -r requirements-fuzz.txt \
		|| { echo "atheris has wheels for Linux on x86-64 and CPython 3.11 to 3.14 only" >&2; exit 1; }
	@touch $@
