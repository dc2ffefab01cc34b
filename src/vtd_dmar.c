// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI DMAR table (VT-d spec 8): which units there are, and which
 * functions each covers. Bytes in, list out; firmware is not trusted.
 */
#include <linux/acpi.h>
#include <linux/slab.h>

#include "vtdpasid.h"

#define DMAR_HEADER		48	/* 8.1: ACPI header, width, flags */
#define DMAR_STRUCTURE		4	/* type and length of each structure */
#define DMAR_SCOPE		6	/* 8.3.1: a device scope without a path */

static u16 get16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

static u64 get64(const u8 *p)
{
	u64 v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/* Offset of the device scopes; 0: a type without, which is passed over. */
static unsigned int dmar_scope_offset(u16 type)
{
	switch (type) {
	case ACPI_DMAR_TYPE_HARDWARE_UNIT:
		return 16;
	case ACPI_DMAR_TYPE_RESERVED_MEMORY:
		return 24;
	case ACPI_DMAR_TYPE_ROOT_ATS:
	case ACPI_DMAR_TYPE_SATC:
		return 8;
	}
	return 0;
}

/* Parse the scopes of a structure into @out, or only count them. */
static int dmar_scopes(const u8 *p, size_t length, struct vtdp_scope *out)
{
	unsigned int count = 0, i;

	while (length) {
		unsigned int size, depth;

		if (length < DMAR_SCOPE)
			return -EINVAL;
		size = p[1];
		if (size < DMAR_SCOPE || size > length || size % 2)
			return -EINVAL;
		depth = (size - DMAR_SCOPE) / 2;
		if (depth > sizeof(out->path))
			return -EINVAL;
		if (out) {
			out[count].type = p[0];
			out[count].enumeration_id = p[4];
			out[count].bus = p[5];
			out[count].depth = depth;
			for (i = 0; i < depth; i++)
				out[count].path[i] =
					PCI_DEVFN(p[DMAR_SCOPE + 2 * i],
						  p[DMAR_SCOPE + 2 * i + 1]);
		}
		count++;
		p += size;
		length -= size;
	}
	return count;
}

static int dmar_structure(const u8 *p, size_t length, struct list_head *out)
{
	u16 type = get16(p);
	unsigned int offset = dmar_scope_offset(type);
	struct vtdp_dmar *dmar;
	int count;

	if (!offset)
		return 0;
	if (length < offset)
		return -EINVAL;
	count = dmar_scopes(p + offset, length - offset, NULL);
	if (count < 0)
		return count;
	dmar = kzalloc(struct_size(dmar, scope, count), GFP_KERNEL);
	if (!dmar)
		return -ENOMEM;

	dmar->type = type;
	dmar->segment = get16(p + 6);
	dmar->scopes = count;
	dmar_scopes(p + offset, length - offset, dmar->scope);
	if (type == ACPI_DMAR_TYPE_RESERVED_MEMORY) {
		dmar->base = get64(p + 8);
		dmar->limit = get64(p + 16);
	} else {
		dmar->flags = p[4];
	}
	if (type == ACPI_DMAR_TYPE_HARDWARE_UNIT)
		dmar->base = get64(p + 8);
	list_add_tail(&dmar->node, out);
	return 0;
}

/**
 * vtdp_dmar_parse() - parse a DMAR table
 * @table: with its ACPI header
 * @length: bytes that may be read
 * @out: list that struct vtdp_dmar are added to
 *
 * Context: may sleep.
 * Return: 0; -EINVAL when lengths do not fit; -ENOMEM. On errors @out holds
 * what came before; free it with vtdp_dmar_free() in any case.
 */
int vtdp_dmar_parse(const void *table, size_t length, struct list_head *out)
{
	const u8 *p = table;
	size_t size;
	int err;

	if (length < DMAR_HEADER)
		return -EINVAL;
	for (p += DMAR_HEADER, length -= DMAR_HEADER; length;
	     p += size, length -= size) {
		if (length < DMAR_STRUCTURE)
			return -EINVAL;
		size = get16(p + 2);
		if (size < DMAR_STRUCTURE || size > length)
			return -EINVAL;
		err = dmar_structure(p, size, out);
		if (err)
			return err;
	}
	return 0;
}

void vtdp_dmar_free(struct list_head *list)
{
	struct vtdp_dmar *dmar, *next;

	list_for_each_entry_safe(dmar, next, list, node) {
		list_del(&dmar->node);
		kfree(dmar);
	}
}
