# cacao: the whole build. `make help` lists the targets; the parts are in mk/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# As many jobs as processors; JOBS=n for another number.
ifeq ($(MAKELEVEL),0)
JOBS ?= $(shell nproc)
MAKEFLAGS += -j$(JOBS)
endif

PREFIX ?= /usr/local
SECONDS ?= 60

# A file may include headers of its own folder and of the folders to its left.
FLOORS := lib evidence kbc keyprovider image agent
SRCS := $(wildcard $(FLOORS:%=%/*.c))
HDRS := $(wildcard $(FLOORS:%=%/*.h))
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_LIB := $(wildcard tests/lib/*.c)
# Scenarios are the executable files; helpers that they read are not executable.
E2E := $(sort $(shell find tests/e2e -maxdepth 1 -name '*.sh' -perm -u+x 2>/dev/null))
BOOT := $(sort $(shell find tests/boot -maxdepth 1 -name '*.sh' -perm -u+x 2>/dev/null))
# The names by which callers start the one program.
NAMES := aa-cli aa-keyprovider confidential-data-hub api-server-rest

VERSION := $(file < mk/version)

# Recipes say what they do in one line; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')
# $(call update,FILE): put FILE.new in place of FILE when they differ
update = if cmp -s $(1).new $(1); then rm -f $(1).new; else mv -f $(1).new $(1); fi

include mk/flavours.mk
include mk/lint.mk

.PHONY: all setup deps gpg peers update-lock demo unit check check-san check-build check-run check-san-run
.PHONY: lint fuzz fuzz-planted interop bench cover install clean distclean help FORCE

## all: the static binary build/attestation-agent, with links for its other names (the default)
all: build/attestation-agent $(NAMES:%=build/%)

$(NAMES:%=build/%): build/attestation-agent
	$(Q)ln -sfn attestation-agent $@

## setup: install the Debian packages of mk/packages that are missing
setup:
	$(Q)mk/setup.sh

## deps: fetch, check and build the libraries of the static binary (once, then cached)
deps:
	$(Q)mk/deps.sh

## gpg: build/gpg, the static program for guests that check GPG signatures (once, then kept)
gpg:
	$(Q)mk/build-gpg.sh

## update-lock: renew mk/sources.lock and mk/gpg.lock from the Debian archive
update-lock:
	$(Q)mk/update-lock.sh mk/sources.lock
	$(Q)mk/update-lock.sh mk/gpg.lock

## demo: show what it does, against a registry and a broker on this machine
demo: setup
	$(Q)$(MAKE) all
	$(Q)CACAO_BIN_DIR=$(CURDIR)/build tests/demo/demo.sh

## unit: the unit tests alone (T=name for one of them), without setup or static build
unit: $(if $(T),build/dev/tests/test_$(T),$(UNIT:%=build/dev/tests/%))
	$(Q)tests/run.sh --label unit --bin build/dev/bin $(^:%=unit:%)

## check: everything that must hold: static and development build, unit tests, fuzz corpora, scenarios, boot
check: setup
	$(Q)$(MAKE) check-build
	$(Q)$(MAKE) check-run

check-build: all gpg peers $(UNIT:%=build/dev/tests/%) $(FUZZ:%=build/san/tests/replay_%)
# Limits only end what hangs: a slow machine has three times as long as the one they were set on.
check-run:
	$(Q)tests/run.sh --label check --slow 3 --bin build $(UNIT:%=unit:build/dev/tests/%) \
		$(FUZZ:%=fuzz:build/san/tests/replay_%) check:mk/check-binary.sh check:tests/policy/planted.sh $(E2E:%=e2e:%) $(BOOT:%=boot:%)

# What cannot run under sanitizers may skip there: make check has run it.
## check-san: unit tests, fuzz corpora and scenarios under address and undefined-behaviour sanitizers
check-san: setup
	$(Q)$(MAKE) check-san-run
check-san-run: $(UNIT:%=build/san/tests/%) $(FUZZ:%=build/san/tests/replay_%) san
	$(Q)tests/run.sh --label check-san --slow 4 --skips allowed --modes one --bin build/san/bin $(UNIT:%=unit:build/san/tests/%) \
		$(FUZZ:%=fuzz:build/san/tests/replay_%) $(E2E:%=e2e:%)

## fuzz: run the fuzzers SECONDS=60 each (FUZZ=name for one of them)
fuzz: $(FUZZ:%=build/fuzz/tests/fuzz_%)
	$(Q)mk/fuzz.sh $(SECONDS) $(FUZZ)

## fuzz-planted: show that each fuzzer finds an overflow planted in its parser, in SECONDS=60 at most
fuzz-planted:
	$(Q)tests/fuzz/planted.sh $(SECONDS) $(FUZZ)

## peers: ttrpc clients that are not ours, from Debian's packages (once, then kept)
peers: build/peers/built
build/peers/built: $(wildcard tests/peers/*.* tests/peers/rust/*.toml tests/peers/rust/src/*)
	$(call say,PEERS,$(@D))
	$(Q)if tests/peers/build.sh $(@D); then touch $@; else [ $$? -eq 77 ]; fi

## interop: with a current Go, let its ocicrypt and our programs work on each other's images, and record it
interop: all
	$(Q)CACAO_BIN_DIR=$(CURDIR)/build tests/interop/interop.sh

## bench: measure against the peers
bench: all
	$(Q)if [ -x tests/bench/bench.sh ]; then CACAO_BIN_DIR=$(CURDIR)/build tests/bench/bench.sh; \
	else echo 'bench: there is no tests/bench/bench.sh yet: nothing was measured'; exit 1; fi

## cover: line and branch coverage of unit tests, corpora and scenarios
cover: $(UNIT:%=build/cov/tests/%) $(FUZZ:%=build/cov/tests/replay_%) cov
	$(Q)mk/cover.sh $(UNIT:%=unit:build/cov/tests/%) $(FUZZ:%=fuzz:build/cov/tests/replay_%) $(E2E:%=e2e:%)

## install: copy the programs to DESTDIR and PREFIX (/usr/local)
install: all
	install -D -m 0755 build/attestation-agent $(DESTDIR)$(PREFIX)/bin/attestation-agent
	for name in $(NAMES); do ln -sfn attestation-agent $(DESTDIR)$(PREFIX)/bin/$$name || exit 1; done
	install -D -m 0644 docs/aa-cli.1 $(DESTDIR)$(PREFIX)/share/man/man1/aa-cli.1
	install -D -m 0644 docs/aa-keyprovider.1 $(DESTDIR)$(PREFIX)/share/man/man1/aa-keyprovider.1
	install -D -m 0644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/cacao/LICENSE
	install -D -m 0644 NOTICE $(DESTDIR)$(PREFIX)/share/doc/cacao/NOTICE
	install -d $(DESTDIR)$(PREFIX)/share/doc/cacao/licenses
	install -m 0644 $(DEPS)/licenses/* $(DESTDIR)$(PREFIX)/share/doc/cacao/licenses/

## clean: remove what was built, but not libraries and fetched sources
clean:
	$(Q)for entry in build/*; do case $$entry in build/deps|build/cache) ;; *) rm -rf "$$entry" ;; esac; done

## distclean: remove the folder build
distclean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

FORCE:
