# `make help` says what can be done here. Python 3.11 or newer, make and git are all that must be there.
.DEFAULT_GOAL := help
.PHONY: help repro search test test-slow lint format deps docs bench battery clean requirements
SHELL := /bin/sh

# A Python of your own choice: make test PYTHON=/path/to/python3.12
PYTHONS := $(or $(PYTHON),python3 python3.12 python3.11 python3.13 python)
PY := .venv/bin/python
READY := .venv/.ready

# Stages run `python`: it must be the one of .venv. Nothing here reports to anyone.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export NO_MKDOCS_2_WARNING := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

# A path reaches the shell as it is typed, by the environment: no quote, `$` or backtick in it means anything.
unexport RAW
export IMAGES := $(value RAW)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

repro: $(READY) ## the whole pipeline, only what changed; RAW=some/folder takes your images instead of the digits
ifdef RAW
	@$(PY) -m flows.pipeline use-images -- "$$IMAGES"
endif
	@$(PY) -m flows.pipeline check
	@git rev-parse --is-inside-work-tree >/dev/null 2>&1 || $(PY) -m dvc config --local core.no_scm true
	$(PY) -m dvc repro
	@echo "The report: file://$(CURDIR)/reports/index.html"
	@echo "The dataset: $(CURDIR)/data/augmented"

search: $(READY) ## try the parameters that `search` in params.yaml names, and show which are best
	$(PY) -m flows.search

test: $(READY) ## every test but the slow ones, with the linters; two files at a time
	$(PY) -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(READY) ## the tests that take minutes: a scheduled Prefect run among them
	$(PY) -m pytest -m slow

lint: $(READY) ## ruff and import-linter
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports

format: $(READY) ## write the code in the one form
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

deps: $(READY) ## write the library modules that each stage reaches into dvc.yaml
	$(PY) -m tests.dvc_deps --write

docs: $(READY) ## the site of docs/, with every setting and fault; works offline
	@$(PY) -m mkdocs build --quiet --strict
	@echo "The site: file://$(CURDIR)/site/index.html"

bench: $(READY) ## side-by-side runs against peers, of minutes
	$(PY) -m pip install -qq -c requirements.txt --no-build-isolation -e ".[bench]"
	@for script in $(filter-out %/images.py %/faces.py,$(wildcard benchmarks/*.py)); do \
	  echo "== $$script"; $(PY) "$$script" || exit 1; \
	done

battery: $(READY) ## does the judge judge rightly? generators whose worth is known; DRAWS=20 SET=digits or a folder that resize wrote
	$(PY) -m benchmarks.battery --draws "$(or $(DRAWS),20)" --set "$(or $(SET),digits)"

clean: $(READY) ## remove what the stages and the search wrote; DVC's store (.dvc/cache), .venv and your images stay
	@$(PY) -m flows.pipeline remove-outs
	rm -rf .morelike reports/search .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks

requirements: $(READY) ## compile requirements.txt from pyproject.toml again; pins that still fit stay
	$(PY) -m pip install "pip-tools>=7.4"
	$(PY) -m piptools compile --quiet --extra pipeline --extra dev --strip-extras --allow-unsafe --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.txt pyproject.toml
	sed -i.bak -E -e '/^#|^$$/d' -e 's/^((nvidia|cuda|triton)[^ ;]*).*/\1 ; sys_platform == "linux"/' requirements.txt
	rm requirements.txt.bak

$(READY): requirements.txt pyproject.toml
	@set -e; found=; for newest in 13 99; do for python in $(PYTHONS); do \
	  fits="import sys; sys.exit(not (3, 11) <= sys.version_info < (3, $$newest))"; \
	  if test -z "$$found" && "$$python" -c "$$fits" 2>/dev/null; then found="$$python"; fi; \
	done; done; \
	test -n "$$found" || { \
	  echo "morelike needs Python 3.11 or newer; looked for: $(PYTHONS)." >&2; \
	  echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	echo "Installing into .venv with $$found ($$("$$found" -V)); this happens once and takes some minutes."; \
	"$$found" -m venv .venv
	$(PY) -m pip install -qq --no-compile -r requirements.txt
	$(PY) -m pip install -qq --no-compile --no-deps --no-build-isolation -e .
	@$(PY) -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true # on all cores; some packages bring templates that are no Python
	@touch $@
