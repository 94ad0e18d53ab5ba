/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXEC_PATH "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
#define READ_PIECE (64U << 10)

static const char *const folders[] = {"/usr/sbin", "/usr/bin",	      "/sbin",
				      "/bin",	   "/usr/local/sbin", "/usr/local/bin"};

/* In each pair [0] is our end and [1] the child's; -1: there is none. */
struct streams {
	int in;
	int out[2], err[2];
	int status[2]; /* tells why the program could not be run */
};

#define STREAMS_INIT                                                                               \
	{                                                                                          \
		-1, {-1, -1}, {-1, -1},                                                            \
		{                                                                                  \
			-1, -1                                                                     \
		}                                                                                  \
	}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A path is taken as it is, in each folder's turn. */
static bool program_path(const char *program, size_t folder, char *path, size_t size)
{
	int n = strchr(program, '/') ? snprintf(path, size, "%s", program)
				     : snprintf(path, size, "%s/%s", folders[folder], program);

	return n > 0 && (size_t)n < size;
}

bool exec_have(const char *program)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (program_path(program, i, path, sizeof(path)) && !access(path, X_OK))
			return true;
	return false;
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Entering a mount namespace moves to its root: the folder is looked up again by name. */
static int enter_namespaces(const struct exec *e)
{
	cleanup_free char *cwd = getcwd(NULL, 0);

	if (e->mntns >= 0 && setns(e->mntns, CLONE_NEWNS))
		return -errno;
	if (e->netns >= 0 && setns(e->netns, CLONE_NEWNET))
		return -errno;
	if (e->mntns >= 0 && (!cwd || chdir(cwd)) && chdir("/"))
		return -errno;
	return 0;
}

/* PATH, LC_ALL and what the caller adds; nobody frees it: a child is about to become the program. */
static char **clean_environment(const struct strlist *added)
{
	char **all = NULL;
	size_t n = 0;

	*(char **)array_grow(&all, &n, sizeof(*all)) = str_dup("PATH=" EXEC_PATH);
	*(char **)array_grow(&all, &n, sizeof(*all)) = str_dup("LC_ALL=C");
	for (size_t i = 0; added && i < added->n; i++)
		*(char **)array_grow(&all, &n, sizeof(*all)) = added->s[i];
	array_grow(&all, &n, sizeof(*all));
	return all;
}

/* Tries each folder; an error other than "not here" is the one worth telling. */
static int run_program(const struct exec *e)
{
	char **environment = clean_environment(e->variables);
	char path[PATH_MAX];
	int r = -ENOENT;

	if (e->environment) {
		execvpe(e->argv[0], (char *const *)e->argv, e->environment);
		return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (!program_path(e->argv[0], i, path, sizeof(path)))
			continue;
		execve(path, (char *const *)e->argv, environment);
		if (errno != ENOENT && errno != ENOTDIR)
			r = -errno;
	}
	return r;
}

static int child_setup(const struct streams *s, const struct exec *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || (!e->environment && setpgid(0, 0)))
		return -errno;
	reset_signals();
	if (e->environment)
		return enter_namespaces(e);
	if (dup2(s->in, 0) < 0 || dup2(s->out[1], 1) < 0 || dup2(s->err[1], 2) < 0)
		return -errno;
	return enter_namespaces(e);
}

static void __attribute__((noreturn)) child_main(const struct streams *s, const struct exec *e)
{
	int r = child_setup(s, e);

	/* a kernel too old for this call leaves descriptors that were not made close-on-exec */
	(void)syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
	if (!r)
		r = run_program(e);
	_exit(write(s->status[1], &r, sizeof(r)) == sizeof(r) ? 127 : 126);
}

/* A file in memory rather than a pipe: nothing to feed, no SIGPIPE if the program does not read it.
 */
static int open_input(const struct buf *in)
{
	int fd = in ? memfd_create("fwsnap-input", MFD_CLOEXEC)
		    : open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (size_t done = 0; fd >= 0 && in && done < in->len;) {
		ssize_t n = pwrite(fd, in->data + done, in->len - done, (off_t)done);

		if (n < 0 && errno != EINTR) {
			int r = -errno;

			close(fd);
			return r;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return fd < 0 ? -errno : fd;
}

static int open_output(const struct buf *want, int ends[static 2])
{
	if (!want) {
		ends[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
		return ends[1] < 0 ? -errno : 0;
	}
	if (pipe2(ends, O_CLOEXEC) || fcntl(ends[0], F_SETFL, O_NONBLOCK))
		return -errno;
	return 0;
}

static int streams_open(struct streams *s, const struct exec *e)
{
	int r = open_output(e->out, s->out);

	if (!r)
		r = open_output(e->err, s->err);
	if (!r && pipe2(s->status, O_CLOEXEC))
		r = -errno;
	if (r)
		return r;
	s->in = open_input(e->in);
	return s->in < 0 ? s->in : 0;
}

static void close_end(int *fd)
{
	close_p(fd);
	*fd = -1;
}

static void streams_close_child(struct streams *s)
{
	close_end(&s->in);
	close_end(&s->out[1]);
	close_end(&s->err[1]);
	close_end(&s->status[1]);
}

static void streams_close(struct streams *s)
{
	streams_close_child(s);
	close_end(&s->out[0]);
	close_end(&s->err[0]);
	close_end(&s->status[0]);
}

/* Takes what is there without waiting; closes the descriptor at its end. */
static int drain(int *fd, struct buf *to)
{
	while (*fd >= 0) {
		ssize_t n = read(*fd, buf_reserve(to, READ_PIECE), READ_PIECE);

		if (n > 0) {
			to->len += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			return 0;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (!n) {
			close_end(fd);
		}
	}
	return 0;
}

static int poll_wait(int64_t deadline)
{
	int64_t left = deadline - now_ms();

	if (!deadline)
		return -1;
	return left > 0 ? (int)(left < 1000000 ? left : 1000000) : 0;
}

/*
 * Drains the streams until the program ends (not until they end: something it started may
 * hold them for ever).
 */
static int watch(const struct exec *e, int pidfd, struct streams *s)
{
	int64_t deadline = e->timeout ? now_ms() + (int64_t)e->timeout * 1000 : 0;
	bool ended = false;

	while (!ended) {
		struct pollfd p[] = {
			{.fd = pidfd, .events = POLLIN},
			{.fd = s->out[0], .events = POLLIN},
			{.fd = s->err[0], .events = POLLIN},
		};
		int r = poll(p, ARRAY_SIZE(p), poll_wait(deadline));

		if (r < 0 && errno != EINTR)
			return -errno;
		ended = r > 0 && p[0].revents;
		if (!ended && deadline && now_ms() >= deadline)
			return -ETIMEDOUT;
		r = drain(&s->out[0], e->out);
		if (!r)
			r = drain(&s->err[0], e->err);
		if (r)
			return r;
	}
	return 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The program runs: wait for its end, or end it and all that it started. */
static int supervise(const struct exec *e, pid_t pid, struct streams *s)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r = pidfd < 0 ? -errno : watch(e, pidfd, s);
	int status;

	if (r)
		kill(-pid, SIGKILL);
	status = wait_for(pid);
	return r ? r : status;
}

/* 0 once the program runs, or why it does not. */
static int started(int status)
{
	int r = 0;

	while (read(status, &r, sizeof(r)) < 0)
		if (errno != EINTR)
			return -errno;
	return r;
}

/* Runs and waits for a command of the caller's; what the terminal's keys send is the command's alone. */
static int run_foreground(const struct exec *e, struct streams *s)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
	int r, status;
	pid_t pid;

	if (pipe2(s->status, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid = fork();
	if (!pid)
		child_main(s, e);
	r = pid < 0 ? -errno : 0;
	streams_close_child(s);
	if (!r)
		r = started(s->status[0]);
	status = pid < 0 ? r : wait_for(pid);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	return r ? r : status;
}

int exec_run(const struct exec *e)
{
	__attribute__((cleanup(streams_close))) struct streams s = STREAMS_INIT;
	int r, status;
	pid_t pid;

	if (e->environment)
		return run_foreground(e, &s);
	r = streams_open(&s, e);
	if (r)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_main(&s, e);
	streams_close_child(&s);
	r = started(s.status[0]);
	if (!r)
		return supervise(e, pid, &s);
	status = wait_for(pid);
	return status < 0 ? status : r;
}

/* Ends with the parent, which may have ended already. */
static int end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int exec_start(int (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	/* what stdio holds must not be written twice */
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		int r = end_with(parent) ? 126 : fn(arg);

		fflush(NULL);
		_exit(r);
	}
	return pid;
}

void exec_stop(int pid)
{
	kill(pid, SIGKILL);
	(void)wait_for(pid);
}

int exec_fork(int (*fn)(void *arg), void *arg)
{
	int pid = exec_start(fn, arg);

	return pid < 0 ? pid : wait_for(pid);
}

static void close_above(int last)
{
	if (!syscall(SYS_close_range, (unsigned)last + 1, ~0U, 0U))
		return;
	for (long fd = sysconf(_SC_OPEN_MAX); --fd > last;)
		close((int)fd);
}

static void __attribute__((noreturn)) detached_main(int (*fn)(void *arg), void *arg)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || chdir("/"))
		_exit(126);
	close_above(2);
	reset_signals();
	_exit(fn(arg));
}

/* The one in the middle leads the session and ends, so that no terminal can become ours again. */
int exec_detach(int (*fn)(void *arg), void *arg)
{
	pid_t pid;
	int r;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		setsid();
		pid = fork();
		if (!pid)
			detached_main(fn, arg);
		_exit(pid < 0 ? errno : 0);
	}
	r = wait_for(pid);
	return r > 0 ? -r : r;
}
