# One command per chore. The README shows the plain commands behind the two that matter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*/pyproject.toml)
# Other gateways that `make bench` measures beside ours, newest on the day they were chosen.
LITELLM := 1.108.7
PORTKEY := 1.15.2
EDITABLE := -e . $(foreach plugin,$(PLUGINS),-e ./$(patsubst %/pyproject.toml,%,$(plugin)))

.DEFAULT_GOAL := help
.PHONY: help install up test check format bench bench-peers bench-curves api-fuzz faults fault-figures simulate mutation browser screenshots scale test-brokers migrations clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

install: $(STAMP)  ## Make the virtual environment .venv from the hash-locked requirements

$(STAMP): requirements/development.txt pyproject.toml $(PLUGINS)
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Bursar needs Python 3.11 or later: set PYTHON=python3.11.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/development.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps $(EDITABLE)
	@touch $(STAMP)

up: $(STAMP)  ## Start everything on this machine
	@$(BIN)/bursar up

test: $(STAMP)  ## Run all tests (starts its own PostgreSQL)
	@$(BIN)/python -m pytest -n 3 $(ARGS)

check: $(STAMP)  ## Run the checks that CI runs beside the tests
	@./.ci/checks

format: $(STAMP)  ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

migrations: $(STAMP)  ## Write the migrations that the models need
	@$(BIN)/bursar makemigrations

bench: $(STAMP)  ## Measure the gateway beside nginx (BENCH_SECONDS per case, BENCH_OUT for the JSON)
	@$(BIN)/python -m tests.bench

bench-peers:  ## Install LiteLLM and Portkey beside the project, for BENCH_PEERS=.bench-peers make bench (needs npm)
	test -x .bench-peers/litellm/bin/python || $(PYTHON) -m venv .bench-peers/litellm
	.bench-peers/litellm/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]==$(LITELLM)'
	npm install --silent --no-audit --no-fund --prefix .bench-peers/portkey @portkey-ai/gateway@$(PORTKEY)

bench-curves: $(STAMP)  ## Measure how the cost of a call grows with keys, budgets, usage rows and processes
	@$(BIN)/python -m tests.bench.curves

api-fuzz: $(STAMP)  ## Send the management API what schemathesis makes of its document (API_FUZZ_EXAMPLES, API_FUZZ_SEED)
	@API_FUZZ_EXAMPLES=$${API_FUZZ_EXAMPLES:-200} $(BIN)/python -m pytest tests/api/test_fuzz.py -vv

faults: $(STAMP)  ## Kill, freeze and restart a machine at work, and hold its books to the vendor's (FAULT_KILLS, FAULT_SEED)
	@$(BIN)/python -m tests.faults

fault-figures: $(STAMP)  ## Measure what faults cost: kills, freezes, a slow database, the turn of a month (FAULT_CASES)
	@$(BIN)/python -m tests.faults.figures $(FAULT_CASES)

simulate: $(STAMP)  ## Live through random worlds of leases (SIMULATE_SECONDS, or SIMULATE_SEED for one world again)
	@$(BIN)/python -m tests.simulate

mutation: $(STAMP)  ## Break the money core line by line and count what its tests miss (a quarter of an hour or more)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/mutation.txt
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

browser: $(STAMP)  ## Run the console's tests in a real browser
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/browser.txt
	@$(BIN)/python -m pytest tests/browser

screenshots: $(STAMP)  ## Photograph every page of the console into screenshots/ (or SCREENSHOTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/browser.txt
	@$(BIN)/python -m pytest tests/browser/screenshots.py

scale: $(STAMP)  ## Time the console's pages over ten million usage records (SCALE_ROWS, SCALE_OUT)
	@$(BIN)/python -m tests.scale

test-brokers: $(STAMP)  ## Run the task queue against real Redis and RabbitMQ servers (REDIS_URL, RABBITMQ_URL)
	@$(BIN)/python -m pytest tests/brokers

clean:  ## Remove the virtual environment and caches (never the data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
