# Everything a change has to pass; `.ci/run` does the same in a clean environment.
PYTHON ?= .venv-dev/bin/python

.PHONY: check format lint types test docs thorough

check: lint types test

format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -n auto

# RULES.md is generated from the rules.
docs:
	$(PYTHON) tests/asl/test_rules.py
