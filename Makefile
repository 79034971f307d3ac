# `make demo` and `make test` do all set-up themselves; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FONTS := fonts-noto-cjk fonts-wqy-zenhei fonts-wqy-microhei fonts-arphic-uming fonts-arphic-ukai fonts-ocr-b
SOURCES := layers functions local tests benchmarks

.PHONY: help demo test test-console test-encryption test-pythons check coverage mutants serve package package-engine bench chaos fuzz spreadsheet first-hour lock clean
.DELETE_ON_ERROR:

help:
	@echo "make demo   set-up, then the main job on sample cards; results in out/demo"
	@echo "make test   set-up, then all checks and tests"
	@echo "make test-console  the console in Firefox, at every size, and 200 random walks (WALKS)"
	@echo "make test-encryption  the end-to-end tests on buckets that refuse what is not encrypted (ENCRYPTIONS)"
	@echo "make test-pythons  unit and contract tests on Python 3.10 and 3.12, where they are installed"
	@echo "make check  ruff, mypy, the contract of imports, and both Pythons that the layers fit"
	@echo "make coverage  branch coverage of the layers by unit, leak and chaos tests"
	@echo "make mutants  each safety rule of tools/mutants.yml broken by one change, and whether its test fails then"
	@echo "make serve  set-up, then the local cloud with the console on port 8411, data in out/cloud"
	@echo "make up     set-up, then the local cloud on port 8411, data in out/cloud"
	@echo "make package  set-up, then the zips as they are deployed, in dist"
	@echo "make package-engine  the same with the layer of the engine inside the function"
	@echo "make bench  measurements, with the machine they were made on"
	@echo "make fuzz   the redactor against 100,000 mutated files (SEED, MUTATIONS)"
	@echo "make chaos  the functions under faults: 10,000 deliveries of 4,000 pictures, and whether all promises held"
	@echo "make spreadsheet  installs LibreOffice and has it open an export that would be harmful"
	@echo "make first-hour  a new user's path from a clone to a redacted picture of one's own, timed"
	@echo "make lock   pin the newest versions that fit pyproject.toml"

# The marker holds the pins that were installed: a changed pin installs anew.
$(VENV)/.local: requirements/local.txt pyproject.toml local/pyproject.toml
	@tools/fit-python $(PYTHON)
	@tools/debian-packages libturbojpeg0
	@# An environment that an ended set-up left, or an older Python, is made anew; half of one is not left behind.
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "install Debian's python3-venv" >&2; exit 1; }
	@echo "Installing Python packages into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/local.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@# After the other: a checkout that was set up before 0.2.0 has the command from there.
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --force-reinstall -e local
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.local
	@tools/debian-packages $(FONTS) chromium nodejs npm
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

# The runtime layer's packages, fetched once; tests build the layer from them. Pins name the platform's Python;
# where no such Python is found, rehearsals need the packages for the one that runs here.
build/.wheels: layers/runtime/requirements.txt $(VENV)/.local
	@echo "Fetching the runtime layer's packages into build/wheels …"
	@$(BIN)/cardveil package --rehearsal --out build/rehearsal >/dev/null
	@touch $@

package: $(VENV)/.local
	@$(BIN)/cardveil package

package-engine: $(VENV)/.local
	@$(BIN)/cardveil package --engine

demo: $(VENV)/.local
	@$(BIN)/cardveil demo --out out/demo

PORT ?= 8411
serve: $(VENV)/.local
	@$(BIN)/cardveil serve --port $(PORT) --data out/cloud

up: $(VENV)/.local
	@$(BIN)/cardveil up --port $(PORT) --data out/cloud

check: $(VENV)/.test
	$(BIN)/ruff check $(SOURCES) tools
	$(BIN)/ruff format --check $(SOURCES) tools
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/python tools/python_versions.py

# A module's tests share what is dear to start, so each module stays on one worker. Tests wait about as long as
# they compute: three workers fill two cores.
WORKERS ?= 3
# Thousands of local clouds are begun and taken away: in memory, where there is room for 4 GB, that is a quarter
# of their work. Bytecode is kept, whatever the environment says: each worker and each command would else compile
# everything anew.
SCRATCH := $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 {print "TMPDIR=/dev/shm"}')
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(SCRATCH) $(BIN)/python -m pytest
test: check build/.wheels
	$(PYTEST) -n $(WORKERS) --dist loadscope --durations=20 $(PYTEST_ARGS)

# The suite has a few walks in Chromium, at five sizes; here are a count of them, every size, and the other browser.
WALKS ?= 200
CONSOLE := tests/e2e/test_console.py tests/e2e/test_console_page.py tests/e2e/test_console_codes.py
test-console: $(VENV)/.test build/.wheels
	@tools/debian-packages firefox-esr
	$(PYTEST) -q --console-browser firefox --every-size --walks 5 $(CONSOLE)
	$(PYTEST) -q --every-size tests/e2e/test_console_page.py
	$(PYTEST) -q --walks $(WALKS) --durations=1 tests/e2e/test_console.py -k walk

test-pythons: $(VENV)/.test build/.wheels
	$(BIN)/python tools/python_versions.py --tests

# The suite has a part of it.
ENCRYPTIONS ?= AES256 kms
test-encryption: $(VENV)/.test build/.wheels
	@for each in $(ENCRYPTIONS); do echo "Buckets that demand $$each:"; \
		$(PYTEST) -q -n $(WORKERS) --dist loadscope --encryption $$each tests/e2e || exit 1; done

coverage: $(VENV)/.test build/.wheels
	$(PYTEST) -q -n $(WORKERS) --dist loadscope --cov --cov-branch --cov-report=term:skip-covered tests/unit tests/leak tests/chaos

mutants: $(VENV)/.test
	$(BIN)/python tools/mutants.py

bench: $(VENV)/.test build/.wheels
	$(BIN)/python -m benchmarks

SEED ?= 1
MUTATIONS ?= 100000
fuzz: $(VENV)/.test
	$(BIN)/python tests/leak/fuzz/run.py --count $(MUTATIONS) --seed $(SEED)

chaos: $(VENV)/.test
	$(BIN)/python -m benchmarks.chaos

first-hour: $(VENV)/.test
	$(BIN)/python -m benchmarks.first_hour

spreadsheet: $(VENV)/.test
	@tools/debian-packages libreoffice-calc-nogui
	$(PYTEST) -q tests/contract/test_spreadsheets.py

lock: $(VENV)/.test
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra local --universal --python-version 3.10 \
		--generate-hashes --no-header --no-annotate -o requirements/local.txt
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra local --extra test --universal --python-version 3.10 \
		--generate-hashes --no-header --no-annotate -o requirements/test.txt
	$(BIN)/uv pip compile -q --upgrade pyproject.toml --extra scf --python-version 3.10 \
		--python-platform x86_64-manylinux2014 --only-binary :all: --no-binary crcmod --generate-hashes --no-header --no-annotate \
		-o layers/runtime/requirements.txt
	@# The engine's pins are the newest that run on SCF's glibc of 2.17; only their files are looked up anew.
	$(BIN)/uv pip compile -q layers/engine/requirements.in --no-deps --python-version 3.10 \
		--python-platform x86_64-manylinux2014 --only-binary :all: --generate-hashes --no-header --no-annotate \
		-o layers/engine/requirements.txt

clean:
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
