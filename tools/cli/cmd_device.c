// SPDX-License-Identifier: GPL-2.0-only
/*
 * vtdpasid device - PCI functions: who has them, claim, release, attach, detach
 *
 * An attachment ends with the file in which it was made. So attach either
 * becomes the command that is to use it, or leaves a keeper behind: a process
 * with nothing to do but to hold the file, until detach ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "objects.h"

#define KEEPER		"vtdpasid-keep"
#define KEEPER_END_MS	10000
#define POLL_MS		20

static const char *const usage[] = {
	"device [list]",
	"device show BDF",
	"device claim BDF",
	"device release BDF",
	"device attach BDF [ats] [pri] [-- COMMAND [ARGUMENT]...]",
	"device detach BDF",
	NULL
};

/* ---- list, show --------------------------------------------------------------- */

static int show(const struct vtdp_function *wanted, const char *name)
{
	struct nl_state state;
	bool found = !wanted;
	unsigned int i;
	int status;

	status = netlink_state_get(&state, NL_DEVICES);
	if (status)
		return status;
	out_begin("devices");
	out_array("devices");
	for (i = 0; i < state.nr_devices; i++) {
		if (wanted && !same_function(device_function(&state.devices[i]), *wanted))
			continue;
		print_device(&state.devices[i]);
		found = true;
	}
	out_array_end();
	if (found)
		out_end();
	else
		status = fail(ENODEV, "vtdpasid device lists those that are attached",
			      "cannot show %s", name);
	netlink_state_free(&state);
	return status;
}

/* ---- claim, release ------------------------------------------------------------ */

static int claim(const char *name)
{
	int rc;

	progress_begin("claiming %s", name);
	rc = vtdp_claim(name);
	progress_end();
	if (rc)
		return fail_lib();
	out_begin("claim");
	out_str("function", NULL, name);
	out_end();
	return STATUS_OK;
}

static int release(const char *name)
{
	char driver[64] = "";
	int rc;

	progress_begin("releasing %s", name);
	rc = vtdp_release(name);
	progress_end();
	if (rc)
		return fail_lib();
	vtdp_driver(name, driver, sizeof(driver));
	out_begin("release");
	out_str("function", NULL, name);
	out_str("driver", NULL, driver);
	if (*driver)
		out_text("%s has the driver %s again\n", name, driver);
	out_end();
	return STATUS_OK;
}

/* ---- attach -------------------------------------------------------------------- */

static struct vtdp *attach(const char *name, uint32_t flags, uint32_t *device)
{
	struct vtdp *v = vtdp_open();
	int rc;

	progress_begin("attaching %s", name);
	rc = vtdp_attach(v, name, flags, device);
	progress_end();
	if (!rc)
		return v;
	vtdp_close(v);
	return NULL;
}

/* Become COMMAND, which finds the file by vtdp_from_env(). */
static int become(struct vtdp *v, uint32_t device, char **argv)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", vtdp_fd(v));
	setenv("VTDPASID_FD", number, 1);
	snprintf(number, sizeof(number), "%u", device);
	setenv("VTDPASID_DEVICE", number, 1);
	fcntl(vtdp_fd(v), F_SETFD, 0);
	execvp(argv[0], argv);
	return fail(errno, NULL, "cannot run %s", argv[0]);
}

/* Hold the file until the function is gone, or somebody ends us. */
static void keep(struct vtdp *v)
{
	struct vtdpasid_event event;

	do {
		if (vtdp_event(v, &event, sizeof(event), -1))
			break;
	} while (event.type != VTDPASID_EVENT_DEVICE_GONE);
}

/* The keeper: tells by @report how the attach went, and stays if it went well. */
static void keeper(int report, const char *name, uint32_t flags)
{
	char status = STATUS_OK;
	uint32_t device;
	struct vtdp *v;
	int null;

	prctl(PR_SET_NAME, KEEPER);
	v = attach(name, flags, &device);
	if (!v)
		status = fail_lib();
	if (!status) {
		setsid();
		null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (chdir("/"))
			status = STATUS_REFUSED;
	}
	if (write(report, &status, 1) == 1 && !status) {
		close(report);
		keep(v);
	}
	_exit(status);
}

static int attach_kept(const char *name, uint32_t flags)
{
	char status = STATUS_REFUSED;
	int report[2];
	pid_t pid;

	if (pipe2(report, O_CLOEXEC))
		return fail(errno, NULL, "cannot make a pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail(errno, NULL, "cannot make a process");
	if (!pid)
		keeper(report[1], name, flags);
	close(report[1]);
	if (read(report[0], &status, 1) != 1)
		return fail(EPIPE, "look into the kernel log", "cannot attach %s", name);
	if (status)
		return status;
	out_begin("attach");
	out_str("function", "", name);
	out_u64("keeper", " is attached, and kept so by process ", pid);
	out_text("\n");
	out_end();
	return STATUS_OK;
}

static int attach_for(const char *name, uint32_t flags, char **command)
{
	uint32_t device;
	struct vtdp *v = attach(name, flags, &device);
	int status;

	if (!v)
		return fail_lib();
	status = become(v, device, command);
	vtdp_close(v);
	return status;
}

/* Words behind the function: "ats", "pri", "--" and a command. */
static int parse_attach(int argc, char **argv, const char *name)
{
	uint32_t flags = 0;
	int i;

	for (i = 0; i < argc && !arg_is(argv[i], "--"); i++) {
		if (arg_is(argv[i], "ats"))
			flags |= VTDPASID_ATTACH_ATS;
		else if (arg_is(argv[i], "pri"))
			flags |= VTDPASID_ATTACH_PRI;
		else
			return usage_of(&cmd_device, "attach does not know: %s", argv[i]);
	}
	if (i == argc)
		return attach_kept(name, flags);
	if (i + 1 == argc)
		return usage_of(&cmd_device, "no command behind --");
	return attach_for(name, flags, argv + i + 1);
}

/* ---- detach --------------------------------------------------------------------- */

/* Which process holds the function; false when none does, or *@status is set. */
static bool find_holder(struct vtdp_function function, struct nl_device *holder, int *status)
{
	struct nl_state state;
	bool found = false;
	unsigned int i;

	*status = netlink_state_get(&state, NL_DEVICES);
	if (*status)
		return false;
	for (i = 0; i < state.nr_devices && !found; i++) {
		found = same_function(device_function(&state.devices[i]), function);
		if (found)
			*holder = state.devices[i];
	}
	netlink_state_free(&state);
	return found;
}

/* A handle on the process that cannot become another's; -1 if it is no keeper. */
static int open_keeper(const struct nl_device *holder)
{
	char path[32], comm[NL_COMM] = "";
	int pidfd = syscall(SYS_pidfd_open, holder->client_pid, 0);
	FILE *file;

	if (pidfd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%u/comm", holder->client_pid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(comm, sizeof(comm), file))
			*comm = 0;
		fclose(file);
	}
	if (!strcmp(comm, KEEPER "\n"))
		return pidfd;
	close(pidfd);
	return -1;
}

/* Until the file is closed, which is after the signal was sent. */
static int wait_detached(struct vtdp_function function, const char *name)
{
	struct nl_device holder;
	unsigned int waited = 0;
	int status;

	while (find_holder(function, &holder, &status)) {
		if (waited > KEEPER_END_MS)
			return fail(ETIMEDOUT, "look into the kernel log",
				    "cannot detach %s", name);
		usleep(POLL_MS * 1000);
		waited += POLL_MS;
	}
	return status;
}

static int detach(struct vtdp_function function, const char *name)
{
	struct nl_device holder;
	int status, pidfd;

	if (!find_holder(function, &holder, &status))
		return status ? status : fail(ENODEV, "vtdpasid device", "cannot detach %s", name);
	pidfd = open_keeper(&holder);
	if (pidfd < 0) {
		char next[96];

		snprintf(next, sizeof(next), "end %s[%u], which attached it", holder.client_comm,
			 holder.client_pid);
		return fail(EBUSY, next, "cannot detach %s", name);
	}
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0))
		status = fail(errno, NULL, "cannot end the keeper of %s", name);
	close(pidfd);
	if (status)
		return status;
	progress_begin("detaching %s", name);
	status = wait_detached(function, name);
	progress_end();
	if (status)
		return status;
	out_begin("detach");
	out_str("function", NULL, name);
	out_end();
	return STATUS_OK;
}

/* ---- the command ----------------------------------------------------------------- */

static int run(int argc, char **argv)
{
	const char *verb = argc ? argv[0] : "list";
	struct vtdp_function function;
	char name[VTDP_NAME_MAX];

	if (arg_is(verb, "list"))
		return argc > 1 ? usage_of(&cmd_device, "too many words: %s", argv[1]) :
			show(NULL, NULL);
	if (argc < 2)
		return usage_of(&cmd_device, "which function? %s", verb);
	if (vtdp_function_parse(argv[1], &function))
		return usage_of(&cmd_device, "%s is no PCI function, such as 0000:00:04.0",
				argv[1]);
	vtdp_function_name(function, name);
	if (arg_is(verb, "attach"))
		return parse_attach(argc - 2, argv + 2, name);
	if (argc > 2)
		return usage_of(&cmd_device, "too many words: %s", argv[2]);
	if (arg_is(verb, "show"))
		return show(&function, name);
	if (arg_is(verb, "claim"))
		return claim(name);
	if (arg_is(verb, "release"))
		return release(name);
	if (arg_is(verb, "detach"))
		return detach(function, name);
	return usage_of(&cmd_device, "device does not know: %s", verb);
}

const struct command cmd_device = { "device", run, usage };
