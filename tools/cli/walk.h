/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * walk: what the words of VTDPASID_WALK mean, and what hardware makes of them
 *
 * Pure functions of the words, by the VT-d specification; not what an emulation
 * happens to do.
 */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include "cli.h"
#include "../../src/vtd_regs.h"

#define STEP_WORDS	VTD_PASID_QWORDS
#define MAX_STEPS	(4 + 5)

/**
 * struct step - an entry on the way
 * @name: "FS-PDE[12]"
 * @at: its physical address; 0 when that cannot be known
 * @words: as they are in memory
 * @nr_words: how many
 * @present: its P bit
 * @meaning: what they say
 */
struct step {
	char name[32];
	uint64_t at;
	__u64 words[STEP_WORDS];
	unsigned int nr_words;
	bool present;
	char meaning[192];
};

/* The entries that were read, in order; returns how many. */
unsigned int walk_steps(const struct vtdpasid_walk *walk, struct step steps[MAX_STEPS]);

void describe_context(const __u64 words[VTD_CTX_QWORDS], char *text, size_t size);
void describe_pasid(const __u64 words[VTD_PASID_QWORDS], char *text, size_t size);

enum outcome {
	OUTCOME_TRANSLATED,
	OUTCOME_PASS_THROUGH,
	OUTCOME_INTERRUPT,	/* a message to the CPU, not memory */
	OUTCOME_FAULT,
};

/**
 * struct verdict - what becomes of a request
 * @outcome: what
 * @physical: address that it reaches
 * @page: size of the page in bytes
 * @reason: fault reason (spec 7.1.3)
 * @recorded: the fault is recorded: no FPD on the way
 */
struct verdict {
	enum outcome outcome;
	uint64_t physical;
	uint64_t page;
	uint32_t reason;
	bool recorded;
};

struct verdict walk_verdict(const struct vtdpasid_walk *walk, bool write);

#endif
