// SPDX-License-Identifier: GPL-2.0-only
/* Errors: what failed, why, what to do; and with which status to leave. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli.h"

static int status_of(int err)
{
	return err == EPERM ? STATUS_NO_ACCESS : STATUS_REFUSED;
}

/* Without the file of the module, whatever the reason, nothing was asked. */
static bool is_open_failure(const struct vtdp_problem *problem)
{
	return !strncmp(problem->what, "cannot open ", strlen("cannot open "));
}

int fail_lib(void)
{
	const struct vtdp_problem *problem = vtdp_problem();

	out_error(problem);
	return is_open_failure(problem) ? STATUS_NO_ACCESS : status_of(problem->err);
}

int fail(int err, const char *next, const char *fmt, ...)
{
	struct vtdp_problem problem = {
		.err = err, .why = strerror(err), .next = next ? next : "",
	};
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	problem.what = what;
	out_error(&problem);
	return status_of(err);
}
