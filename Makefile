# ownership: a PostgreSQL extension, built with PGXS.
#
# The targets below that first install what is missing must work on a machine
# that has nothing but make, so they do not include PGXS, which also has a "check"
# of its own that only fails.

EXTENSION = ownership
PG_CONFIG ?= pg_config
export PG_CONFIG

FRONT = help deps check coverage sanitize valgrind fuzz soak mutate strangers ha demo bench reference lint format deb dist packages-test

ifneq ($(filter $(FRONT),$(MAKECMDGOALS)),)

.PHONY: $(MAKECMDGOALS)
.NOTPARALLEL:

help:
	@echo 'make               build (PG_CONFIG=/path/to/pg_config chooses the server)'
	@echo 'make install       install into that server'
	@echo 'make check         install what is missing, build, run every test privately'
	@echo 'make installcheck  run the tests against the installed extension'
	@echo 'make coverage      which lines the tests reach, by gcov'
	@echo 'make sanitize      the regress tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make valgrind      tests of the path of rows under valgrind'
	@echo 'make demo          show it on real replication; KEEP=1 leaves the hub running,'
	@echo '                   ORDER="erp crm pim" is another order of the feeds'
	@echo 'make fuzz          random statements against a model; SECONDS=60 SEED=1 KIND=Round|Concurrent|Replicated'
	@echo 'make mutate        does "make fuzz" find mistakes that are put into the sources?'
	@echo 'make soak          writers, feeds, DDL, restarts and kills at once; SECONDS=600'
	@echo 'make strangers     the suites of PostgreSQL itself, beside the extension'
	@echo 'make ha            a hub of three Patroni nodes, whose leader is killed amid writers and feeds; KILLS=10'
	@echo 'make bench         measure it'
	@echo 'make reference     write doc/reference.md from the COMMENTs of the extension'
	@echo 'make lint          warnings as errors, floors of the sources, cppcheck, formatting'
	@echo 'make format        reformat src/ in place'
	@echo 'make deb           build Debian packages, for the installed servers, in tmp_deb'
	@echo 'make dist          make the distribution for PGXN, in tmp_dist'
	@echo 'make packages-test packages, Dockerfile and distribution, in fresh systems; SUITES="bookworm trixie testing"'
	@echo 'make deps          install what building and testing need (apt)'
	@echo 'make clean         remove what was built'

deps:
	@.ci/install-deps

check:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/check

coverage:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/coverage

sanitize:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/sanitize

valgrind:
	@.ci/install-deps valgrind
	@MAKE='$(MAKE)' .ci/valgrind

demo:
	@.ci/install-deps
	@MAKE='$(MAKE)' KEEP='$(KEEP)' ORDER='$(ORDER)' examples/demo.sh

bench:
	@.ci/install-deps bench
	@MAKE='$(MAKE)' bench/run.sh

reference:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/reference

fuzz:
	@.ci/install-deps
	@MAKE='$(MAKE)' SECONDS='$(SECONDS)' SEED='$(SEED)' KIND='$(KIND)' .ci/fuzz

mutate:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/mutate

soak:
	@.ci/install-deps
	@MAKE='$(MAKE)' SECONDS='$(SECONDS)' SEED='$(SEED)' .ci/soak

strangers:
	@.ci/install-deps
	@MAKE='$(MAKE)' .ci/strangers

ha:
	@.ci/install-deps ha
	@MAKE='$(MAKE)' KILLS='$(KILLS)' SEED='$(SEED)' FEED_COMMIT='$(FEED_COMMIT)' .ci/ha

lint:
	@.ci/install-deps lint
	@MAKE='$(MAKE)' .ci/lint

format:
	@.ci/install-deps lint
	@clang-format -i $$(find src -name '*.[ch]')

deb:
	@.ci/install-deps deb
	@.ci/deb

dist:
	@.ci/dist

packages-test:
	@.ci/packages $(SUITES)

# As in "make clean check".
$(filter-out $(FRONT),$(MAKECMDGOALS)):
	@$(MAKE) --no-print-directory $@

else

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error no PostgreSQL to build against: "$(PG_CONFIG) --pgxs" names no file. Run "make deps", or set PG_CONFIG)
endif

EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" ownership.control)

MODULE_big = ownership
SOURCES = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o)
PG_CPPFLAGS = -DOWNERSHIP_VERSION='"$(EXTVERSION)"'
# Callbacks have the parameters that PostgreSQL gives them, used or not.
PG_CFLAGS = -Wextra -Wno-unused-parameter

# The symbols that the library exports to others in the process: the functions of
# SQL, and what PostgreSQL itself looks for.
SHLIB_EXPORTS = exports.txt

# The page's stylesheet, as strings of C that are included beside it.
STYLE = src/pictures/page.css
STYLE_STRINGS = $(STYLE:page.css=page_style.inc)

# The install script is the concatenation of its parts, by number.
SQL_PARTS = $(sort $(wildcard src/install/*.sql))
DATA_built = ownership--$(EXTVERSION).sql
# The install scripts of released versions, and the update scripts.
DATA = $(sort $(wildcard src/install/versions/ownership--*.sql))

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst specs/%.spec,%,$(sort $(wildcard specs/*.spec)))
ISOLATION_OPTS = --load-extension=ownership
TAP_TESTS = 1

EXTRA_CLEAN = $(wildcard ownership--*.sql) $(STYLE_STRINGS) exports.txt .built-for tmp_check tmp_bench tmp_coverage tmp_reference tmp_tools tmp_valgrind tmp_deb tmp_dist tmp_packages tmp_ha

include $(PGXS)

# The directory is a prerequisite, too, because a part may be deleted.
$(DATA_built): $(SQL_PARTS) src/install ownership.control
	cat $(SQL_PARTS) > $@.tmp
	mv $@.tmp $@

exports.txt: $(SOURCES) Makefile
	{ echo _PG_init; echo Pg_magic_func; echo ownership_worker; \
	  sed -n -E 's/^PG_FUNCTION_INFO_V1\((\w+)\);$$/\1\npg_finfo_\1/p' $(SOURCES); } > $@.tmp
	mv $@.tmp $@

$(STYLE_STRINGS): $(STYLE)
	sed -e 's/^[[:blank:]]*//' -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@.tmp
	mv $@.tmp $@
$(STYLE:.css=.o) $(STYLE:.css=.bc): $(STYLE_STRINGS)

# PGXS tracks neither headers nor the server that an object was built for.
BUILT_FOR := $(shell $(PG_CONFIG) --version) $(shell $(PG_CONFIG) --includedir-server)
ifneq ($(BUILT_FOR),$(shell cat .built-for 2>/dev/null))
$(shell echo '$(BUILT_FOR)' > .built-for)
endif
$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h) .built-for

endif
