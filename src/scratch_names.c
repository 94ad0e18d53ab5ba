/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The C library asks the name service cache daemon first, by a socket on a path, which no packet
 * filter sees: here the answers are those of the namespace that made the scratch. Protocol version
 * 2, as glibc's nscd speaks it.
 */
#include "scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_FOLDER "/run/nscd"
#define SOCKET_PATH SOCKET_FOLDER "/socket"
#define VERSION 2
#define NAME_LIMIT 1024
/* Seconds; whoever asks gives up after 5 and would wait for name servers that are out of reach. */
#define ANSWER_TIME 4

enum { GETHOSTBYNAME = 4, GETHOSTBYNAMEv6, GETHOSTBYADDR, GETHOSTBYADDRv6, GETAI = 14 };

struct request {
	int32_t version, type, length;
};

struct host_answer {
	int32_t version, found, name_length, naliases, family, length, naddresses, error;
};

struct addresses_answer {
	int32_t version, found, naddresses, length, canonical_length, error;
};

int scratch_resolver_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((mkdir(SOCKET_FOLDER, 0755) && errno != EEXIST) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(SOCKET_PATH, 0666) ||
	    listen(fd, SOMAXCONN)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static const void *address_of(const struct addrinfo *a, size_t *size)
{
	if (a->ai_family == AF_INET) {
		*size = sizeof(struct in_addr);
		return &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr;
	}
	*size = sizeof(struct in6_addr);
	return &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr;
}

static int32_t host_error(int error)
{
	return error == EAI_NONAME || error == EAI_NODATA ? HOST_NOT_FOUND : TRY_AGAIN;
}

/* "NAME: ADDRESS, ADDRESS" in one write: others append to the file, too. */
static void note_lookup(int lookups, const char *name, const struct addrinfo *found)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (!found || !strcmp(name, "localhost"))
		return;
	buf_printf(&line, "%s:", name);
	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		char text[INET6_ADDRSTRLEN];
		size_t size;

		if (inet_ntop(a->ai_family, address_of(a, &size), text, sizeof(text)))
			buf_printf(&line, "%s %s", a == found ? "" : ",", text);
	}
	buf_add_str(&line, "\n");
	(void)!write(lookups, line.data, line.len);
}

static void put_addresses(struct buf *out, const struct addrinfo *found)
{
	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		size_t size;
		const void *address = address_of(a, &size);

		buf_add(out, address, size);
	}
}

/* What one name has of each family, in the form of GETAI or of GETHOSTBYNAME. */
static void put_all(struct buf *out, const struct addrinfo *found, int error)
{
	cleanup_buf struct buf addresses = BUF_INIT;
	struct addresses_answer answer = {.version = VERSION, .found = found != NULL};

	put_addresses(&addresses, found);
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		answer.naddresses++;
	answer.length = (int32_t)addresses.len;
	answer.error = found ? NETDB_SUCCESS : host_error(error);
	buf_add(out, &answer, sizeof(answer));
	buf_add(out, addresses.data, addresses.len);
	for (const struct addrinfo *a = found; a; a = a->ai_next) {
		uint8_t family = (uint8_t)a->ai_family;

		buf_add(out, &family, 1);
	}
}

static void put_host(struct buf *out, const char *name, int family, const struct addrinfo *found,
		     int error)
{
	struct host_answer answer = {.version = VERSION, .found = found != NULL, .family = family};

	answer.length = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	answer.name_length = found ? (int32_t)strlen(name) + 1 : 0;
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		answer.naddresses++;
	answer.error = found ? NETDB_SUCCESS : host_error(error);
	buf_add(out, &answer, sizeof(answer));
	buf_add(out, name, (size_t)answer.name_length);
	put_addresses(out, found);
}

static void put_answer(struct buf *out, int type, const char *name, const struct addrinfo *found,
		       int error)
{
	if (type == GETAI)
		put_all(out, found, error);
	else
		put_host(out, name, type == GETHOSTBYNAME ? AF_INET : AF_INET6, found, error);
}

/* What is sent if the name servers take too long. */
static struct {
	int socket;
	struct buf answer;
} late;

static void answer_late(int signal)
{
	(void)signal;
	(void)!write(late.socket, late.answer.data, late.answer.len);
	_exit(0);
}

static void arm_late(int socket, int type)
{
	late.socket = socket;
	put_answer(&late.answer, type, "", NULL, EAI_AGAIN);
	signal(SIGALRM, answer_late);
	alarm(ANSWER_TIME);
}

static void answer_name(int socket, int lookups, int type, const char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	cleanup_buf struct buf answer = BUF_INIT;
	int error;

	hints.ai_family = type == GETAI ? AF_UNSPEC : type == GETHOSTBYNAME ? AF_INET : AF_INET6;
	arm_late(socket, type);
	error = getaddrinfo(name, NULL, &hints, &found);
	alarm(0);
	if (error)
		found = NULL;
	put_answer(&answer, type, name, found, error);
	note_lookup(lookups, name, found);
	(void)!write(socket, answer.data, answer.len);
	if (found)
		freeaddrinfo(found);
}

/* What is not answered is looked up by whoever asks, in local files. */
static int serve(void *arg)
{
	const struct resolver *r = arg;
	const struct timeval limit = {.tv_sec = 1};
	struct request request;
	char name[NAME_LIMIT];
	cleanup_buf struct buf nothing = BUF_INIT;

	setsockopt(r->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (recv(r->socket, &request, sizeof(request), MSG_WAITALL) != sizeof(request) ||
	    request.version != VERSION || request.length <= 0 || request.length > NAME_LIMIT ||
	    recv(r->socket, name, (size_t)request.length, MSG_WAITALL) != request.length)
		return 0;
	if (request.type == GETHOSTBYADDR || request.type == GETHOSTBYADDRv6) {
		put_host(&nothing, "", AF_INET, NULL, EAI_NONAME);
		(void)!write(r->socket, nothing.data, nothing.len);
	} else if ((request.type == GETAI || request.type == GETHOSTBYNAME ||
		    request.type == GETHOSTBYNAMEv6) &&
		   !name[request.length - 1]) {
		answer_name(r->socket, r->lookups, request.type, name);
	}
	return 0;
}

int scratch_resolve(void *resolver)
{
	const struct resolver *r = resolver;

	signal(SIGCHLD, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	for (;;) {
		struct resolver one = {accept4(r->socket, NULL, NULL, SOCK_CLOEXEC), r->lookups};

		if (one.socket < 0 && errno != EINTR && errno != ECONNABORTED)
			return -errno & 0xff;
		if (one.socket < 0)
			continue;
		(void)!exec_start(serve, &one);
		close(one.socket);
	}
}
