# `make` lists the targets.  Needs Debian 12 as root, Python 3.11, cargo and a C compiler; it installs the rest.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
CASES ?= 5000
# A file's tests stay together, for what they share; two workers a processor, since they mostly wait.
WORKERS ?= -n $(shell expr $$(nproc) \* 2) --dist loadfile --no-loadscope-reorder
SECONDS ?= 600
STAMPS := $(VENV)/.stamps
RUST := $(shell find crates -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null) Cargo.toml Cargo.lock
PACKAGES := openvswitch-switch openvswitch-common openvswitch-vtep ovn-common ovn-central ovn-host openssl \
  mininet nfdump openvswitch-testcontroller tshark iperf3 nftables iproute2 iputils-ping ethtool tcpdump isc-dhcp-client

.PHONY: help setup packages build demo demo-chain demo-classroom test test-rust test-python test-slow soak \
  lint lint-rust lint-python reference format bench bench-quick fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: packages build ## virtual environment, native build, Debian packages

packages: $(STAMPS)/packages
$(STAMPS)/packages: Makefile
	@mkdir -p $(STAMPS)
	@.ci/packages $(PACKAGES)
	@touch $@

$(STAMPS)/python: pyproject.toml constraints.txt
	@test -x $(BIN)/python || python3 -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $$($(BIN)/python .ci/requirements.py)
	@touch $@

build: $(STAMPS)/native ## native build into the virtual environment
$(STAMPS)/native: $(STAMPS)/python $(RUST)
	@echo "building the native part ..."
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --skip-install >$(STAMPS)/native.log 2>&1 || { cat $(STAMPS)/native.log; exit 1; }
	@test -e $$(echo python/tulle/_native*.so)
	@.ci/link $(VENV)
	@touch $@

demo: setup ## the two-tenant data centre on this machine, shown and checked (KEEP=1 leaves it running)
	@$(BIN)/python -m tulle.lab.demo $(if $(KEEP),--keep)

demo-chain: setup ## a firewall put in the path of live traffic, and out again (KEEP=1 leaves it running)
	@$(BIN)/python -m tulle.lab.service_chain $(if $(KEEP),--keep)

demo-classroom: setup ## 20 clones of one network, apart from each other (KEEP=1 leaves it running)
	@$(BIN)/python -m tulle.lab.classroom $(if $(KEEP),--keep)

test: test-rust test-python ## all tests: cargo and pytest, with real packets in network namespaces

test-rust: packages
	cargo test --workspace --exclude tulle-native --quiet $(RUST_TESTS)

test-python: setup
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) $(SELECTED)

test-slow: setup ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

soak: setup ## encapsulations and two switches on a wire that loses, doubles, delays and damages (SECONDS=600 each)
	SOAK_S=$(SECONDS) $(BIN)/python -m pytest -s tests/netns/test_switch_soak.py tests/interop/test_encapsulation_soak.py

lint: lint-rust lint-python ## formatting, clippy, ruff, mypy, import contracts

lint-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: setup ## docs/commands.md, docs/network-file.md and docs/tulle.schema.json, made from the code
	$(BIN)/python -m tulle.cli.reference > docs/commands.md
	$(BIN)/python -m tulle.cli.model_page > docs/network-file.md
	$(BIN)/python -m tulle.cli.schema > docs/tulle.schema.json

format: setup ## format all code
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## benchmarks, paired with their peers; writes bench/results/*.json
	$(BIN)/python bench/ovsdb.py
	$(BIN)/python bench/tunnels.py
	$(BIN)/python bench/endpoints.py
	$(BIN)/python bench/vswitch.py

bench-quick: setup ## five ways of the tunnels' bench, once, in under three minutes; writes nothing
	$(BIN)/python bench/tunnels.py --quick

fuzz: ## property tests of everything that parses, with many more cases than `make test`
	PROPTEST_CASES=$(CASES) cargo test --workspace --exclude tulle-native --release --quiet

clean: ## remove what was built
	rm -rf $(VENV) target python/tulle/_native*.so
