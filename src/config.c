/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "file.h"
#include "keyvalue.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define FILE_LIMIT (64U << 10)
#define NUMBER_LIMIT 100000

struct key;
/* Puts value into c; NULL, or what is wrong with it. */
typedef const char *set_function(struct config *c, const struct key *k, const char *value);

static set_function set_layout, set_text, set_folder, set_number, set_word, set_yes, set_last_resort, set_ports;

/* layout comes first: the rows of the single paths then change what it set. */
static const struct key {
	const char *name;
	set_function *set;
	const char *value; /* the default; NULL: left as it is */
	size_t offset;
} keys[] = {
	{"layout", set_layout, "up.rules", 0},
	{"ipset", set_text, NULL, offsetof(struct config, texts[0])},
	{"iptables", set_text, NULL, offsetof(struct config, texts[1])},
	{"ip6tables", set_text, NULL, offsetof(struct config, texts[2])},
	{"nftables", set_text, NULL, offsetof(struct config, texts[3])},
	{"store", set_folder, "/var/lib/fwsnap", offsetof(struct config, store)},
	{"keep", set_number, "50", offsetof(struct config, keep)},
	{"keep_automatic", set_number, "10", offsetof(struct config, keep_automatic)},
	{"lock_wait", set_number, "10", offsetof(struct config, lock_wait)},
	{"foreign", set_word, "auto", offsetof(struct config, foreign)},
	{"last_resort", set_last_resort, "lockdown", offsetof(struct config, lockdown_last)},
	{"lockdown_ports", set_ports, "ssh", offsetof(struct config, lockdown_ports)},
	{"save_on_stop", set_yes, "no", offsetof(struct config, save_on_stop)},
	{"ifupdown_block", set_yes, "yes", offsetof(struct config, ifupdown_block)},
};

static const struct layout {
	const char *name, *texts[4];
} layouts[] = {
	{"up.rules", {"/etc/ipset.up.rules", "/etc/iptables.up.rules", "/etc/ip6tables.up.rules",
		      "/etc/nftables.up.rules"}},
	{"debian", {"/etc/iptables/ipsets", "/etc/iptables/rules.v4", "/etc/iptables/rules.v6",
		    "/etc/nftables.up.rules"}},
	{"redhat", {"/etc/sysconfig/ipset", "/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables",
		    "/etc/nftables.up.rules"}},
};

/* What the file says about each key. */
struct given {
	const char *value;
	unsigned line;
};

static void replace(char **field, const char *value)
{
	free(*field);
	*field = value ? str_dup(value) : NULL;
}

static const char *set_layout(struct config *c, const struct key *k, const char *value)
{
	(void)k;
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		if (strcmp(layouts[i].name, value))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(c->texts); j++)
			replace(&c->texts[j], layouts[i].texts[j]);
		return NULL;
	}
	return "is not up.rules, debian or redhat";
}

static const char *path_fault(const char *path)
{
	size_t n = strlen(path);

	if (path[0] != '/')
		return "is not an absolute path";
	if (path[n - 1] == '/')
		return "ends with a slash";
	if (n >= PATH_MAX / 2)
		return "is too long";
	if (strstr(path, "/../") || (n >= 3 && !strcmp(path + n - 3, "/..")))
		return "has a part '..'";
	return NULL;
}

static const char *set_folder(struct config *c, const struct key *k, const char *value)
{
	const char *fault = path_fault(value);

	if (!fault)
		replace((char **)((char *)c + k->offset), value);
	return fault;
}

static const char *set_text(struct config *c, const struct key *k, const char *value)
{
	if (strcmp(value, "none"))
		return set_folder(c, k, value);
	replace((char **)((char *)c + k->offset), NULL);
	return NULL;
}

static const char *set_word(struct config *c, const struct key *k, const char *value)
{
	if (!*value)
		return "is empty";
	replace((char **)((char *)c + k->offset), value);
	return NULL;
}

static const char *set_number(struct config *c, const struct key *k, const char *value)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)value[0]))
		return "is not a number";
	n = strtoul(value, &end, 10);
	if (*end)
		return "is not a number";
	if (n > NUMBER_LIMIT)
		return "is above 100000";
	*(unsigned *)((char *)c + k->offset) = (unsigned)n;
	return NULL;
}

/* Which of two words it is. */
static bool choose_word(struct config *c, const struct key *k, const char *value, const char *yes,
		     const char *no)
{
	*(bool *)((char *)c + k->offset) = !strcmp(value, yes);
	return !strcmp(value, yes) || !strcmp(value, no);
}

static const char *set_yes(struct config *c, const struct key *k, const char *value)
{
	return choose_word(c, k, value, "yes", "no") ? NULL : "is not yes or no";
}

static const char *set_last_resort(struct config *c, const struct key *k, const char *value)
{
	return choose_word(c, k, value, "lockdown", "none") ? NULL : "is not lockdown or none";
}

/* "22", "51820/udp" */
static bool is_port(const char *s, size_t n)
{
	char *end;
	unsigned long port = strtoul(s, &end, 10);
	size_t rest = n - (size_t)(end - s);

	return isdigit((unsigned char)*s) && port && port <= 65535 &&
	       (!rest || (rest == 4 && (!strncmp(end, "/tcp", 4) || !strncmp(end, "/udp", 4))));
}

static const char *set_ports(struct config *c, const struct key *k, const char *value)
{
	static const char separators[] = ", \t";

	for (const char *s = value + strspn(value, separators); *s; s += strspn(s, separators)) {
		size_t n = strcspn(s, separators);

		if ((n != 3 || strncmp(s, "ssh", n)) && (n != 4 || strncmp(s, "none", n)) &&
		    !is_port(s, n))
			return "has something that is not ssh, none, PORT, PORT/tcp or PORT/udp";
		s += n;
	}
	replace((char **)((char *)c + k->offset), value);
	return NULL;
}

/* The file while it is read. */
struct reading {
	struct given *given;
	const char *path;
};

static int take_line(void *arg, const char *name, char *value, unsigned line)
{
	const struct reading *r = arg;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name))
			continue;
		if (r->given[i].value) {
			log_error("%s:%u: key '%s' was given in line %u already", r->path, line, name,
				  r->given[i].line);
			return -EINVAL;
		}
		r->given[i] = (struct given){value, line};
		return 0;
	}
	log_error("%s:%u: unknown key '%s'", r->path, line, name);
	return -EINVAL;
}

static int apply(struct config *c, const struct given *given, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = given[i].value ? given[i].value : keys[i].value;
		const char *fault = value ? keys[i].set(c, &keys[i], value) : NULL;

		if (fault) {
			log_error("%s:%u: value '%s' of '%s' %s", path, given[i].line, value,
				  keys[i].name, fault);
			return -EINVAL;
		}
	}
	return 0;
}

/* Two texts at one path would overwrite each other at every save. */
static int refuse_twins(const struct config *c, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->texts); i++)
		for (size_t j = 0; j < i; j++)
			if (c->texts[i] && c->texts[j] && !strcmp(c->texts[i], c->texts[j])) {
				log_error("%s: '%s' is the path of two texts", path, c->texts[i]);
				return -EINVAL;
			}
	return 0;
}

int config_read(struct config *c, const char *path, bool required)
{
	struct given given[ARRAY_SIZE(keys)] = {0};
	cleanup_buf struct buf content = BUF_INIT;
	int r;

	*c = (struct config){0};
	r = file_read(path, FILE_LIMIT, &content);
	if (r && (r != -ENOENT || required))
		return log_errno(r, "cannot read '%s'", path);
	r = keyvalue_each(&content, path, take_line, &(struct reading){given, path});
	if (!r)
		r = apply(c, given, path);
	if (!r)
		r = refuse_twins(c, path);
	if (r)
		config_release(c);
	return r;
}

void config_release(struct config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->texts); i++)
		free(c->texts[i]);
	free(c->store);
	free(c->foreign);
	free(c->lockdown_ports);
	*c = (struct config){0};
}
