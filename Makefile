# `make` alone prints this list.
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

venv: $(VENV)/.ready   ## the development environment in .venv

lint: venv       ## ruff and mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

unit: venv       ## tests that need neither root nor the lab
	$(PY) -m pytest -m "not lab and not soak"

test: venv lint  ## everything: lint, types, unit tests, lab tests
	$(PY) -m pytest -m "not soak"

run: venv        ## kun-dns64 on this machine with defaults, no root
	$(VENV)/bin/kun-dns64 serve

lock:            ## renew the pinned, hashed lock files
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-emit-find-links --no-emit-index-url --output-file=requirements.lock pyproject.toml
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --extra dev --no-emit-find-links --no-emit-index-url --output-file=requirements-dev.lock pyproject.toml

.PHONY: help venv lint unit test run lock
