# What one types here; `cargo xtask` has the checks, `target/release/hark --help` the program.
#   make build   the page, then target/release/hark
#   make run     build, then server and agent for this machine
#   make check   the fast checks while one works
#   make test    everything, as CI runs it (installs what it needs, see scripts/setup-test)
#   make soak    the long forms: hours
#   make bench   loads and yardsticks on this machine
#   make fuzz    each fuzz target for ten minutes

.PHONY: build run page check test soak bench fuzz clean

PAGE_SOURCES := $(shell find ui/src ui/public ui/build -type f 2>/dev/null) \
	ui/index.html ui/package.json ui/vite.config.ts ui/svelte.config.js ui/tsconfig.json
NODE_MODULES := ui/node_modules/.package-lock.json
PAGE := ui/dist/index.html
# Where cargo builds, which `CARGO_TARGET_DIR` may say.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Names that say for which types a function is, so that hark/agent-first.ld finds it in each build. Without it
# the program is the same, and an agent takes a megabyte or two more.
NAMES := --config 'build.rustflags=["-Csymbol-mangling-version=v0"]'

build: $(PAGE)
	cargo build --release --package hark --locked $(NAMES)

run: build
	$(TARGET)/release/hark up

page: $(PAGE)

$(NODE_MODULES): ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund
	touch $@

$(PAGE): $(NODE_MODULES) $(PAGE_SOURCES)
	cd ui && npm run build
	touch $@

check: $(PAGE)
	cargo xtask check

test:
	scripts/setup-test
	$(MAKE) page
	cargo xtask ci

soak: $(PAGE)
	cargo xtask soak

bench: build
	$(TARGET)/release/hark bench

fuzz: $(PAGE)
	cargo xtask fuzz

clean:
	rm -rf target ui/dist ui/node_modules
