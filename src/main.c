/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct command commands[] = {
	{"save", cmd_save, NEEDS_ADMIN | NEEDS_LOCK | NEEDS_CREATE | NEEDS_SETTLED,
	 "[-m TEXT] [--tag NAME] [--counters] [--all] [--on-stop]",
	 "keep the running rules: history, and text for the next boot"},
	{"apply", cmd_apply, NEEDS_ADMIN | NEEDS_LOCK | NEEDS_CREATE,
	 "[FILE ...|-] [--within SEC|--no-confirm] [--dry-run] [-m TEXT] [--type TYPE] [--allow-empty] "
	 "[--no-rehearsal] [--replace-pending] [--all]",
	 "try the rules in files; undone unless they are confirmed"},
	{"run", cmd_run, NEEDS_ADMIN | NEEDS_LOCK | NEEDS_CREATE,
	 "[--live] [--within SEC|--no-confirm] [--dry-run] [-m TEXT] [--allow-empty] "
	 "[--replace-pending] [--all] -- COMMAND ...",
	 "the same for what a command does to the firewall"},
	{"confirm", cmd_confirm, NEEDS_ADMIN | NEEDS_LOCK, "[ID]", "keep the pending change"},
	{"rollback", cmd_rollback, NEEDS_ADMIN | NEEDS_LOCK, "[--dry-run] [--all]",
	 "undo the pending change, or go one step back"},
	{"restore", cmd_restore, NEEDS_ADMIN | NEEDS_LOCK | NEEDS_SETTLED,
	 "[REF] [--all] [--dry-run] [--within SEC|--no-confirm] | --boot [--again] [--link]",
	 "load a snapshot (default: the current one) exactly"},
	{"lockdown", cmd_lockdown, NEEDS_ADMIN | NEEDS_LOCK | NEEDS_CREATE | NEEDS_SETTLED,
	 "[--within SEC|--no-confirm]", "let in established connections and the ways in that are configured, no more"},
	{"check", cmd_check, NEEDS_NO_STORE, "FILE ... [--base empty|live] [--type ipset|iptables|ip6tables|nft]",
	 "whether files load, tried in a private namespace; live stays as it is"},
	{"status", cmd_status, NEEDS_ADMIN, "[--all]", "what runs, what is saved, and whether they differ"},
	{"list", cmd_list, 0, "", "the history, newest first"},
	{"show", cmd_show, 0, "[REF] [--format summary|iptables|ip6tables|nft|ipset] [--all]",
	 "a snapshot, or the live rules"},
	{"diff", cmd_diff, NEEDS_ADMIN, "[A [B]] [--dynamic] [--all]",
	 "what differs from A (default: @) to B (default: live), rule by rule"},
	{"verify", cmd_verify, 0, "[REF ...]", "check that snapshots are whole (default: all)"},
	{"tag", cmd_tag, NEEDS_LOCK, "REF NAME", "name a snapshot; it is then kept for ever"},
	{"untag", cmd_untag, NEEDS_LOCK, "NAME", "take a name away"},
	{"prune", cmd_prune, NEEDS_LOCK | NEEDS_SETTLED, "[--keep N] [--dry-run]", "remove the oldest snapshots"},
	{"export", cmd_export, 0, "REF [FILE]", "copy a snapshot out of the history"},
	{"import", cmd_import, NEEDS_LOCK | NEEDS_CREATE | NEEDS_SETTLED,
	 "FILE [-m TEXT] [--tag NAME] [--type ipset|iptables|ip6tables|nft]",
	 "add a snapshot or a text of rules to the history; live stays as it is"},
	{"guard", cmd_guard, NEEDS_ADMIN | NEEDS_NO_MORE, "ID", NULL},
};

/* `restore --boot`: it sees to the rest of its needs itself, as nothing of that may stop it. */
static const struct command boot_command = {
	"restore", cmd_boot, NEEDS_ADMIN | NEEDS_NO_MORE, "--boot [--again] [--link]",
	"load the best that can be had of what was saved, once a boot",
};

static const struct option global_options[] = {
	{"root", required_argument, NULL, 'r'},	  {"config", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, 'j'},	  {"color", required_argument, NULL, 'C'},
	{"quiet", no_argument, NULL, 'q'},	  {"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},	  {"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int usage(FILE *out, int status)
{
	fputs("usage: fwsnap [--root DIR] [--config FILE] [--json] [--color=WHEN] [-q] [-v] "
	      "COMMAND ...\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].help)
			fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\n'fwsnap COMMAND --help' shows a command's arguments; fwsnap(8) has the rest\n", out);
	return status;
}

int usage_error(const struct context *c, const char *format, ...)
{
	cleanup_buf struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	fprintf(stderr, "fwsnap %s: %s\nusage: fwsnap %s %s\n", c->command->name, buf_str(&text),
		c->command->name, c->command->arguments);
	return EXIT_USAGE;
}

int exit_status(int r)
{
	switch (r < 0 ? -r : 0) {
	case 0:
		return EXIT_DONE;
	case EPERM:
	case EACCES:
	case EBUSY:
		return EXIT_DENIED;
	case EBADMSG:
	case ENOTSUP:
		return EXIT_DAMAGED;
	default:
		return EXIT_FAILED;
	}
}

static const struct command *find_command(int argc, char **argv)
{
	for (int a = 1; a < argc && !strcmp(argv[0], boot_command.name); a++)
		if (!strcmp(argv[a], "--boot"))
			return &boot_command;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			return &commands[i];
	return NULL;
}

static bool may_administer(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return !syscall(SYS_capget, &header, data) &&
	       data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
}

/* The host's files are the host's: from another network namespace only --root reaches files. */
static int check_namespace(const struct context *c)
{
	int r = *c->opt.root ? 1 : netns_is_init();

	if (r > 0)
		return 0;
	if (r == 0)
		log_error("this is not the network namespace of the host, whose files these "
			  "are: use --root DIR");
	else
		log_errno(r, "cannot tell whose network namespace this is: use --root DIR");
	return -EINVAL;
}

static int open_store(struct context *c)
{
	int r = store_open(&c->store, c->config.store, c->opt.root,
			   c->command->needs & NEEDS_CREATE);

	if (r == -ENOENT)
		return 0;
	if (!r && c->lock >= 0)
		r = store_recover(&c->store);
	return r < 0 ? r : 0;
}

/* What a crash left: packets that are held back, a change that nobody guards any more. */
static int recover(struct context *c)
{
	const struct guard guard = context_guard(c);
	int r = c->command->needs & NEEDS_ADMIN ? change_hold_remove() : 0;

	if (r >= 0)
		r = guard_recover(&guard);
	return r < 0 ? r : 0;
}

/* Everything that a command's row asks for. 0 or an exit status. */
static int prepare(struct context *c)
{
	cleanup_free char *config =
		c->opt.config ? str_dup(c->opt.config)
			      : str_printf("%s" SYSCONFDIR "/fwsnap/fwsnap.conf", c->opt.root);
	int r = 0;

	if (c->command->needs & NEEDS_ADMIN && !may_administer()) {
		log_error("'%s' needs root (CAP_NET_ADMIN)", c->command->name);
		return EXIT_DENIED;
	}
	if (!(c->command->needs & NEEDS_NO_STORE))
		r = check_namespace(c);
	if (c->command->needs & NEEDS_NO_MORE)
		return exit_status(r);
	if (!r)
		r = config_read(&c->config, config, c->opt.config != NULL);
	if (!r)
		r = foreign_read(&c->foreign, c->opt.root, c->config.foreign);
	if (!r && c->command->needs & NEEDS_LOCK)
		r = context_lock(c);
	if (!r && !(c->command->needs & NEEDS_NO_STORE))
		r = open_store(c);
	if (!r && c->lock >= 0)
		r = recover(c);
	if (!r && c->command->needs & NEEDS_SETTLED)
		return refuse_pending(c);
	return exit_status(r);
}

/* Removes trailing slashes, so that root and absolute paths join. */
static const char *clean_root(char *dir)
{
	size_t n = strlen(dir);

	while (n && dir[n - 1] == '/')
		dir[--n] = '\0';
	return dir;
}

static bool parse_colour(const char *when, enum colour *colour)
{
	static const char *const names[] = {
		[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], when)) {
			*colour = (enum colour)i;
			return true;
		}
	return false;
}

/* Reads the options before the command. -1: go on; else an exit status. */
static int global_option(struct options *opt, int argc, char **argv)
{
	int o;

	while ((o = getopt_long(argc, argv, "+qvhV", global_options, NULL)) != -1) {
		switch (o) {
		case 'r':
			if (*optarg != '/') {
				log_error("--root '%s' is not an absolute path", optarg);
				return EXIT_USAGE;
			}
			opt->root = clean_root(optarg);
			break;
		case 'c':
			opt->config = optarg;
			break;
		case 'j':
			opt->json = true;
			break;
		case 'C':
			if (!parse_colour(optarg, &opt->colour)) {
				log_error("--color '%s' is none of auto, always, never", optarg);
				return EXIT_USAGE;
			}
			break;
		case 'q':
			log_set_level(LOG_ERROR);
			break;
		case 'v':
			log_set_level(LOG_DETAIL);
			break;
		case 'h':
			return usage(stdout, EXIT_DONE);
		case 'V':
			puts("fwsnap " FWSNAP_VERSION);
			return EXIT_DONE;
		default:
			return usage(stderr, EXIT_USAGE);
		}
	}
	return -1;
}

/* What a command prints counts as done only once it is written. */
static int finish_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	log_errno(-errno, "cannot write the output");
	return status == EXIT_DONE ? EXIT_FAILED : status;
}

/* A file opened as number 0, 1 or 2 would get what is printed. */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct context c = {.opt.root = "", .lock = -1};
	int status;

	open_standard();
	signal(SIGPIPE, SIG_IGN);
	status = global_option(&c.opt, argc, argv);
	if (status >= 0)
		return finish_output(status);
	if (optind == argc)
		return usage(stderr, EXIT_USAGE);
	c.command = find_command(argc - optind, argv + optind);
	if (!c.command) {
		fprintf(stderr, "fwsnap: unknown command '%s'\n", argv[optind]);
		return usage(stderr, EXIT_USAGE);
	}
	argc -= optind;
	argv += optind;
	optind = 0; /* getopt begins anew */
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		printf("usage: fwsnap %s %s\n%s\n", c.command->name, c.command->arguments,
		       c.command->help ? c.command->help : "fwsnap itself calls it");
		return finish_output(EXIT_DONE);
	}
	status = prepare(&c);
	if (status == EXIT_DONE)
		status = c.command->run(&c, argc, argv);
	log_step(NULL);
	store_close(&c.store);
	frontends_release(&c.frontends);
	frontends_release(&c.frontends_all);
	foreign_release(&c.foreign);
	config_release(&c.config);
	return finish_output(status);
}
