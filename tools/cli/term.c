// SPDX-License-Identifier: GPL-2.0-only
/* The terminal: colours, and signs of life. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli.h"

static enum { AUTO, ALWAYS, NEVER } when;

bool color_choose(const char *arg)
{
	if (arg_is(arg, "auto"))
		when = AUTO;
	else if (arg_is(arg, "always"))
		when = ALWAYS;
	else if (arg_is(arg, "never"))
		when = NEVER;
	else
		return false;
	return true;
}

/* https://no-color.org: set and not empty */
static bool colored(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (when != AUTO)
		return when == ALWAYS;
	return !(no && *no) && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb");
}

const char *color_code(enum color color)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "\033[0m",
		[COLOR_GOOD] = "\033[32m",
		[COLOR_BAD] = "\033[1;31m",
		[COLOR_WARN] = "\033[33m",
		[COLOR_NAME] = "\033[1m",
		[COLOR_DIM] = "\033[2m",
	};

	return colored() ? codes[color] : "";
}

/* ---- progress -------------------------------------------------------------- */

static char message[160];
static bool said;

static void tick(int sig)
{
	const char *text = said ? "." : message;

	(void)sig;
	if (write(STDERR_FILENO, text, strlen(text)) > 0)
		said = true;
}

static void every(unsigned int seconds)
{
	struct itimerval timer = {
		.it_interval.tv_sec = seconds, .it_value.tv_sec = seconds,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

void progress_begin(const char *fmt, ...)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	said = false;
	sigaction(SIGALRM, &action, NULL);
	every(1);
}

void progress_end(void)
{
	every(0);
	if (said && write(STDERR_FILENO, "\n", 1) < 0)
		return;
	said = false;
}
