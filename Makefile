PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup test lint format types wheel bench demo demo-skeleton clean

help:
	@echo "setup test lint format types wheel bench demo demo-skeleton clean"

$(BIN)/pytest:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q "pip>=25.1"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[langchain,llamaindex,tiktoken,train,openai]" --group dev

setup: $(BIN)/pytest

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup
	$(BIN)/pyright --pythonpath $(BIN)/python

wheel: setup
	$(BIN)/python -m build --wheel --no-isolation

bench: setup
	$(BIN)/lingua bench speed

demo: setup
	$(BIN)/lingua demo

demo-skeleton: setup
	$(BIN)/lingua demo skeleton

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
