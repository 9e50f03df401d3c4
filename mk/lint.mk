# make lint: 0 findings. Every check leaves a stamp in build/lint per file and is done again only when the
# file, a header it includes, or the rules have changed.

LINT_C := $(SRCS) $(wildcard tests/*/*.c)
LINT_H := $(HDRS) $(wildcard tests/*/*.h)
LINT_SH := $(sort $(wildcard *.sh mk/*.sh tests/*.sh tests/*/*.sh initrd/*.sh initrd/*/*.sh) .ci/run)
LINT_MAN := $(sort $(wildcard docs/*.[1-8]))
LINT_TEXT := $(LINT_C) $(LINT_H)
LINT_FLAGS = -std=gnu17 $(WARN) -Werror -I. -Ibuild/gen/pb -Ibuild/dev/gen $(DYN_CFLAGS) -DCACAO_VERSION='"lint"' \
	-DCACAO_SOURCE_DATE=0

LINT_STAMPS := $(foreach c,gcc clang tidy cppcheck,$(LINT_C:%=build/lint/%.$(c))) $(LINT_H:%=build/lint/%.alone) \
	$(LINT_SH:%=build/lint/%.shellcheck) $(LINT_TEXT:%=build/lint/%.text) $(LINT_MAN:%=build/lint/%.mandoc)

## lint: gcc, clang, clang-tidy, cppcheck, shellcheck, mandoc, floor rule, banned names, sizes, headers alone
lint: $(LINT_STAMPS)
	@echo 'lint: $(words $(LINT_C)) sources, $(words $(LINT_H)) headers, $(words $(LINT_SH)) scripts, $(words $(LINT_MAN)) manual pages: 0 findings'

build/lint/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(LINT_FLAGS) $(HARDEN)' >$@.new
	@$(call update,$@)

# gcc runs all of its passes, for the warnings that need them, and notes the headers for the other tools.
build/lint/%.gcc: % build/lint/flags | build/dev/gen/versions.h $(PB_HDRS)
	@mkdir -p $(@D)
	$(call say,GCC,$<)
	$(Q)gcc $(LINT_FLAGS) $(HARDEN) -O2 -D_FORTIFY_SOURCE=3 -MMD -MP -MF build/lint/$*.d \
		$(foreach c,gcc clang tidy cppcheck,-MT build/lint/$*.$(c)) -c -o /dev/null $<
	@touch $@

build/lint/%.clang: % build/lint/flags | build/dev/gen/versions.h $(PB_HDRS)
	@mkdir -p $(@D)
	$(call say,CLANG,$<)
	$(Q)clang $(LINT_FLAGS) $(HARDEN) -O1 -c -o /dev/null $<
	@touch $@

build/lint/%.tidy: % build/lint/flags .clang-tidy mk/analyze.h | build/dev/gen/versions.h $(PB_HDRS)
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(LINT_FLAGS) $(if $(filter lib/err.c,$<),,-include mk/analyze.h) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

build/lint/%.cppcheck: % build/lint/flags mk/cppcheck.suppress mk/analyze.h
	@mkdir -p $(@D)
	$(call say,CPPCHK,$<)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=mk/cppcheck.suppress --error-exitcode=1 --template=gcc \
		-D__x86_64__ -D__linux__ -I. $(if $(filter lib/err.c,$<),,--include=mk/analyze.h) $<
	@touch $@

build/lint/%.alone: % build/lint/flags | build/dev/gen/versions.h $(PB_HDRS)
	@mkdir -p $(@D)
	$(call say,ALONE,$<)
	$(Q)echo '#include "$<"' | gcc $(LINT_FLAGS) -fsyntax-only -MMD -MP -MF build/lint/$*.d -MT $@ -x c -
	@touch $@

build/lint/%.shellcheck: %
	@mkdir -p $(@D)
	$(call say,SHCHK,$<)
	$(Q)shellcheck -x -S warning $<
	@touch $@

# Of style nothing: which other manuals there are, is the machine's affair.
build/lint/%.mandoc: %
	@mkdir -p $(@D)
	$(call say,MANDOC,$<)
	$(Q)mandoc -Tlint -Wwarning $<
	@touch $@

build/lint/%.text: % mk/lint-text.sh
	@mkdir -p $(@D)
	$(Q)mk/lint-text.sh '$(FLOORS)' $<
	@touch $@

-include $(LINT_C:%=build/lint/%.d) $(LINT_H:%=build/lint/%.d)
