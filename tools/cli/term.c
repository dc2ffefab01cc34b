// SPDX-License-Identifier: GPL-2.0-only
/* The terminal: colours, and signs of life. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

/* ---- progress --------------------------------------------------------------
 *
 * A thread of its own: a signal would end the call that is waited for.
 */

static char message[160];
static pthread_t thread;
static sem_t ended;
static bool running;

static void *speak(void *unused)
{
	const char *text = message;
	struct timespec next;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		next.tv_sec++;
		if (!sem_clockwait(&ended, CLOCK_MONOTONIC, &next))
			break;
		fputs(text, stderr);
		text = ".";
	}
	if (text != message)
		fputs("\n", stderr);
	return NULL;
}

void progress_begin(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	running = !sem_init(&ended, 0, 0) && !pthread_create(&thread, NULL, speak, NULL);
}

void progress_end(void)
{
	if (!running)
		return;
	sem_post(&ended);
	pthread_join(thread, NULL);
	sem_destroy(&ended);
	running = false;
}
