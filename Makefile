PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
VLLM_VENV ?= .venv-vllm

.PHONY: demo test test-vllm test-long fuzz lint types audit bench bench-methods clean

demo: $(VENV)/.ready  ## install, then run the main job offline
	$(BIN)/synthgen fusegen --task imdb --plms llama2,opt

test: $(VENV)/.ready  ## install, then run the tests
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-vllm: $(VENV)/.ready  ## install a CPU build of vLLM beside it, then run whole rounds through real servers
	sh tools/vllm_venv.sh $(VLLM_VENV) $(PYTHON) || { echo "!!! NO vLLM COULD BE INSTALLED: ITS TESTS DID NOT RUN !!!"; exit 0; }; \
	SYNTHGEN_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python $(BIN)/python -m pytest -m vllm

test-long: $(VENV)/.ready  ## 100 kills, a million hostile inputs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m long --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/mypy

audit: $(VENV)/.ready  ## ask what is known against the pinned versions
	$(BIN)/python tools/audit.py || [ $$? -eq 3 ]

fuzz: $(VENV)/.ready  ## a million inputs for parsers and writers; what is in `make test-long` too
	OMP_NUM_THREADS=1 $(BIN)/python tools/fuzz.py

bench: $(VENV)/.ready  ## every stage beside what a user would run instead: docs/performance.md
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable '.[dev,bench]'
	$(BIN)/python benchmarks/bench.py

bench-methods: $(VENV)/.ready  ## methods beside their controls: docs/results.md, docs/decontamination.md
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/arms.py
	$(BIN)/python benchmarks/overlap.py
	$(BIN)/python benchmarks/private_arms.py
	$(BIN)/python benchmarks/feedback.py
	$(BIN)/python benchmarks/recorded.py
	$(BIN)/python benchmarks/hypergradient.py

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) dist build
