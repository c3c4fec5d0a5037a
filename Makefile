# The build and everything around it. Try `make demo`, then `make check`.
#
# BUILD names the directory of one variant; the sanitizers, clang and coverage have their own, so switching rebuilds
# nothing. WERROR= accepts warnings, for compilers that know more of them than ours. V=1 shows the commands.

SHELL := /bin/bash
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla
WERROR ?= -Werror
OPTIMIZE ?= -O2 -g
# The product is optimised across files when it is linked: a tenth of its instructions per transaction. The objects
# carry ordinary code too, so that the many test programs link quickly.
ifeq ($(findstring gcc,$(CC))$(SANITIZE),gcc)
LTO := -flto=auto -ffat-lto-objects
endif
PACKAGES := libuv libpq openssl libcares

# Asked when first used and then kept: pkg-config may not be there yet when this file is read.
PACKAGE_CFLAGS = $(eval PACKAGE_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES)))$(PACKAGE_CFLAGS)
PACKAGE_LIBS = $(eval PACKAGE_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PACKAGE_LIBS)

# PostgreSQL's own headers, for the one file that reads its parse trees; scripts/deps unpacks them.
PG_HEADERS := build/pg-headers/server
ALL_CFLAGS = -std=gnu11 $(OPTIMIZE) $(LTO) $(WARNINGS) $(WERROR) $(SANITIZE) -pthread -D_GNU_SOURCE -Iinclude -Isrc \
	-MMD -MP $(PACKAGE_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(SANITIZE) -pthread $(LDFLAGS)
ALL_LIBS = $(if $(wildcard src/sql/*.c),-Wl$(comma)--exclude-libs$(comma)ALL -l:libpg_query.a) \
	$(PACKAGE_LIBS) -linih -lm -lrt $(LIBS)
comma := ,

LIB_SOURCES := $(filter-out src/main/main.c,$(sort $(wildcard src/*/*.c)))
TEST_HELPERS := $(filter-out test/lib/net_memory.c,$(wildcard test/lib/*.c))
TESTS := $(sort $(wildcard test/unit/test_*.c))
FUZZERS := $(sort $(wildcard test/fuzz/fuzz_*.c))

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB_OBJECTS := $(call objects,$(LIB_SOURCES))
TEST_PROGRAMS := $(TESTS:%.c=$(BUILD)/%)
FUZZ_PROGRAMS := $(FUZZERS:%.c=$(BUILD)/%)

# Tests of the joining modules run on the second implementation of net: streams in memory, a virtual clock.
MEMORY_TESTS := $(filter $(BUILD)/test/unit/test_net_memory% $(BUILD)/test/unit/test_worker_%,$(TEST_PROGRAMS))
MEMORY_OBJECTS := $(filter-out $(BUILD)/obj/src/net/%,$(LIB_OBJECTS)) $(BUILD)/obj/test/lib/net_memory.o

.PHONY: all deps check check-long lint unit-tests integration demo bench asan tsan sanitized fuzz coverage install \
	clean compile
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/pgpooler

Q := $(if $(V),,@)

# ---- what is built ---------------------------------------------------------------------------------------------

$(BUILD)/pgpooler: $(BUILD)/obj/src/main/main.o $(BUILD)/libpgpooler.a
	@echo "  link  $@"
	$(Q)$(CC) $(OPTIMIZE) $(LTO) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/libpgpooler.a: $(LIB_OBJECTS)
$(BUILD)/libmemory.a: $(MEMORY_OBJECTS)
$(BUILD)/libhelpers.a: $(call objects,$(TEST_HELPERS))

# Replaced as a whole: a source file that is gone must not live on in the archive.
$(BUILD)/%.a:
	@mkdir -p $(@D) && rm -f $@
	@echo "  ar    $@"
	$(Q)$(if $(LTO),gcc-ar,ar) rcs $@ $^

$(MEMORY_TESTS): $(BUILD)/libmemory.a
$(filter-out $(MEMORY_TESTS),$(TEST_PROGRAMS)): $(BUILD)/libpgpooler.a

$(TEST_PROGRAMS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libhelpers.a
	@mkdir -p $(@D) && echo "  link  $@"
	$(Q)$(CC) $(if $(LTO),-fno-lto) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libhelpers.a $(filter-out %helpers.a,$(filter %.a,$^)) \
		-lcheck -lsubunit $(ALL_LIBS)

$(FUZZ_PROGRAMS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/libpgpooler.a
	@mkdir -p $(@D) && echo "  link  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LIBS)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D) && echo "  cc    $@"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/obj/test/%.o: ALL_CFLAGS += -Itest/lib
$(BUILD)/obj/src/sql/parse_tree.o: ALL_CFLAGS += -isystem $(PG_HEADERS)

# Everything compiled, nothing linked: what a second compiler is asked for.
compile: $(LIB_OBJECTS) $(call objects,$(wildcard src/main/main.c) $(TEST_HELPERS) $(wildcard test/lib/net_memory.c) \
	$(TESTS) $(FUZZERS))
	@:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- what people type ------------------------------------------------------------------------------------------
# Each of these works as the only command on a fresh machine, so it sees to the packages first and builds in a make
# of its own, which may then ask pkg-config.

SUB_MAKE = $(MAKE) --no-print-directory -Otarget $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

deps:
	@scripts/deps

check: deps
	+@$(SUB_MAKE) all $(TEST_PROGRAMS)
	@scripts/run-units $(TEST_PROGRAMS)
	+@$(MAKE) --no-print-directory lint
	@PGPOOLER_BIN=$(BUILD)/pgpooler scripts/integration

# The same with larger counts: make check-long SCALE=20
check-long: SCALE ?= 10
check-long:
	+@PGPOOLER_SCALE=$(SCALE) $(MAKE) --no-print-directory check

unit-tests:
	+@$(SUB_MAKE) $(TEST_PROGRAMS)
	@scripts/run-units $(TEST_PROGRAMS)

# make integration TESTS_ONLY="test/integration/test_x.py -k name"
integration: deps
	+@$(SUB_MAKE) all
	@PGPOOLER_BIN=$(BUILD)/pgpooler scripts/integration $(TESTS_ONLY)

lint: deps
	@scripts/check-layers
	@clang-format-14 --dry-run -Werror $$(find src include test -name '*.[ch]')
	@echo "lint: format is clean"
	+@$(SUB_MAKE) compile
	+@$(SUB_MAKE) BUILD=build/clang CC=clang-14 compile
	@echo "lint: no warnings from gcc or clang"

demo: deps
	+@$(SUB_MAKE) all
	@PGPOOLER_BIN=$(BUILD)/pgpooler scripts/demo

# make bench BENCH="--instructions --seconds 5"
bench: deps
	+@$(SUB_MAKE) all
	@PGPOOLER_BIN=$(BUILD)/pgpooler scripts/unprivileged test/bench/run $(BENCH)

asan: deps
	+@$(MAKE) --no-print-directory sanitized BUILD=build/asan OPTIMIZE="-O1 -g -fno-omit-frame-pointer" \
		SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"

# Without randomised addresses: the runtime of gcc 12 cannot place its shadow on kernels that randomise more bits.
tsan: deps
	+@PGPOOLER_WRAPPER="setarch $$(uname -m) -R" $(MAKE) --no-print-directory sanitized BUILD=build/tsan \
		OPTIMIZE="-O1 -g" SANITIZE="-fsanitize=thread"

sanitized:
	+@$(SUB_MAKE) all $(TEST_PROGRAMS)
	@scripts/run-units $(TEST_PROGRAMS)
	@PGPOOLER_BIN=$(BUILD)/pgpooler scripts/integration -m sanitize

# make fuzz FUZZ_SECONDS=3600; corpora are in test/fuzz/corpus/<name>, findings stay in build/fuzz.
FUZZ_SECONDS ?= 10
fuzz: deps
	+@$(SUB_MAKE) BUILD=build/fuzz CC=clang-14 SANITIZE="-fsanitize=fuzzer-no-link,address,undefined" fuzz-programs
	@scripts/run-fuzzers $(FUZZ_SECONDS) $(FUZZERS:%.c=build/fuzz/%)

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS)

# Lines that the unit tests run, per file.
coverage: deps
	+@$(SUB_MAKE) BUILD=build/coverage OPTIMIZE="-O0 -g" SANITIZE=--coverage unit-tests
	@scripts/coverage build/coverage

install: all
	install -D -m 755 $(BUILD)/pgpooler $(DESTDIR)$(PREFIX)/bin/pgpooler
	for page in $(wildcard man/*.1); do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/}; done
	for page in $(wildcard man/*.5); do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man5/$${page##*/}; done
	for file in $(wildcard etc/*); do \
		install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/doc/pgpooler/examples/$${file##*/}; done

# The unpacked headers and nothing else survive: they came over the network.
clean:
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name pg-headers -exec rm -rf {} +
