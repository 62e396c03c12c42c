# `make` alone prints this list.
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
# Of `make run`: what runs and nothing that tests.
RUN_VENV := .venv-run
# Of `make docs`.
DOCS_VENV := .venv-docs
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
# The Debian of the lab's guest: 13, 12 or sid.
export DEBIAN ?= 13

help:            ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

demo:            ## the whole path in a virtual machine, then gateways die (DEBIAN=12|13, INSIDE=6to4|native, JSON=FILE: write it, KEEP=1: leave it up)
	@python3 lab/host_setup.py lab
	@$(MAKE) --no-print-directory $(VENV)/.ready
	@$(PY) -m lab demo $(if $(INSIDE),--inside $(INSIDE)) $(if $(JSON),--json "$(JSON)") $(if $(KEEP),--keep)

demo-cluster: venv  ## Kubernetes decides, resolvers follow, the deciders die: a real API server on this machine (no virtual machine)
	@python3 lab/host_setup.py tests
	@$(if $(filter 0,$(shell id -u)),unshare --net,unshare --user --map-root-user --net) $(PY) -m tests.cluster.demo

run:             ## kun-dns64 on this machine with defaults, no root (installs python3-venv and a compiler where missing)
	@python3 lab/host_setup.py python
	@$(MAKE) --no-print-directory $(RUN_VENV)/.ready
	@exec $(RUN_VENV)/bin/kun-dns64 serve

test: host lint  ## everything: lint, types, unit tests, lab tests; two things at a time before the lab
	@$(MAKE) --no-print-directory -j2 image-13 image-12
	@$(MAKE) --no-print-directory -j2 -Oline test-programs test-parts
	@$(MAKE) --no-print-directory test-labs

PYTEST := -m tests.second_try -p tests.allparts
PROGRAMS := tests/base tests/dns64 tests/nat64
CONFORMANCE := tests/dns64/conformance
# Boots a lab of its own: two at once are too much for two processors.
NATIVE := tests/lab/test_native.py

test-programs: venv
	$(PY) $(PYTEST) -m "not soak and not faults" --ignore=$(CONFORMANCE) $(PROGRAMS)
	$(PY) $(PYTEST) -m "not soak and not faults" $(CONFORMANCE)
	@$(MAKE) --no-print-directory unit-other

# Packages, installers, real clusters, documents: all but the programs' own tests and the lab.
test-parts: venv
	$(PY) $(PYTEST) -m "not soak and not faults" $(PROGRAMS:%=--ignore=%) --ignore=tests/lab tests

test-labs: venv
	DEBIAN=13 $(PY) $(PYTEST) -m "not soak and (not faults or both_debians)" --ignore=$(NATIVE) tests/lab
	DEBIAN=13 $(PY) $(PYTEST) -m "not soak and (not faults or both_debians)" $(NATIVE)
	DEBIAN=12 $(PY) $(PYTEST) -m both_debians tests/lab

image-12 image-13: venv
	@DEBIAN=$(@:image-%=%) $(PY) -m lab build

lab-sid: host venv  ## the lab tests on Debian sid, whatever it has today (some minutes more, to build its image)
	DEBIAN=sid $(PY) $(PYTEST) -m "not soak and not faults" tests/lab

# The Debian whose Python is another than this one's: 12 has 3.11, 13 has 3.13.
OTHER := $(shell python3 -c 'import sys; print(12 if sys.version_info[:2] == (3, 13) else 13)')
UNITS := tests/base tests/nat64 tests/dns64 tests/test_compiled.py tests/test_layers.py
# What needs programs that the tree has not (git, name servers): it has run under this machine's Python.
NOT_THERE := --ignore=tests/dns64/conformance --ignore=tests/dns64/differential --ignore=tests/base/test_version.py

# Printed, not judged.
COVERAGE := --cov=kun_base --cov=kun_dns64 --cov=kun_nat64 --cov-report=

unit-other: venv  ## unit tests under the Python of the other Debian (3.13 or 3.11), in its tree, with coverage; root
	$(if $(filter 0,$(shell id -u)),,sudo) env DEBIAN=$(OTHER) $(PY) -m lab unit -- -q -m "not lab and not soak" $(COVERAGE) $(NOT_THERE) $(UNITS)

fuzz: venv       ## the compiled parts under ASan and UBSan, after a planted overflow was found (SECONDS=600)
	$(PY) -m tests.fuzz $(if $(SECONDS),$(SECONDS),600)

unit: venv       ## tests that need neither the lab nor long runs
	$(PY) -m pytest -m "not lab and not soak" --ignore=tests/dns64/conformance
	$(PY) -m pytest -m "not soak" tests/dns64/conformance

lint: venv       ## ruff and mypy --strict
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --quiet .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy

reference: venv  ## gateway-config/kun-*.toml and docs/reference.md, from the code
	$(PY) -m reference

docs: $(DOCS_VENV)/.ready  ## the handbook as a site in out/docs
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet
	@echo "out/docs/index.html"

bench: venv      ## kun-dns64 beside its peers; writes out/bench.md and a plot (20 minutes; root, to install peers)
	$(PY) -m bench dns64 --install

bench-nat64: venv  ## the agent's plan, cycle and idle cost
	$(PY) -m bench nat64

packages: venv   ## .deb packages for Debian 12 and 13 in out/packages (root; RELEASES=13: only that one; ARM64=1: those for arm64 too; RPM=1: as .rpm too, unsupported)
	@python3 lab/host_setup.py packages
	@rm -rf out/packages
	$(PY) packaging/build_debs.py $(if $(RELEASES),--debian $(RELEASES))
	$(if $(ARM64),$(PY) packaging/build_arm64.py out/packages/*_amd64.deb)
	$(if $(RPM),$(PY) packaging/build_rpms.py out/packages/*.deb)

image: packages  ## the image of kun-dns64 in out/kun-dns64-image.tar, from the package for Debian 13 (root)
	$(PY) packaging/build_image.py --deb "$$(ls -t out/packages/kun-dns64_*~deb13_amd64.deb | head -n 1)"

image-controller: venv  ## the image of kun-controller in out/kun-controller-image.tar (root)
	@python3 lab/host_setup.py packages
	$(PY) packaging/build_controller_image.py

manifests: venv  ## gateway-config/kubernetes/*.yaml from the Helm chart (HELM=helm: the program)
	$(PY) packaging/kubernetes_manifests.py --helm $(or $(HELM),helm)

release: venv    ## VERSION=0.2.0: wheels, sdist, packages, image, list of parts, sums and notes in dist/VERSION (root)
	@python3 lab/host_setup.py packages
	$(PY) packaging/release.py $(VERSION)

host:
	python3 lab/host_setup.py tests

venv: $(VENV)/.ready   ## the development environment in .venv

# Sources of compiled modules, those in Python beside their .pxd too.
COMPILED := $(wildcard kun_dns64/*/*.p[yx][xid]) $(wildcard $(patsubst %.pxd,%.py,$(wildcard kun_dns64/*/*.pxd)))

$(VENV)/.ready: requirements-dev.lock pyproject.toml $(COMPILED)
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(RUN_VENV)/.ready: requirements.lock pyproject.toml $(COMPILED)
	@echo "make: an environment for the server in $(RUN_VENV), once: a minute or so"
	@python3 -m venv $(RUN_VENV)
	@$(RUN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e . >$(RUN_VENV)/build.log 2>&1 || { cat $(RUN_VENV)/build.log >&2; exit 1; }
	@touch $@

$(DOCS_VENV)/.ready: requirements-docs.lock
	@python3 -m venv $(DOCS_VENV)
	@$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

lock: venv       ## renew the pinned, hashed lock files
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-emit-find-links --no-emit-index-url --output-file=requirements.lock pyproject.toml
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --extra controller --no-emit-find-links --no-emit-index-url --output-file=requirements-controller.lock pyproject.toml
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --no-emit-find-links --no-emit-index-url --output-file=requirements-docs.lock requirements-docs.in
	$(VENV)/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --extra dev --extra controller --no-emit-find-links --no-emit-index-url --output-file=requirements-dev.lock pyproject.toml

clean-all:       ## removes .venv, builds and every cache of lab, tests and packages (not the Debian packages)
	rm -rf $(VENV) $(RUN_VENV) $(DOCS_VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find kun_base kun_dns64 kun_nat64 kun_cluster -name '*.so' -delete -o -name '*.c' -delete -o -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	rm -rf "$${KUN_LAB_CACHE:-$(CACHE)/kun-lab}" $(CACHE)/kun-tests $(CACHE)/kun-packages $(CACHE)/kun-release
	@test ! -s /var/lib/kun-host-setup/installed || echo "still installed: the Debian packages in /var/lib/kun-host-setup/installed (xargs apt-get remove < that)"

.PHONY: help docs demo demo-cluster run test test-programs test-parts test-labs fuzz unit unit-other reference lab-sid image-12 image-13 lint bench bench-nat64 packages image image-controller manifests release host venv lock clean-all
