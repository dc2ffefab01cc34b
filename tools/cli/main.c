// SPDX-License-Identifier: GPL-2.0-only
/*
 * vtdpasid - who is bound to what, why not, and why did this DMA fail?
 *
 * Options, then an object, then what is to be done with it.
 */
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "cli.h"

static const struct command *const commands[] = {
	&cmd_doctor, &cmd_unit, &cmd_device, &cmd_pasid, &cmd_binding, &cmd_table, &cmd_explain,
	&cmd_monitor, &cmd_stat,
};

static void print_usage(FILE *out, const struct command *command)
{
	const char *const *line;

	for (line = command->usage; *line; line++)
		fprintf(out, "       vtdpasid %s\n", *line);
}

static void help(FILE *out)
{
	unsigned int i;

	fputs("usage: vtdpasid [OPTION]... OBJECT [COMMAND [ARGUMENT]...]\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		print_usage(out, commands[i]);
	fputs("options: -j, --json            JSON, one line for each document\n"
	      "         -p, --pretty          JSON for people\n"
	      "         -c, --color[=WHEN]    auto (default), always, never\n"
	      "         -V, --version\n"
	      "         -h, --help\n"
	      "BDF is a PCI function: 0000:00:04.0. See vtdpasid(8).\n", out);
}

int usage_of(const struct command *command, const char *fmt, ...)
{
	va_list ap;

	fputs("vtdpasid: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nusage:\n", stderr);
	print_usage(stderr, command);
	return STATUS_USAGE;
}

static int run(const struct command *command, int argc, char **argv)
{
	if (argc && (arg_is(argv[0], "help") || arg_is(argv[0], "--help") ||
		     arg_is(argv[0], "-h"))) {
		puts("usage:");
		print_usage(stdout, command);
		return STATUS_OK;
	}
	return command->run(argc, argv);
}

/* Options before the object; -1 to go on, else a status to leave with. */
static int options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "color", optional_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int option;

	/* "+": those behind the object are the object's. */
	while ((option = getopt_long(argc, argv, "+jpc::Vh", known, NULL)) != -1) {
		switch (option) {
		case 'j':
			out_choose_json(false);
			break;
		case 'p':
			out_choose_json(true);
			break;
		case 'c':
			if (color_choose(optarg ? optarg : "always"))
				break;
			fprintf(stderr, "vtdpasid: --color: auto, always or never: %s\n"
				"try: vtdpasid --help\n", optarg);
			return STATUS_USAGE;
		case 'V':
			puts("vtdpasid " VERSION);
			return STATUS_OK;
		case 'h':
			help(stdout);
			return STATUS_OK;
		default:
			help(stderr);
			return STATUS_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	int status = options(argc, argv);
	unsigned int i;

	if (status >= 0)
		return status;
	argv += optind;
	argc -= optind;
	if (!argc) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (arg_is(argv[0], "help")) {
		help(stdout);
		return STATUS_OK;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (arg_is(argv[0], commands[i]->name))
			return run(commands[i], argc - 1, argv + 1);
	fprintf(stderr, "vtdpasid: no such object: %s\n", argv[0]);
	help(stderr);
	return STATUS_USAGE;
}
