/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "rehearse_steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

#define FOLDER "/etc"
#define FOLDER_DEPTH 32

/* What a file was. */
struct trace {
	char *path;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct traces {
	struct trace *trace; /* sorted by path */
	size_t n;
};

static void traces_release(struct traces *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->trace[i].path);
	free(t->trace);
	*t = (struct traces){0};
}

static void walk(int parent, const char *name, const char *path, unsigned depth,
		 struct traces *out);

static void take_trace(int folder, const char *name, const char *path, unsigned depth,
		       struct traces *out)
{
	cleanup_free char *full = str_printf("%s/%s", path, name);
	struct trace *t;
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISDIR(st.st_mode)) {
		walk(folder, name, full, depth + 1, out);
		return;
	}
	t = array_grow(&out->trace, &out->n, sizeof(*t));
	*t = (struct trace){str_dup(full), st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static void walk(int parent, const char *name, const char *path, unsigned depth, struct traces *out)
{
	int fd = depth < FOLDER_DEPTH
			 ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			 : -1;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!dir) {
		close_p(&fd);
		return;
	}
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			take_trace(dirfd(dir), e->d_name, path, depth, out);
	closedir(dir);
}

static int compare_trace(const void *a, const void *b)
{
	return strcmp(((const struct trace *)a)->path, ((const struct trace *)b)->path);
}

static void take_traces(struct traces *out)
{
	walk(AT_FDCWD, FOLDER, FOLDER, 0, out);
	if (out->n)
		qsort(out->trace, out->n, sizeof(*out->trace), compare_trace);
}

static bool trace_equal(const struct trace *a, const struct trace *b)
{
	return a->inode == b->inode && a->size == b->size &&
	       !memcmp(&a->modified, &b->modified, sizeof(a->modified)) &&
	       !memcmp(&a->changed, &b->changed, sizeof(a->changed));
}

/* Both sides walked side by side: what is new, gone or other. */
static void compare_traces(const struct traces *before, const struct traces *after,
			   struct strlist *touched)
{
	size_t i = 0, j = 0;

	while (i < before->n || j < after->n) {
		const struct trace *a = i < before->n ? &before->trace[i] : NULL;
		const struct trace *b = j < after->n ? &after->trace[j] : NULL;
		int order = !a ? 1 : !b ? -1 : compare_trace(a, b);

		if (order || !trace_equal(a, b)) {
			cleanup_free char *path = str_visible(order < 0 ? a->path : b->path);

			strlist_add(touched, path);
		}
		i += order <= 0;
		j += order >= 0;
	}
}

/* Variables that lead to a daemon of the host or of the caller's session. */
static bool leads_outside(const char *variable)
{
	static const char *const prefixes[] = {
		"DBUS_",	"DOCKER_",	  "CONTAINER_HOST=", "LIBVIRT_",
		"XDG_RUNTIME_", "NOTIFY_SOCKET=", "SSH_AUTH_",	     "PODMAN_",
		"KUBECONFIG=",	"INVOCATION_",	  "JOURNAL_",	     "LISTEN_"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(variable, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* The caller's environment less those. Caller frees the array. */
static char **make_environment(void)
{
	size_t n = 0, kept = 0;
	char **environment;

	while (environ[n])
		n++;
	environment = mem_zalloc((n + 1) * sizeof(*environment));
	for (size_t i = 0; i < n; i++)
		if (!leads_outside(environ[i]))
			environment[kept++] = environ[i];
	return environment;
}

static int judge(const char *command, int status)
{
	if (status < 0)
		log_errno(status, "cannot run '%s'", command);
	else if (status > 128 && status - 128 < NSIG)
		log_error("'%s' was ended by signal %d (%s)", command, status - 128,
			  strsignal(status - 128));
	else if (status)
		log_error("'%s' ended with exit status %d", command, status);
	return status ? -EINVAL : 0;
}

int rehearse_run(struct rehearsal *r, struct scratch *s)
{
	cleanup_free char **environment = s ? make_environment() : NULL;
	struct traces before = {0}, after = {0};
	struct exec e = EXEC_INIT;

	e.argv = r->command;
	e.environment = s ? environment : environ;
	take_traces(&before);
	r->status = s ? scratch_run(s, &e) : exec_run(&e);
	take_traces(&after);
	compare_traces(&before, &after, &r->touched);
	traces_release(&before);
	traces_release(&after);
	return judge(r->command[0], r->status);
}
