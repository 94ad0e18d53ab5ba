/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign_shipped - the files of src/foreign.d/, made a part of the program by the Makefile: at boot no
 * other file has to be there
 */
#ifndef FWSNAP_FOREIGN_SHIPPED_H
#define FWSNAP_FOREIGN_SHIPPED_H

struct foreign_shipped {
	const char *name, *content;
};
/* In the order of names; the last one has none. */
extern const struct foreign_shipped foreign_shipped[];

#endif
