# Everything that is done with a checkout. `make help` lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
BIN := .venv/bin
SOURCES := cli config feeds models notifier web
TESTED := $(SOURCES) tests benchmarks
# Three on two cores, because tests wait; those that share a running site stay together.
SIDE_BY_SIDE := -n 3 --dist loadgroup

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/run.done ## Set up, and start the service with a demo story and a mail catcher
	@$(BIN)/storywire demo

.PHONY: check
check: .venv/test.done ## Lint, types, and the tests that need neither PostgreSQL nor whole services
	$(BIN)/ruff check $(TESTED)
	$(BIN)/ruff format --check $(TESTED)
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow and not processes and not postgresql" $(SIDE_BY_SIDE)

.PHONY: test
test: .venv/test.done ## All tests but the slow ones; COVER=1 measures branch coverage, too, which doubles their time
	$(BIN)/pytest -m "not slow" $(SIDE_BY_SIDE) $(if $(COVER),--cov --cov-report=term:skip-covered --cov-fail-under=90)

.PHONY: test-slow
test-slow: .venv/test.done ## The slow tests: crashes, whole installations
	$(BIN)/pytest -m slow

.PHONY: chaos
chaos: .venv/test.done ## Random kills for two minutes; CHAOS_SECONDS and CHAOS_SEED may be set
	$(BIN)/pytest -m slow tests/test_chaos.py

.PHONY: bench
bench: .venv/test.done ## Speed as ratios against peers and limits; `make bench feeds`, `alerts` or `audience` for one
	$(BIN)/python -m benchmarks $(filter-out bench,$(MAKECMDGOALS))

.PHONY: bench-full
bench-full: .venv/test.done ## At full size: 100,000 mails, 1,000,000 subscribers; some forty minutes
	$(BIN)/python -m benchmarks alerts-full audience-full

.PHONY: feeds alerts audience
feeds alerts audience:
	@: # words after `make bench`

.PHONY: format
format: .venv/test.done ## Put the code into its form
	$(BIN)/ruff check --fix $(TESTED)
	$(BIN)/ruff format $(TESTED)

.PHONY: strings
strings: .venv/test.done ## Bring the translations under config/translations in step with what pages say
	$(BIN)/pybabel -q extract -F pyproject.toml -k mark -k Gone:3 -k Conflict:1 -k Forbidden:1 -k Invalid:2 -k abort:2 \
		--no-location --omit-header --sort-output -o .strings.pot .
	$(BIN)/pybabel -q update -D messages -i .strings.pot -d config/translations --omit-header \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 120
	@rm .strings.pot

.PHONY: size
size: ## Lines of each package, without blank ones
	@for package in $(TESTED); do \
		printf '%-11s python %5d   templates, styles, scripts %5d\n' "$$package" \
			"$$(git ls-files "$$package/*.py" | xargs cat /dev/null | grep -c .)" \
			"$$(git ls-files "$$package/*.html" "$$package/*.txt" "$$package/*.css" "$$package/*.js" | xargs cat /dev/null | grep -c .)"; \
	done
	@printf '%-11s python %5d\n' product "$$(git ls-files $(SOURCES:%='%/*.py') | grep -v /migrations/versions/ | xargs cat | grep -c .)"

.PHONY: screenshots
screenshots: .venv/test.done ## Pictures of the pages for the README, from a demo of their own
	$(BIN)/python -m benchmarks.screenshots

.PHONY: lock
lock: ## Write requirements/*.lock anew (needs uv)
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-annotate --no-header pyproject.toml -o requirements/run.lock
	uv pip compile -q --universal --generate-hashes --no-strip-extras --python-version 3.11 --no-annotate --no-header \
		pyproject.toml requirements/test.in -c requirements/run.lock -o requirements/test.lock

.PHONY: clean
clean: ## Remove the virtual environment and caches; the demo's data under var/ stays
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
