/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frontend_steps.h"

#include "log.h"

#include <errno.h>
#include <string.h>

/* Arguments of one call. */
#define AT_ONCE 100

/* Keys of `firewall-cmd --list-all-zones` and `--list-all-policies`, and what makes them. */
static const struct key {
	const char *key, *option;
	bool flag; /* "yes" or "no" */
} keys[] = {
	{"services", "service", false},
	{"ports", "port", false},
	{"protocols", "protocol", false},
	{"source-ports", "source-port", false},
	{"forward-ports", "forward-port", false},
	{"icmp-blocks", "icmp-block", false},
	{"rich rules", "rich-rule", false},
	{"interfaces", "interface", false},
	{"sources", "source", false},
	{"ingress-zones", "ingress-zone", false},
	{"egress-zones", "egress-zone", false},
	{"masquerade", "masquerade", true},
	{"forward", "forward", true},
	{"icmp-block-inversion", "icmp-block-inversion", true},
};

/* What is said of zones and policies: arguments that would make it so, and what only a reload makes so. */
struct listing {
	struct strlist arguments, fixed;
	const char *scope;  /* "zone", "policy" */
	char *head;         /* "--zone=public" */
	const struct key *key; /* of the lines at hand */
};

static void listing_release(struct listing *l)
{
	strlist_release(&l->arguments);
	strlist_release(&l->fixed);
	free(l->head);
}

static void add_value(struct listing *l, const char *value)
{
	cleanup_free char *argument = l->key->flag ? str_printf("%s --add-%s", l->head, l->key->option)
						   : str_printf("%s --add-%s=%s", l->head, l->key->option, value);

	if (!l->key->flag || !strcmp(value, "yes"))
		strlist_add(&l->arguments, argument);
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].key, name))
			return &keys[i];
	return NULL;
}

/* "  ports: 25/tcp 587/tcp" */
static void take_key(struct listing *l, char *line)
{
	char *values = strchr(line, ':'), *save;
	cleanup_free char *fixed = str_printf("%s has %s", l->head, line);

	if (!values)
		return;
	*values++ = '\0';
	l->key = find_key(line);
	if (!l->key) {
		strlist_add(&l->fixed, fixed);
		return;
	}
	for (char *v = strtok_r(values, " ", &save); v; v = strtok_r(NULL, " ", &save))
		add_value(l, v);
}

static void take_line(struct listing *l, char *line)
{
	if (*line == '\t') {
		if (l->head && l->key && line[1])
			add_value(l, line + 1);
	} else if (*line == ' ') {
		if (l->head)
			take_key(l, line + strspn(line, " "));
	} else if (*line) {
		cleanup_free char *fixed = NULL;

		line[strcspn(line, " ")] = '\0';
		free(l->head);
		l->head = str_printf("--%s=%s", l->scope, line);
		l->key = NULL;
		fixed = str_printf("%s is there", l->head);
		strlist_add(&l->fixed, fixed);
	}
}

static int list(const char *program, bool permanent, const char *scope, const char *what, struct listing *l)
{
	cleanup_free char *command =
		str_printf("%s%s --list-all-%s", program, permanent ? " --permanent" : "", what);
	cleanup_buf struct buf out = BUF_INIT;
	/* firewalld before 0.9 has no policies */
	int r = frontend_run(command, FRONTEND_QUERY, true, &out);

	l->scope = scope;
	for (char *rest = buf_str(&out), *line; !r && (line = strsep(&rest, "\n"));)
		take_line(l, line);
	return r == -ETIMEDOUT || *scope == 'z' ? r : 0;
}

static int list_all(const char *program, bool permanent, struct listing *l)
{
	int r = list(program, permanent, "zone", "zones", l);

	if (!r)
		r = list(program, permanent, "policy", "policies", l);
	strlist_sort(&l->arguments);
	strlist_sort(&l->fixed);
	return r;
}

/* "--zone=public --add-port=25/tcp" the other way round. Caller frees. */
static char *inverse(const char *argument)
{
	const char *option = strchr(argument, ' ');
	bool add = option && !strncmp(option, " --add-", 7);

	if (!option || (!add && strncmp(option, " --remove-", 10)))
		return NULL;
	return str_printf("%.*s %s%s", (int)(option - argument), argument, add ? "--remove-" : "--add-",
			  option + (add ? 7 : 10));
}

/* Adds what is in a and not in b, both sorted, as it is or inverted. */
static void subtract(const struct strlist *a, const struct strlist *b, bool invert, struct strlist *out)
{
	for (size_t i = 0, k = 0; i < a->n; i++) {
		cleanup_free char *other = invert ? inverse(a->s[i]) : NULL;

		while (k < b->n && strcmp(b->s[k], a->s[i]) < 0)
			k++;
		if ((k == b->n || strcmp(b->s[k], a->s[i])) && (other || !invert))
			strlist_add(out, invert ? other : a->s[i]);
	}
}

/* Rules that were given as they are: they are somewhere in the kernel, and in no listing of zones. */
int frontend_runtime_direct(const char *program, struct frontend_state *s)
{
	static const char *const kinds[] = {"chains", "rules", "passthroughs"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !r; i++) {
		cleanup_free char *now = str_printf("%s --direct --get-all-%s", program, kinds[i]);
		cleanup_free char *permanent =
			str_printf("%s --permanent --direct --get-all-%s", program, kinds[i]);
		cleanup_free char *what = str_printf("direct %s at run time that are not permanent", kinds[i]);
		cleanup_buf struct buf is = BUF_INIT, was = BUF_INIT;

		r = frontend_run(now, FRONTEND_QUERY, false, &is);
		if (!r && (is.len > 1 || frontend_file_find(s, "/etc/firewalld/direct.xml")))
			r = frontend_run(permanent, FRONTEND_QUERY, false, &was);
		if (!r && (is.len > 1 || was.len > 1) && strcmp(buf_str(&is), buf_str(&was)))
			strlist_add(&s->unkept, what);
	}
	return r;
}

int frontend_runtime_look(const char *program, struct frontend_state *s)
{
	struct listing now = {.head = NULL}, permanent = {.head = NULL};
	int r = list_all(program, false, &now);

	if (!r)
		r = list_all(program, true, &permanent);
	if (!r) {
		subtract(&now.arguments, &permanent.arguments, false, &s->runtime);
		subtract(&permanent.arguments, &now.arguments, true, &s->runtime);
		strlist_sort(&s->runtime);
		subtract(&now.fixed, &permanent.fixed, false, &s->unkept);
	}
	listing_release(&now);
	listing_release(&permanent);
	return r;
}

/* The length of "--zone=public --add-port=": calls with the same can be one. */
static size_t common(const char *argument)
{
	return strcspn(argument, "=") + 1 + strcspn(argument + strcspn(argument, "=") + 1, "=");
}

/* One call for those from the first on that can be told at once; *n: how many they are. */
static int tell(const char *program, char *const *arguments, size_t left, size_t *n)
{
	const char *argv[AT_ONCE + 3] = {program};
	char *option = strchr(arguments[0], ' ');
	cleanup_free char *scope = str_printf("%.*s", (int)strcspn(arguments[0], " "), arguments[0]);
	size_t same = common(arguments[0]);

	*n = 1;
	if (!option || (strncmp(scope, "--zone=", 7) && strncmp(scope, "--policy=", 9))) {
		log_error("'%s' is not what %s can be told", arguments[0], program);
		return -EINVAL;
	}
	argv[1] = scope;
	argv[2] = option + 1;
	for (; *n < left && *n < AT_ONCE && !strncmp(arguments[*n], arguments[0], same + 1); ++*n)
		argv[2 + *n] = strchr(arguments[*n], ' ') + 1;
	return frontend_run_argv(argv, FRONTEND_QUERY, false, NULL);
}

/* What is taken away first makes room: an interface is in one zone only. */
int frontend_runtime_put(const char *program, const struct strlist *now, const struct strlist *want)
{
	cleanup_strlist struct strlist away = {NULL, 0}, calls = {NULL, 0};
	int failed = 0;

	subtract(now, want, true, &away);
	subtract(want, now, false, &away);
	for (int adding = 0; adding < 2; adding++)
		for (size_t i = 0; i < away.n; i++)
			if (adding == !strstr(away.s[i], " --remove-"))
				strlist_add(&calls, away.s[i]);
	for (size_t i = 0, n; i < calls.n; i += n) {
		int r = tell(program, calls.s + i, calls.n - i, &n);

		failed = r < 0 ? r : failed;
	}
	return failed;
}
