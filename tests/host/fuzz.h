/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - for fuzz targets: programs for libFuzzer, or, with fuzz_main.c, on
 * their own
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <signal.h>

#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* What is left of an input. Reading past its end gives zeroes. */
struct input { const u8 *at; size_t left; };

static inline void input_bytes(struct input *in, void *to, size_t n)
{
	size_t can = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (can)
		memcpy(to, in->at, can);
	in->at += can;
	in->left -= can;
}

static inline u8 input_u8(struct input *in) { u8 v; input_bytes(in, &v, 1); return v; }
static inline u32 input_u32(struct input *in) { u32 v; input_bytes(in, &v, 4); return v; }

/* A rule of the model was broken: that input is a find. */
static inline void fuzz_broken(const char *rule)
{
	fprintf(stderr, "# BROKEN [%s]\n", rule);
	fflush(NULL);
	abort();
}

static inline void fuzz_begin(void)
{
	static bool ready;

	if (!ready)
		shim_init();
	ready = true;
	fail_notify = fuzz_broken;
	rnd_seed(1);
}

#endif /* FUZZ_H */
