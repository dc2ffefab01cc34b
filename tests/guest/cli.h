/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cli: running the command vtdpasid from a test, on top of lib.h and tap.h
 */
#ifndef GUEST_CLI_H
#define GUEST_CLI_H

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "tap.h"
#include "lib.h"

#define __cli_unused	__attribute__((unused))
#define CLI		"/t/vtdpasid"

struct cli {
	int status;		/* exit status, or 128 + signal */
	char args[256];
	char out[1 << 19];
	char err[1 << 14];
};

static void cli_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	text[len] = 0;
	if (fd >= 0)
		close(fd);
}

/*
 * A shell in a process of its own: standard output and error go to files. Not by
 * fork(), which would make all of our pages read-only for a while.
 */
static pid_t cli_start(bool root, const char *out, const char *err, const char *command)
{
	char line[1024];
	char *root_argv[] = { "sh", "-c", line, NULL };
	char *nobody_argv[] = { "su", "-s", "/bin/sh", "nobody", "-c", line, NULL };
	pid_t pid;
	int rc;

	snprintf(line, sizeof(line), "exec %s </dev/null >%s 2>%s", command, out, err);
	rc = posix_spawn(&pid, root ? "/bin/sh" : "/bin/su", NULL, NULL,
			 root ? root_argv : nobody_argv, environ);
	if (rc)
		fatal("running %s: %s", command, strerror(rc));
	return pid;
}

static int cli_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void cli_vrun(struct cli *c, bool root, const char *fmt, va_list ap)
{
	char command[sizeof(c->args) + 32];

	vsnprintf(c->args, sizeof(c->args), fmt, ap);
	snprintf(command, sizeof(command), CLI " %s", c->args);
	unlink("/tmp/cli.out");
	unlink("/tmp/cli.err");
	c->status = cli_wait(cli_start(root, "/tmp/cli.out", "/tmp/cli.err", command));
	cli_read("/tmp/cli.out", c->out, sizeof(c->out));
	cli_read("/tmp/cli.err", c->err, sizeof(c->err));
}

/* vtdpasid with these arguments, as root. Returns its exit status. */
static int __cli_unused __attribute__((format(printf, 2, 3)))
cli(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cli_vrun(c, true, fmt, ap);
	va_end(ap);
	return c->status;
}

/* The same as a user without rights. */
static int __cli_unused __attribute__((format(printf, 2, 3)))
cli_as_nobody(struct cli *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	cli_vrun(c, false, fmt, ap);
	va_end(ap);
	return c->status;
}

/* What it said, for those who read the log of a failure. */
static void __cli_unused cli_diag(const struct cli *c)
{
	tap_diag("vtdpasid %s: status %d", c->args, c->status);
	tap_diag("out: %.600s", c->out);
	tap_diag("err: %.600s", c->err);
}

#endif
