/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lockdown.h"

#include "file.h"

#include <ctype.h>
#include <glob.h>
#include <string.h>

#define FOLDER "/etc/ssh"
#define FILE_LIMIT (1U << 20)
/* As deep as sshd goes. */
#define DEPTH 16
#define DEFAULT_PORT 22

/* What sshd_config(5) says. */
struct sshd {
	const char *root;
	uint16_t *ports;          /* those of Port, then those of ListenAddress */
	size_t n;
	bool address, bare;       /* there is a ListenAddress, one without a port */
	size_t named;             /* how many of the ports are Port's */
	unsigned depth;
	bool matched;             /* what follows holds for some connections only */
};

static void add_port(struct sshd *s, const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (port && port <= 65535 && !*end && s->n < LOCKDOWN_WAYS)
		s->ports[s->n++] = (uint16_t)port;
}

/* host, host:port, IPv6 address, [address]:port */
static void add_address(struct sshd *s, const char *text)
{
	const char *bracket = strchr(text, ']'), *colon = strchr(bracket ? bracket : text, ':');

	s->address = true;
	if (!colon || (!bracket && strchr(colon + 1, ':')))
		s->bare = true;
	else
		add_port(s, colon + 1);
}

static void read_file(struct sshd *s, const char *path, bool addresses);

static void include(struct sshd *s, char *patterns, bool addresses)
{
	for (char *rest = patterns, *word; (word = strsep(&rest, " \t"));) {
		cleanup_free char *pattern =
			str_printf("%s%s%s", s->root, *word == '/' ? "" : FOLDER "/", word);
		glob_t found;

		if (!*word || glob(pattern, 0, NULL, &found))
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_file(s, found.gl_pathv[i], addresses);
		globfree(&found);
	}
}

/* "Keyword value", "Keyword=value", either quoted. */
static void read_line(struct sshd *s, char *line, bool addresses)
{
	char *keyword = line + strspn(line, " \t"), *value = keyword + strcspn(keyword, " \t=");

	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t=");
	for (char *c = value; *c; c++)
		if (*c == '"' || (*c == '#' && isspace((unsigned char)c[-1])))
			*c = *c == '"' ? ' ' : '\0';
	value += strspn(value, " \t");
	for (size_t n = strlen(value); n && isspace((unsigned char)value[n - 1]);)
		value[--n] = '\0';
	if (!strcasecmp(keyword, "Match"))
		s->matched = true;
	else if (!strcasecmp(keyword, "Include"))
		include(s, value, addresses);
	else if (!addresses && !strcasecmp(keyword, "Port"))
		add_port(s, value);
	else if (addresses && !strcasecmp(keyword, "ListenAddress"))
		add_address(s, value);
}

static void read_file(struct sshd *s, const char *path, bool addresses)
{
	cleanup_buf struct buf text = BUF_INIT;
	bool matched = s->matched;

	if (s->depth == DEPTH || file_read(path, FILE_LIMIT, &text))
		return;
	s->depth++;
	for (char *rest = buf_str(&text), *line; !s->matched && (line = strsep(&rest, "\n"));)
		read_line(s, line, addresses);
	s->depth--;
	/* a Match ends with its file */
	s->matched = matched;
}

size_t sshd_ports(const char *root, uint16_t ports[static LOCKDOWN_WAYS])
{
	cleanup_free char *path = str_printf("%s" FOLDER "/sshd_config", root);
	struct sshd s = {.root = root, .ports = ports};

	read_file(&s, path, false);
	if (!s.n)
		ports[s.n++] = DEFAULT_PORT;
	s.named = s.n;
	read_file(&s, path, true);
	if (!s.address || s.bare)
		return s.n;
	/* each address has a port of its own: Port is not used */
	memmove(ports, ports + s.named, (s.n - s.named) * sizeof(*ports));
	return s.n - s.named;
}
