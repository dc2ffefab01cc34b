// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_main.c - a main() for fuzz targets where libFuzzer is not
 *
 *	fuzz_X [--runs N] [--seed S] FILE...
 *
 * Runs each file, then N inputs that are files with some bytes changed. A
 * failure ends the program; its input is left in crash-X.bin, for fuzz_X FILE.
 */
#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 4096

static u8 current_input[INPUT_MAX];
static size_t current_size;
static const char *crash_file = "crash.bin";

static void keep(int sig)
{
	int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0 && write(fd, current_input, current_size) == (ssize_t)current_size)
		fprintf(stderr, "# input kept in %s\n", crash_file);
	signal(sig, SIG_DFL);
	raise(sig);
}

static size_t load(const char *name, u8 *to)
{
	FILE *f = fopen(name, "rb");
	size_t n;

	if (!f) {
		perror(name);
		exit(2);
	}
	n = fread(to, 1, INPUT_MAX, f);
	fclose(f);
	return n;
}

static void run(void)
{
	LLVMFuzzerTestOneInput(current_input, current_size);
}

/* Change some bytes, cut, or put a stretch of another file in. */
static void change(char **files, int nr)
{
	static u8 other[INPUT_MAX];
	unsigned int i, n = 1 + rnd_below(8), at, len;
	size_t size;

	current_size = load(files[rnd_below(nr)], current_input);
	for (i = 0; i < n; i++) {
		at = rnd_below(current_size ?: 1);
		switch (rnd_below(6)) {
		case 0: current_input[at] = rnd(); break;
		case 1: current_input[at] ^= 1u << rnd_below(8); break;
		case 2: current_input[at] = (u8[]){ 0, 1, 0x7f, 0x80, 0xff }[rnd_below(5)]; break;
		case 3: current_size = rnd_below(16) ? current_size : at; break;
		default:
			size = load(files[rnd_below(nr)], other);
			len = rnd_below(min_t(size_t, size, 64));
			len = min_t(unsigned int, len, INPUT_MAX - at);
			memcpy(current_input + at, other + (size > len ? rnd_below(size - len) : 0), len);
			current_size = max_t(size_t, current_size, at + len);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned int runs = 0, i;
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	static char crash[64];
	u64 seed = 1;
	int at = 1, k;

	while (at + 1 < argc && argv[at][0] == '-') {
		if (!strcmp(argv[at], "--runs"))
			runs = atoi(argv[at + 1]);
		else
			seed = strtoull(argv[at + 1], NULL, 0);
		at += 2;
	}
	if (at == argc) {
		fprintf(stderr, "usage: %s [--runs N] [--seed S] FILE...\n", name);
		return 2;
	}
	snprintf(crash, sizeof(crash), "crash-%s.bin", name);
	crash_file = crash;
	signal(SIGABRT, keep);
	signal(SIGSEGV, keep);
	for (k = at; k < argc; k++) {
		current_size = load(argv[k], current_input);
		run();
	}
	for (i = 0; i < runs; i++) {
		/* The targets use chance themselves. */
		rnd_seed(seed * 1000003 + i);
		change(argv + at, argc - at);
		run();
	}
	printf("ok 1 - %s: %d files, %u changed ones with seed %llu\n1..1\n# 1 tests, 0 failed\n", name, argc - at, runs, seed);
	return 0;
}
