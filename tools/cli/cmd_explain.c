// SPDX-License-Identifier: GPL-2.0-only
/*
 * vtdpasid explain - what hardware does with a request, and why: each entry that
 * it walks, as it is in memory now, and the verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nl.h"
#include "walk.h"

#define PASID_LIMIT	(1u << 20)

static const char *const usage[] = {
	"explain BDF [--pasid N] ADDRESS",
	"explain --last-fault",
	NULL
};

/* What is to be explained. */
struct question {
	struct vtdp_function function;
	uint32_t pasid;			/* 0: a request without */
	uint64_t addr;
	bool last_fault;
	struct nl_unit unit;		/* whose last fault it is */
};

/* What helps when a request ends so. */
static const char *advice(uint32_t reason)
{
	switch (reason) {
	case 0x39:
	case 0x41:
		return "the function is not attached, and no kernel driver drives it: its DMA is denied";
	case 0x45:
		return "the function was attached without PASIDs: see vtdpasid doctor";
	case 0x46:
	case 0x51:
	case 0x59:
		return "no process with that PASID is bound to this function";
	case 0x71:
		return "the process has no page there, or has not touched it: touch it, pin it, or attach with pri";
	case 0x80:
		return "no process can have that address: the device was told a wrong one";
	case 0x81:
		return "it is the kernel's, not the process's";
	case 0x85:
		return "the process may not write there either, or shares the page until it does";
	case 0x87:
		return "addresses 0xfee00000 to 0xfeefffff are interrupts on the bus";
	}
	return NULL;
}

/* ---- what else matters -------------------------------------------------------- */

#define PCI_COMMAND		4
#define PCI_COMMAND_MASTER	0x4

/* Without bus mastering it sends nothing at all. False when that is so. */
static bool bus_master(struct vtdp_function function)
{
	char path[64], name[VTDP_NAME_MAX];
	uint16_t command = PCI_COMMAND_MASTER;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", vtdp_function_name(function, name));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		command = PCI_COMMAND_MASTER;
	close(fd);
	return command & PCI_COMMAND_MASTER;
}

/* ---- output -------------------------------------------------------------------- */

static void print_step(const struct step *step)
{
	unsigned int i;

	out_object(NULL);
	out_str("entry", NULL, step->name);
	out_text("  %-18s ", step->name);
	if (step->at)
		out_hex("at", NULL, step->at);
	out_array("words");
	for (i = 0; i < step->nr_words; i++)
		out_hex("", NULL, step->words[i]);
	out_array_end();
	out_bool("present", NULL, step->present);
	out_str("meaning", NULL, step->meaning);
	/* A line of all words for those that have but one; else below it. */
	out_colored(COLOR_DIM, "%#-18llx ", (unsigned long long)step->words[0]);
	out_colored(step->present ? COLOR_NONE : COLOR_BAD, "%s", step->meaning);
	out_text("\n");
	for (i = 1; i < step->nr_words; i++)
		if (step->words[i])
			out_text("  %18s %#llx (word %u)\n", "",
				 (unsigned long long)step->words[i], i);
	out_object_end();
}

static void print_verdict(const char *kind, const struct verdict *verdict)
{
	static const char *const outcomes[] = {
		[OUTCOME_TRANSLATED] = "translated",
		[OUTCOME_PASS_THROUGH] = "pass-through",
		[OUTCOME_INTERRUPT] = "interrupt",
		[OUTCOME_FAULT] = "fault",
	};
	const char *help = advice(verdict->reason);

	out_object(kind);
	out_str("outcome", NULL, outcomes[verdict->outcome]);
	out_text("%-6s ", kind);
	switch (verdict->outcome) {
	case OUTCOME_TRANSLATED:
		out_colored(COLOR_GOOD, "reaches");
		out_hex("physical", " physical address ", verdict->physical);
		out_u64("page_size", NULL, verdict->page);
		break;
	case OUTCOME_PASS_THROUGH:
		out_colored(COLOR_WARN, "passes through untranslated");
		out_hex("physical", ": physical address ", verdict->physical);
		break;
	case OUTCOME_INTERRUPT:
		out_colored(COLOR_WARN, "is an interrupt message, whatever the tables say");
		break;
	case OUTCOME_FAULT:
		out_colored(COLOR_BAD, "fails");
		out_str("reason_text", ": ", vtdp_fault_reason(verdict->reason));
		out_hex(NULL, " (fault reason ", verdict->reason);
		out_u64("reason", NULL, verdict->reason);
		out_text(")");
		out_bool("recorded", NULL, verdict->recorded);
		out_text("%s", verdict->recorded ? "" : ", which is not recorded");
		if (help)
			out_str("advice", "\n         ", help);
		break;
	}
	out_text("\n");
	out_object_end();
}

static void print_fault(const struct question *q)
{
	const struct nl_unit *u = &q->unit;

	out_object("fault");
	out_function("function", "the last fault: ", q->function);
	out_str("access", " ", u->last_fault_flags & VTDPASID_EVENT_WRITE ? "write" : "read");
	out_hex("address", " of ", q->addr);
	out_u64("pasid", ", PASID ", q->pasid);
	out_str("reason_text", ": ", vtdp_fault_reason(u->last_fault_reason));
	out_hex(NULL, " (", u->last_fault_reason);
	out_u64("reason", NULL, u->last_fault_reason);
	out_text(")\n");
	out_object_end();
}

static void print(const struct question *q, const struct vtdpasid_walk *walk)
{
	struct verdict read = walk_verdict(walk, false), write = walk_verdict(walk, true);
	struct step steps[MAX_STEPS];
	unsigned int n = walk_steps(walk, steps), i;
	bool master = bus_master(q->function);

	out_begin("explain");
	if (q->last_fault)
		print_fault(q);
	out_function("function", "", q->function);
	out_hex("address", ", address ", q->addr);
	if (q->pasid)
		out_u64("pasid", ", PASID ", q->pasid);
	else
		out_text(", without PASID");
	out_u64("unit", ", unit ", walk->out_unit);
	out_text("\n");
	out_bool("bus_master", NULL, master);
	out_array("entries");
	for (i = 0; i < n; i++)
		print_step(&steps[i]);
	out_array_end();
	if (!master)
		out_text("bus mastering is off: the function sends nothing at all now\n");
	print_verdict("read", &read);
	print_verdict("write", &write);
	out_end();
}

/* ---- the command --------------------------------------------------------------- */

static int parse(int argc, char **argv, struct question *q)
{
	const char *words[2];
	unsigned int n = 0;
	uint64_t number;
	int i;

	for (i = 0; i < argc; i++) {
		if (arg_is(argv[i], "--last-fault")) {
			q->last_fault = true;
		} else if (arg_is(argv[i], "--pasid")) {
			if (++i == argc || !arg_number(argv[i], PASID_LIMIT - 1, &number))
				return usage_of(&cmd_explain, "--pasid wants a number below %u",
						PASID_LIMIT);
			q->pasid = number;
		} else if (*argv[i] == '-') {
			return usage_of(&cmd_explain, "no such option: %s", argv[i]);
		} else if (n < ARRAY_SIZE(words)) {
			words[n++] = argv[i];
		} else {
			return usage_of(&cmd_explain, "too many words: %s", argv[i]);
		}
	}
	if (q->last_fault)
		return n || q->pasid ? usage_of(&cmd_explain, "--last-fault stands alone") :
			STATUS_OK;
	if (n != 2)
		return usage_of(&cmd_explain, "a function and an address are wanted");
	if (vtdp_function_parse(words[0], &q->function))
		return usage_of(&cmd_explain, "%s is no PCI function, such as 0000:00:04.0",
				words[0]);
	if (!arg_number(words[1], UINT64_MAX, &q->addr))
		return usage_of(&cmd_explain, "%s is no address", words[1]);
	return STATUS_OK;
}

/* What the last fault of any unit asked for. */
static int last_fault(struct question *q)
{
	static const struct vtdp_problem none = {
		.err = ENOENT, .what = "cannot explain the last fault",
		.why = "no DMA has failed since the module was loaded",
		.next = "vtdpasid monitor, and let it happen again",
	};
	struct nl_state state;
	unsigned int i;
	int status = netlink_state_get(&state, NL_UNITS);

	if (status)
		return status;
	for (i = 0; i < state.nr_units; i++)
		if (state.units[i].last_fault_time > q->unit.last_fault_time)
			q->unit = state.units[i];
	netlink_state_free(&state);
	if (!q->unit.last_fault_time) {
		out_error(&none);
		return STATUS_REFUSED;
	}
	q->function.segment = q->unit.segment;
	q->function.rid = q->unit.last_fault_rid;
	q->pasid = q->unit.last_fault_pasid;
	q->addr = q->unit.last_fault_addr;
	return STATUS_OK;
}

static int run(int argc, char **argv)
{
	struct question q = { 0 };
	struct vtdpasid_walk walk;
	int status = parse(argc, argv, &q);
	struct vtdp *v;

	if (!status && q.last_fault)
		status = last_fault(&q);
	if (status)
		return status;
	v = vtdp_open();
	if (!v || vtdp_walk(v, q.function, 0, q.pasid, q.addr, &walk, sizeof(walk)))
		status = fail_lib();
	else
		print(&q, &walk);
	vtdp_close(v);
	return status;
}

const struct command cmd_explain = { "explain", run, usage };
