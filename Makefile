# Every target does its own set-up; the first one on a fresh machine takes a minute or two.
PYTHON := .venv/bin/python
SCENARIO ?= happy
N ?= 1000
FIRST ?= 0

# What was compiled is kept, whatever the surroundings say: without it every test process compiles every file again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo sandbox test test-fast check format lint types contracts lock fuzz sbom audit torture bench bench-judge docs pictures clean

demo: ## the main job, live, with no cluster and no Slack workspace
	@scripts/setup.sh
	@$(PYTHON) -m sandbox demo $(SCENARIO)

sandbox: ## the same world left running, with a page to type and click in; PORT=9000 for another port than 8765, LANGUAGE=zh_cn for Chinese
	@scripts/setup.sh
	@$(PYTHON) -m sandbox up --port $(or $(PORT),8765)

test: ## every test
	@scripts/setup.sh browser
	@scripts/test.sh

test-fast: ## what needs no Envoy, Prometheus or browser; a minute or two
	@scripts/setup.sh
	$(PYTHON) -m pytest -m "not sandbox" -n 4 --dist worksteal

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
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --no-strip-extras pyproject.toml -o requirements/bot.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --no-strip-extras pyproject.toml --group dev -o requirements/dev.txt
	echo 'hatchling>=1.27' | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate --no-strip-extras - -o requirements/build.txt

fuzz: ## odd inputs for everything that reads what others write: make fuzz SECONDS=600, and TARGET=slash for one
	@scripts/setup.sh
	@$(PYTHON) -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(TARGET),--target $(TARGET))

sbom: ## what the image holds, as CycloneDX, from the lock: var/sbom.json
	@scripts/setup.sh
	@$(PYTHON) -m scripts.sbom var/sbom.json

audit: ## pinned packages against recorded advisories: make audit ADVISORIES=DIR, a copy of the OSV database
	@scripts/setup.sh
	@$(PYTHON) -m scripts.audit $(ADVISORIES)

torture: ## fault schedules by the thousand: make torture N=10000, and SEED=17 plays one again
	@scripts/setup.sh
	@$(PYTHON) -m tests.torture $(if $(SEED),--seed $(SEED),-n $(N) --first $(FIRST))

bench: ## timings, as a table, and as JSON in var/bench.json
	@scripts/setup.sh
	$(PYTHON) -m bench --out var/bench.json

bench-judge: ## both editions of the judge on simulated traffic, beside other tools' rules: half an hour
	@scripts/setup.sh
	$(PYTHON) -m bench.judge --seed $(or $(SEED),1)
	$(PYTHON) -m bench.judge.editions $(if $(SEED),--seed $(SEED))

docs: ## draw what is drawn from the code: states, services.yaml's keys and schema, .env.example, the judge's pictures
	@scripts/setup.sh
	$(PYTHON) -m scripts.draw

pictures: ## take every picture of README and docs again, from a played story
	@scripts/setup.sh browser
	@$(PYTHON) -m tests.pictures

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var
