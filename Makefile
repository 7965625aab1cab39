# demo   three hosts, two releases under load, one of them broken; says what it installs
# test   everything: formatting, lints, unit tests, end-to-end tests in the lab
# bench  one roll, measured against the floor that load balancer and Docker impose
# deny   licences, sources and bans of the dependencies (needs cargo-deny)

.PHONY: demo test fmt lint build unit e2e bench deny lab
.NOTPARALLEL:

LAB := infra/lab/lab run --quiet --
TIMED := tests/timed

demo:
	@infra/demo/demo

test: lab fmt lint build unit e2e

lab:
	@$(TIMED) "install what the lab needs" infra/lab/install

fmt:
	@$(TIMED) "formatting" cargo fmt --all --check

lint:
	@$(TIMED) "lints" cargo clippy --locked --workspace --all-targets -- -D warnings

# All that needs the network comes before the lab, which has none.
build:
	@$(TIMED) "build" cargo build --locked --workspace --bins
	@$(TIMED) "build the tests" cargo test --locked --workspace --no-run

unit:
	@$(TIMED) "unit and adapter tests" $(LAB) \
		cargo test --locked --offline --workspace --exclude drawgate-tests

e2e:
	@$(TIMED) "end-to-end tests" $(LAB) \
		cargo test --locked --offline -p drawgate-tests -- --test-threads=1

bench: lab
	@$(TIMED) "build" cargo build --locked --release --workspace --bins
	@$(LAB) target/release/bench

deny:
	cargo deny --locked check bans licenses sources
