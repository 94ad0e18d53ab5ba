# SPDX-License-Identifier: GPL-2.0-or-later
B ?= build
CFLAGS ?= -O2 -g
LEGACY ?= yes
PACKAGES = libmnl libnftnl zlib libxxhash jansson $(if $(filter yes,$(LEGACY)),libiptc)
WARNINGS = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wwrite-strings
override CPPFLAGS += -D_GNU_SOURCE -Isrc $(shell pkg-config --cflags $(PACKAGES)) \
	$(if $(filter yes,$(LEGACY)),-DHAVE_LEGACY)
override CFLAGS += -std=c17 $(WARNINGS) $(if $(WERROR),-Werror)
LDLIBS = $(shell pkg-config --libs $(PACKAGES))

SOURCES := $(wildcard src/*.c src/engine/*.c)
ifneq ($(LEGACY),yes)
SOURCES := $(filter-out src/engine/xtables%.c,$(SOURCES))
endif
OBJECTS = $(SOURCES:%.c=$(B)/%.o)
TESTS = $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c tests/engine/test_*.c))

all: $(B)/fwsnap
$(B)/libfwsnap.a: $(filter-out %/main.o,$(OBJECTS))
	@rm -f $@
	$(AR) rcs $@ $^
$(B)/fwsnap: $(B)/src/main.o $(B)/libfwsnap.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/tests/%: $(B)/tests/%.o $(B)/libfwsnap.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(OBJECTS:.o=.d)
.PHONY: all
.SECONDARY:
