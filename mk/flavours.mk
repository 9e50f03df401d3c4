# One rule set for every flavour: build/FLAVOUR/obj, libcacao.a, tests and bin.
#   static  the product: musl, static PIE        dev   what a developer runs: glibc, fortified
#   san     address and undefined sanitizers     cov   gcov          fuzz  libFuzzer (clang)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion \
	-Wvla -Wformat=2 -Wswitch-enum
HARDEN := -fno-common -fstack-protector-strong -fstack-clash-protection -fcf-protection
# clang 14 wants another switch for zero; the fuzzing build does without.
ZERO := -ftrivial-auto-var-init=zero
COMMON := -std=gnu17 $(WARN) $(HARDEN) -I. -Ibuild/gen/pb -ffile-prefix-map=$(CURDIR)=.
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# --- messages: C from the .proto files, for all flavours
PROTOS := $(wildcard $(FLOORS:%=%/*.proto))
PB_SRCS := $(PROTOS:%.proto=build/gen/pb/%.pb-c.c)
PB_HDRS := $(PB_SRCS:.c=.h)

build/gen/pb/%.pb-c.c build/gen/pb/%.pb-c.h: %.proto
	@mkdir -p build/gen/pb
	$(call say,PROTO,$<)
	$(Q)protoc-c --c_out=build/gen/pb $<

# --- dynamic flavours: Debian's libraries, asked for once and only when needed
PKGS := libcurl libssl libcrypto json-c libarchive libseccomp libisal zlib libzstd libcares libnghttp2 libprotobuf-c gpgme yaml-0.1
pkg = $(or $(shell pkg-config $(1) $(PKGS)),$(error the -dev packages are missing: run make setup))
DYN_CFLAGS = $(eval DYN_CFLAGS := $$(call pkg,--cflags))$(DYN_CFLAGS)
DYN_LIBS = $(eval DYN_LIBS := $$(call pkg,--libs))$(DYN_LIBS)
DYN_LINK = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack

CC_dev := gcc
CFLAGS_dev = $(COMMON) $(ZERO) -O2 -g -D_FORTIFY_SOURCE=3 -fPIE -pthread $(DYN_CFLAGS)
LINK_dev = $(DYN_LINK)

CC_san := gcc
CFLAGS_san = $(COMMON) $(ZERO) -O1 -g $(SAN) -fPIE -pthread $(DYN_CFLAGS)
LINK_san = $(DYN_LINK) $(SAN)

CC_cov := gcc
CFLAGS_cov = $(COMMON) $(ZERO) -O0 -g --coverage -fprofile-update=atomic -fPIE -pthread $(DYN_CFLAGS)
LINK_cov = $(DYN_LINK) --coverage

CC_fuzz := clang
CFLAGS_fuzz = $(COMMON) -O1 -g $(SAN) -fsanitize=fuzzer-no-link -fPIE -pthread $(DYN_CFLAGS)
LINK_fuzz = $(DYN_LINK) $(SAN)

# --- static: musl and the libraries of build/deps/current
DEPS := build/deps/current
CC_static := musl-gcc
CFLAGS_static = $(COMMON) $(ZERO) -Os -g -DNDEBUG -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-ffunction-sections -fdata-sections -fPIE \
	-isystem $(DEPS)/include -idirafter $(DEPS)/kernel
LIBS_static := -lcurl -lnghttp2 -lssl -lcrypto -lcares -ljson-c -larchive -lz -lzstd -lseccomp -lisal -lprotobuf-c -lyaml \
	-lgpgme -lassuan -lgpg-error -lpthread
# Files where speed counts more than size.
HOT := $(shell sed 's/\#.*//' mk/hot)

# $(call flavour,NAME)
define flavour
OBJS_$(1) := $$(patsubst %.c,build/$(1)/obj/%.o,$$(filter-out agent/main.c,$$(SRCS))) \
	$$(PB_SRCS:build/gen/pb/%.c=build/$(1)/obj/pb/%.o)
LIB_$(1) := build/$(1)/libcacao.a

# The flags of the last build: everything is compiled again when they change.
build/$(1)/gen/flags: FORCE $$(if $$(filter static,$(1)),deps)
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(CC_$(1)) $$(CFLAGS_$(1)) $$(HOT)' "$$$$($$(CC_$(1)) --version | head -n 1)" \
		"$$(if $$(filter static,$(1)),$$$$(readlink $$(DEPS)))" >$$@.new
	@$$(call update,$$@)

build/$(1)/gen/versions.h: FORCE $$(if $$(filter static,$(1)),deps)
	@mkdir -p $$(@D)
	@mk/versions.sh $(1) >$$@.new
	@$$(call update,$$@)

# What protoc-c writes is not ours to warn about.
build/$(1)/obj/pb/%.o: build/gen/pb/%.c build/gen/pb/%.h build/$(1)/gen/flags
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC_$(1)) $$(CFLAGS_$(1)) -w -c -o $$@ $$<

build/$(1)/obj/%.o: %.c build/$(1)/gen/flags | build/$(1)/gen/versions.h $$(PB_HDRS)
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$$(CC_$(1)) $$(CFLAGS_$(1)) $$(if $$(filter static,$(1)),$$(if $$(filter $$<,$$(HOT)),-O2)) \
		-Ibuild/$(1)/gen $$(DEFS) -MMD -MP -c -o $$@ $$<

# The version goes to one file only, so that a commit does not compile everything again.
build/$(1)/obj/lib/version.o build/$(1)/obj/agent/version.o: build/gen/version
build/$(1)/obj/lib/version.o build/$(1)/obj/agent/version.o: \
	DEFS = -DCACAO_VERSION='"$$(VERSION)"' -DCACAO_SOURCE_DATE=$$$$(cut -d' ' -f2 build/gen/version)

build/$(1)/gen/objs: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' $$(OBJS_$(1)) >$$@.new
	@$$(call update,$$@)

$$(LIB_$(1)): $$(OBJS_$(1)) build/$(1)/gen/objs
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcD $$@ $$(OBJS_$(1))

$$(NAMES:%=build/$(1)/bin/%):
	@mkdir -p $$(@D)
	$$(Q)ln -sfn attestation-agent $$@

-include $$(OBJS_$(1):.o=.d) build/$(1)/obj/agent/main.d
-include $$(wildcard build/$(1)/obj/tests/*/*.d)
endef

# $(call dynamic,NAME): programs and tests linked the ordinary way
define dynamic
build/$(1)/bin/attestation-agent: build/$(1)/obj/agent/main.o \
		$$(if $$(filter san,$(1)),build/$(1)/obj/tests/san/options.o) $$(LIB_$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) -o $$@ $$^ -Wl,--as-needed $$(DYN_LIBS)

build/$(1)/tests/test_%: build/$(1)/obj/tests/unit/test_%.o $$(TEST_LIB:%.c=build/$(1)/obj/%.o) $$(LIB_$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) -o $$@ $$^ -Wl,--as-needed $$(DYN_LIBS)

build/$(1)/tests/replay_%: build/$(1)/obj/tests/fuzz/fuzz_%.o build/$(1)/obj/tests/fuzz/replay.o $$(LIB_$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) -o $$@ $$^ -Wl,--as-needed $$(DYN_LIBS)

build/$(1)/tests/fuzz_%: build/$(1)/obj/tests/fuzz/fuzz_%.o $$(LIB_$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) -fsanitize=fuzzer -o $$@ $$^ -Wl,--as-needed $$(DYN_LIBS)
endef

# The programs of a flavour with all names: make dev, make san, make cov, make static
.PHONY: static dev san cov
$(foreach f,static dev san cov,$(eval $(f): build/$(f)/bin/attestation-agent $(NAMES:%=build/$(f)/bin/%)))

$(foreach f,static dev san cov fuzz,$(eval $(call flavour,$(f))))
$(foreach f,dev san cov fuzz,$(eval $(call dynamic,$(f))))
.SECONDARY:

build/gen/version: FORCE
	@mkdir -p $(@D)
	@mk/source-date.sh '$(VERSION)' >$@.new
	@$(call update,$@)

# A static PIE, spelled out: `musl-gcc -static-pie` would silently make a dynamic program with an
# interpreter. mk/check-binary.sh proves that it is none.
build/static/attestation-agent.debug: build/static/obj/agent/main.o $(LIB_static) mk/link-static.sh
	$(call say,LD,$@)
	$(Q)mk/link-static.sh $@ $(DEPS)/lib build/static/obj/agent/main.o $(LIB_static) $(LIBS_static)

build/attestation-agent: build/static/attestation-agent.debug
	$(call say,STRIP,$@)
	$(Q)strip -s -R .comment -o $@.new $< && mv -f $@.new $@

build/static/bin/attestation-agent: build/attestation-agent
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../attestation-agent $@
