// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Errors as sentences: what failed, why, and what to do about it. One for each
 * thread, so that nobody has to pass it around.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "private.h"

static __thread struct {
	struct vtdp_problem problem;
	char what[128];
	char why[128];
	char next[256];
	char line[768];
} last;

/* What an errno means whatever was called: see the head of vtdpasid.h. */
static const struct refusal common[] = {
	{ EBADF, "there is no open file of /dev/vtdpasid", NULL },
	{ ENOTTY, "the module does not know this call: it is older than this program",
	  "install and load the vtdpasid module of the same version" },
	{ E2BIG, "the module does not know all that was asked for: it is older than this program",
	  "install and load the vtdpasid module of the same version" },
	{ EOPNOTSUPP, "the module does not know a flag: it is older than this program",
	  "install and load the vtdpasid module of the same version" },
	{ EPERM, "a capability is missing", "run it as root (CAP_SYS_ADMIN)" },
	{ EACCES, "permission is missing", "run it as root (CAP_SYS_ADMIN)" },
	{ ENOMEM, "the kernel is out of memory; nothing was changed", NULL },
	{ EINTR, "a signal came; nothing was changed", "try again" },
	{ EIO, "the unit is broken: it stopped answering, and its functions were cut off",
	  "look into the kernel log, then reboot" },
	{ 0 }
};

static const struct refusal *find(const struct refusal *list, int err)
{
	for (; list && list->err; list++)
		if (list->err == err)
			return list;
	return NULL;
}

/* @text with "{}" replaced by @subject. */
static void expand(char *out, size_t size, const char *text, const char *subject)
{
	const char *hole = strstr(text, "{}");

	if (hole)
		snprintf(out, size, "%.*s%s%s", (int)(hole - text), text, subject, hole + 2);
	else
		snprintf(out, size, "%s", text);
}

/**
 * problem_say() - note a failure in words of the caller's
 * @err: errno, positive
 * @call: what failed
 * @subject: on what, or NULL
 * @why: why
 * @next: what to do; may be NULL
 *
 * Return: -@err.
 */
int problem_say(int err, const struct call *call, const char *subject, const char *why,
		const char *next)
{
	snprintf(last.what, sizeof(last.what), "cannot %s%s%s", call->verb, subject ? " " : "",
		 subject ? subject : "");
	expand(last.why, sizeof(last.why), why, subject ? subject : "");
	expand(last.next, sizeof(last.next), next ? next : "", subject ? subject : "");
	last.problem = (struct vtdp_problem){
		.err = err, .what = last.what, .why = last.why, .next = last.next,
	};
	return -err;
}

/* The same, with what is known about that errno. */
int problem_set(int err, const struct call *call, const char *subject)
{
	const struct refusal *refusal = find(call->refusals, err);

	if (!refusal)
		refusal = find(common, err);
	if (!refusal)
		return problem_say(err, call, subject, strerror(err), NULL);
	return problem_say(err, call, subject, refusal->why, refusal->next);
}

const struct vtdp_problem *vtdp_problem(void)
{
	if (!last.problem.what)
		last.problem = (struct vtdp_problem){ .what = "", .why = "", .next = "" };
	return &last.problem;
}

const char *vtdp_error(void)
{
	const struct vtdp_problem *p = vtdp_problem();
	const char *name = strerrorname_np(p->err);

	if (!p->err)
		return "no error";
	snprintf(last.line, sizeof(last.line), "%s: %s (%s)%s%s", p->what, p->why,
		 name ? name : "?", *p->next ? "; " : "", p->next);
	return last.line;
}
