// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output: the same calls make text or JSON. JSON is built as a tree and written
 * when its document ends; so what a command prints is one document or nothing.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define SCHEMA_VERSION	1
#define MAX_DEPTH	8

static bool json, indented;
static json_object *stack[MAX_DEPTH];
static unsigned int depth;

void out_choose_json(bool indent)
{
	json = true;
	indented |= indent;
}

bool out_is_json(void)
{
	return json;
}

/* ---- JSON ------------------------------------------------------------------ */

static void add(const char *key, json_object *value)
{
	json_object *top = stack[depth - 1];

	if (json_object_is_type(top, json_type_array))
		json_object_array_add(top, value);
	else
		json_object_object_add(top, key, value);
}

static void push(json_object *container)
{
	if (depth == MAX_DEPTH)
		abort();
	stack[depth++] = container;
}

static void open_container(const char *key, json_object *container)
{
	add(key, container);
	push(container);
}

void out_begin(const char *kind)
{
	if (!json)
		return;
	push(json_object_new_object());
	add("schema_version", json_object_new_int(SCHEMA_VERSION));
	add("kind", json_object_new_string(kind));
}

void out_end(void)
{
	if (json) {
		puts(json_object_to_json_string_ext(stack[0], JSON_C_TO_STRING_NOSLASHESCAPE |
			(indented ? JSON_C_TO_STRING_PRETTY : JSON_C_TO_STRING_PLAIN)));
		json_object_put(stack[0]);
		depth = 0;
	}
	fflush(stdout);
}

void out_array(const char *key)
{
	if (json)
		open_container(key, json_object_new_array());
}

void out_object(const char *key)
{
	if (json)
		open_container(key, json_object_new_object());
}

void out_array_end(void)
{
	if (json)
		depth--;
}

void out_object_end(void)
{
	if (json)
		depth--;
}

/* ---- values ---------------------------------------------------------------- */

void out_u64(const char *key, const char *before, uint64_t value)
{
	if (json && key)
		add(key, json_object_new_uint64(value));
	else if (!json && before)
		printf("%s%llu", before, (unsigned long long)value);
}

void out_rate(const char *key, double value)
{
	if (json)
		add(key, json_object_new_double(value));
	else
		printf(" %13.1f", value);
}

void out_hex(const char *key, const char *before, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
	out_str(key, before, text);
}

void out_str(const char *key, const char *before, const char *value)
{
	if (json && key)
		add(key, json_object_new_string(value));
	else if (!json && before)
		printf("%s%s", before, value);
}

void out_bool(const char *key, const char *yes, bool value)
{
	if (json && key)
		add(key, json_object_new_boolean(value));
	else if (!json && yes && value)
		fputs(yes, stdout);
}

void out_function(const char *key, const char *before, struct vtdp_function function)
{
	char name[VTDP_NAME_MAX];

	out_str(key, before, vtdp_function_name(function, name));
}

void out_process(const char *before, uint32_t pid, const char *comm)
{
	out_u64("pid", NULL, pid);
	out_str("comm", NULL, comm);
	if (!json)
		printf("%s%s[%u]", before, comm, pid);
}

void out_flags(const char *key, uint32_t flags, const char *const names[], unsigned int count)
{
	unsigned int i;

	out_array(key);
	for (i = 0; i < count; i++)
		if (flags & 1u << i && names[i])
			out_str(json ? "" : NULL, " ", names[i]);
	out_array_end();
}

/* ---- text ------------------------------------------------------------------ */

void out_text(const char *fmt, ...)
{
	va_list ap;

	if (json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void out_colored(enum color color, const char *fmt, ...)
{
	va_list ap;

	if (json)
		return;
	fputs(color_code(color), stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fputs(color_code(COLOR_NONE), stdout);
}

/* ---- errors ---------------------------------------------------------------- */

void out_error(const struct vtdp_problem *problem)
{
	fprintf(stderr, "vtdpasid: %s: %s\n", problem->what, problem->why);
	if (*problem->next)
		fprintf(stderr, "    try: %s\n", problem->next);
	if (!json)
		return;
	/* What was begun is not finished: it is not shown. */
	if (depth)
		json_object_put(stack[0]);
	depth = 0;
	out_begin("error");
	out_str("what", NULL, problem->what);
	out_str("why", NULL, problem->why);
	out_str("next", NULL, problem->next);
	out_u64("errno", NULL, problem->err);
	out_end();
}
