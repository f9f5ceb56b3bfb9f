# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

# Each target sets up what it needs; a fresh clone needs Python (>= 3.10), its venv module and make.
# pip's own settings (an index, a folder of wheels) are taken from the environment as they are.

PYTHON ?= python3
VENV ?= .venv
VENV_OLDEST ?= .venv-oldest
# Where another build of torch comes from, as the small one for machines without a GPU:
# make TORCH_INDEX=https://download.pytorch.org/whl/cpu demo
TORCH_INDEX ?=
# A uv that installs in place of pip, in less time. It does not read the settings of pip: .ci/run translates them.
UV_PROGRAM ?=
PY := $(VENV)/bin/python
PY_OLDEST := $(VENV_OLDEST)/bin/python
# pytest's -n: "auto" starts one worker for each core; each worker computes with one thread. A file's tests stay in one
# worker: they share fixtures (a trained bundle, a MONAI Label server whose labels later tests look at). Files come in
# alphabetical order, short ones last, so that the workers end together: by default files with few tests, which are the
# trainings, would come last.
TEST_WORKERS ?= auto
TEST_DISTRIBUTION := --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=
# How long `make fuzz` reads mutated files.
MINUTES ?= 60
# MONAI Label needs old packages, so it has an environment of its own: requirements-label.txt.
LABEL_PYTHON ?= python3.11
VENV_LABEL ?= .venv-label
PY_LABEL := $(VENV_LABEL)/bin/python
LABEL_DEMO := runs/label/demo/dicoms
LABEL_STUDIES ?= $(LABEL_DEMO)
LABEL_HOST ?= 127.0.0.1
LABEL_PORT ?= 8000

INSTALLED := $(VENV)/.installed
INSTALLED_BENCHMARK := $(VENV)/.installed-benchmark
INSTALLED_OLDEST := $(VENV_OLDEST)/.installed
INSTALLED_LABEL := $(VENV_LABEL)/.installed
METADATA := setup.cfg setup.py pyproject.toml

BUNDLE := bundles/sunnybrook_lv_acdr
DEMO := runs/demo
DEMO_EPOCHS ?= 40
MASS_BUNDLE := bundles/inbreast_mass_acdr
# The demo keeps its own checkpoint: the weights that come with the bundle stay as they are.
# Nothing is known of where the ventricle lies: the region of interest is the middle of the image.
RUN_BUNDLE := $(PY) -m monai.bundle run --bundle_root $(BUNDLE) --dataset_dir $(DEMO)/studies --roi center \
    --checkpoint $(DEMO)/train/model.pt
RUN_MASSES := $(PY) -m monai.bundle run --bundle_root $(MASS_BUNDLE) --dataset_dir $(DEMO)/mammograms \
    --checkpoint $(DEMO)/mass_train/model.pt

.DEFAULT_GOAL := help
.PHONY: help venv demo test docs pictures lint fuzz benchmark test-oldest label-venv label-server label-test clean

help:
	@echo 'make demo         make synthetic hearts and mammograms, train, evaluate, infer; says where the pictures are'
	@echo 'make test         run all tests (PYTEST_ARGS="-k rasterizer" for some, TEST_WORKERS=0 for one process)'
	@echo 'make docs         build the documentation site into build/site, every warning an error'
	@echo 'make pictures     draw the pictures of the documentation again, with the shipped weights'
	@echo 'make lint         ruff, import-linter and mypy'
	@echo 'make fuzz         read mutated files of every format for MINUTES (60), and say what failed'
	@echo 'make benchmark    training step, rasterizers, reading of mammograms: time and more'
	@echo 'make test-oldest  run all tests with the oldest supported versions, in $(VENV_OLDEST)'
	@echo 'make venv         only install everything into $(VENV)'
	@echo 'make label-server start a MONAI Label server on this machine (LABEL_STUDIES=folder or DICOMweb URL, LABEL_PORT)'
	@echo 'make label-test   run the tests of the MONAI Label app against a real server'
	@echo 'make label-venv   only install MONAI Label into $(VENV_LABEL)'
	@echo 'make clean        remove environments, caches and runs/'

venv: $(INSTALLED)

$(INSTALLED): $(METADATA) constraints.txt
	$(call check_python)
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo 'Installing into $(VENV): this takes a few minutes the first time.'
	$(call install_torch_build,$(PY),constraints.txt,torch)
	$(call pip_install,$(PY)) --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(INSTALLED_BENCHMARK): $(INSTALLED)
	$(call pip_install,$(PY)) --constraint constraints.txt --editable '.[benchmark]'
	@touch $@

$(INSTALLED_OLDEST): $(METADATA) constraints-oldest.txt
	$(call check_python)
	test -x $(PY_OLDEST) || $(PYTHON) -m venv $(VENV_OLDEST)
	$(call install_torch_build,$(PY_OLDEST),constraints-oldest.txt,torch)
	$(call pip_install,$(PY_OLDEST)) --constraint constraints-oldest.txt --editable '.[test]'
	@touch $@

label-venv: $(INSTALLED_LABEL)

$(INSTALLED_LABEL): $(METADATA) requirements-label.txt
	@$(LABEL_PYTHON) -c "import sys; sys.version_info[:2] == (3, 11) or sys.exit( \
	    'Expected Python 3.11 for MONAI Label, but $(LABEL_PYTHON) is ' + sys.version.split()[0])"
	test -x $(PY_LABEL) || $(LABEL_PYTHON) -m venv $(VENV_LABEL)
	@echo 'Installing into $(VENV_LABEL): this takes a few minutes the first time.'
	$(call install_torch_build,$(PY_LABEL),requirements-label.txt,torch torchvision)
	$(call pip_install,$(PY_LABEL)) --constraint requirements-label.txt torch torchvision
	$(call pip_install,$(PY_LABEL)) --no-deps --requirement requirements-label.txt
	$(call pip_install,$(PY_LABEL)) --no-deps --editable .
	@touch $@

$(LABEL_DEMO): | $(INSTALLED_LABEL)
	$(PY_LABEL) -m monai_acdr.data.phantoms runs/label/demo

label-server: $(INSTALLED_LABEL) $(if $(filter $(LABEL_DEMO),$(LABEL_STUDIES)),$(LABEL_DEMO))
	@$(PY_LABEL) -c 'import torchvision' || { \
	    echo 'Expected torch and torchvision of one build in $(VENV_LABEL), but torchvision does not import: remove'; \
	    echo '$(VENV_LABEL) and run make TORCH_INDEX=URL label-server, with the index that your torch is from.'; exit 1; }
	$(PY_LABEL) -m monailabel.main start_server --host $(LABEL_HOST) --port $(LABEL_PORT) \
	    --app "$$($(VENV_LABEL)/bin/monai-acdr label-app --folder runs/label/app)" --studies $(LABEL_STUDIES)

label-test: $(INSTALLED) $(INSTALLED_LABEL)
	OMP_NUM_THREADS=1 MONAI_ACDR_LABEL_PYTHON=$(abspath $(PY_LABEL)) $(PY) -m pytest tests/integration/label $(PYTEST_ARGS)

demo: $(INSTALLED)
	rm -rf $(DEMO)
	$(PY) -m monai_acdr.data.phantoms $(DEMO)/studies
	$(RUN_BUNDLE) --config_file $(BUNDLE)/configs/train.json \
	    --output_dir $(DEMO)/train --max_epochs $(DEMO_EPOCHS) --train#ema#momentum 0.1
	$(RUN_BUNDLE) --config_file "['$(BUNDLE)/configs/train.json','$(BUNDLE)/configs/evaluate.json']" \
	    --output_dir $(DEMO)/evaluate --group online
	$(RUN_BUNDLE) --config_file $(BUNDLE)/configs/inference.json \
	    --output_dir $(DEMO)/inference --group online
	$(PY) -m monai_acdr.data.phantoms $(DEMO)/mammograms --kind inbreast
	$(RUN_MASSES) --config_file $(MASS_BUNDLE)/configs/train.json \
	    --output_dir $(DEMO)/mass_train --max_epochs 60 --train#ema#momentum 0.05
	$(RUN_MASSES) --config_file "['$(MASS_BUNDLE)/configs/train.json','$(MASS_BUNDLE)/configs/evaluate.json']" \
	    --output_dir $(DEMO)/mass_evaluate
	$(RUN_MASSES) --config_file $(MASS_BUNDLE)/configs/inference.json \
	    --output_dir $(DEMO)/mass_inference --group test
	$(VENV)/bin/monai-acdr demo --output $(DEMO)/segment
	@echo
	@echo 'Hearts:  figures in $(DEMO)/evaluate/metrics.csv and metrics.json, pictures in $(DEMO)/inference/*.png'
	@echo 'Masses:  figures in $(DEMO)/mass_evaluate, pictures in $(DEMO)/mass_inference/*.png'
	@echo 'A real heart, outlined by the shipped weights: $(DEMO)/segment/report.html'
	@echo '(initial contour blue, final yellow, reference green)'

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(TEST_WORKERS) $(TEST_DISTRIBUTION) $(PYTEST_ARGS)

test-oldest: $(INSTALLED_OLDEST)
	OMP_NUM_THREADS=1 $(PY_OLDEST) -m pytest -n $(TEST_WORKERS) $(TEST_DISTRIBUTION) $(PYTEST_ARGS)

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo 'The site is in build/site: $(PY) -m http.server --directory build/site'

pictures: $(INSTALLED)
	$(PY) docs/scripts/pictures.py

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(PY) -m mypy

fuzz: $(INSTALLED)
	OMP_NUM_THREADS=1 $(PY) -m tests.fuzz --minutes $(MINUTES)

benchmark: $(INSTALLED_BENCHMARK)
	@for name in training_step rasterizers mammogram_reading segment_study; do \
	    echo "== benchmarks/$$name.py"; $(PY) benchmarks/$$name.py || exit 1; done

clean:
	rm -rf $(VENV) $(VENV_OLDEST) $(VENV_LABEL) runs build dist *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

# $(call pip_install,python)
pip_install = $(if $(UV_PROGRAM),$(UV_PROGRAM) pip install --python $(1),$(1) -m pip install) --quiet

# $(call install_torch_build,python,constraints,packages): before the rest, which then brings what the build depends on.
define install_torch_build
$(if $(TORCH_INDEX),$(call pip_install,$(1)) --no-deps --index-url $(TORCH_INDEX) --constraint $(2) $(3))
endef

define check_python
@$(PYTHON) -c "import sys; sys.version_info >= (3, 10) or sys.exit( \
    'Expected Python 3.10 or newer, but $(PYTHON) is ' + sys.version.split()[0] + ': run make PYTHON=python3.11 ...')"
endef
