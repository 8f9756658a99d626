# Tasks for a checkout. `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
SOURCES := cli config feeds models notifier web
TESTED := $(SOURCES) tests benchmarks
# Three processes for two cores, because tests wait; tests that share a running site stay together.
SIDE_BY_SIDE := -n 3 --dist loadgroup
QUICK := not slow and not processes and not postgresql and not thorough

.PHONY: help
help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/run.done ## Set up, and start a demo site with a story and a test inbox
	@$(BIN)/storywire demo

.PHONY: check
check: .venv/test.done ## Lint, types, and tests without PostgreSQL and whole services
	$(BIN)/ruff check $(TESTED)
	$(BIN)/ruff format --check $(TESTED)
	$(BIN)/mypy
	$(BIN)/pytest -q --hypothesis-profile=quick -m "$(QUICK)" $(SIDE_BY_SIDE)

.PHONY: test
test: .venv/test.done ## All tests except slow ones; COVER=1 also measures branch coverage, and takes twice as long
	$(BIN)/pytest -m "not slow" $(SIDE_BY_SIDE) $(if $(COVER),--cov --cov-report=term:skip-covered --cov-fail-under=90)

.PHONY: test-slow
test-slow: .venv/test.done ## Slow tests: crashes and complete installations
	$(BIN)/pytest -m slow

.PHONY: chaos
chaos: .venv/test.done ## Kill processes at random for two minutes; set CHAOS_SECONDS and CHAOS_SEED to change it
	$(BIN)/pytest -m slow tests/test_chaos.py

.PHONY: bench
bench: .venv/test.done ## Benchmarks as ratios to peers and limits; `make bench feeds`, `alerts` or `audience` for one of them
	$(BIN)/python -m benchmarks $(filter-out bench,$(MAKECMDGOALS))

.PHONY: bench-full
bench-full: .venv/test.done ## Benchmarks at full size: 100,000 e-mails, 1,000,000 subscribers; some forty minutes
	$(BIN)/python -m benchmarks alerts-full audience-full

.PHONY: feeds alerts audience
feeds alerts audience:
	@: # words after `make bench`

.PHONY: format
format: .venv/test.done ## Format the code
	$(BIN)/ruff check --fix $(TESTED)
	$(BIN)/ruff format $(TESTED)

.PHONY: strings
strings: .venv/test.done ## Update the translation catalogues in config/translations
	$(BIN)/pybabel -q extract -F pyproject.toml -k mark -k Gone:3 -k Conflict:1 -k Forbidden:1 -k Invalid:2 -k RequestKeyReused:1 -k abort:2 \
		--no-location --omit-header --sort-output -o .strings.pot .
	$(BIN)/pybabel -q update -D messages -i .strings.pot -d config/translations --omit-header \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 120
	@rm .strings.pot

.PHONY: size
size: ## Count the lines of each package, without blank ones
	@for package in $(TESTED); do \
		printf '%-11s python %5d   templates, styles, scripts %5d\n' "$$package" \
			"$$(git ls-files "$$package/*.py" | xargs cat /dev/null | grep -c .)" \
			"$$(git ls-files "$$package/*.html" "$$package/*.txt" "$$package/*.css" "$$package/*.js" | xargs cat /dev/null | grep -c .)"; \
	done
	@printf '%-11s python %5d\n' product "$$(git ls-files $(SOURCES:%='%/*.py') | grep -v /migrations/versions/ | xargs cat | grep -c .)"

.PHONY: screenshots
screenshots: .venv/test.done ## Take the screenshots for the README, from a temporary demo site
	$(BIN)/python -m benchmarks.screenshots

.PHONY: lock
lock: ## Update requirements/*.lock (needs uv)
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-annotate --no-header pyproject.toml -o requirements/run.lock
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-annotate --no-header \
		pyproject.toml requirements/test.in -c requirements/run.lock -o requirements/test.lock

.PHONY: clean
clean: ## Remove the virtual environment and caches; keeps the demo's data in var/
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Storywire needs Python 3.11 or newer; name one, as in: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/%.done: requirements/%.lock pyproject.toml | .venv/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/$*.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --editable .
	@touch $@
