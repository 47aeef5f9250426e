# make demo and make test set up all they need: a Python from 3.11 on, pip, venv and make are enough.

PYTHONS := $(shell sh .ci/pythons)
NEWEST := $(lastword $(PYTHONS))
OLDEST := $(firstword $(PYTHONS))
WORKERS ?= 2
QUIET := --quiet --disable-pip-version-check
# Tests of the code that depends on the versions of other packages.
LOWEST := tests/tables tests/queries tests/graphs tests/transport tests/files

.PHONY: demo test live test-newest test-oldest test-lowest mutate allensdk lint types docs site browser environments bench clean

demo: .venv/demo
	.venv/bin/pdneuro demo

test: test-newest test-oldest

# The real services, with your tokens: make live RECORD=folder also saves the responses. Never part of CI.
live: .venv-oldest/test
	.venv-oldest/bin/python -m pytest -o addopts= -W default -q -rs -p no:randomly tests/live --live $(if $(RECORD),--record $(RECORD))

# The newest Python and the newest pandas.
test-newest: .venv/test
	.venv/bin/python -m pytest -n $(WORKERS)

# The oldest Python and the oldest pandas that are supported, with caveclient, which holds pandas below 3.
test-oldest: .venv-oldest/test
	.venv-oldest/bin/python -m pytest -n $(WORKERS)

# The lowest declared version of each package that pdneuro uses. Their own deprecations in a newer Python are not errors.
test-lowest: .venv-lowest/test
	.venv-lowest/bin/python -m pytest -n $(WORKERS) -W ignore::DeprecationWarning $(or $(TESTS),$(LOWEST))

# A random sample of small faults in the core: make mutate N=60 SEED=7. The environment with caveclient runs all of the code.
mutate: .venv-oldest/test
	.venv-oldest/bin/python tests/mutate.py --count $(or $(N),60) $(if $(SEED),--seed $(SEED)) --workers $(WORKERS)

# allensdk's own tests with the classes of pdneuro.allen.sdk, and the same calls by both packages. Downloads allensdk, which needs
# Python 3.11; nothing of it is copied into the project. Not part of make test.
allensdk: .venv-allensdk/installed
	.venv-allensdk/ours/bin/python tests/allensdk/suite.py .venv-allensdk/allensdk-*.whl
	.venv-allensdk/ours/bin/python tests/allensdk/compare.py .venv-allensdk/theirs/bin/python
	.venv-allensdk/theirs/bin/python tests/allensdk/names.py | diff tests/allensdk/names.txt -

lint: .venv/test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/test
	.venv/bin/mypy

# Every page is run on the sandbox; a warning or a broken link is an error. docs/_build/html/index.html is the front page.
docs: .venv-oldest/test
	.venv-oldest/bin/python -m pytest -q -n $(WORKERS) docs README.md
	$(MAKE) site

# The site alone: make test runs the examples of its pages as well.
site: .venv-oldest/test
	.venv-oldest/bin/sphinx-build -W --keep-going -q -j $(WORKERS) -b html docs docs/_build/html
	.venv-oldest/bin/python docs/check_site.py docs/_build/html

# Every page of the site in Chromium, in two widths and two themes, and a notebook in JupyterLab; make browser PAGES=10 opens ten
# pages. Root gets Debian's Chromium if it is missing; elsewhere without Chromium, the checks are skipped and counted.
browser: .venv-oldest/browser
	test -e docs/_build/html/index.html || $(MAKE) site
	.venv-oldest/bin/python docs/check_site.py docs/_build/html
	.venv-oldest/bin/python docs/check_browser.py docs/_build/html $(if $(PAGES),--pages $(PAGES))
	.venv-oldest/bin/python docs/check_notebook.py

# They may be made at once: make -j 2 environments
environments: .venv/test .venv-oldest/test .venv-lowest/test

bench: .venv/test
	.venv/bin/python benchmarks/run.py $(if $(ROWS),--rows $(ROWS))

.venv/bin/python:
	@test -n "$(NEWEST)" || { echo "pdneuro needs Python 3.11 or newer"; exit 1; }
	$(NEWEST) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	.venv/bin/pip install $(QUIET) -e '.[plot]'
	@touch $@

.venv/test: .venv/bin/python pyproject.toml
	.venv/bin/pip install $(QUIET) -e '.[test,lint]'
	@touch $@

.venv-oldest/test: pyproject.toml
	$(OLDEST) -m venv .venv-oldest
	.venv-oldest/bin/pip install $(QUIET) -e '.[test,cave,docs,navis]' 'pandas==2.2.*'
	@touch $@

# uv chooses the lowest versions, which pip cannot do. Tools of the tests are not part of it: they get their newest versions.
.venv-lowest/test: pyproject.toml
	$(OLDEST) -m venv .venv-lowest
	.venv-lowest/bin/pip install $(QUIET) uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct -e '.[all]'
	.venv-lowest/bin/uv pip freeze --quiet --exclude-editable --python .venv-lowest/bin/python > .venv-lowest/lowest.txt
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python -c .venv-lowest/lowest.txt -e '.[test]'
	@touch $@

.venv-allensdk/installed: pyproject.toml
	python3.11 -m venv .venv-allensdk/theirs
	python3.11 -m venv .venv-allensdk/ours
	.venv-allensdk/ours/bin/pip download $(QUIET) --no-deps --dest .venv-allensdk allensdk==2.16.2
	.venv-allensdk/theirs/bin/pip install $(QUIET) allensdk==2.16.2
	.venv-allensdk/ours/bin/pip install $(QUIET) -e '.[graph,volumes]' 'pandas<3' h5py mock pytest simpleitk simplejson six
	@touch $@

.venv-oldest/browser: .venv-oldest/test
	.venv-oldest/bin/pip install $(QUIET) -e '.[browser]'
	@touch $@

clean:
	rm -rf .venv .venv-oldest .venv-lowest .venv-allensdk demo-output docs/_build docs/reference
