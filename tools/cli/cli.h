/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vtdpasid: what its files share
 *
 * main.c understands options and finds the command, a file of its own
 * (cmd_*.c). Commands print through out.c, which makes text or JSON of the same
 * calls; they ask the kernel through nl.c (netlink) and libvtdpasid.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libvtdpasid.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(f, a)	__attribute__((format(printf, f, a)))

#define PCI_DEVICES	"/sys/bus/pci/devices"

/* Exit status; documented in vtdpasid(8). */
enum status {
	STATUS_OK = 0,
	STATUS_REFUSED = 1,	/* it was asked, and said no; or found wanting */
	STATUS_USAGE = 2,
	STATUS_NO_ACCESS = 3,	/* no module, or no permission */
};

/**
 * struct command - an object that can be named on the command line
 * @name: its name
 * @run: does it; @argv begins with the word behind the name. Returns enum status
 * @usage: lines for the help, without "vtdpasid"; ends with NULL
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *const *usage;
};

extern const struct command cmd_binding, cmd_device, cmd_doctor, cmd_explain, cmd_monitor,
	cmd_pasid, cmd_stat, cmd_table, cmd_unit;

/* ---- main.c ---------------------------------------------------------------- */

/* "It is used like this": says so on standard error. Returns STATUS_USAGE. */
int usage_of(const struct command *command, const char *fmt, ...) __printf(2, 3);

/* ---- fail.c: errors --------------------------------------------------------- */

/* Tell of libvtdpasid's last failure. Returns the exit status that is due. */
int fail_lib(void);
/* Tell of a failure: @err is a positive errno; @next may be NULL. */
int fail(int err, const char *next, const char *fmt, ...) __printf(3, 4);

/* ---- term.c: the terminal ---------------------------------------------------- */

enum color { COLOR_NONE, COLOR_GOOD, COLOR_BAD, COLOR_WARN, COLOR_NAME, COLOR_DIM };

/* "auto", "always" or "never"; false when it is none of them. */
bool color_choose(const char *when);
/* The sequence that begins (or for COLOR_NONE ends) a colour on standard output. */
const char *color_code(enum color color);
/*
 * A call that may take long: after a second a line says so on standard error,
 * if that is a terminal, with a dot for each further second.
 */
void progress_begin(const char *fmt, ...) __printf(1, 2);
void progress_end(void);

/* ---- out.c: text and JSON ----------------------------------------------------- */

/* JSON instead of text; @indent: for people. */
void out_choose_json(bool indent);
bool out_is_json(void);

/* A document: JSON has one for each; schemas are in tools/schema. */
void out_begin(const char *kind);
void out_end(void);
/* Below a document, an array or an object; @key is NULL in arrays. */
void out_array(const char *key);
void out_array_end(void);
void out_object(const char *key);
void out_object_end(void);

/*
 * A value: in JSON under @key, in text behind the words @before. Without @key it
 * is for text only, with @before NULL for JSON only.
 */
void out_u64(const char *key, const char *before, uint64_t value);
void out_hex(const char *key, const char *before, uint64_t value);	/* JSON: "0x..." */
void out_rate(const char *key, double value);	/* text: a column of 14 */
void out_str(const char *key, const char *before, const char *value);
/* In text the words @yes (or nothing) are the value. */
void out_bool(const char *key, const char *yes, bool value);
void out_function(const char *key, const char *before, struct vtdp_function function);
/* pid and comm; text: "comm[pid]" */
void out_process(const char *before, uint32_t pid, const char *comm);
/* The names of the bits that are set, as an array; text: " name" for each. */
void out_flags(const char *key, uint32_t flags, const char *const names[], unsigned int count);

/* Text only */
void out_text(const char *fmt, ...) __printf(1, 2);
void out_colored(enum color color, const char *fmt, ...) __printf(2, 3);

/* An error: JSON has it as a document of its own. */
void out_error(const struct vtdp_problem *problem);

/* ---- pci.c: functions of this machine ------------------------------------------ */

/* All of them, sorted; free() the list. Returns how many, or a negative errno. */
int pci_list(struct vtdp_function **list);

/* ---- args.c: words of the command line ------------------------------------------- */

bool arg_is(const char *arg, const char *word);
/* A number, in any base that strtoull() knows; false when it is none. */
bool arg_number(const char *arg, uint64_t max, uint64_t *number);

#endif
