# Every target sets up .venv by itself; it is redone only when pyproject.toml changes.
PYTHON ?= python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
VENV := $(CURDIR)/.venv
# What is installed: the program alone, or also what tests, linters and documentation need.
PROGRAM := $(VENV)/.program-from-pyproject
STAMP := $(VENV)/.everything-from-pyproject
DEMO := $(CURDIR)/examples/empiar-10499
DEMO_OUTPUT := $(CURDIR)/demo-output

.DEFAULT_GOAL := help
.PHONY: help demo test lint conformance docs docs-options clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' "$(CURDIR)/Makefile"

# GNU make cannot quote a target's name, so a folder with a blank in its path is refused in words.
ifneq ($(words $(CURDIR)),1)
$(error The path of this folder contains a blank, which make cannot handle: $(CURDIR))
endif

$(PROGRAM): pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "No interpreter '$(PYTHON)': install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@test -x "$(VENV)/bin/python" || "$(PYTHON)" -c 'import sys; v = ".".join(map(str, sys.version_info[:3])); sys.exit(None if sys.version_info >= (3, 11) else f"subtomo needs Python 3.11 or newer, but $(PYTHON) is {v}. Name a newer one: make PYTHON=/path/to/python3.12")'
	@test -x "$(VENV)/bin/python" || "$(PYTHON)" -m venv "$(VENV)"
	"$(VENV)/bin/python" -m pip install --quiet --editable ".[ducc]"
	@touch "$@"

$(STAMP): $(PROGRAM)
	"$(VENV)/bin/python" -m pip install --quiet --editable ".[ducc,dev]"
	@touch "$@"

demo: $(PROGRAM) ## extract, average and refine 400 ribosomes of EMPIAR-10499, with pages to look at (into demo-output)
	cd "$(DEMO)" && "$(VENV)/bin/subtomo" extract --t tomograms.star --p particles.star \
	    --b 96 --crop 48 --bin 1 --j $(JOBS) --o "../../demo-output/"
	cd "$(DEMO)" && "$(VENV)/bin/subtomo" average --p ../../demo-output/particles.star --particle_diameter 320 \
	    --j $(JOBS) --o "../../demo-output/average/"
	cd "$(DEMO)" && "$(VENV)/bin/subtomo" refine --t tomograms.star --p particles.star --b 96 --crop 48 --bin 1 \
	    --particle_diameter 320 --j $(JOBS) --o "../../demo-output/refine/"

test: $(STAMP) ## run all tests
	"$(VENV)/bin/python" -m pytest -n $(JOBS)

docs: $(STAMP) ## build the documentation into site/; a warning, or a page that asks for the network, is an error
	NO_MKDOCS_2_WARNING=1 "$(VENV)/bin/python" -m mkdocs build --quiet --strict --clean
	"$(VENV)/bin/python" -m tests.docs.check_site site

docs-options: $(STAMP) ## write docs/options.md from the code
	"$(VENV)/bin/python" -m subtomo.cli.reference > docs/options.md

conformance: $(STAMP) ## compare with RELION, one line per case
	"$(VENV)/bin/python" -m tests.conformance

.PHONY: bench
bench: $(STAMP) ## measure speed and memory (into benchmarks/RESULTS.md, some ten minutes)
	cd "$(CURDIR)" && "$(VENV)/bin/python" -m benchmarks --peer && "$(VENV)/bin/python" -m benchmarks.chart

lint: $(STAMP) ## check style, types and the layers of the house
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .
	"$(VENV)/bin/mypy"
	"$(VENV)/bin/lint-imports"

clean: ## remove everything that can be made again
	rm -rf "$(VENV)" "$(DEMO_OUTPUT)" build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
