/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"
#include "log.h"
#include "restorer.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Commands that take just names: n of them, at most max. */
static int plain_arguments(struct context *c, int argc, char **argv, int least, int most)
{
	static const struct option options[] = {{NULL, 0, NULL, 0}};

	log_set_state(NULL);
	if (next_option(c, argc, argv, "", options) != -1)
		return EXIT_USAGE;
	if (argc - optind < least || argc - optind > most)
		return usage_error(c, argc - optind < least ? "an argument is missing"
							    : "too many arguments");
	return have_store(c) ? EXIT_DONE : EXIT_FAILED;
}

int cmd_tag(struct context *c, int argc, char **argv)
{
	int status = plain_arguments(c, argc, argv, 2, 2), r;
	unsigned id;

	if (status)
		return status;
	if (!store_tag_valid(argv[optind + 1]))
		return usage_error(c, "'%s' cannot be a tag", argv[optind + 1]);
	r = store_resolve(&c->store, argv[optind], &id);
	if (!r)
		r = store_tag(&c->store, id, argv[optind + 1]);
	return exit_status(r);
}

int cmd_untag(struct context *c, int argc, char **argv)
{
	int status = plain_arguments(c, argc, argv, 1, 1);

	return status ? status : exit_status(store_untag(&c->store, argv[optind]));
}

static int parse_number(const char *s, unsigned *n)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v > 100000)
		return -EINVAL;
	*n = (unsigned)v;
	return 0;
}

int cmd_prune(struct context *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"keep", required_argument, NULL, 'k'},
		{"dry-run", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	cleanup_free unsigned *ids = NULL;
	unsigned keep = c->config.keep;
	bool dry = false;
	size_t n = 0;
	int o, r;

	log_set_state(NULL);
	while ((o = next_option(c, argc, argv, "", options)) != -1) {
		if (o == 'n')
			dry = true;
		else if (o != 'k')
			return EXIT_USAGE;
		else if (parse_number(optarg, &keep))
			return usage_error(c, "'%s' is not a number of versions", optarg);
	}
	if (optind < argc)
		return usage_error(c, "unexpected argument '%s'", argv[optind]);
	if (!have_store(c))
		return EXIT_FAILED;
	r = store_prune(&c->store, keep, c->config.keep_automatic, dry, &ids, &n);
	for (size_t i = 0; i < n && !r; i++)
		printf("%s snapshot %u\n", dry ? "would remove" : "removed", ids[i]);
	return exit_status(r);
}

/* A snapshot's file as it is, after a look whether it is whole. */
static int read_snapshot(struct context *c, unsigned id, struct buf *out)
{
	cleanup_free char *path = store_path(&c->store, id);
	int r = store_verify(&c->store, id);

	if (!r) {
		r = file_read(path, (size_t)ARCHIVE_TOTAL_LIMIT, out);
		if (r < 0)
			log_errno(r, "cannot read '%s'", path);
	}
	return r;
}

int cmd_export(struct context *c, int argc, char **argv)
{
	int status = plain_arguments(c, argc, argv, 1, 2), r;
	cleanup_buf struct buf content = BUF_INIT;
	const char *file = !status && argc - optind == 2 ? argv[optind + 1] : NULL;
	unsigned id;

	if (status)
		return status;
	if (!file && isatty(STDOUT_FILENO))
		return usage_error(c, "a snapshot is not for a terminal: name a file");
	r = store_resolve(&c->store, argv[optind], &id);
	if (!r)
		r = read_snapshot(c, id, &content);
	if (r)
		return exit_status(r);
	r = file ? file_replace(file, content.data, content.len)
		 : file_write_all(STDOUT_FILENO, content.data, content.len);
	if (r < 0)
		log_errno(r, "cannot write '%s'", file ? file : "standard output");
	return exit_status(r);
}

struct importing {
	struct context *c;
	const char *file, *message, *tag;
	int type; /* enum text_kind, -1: guess */
	struct snapshot_new snapshot;
};

static int parse_import(struct importing *s, int argc, char **argv)
{
	static const struct option options[] = {
		{"message", required_argument, NULL, 'm'},
		{"tag", required_argument, NULL, 't'},
		{"type", required_argument, NULL, 'T'},
		{NULL, 0, NULL, 0},
	};
	int o;

	s->type = -1;
	while ((o = next_option(s->c, argc, argv, "m:", options)) != -1) {
		if (o == 'm')
			s->message = optarg;
		else if (o == 't')
			s->tag = optarg;
		else if (o != 'T' || type_option(s->c, optarg, &s->type))
			return EXIT_USAGE;
	}
	if (argc - optind != 1)
		return usage_error(s->c, "one file is to be named");
	if (s->tag && !store_tag_valid(s->tag))
		return usage_error(s->c, "'%s' cannot be a tag", s->tag);
	s->file = argv[optind];
	return EXIT_DONE;
}

/* All but the place in another history is taken over: story, records, texts. */
static int import_snapshot(struct importing *s, int fd)
{
	struct manifest m = {0};
	struct archive_reader *reader = NULL;
	cleanup_buf struct buf data = BUF_INIT;
	const char *name;
	int r = snapshot_read(fd, s->file, &m), more = 0;

	if (!r && of_this_machine(&m))
		r = engines_digest(&m.rs, s->file);
	if (!r && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (!r)
		r = archive_reader_new(&reader, fd);
	while (!r && (more = archive_next(reader, &name, &data)) > 0)
		if (strcmp(name, ARCHIVE_MANIFEST))
			r = snapshot_add_part(&s->snapshot, name, data.data, data.len);
	archive_reader_free(reader);
	if (!r && more < 0)
		r = log_errno(more, "cannot read '%s'", s->file);
	if (!r) {
		struct manifest *n = &s->snapshot.manifest, old = m;

		/* the parts are those written here, all else is the other's */
		m.parts = n->parts;
		m.nparts = n->nparts;
		n->parts = old.parts;
		n->nparts = old.nparts;
		old = *n;
		*n = m;
		m = old;
		manifest_leave_home(n);
	}
	manifest_release(&m);
	return r;
}

/* What a later restore is to put at the text paths, as save would have noted it. */
static void note_texts(struct importing *s)
{
	struct manifest *m = &s->snapshot.manifest;

	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		struct manifest_text *t;

		if (!s->c->config.texts[kind])
			continue;
		t = array_grow(&m->texts, &m->ntexts, sizeof(*t));
		t->path = str_dup(s->c->config.texts[kind]);
		for (size_t i = 0; i < m->nparts; i++)
			if (!strcmp(m->parts[i].name, text_formats[kind].part)) {
				t->state = TEXT_WRITTEN;
				t->digest = m->parts[i].digest;
				t->size = m->parts[i].size;
			}
	}
}

static int import_text(struct importing *s, const struct buf *text)
{
	struct manifest *m = &s->snapshot.manifest;
	struct scratch scratch = SCRATCH_INIT;
	int r = s->type >= 0 ? s->type : text_guess(text, s->file);

	if (r < 0) {
		log_error("'%s' is neither a snapshot nor rules that iptables, nft or ipset wrote",
			  s->file);
		return r;
	}
	s->type = r;
	r = scratch_open_here(&scratch);
	if (!r)
		r = text_load(&scratch, s->type, text_variant_of(text), text, s->file);
	if (!r)
		r = scratch_capture(&scratch, &m->rs, true);
	scratch_close(&scratch);
	if (!r)
		r = add_records(&s->snapshot, &m->rs);
	if (!r)
		r = snapshot_add_part(&s->snapshot, text_formats[s->type].part, text->data,
				      text->len);
	story_fill(m, NULL);
	m->message = str_printf("imported from %s", s->file);
	return r;
}

/* gzip's magic tells a snapshot from a text. */
static bool is_snapshot(const struct buf *content)
{
	return content->len > 2 && content->data[0] == 0x1f && content->data[1] == 0x8b;
}

static int import_file(struct importing *s)
{
	cleanup_close int fd = file_open(s->file);
	cleanup_buf struct buf content = BUF_INIT;
	struct manifest *m = &s->snapshot.manifest;
	int r = fd < 0 ? fd : file_read_fd(fd, ARCHIVE_ENTRY_LIMIT, &content);

	if (r < 0)
		return log_errno(r, "cannot read '%s'", s->file);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return log_errno(-errno, "cannot read '%s'", s->file);
	r = is_snapshot(&content) ? import_snapshot(s, fd) : import_text(s, &content);
	if (!r && s->message) {
		free(m->message);
		m->message = str_dup(s->message);
	}
	if (!r && s->tag)
		strlist_add(&m->tags, s->tag);
	if (!r)
		note_texts(s);
	return r;
}

/* One of several text files is not all of what the next boot would load. */
static void note_other_texts(const struct importing *s)
{
	const struct context *c = s->c;
	cleanup_buf struct buf others = BUF_INIT;
	bool one = false;

	for (int kind = 0; kind < TEXT_KINDS; kind++) {
		const char *path = c->config.texts[kind];
		cleanup_free char *name = str_printf("%s%s", c->opt.root, path ? path : "");

		if (!path || access(name, F_OK))
			continue;
		if (!strcmp(name, s->file))
			one = true;
		else
			buf_printf(&others, "%s'%s'", others.len ? ", " : "", name);
	}
	if (one && others.len)
		log_note("%s is not part of it: 'fwsnap restore text' loads all text files", buf_str(&others));
}

int cmd_import(struct context *c, int argc, char **argv)
{
	struct importing s = {.c = c};
	int r = parse_import(&s, argc, argv);

	if (r)
		return r;
	r = snapshot_new_open(&s.snapshot, &c->store);
	if (!r)
		r = import_file(&s);
	if (!r)
		r = store_commit(&s.snapshot, NULL, 0, false);
	if (!r)
		log_note("imported '%s' as snapshot %u; 'fwsnap restore %u' loads it", s.file,
			 s.snapshot.manifest.id, s.snapshot.manifest.id);
	if (!r) {
		note_other_texts(&s);
		restorers_warn(c->opt.root);
	}
	snapshot_new_cancel(&s.snapshot);
	return exit_status(r);
}
