/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench: what the bench modules and the program that drives them agree on
 *
 * /dev/vtdpbench does one operation per call, times it inside the kernel, and
 * puts a mark before and after into QEMU's trace, so that descriptors and
 * doorbells can be told apart by operation.
 */
#ifndef VTDPASID_BENCH_H
#define VTDPASID_BENCH_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Operations of every side; @phase names what the marks belong to */
#define BENCH_MARK	0	/* a mark; @arg: 1 begins, 0 ends */
#define BENCH_LOCKS	1	/* mmu_notifier_register() on an mm that has one */
#define BENCH_BIND	2	/* @device; gives @handle and @pasid */
#define BENCH_UNBIND	3	/* @handle */
/* Of vtdpasid only */
#define BENCH_PASIDS	4	/* reserve @count PASIDs; @pasid is the last */
#define BENCH_FREE	5	/* free @count: @pasid + i * @arg, round the space */
#define BENCH_TAKEOVER	6	/* unit @device */
#define BENCH_HANDBACK	7	/* unit @device */

/*
 * Without @phase no marks are made. @fd is an open /dev/vtdpasid (ours only),
 * @device an id of that file, or the n-th device that the peer's driver has.
 */
struct bench_call {
	__u32 op;
	__u32 phase;
	__s32 fd;
	__u32 device;
	__u32 handle;
	__u32 pasid;
	__u32 count;
	__u32 arg;
	__u64 ticks;
};

#define BENCH_CALL	_IOWR(0xbe, 0, struct bench_call)

/* What a mark writes into the unit's version register, which is read only */
#define BENCH_MARK_VALUE(phase, begin)	(0xbe000000 | (phase) << 1 | (begin))

#ifdef __KERNEL__
/* A side: does @call, and sets its ticks. */
struct bench_side {
	int (*call)(struct bench_call *call);
};

int bench_register(const struct bench_side *side);
void bench_unregister(void);
void bench_mark(const struct bench_call *call, int begin);

/*
 * Under -icount shift=0 the time stamp counter counts instructions. Marks are
 * outside of what is timed.
 */
#define bench_time(_call, _expr) ({			\
	typeof(_expr) _ret;				\
	u64 _start;					\
							\
	bench_mark(_call, 1);				\
	_start = rdtsc();				\
	_ret = (_expr);					\
	(_call)->ticks = rdtsc() - _start;		\
	bench_mark(_call, 0);				\
	_ret;						\
})
#endif /* __KERNEL__ */

#endif /* VTDPASID_BENCH_H */
