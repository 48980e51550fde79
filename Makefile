# Reverie. `make help` lists what there is to make.
# Folders speak for themselves: src/ROOM/*.c is the library, src/cli/*.c the tool,
# tests/test_*.c a test each, tests/double/test_*.c a test against the double-precision build,
# examples/*.c a program each that uses the public headers only.

CC       ?= cc
BUILD    ?= build
SANITIZE ?=
WERROR   ?=
PREFIX   ?= /usr/local
VERSION  := $(shell sed -n 's/^\#define RV_VERSION_STRING "\(.*\)"/\1/p' include/reverie/core.h)
# While the first number is 0, the second one may change what programs are linked against.
SONAME   := libreverie.so.$(if $(filter 0.%,$(VERSION)),$(basename $(VERSION)),$(firstword $(subst ., ,$(VERSION))))

PACKAGES := jansson libpcre2-8 libcurl libcrypto libpng zlib libutf8proc sqlite3
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wno-unknown-pragmas -Wno-missing-field-initializers $(if $(WERROR),-Werror)
# memcpy of no bytes from nowhere is harmless (and allowed by C2y): nonnull-attribute would complain.
# RV_ASSERT (src/base/assert.h) costs users nothing: it is on under sanitizers, in the double build and in fuzzers.
SANITIZED := -DRV_ASSERTIONS -fsanitize=$(SANITIZE) -fno-sanitize=nonnull-attribute -fno-sanitize-recover=all
OPTIMISE := $(if $(SANITIZE),-O1 -g1 -fno-omit-frame-pointer $(SANITIZED),-O2 -g)
KERNELS  := $(if $(SANITIZE),-O1,-O3) # at -O3 gcc takes minutes over sanitized kernels
CFLAGS   += -std=c11 -D_GNU_SOURCE $(OPTIMISE) $(WARNINGS) -fPIC -fvisibility=hidden -fopenmp -MMD -MP \
            -Iinclude -Isrc $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LDFLAGS  += $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -fopenmp
LIBS      = $(shell pkg-config --libs $(PACKAGES)) -lm -lpthread

LIBRARY_SOURCES := $(filter-out src/cli/%,$(wildcard src/*/*.c src/*/*/*.c))
ifeq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
LIBRARY_SOURCES := $(filter-out %_avx512.c %_avx512bf16.c %_avx2.c,$(LIBRARY_SOURCES))
endif
CLI_SOURCES     := $(wildcard src/cli/*.c)
TESTS           := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
DOUBLE_TESTS    := $(patsubst tests/double/%.c,%,$(wildcard tests/double/test_*.c))
REAL_TESTS      := $(patsubst tests/real/%.c,%,$(wildcard tests/real/test_*.c))
BENCHES         := $(patsubst bench/%.c,%,$(wildcard bench/bench_*.c))
FUZZERS         := $(patsubst fuzz/%.c,%,$(wildcard fuzz/fuzz_*.c))
REPLAYS         := $(FUZZERS:fuzz_%=replay_%)
EXAMPLES        := $(patsubst %.c,%,$(wildcard examples/*.c))

LIBRARY  := $(BUILD)/libreverie.a
DOUBLE   := $(BUILD)/libreverie-double.a
SHARED   := $(BUILD)/libreverie.so.$(VERSION)
TOOL     := $(BUILD)/reverie

objects   = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

.PHONY: all help dependencies test test-deep check check-real test-real test-page test-endpoint demo bench bench-known-truth bench-peers bench-dream bench-sentences bench-latent latent-page bench-explain train-autoencoder lint format install clean fuzz fuzzers
.DELETE_ON_ERROR:
.SECONDARY:

all: $(TOOL) $(SHARED) ## build the tool and the library (what `make` does)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

dependencies: ## install the Debian packages that are missing (root or sudo)
	@tools/install-dependencies

test: dependencies ## install what is missing, build, run every quick test
	@$(MAKE) --no-print-directory -j2 check

# ---- the library, twice: float for users, double for derivative checks --------------------
$(LIBRARY): $(call objects,float,$(LIBRARY_SOURCES))
	@rm -f $@; ar rcs $@ $^

$(DOUBLE): $(call objects,double,$(filter-out src/ops/cpu/%,$(LIBRARY_SOURCES)))
	@rm -f $@; ar rcs $@ $^

$(SHARED): $(call objects,float,$(LIBRARY_SOURCES))
	$(CC) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(LDFLAGS) $(LIBS)

$(TOOL): $(call objects,float,$(CLI_SOURCES)) $(LIBRARY)
	$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)

# Kernels name their instruction set in their file name; only they may use it.
$(BUILD)/float/src/ops/cpu/%_avx512.o: CFLAGS += $(KERNELS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mavx2
$(BUILD)/float/src/ops/cpu/%_avx512bf16.o: CFLAGS += $(KERNELS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma -mavx2
$(BUILD)/float/src/ops/cpu/%_avx2.o: CFLAGS += $(KERNELS) -mavx2 -mfma
$(BUILD)/float/src/ops/cpu/%_portable.o: CFLAGS += $(KERNELS) -ffp-contract=fast

$(foreach p,float double,$(BUILD)/$(p)/src/report/assets.o): $(addprefix src/report/,page.html page.css page.js plot.css)

$(BUILD)/float/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/double/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DRV_REAL_DOUBLE -DRV_ASSERTIONS -c -o $@ $<

# ---- tests -------------------------------------------------------------------------------------
$(BUILD)/tests/%: $(BUILD)/float/tests/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LIBS) -lcmocka

$(BUILD)/tests-double/%: $(BUILD)/double/tests/double/%.o $(DOUBLE)
	@mkdir -p $(@D)
	$(CC) -o $@ $< $(DOUBLE) $(LDFLAGS) $(LIBS) -lcmocka

# This test stands in for the allocator, whose names a sanitizer has taken.
WRAPPED := -Wl,--wrap=malloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=free
$(BUILD)/tests/test_checkpoint_memory: LDFLAGS += $(if $(SANITIZE),$(WRAPPED))

PROGRAMS := $(TESTS:%=$(BUILD)/tests/%) $(REPLAYS:%=$(BUILD)/tests/%) $(DOUBLE_TESTS:%=$(BUILD)/tests-double/%)

# The page wants a browser: that is `make test-page`. A sanitizer's allocator cannot be made to fail.
SCRIPTS := $(filter-out tests/test_page.py $(if $(SANITIZE),tests/test_memory.py),$(sort $(wildcard tests/test_*.sh tests/test_*.py)))

$(BUILD)/examples/%: $(BUILD)/float/examples/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LIBS)

check: $(PROGRAMS) $(TOOL) $(SHARED) $(BUILD)/tests/failing.so $(EXAMPLES:%=$(BUILD)/%) ## run the tests without installing anything
	@BUILD=$(BUILD) tests/run $(PROGRAMS) $(SCRIPTS)

$(BUILD)/tests/failing.so: tests/failing.c
	@mkdir -p $(@D)
	$(CC) -O1 -shared -fPIC -o $@ $<

test-deep: $(TOOL) $(BUILD)/tests/failing.so ## every command, an allocation of every call stack fails (3 minutes; NAMES="survey report")
	@BUILD=$(BUILD) tests/failing_allocations.py $(NAMES)

$(BUILD)/tests-real/%: $(BUILD)/float/tests/real/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LIBS) -lcmocka

check-real: $(REAL_TESTS:%=$(BUILD)/tests-real/%) $(TOOL) ## run the tests on real models, without installing anything
	@tools/get-model smollm2-135m >/dev/null
	@tools/get-model gemma3-270m >/dev/null
	@BUILD=$(BUILD) OMP_WAIT_POLICY=passive VERBOSE=1 tests/run $(filter-out $(TOOL),$^) $(sort $(wildcard tests/real/test_*.py))

test-real: dependencies ## fetch two real models (350 MB, once) and compare with outside judges
	@$(MAKE) --no-print-directory -j2 check-real

test-page: ## the report page in a real browser (installs Chromium, about 300 MB)
	@tools/install-dependencies chromium
	@$(MAKE) --no-print-directory $(TOOL)
	@BUILD=$(BUILD) tests/run tests/test_page.py

test-endpoint: $(TOOL) ## explain through a real server (needs llama-cpp-python[server]; RECORD=1 keeps its answers)
	@BUILD=$(BUILD) $(or $(PYTHON),python3) tests/endpoint.py record $(MODEL); code=$$?; [ $$code = 77 ] || exit $$code

# ---- benchmarks ------------------------------------------------------------------------------
$(BUILD)/bench/%: $(BUILD)/float/bench/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LIBS)

RATES := bench_ops bench_model
bench: $(RATES:%=$(BUILD)/bench/%) $(TOOL) ## measure: rates beside this machine's measured peak
	@for b in $(RATES:%=$(BUILD)/bench/%); do $$b || exit 1; done
	@BUILD=$(BUILD) bench/bench_work.py

bench-known-truth: $(BUILD)/bench/bench_known_truth ## how often each method finds a phrase that is known (4 minutes)
	@$<

PEER_MODEL = $(or $(MODEL),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/reverie/models/smollm2-135m.gguf)
bench-peers: $(TOOL) $(BUILD)/bench/bench_model ## the published search and a corpus scan in PyTorch, llama.cpp's forward pass, beside ours: make bench-peers CORPUS=a.txt [PYTHON=...]
	@$(or $(PYTHON),python3) bench/peers/published_epo.py $(PEER_MODEL) \
	    $(or $(TARGET),L20.N131) --corpus $(or $(firstword $(CORPUS)),$(error CORPUS=FILE: a text for the scale of the neuron))
	@$(or $(PYTHON),python3) bench/peers/corpus_scan.py $(PEER_MODEL) --corpus $(firstword $(CORPUS))
	@$(or $(PYTHON),python3) bench/peers/llama_forward.py $(PEER_MODEL)

bench-dream: $(TOOL) ## the dreaming table: make bench-dream CORPUS="a.txt b.txt" [PLAN=first]; resumes
	@bench/bench_dream.py --plan $(or $(PLAN),first) $(CORPUS:%=--corpus %)

bench-sentences: $(TOOL) ## sentences of thirty neurons, judged by link-grammar: make bench-sentences CORPUS="texts.txt ..."
	@tools/install-dependencies link-grammar link-grammar-dictionaries-en
	@bench/bench_sentences.py $(foreach f,$(CORPUS),--corpus $(f))

bench-latent: $(TOOL) ## latent dreams beside naive ones and the default: make bench-latent CORPUS="a.txt b.txt" [BUDGET=60000] [INNER=DIR]; resumes
	@bench/bench_latent.py $(CORPUS:%=--corpus %) $(if $(BUDGET),--budget $(BUDGET)) $(if $(INNER),--inner $(INNER))

latent-page: $(TOOL) ## the runs of that table as one page to look at: make latent-page CORPUS="wikitext.txt" [NEURONS=30] [OUT=page.html]; 90 minutes, resumes
	@bench/bench_latent.py $(CORPUS:%=--corpus %) --budget 6000 --tokens 20000 --neurons $(or $(NEURONS),30) --threads 1 \
	    --methods naive,latent,reverie --page $(or $(OUT),$(BUILD)/latent-dreams.html)

train-autoencoder: $(TOOL) ## a sentence autoencoder as the shipped one: make train-autoencoder CORPUS="a.txt b.txt" [OUT=DIR] [SITE=...]; resumes
	$(TOOL) autoencoder train $(or $(MODEL),smollm2-135m) $(CORPUS:%=--corpus %) $(if $(SITE),--site $(SITE)) -o $(or $(OUT),$(BUILD)/autoencoder)

bench-explain: $(TOOL) ## do dreams help explanations: make bench-explain CORPUS="a.txt"; resumes
	@bench/bench_explain.py $(CORPUS:%=--corpus %)

# ---- the demo ----------------------------------------------------------------------------------
demo: dependencies ## one real neuron: naive gibberish, its dream, the page demo/dream.html (3 minutes)
	@$(MAKE) --no-print-directory -j2 $(TOOL)
	@TOOL=$(TOOL) tools/demo

# ---- fuzzing -----------------------------------------------------------------------------------
# fuzz/fuzz_X.c has a LLVMFuzzerTestOneInput, tests/fixtures/fuzz/X/ its corpus. Every test run
# replays the corpus; `make fuzz` looks for more (needs clang with libFuzzer).
$(BUILD)/tests/replay_%: $(BUILD)/float/fuzz/fuzz_%.o $(BUILD)/float/tests/fuzz_replay.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)

FUZZ_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_SECONDS := 60

$(BUILD)/clang/%.o: %.c
	@mkdir -p $(@D)
	clang $(filter-out -fopenmp -O2 -g,$(CFLAGS)) -g1 -O1 -DRV_REAL_DOUBLE -DRV_ASSERTIONS -fsanitize=fuzzer-no-link $(FUZZ_FLAGS) -c -o $@ $<

$(BUILD)/clang/libreverie.a: $(call objects,clang,$(filter-out src/ops/cpu/%,$(LIBRARY_SOURCES)))
	@rm -f $@; ar rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/clang/fuzz/%.o $(BUILD)/clang/libreverie.a
	@mkdir -p $(@D)
	clang -o $@ $^ -fsanitize=fuzzer $(FUZZ_FLAGS) $(LIBS)

fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/%) # build the fuzz targets only

fuzz: fuzzers ## fuzz each target for FUZZ_SECONDS=60; new inputs go to build/corpus/X
	@for x in $(FUZZERS:fuzz_%=%); do mkdir -p $(BUILD)/corpus/$$x; \
	    $(BUILD)/fuzz/fuzz_$$x -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -malloc_limit_mb=256 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/corpus/$$x tests/fixtures/fuzz/$$x || exit 1; done

# ---- style -----------------------------------------------------------------------------------
SOURCES_ALL := $(wildcard src/*/*.[ch] src/*/*/*.[ch] tests/*.[ch] tests/double/*.[ch] tests/real/*.[ch] bench/*.[ch] fuzz/*.[ch] examples/*.c include/reverie/*.h)

lint: ## formatting, include law, style rules
	@clang-format --dry-run -Werror $(SOURCES_ALL)
	@tests/test_include_law.sh

format: ## rewrite the sources in the project's style
	@clang-format -i $(SOURCES_ALL)

install: all ## install the tool, library, headers, man page, completion and documentation under PREFIX
	install -D -m 755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/reverie
	install -D -m 755 $(SHARED) $(DESTDIR)$(PREFIX)/lib/libreverie.so.$(VERSION)
	ln -sf libreverie.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf libreverie.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libreverie.so
	install -D -m 644 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/libreverie.a
	install -d $(DESTDIR)$(PREFIX)/include/reverie
	install -m 644 include/reverie/*.h $(DESTDIR)$(PREFIX)/include/reverie
	@for set in $(notdir $(patsubst %/,%,$(wildcard assets/images/*/))); do \
	    install -d $(DESTDIR)$(PREFIX)/share/reverie/images/$$set && \
	    install -m 644 assets/images/$$set/* $(DESTDIR)$(PREFIX)/share/reverie/images/$$set || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/reverie/autoencoders
	install -m 644 assets/autoencoders/* $(DESTDIR)$(PREFIX)/share/reverie/autoencoders
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(TOOL) --man > $(DESTDIR)$(PREFIX)/share/man/man1/reverie.1
	$(TOOL) --completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/reverie
	install -d $(DESTDIR)$(PREFIX)/share/doc/reverie/examples
	install -m 644 README.md CHANGELOG.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/reverie
	install -m 644 examples/*.c $(DESTDIR)$(PREFIX)/share/doc/reverie/examples
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' tools/reverie.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/reverie.pc

clean: ## remove everything that was built
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
