// SPDX-License-Identifier: GPL-2.0-only
/* Words of the command line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

bool arg_is(const char *arg, const char *word)
{
	return arg && !strcmp(arg, word);
}

bool arg_number(const char *arg, uint64_t max, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)*arg))
		return false;
	errno = 0;
	*number = strtoull(arg, &end, 0);
	return !errno && !*end && *number <= max;
}
