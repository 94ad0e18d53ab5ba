# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            builds build/fwsnap: no network, no root
# make check      unit tests, without root
# make test       installs what is missing (Debian, root), runs all tests; last line: the sum
# make test-boot  of these those that boot systems; test-all: the deeper ones, and all under the sanitizers
# make leaks      the figures of packets leaked and lost, beside those of the stock programs
# make demo       a session with changes, one of them bad, loss and restore, in a namespace of its own
# make lint bench install uninstall clean
#
# CC CFLAGS CPPFLAGS LDFLAGS PREFIX sysconfdir DESTDIR as usual; V=1 shows the commands,
# WERROR=1 stops at warnings, ASAN=1 builds with the sanitizers, LEGACY=no without libiptc:
# no legacy iptables.

PREFIX ?= /usr/local
sbindir ?= $(PREFIX)/sbin
mandir ?= $(PREFIX)/share/man
sysconfdir ?= /etc
unitdir ?= $(PREFIX)/lib/systemd/system
# Nothing is switched on by installing: what goes to /etc on the systems that use it is kept here.
datadir ?= $(PREFIX)/share/fwsnap
initdir ?= $(datadir)/sysvinit
openrcdir ?= $(datadir)/openrc
dropindir ?= $(datadir)/systemd
hookdir ?= $(datadir)/if-pre-up.d
nmdir ?= $(datadir)/NetworkManager
networkddir ?= $(datadir)/networkd-dispatcher
completiondir ?= $(PREFIX)/share/bash-completion/completions
# Copies to read of what is compiled in.
descriptiondir ?= $(PREFIX)/share/doc/fwsnap/foreign.d

VERSION = 0.1
CFLAGS ?= -O2 -g
LEGACY ?= yes
CORPUS ?= ../shared/corpus
B := build$(if $(ASAN),-asan)$(if $(filter no,$(LEGACY)),-nolegacy)

# Debian's packages: to build, to run, to test, to lint.
BUILD_PACKAGES = gcc libc6-dev make pkg-config libmnl-dev libnftnl-dev zlib1g-dev libxxhash-dev \
	libjansson-dev libiptc-dev
RUN_PACKAGES = iptables nftables ipset iproute2
TEST_PACKAGES = libcmocka-dev valgrind strace jq ufw firewalld dbus ferm python3 mmdebstrap \
	systemd-container
DEEP_PACKAGES = qemu-system-x86 e2fsprogs
LINT_PACKAGES = mandoc shellcheck cppcheck clang clang-tidy universal-ctags

LIBRARIES = libmnl libnftnl zlib libxxhash jansson $(if $(filter-out no,$(LEGACY)),libiptc)
WARNINGS = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wno-format-nonliteral \
	-Wwrite-strings $(if $(WERROR),-Werror)
HARDENING_WANTED = -fstack-protector-strong -fstack-clash-protection -fcf-protection
FORTIFY = $(if $(filter -O1 -O2 -O3 -Os -Og,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

COMMON = -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Isrc -DFWSNAP_VERSION='"$(VERSION)"' \
	-DSYSCONFDIR='"$(sysconfdir)"' $(if $(filter-out no,$(LEGACY)),-DHAVE_LEGACY) \
	$(LIBRARY_CFLAGS) $(WARNINGS) $(HARDENING) -fPIE $(if $(ASAN),$(SANITIZE))
COMPILE = $(CC) $(CPPFLAGS) $(COMMON) $(if $(ASAN),,$(FORTIFY)) $(CFLAGS) -MMD -MP -c
# Without fortify: tests wrap read and write, not __read_chk.
COMPILE_TEST = $(CC) $(CPPFLAGS) $(COMMON) -Itests -DFAULT_POINTS $(CFLAGS) -U_FORTIFY_SOURCE -MMD -MP -c
LINK = $(CC) $(CFLAGS) $(if $(ASAN),$(SANITIZE)) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SOURCES := $(wildcard src/*.c src/engine/*.c)
ifeq ($(LEGACY),no)
SOURCES := $(filter-out src/engine/xtables%.c,$(SOURCES))
endif
OBJECTS := $(SOURCES:%.c=$(B)/%.o) $(B)/src/foreign_shipped.o
FOREIGN := $(wildcard src/foreign.d/*)
HELPERS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/*.c) \
	$(filter-out tests/engine/test_% tests/leaks/test_%,$(wildcard tests/engine/*.c tests/leaks/*.c)))
UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
ENGINE := $(patsubst %.c,$(B)/%,$(wildcard tests/engine/test_*.c tests/corpus/test_*.c tests/leaks/test_*.c))
BOOT := $(filter-out %lib.sh,$(wildcard tests/boot/*.sh))
DEEP := $(filter-out %lib.sh,$(wildcard tests/boot/deep/*.sh))
SCRIPTS := $(filter-out %lib.sh,$(wildcard tests/cli/*.sh tests/neighbours/*.sh tests/corpus/*.sh)) $(BOOT)

Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $@")

all: $(if $(wildcard src/main.c),$(B)/fwsnap,$(OBJECTS))

# What this machine has, and a comment of what was asked for: all objects depend on it.
# It changes only when its content does. Before all else, test and the like install packages.
ifneq ($(filter-out clean uninstall,$(or $(MAKECMDGOALS),all)),)
include $(B)/config.mk
endif
goal = $(filter $(1),$(MAKECMDGOALS))
TESTING = leaks test test-boot test-deep test-all packages
INSTALL_FIRST = $(if $(call goal,demo bench $(TESTING)),$(BUILD_PACKAGES) $(RUN_PACKAGES)) \
	$(if $(call goal,$(TESTING)),$(TEST_PACKAGES)) $(if $(call goal,packages),$(LINT_PACKAGES)) \
	$(if $(call goal,test-deep test-all),$(DEEP_PACKAGES))
$(B)/config.mk: FORCE
	@set -e; mkdir -p $(@D); \
	$(if $(strip $(INSTALL_FIRST)),tests/install-packages $(INSTALL_FIRST);) \
	if ! pkg-config --exists --print-errors $(LIBRARIES); then \
		echo "fwsnap needs these libraries; on Debian: apt-get install $(strip $(BUILD_PACKAGES))"; \
		exit 1; \
	fi >&2; \
	{ echo '# $(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(WERROR) $(VERSION) $(sysconfdir))'; \
	echo "LIBRARY_CFLAGS = $$(pkg-config --cflags $(LIBRARIES))"; \
	echo "LIBRARY_LIBS = $$(pkg-config --libs $(LIBRARIES))"; \
	echo "HARDENING =$$(for flag in $(HARDENING_WANTED); do \
		! $(CC) -Werror $$flag -E -x c /dev/null >/dev/null 2>&1 || printf ' %s' $$flag; done)"; \
	} >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(B)/fwsnap: $(OBJECTS)
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(LIBRARY_LIBS)
$(B)/src/%.o: src/%.c $(B)/config.mk Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@ $<

# The descriptions of other programs' rules are data in the program.
$(B)/foreign_shipped.c: $(FOREIGN) src/foreign.d Makefile
	$(Q)mkdir -p $(@D) && { printf '#include "foreign_shipped.h"\nconst struct foreign_shipped foreign_shipped[] = {\n'; \
	for file in $(FOREIGN); do \
		printf '{"%s",\n' "$${file##*/}"; sed 's/["\\]/\\&/g; s/.*/"&\\n"/' "$$file"; echo '},'; \
	done; printf '{0, 0},\n};\n'; } >$@.new && mv $@.new $@
$(B)/src/foreign_shipped.o: $(B)/foreign_shipped.c
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@ $<

# Test builds: fault points compiled in, objects of their own.
$(B)/tests/src/%.o: src/%.c $(B)/config.mk Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(COMPILE_TEST) -o $@ $<
$(B)/tests/%.o: tests/%.c $(B)/config.mk Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(COMPILE_TEST) -o $@ $<
$(B)/tests/libfwsnap.a: $(filter-out %/src/main.o,$(SOURCES:%.c=$(B)/tests/%.o)) $(B)/src/foreign_shipped.o $(HELPERS)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(B)/tests/fwsnap: $(B)/tests/src/main.o $(B)/tests/libfwsnap.a
	$(call say,LINK)
	$(Q)$(LINK) -o $@ $^ $(LIBRARY_LIBS)
# "/* wrap: write fsync */" in a test's source: the linker sends these calls to __wrap_write ...
wraps = $(addprefix -Wl$(comma)--wrap=,$(shell sed -n 's|^/\* wrap: \(.*\) \*/$$|\1|p' $(1)))
comma = ,
$(UNIT) $(ENGINE): $(B)/%: $(B)/%.o $(B)/tests/libfwsnap.a
	$(call say,LINK)
	$(Q)$(LINK) $(call wraps,$*.c) -o $@ $^ $(LIBRARY_LIBS) -lcmocka
# What the boot tests lay over a Debian.
$(B)/tests/installed: FORCE all
	@rm -rf $@ && $(MAKE) -s --no-print-directory install DESTDIR=$(abspath $@) PREFIX=/usr >/dev/null
$(B)/tests/bench/measure $(B)/tests/cli/terminal: $(B)/%: %.c $(B)/config.mk
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(COMPILE) -o $@.o $< && $(LINK) -o $@ $@.o

check: $(UNIT)
	@tests/run $(UNIT)
PROGRAMS = $(B)/fwsnap $(B)/tests/fwsnap $(B)/tests/cli/terminal $(B)/tests/installed
RUN_TESTS = FWSNAP='$(abspath $(B)/fwsnap)' FWSNAP_FAULTY='$(abspath $(B)/tests/fwsnap)' \
	TERMINAL='$(abspath $(B)/tests/cli/terminal)' FWSNAP_INSTALLED='$(abspath $(B)/tests/installed)' \
	CORPUS='$(abspath $(CORPUS))' tests/run
test: $(UNIT) $(ENGINE) $(PROGRAMS)
	@$(RUN_TESTS) $(UNIT) $(if $(ASAN),,$(UNIT:%=valgrind:%)) $(ENGINE) $(SCRIPTS)
test-boot: $(PROGRAMS)
	@$(RUN_TESTS) $(BOOT)
test-deep: $(PROGRAMS)
	@$(RUN_TESTS) $(DEEP)
test-all: test test-deep
	@$(MAKE) --no-print-directory test ASAN=1
leaks: $(B)/tests/leaks/test_leaks
	@CMOCKA_MESSAGE_OUTPUT=TAP $< --figures
demo: all
	@tests/demo $(abspath $(B)/fwsnap)
bench: all $(B)/tests/bench/measure
	@tests/bench/run $(abspath $(B))
lint: all
	@tests/lint/run $(CPPFLAGS) $(COMMON)
packages: # installed by config.mk

install: all
	install -D -m 755 $(B)/fwsnap $(DESTDIR)$(sbindir)/fwsnap
	install -D -m 644 src/man/fwsnap.8 $(DESTDIR)$(mandir)/man8/fwsnap.8
	install -D -m 644 src/man/fwsnap.conf.5 $(DESTDIR)$(mandir)/man5/fwsnap.conf.5
	install -D -m 644 src/man/fwsnap-snapshot.5 $(DESTDIR)$(mandir)/man5/fwsnap-snapshot.5
	sed 's|/usr/local/share/doc/fwsnap/foreign.d|$(descriptiondir)|' src/man/fwsnap-foreign.5 >$(B)/fwsnap-foreign.5
	install -D -m 644 $(B)/fwsnap-foreign.5 $(DESTDIR)$(mandir)/man5/fwsnap-foreign.5
	install -d $(DESTDIR)$(descriptiondir)
	install -m 644 $(FOREIGN) $(DESTDIR)$(descriptiondir)
	install -D -m 644 src/completions/fwsnap.bash $(DESTDIR)$(completiondir)/fwsnap
	install -D -m 755 hooks/if-pre-up.d/fwsnap $(DESTDIR)$(hookdir)/fwsnap
	install -D -m 755 hooks/NetworkManager/fwsnap $(DESTDIR)$(nmdir)/fwsnap
	install -D -m 755 hooks/networkd-dispatcher/fwsnap $(DESTDIR)$(networkddir)/fwsnap
	sed 's|/usr/sbin/fwsnap|$(sbindir)/fwsnap|' initscripts/fwsnap.service >$(B)/fwsnap.service
	install -D -m 644 $(B)/fwsnap.service $(DESTDIR)$(unitdir)/fwsnap.service
	sed 's|/usr/sbin/fwsnap|$(sbindir)/fwsnap|' initscripts/fwsnap-firewalld.service >$(B)/fwsnap-firewalld.service
	install -D -m 644 $(B)/fwsnap-firewalld.service $(DESTDIR)$(unitdir)/fwsnap-firewalld.service
	install -D -m 644 initscripts/fwsnap-required.conf $(DESTDIR)$(dropindir)/fwsnap-required.conf
	install -D -m 755 initscripts/fwsnap.sysvinit $(DESTDIR)$(initdir)/fwsnap
	install -D -m 755 initscripts/fwsnap.openrc $(DESTDIR)$(openrcdir)/fwsnap
	test -e $(DESTDIR)$(sysconfdir)/fwsnap/fwsnap.conf || \
		install -D -m 644 src/fwsnap.conf $(DESTDIR)$(sysconfdir)/fwsnap/fwsnap.conf
uninstall:
	rm -f $(DESTDIR)$(sbindir)/fwsnap $(DESTDIR)$(mandir)/man8/fwsnap.8 \
		$(DESTDIR)$(mandir)/man5/fwsnap.conf.5 $(DESTDIR)$(mandir)/man5/fwsnap-snapshot.5 \
		$(DESTDIR)$(mandir)/man5/fwsnap-foreign.5 $(addprefix $(DESTDIR)$(descriptiondir)/,$(notdir $(FOREIGN))) \
		$(DESTDIR)$(completiondir)/fwsnap $(DESTDIR)$(hookdir)/fwsnap $(DESTDIR)$(nmdir)/fwsnap \
		$(DESTDIR)$(networkddir)/fwsnap $(DESTDIR)$(unitdir)/fwsnap.service \
		$(DESTDIR)$(unitdir)/fwsnap-firewalld.service \
		$(DESTDIR)$(dropindir)/fwsnap-required.conf $(DESTDIR)$(initdir)/fwsnap $(DESTDIR)$(openrcdir)/fwsnap
clean:
	rm -rf build build-asan build-nolegacy build-asan-nolegacy

.PHONY: all check test test-boot test-deep test-all demo leaks bench lint packages install uninstall clean FORCE
.SECONDARY:
-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
