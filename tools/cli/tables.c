// SPDX-License-Identifier: GPL-2.0-only
/* Reading the tables, entry by entry. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

/* The PASID entries of a function that are in use. 0 or -errno. */
static int read_entries(struct vtdp *v, struct table_function *f)
{
	struct vtdpasid_walk walk;
	struct table_entry *more;
	uint32_t pasid = 0;
	int rc;

	for (;;) {
		rc = vtdp_walk(v, f->function, VTDPASID_WALK_NEXT, pasid, 0, &walk, sizeof(walk));
		if (rc == -ENOENT)
			return 0;
		if (rc)
			return rc;
		more = realloc(f->entries, (f->count + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->entries = more;
		f->entries[f->count].pasid = walk.out_pasid;
		f->entries[f->count++].walk = walk;
		pasid = walk.out_pasid + 1;
	}
}

static int read_function(struct tables *tables, struct vtdp *v, struct vtdp_function function)
{
	struct table_function f = { .function = function }, *more;
	char name[VTDP_NAME_MAX];
	int rc;

	rc = vtdp_walk(v, function, 0, 0, 0, &f.walk, sizeof(f.walk));
	if (rc)
		return rc;
	vtdp_driver(vtdp_function_name(function, name), f.driver, sizeof(f.driver));
	rc = read_entries(v, &f);
	more = realloc(tables->functions, (tables->count + 1) * sizeof(*more));
	if (!more)
		rc = -ENOMEM;
	else
		tables->functions = more;
	if (rc)
		free(f.entries);
	else
		tables->functions[tables->count++] = f;
	return rc;
}

/* Those that no unit covers, or whose unit is idle, have no tables. */
static int read_all(struct tables *tables, struct vtdp *v)
{
	struct vtdp_function *list;
	int n = pci_list(&list), i, rc = 0;

	if (n < 0)
		return fail(-n, NULL, "cannot list PCI functions");
	progress_begin("reading the tables of %d functions", n);
	for (i = 0; i < n && !rc; i++) {
		rc = read_function(tables, v, list[i]);
		if (rc == -ENODEV || rc == -ENOTCONN)
			rc = 0;
	}
	progress_end();
	if (n > 0)
		free(list);
	return rc ? fail_lib() : STATUS_OK;
}

int tables_read(struct tables *tables, const struct vtdp_function *only)
{
	struct vtdp *v;
	int status;

	memset(tables, 0, sizeof(*tables));
	v = vtdp_open();
	if (!v)
		return fail_lib();
	if (only)
		status = read_function(tables, v, *only) ? fail_lib() : STATUS_OK;
	else
		status = read_all(tables, v);
	vtdp_close(v);
	if (!status)
		status = netlink_state_get(&tables->state, NL_BINDINGS);
	if (status)
		tables_free(tables);
	return status;
}

void tables_free(struct tables *tables)
{
	unsigned int i;

	for (i = 0; i < tables->count; i++)
		free(tables->functions[i].entries);
	free(tables->functions);
	netlink_state_free(&tables->state);
	memset(tables, 0, sizeof(*tables));
}

/*
 * Through shared tables a function reaches processes that are bound to others:
 * a PASID tells the process on any of them. Without PASID it is its own.
 */
static const struct nl_binding *binding_of(const struct tables *tables,
					   struct vtdp_function function, uint32_t pasid)
{
	const struct nl_binding *b = tables->state.bindings;
	const struct nl_binding *end = b + tables->state.nr_bindings;

	for (; b < end; b++)
		if (b->pasid == pasid &&
		    (pasid || same_function(binding_function(b), function)))
			return b;
	return NULL;
}

void tables_owner(const struct tables *tables, const struct table_function *function,
		  const struct table_entry *entry, char *text, size_t size)
{
	unsigned int type = FIELD_GET(VTD_PASID0_PGTT, entry->walk.out_pasid_entry[0]);
	const struct nl_binding *b = binding_of(tables, function->function, entry->pasid);

	if (type == VTD_PGTT_PASS_THROUGH)
		snprintf(text, size, "all of memory");
	else if (b)
		snprintf(text, size, "%s[%u]", b->comm, b->pid);
	else
		snprintf(text, size, entry->pasid ? "no one" : "blocked");
}
