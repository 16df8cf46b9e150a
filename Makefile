# Everything works on a fresh machine that has make and python3 (3.11 or later) with venv.
PYTHON ?= python3
VENV := .venv
PARITY_VENV := .venv-parity
PUBLISHED_VENV := .venv-published
MTEB_VENV := .venv-mteb
JOBS_VENV := .venv-jobs
VLLM_VENV := .venv-vllm
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-parity test-mteb test-jobs test-vllm test-clients test-browser check format docs findings bench bench-peers bench-serve bench-memory clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime ## rank the passages of a few questions with the built-in model
	$(BIN)/yesrank demo

test: $(VENV)/.dev ## unit tests and the server over real connections
	$(BIN)/python -m pytest tests/unit tests/http tests/evaluate

test-parity: $(PARITY_VENV)/.ready $(PUBLISHED_VENV)/.ready ## compare with PyTorch, transformers, optimum-intel and others (downloads about 1 GB of packages)
	$(PARITY_VENV)/bin/python -m pytest tests/parity
	$(PUBLISHED_VENV)/bin/python -m pytest tests/parity/test_published.py

test-mteb: $(MTEB_VENV)/.ready ## evaluate through mteb, without a network (downloads about 500 MB of packages)
	$(MTEB_VENV)/bin/python -m pytest tests/evaluate

test-jobs: $(JOBS_VENV)/.ready ## batch jobs on a Ray cluster of several nodes on this machine (downloads about 200 MB of packages)
	$(JOBS_VENV)/bin/python -m pytest tests/jobs

test-vllm: $(VLLM_VENV)/.ready ## the engine vllm on vLLM's build for CPUs (downloads about 1 GB of packages)
	$(VLLM_VENV)/bin/python -m pytest tests/vllm_engine

test-clients: $(VENV)/.dev ## rerank clients against a server on this machine (installs about 2 GB of packages, kept in ~/.cache/yesrank-tests)
	$(BIN)/python -m pytest tests/clients

test-browser: $(VENV)/.dev ## the library and the page in Node and headless Chromium (installs about 800 MB of packages)
	$(BIN)/python -m pytest tests/browser

check: $(VENV)/.dev ## style, types, layers and documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_layers.py
	$(BIN)/python docs/generate.py --check

format: $(VENV)/.dev ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## write docs/cli.md anew
	$(BIN)/python docs/generate.py

bench: bench-peers ## the same as bench-peers

bench-peers: $(VENV)/.dev ## compare speed with other programs, each in an environment of its own (about 5 GB of packages)
	$(BIN)/python benchmarks/compare.py $(OPTIONS)

bench-serve: $(VENV)/.dev ## the server beside the engine alone: throughput, latency, overload
	$(BIN)/python benchmarks/serve.py

bench-memory: $(VENV)/.dev ## resident memory of each engine over 10,000 requests of random lengths
	$(BIN)/python benchmarks/memory.py

findings: ## what other libraries do against expectation: each script installs and runs them (minutes, downloads)
	@failed=; for script in findings/*.sh; do echo "== $$script"; bash $$script || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "otherwise than stated:$$failed"; exit 1; }

clean: ## remove the environments and caches
	rm -rf $(VENV) $(PARITY_VENV) $(PUBLISHED_VENV) $(MTEB_VENV) $(JOBS_VENV) $(VLLM_VENV) .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: yesrank needs Python 3.11 or later (make PYTHON=python3.12 ...)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.runtime

# torch first and alone: chosen together with the other packages it may become a CUDA build of several gigabytes.
# TORCH_INDEX=URL names an index of CPU builds, where the usual one has none.
$(PARITY_VENV)/.ready: pyproject.toml tests/parity/requirements.txt
	$(PYTHON) -m venv $(PARITY_VENV)
	$(PARITY_VENV)/bin/python $(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PARITY_VENV)/bin/python $(PIP) -r tests/parity/requirements.txt
	$(PARITY_VENV)/bin/python $(PIP) --no-deps -e .
	@touch $@

# an environment of its own: optimum-intel wants an older transformers than the one that says what a checkpoint means
$(PUBLISHED_VENV)/.ready: pyproject.toml tests/parity/published.txt
	$(PYTHON) -m venv $(PUBLISHED_VENV)
	$(PUBLISHED_VENV)/bin/python $(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PUBLISHED_VENV)/bin/python $(PIP) -r tests/parity/published.txt
	$(PUBLISHED_VENV)/bin/python $(PIP) -e .
	@touch $@

# an environment of its own: mteb wants another transformers than optimum-intel
$(MTEB_VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(MTEB_VENV)
	$(MTEB_VENV)/bin/python $(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(MTEB_VENV)/bin/python $(PIP) -e '.[dev,mteb]'
	@touch $@

# an environment of its own: ray is no part of the usual one. Where it cannot be installed, its tests are skipped.
$(JOBS_VENV)/.ready: pyproject.toml tests/jobs/requirements.txt
	$(PYTHON) -m venv $(JOBS_VENV)
	$(JOBS_VENV)/bin/python $(PIP) -e '.[batch]' pytest hypothesis
	$(JOBS_VENV)/bin/python $(PIP) -r tests/jobs/requirements.txt || echo "ray cannot be installed here"
	@touch $@

# torch first, as above. What is taken out again was built for another torch than the CPU's, and fails where it is found.
$(VLLM_VENV)/.ready: pyproject.toml tests/vllm_engine/requirements.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python $(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(VLLM_VENV)/bin/python $(PIP) -r tests/vllm_engine/requirements.txt
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_VENV)/bin/python $(PIP) -e .
	@touch $@
