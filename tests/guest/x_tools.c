// SPDX-License-Identifier: GPL-2.0-only
/*
 * x_tools - the command vtdpasid and the library, as their users meet them
 *
 * Each command runs once for people and once with -j. What they print goes into
 * the log in lines that begin with "#@"; tests/tools-check.py compares the text
 * with tests/tools, and the JSON with the schemas in tools/schema.
 */
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <sys/stat.h>

#include "svalib.h"
#include "cli.h"

#define STORM		400	/* pairs of events, which small buffers do not hold */
#define EXAMPLES	"/t/example-"

static struct cli c;

/* ---- what it printed, for the host to check ------------------------------------------ */

static void emit_lines(const char *prefix, const char *text)
{
	char line[8];

	while (*text) {
		int length = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%s", prefix);
		printf("%s %.*s\n", line, length, text);
		text += length + (text[length] == '\n');
	}
}

static void emit(const char *name)
{
	printf("#@run %s %d %s\n", name, c.status, c.args);
	emit_lines("#@out", c.out);
	emit_lines("#@err", c.err);
	printf("#@end %s\n", name);
}

/* A command for people, and the same for programs: both with this exit status. */
static void shows(const char *name, int status, const char *args)
{
	char json[64];

	tap_is(cli(&c, "%s", args), status, "vtdpasid %s", args);
	emit(name);
	snprintf(json, sizeof(json), "%s-json", name);
	tap_is(cli(&c, "-j %s", args), status, "vtdpasid -j %s", args);
	emit(json);
}

/* What it says must have these words. */
static void says(const char *text, const char *word, const char *what)
{
	if (!tap_ok(strstr(text, word) != NULL, "%s: \"%s\"", what, word))
		cli_diag(&c);
}

/* ---- wrong usage, no module, no permission --------------------------------------------- */

static void usage(void)
{
	static const char *const wrong[] = {
		"", "nothing", "--no-such-option unit", "--color=sometimes unit",
		"unit nothing", "unit show x", "unit show 0z", "unit show 0 0", "unit takeover -1",
		"device nothing", "device show", "device show 00:99.9", "device attach 00:04.0 fast",
		"device attach 00:04.0 --", "device claim 00:04.0 00:05.0",
		"pasid nothing", "pasid show", "pasid show 0", "pasid show 1048576",
		"binding nothing", "binding show", "binding show 00:04.0 x",
		"table nothing", "table show 00:04.0 00:05.0", "-j table --dot",
		"explain", "explain 00:04.0", "explain 00:04.0 here", "explain x 0x1000",
		"explain 00:04.0 --pasid 1048576 0x1000", "explain --last-fault 00:04.0",
		"explain 00:04.0 0x1000 0x2000", "explain 00:04.0 --quickly 0x1000",
		"monitor nothing", "monitor --count", "monitor --count 0",
		"stat nothing", "stat --interval x", "doctor nothing",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		cli(&c, "%s", wrong[i]);
		if (!tap_ok(c.status == 2 && !*c.out && strstr(c.err, "vtdpasid "),
			    "wrong usage: vtdpasid %s", wrong[i]))
			cli_diag(&c);
	}
	tap_is(cli(&c, "--help"), 0, "vtdpasid --help");
	emit("help");
	tap_is(cli(&c, "device help"), 0, "vtdpasid device help");
	emit("help-device");
	tap_ok(!cli(&c, "--version") && !strncmp(c.out, "vtdpasid 0.", 11), "vtdpasid --version");
}

static void no_module(void)
{
	static const char *const commands[] = {
		"unit", "unit takeover", "device", "device attach 00:04.0", "pasid", "binding",
		"table", "explain 00:04.0 0x1000", "monitor", "stat", "doctor",
	};
	unsigned int i;

	if (vt_module_unload())
		fatal("the module does not unload");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		cli(&c, "%s", commands[i]);
		if (!tap_ok(c.status == 3 && strstr(c.err, "modprobe vtdpasid"),
			    "no module: vtdpasid %s", commands[i]))
			cli_diag(&c);
	}
	tap_is(cli(&c, "-j unit"), 3, "no module: vtdpasid -j unit");
	emit("no-module-json");
	tap_is(cli(&c, "doctor"), 3, "no module: vtdpasid doctor");
	emit("no-module-doctor");
	if (vt_module_load(""))
		fatal("the module does not load");
}

static void no_permission(void)
{
	static const char *const commands[] = {
		"unit", "unit takeover", "device", "device attach 00:04.0", "device claim 00:04.0",
		"pasid", "binding", "table", "explain 00:04.0 0x1000", "monitor", "stat",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		cli_as_nobody(&c, "%s", commands[i]);
		if (!tap_ok(c.status == 3 && !*c.out && strstr(c.err, "root"),
			    "no permission: vtdpasid %s", commands[i]))
			cli_diag(&c);
	}
	tap_is(cli_as_nobody(&c, "doctor"), 3, "no permission: vtdpasid doctor");
	says(c.out, "the boot line has", "it tells what it can");
	tap_is(cli_as_nobody(&c, "-j binding"), 3, "no permission: vtdpasid -j binding");
	emit("no-permission-json");
}

/* ---- actions ------------------------------------------------------------------------- */

static void units(void)
{
	shows("doctor", 0, "doctor 00:04.0");
	shows("unit-idle", 0, "unit");
	shows("table-idle", 1, "table");
	shows("handback-idle", 1, "unit handback 0");
	shows("takeover-none", 1, "unit takeover 7");
	tap_is(cli(&c, "unit takeover 0"), 0, "vtdpasid unit takeover 0");
	emit("takeover");
	shows("takeover-again", 1, "unit takeover 0");
	tap_ok(!cli(&c, "unit takeover") && !*c.out, "takeover of all units: nothing is left to do");
	tap_ok(!cli(&c, "-j unit handback"), "handback of all units");
	emit("handback-json");
	tap_ok(!cli(&c, "-j unit takeover"), "takeover of all units");
	emit("takeover-json");
	shows("unit-none", 1, "unit show 5");
	tap_is(cli(&c, "unit show"), 0, "vtdpasid unit show");
	emit("unit-show");
}

/* The keeper, and what ends it. */
static void keeper(void)
{
	struct pci_func f;
	char driver[32];

	pci_by_name("0000:00:05.0", &f);
	tap_is(cli(&c, "device attach 00:05.0"), 1, "attach of what nothing owns");
	emit("attach-unclaimed");
	tap_is(cli(&c, "device claim 00:1e.7"), 1, "claim of what is not there");
	tap_is(cli(&c, "-j device claim 00:05.0"), 0, "claim");
	emit("claim-json");
	tap_ok(!strcmp(pci_driver(&f, driver, sizeof(driver)), "vtdpasid"), "the driver is ours");
	tap_is(cli(&c, "device attach 00:05.0"), 0, "attach, and a process that keeps it");
	emit("attach");
	tap_is(cli(&c, "device show 00:05.0"), 0, "it is there after the command has ended");
	says(c.out, "vtdpasid-keep[", "and says who has it");
	tap_is(cli(&c, "device attach 00:05.0"), 1, "a second attach");
	emit("attach-again");
	tap_is(cli(&c, "unit handback 0"), 1, "handback with a device attached");
	emit("handback-busy");
	tap_is(cli(&c, "device detach 00:05.0"), 0, "detach");
	tap_is(cli(&c, "-j device show 00:05.0"), 1, "and it is gone");
	emit("device-gone-json");
	tap_is(cli(&c, "device detach 00:05.0"), 1, "a second detach");
	tap_is(cli(&c, "-j device attach 00:05.0"), 0, "attach again");
	emit("attach-json");
	tap_is(cli(&c, "-j device detach 00:05.0"), 0, "detach again");
	emit("detach-json");
	tap_is(cli(&c, "device attach 00:05.0 -- /t/vtdpasid device show 00:05.0"), 0,
	       "attach becomes a command, which has the file");
	says(c.out, "of vtdpasid[", "and holds it");
	tap_is(cli(&c, "device show 00:05.0"), 1, "after the command it is detached");
	tap_is(cli(&c, "device attach 00:05.0 -- /bin/false"), 1, "its exit status is ours");
	tap_is(cli(&c, "device attach 00:05.0 -- /no/such/program"), 1, "a command that is not there");
	tap_is(cli(&c, "-j device release 00:05.0"), 0, "release");
	emit("release-json");
	tap_ok(!*pci_driver(&f, driver, sizeof(driver)), "no driver has it");
	tap_is(cli(&c, "device release 00:05.0"), 1, "a second release");
	emit("release-again");
}

/* ---- who is bound to what --------------------------------------------------------------- */

static int bound_child(int sock, void *arg)
{
	struct bed *bed = arg;
	uint32_t bindings[2] = { 0 };
	char ch;

	vt_bind(bed->fd, bed->id[0], 0, 0, &bindings[0], NULL);
	vt_bind(bed->fd, bed->id[1], 0, 0, &bindings[1], NULL);
	msg_send(sock, bindings, sizeof(bindings));
	msg_recv(sock, &ch, 1, 120000);
	return 0;
}

static void lists(struct bed *bed)
{
	struct child child;
	uint32_t with, without, theirs[2] = { 0 };

	if (vt_bind(bed->fd, bed->id[0], 0, 0, &with, NULL) ||
	    vt_bind(bed->fd, bed->id[1], VTDPASID_BIND_NO_PASID, 0, &without, NULL))
		fatal("bind");
	child_start(&child, bound_child, bed);
	if (msg_recv(child.sock, theirs, sizeof(theirs), 20000) != sizeof(theirs) || !theirs[0] ||
	    !theirs[1])
		fatal("the child is not bound");
	shows("unit", 0, "unit list");
	shows("device", 0, "device");
	shows("device-show", 0, "device show 0000:00:04.0");
	shows("pasid", 0, "pasid");
	shows("pasid-none", 1, "pasid show 777");
	shows("binding", 0, "binding");
	shows("binding-show", 0, "binding show 00:05.0 0");
	shows("binding-none", 1, "binding show 00:04.0 777");
	shows("table", 0, "table");
	shows("table-show", 0, "table show 00:04.0");
	tap_is(cli(&c, "table show --dot"), 0, "vtdpasid table show --dot");
	emit("table-dot");
	tap_is(cli(&c, "table --svg"), 1, "--svg without graphviz is refused in words");
	says(c.err, "graphviz", "and says what to install");
	shows("explain", 0, "explain 00:04.0 --pasid 777 0x1000");
	shows("explain-none", 1, "explain 00:1e.7 0x1000");
	shows("stat", 0, "stat --count 1");
	tap_is(cli(&c, "device detach 00:04.0"), 1, "detach of what a program holds");
	says(c.err, "x_tools[", "and says which program");
	tap_is(cli(&c, "--color=always device show 00:04.0"), 0, "colours on demand");
	says(c.out, "\033[", "colours");
	tap_ok(!cli(&c, "device show 00:04.0") && !strchr(c.out, '\033'), "no colours into a file");
	child_kill(&child, SIGKILL);
	child_wait(&child, LONG_MS);
	tap_is(cli(&c, "binding"), 0, "bindings of a process that has ended");
	emit("binding-ended");
	vt_unbind(bed->fd, with);
	vt_unbind(bed->fd, without);
	vt_unbind(bed->fd, theirs[0]);
	vt_unbind(bed->fd, theirs[1]);
}

/* ---- monitor ------------------------------------------------------------------------------ */

/* The number behind @key in a line of JSON; 0 when it is not there. */
static uint64_t number_of(const char *line, const char *key)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(line, quoted);
	return at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
}

struct story {
	uint64_t last;		/* number of the last event that was shown or is lost */
	unsigned int events, lost, states, gaps, unrecovered;
};

/* All that a monitor printed: is each number shown, or said to be lost? */
static void read_story(char *text, struct story *s)
{
	char *line, *save = NULL;
	bool due = false;
	uint64_t skipped = 0, seq;

	memset(s, 0, sizeof(*s));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, "\"kind\":\"lost\"")) {
			s->lost += number_of(line, "count");
			skipped += number_of(line, "count");
			due = true;
		} else if (strstr(line, "\"kind\":\"state\"")) {
			s->states++;
			due = false;
		} else if (strstr(line, "\"kind\":\"event\"")) {
			seq = number_of(line, "seq");
			s->gaps += s->last && seq != s->last + skipped + 1;
			s->last = seq;
			skipped = 0;
			s->events++;
		}
	}
	s->last += skipped;
	s->unrecovered = due;
}

/* Waits until a file has @word in it as often as that. */
static bool shown(const char *path, const char *word, unsigned int times)
{
	uint64_t end = now_ms() + LONG_MS;
	static char text[1 << 19];
	unsigned int n;
	char *p;

	do {
		cli_read(path, text, sizeof(text));
		for (n = 0, p = text; (p = strstr(p, word)); p += strlen(word))
			n++;
		if (n >= times)
			return true;
		sleep_ms(20);
	} while (now_ms() < end);
	return false;
}

static void binds(struct bed *bed, unsigned int n)
{
	uint32_t binding;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (vt_bind(bed->fd, bed->id[0], 0, 0, &binding, NULL) ||
		    vt_unbind(bed->fd, binding))
			fatal("bind and unbind");
}

static void live(struct bed *bed)
{
	pid_t pid = cli_start(true, "/tmp/live.out", "/tmp/live.err", CLI " monitor --count 5");
	uint32_t binding, pasid;
	uint64_t word;

	tap_ok(shown("/tmp/live.out", "now: 2 devices, 0 bindings", 1),
	       "monitor begins with what there is");
	vt_bind(bed->fd, bed->id[0], 0, 0, &binding, &pasid);
	sva_read64(&bed->dev[0], 0, pasid, 0, (void *)PAGE, &word);
	tap_ok(shown("/tmp/live.out", "\nfault ", 1), "a fault is shown as it comes");
	vt_unbind(bed->fd, binding);
	vt_bind(bed->fd, bed->id[1], VTDPASID_BIND_NO_PASID, 0, &binding, NULL);
	vt_unbind(bed->fd, binding);
	c.status = cli_wait(pid);
	tap_is(c.status, 0, "monitor ends after as many events as it was told");
	cli_read("/tmp/live.out", c.out, sizeof(c.out));
	cli_read("/tmp/live.err", c.err, sizeof(c.err));
	strcpy(c.args, "monitor --count 5");
	emit("monitor");
}

static void storm(struct bed *bed)
{
	static const char *const event = "\"kind\":\"event\"";
	unsigned int before;
	struct story s;
	pid_t pid;

	pid = cli_start(true, "/tmp/storm.out", "/tmp/storm.err",
			CLI " -j monitor --buffer 2304");
	shown("/tmp/storm.out", "\"kind\":\"state\"", 1);
	binds(bed, 1);
	tap_ok(shown("/tmp/storm.out", event, 2), "two events of a quiet time");
	kill(pid, SIGSTOP);
	binds(bed, STORM);
	kill(pid, SIGCONT);
	tap_ok(shown("/tmp/storm.out", "\"kind\":\"state\"", 2), "after a storm it goes on");
	cli_read("/tmp/storm.out", c.out, sizeof(c.out));
	read_story(c.out, &s);
	before = s.events;
	binds(bed, 1);
	shown("/tmp/storm.out", event, before + 2);
	kill(pid, SIGKILL);
	cli_wait(pid);
	cli_read("/tmp/storm.out", c.out, sizeof(c.out));
	c.status = 0;
	*c.err = 0;
	strcpy(c.args, "-j monitor --buffer 2304");
	emit("monitor-json");
	read_story(c.out, &s);
	tap_diag("%u events shown, %u lost, shown anew %u times", s.events, s.lost, s.states - 1);
	tap_ok(s.lost > 0, "a small buffer loses events: %u", s.lost);
	tap_is(s.gaps, 0, "no event is lost without a word");
	tap_is(s.events + s.lost, 2 * (STORM + 2), "all events are shown or counted as lost");
	tap_ok(s.states >= 2 && !s.unrecovered, "what there is is shown anew");
}

/* ---- the library ----------------------------------------------------------------------------- */

/* Starts an example, which waits for Enter, and gives its first line. */
static pid_t example(const char *name, const char *function, char *line, size_t size)
{
	char command[128];
	pid_t pid;

	unlink("/tmp/example.out");
	snprintf(command, sizeof(command), "sh -c '" EXAMPLES "%s %s < /tmp/enter'", name, function);
	pid = cli_start(true, "/tmp/example.out", "/tmp/example.err", command);
	shown("/tmp/example.out", "\n", 1);
	cli_read("/tmp/example.out", line, size);
	return pid;
}

static void examples(void)
{
	int enter;
	struct svat dev;
	struct pci_func f;
	char line[512] = "";
	uint32_t pasid = 0;
	void *addr = NULL;
	uint64_t word;
	pid_t pid;

	pci_by_name("0000:00:04.0", &f);
	mkfifo("/tmp/enter", 0600);
	enter = open("/tmp/enter", O_RDWR | O_CLOEXEC);
	if (enter < 0)
		fatal("/tmp/enter: %s", strerror(errno));

	pid = example("bind", f.name, line, sizeof(line));
	tap_ok(sscanf(line, "PASID %u address %p", &pasid, &addr) == 2, "example bind: %s", line);
	if (svat_open(&dev, &f))
		fatal("registers of %s", f.name);
	tap_is(svat_write(&dev, 0, pasid, (uintptr_t)addr, "by the device", 14), SVAT_ST_OK,
	       "the device writes into the example's memory");
	write(enter, "\n", 1);
	tap_is(cli_wait(pid), 0, "example bind ends well");
	cli_read("/tmp/example.out", line, sizeof(line));
	says(line, "memory: by the device", "it sees what the device wrote");

	pid = example("events", f.name, line, sizeof(line));
	tap_ok(sscanf(line, "PASID %u", &pasid) == 1, "example events: %s", line);
	sva_read64(&dev, 0, pasid, 0, (void *)PAGE, &word);
	tap_ok(shown("/tmp/example.out", "\n", 2), "a fault is told of");
	write(enter, "\n", 1);
	tap_is(cli_wait(pid), 0, "example events ends well");
	cli_read("/tmp/example.out", line, sizeof(line));
	says(line, "0000:00:04.0 PASID ", "by whom");
	says(line, "read of 0x1000: first-stage entry not present (0x71)", "of what, and why");

	pid = example("pins", f.name, line, sizeof(line));
	tap_ok(sscanf(line, "PASID %u address %p", &pasid, &addr) == 2 &&
	       strstr(line, "65536 bytes pinned"), "example pins: %s", line);
	tap_is(svat_write(&dev, 0, pasid, (uintptr_t)addr + 60000, "here", 5), SVAT_ST_OK,
	       "the device reaches what nobody touched");
	write(enter, "\n", 1);
	tap_is(cli_wait(pid), 0, "example pins ends well");
	close(enter);
	svat_close(&dev);
	cli(&c, "device release %s", f.name);

	tap_is(cli_wait(cli_start(true, "/tmp/example.out", "/tmp/example.err",
				  EXAMPLES "bind 00:1e.7")), 1, "an example that is refused");
	cli_read("/tmp/example.err", line, sizeof(line));
	says(line, "cannot claim 0000:00:1e.7: there is no such function (ENODEV); lspci -D",
	     "says what, why, and what to do");
}

int main(void)
{
	struct bed bed;

	usage();
	no_module();
	no_permission();
	units();
	keeper();
	examples();
	bed_open(&bed, 2, 2);
	lists(&bed);
	live(&bed);
	storm(&bed);
	bed_close(&bed);
	return tap_done();
}
