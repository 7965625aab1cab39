# demo   three hosts, two releases under load, one of them broken; says what it installs
# test   everything: formatting, lints, unit tests, end-to-end tests in the lab
# lint   the lints alone (`make test` lints what it builds)
# fleets every size of fleet with every share of it out at once, in a lab of seven hosts
# shared two services on one group, released at about the same moment, a hundred times (ROUNDS=…, SEED=…)
# shared-alarms  two services that silence the same alarms, released at about the same moment, a hundred times (ROUNDS=…, SEED=…)
# crash-matrix  the worker killed at every kind of journal record, forward and back; writes runbooks/crash-matrix.md
# faults  broker, hosts, engines, registry, AWS, disk and clock fail in mid-roll, one after another; about ten minutes (ONLY=…)
# explore  every way that a roll of one to three hosts can go, with two things that come between; larger fleets, and two releases in one queue, by chance (SEED=…, RUNS=…)
# explore-long  the same with two things that come between where AWS brings one of them, and ten times as many runs by chance; about an hour (SEED=…, RUNS=…)
# rehearse-scale  how long a rehearsal of 100, 200, 400 and 500 hosts takes (SIZES="100 300")
# contract  each step of a roll in the lab and in the model, in every situation that can be made; about half an hour (ONLY=…)
# bench  one roll, measured against the floor that load balancer and Docker impose
# bench-status  `drawgate status` with 1,000 lanes and 100,000 releases in the ledger
# bench-scale  one roll of a large fleet in a crowded region, and what it costs (HOSTS=200, up to 500; SHARE=, GROUPS=, ALARMS=, SILENCED=, OTHERS=)
# bench-scale-growth  the same with 10, 50, 100, 200 and 500 hosts, and how calls and processor time grow
# bench-peer  the same as bench, and then Ansible with the classic playbook on the same fleet (installs Ansible under target/)
# membership  an instance launched, and one terminated, at each phase of a roll; every phase, where `make test` takes a few
# orders  a release paused, approved and cancelled at each moment of its way; every moment, where `make test` takes a few
# asyncapi  schemas/asyncapi.yaml, read by the AsyncAPI project's own parser (needs Node; installs it under target/)
# deny   licences, sources and bans of the dependencies (needs cargo-deny)

.PHONY: demo test fmt lint build unit e2e fleets shared shared-alarms crash-matrix faults explore explore-long rehearse-scale contract bench bench-peer bench-scale bench-scale-growth bench-status membership orders asyncapi deny lab
.NOTPARALLEL:

LAB := infra/lab/lab run --quiet --
TIMED := tests/timed
# Labs side by side; a lab takes a gigabyte of memory, and its tests half of a core.
LABS ?= 3

# What is built for tests is linted as it is built.
CARGO := env RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/lint-rustc cargo
# Always the whole workspace, and tests chosen by name: with a choice of packages cargo would build their dependencies
# anew, with the features that these packages alone ask for.
CARGO_TEST := $(CARGO) test --locked --offline --workspace --no-fail-fast
# A suite is a file, or a folder with a main.rs. The longest first, so that no lab begins a long one when the others are done.
by_length = $(shell du --bytes --summarize $(1) | sort --numeric-sort --reverse | cut --fields=2)
tests = $(addprefix --test=,$(notdir $(basename $(call by_length,$(1:/main.rs=)))))
SEARCHES := $(call tests,$(wildcard worker/*/tests/*/main.rs worker/tests/contract/main.rs))
ADAPTER_TESTS := $(call tests,$(filter-out worker/tests/contract/main.rs,$(wildcard schemas/tests/*.rs \
	producer/tests/*.rs producer/tests/*/main.rs worker/tests/*.rs worker/tests/*/main.rs worker/*/tests/*.rs)))
E2E_TESTS := $(call tests,$(wildcard tests/tests/*.rs tests/tests/*/main.rs))

demo:
	@infra/demo/demo

test: lab fmt build unit e2e

lab:
	@$(TIMED) "install what the lab needs" infra/lab/install

fmt:
	@$(TIMED) "formatting" cargo fmt --all --check

lint:
	@$(TIMED) "lints" cargo clippy --locked --workspace --all-targets -- -D warnings

# All that needs the network comes before the lab, which has none.
build:
	@$(TIMED) "build, with lints" $(CARGO) build --locked --workspace --bins
	@$(TIMED) "build the tests, with lints" $(CARGO) test --locked --workspace --no-run

unit:
	@printf '%s\n' $(SEARCHES) $(ADAPTER_TESTS) "--lib --bins" | \
		$(TIMED) "unit and adapter tests" tests/in-labs $(LABS) $(CARGO_TEST)

# Four hosts each: in a fleet of four one may be sick while another is out.
e2e:
	@export DRAWGATE_LAB_HOSTS=4; printf '%s\n' $(E2E_TESTS:%="% -- --test-threads=1") | \
		$(TIMED) "end-to-end tests" tests/in-labs $(LABS) $(CARGO_TEST)

fleets: lab build
	@DRAWGATE_LAB_HOSTS=7 $(LAB) $(CARGO_TEST) --test concurrency -- --nocapture trap_13_the_floor_holds

ROUNDS ?= 100
shared: lab build
	@$(LAB) env DRAWGATE_SHARED_ROUNDS=$(ROUNDS) $(if $(SEED),DRAWGATE_SHARED_SEED=$(SEED)) \
		$(CARGO_TEST) --test shared trap_07_released_at_once_with_random_delays -- --nocapture

shared-alarms: lab build
	@$(LAB) env DRAWGATE_SHARED_ROUNDS=$(ROUNDS) $(if $(SEED),DRAWGATE_SHARED_SEED=$(SEED)) \
		$(CARGO_TEST) --test shared trap_38_alarms_that_two_services_share -- --nocapture

crash-matrix: lab build
	@DRAWGATE_CRASH_MATRIX=runbooks/crash-matrix.md $(TIMED) "killed at every kind of record" $(LAB) \
		$(CARGO_TEST) --test crash_matrix -- --nocapture

faults: lab build
	@DRAWGATE_FAULTS=$(or $(ONLY),all) $(TIMED) "faults in mid-roll" $(LAB) \
		$(CARGO_TEST) --test faults -- --nocapture

# The search needs four small crates, and none of the others.
explore:
	@cargo build --locked --release --quiet -p drawgate-rehearsal
	@target/release/explore $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

explore-long:
	@cargo build --locked --release --quiet -p drawgate-rehearsal
	@target/release/explore --most-of-aws 2 $(if $(SEED),--seed $(SEED)) --runs $(or $(RUNS),200000) --queue-runs 1000000

# In a release build, as the worker's own `rehearse`; the fleets are made up.
rehearse-scale:
	@cargo build --locked --release --quiet -p drawgate-rehearsal
	@target/release/rehearse_scale $(SIZES)

contract: lab build
	@DRAWGATE_CONTRACT='$(or $(ONLY),all)' $(TIMED) "every step in every situation" $(LAB) \
		$(CARGO_TEST) --test contract -- --nocapture

bench: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@$(LAB) target/release/bench

bench-status: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@$(LAB) target/release/bench_status

HOSTS ?= 200
# Without a knob the bench has its own value.
SCALE := $(foreach knob,SHARE OTHERS GROUPS ALARMS SILENCED,$(if $($(knob)),DRAWGATE_SCALE_$(knob)=$($(knob))))
bench-scale: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@DRAWGATE_LAB_HOSTS=$(HOSTS) $(LAB) env $(SCALE) target/release/bench_scale

bench-scale-growth: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@env $(SCALE) tests/scale-growth target/release/bench_scale 10 50 100 200 500

bench-peer: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@$(TIMED) "install Ansible" tests/peer/install
	@DRAWGATE_BENCH_PEER=target/peer $(LAB) target/release/bench

membership: lab build
	@DRAWGATE_MEMBERSHIP=all $(TIMED) "members come and go at every phase" $(LAB) \
		$(CARGO_TEST) --test membership -- --test-threads=1 --nocapture

orders: lab build
	@DRAWGATE_CONTROL=all $(TIMED) "control commands at every moment" $(LAB) \
		$(CARGO_TEST) --test control -- --test-threads=1 --nocapture

asyncapi:
	@npm install --silent --no-save --prefix target/asyncapi @asyncapi/parser@3.6.6
	@node infra/asyncapi/check.mjs target/asyncapi schemas/asyncapi.yaml

deny:
	cargo deny --locked check bans licenses sources
