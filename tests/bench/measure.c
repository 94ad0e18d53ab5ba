/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure [-i FILE] COMMAND...: runs the command with FILE as its input (else /dev/null) and its
 * output thrown away, and prints "WALL CPU PEAK": milliseconds, milliseconds of it and of
 * all its children together, KiB of the largest of them. Exit status: the command's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double milliseconds(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void run(const char *input, char **argv)
{
	int in = open(input, O_RDONLY), out = open("/dev/null", O_WRONLY);

	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0) {
		perror(input);
		_exit(126);
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

int main(int argc, char **argv)
{
	const char *input = "/dev/null";
	struct rusage usage;
	double start;
	int status;
	pid_t child;

	if (argc > 2 && !strcmp(argv[1], "-i")) {
		input = argv[2];
		argv += 2;
	}
	if (!argv[1])
		return 2;
	start = now();
	child = fork();
	if (!child)
		run(input, argv + 1);
	if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
		perror("measure");
		return 1;
	}
	printf("%.2f %.2f %ld\n", now() - start,
	       milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime), usage.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
