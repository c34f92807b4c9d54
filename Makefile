# Every target does its own set-up; the first one on a fresh machine takes a minute or two.
PYTHON := .venv/bin/python
SCENARIO ?= happy

.PHONY: demo sandbox test test-fast check format lint types contracts lock bench docs clean

demo: ## the main job, live, with no cluster and no Slack workspace
	@scripts/setup.sh
	@$(PYTHON) -m sandbox demo $(SCENARIO)

sandbox: ## the same world left running, with a page to type and click in
	@scripts/setup.sh
	@$(PYTHON) -m sandbox up

test: ## every test
	@scripts/setup.sh browser
	$(PYTHON) -m pytest -m "not sandbox" -n 2
	$(PYTHON) -m pytest -m sandbox -n 2

test-fast: ## what needs no Envoy, Prometheus or browser; under a minute
	@scripts/setup.sh
	$(PYTHON) -m pytest -m "not sandbox" -n 2

check: format lint types contracts test ## what has to be green before anything lands

format:
	@scripts/setup.sh
	$(PYTHON) -m ruff format --check .

lint:
	$(PYTHON) -m ruff check .
	.venv/bin/codespell bot sandbox tests bench docs deploy README.md CHANGELOG.md CONTRIBUTING.md

types:
	$(PYTHON) -m mypy

contracts:
	.venv/bin/lint-imports

lock: ## pin every package again, with hashes and no index address
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements/bot.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate pyproject.toml --group dev -o requirements/dev.txt
	echo 'hatchling>=1.27' | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate - -o requirements/build.txt

bench: ## timings, as a table
	@scripts/setup.sh
	$(PYTHON) -m bench

docs: ## draw what is drawn from the code: states, services.yaml's keys and schema, .env.example
	@scripts/setup.sh
	$(PYTHON) -m scripts.draw

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var
