# `make` alone prints this list.
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
# The Debian of the lab's guest: 13, 12 or sid.
export DEBIAN ?= 13

help:            ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

demo:            ## the whole path in a virtual machine, then gateways die (DEBIAN=12|13, JSON=FILE: write it, KEEP=1: leave it up)
	@python3 lab/host_setup.py lab
	@$(MAKE) --no-print-directory $(VENV)/.ready
	@$(PY) -m lab demo $(if $(JSON),--json "$(JSON)") $(if $(KEEP),--keep)

run:             ## kun-dns64 on this machine with defaults, no root
	@$(MAKE) --no-print-directory $(VENV)/.ready
	@exec $(VENV)/bin/kun-dns64 serve

test: host lint  ## everything: lint, types, unit tests, lab tests
	$(PY) -m pytest -p tests.allparts -m "not soak and not faults" --ignore=tests/dns64/conformance --ignore=tests/lab
	$(PY) -m pytest -p tests.allparts -m "not soak and not faults" tests/dns64/conformance
	$(PY) -m pytest -p tests.allparts -m "not soak and not faults" tests/lab

unit: venv       ## tests that need neither the lab nor long runs
	$(PY) -m pytest -m "not lab and not soak" --ignore=tests/dns64/conformance
	$(PY) -m pytest -m "not soak" tests/dns64/conformance

lint: venv       ## ruff and mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: venv      ## kun-dns64 beside its peers; writes out/bench.md and a plot (20 minutes; root, to install peers)
	$(PY) -m bench dns64 --install

bench-nat64: venv  ## the agent's plan, cycle and idle cost
	$(PY) -m bench nat64

host:
	python3 lab/host_setup.py tests

venv: $(VENV)/.ready   ## the development environment in .venv

$(VENV)/.ready: requirements-dev.lock pyproject.toml $(wildcard kun_dns64/*.p[yx][xid] kun_dns64/*/*.p[yx][xid])
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: venv       ## renew the pinned, hashed lock files
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-emit-find-links --no-emit-index-url --output-file=requirements.lock pyproject.toml
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --extra dev --no-emit-find-links --no-emit-index-url --output-file=requirements-dev.lock pyproject.toml

.PHONY: help demo run test unit lint bench bench-nat64 host venv lock
