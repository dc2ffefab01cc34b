// SPDX-License-Identifier: GPL-2.0-only
/*
 * init.c - PID 1 of the test machine's guest
 *
 * Sets the guest up, loads kernel modules, runs one command, looks through the
 * kernel log, reports and powers off. scripts/qemu-run.sh writes what is to be
 * done into the initramfs:
 *
 *   /run/token     the word that proves that the report is that of this run
 *   /run/command   the command, its arguments each ended by a NUL
 *   /run/env       NAME=VALUE, each ended by a NUL
 *   /run/modules   modules to load first, one per line: FILE [PARAMETER]...
 *   /run/allow     extended regular expressions, one per line: lines of the
 *                  kernel log that are not held against the run
 *   /run/flags     one per line: "dmesg" (kernel log to the console in any case)
 *
 * Output of the command goes to the second serial line, byte for byte. The
 * report, one line, goes out through QEMU's debug console:
 *
 *   TOKEN status=N kernel=clean|bad|unknown boot=MS run=MS
 *
 * A guest that dies first reports nothing: no report is a failure.
 *
 * Called as "hmp COMMAND..." it gives QEMU's monitor a command and prints the
 * answer (qemu-run.sh --guest-monitor).
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_TTY	"/dev/ttyS1"
#define MONITOR_TTY	"/dev/ttyS2"
#define DEBUGCON_PORT	0xe9
#define MAX_ARGS	512
#define STATUS_SETUP	125	/* the guest could not be set up as asked */

/* klog actions, see syslog(2) */
#define KLOG_CONSOLE_LEVEL	8

/*
 * What makes a run fail although its command was content. Only lines that the
 * kernel itself wrote count, not those that a program wrote to /dev/kmsg.
 */
static const char * const bad_lines[] = {
	"WARNING:", "BUG:", "Oops", "kernel BUG at", "Call Trace:",
	"general protection fault", "INFO: task ", "INFO: possible ",
	"INFO: suspicious", "INFO: trying to register", "blocked for more than",
	"rcu: INFO:", "self-detected stall", "detected stalls", "UBSAN:", "KASAN:",
	"KCSAN:", "unreferenced object", "suspicious RCU usage", "refcount_t:",
	"list_add corruption", "list_del corruption", "DEBUG_LOCKS_WARN_ON",
	"nobody cared", "Bad page", "Kernel panic", "stack-protector:",
};

static FILE *console;

static void say(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("init: ", console);
	vfprintf(console, fmt, ap);
	fputs("\r\n", console);
	fflush(console);
	va_end(ap);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Read a whole file; NULL when there is none. A NUL is put behind it. */
static char *read_file(const char *path, size_t *len)
{
	size_t size = 0, room = 4096;
	char *buf = malloc(room);
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !buf) {
		free(buf);
		return NULL;
	}
	while ((n = read(fd, buf + size, room - size - 1)) > 0) {
		size += n;
		if (room - size < 4096) {
			room *= 2;
			buf = realloc(buf, room);
			if (!buf)
				break;
		}
	}
	close(fd);
	if (buf)
		buf[size] = 0;
	if (len)
		*len = size;
	return buf;
}

/* Split what is between buf and buf + len at NULs; returns a NULL-ended list. */
static char **split_nul(char *buf, size_t len)
{
	char **list = calloc(MAX_ARGS + 1, sizeof(*list));
	char *p = buf;
	int n = 0;

	while (list && p < buf + len && n < MAX_ARGS) {
		list[n++] = p;
		p += strlen(p) + 1;
	}
	return list;
}

static void mount_one(const char *type, const char *where, const char *data)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, data) && errno != EBUSY && errno != ENODEV)
		say("mounting %s on %s: %s", type, where, strerror(errno));
}

static void mount_all(void)
{
	mount_one("devtmpfs", "/dev", NULL);
	mount_one("proc", "/proc", NULL);
	mount_one("sysfs", "/sys", NULL);
	mount_one("debugfs", "/sys/kernel/debug", NULL);
	mount_one("tracefs", "/sys/kernel/tracing", NULL);
	mount_one("tmpfs", "/tmp", "mode=1777");
	mount_one("tmpfs", "/dev/shm", "mode=1777");
	mount_one("devpts", "/dev/pts", NULL);
	mount_one("hugetlbfs", "/dev/hugepages", "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

/* Open a serial line that passes every byte as it is. */
static int open_raw(const char *path)
{
	struct termios tio;
	int fd;

	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &tio)) {
		say("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	cfmakeraw(&tio);
	tio.c_cflag |= CLOCAL;
	cfsetspeed(&tio, B115200);
	tcsetattr(fd, TCSANOW, &tio);
	return fd;
}

static int load_module(char *line)
{
	char *params = strchr(line, ' ');
	int fd, rc = 0;

	if (params)
		*params++ = 0;
	else
		params = line + strlen(line);
	fd = open(line, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, params, 0) && errno != EEXIST)) {
		say("module %s: %s", line, strerror(errno));
		rc = -1;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

static int load_modules(void)
{
	char *list = read_file("/run/modules", NULL);
	char *line, *save = NULL;

	for (line = list ? strtok_r(list, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		if (load_module(line))
			return -1;
	return 0;
}

/* Run the command and reap all that ends meanwhile; returns a shell's status. */
static int run_command(char **argv, int out)
{
	int status;
	pid_t pid, child;

	child = fork();
	if (child < 0) {
		say("fork: %s", strerror(errno));
		return STATUS_SETUP;
	}
	if (!child) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, 0);
		dup2(out, 1);
		dup2(out, 2);
		if (null > 2)
			close(null);
		execvp(argv[0], argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	for (;;) {
		pid = wait(&status);
		if (pid == child)
			break;
		if (pid < 0 && errno != EINTR)
			return STATUS_SETUP;
	}
	/* What it left behind ends now, so that the log is complete. */
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static bool allowed(regex_t *allow, int n, const char *text)
{
	while (n--)
		if (!regexec(&allow[n], text, 0, NULL, 0))
			return true;
	return false;
}

static int read_allowed(regex_t *allow, int max)
{
	char *list = read_file("/run/allow", NULL);
	char *line, *save = NULL;
	int n = 0;

	for (line = list ? strtok_r(list, "\n", &save) : NULL; line && n < max;
	     line = strtok_r(NULL, "\n", &save)) {
		if (regcomp(&allow[n], line, REG_EXTENDED | REG_NOSUB))
			say("not a regular expression: %s", line);
		else
			n++;
	}
	return n;
}

/*
 * Look through the kernel log. Returns "clean", "bad", or "unknown" when a part
 * of it was lost or it could not be read.
 */
static const char *check_log(void)
{
	const char *verdict = "clean";
	regex_t allow[64];
	char record[8192];
	int n_allow, fd;
	size_t i;

	n_allow = read_allowed(allow, 64);
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return "unknown";
	for (;;) {
		ssize_t len = read(fd, record, sizeof(record) - 1);
		char *text, *end;

		if (len < 0 && (errno == EPIPE || errno == EINTR)) {
			if (errno == EPIPE)
				verdict = "unknown";
			continue;
		}
		if (len <= 0)
			break;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text || strtol(record, NULL, 10) >> 3)
			continue;	/* written by a program */
		text++;
		end = strchr(text, '\n');
		if (end)
			*end = 0;
		for (i = 0; i < sizeof(bad_lines) / sizeof(*bad_lines); i++) {
			if (!strstr(text, bad_lines[i]) || allowed(allow, n_allow, text))
				continue;
			say("held against this run: %s", text);
			verdict = "bad";
			break;
		}
	}
	close(fd);
	return verdict;
}

/* Show the kernel log from its beginning: a quiet boot has kept it to itself. */
static void show_log(void)
{
	char record[8192];
	int fd;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	say("the kernel log:");
	for (;;) {
		ssize_t len = read(fd, record, sizeof(record) - 1);
		unsigned long long usec = 0;
		char *text, *end;

		if (len < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (len <= 0)
			break;
		record[len] = 0;
		text = strchr(record, ';');
		if (!text)
			continue;
		sscanf(record, "%*u,%*u,%llu", &usec);
		end = strchr(++text, '\n');
		if (end)
			*end = 0;
		fprintf(console, "[%5llu.%06llu] %s\r\n", usec / 1000000, usec % 1000000, text);
	}
	say("end of the kernel log");
	fflush(console);
	if (fd >= 0)
		close(fd);
}

static void report(const char *line)
{
	say("%s", line);
	if (ioperm(DEBUGCON_PORT, 1, 1)) {
		say("no debug console: %s", strerror(errno));
		return;
	}
	while (*line)
		outb(*line++, DEBUGCON_PORT);
	outb('\n', DEBUGCON_PORT);
}

/*
 * By a reset, which ends QEMU (-no-reboot): power-off through ACPI no longer
 * works in QEMU once the guest has been suspended.
 */
static void __attribute__((noreturn)) power_off(void)
{
	sync();
	tcdrain(fileno(console));
	reboot(RB_AUTOBOOT);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* Print a JSON string, which begins behind its first quote, in plain. */
static void print_json_string(const char *p)
{
	for (; *p && *p != '"'; p++) {
		if (*p != '\\') {
			putchar(*p);
			continue;
		}
		p++;
		if (*p == 'n')
			putchar('\n');
		else if (*p == 't')
			putchar('\t');
		else if (*p != 'r')
			putchar(*p);
	}
}

/*
 * Give the human monitor one command, through QMP on the third serial line. The
 * answer may come behind a greeting and events: it is known by its id. Returns 1
 * when the monitor had something to say that is no answer to a question ("Error:").
 */
static int hmp(int argc, char **argv)
{
	static char answer[65536];
	char id[48], *text;
	FILE *in;
	int fd, i;

	console = stderr;
	fd = open_raw(MONITOR_TTY);
	if (fd < 0)
		return 2;
	flock(fd, LOCK_EX);
	snprintf(id, sizeof(id), "\"hmp-%d-%ld\"", getpid(), now_ms());
	dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"human-monitor-command\","
		"\"id\":%s,\"arguments\":{\"command-line\":\"", id);
	for (i = 1; i < argc; i++)
		dprintf(fd, "%s%s", i > 1 ? " " : "", argv[i]);
	dprintf(fd, "\"}}\n");
	in = fdopen(fd, "r");
	while (in && fgets(answer, sizeof(answer), in)) {
		if (!strstr(answer, id))
			continue;
		text = strstr(answer, "\"return\": \"");
		if (!text) {
			fputs(answer, stderr);
			return 2;
		}
		text += strlen("\"return\": \"");
		print_json_string(text);
		return !strncmp(text, "Error:", 6) || !strncmp(text, "unknown command", 15);
	}
	return 2;
}

int main(int argc, char **argv)
{
	char *token, *command, *flags, *env, *env_list, line[256];
	const char *kernel = "unknown";
	size_t len = 0, env_len = 0;
	int out, status = STATUS_SETUP;
	long booted = now_ms(), ended;
	char **run, **e;

	if (getpid() != 1)
		return hmp(argc, argv);
	mount_one("devtmpfs", "/dev", NULL);
	console = fopen("/dev/console", "w");
	if (!console)
		console = stderr;
	mount_all();
	sethostname("guest", 5);

	token = read_file("/run/token", NULL);
	command = read_file("/run/command", &len);
	flags = read_file("/run/flags", NULL);
	env = read_file("/run/env", &env_len);
	env_list = env;
	clearenv();
	setenv("PATH", "/t:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/tmp", 1);
	setenv("TERM", "dumb", 1);
	for (e = env ? split_nul(env_list, env_len) : NULL; e && *e; e++)
		putenv(*e);
	chdir("/t");

	/* From here on the console shows all that the kernel says. */
	klogctl(KLOG_CONSOLE_LEVEL, NULL, 8);
	out = open_raw(OUTPUT_TTY);
	run = command ? split_nul(command, len) : NULL;
	if (token && run && run[0] && out >= 0 && !load_modules()) {
		say("running %s", run[0]);
		status = run_command(run, out);
		tcdrain(out);
	}
	ended = now_ms();
	kernel = check_log();
	if (status || strcmp(kernel, "clean") || (flags && strstr(flags, "dmesg")))
		show_log();
	if (token)
		token[strcspn(token, "\n")] = 0;
	snprintf(line, sizeof(line), "%s status=%d kernel=%s boot=%ld run=%ld",
		 token ? token : "no-token", status, kernel, booted, ended - booted);
	report(line);
	power_off();
}
