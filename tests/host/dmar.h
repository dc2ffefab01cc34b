/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dmar.h - writes DMAR tables (VT-d spec 8), for tests
 */
#ifndef DMAR_H
#define DMAR_H

#include "shim.h"

static u8 buf[4096];
static unsigned int len;

static void put8(unsigned int v) { buf[len++] = v; }
static void put16(unsigned int v) { put8(v & 255); put8(v >> 8 & 255); }
static void put64(u64 v) { for (int i = 0; i < 8; i++) put8(v >> 8 * i & 255); }

static void begin(void)
{
	memset(buf, 0, sizeof(buf));
	memcpy(buf, "DMAR", 4);
	len = 48;
}

static unsigned int open_structure(unsigned int type)
{
	unsigned int at = len;

	put16(type);
	put16(0);
	return at;
}

static void close_structure(unsigned int at)
{
	buf[at + 2] = len - at;
	buf[at + 3] = (len - at) >> 8;
}

static void scope(unsigned int type, unsigned int id, unsigned int bus, unsigned int depth, const u8 *path)
{
	put8(type);
	put8(6 + 2 * depth);
	put16(0);
	put8(id);
	put8(bus);
	for (unsigned int i = 0; i < 2 * depth; i++)
		put8(path[i]);
}

static unsigned int drhd(unsigned int flags, unsigned int segment, u64 base)
{
	unsigned int at = open_structure(0);

	put8(flags);
	put8(0);
	put16(segment);
	put64(base);
	return at;
}

static unsigned int rmrr(unsigned int segment, u64 base, u64 limit)
{
	unsigned int at = open_structure(1);

	put16(0);
	put16(segment);
	put64(base);
	put64(limit);
	return at;
}

#endif
