// SPDX-License-Identifier: GPL-2.0-only
/*
 * lib_process.c - children, and messages between them and us; see lib.h
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

int child_start(struct child *c, int (*fn)(int sock, void *arg), void *arg)
{
	pid_t parent = getpid();
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return -errno;
	fflush(stdout);
	c->pid = fork();
	if (c->pid < 0) {
		int err = errno;

		close(sv[0]);
		close(sv[1]);
		return -err;
	}
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		close(sv[0]);
		_exit(fn(sv[1], arg));
	}
	close(sv[1]);
	c->sock = sv[0];
	return 0;
}

int msg_send(int sock, const void *buf, size_t len)
{
	return send(sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

ssize_t msg_recv(int sock, void *buf, size_t size, int timeout_ms)
{
	ssize_t n = wait_readable(sock, timeout_ms);

	if (n)
		return n;
	n = recv(sock, buf, size, 0);
	if (n < 0)
		return -errno;
	return n ? n : -EPIPE;
}

int msg_send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int msg_recv_fd(int sock, int timeout_ms)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fd, rc = wait_readable(sock, timeout_ms);

	if (rc)
		return rc;
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int child_wait(struct child *c, int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;
	bool late = false;
	int status;
	pid_t pid;

	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	while (!(pid = waitpid(c->pid, &status, WNOHANG))) {
		if (!late && now_ms() > end) {
			late = true;
			kill(c->pid, SIGKILL);
		}
		sleep_ms(1);
	}
	c->pid = -1;
	if (pid < 0)
		return -errno;
	return late ? -ETIMEDOUT : status;
}

int child_kill(struct child *c, int sig)
{
	return kill(c->pid, sig) ? -errno : 0;
}
