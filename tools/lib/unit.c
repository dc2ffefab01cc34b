// SPDX-License-Identifier: LGPL-2.1-or-later
/* VT-d units: takeover, handback, and why not. */
#include <stdio.h>
#include <string.h>

#include "private.h"

/* What the module's header says of each check. */
static const struct {
	uint32_t id;
	const char *what;
	const char *where;
	const char *lack;
	const char *cure;
} checks[] = {
#define CHECK_WORDS(name, id, what, where, lack, cure) { id, what, where, lack, cure },
	VTDPASID_CHECKS(CHECK_WORDS)
#undef CHECK_WORDS
};

#define CHECK_WORD(_word, _unknown)					\
	const char *vtdp_check_##_word(uint32_t check)			\
	{								\
		unsigned int i;						\
									\
		for (i = 0; i < ARRAY_SIZE(checks); i++)		\
			if (checks[i].id == check)			\
				return checks[i]._word;			\
		return _unknown;					\
	}

CHECK_WORD(what, "a prerequisite that this program does not know of")
CHECK_WORD(where, "")
CHECK_WORD(lack, "something is missing that this program does not know of")
CHECK_WORD(cure, "look into the kernel log")

static const struct refusal unit_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ 0 }
};

static const struct refusal takeover_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ EALREADY, "it is taken over already", NULL },
	{ ETIMEDOUT, "a register did not follow; what was done is undone",
	  "look into the kernel log" },
	{ 0 }
};

static const struct refusal handback_refusals[] = {
	{ ENOENT, "there is no such unit", "vtdpasid unit" },
	{ ENOTCONN, "it is not taken over", NULL },
	{ EBUSY, "functions of it are attached", "detach them first: vtdpasid device" },
	{ ETIMEDOUT, "translation or the queue could not be proved off; the unit stays broken",
	  "look into the kernel log, then reboot" },
	{ 0 }
};

int vtdp_unit_info(struct vtdp *v, uint32_t unit, struct vtdpasid_unit_info *info, size_t size)
{
	static const struct call call = { "read the state of", unit_refusals };
	char subject[24];

	memset(info, 0, size);
	info->unit = unit;
	snprintf(subject, sizeof(subject), "unit %u", unit);
	return file_query(v, &call, subject, VTDPASID_UNIT_INFO, info, size);
}

int vtdp_takeover(struct vtdp *v, uint32_t unit)
{
	static const struct call call = { "take over", takeover_refusals };
	struct vtdpasid_takeover arg = { .unit = unit };
	char subject[24];
	int rc;

	snprintf(subject, sizeof(subject), "unit %u", unit);
	rc = file_query(v, &call, subject, VTDPASID_TAKEOVER, &arg, sizeof(arg));
	if (rc && arg.out_check != VTDPASID_CHECK_NONE)
		problem_say(-rc, &call, subject, vtdp_check_lack(arg.out_check),
			    vtdp_check_cure(arg.out_check));
	return rc;
}

int vtdp_handback(struct vtdp *v, uint32_t unit)
{
	static const struct call call = { "hand back", handback_refusals };
	struct vtdpasid_handback arg = { .unit = unit };
	char subject[24];

	snprintf(subject, sizeof(subject), "unit %u", unit);
	return file_query(v, &call, subject, VTDPASID_HANDBACK, &arg, sizeof(arg));
}

int vtdp_preflight(struct vtdp *v, uint32_t scope, uint32_t unit, struct vtdp_function function,
		   struct vtdpasid_check_result *results, uint32_t *count, size_t result_size)
{
	static const struct refusal refusals[] = {
		{ ENODEV, "there is no such function", "lspci -D" },
		{ ENOENT, "there is no such unit", "vtdpasid unit" },
		{ EMSGSIZE, "there is more to tell than there is room for", NULL },
		{ 0 }
	};
	static const struct call call = { "examine", refusals };
	struct vtdpasid_preflight arg = {
		.scope = scope,
		.unit = unit,
		.segment = function.segment,
		.rid = function.rid,
		.result_size = result_size,
		.results = (uintptr_t)results,
		.count = *count,
	};
	char subject[24] = "the system";
	int rc;

	if (scope == VTDPASID_SCOPE_UNIT)
		snprintf(subject, sizeof(subject), "unit %u", unit);
	else if (scope == VTDPASID_SCOPE_DEVICE)
		vtdp_function_name(function, subject);
	rc = file_query(v, &call, subject, VTDPASID_PREFLIGHT, &arg, sizeof(arg));
	if (!rc || rc == -EMSGSIZE)
		*count = arg.out_count;
	return rc;
}
