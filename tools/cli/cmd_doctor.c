// SPDX-License-Identifier: GPL-2.0-only
/*
 * vtdpasid doctor - can this machine, unit, function be used, and why not?
 *
 * The module answers (PREFLIGHT); only the boot line is read here, since the
 * module cannot see it, and that much is told without the module, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_RESULTS	256

static const char *const usage[] = {
	"doctor [BDF]...",
	NULL
};

/* What was found in all. */
struct findings {
	unsigned int missing;		/* what refuses something that was asked about */
	bool to_do;			/* what this command can do is left to do */
};

/* ---- the boot line ----------------------------------------------------------------- */

/* Is @value among the words of the last "@name=a,b,c" of the boot line? */
static bool boot_has(char *line, const char *name, const char *value)
{
	size_t length = strlen(name);
	bool has = false;
	char *word, *rest = line;

	while ((word = strsep(&rest, " \n"))) {
		char *part, *list;

		if (strncmp(word, name, length) || word[length] != '=')
			continue;
		list = word + length + 1;
		has = false;
		while ((part = strsep(&list, ",")))
			has |= !strcmp(part, value);
	}
	return has;
}

/* VTDPASID_ANSWER_* to a question about the boot line. */
static uint8_t boot_answer(uint32_t check)
{
	const char *name = check == VTDPASID_CHECK_BOOT_IOMMU ? "intel_iommu" : "intremap";
	FILE *file = fopen("/proc/cmdline", "re");
	char line[8192];
	size_t n;

	if (!file)
		return VTDPASID_ANSWER_UNKNOWN;
	n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = 0;
	return boot_has(line, name, "off") ? VTDPASID_ANSWER_YES : VTDPASID_ANSWER_NO;
}

static bool about_boot_line(uint32_t check)
{
	return check == VTDPASID_CHECK_BOOT_IOMMU || check == VTDPASID_CHECK_BOOT_INTREMAP;
}

/* ---- results ------------------------------------------------------------------------ */

static const char *const answers[] = {
	[VTDPASID_ANSWER_NO] = "no",
	[VTDPASID_ANSWER_YES] = "yes",
	[VTDPASID_ANSWER_UNKNOWN] = "unknown",
	[VTDPASID_ANSWER_NONE] = "none",
};

static const char *const severities[] = {
	[VTDPASID_SEVERITY_REQUIRED] = "required",
	[VTDPASID_SEVERITY_LIMITS] = "limits",
	[VTDPASID_SEVERITY_ADVICE] = "advice",
};

static const char *const refusals[] = {
	"takeover", "claim", "attach", "pasid", "ats", "pri",
};

#define WORD(names, i)	((i) < ARRAY_SIZE(names) && (names)[i] ? (names)[i] : "unknown")

/* No lack of the machine's: a step that is still to be made, with this command. */
static const char *step(const struct vtdpasid_check_result *r)
{
	switch (r->check) {
	case VTDPASID_CHECK_TAKEN:
		return "vtdpasid unit takeover";
	case VTDPASID_CHECK_OWNED:
		return "vtdpasid device claim";
	}
	return NULL;
}

static bool is_refusal(const struct vtdpasid_check_result *r)
{
	return r->answer == VTDPASID_ANSWER_NO && r->refuses && !step(r) &&
	       r->check != VTDPASID_CHECK_FREE &&
	       r->refuses & (VTDPASID_REFUSES_TAKEOVER | VTDPASID_REFUSES_CLAIM |
			     VTDPASID_REFUSES_ATTACH);
}

static void print_answer(const struct vtdpasid_check_result *r)
{
	enum color color = COLOR_DIM;
	const char *word = "-";

	if (r->answer == VTDPASID_ANSWER_YES) {
		color = COLOR_GOOD;
		word = "yes";
	} else if (r->answer == VTDPASID_ANSWER_NO && is_refusal(r)) {
		color = COLOR_BAD;
		word = "NO";
	} else if (r->answer == VTDPASID_ANSWER_NO) {
		color = COLOR_WARN;
		word = step(r) ? "to do" : "no";
	} else if (r->answer == VTDPASID_ANSWER_UNKNOWN) {
		word = "?";
	}
	out_text("  ");
	out_colored(color, "%-6s", word);
}

static void print_value(const struct vtdpasid_check_result *r)
{
	const char *where = vtdp_check_where(r->check);

	out_str("where", NULL, where);
	if (r->source == VTDPASID_SOURCE_NONE || r->flags & VTDPASID_RESULT_HIDDEN)
		return;
	out_hex("value", NULL, r->value);
	out_u64("register", NULL, r->reg);
	out_u64("bit", NULL, r->bit);
	out_u64("bits", NULL, r->bits);
}

static void print_result(const struct vtdpasid_check_result *r)
{
	const char *cure = step(r);

	if (!cure)
		cure = vtdp_check_cure(r->check);
	out_object(NULL);
	out_u64("check", NULL, r->check);
	out_str("answer", NULL, WORD(answers, r->answer));
	print_answer(r);
	out_str("what", " ", vtdp_check_what(r->check));
	out_text(" (%s)\n", vtdp_check_where(r->check));
	out_str("severity", NULL, WORD(severities, r->severity));
	if (!out_is_json() && r->answer == VTDPASID_ANSWER_NO)
		out_text("         %s\n         cure: %s\n", vtdp_check_lack(r->check), cure);
	out_str("lack", NULL, vtdp_check_lack(r->check));
	out_str("cure", NULL, cure);
	out_bool("refusal", NULL, is_refusal(r));
	if (r->flags & VTDPASID_RESULT_OTHER)
		out_function("other", "         in the way: ",
			     (struct vtdp_function){ r->segment, r->rid });
	out_text(r->flags & VTDPASID_RESULT_OTHER ? "\n" : "");
	print_value(r);
	if (out_is_json())
		out_flags("refuses", r->refuses, refusals, ARRAY_SIZE(refusals));
	out_object_end();
}

static void print_scope(const char *scope, const char *name,
			struct vtdpasid_check_result *results, uint32_t count,
			struct findings *found)
{
	uint32_t i;

	out_object(NULL);
	out_str("scope", NULL, scope);
	out_str("name", NULL, name);
	out_colored(COLOR_NAME, "%s\n", name);
	out_array("checks");
	for (i = 0; i < count; i++) {
		struct vtdpasid_check_result *r = &results[i];

		if (about_boot_line(r->check))
			r->answer = boot_answer(r->check);
		print_result(r);
		found->missing += is_refusal(r);
		found->to_do |= r->answer == VTDPASID_ANSWER_NO && step(r);
	}
	out_array_end();
	out_object_end();
}

/* ---- scopes -------------------------------------------------------------------------- */

static int examine(struct vtdp *v, uint32_t scope, uint32_t unit, struct vtdp_function function,
		   struct findings *found)
{
	static struct vtdpasid_check_result results[MAX_RESULTS];
	static const char *const scopes[] = { "system", "unit", "device" };
	uint32_t count = MAX_RESULTS;
	char name[32] = "system";

	if (vtdp_preflight(v, scope, unit, function, results, &count, sizeof(results[0])))
		return fail_lib();
	if (scope == VTDPASID_SCOPE_UNIT)
		snprintf(name, sizeof(name), "unit %u", unit);
	else if (scope == VTDPASID_SCOPE_DEVICE)
		vtdp_function_name(function, name);
	print_scope(scopes[scope], name, results, count, found);
	return STATUS_OK;
}

static int examine_all(struct vtdp *v, struct vtdp_function *functions, unsigned int count,
		       struct findings *found)
{
	static const struct vtdp_function none;
	struct vtdpasid_get_info info;
	unsigned int i;
	int status;

	if (vtdp_info(v, &info, sizeof(info)))
		return fail_lib();
	status = examine(v, VTDPASID_SCOPE_SYSTEM, 0, none, found);
	for (i = 0; i < info.out_units && !status; i++)
		status = examine(v, VTDPASID_SCOPE_UNIT, i, none, found);
	for (i = 0; i < count && !status; i++)
		status = examine(v, VTDPASID_SCOPE_DEVICE, 0, functions[i], found);
	return status;
}

/* Without the module there is the boot line. */
static void examine_boot_line(struct findings *found)
{
	struct vtdpasid_check_result results[] = {
		{ .check = VTDPASID_CHECK_BOOT_IOMMU, .severity = VTDPASID_SEVERITY_ADVICE },
		{ .check = VTDPASID_CHECK_BOOT_INTREMAP, .severity = VTDPASID_SEVERITY_ADVICE },
	};

	if (!out_is_json())
		print_scope("system", "system", results, ARRAY_SIZE(results), found);
}

static void print_summary(const struct findings *found)
{
	out_bool("ready", NULL, !found->missing);
	if (found->missing)
		out_colored(COLOR_BAD, "%u prerequisites are missing\n", found->missing);
	else if (found->to_do)
		out_colored(COLOR_GOOD, "nothing is missing; what is marked \"to do\" can be done\n");
	else
		out_colored(COLOR_GOOD, "nothing is missing\n");
}

static int run(int argc, char **argv)
{
	struct vtdp_function *functions = calloc(argc + 1, sizeof(*functions));
	struct findings found = { 0 };
	int status = STATUS_OK, i;
	struct vtdp *v;

	if (!functions)
		return fail(ENOMEM, NULL, "cannot examine functions");
	for (i = 0; i < argc; i++) {
		if (vtdp_function_parse(argv[i], &functions[i])) {
			free(functions);
			return usage_of(&cmd_doctor, "%s is no PCI function, such as 0000:00:04.0",
					argv[i]);
		}
	}
	v = vtdp_open();
	if (!v) {
		examine_boot_line(&found);
		status = fail_lib();
	} else {
		out_begin("doctor");
		out_array("scopes");
		status = examine_all(v, functions, argc, &found);
		if (!status) {
			out_array_end();
			print_summary(&found);
			out_end();
			status = found.missing ? STATUS_REFUSED : STATUS_OK;
		}
	}
	vtdp_close(v);
	free(functions);
	return status;
}

const struct command cmd_doctor = { "doctor", run, usage };
