/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include "intent.h"
#include "log.h"
#include "snapshot.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".tar.gz"
#define TAG_MAX_LENGTH 64

static char *below(const struct store *s, const char *name)
{
	return str_printf("%s/%s", s->dir, name);
}

/* The folder itself has to be ours: whoever owns it could put anything in. */
static int folder_check(const char *dir, bool create)
{
	cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	return create && (st.st_mode & 077) && fchmod(fd, 0700) < 0 ? -errno : 0;
}

int store_open(struct store *s, const char *dir, const char *root, bool create)
{
	cleanup_free char *snapshots = NULL;
	int r = 0;

	*s = (struct store){.dir = str_printf("%s%s", root, dir), .root = root};
	snapshots = below(s, "snapshots");
	if (create)
		r = file_mkdir(s->dir, 0700);
	if (!r)
		r = folder_check(s->dir, create);
	if (!r && create)
		r = file_mkdir(snapshots, 0700);
	if (!r)
		r = folder_check(snapshots, create);
	if (r < 0 && (create || r != -ENOENT))
		log_errno(r, "cannot open the history '%s' and its 'snapshots'", s->dir);
	if (r < 0)
		store_close(s);
	return r;
}

void store_close(struct store *s)
{
	free(s->dir);
	*s = (struct store){0};
}

/* The id at the start of "ID<rest>"; 0 if it is none. */
static unsigned id_parse(const char *s, const char *rest)
{
	size_t n = strspn(s, "0123456789");

	if (!n || n > 9 || *s == '0' || strcmp(s + n, rest))
		return 0;
	return (unsigned)strtoul(s, NULL, 10);
}

static int id_compare(const void *a, const void *b)
{
	const unsigned *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int store_ids(struct store *s, unsigned **ids, size_t *n)
{
	cleanup_free char *path = below(s, "snapshots");
	DIR *d = opendir(path);
	struct dirent *e;

	*ids = NULL;
	*n = 0;
	if (!d)
		return errno == ENOENT ? 0 : log_errno(-errno, "cannot read '%s'", path);
	while ((e = readdir(d))) {
		unsigned id = id_parse(e->d_name, SUFFIX);

		if (id)
			*(unsigned *)array_grow(ids, n, sizeof(id)) = id;
	}
	closedir(d);
	if (*n)
		qsort(*ids, *n, sizeof(**ids), id_compare);
	return 0;
}

char *store_link_target(unsigned id)
{
	return str_printf("snapshots/%u" SUFFIX, id);
}

char *store_path(const struct store *s, unsigned id)
{
	return str_printf("%s/snapshots/%u" SUFFIX, s->dir, id);
}

int store_current(struct store *s, unsigned *id)
{
	static const char folder[] = "snapshots/";
	cleanup_free char *path = below(s, "current");
	char target[64];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	*id = 0;
	if (n < 0)
		return errno == ENOENT ? 0 : log_errno(-errno, "cannot read '%s'", path);
	target[n] = '\0';
	if (!strncmp(target, folder, strlen(folder)))
		*id = id_parse(target + strlen(folder), SUFFIX);
	if (*id)
		return 0;
	log_error("'%s' is damaged: it points to '%s'", path, target);
	return -EBADMSG;
}

int store_set_current(struct store *s, unsigned id)
{
	cleanup_free char *path = below(s, "current");
	cleanup_free char *target = store_link_target(id);
	cleanup_free char *snapshot = store_path(s, id);
	int r = access(snapshot, F_OK) < 0 ? -errno : file_replace_link(path, target);

	return r < 0 ? log_errno(r, "cannot make snapshot %u the current one", id) : 0;
}

/* Says why a snapshot cannot be read. Returns r. */
static int log_read(int r, const char *name, const struct manifest *m)
{
	if (r == -EBADMSG)
		log_error("snapshot '%s' is damaged", name);
	else if (r == -ENOTSUP)
		log_error("snapshot '%s' has format %u; this version reads up to %u", name,
			  m->format, MANIFEST_FORMAT);
	else
		log_errno(r, "cannot read snapshot '%s'", name);
	return r;
}

/* Opens snapshot id and reads its manifest; *fd has to stay open while it is read. Logs nothing. */
static int open_id(struct store *s, unsigned id, struct snapshot *snap, struct manifest *m, int *fd)
{
	cleanup_free char *path = store_path(s, id);
	int r;

	*snap = (struct snapshot){0};
	*fd = file_open(path);
	if (*fd == -ENOENT) {
		cleanup_free char *pending = store_pending_path(s, id);

		if (pending)
			*fd = file_open(pending);
	}
	if (*fd < 0)
		return *fd;
	r = snapshot_open(snap, *fd, m);
	return !r && m->id != id ? -EBADMSG : r;
}

static int read_manifest(struct store *s, unsigned id, struct manifest *m)
{
	cleanup_close int fd = -1;
	struct snapshot snap;
	int r = open_id(s, id, &snap, m, &fd);

	snapshot_close(&snap);
	return r;
}

int store_manifest(struct store *s, unsigned id, struct manifest *m)
{
	cleanup_free char *path = store_path(s, id);
	int r = read_manifest(s, id, m);

	return r < 0 ? log_read(r, path, m) : 0;
}

static int load_id(struct store *s, unsigned id, struct manifest *m, bool whole)
{
	cleanup_free char *path = store_path(s, id);
	cleanup_close int fd = -1;
	struct snapshot snap;
	int r = open_id(s, id, &snap, m, &fd);

	if (!r)
		r = snapshot_load(&snap, whole);
	snapshot_close(&snap);
	return r < 0 ? log_read(r, path, m) : 0;
}

int store_load(struct store *s, unsigned id, struct manifest *m)
{
	return load_id(s, id, m, false);
}

int store_verify(struct store *s, unsigned id)
{
	struct manifest m = {0};
	int r = load_id(s, id, &m, true);

	manifest_release(&m);
	return r;
}

int snapshot_read(int fd, const char *name, struct manifest *m)
{
	struct snapshot snap;
	int r = snapshot_open(&snap, fd, m);

	if (!r)
		r = snapshot_load(&snap, true);
	snapshot_close(&snap);
	return r < 0 ? log_read(r, name, m) : 0;
}

static bool has_part(const struct manifest *m, const char *name)
{
	for (size_t i = 0; i < m->nparts; i++)
		if (!strcmp(m->parts[i].name, name))
			return true;
	return false;
}

int store_part(struct store *s, unsigned id, const char *name, struct buf *out)
{
	cleanup_free char *path = store_path(s, id);
	cleanup_close int fd = -1;
	const struct manifest_part *part = NULL;
	struct manifest m = {0};
	struct snapshot snap;
	int r = open_id(s, id, &snap, &m, &fd);
	bool have = !r && has_part(&m, name);

	while (have && (r = snapshot_next(&snap, &part)) > 0 && strcmp(part->name, name))
		;
	if (r > 0)
		buf_add(out, snap.data.data, snap.data.len);
	if (r < 0)
		log_read(r, path, &m);
	snapshot_close(&snap);
	manifest_release(&m);
	return r < 0 ? r : have ? 0 : -ENOENT;
}

bool store_tag_valid(const char *tag)
{
	static const char *const reserved[] = {"live", "text", "pending"};
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (!strcmp(tag, reserved[i]))
			return false;
	return isalpha((unsigned char)*tag) && !tag[strspn(tag, letters)] &&
	       strlen(tag) <= TAG_MAX_LENGTH;
}

/* Calls fn for each readable manifest, newest first, until it returns true; *id is that one, else
 * 0. */
static int find_manifest(struct store *s, bool (*fn)(const struct manifest *m, void *arg),
			 void *arg, unsigned *id)
{
	cleanup_free unsigned *ids = NULL;
	size_t n;
	int r = store_ids(s, &ids, &n);

	*id = 0;
	while (!r && n-- && !*id) {
		cleanup_free char *path = store_path(s, ids[n]);
		struct manifest m = {0};

		if (read_manifest(s, ids[n], &m) < 0)
			log_warning("snapshot '%s' cannot be read, it is passed over", path);
		else if (fn(&m, arg))
			*id = ids[n];
		manifest_release(&m);
	}
	return r;
}

static bool has_tag(const struct manifest *m, void *arg)
{
	return strlist_has(&m->tags, arg);
}

struct countdown {
	unsigned before, left;
};

static bool counts_down(const struct manifest *m, void *arg)
{
	struct countdown *c = arg;

	return m->id < c->before && !m->automatic && !--c->left;
}

/* "@" and "@~N" */
static int resolve_current(struct store *s, const char *ref, unsigned *id)
{
	struct countdown c = {0};
	size_t n = strlen(ref);
	int r = store_current(s, &c.before);

	*id = n == 1 ? c.before : 0;
	if (r < 0 || n == 1)
		return r;
	if (ref[1] != '~' || n > 11 || n < 3 || ref[2 + strspn(ref + 2, "0123456789")])
		return 0;
	c.left = (unsigned)strtoul(ref + 2, NULL, 10);
	if (!c.left) {
		*id = c.before;
		return 0;
	}
	return find_manifest(s, counts_down, &c, id);
}

int store_resolve(struct store *s, const char *ref, unsigned *id)
{
	int r = 0;

	*id = id_parse(ref, "");
	if (*id) {
		cleanup_free char *path = store_path(s, *id);

		if (access(path, F_OK) < 0)
			*id = 0;
	} else if (!strcmp(ref, "pending")) {
		r = store_pending(s, id);
	} else if (*ref == '@') {
		r = resolve_current(s, ref, id);
	} else if (store_tag_valid(ref)) {
		r = find_manifest(s, has_tag, (void *)(uintptr_t)ref, id);
	}
	if (r < 0 || *id)
		return r;
	if (!strcmp(ref, "pending"))
		log_error("no change is pending that would be saved");
	else
		log_error("no snapshot '%s'", ref);
	return -ENOENT;
}

/* Replaces the manifest of an open snapshot, the rest stays byte for byte. */
static int replace_manifest(int fd, const struct buf *text, const char *path)
{
	struct file_new new = {0};
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : file_new_open(&new, path, NULL);

	if (!r)
		r = archive_replace_manifest(fd, text->data, text->len, new.fd);
	if (!r)
		r = file_new_commit(&new);
	file_new_cancel(&new);
	return r;
}

/* Rewrites the manifest of a snapshot with the tag or without. */
static int retag(struct store *s, unsigned id, const char *tag, bool add)
{
	cleanup_free char *path = store_path(s, id);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int fd = -1;
	struct manifest m = {0};
	struct snapshot snap;
	int r = open_id(s, id, &snap, &m, &fd);

	if (!r && strlist_has(&m.tags, tag) != add) {
		manifest_retag(&snap.data, tag, add, &text);
		r = replace_manifest(fd, &text, path);
	}
	if (r < 0)
		log_errno(r, "cannot write the tags of snapshot '%s'", path);
	snapshot_close(&snap);
	manifest_release(&m);
	return r;
}

int store_mark(struct store *s, unsigned id, bool left)
{
	cleanup_free char *path = store_path(s, id);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int fd = -1;
	struct manifest m = {0};
	struct snapshot snap;
	int r = open_id(s, id, &snap, &m, &fd);

	if (!r && (m.left != left || m.automatic)) {
		manifest_rekind(&snap.data, left ? "left" : "saved", &text);
		r = replace_manifest(fd, &text, path);
	}
	if (r < 0)
		log_errno(r, "cannot write the kind of snapshot '%s'", path);
	snapshot_close(&snap);
	manifest_release(&m);
	return r;
}

static bool is_older(const struct manifest *m, void *before)
{
	return m->id < *(unsigned *)before && !m->left;
}

int store_older(struct store *s, unsigned before, unsigned *id)
{
	return find_manifest(s, is_older, &before, id);
}

int store_tag_check(struct store *s, unsigned id, const char *tag)
{
	unsigned other;
	int r = find_manifest(s, has_tag, (void *)(uintptr_t)tag, &other);

	if (r < 0 || !other || other == id)
		return r;
	log_error("snapshot %u has the tag '%s' already", other, tag);
	return -EEXIST;
}

int store_tag(struct store *s, unsigned id, const char *tag)
{
	int r;

	if (!store_tag_valid(tag)) {
		log_error("'%s' cannot be a tag", tag);
		return -EINVAL;
	}
	r = store_tag_check(s, id, tag);
	return r < 0 ? r : retag(s, id, tag, true);
}

int store_untag(struct store *s, const char *tag)
{
	unsigned id;
	int r = find_manifest(s, has_tag, (void *)(uintptr_t)tag, &id);

	if (r < 0)
		return r;
	if (id)
		return retag(s, id, tag, false);
	log_error("no snapshot has the tag '%s'", tag);
	return -ENOENT;
}

static int remove_id(struct store *s, unsigned id)
{
	cleanup_free char *path = store_path(s, id);
	int r = file_remove(path);

	return r < 0 ? log_errno(r, "cannot remove '%s'", path) : 0;
}

int store_prune(struct store *s, unsigned keep, unsigned keep_automatic, bool dry_run,
		unsigned **ids, size_t *n)
{
	cleanup_free unsigned *all = NULL;
	unsigned current, kept[2] = {0, 0};
	const unsigned most[2] = {keep, keep_automatic};
	size_t left;
	int r = store_current(s, &current);

	if (!r)
		r = store_ids(s, &all, &left);
	while (!r && left--) {
		struct manifest m = {0};
		unsigned id = all[left];
		/* what cannot be read may still be worth a rescue: it stays */
		bool ours = id != current && !read_manifest(s, id, &m) && !m.tags.n;
		bool automatic = m.automatic;

		manifest_release(&m);
		if (!ours || kept[automatic]++ < most[automatic])
			continue;
		if (!dry_run)
			r = remove_id(s, id);
		if (!r && ids)
			*(unsigned *)array_grow(ids, n, sizeof(id)) = id;
	}
	return r;
}

/* What is at a text path now, and what the record and a save under way say about it. */
static int compare_text(const struct manifest_text *t, const struct intent_text *under_way,
			const struct buf *have, bool there)
{
	struct digest d = digest_of(have->data, have->len);

	if (under_way && under_way->there == there && (!there || digest_equal(d, under_way->old)))
		return 1;
	if (!there)
		return t && t->state != TEXT_ABSENT ? -ENOENT : 1;
	return t && t->state != TEXT_ABSENT && t->size == have->len && digest_equal(t->digest, d);
}

int store_text_untouched(struct store *s, const struct manifest *m, const char *path)
{
	cleanup_free char *file = str_printf("%s%s", s->root, path);
	cleanup_free char *intent = below(s, "intent");
	cleanup_buf struct buf have = BUF_INIT;
	struct intent in = {0};
	int there = file_read(file, ARCHIVE_ENTRY_LIMIT, &have);
	int r;

	if (there < 0 && there != -ENOENT)
		return log_errno(there, "cannot read '%s'", file);
	r = intent_read(&in, intent);
	if (r >= 0)
		r = compare_text(m ? manifest_text(m, path) : NULL, intent_text(&in, path), &have,
				 !there);
	else
		log_errno(r, "cannot read '%s'", intent);
	intent_release(&in);
	return r;
}
