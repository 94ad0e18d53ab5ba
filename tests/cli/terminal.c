/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal STEP... -- COMMAND [ARGUMENT...]: a person at a terminal
 *
 * Runs the command as the leader of a session on a pseudo terminal that controls it, and does in
 * order:
 *   expect=TEXT   waits until the command has printed TEXT, behind what was waited for before
 *   send=KEYS     types; \r is Enter, \003 Ctrl-C, \004 Ctrl-D
 *   run=COMMAND   a shell command beside it, in a session of its own; PID is in its environment
 *   kill          SIGKILL to the foreground process group
 *   hangup        the line is cut: the kernel sends SIGHUP
 * then waits for the end of the command. What it prints comes out as it comes. Exit status: the
 * command's, 128 + N if signal N ended it; 124 if a step or the end takes longer than 20 seconds,
 * 125 if a step fails; then the command is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_SECONDS 20
/* More than any case prints. */
#define TRANSCRIPT_SIZE (1 << 20)

struct terminal {
	int master; /* -1: the line is cut */
	pid_t command;
	time_t limit;
	char printed[TRANSCRIPT_SIZE + 1];
	size_t nprinted;
	size_t expected; /* up to here */
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void hang_up(struct terminal *t)
{
	if (t->master >= 0)
		close(t->master);
	t->master = -1;
}

static void give_up(const struct terminal *t, int status, const char *why)
{
	fprintf(stderr, "terminal: %s\n", why);
	kill(-t->command, SIGKILL);
	kill(t->command, SIGKILL);
	exit(status);
}

/* Passes on what is printed, waiting a little for it. False: nobody has the terminal open. */
static bool listen_to(struct terminal *t)
{
	struct pollfd p = {.fd = t->master, .events = POLLIN};
	ssize_t n;

	if (now() > t->limit)
		give_up(t, 124, "it takes too long");
	if (poll(&p, 1, 20) <= 0)
		return true;
	n = read(t->master, t->printed + t->nprinted, TRANSCRIPT_SIZE - t->nprinted);
	if (n <= 0) /* EIO: the last one has closed it */
		return n < 0 && errno == EINTR;
	if (write(STDOUT_FILENO, t->printed + t->nprinted, (size_t)n) != n)
		give_up(t, 125, "cannot write the output");
	t->nprinted += (size_t)n;
	if (t->nprinted == TRANSCRIPT_SIZE)
		give_up(t, 125, "too much was printed");
	return true;
}

static void expect(struct terminal *t, const char *text)
{
	const char *found;
	bool more = true;

	while (!(found = memmem(t->printed + t->expected, t->nprinted - t->expected, text,
				strlen(text)))) {
		if (!more)
			give_up(t, 125, "it ended before it printed what was expected");
		more = listen_to(t);
	}
	t->expected = (size_t)(found - t->printed) + strlen(text);
}

/* Octal numbers and \r as in printf. */
static void type(const struct terminal *t, const char *keys)
{
	while (*keys) {
		char key = *keys++, *end;

		if (key == '\\' && *keys >= '0' && *keys <= '7') {
			char digits[4] = {0};

			strncpy(digits, keys, 3);
			key = (char)strtol(digits, &end, 8);
			keys += end - digits;
		} else if (key == '\\' && *keys) {
			key = *keys == 'r' ? '\r' : *keys;
			keys++;
		}
		if (write(t->master, &key, 1) != 1)
			give_up(t, 125, "cannot type");
	}
}

/* What is printed goes on being read: who waits for room to print would not get any further. */
static void run_beside(struct terminal *t, const char *command)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		close(t->master);
		setsid();
		execl("/bin/bash", "bash", "-euc", command, (char *)NULL);
		_exit(127);
	}
	while (pid < 0 || !waitpid(pid, &status, WNOHANG)) {
		if (pid < 0)
			give_up(t, 125, "cannot fork");
		listen_to(t);
	}
	if (status)
		give_up(t, 125, "what was run beside it failed");
}

static void kill_foreground(const struct terminal *t)
{
	pid_t group = tcgetpgrp(t->master);

	if (group <= 1 || kill(-group, SIGKILL))
		give_up(t, 125, "nobody is in the foreground");
}

static void step(struct terminal *t, const char *what)
{
	t->limit = now() + LIMIT_SECONDS;
	if (!strncmp(what, "expect=", 7))
		expect(t, what + 7);
	else if (!strncmp(what, "send=", 5))
		type(t, what + 5);
	else if (!strncmp(what, "run=", 4))
		run_beside(t, what + 4);
	else if (!strcmp(what, "kill"))
		kill_foreground(t);
	else if (!strcmp(what, "hangup"))
		hang_up(t);
	else
		give_up(t, 125, what);
}

static int wait_for_end(struct terminal *t)
{
	struct pollfd p = {.fd = t->master, .events = POLLIN};
	int status;

	t->limit = now() + LIMIT_SECONDS;
	while (!waitpid(t->command, &status, WNOHANG))
		if (!listen_to(t))
			usleep(5000);
	while (poll(&p, 1, 0) > 0 && listen_to(t))
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Returns once the command runs: before, there is nobody to hang up on. */
static void start(struct terminal *t, char **command)
{
	char pid[16];
	int begun[2];

	if (pipe2(begun, O_CLOEXEC) || (t->command = forkpty(&t->master, NULL, NULL, NULL)) < 0) {
		perror("terminal: no pseudo terminal");
		exit(125);
	}
	if (!t->command) {
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(begun[1]);
	if (read(begun[0], pid, 1))
		give_up(t, 125, "cannot start the command");
	close(begun[0]);
	fcntl(t->master, F_SETFD, FD_CLOEXEC);
	snprintf(pid, sizeof(pid), "%d", (int)t->command);
	setenv("PID", pid, 1);
}

int main(int argc, char **argv)
{
	static struct terminal t;
	int separator = 1;

	while (separator < argc && strcmp(argv[separator], "--"))
		separator++;
	if (separator + 1 >= argc) {
		fputs("usage: terminal STEP... -- COMMAND [ARGUMENT...]\n", stderr);
		return 125;
	}
	start(&t, argv + separator + 1);
	for (int i = 1; i < separator; i++)
		step(&t, argv[i]);
	return wait_for_end(&t);
}
