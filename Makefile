# `make` prints what there is. Each target sets up what it needs in $(VENV)
# first; ARGS go to the command itself. The packages are those of the maintained
# stack; make test STACK=openmmlab runs the tests with the original ones, in an
# environment of its own.

STACK ?= onedl
VENV ?= $(if $(filter onedl,$(STACK)),.venv,.venv-$(STACK))
ARGS ?=

# An existing environment, or the first command that is a fit Python. Another
# one: make PYTHON=/path/to/python3.11 env
PYTHON ?= $(shell \
    for python in $(VENV)/bin/python python3 python3.11 python3.12 python3.10; do \
        "$$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
            2> /dev/null && echo "$$python" && break; \
    done)

.PHONY: help install env demo test test-quick test-all test-faults \
    test-cluster asl-quick asl compare-quick compare camvid lint format \
    docs release-check

help:
	@echo 'make demo           explore, train with what was found, compare: minutes'
	@echo 'make install        what a user needs, in $(VENV)'
	@echo 'make test           the tests but the long ones; test-quick, test-all'
	@echo 'make compare        all methods on the same problems, resumable: hours'
	@echo 'make compare-quick  a small part of it, to see it run'
	@echo 'make camvid DATA=D  one row of it on real images, in folder D'
	@echo 'make asl            searched losses for segmentation; asl-quick'
	@echo 'make lint           style and types; make format mends the style'
	@echo 'make docs           these documents as a site'
	@echo 'make env            all that these targets need'
	@echo 'make release-check  a wheel, tried in an environment of its own'
	@echo 'Options: ARGS="..." VENV=folder PYTHON=python3.11 STACK=openmmlab'

# What a user needs, and what tests, lint and documentation need on top.
install: SETUP_OPTIONS = --for-users
install env:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	    echo "Set-up: no Python 3.10, 3.11 or 3.12 found." \
	        "Install one, or name it: make PYTHON=/path/to/python3.11 env" >&2; \
	    exit 1; \
	fi; \
	"$$python" tools/dev/setup_env.py --venv "$(VENV)" --stack "$(STACK)" \
	    $(SETUP_OPTIONS)

demo: install
	$(VENV)/bin/python tools/demo.py $(ARGS)

# One thread: bit-equality is promised at equal thread counts. Each worker of
# the tests takes 1 to 2 GB; a file's tests share what one of them has trained.
PYTEST = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q
ON_ALL_CORES = -n auto --maxprocesses 8 --dist loadscope --no-loadscope-reorder

# All but the long tests.
test: env
	$(PYTEST) $(ON_ALL_CORES) $(ARGS)

# The mathematics and the models, in about a minute.
test-quick: env
	$(PYTEST) $(ON_ALL_CORES) tests/test_controllers tests/test_models \
	    tests/test_policies tests/test_surrogates tests/test_utils \
	    tests/test_weightings $(ARGS)

# What has to pass for each commit.
test-all: env
	$(PYTEST) $(ON_ALL_CORES) -m "not faults and not cluster" $(ARGS)

# All of the fault suite, the long tests of other files included; its quick
# part is in `make test` as well.
test-faults: env
	$(PYTEST) -m "faults or not faults" tests/test_faults \
	    tests/test_engine/test_loops/test_bohb.py \
	    tests/test_engine/test_loops/test_own_states.py $(ARGS)

# A real Slurm, and two nodes on a network of their own: root only, with
# apt-get install slurm-wlm munge iproute2.
test-cluster: env
	$(PYTEST) -m cluster tests/test_cluster $(ARGS)

# The benchmark of searched losses: a small part, and all of it (resumable).
asl-quick: env
	OMP_NUM_THREADS=1 $(VENV)/bin/python tools/benchmarks/auto_seg_loss/auto_seg_loss.py \
	    work_dirs/asl_quick --quick --seeds 0 $(ARGS)

asl: env
	OMP_NUM_THREADS=1 $(VENV)/bin/python tools/benchmarks/auto_seg_loss/auto_seg_loss.py \
	    work_dirs/asl $(ARGS)

# All methods on all problems, with error bars: a small part, and all of it
# (resumable), or some problems: make compare PROBLEMS="cascade camvid".
compare-quick: env
	OMP_NUM_THREADS=1 $(VENV)/bin/python tools/benchmarks/compare/compare.py \
	    work_dirs/compare_quick --quick --seeds 0 1 \
	    --problems cascade misscaled panoptic_fpn $(ARGS)

compare: env
	OMP_NUM_THREADS=1 $(VENV)/bin/python tools/benchmarks/compare/compare.py \
	    work_dirs/compare $(if $(PROBLEMS),--problems $(PROBLEMS)) $(ARGS)

# Real images: converts CamVid once and trains one row.
# make camvid DATA=folder/of/CamVid
CAMVID = data/camvid_panoptic

$(CAMVID)/annotations/panoptic_train_reward.txt: | env
	@test -n "$(DATA)" || { echo "make camvid: DATA should be the folder of" \
	    "CamVid as published. Found none; see docs/benchmark.md." >&2; exit 1; }
	$(VENV)/bin/python tools/convert_camvid_panoptic.py "$(DATA)" $(CAMVID) \
	    --size 240 180

camvid: env $(CAMVID)/annotations/panoptic_train_reward.txt
	OMP_NUM_THREADS=1 $(VENV)/bin/python tools/benchmarks/compare/compare.py \
	    work_dirs/camvid --problems camvid --methods ones --seeds 0 $(ARGS)

lint: env
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy mmada mmada_cli.py tools

format: env
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .

docs: env
	$(VENV)/bin/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

# A wheel of this checkout, tried in an environment of its own.
release-check: env
	$(VENV)/bin/python tools/dev/release_check.py $(ARGS)
