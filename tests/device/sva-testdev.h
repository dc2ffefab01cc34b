/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sva-testdev: register interface of the PASID/ATS/PRI test device
 *
 * Plain constants only, so that the device itself, static guest programs and
 * kernel code can include this file. All registers live in BAR 0.
 *
 *   SVAT_BAR_SIZE bytes:  page 0        registers of the whole function
 *                         channel n     SVAT_CHAN(n): one page of registers
 *                                       SVAT_BUF(n):  one page of data buffer
 *
 * The SVAT_CHANNELS channels are independent DMA engines with the same
 * abilities. Each has its own PASID register, so several processes can each
 * map the two pages of one channel, and a test can leave one channel looping
 * while it uses another. Nothing stops a channel from emitting any PASID:
 * that is the "flawed device" of the 2018 mail.
 *
 * Every register is 64 bits wide and little-endian. 4-byte accesses (to either
 * half) and 8-byte accesses are accepted, aligned; others fail. The doorbell
 * SVAT_CH_CMD acts on a write that covers its low half. The buffer takes the
 * same access sizes: copy with 4- or 8-byte loads and stores, not memcpy().
 *
 * Life of a command: write the parameters, write SVAT_CH_CMD, read
 * SVAT_CH_STATUS until it is not SVAT_ST_BUSY. Parameters are latched by the
 * doorbell and may be changed at once. Untranslated, ATC and pre-translated
 * DMA of up to a page of data, SVAT_CMD_ATS, SVAT_CMD_STOP_MARKER and
 * SVAT_CMD_MSI, without SVAT_F_REPEAT, are complete when the doorbell write
 * returns. Everything that waits for a page response, and SVAT_CMD_FILL,
 * SVAT_CMD_CHECK and SVAT_CMD_FLOOD, run on in the background.
 */
#ifndef SVA_TESTDEV_H
#define SVA_TESTDEV_H

/* PCI identity; class code 0x00ff00 (unclassified) */
#define SVAT_VENDOR_ID		0x1234
#define SVAT_DEVICE_ID		0x11ea	/* "sva-testdev": PASID, ATS, PRI, MSI, FLR */
#define SVAT_PLAIN_DEVICE_ID	0x11eb	/* "sva-testdev-plain": MSI, FLR only */

#define SVAT_CHANNELS		8
#define SVAT_PAGE		0x1000
#define SVAT_BUF_SIZE		0x1000
#define SVAT_BAR_SIZE		0x20000
#define SVAT_CHAN(n)		(0x2000 * ((n) + 1))
#define SVAT_BUF(n)		(SVAT_CHAN(n) + 0x1000)

/* ------------------------------------------------------------------------
 * Registers of the function (page 0)
 */
#define SVAT_ID			0x000	/* RO: SVAT_ID_VALUE */
#define SVAT_ID_VALUE		0x54415653ULL	/* "SVAT" */
#define SVAT_VERSION		0x008	/* RO: SVAT_VERSION_VALUE, changes with this file */
#define SVAT_VERSION_VALUE	1ULL
#define SVAT_STATE		0x010	/* RO: what config space allows at this moment */
#define SVAT_STATE_BUS_MASTER	(1ULL << 0)
#define SVAT_STATE_ATS		(1ULL << 1)	/* ATS Enable */
#define SVAT_STATE_PASID	(1ULL << 2)	/* PASID Enable */
#define SVAT_STATE_PRI		(1ULL << 3)	/* Page Request Enable */
#define SVAT_STATE_MSI		(1ULL << 4)	/* MSI Enable */
#define SVAT_STATE_PASID_EXEC	(1ULL << 5)	/* Execute Permission Enable */
#define SVAT_STATE_PASID_PRIV	(1ULL << 6)	/* Privileged Mode Enable */
#define SVAT_STATE_CAPABLE	(1ULL << 8)	/* has the PASID, ATS and PRI capabilities */

#define SVAT_CTRL		0x018	/* RW */
/* Stop all channels, forget outstanding page requests, empty the ATC, zero
 * parameters, buffers and counters, clear SVAT_CTRL_IGNORE_INV. Config space is
 * not touched (FLR disables ATS, PASID and PRI as well). Write 1, reads 0.
 */
#define SVAT_CTRL_RESET		(1ULL << 0)
#define SVAT_CTRL_ATC_FLUSH	(1ULL << 1)	/* drop all ATC entries; write 1, reads 0 */
#define SVAT_CTRL_CLEAR_COUNTERS (1ULL << 2)	/* zero 0x100-0x2ff; write 1, reads 0 */
/* Misbehave: keep ATC entries although an invalidation asked to drop them.
 * Stays until written 0 or reset. Shows what a trusted device could do.
 */
#define SVAT_CTRL_IGNORE_INV	(1ULL << 3)

/* Bit n: channel n has completed a command that had SVAT_F_IRQ, or got
 * SVAT_CMD_MSI. Write 1 to clear. One MSI vector, sent on each completion.
 */
#define SVAT_IRQ_STATUS		0x020

/* Counters: RO, 64 bits, since reset or SVAT_CTRL_CLEAR_COUNTERS. DMA counters
 * count pieces, not commands: the device splits at every 4 KiB boundary.
 */
#define SVAT_N_DMA_OK		0x100
#define SVAT_N_DMA_ERROR	0x108	/* emitted and failed (translation fault, no memory) */
#define SVAT_N_BYTES_READ	0x110	/* from memory */
#define SVAT_N_BYTES_WRITTEN	0x118	/* to memory */
#define SVAT_N_NO_MASTER	0x120	/* anything not emitted as bus mastering was off */
#define SVAT_N_REFUSED		0x128	/* not emitted: see SVAT_ST_REFUSED */
#define SVAT_N_MSI		0x130	/* MSIs sent */
#define SVAT_N_BUSY_CMDS	0x138	/* doorbells ignored as the channel was busy */

#define SVAT_N_ATS_REQUESTS	0x180	/* translation requests emitted */
#define SVAT_N_ATS_GRANTED	0x188	/* answered with some permission */
#define SVAT_N_ATS_DENIED	0x190	/* answered R=W=0 */
#define SVAT_N_ATS_ERRORS	0x198	/* refused by QEMU, see SVAT_ATS_ERRNO */
#define SVAT_ATS_ERRNO		0x1a0	/* last such errno, positive; 0 none */

#define SVAT_ATC_ENTRIES	0x1b0	/* valid entries now, at most SVAT_ATC_SIZE */
#define SVAT_ATC_SIZE		256
#define SVAT_N_ATC_HITS		0x1b8
#define SVAT_N_ATC_MISSES	0x1c0
#define SVAT_N_ATC_EVICTIONS	0x1c8	/* dropped to make room */
#define SVAT_N_ATC_DROPPED	0x1d0	/* dropped by invalidations */
/* Device-TLB invalidations received. QEMU delivers one only for a PASID for
 * which the device has made a translation request since ATS and PASID were
 * last enabled (without PASID: since ATS was enabled).
 */
#define SVAT_N_INVALIDATIONS	0x1d8
#define SVAT_N_INV_IGNORED	0x1e0	/* of them, received under SVAT_CTRL_IGNORE_INV */
#define SVAT_INV_ADDR		0x1e8	/* last one: first address, */
#define SVAT_INV_SIZE		0x1f0	/*   length in bytes (0 means 2^64), */
#define SVAT_INV_PASID		0x1f8	/*   PASID or SVAT_NO_PASID */
#define SVAT_NO_PASID		0xffffffffULL

#define SVAT_PRI_LIMIT		0x240	/* outstanding page requests allowed by config space */
#define SVAT_PRI_OUTSTANDING	0x248	/* requests sent and not answered */
#define SVAT_N_PRI_SENT		0x250	/* requests accepted by the IOMMU (stop markers apart) */
#define SVAT_N_PRI_ERRORS	0x258	/* requests refused by the IOMMU, see SVAT_PRI_ERRNO */
#define SVAT_PRI_ERRNO		0x260	/* last such errno, positive (28 ENOSPC: queue overflow) */
#define SVAT_N_PRI_SUCCESS	0x268	/* group responses: Success */
#define SVAT_N_PRI_INVALID	0x270	/*   Invalid Request */
#define SVAT_N_PRI_FAILURE	0x278	/*   Response Failure (or any other code) */
#define SVAT_N_PRI_UNEXPECTED	0x280	/*   that match no outstanding group */
#define SVAT_N_PRI_TIMEOUTS	0x288	/* groups given up */
#define SVAT_PRI_LAST_CODE	0x290	/* last response: 0, 1 or other as QEMU gave it */
#define SVAT_PRI_LAST_PRGI	0x298
#define SVAT_PRI_LAST_PASID	0x2a0
#define SVAT_PRI_LAST_NS	0x2a8	/* virtual ns from sending a group's last request to it */
#define SVAT_N_PRI_MARKERS	0x2b0	/* stop markers sent */

/* ------------------------------------------------------------------------
 * Registers of a channel (offset from SVAT_CHAN(n)). Reset value 0 unless said.
 */
#define SVAT_CH_PASID		0x00	/* RW: 20 bits, used with SVAT_F_PASID */
#define SVAT_CH_FLAGS		0x08	/* RW: SVAT_F_* and a route */
#define SVAT_CH_IOVA		0x10	/* RW: address to access, translate or request */
#define SVAT_CH_LEN		0x18	/* RW: bytes (DMA, FILL, CHECK) */
#define SVAT_CH_BUF_OFF		0x20	/* RW: DMA: offset in the buffer; off + len <= 4096 */
#define SVAT_CH_PATTERN		0x28	/* RW: FILL, CHECK: see there */
#define SVAT_CH_PRGI		0x30	/* RW: 9 bits, PAGE_REQ and SVAT_F_SAME_PRGI */
#define SVAT_CH_COUNT		0x38	/* RW: FLOOD: requests to send */
#define SVAT_CH_GROUP		0x40	/* RW: page requests per group, 1..32; reset 8 */
#define SVAT_CH_RETRIES		0x48	/* RW: page request rounds without progress; reset 8 */
#define SVAT_CH_TIMEOUT		0x50	/* RW: virtual ns to wait for a response; reset 10 s */
#define SVAT_CH_PERIOD		0x58	/* RW: virtual ns between repeats; reset 100 us, at least 10 us */
#define SVAT_CH_MATCH		0x60	/* RW: value looked for by SVAT_CH_N_MATCHES */
#define SVAT_CH_CMD		0x68	/* WO: doorbell, SVAT_CMD_* */

#define SVAT_CH_STATUS		0x80	/* RO: SVAT_ST_* of the last command; BUSY while it runs */
#define SVAT_CH_BYTES		0x88	/* RO: bytes done, in order from IOVA (live progress) */
#define SVAT_CH_FAIL_IOVA	0x90	/* RO: where it failed (CHECK: first difference), else 0 */
#define SVAT_CH_XLAT_ADDR	0x98	/* RO: ATS: translated address of IOVA */
#define SVAT_CH_XLAT_SIZE	0xa0	/* RO: ATS: page size of the translation; 0 none */
#define SVAT_CH_XLAT_PERM	0xa8	/* RO: ATS: SVAT_PERM_* */
#define SVAT_PERM_READ		(1ULL << 0)
#define SVAT_PERM_WRITE		(1ULL << 1)
#define SVAT_PERM_EXEC		(1ULL << 2)
#define SVAT_PERM_PRIV		(1ULL << 3)
#define SVAT_PERM_GLOBAL	(1ULL << 4)
#define SVAT_CH_PRI_CODE	0xb0	/* RO: last response to this channel; SVAT_NO_CODE none yet */
#define SVAT_NO_CODE		0xffULL
#define SVAT_CH_N_SENT		0xb8	/* RO: page requests accepted, since the doorbell */
#define SVAT_CH_N_REFUSED	0xc0	/* RO: page requests refused, since the doorbell */
#define SVAT_CH_N_RESPONSES	0xc8	/* RO: group responses, since the doorbell */
#define SVAT_CH_N_MISMATCH	0xd0	/* RO: CHECK: 8-byte words that differed */
/* Of a repeated command (SVAT_F_REPEAT), since its doorbell: */
#define SVAT_CH_N_OK		0xd8	/* RO: rounds that succeeded */
#define SVAT_CH_N_FAIL		0xe0	/* RO: rounds that failed */
#define SVAT_CH_FIRST_FAIL	0xe8	/* RO: number of the first failed round, from 1; 0 none */
#define SVAT_CH_ROUND_STATUS	0xf0	/* RO: status of the last round */
#define SVAT_CH_LAST_DATA	0xf8	/* RO: first 8 bytes of the last good read (short: zero padded) */
#define SVAT_CH_N_CHANGES	0x100	/* RO: good reads whose first 8 bytes differ from the last one's */
#define SVAT_CH_N_MATCHES	0x108	/* RO: good reads whose first 8 bytes equal SVAT_CH_MATCH */

/* SVAT_CH_FLAGS */
#define SVAT_F_WRITE		(1ULL << 0)	/* DMA: buffer to memory; ATS, requests: want write */
#define SVAT_F_PASID		(1ULL << 1)	/* emit SVAT_CH_PASID, else no PASID */
#define SVAT_F_PRIV		(1ULL << 2)	/* privileged mode requested (ATS, page requests) */
#define SVAT_F_EXEC		(1ULL << 3)	/* execute requested (ATS, page requests) */
#define SVAT_F_NO_WRITE		(1ULL << 4)	/* ATS "NW" on accesses that only read */
#define SVAT_F_NO_READ		(1ULL << 5)	/* page requests without R */
#define SVAT_F_LPIG		(1ULL << 6)	/* PAGE_REQ: last in group */
#define SVAT_F_IRQ		(1ULL << 7)	/* MSI on completion (repeats: only when they end) */
#define SVAT_F_REPEAT		(1ULL << 8)	/* DMA, ATS: again every SVAT_CH_PERIOD until STOP */
#define SVAT_F_NO_WAIT		(1ULL << 9)	/* PAGE_REQ: done when sent, response only counted */
#define SVAT_F_SAME_PRGI	(1ULL << 10)	/* FLOOD: every request has SVAT_CH_PRGI */
/* Misbehave: skip the device's own checks of ATS, PASID and PRI Enable and of
 * the outstanding-request allocation. (QEMU still checks the enable bits of
 * translation and page requests. Bus mastering is never overridden.)
 */
#define SVAT_F_FORCE		(1ULL << 11)
/* How DMA, FILL and CHECK reach memory */
#define SVAT_F_ROUTE		(3ULL << 16)
#define SVAT_F_UNTRANSLATED	(0ULL << 16)	/* AT=0, the IOMMU translates */
#define SVAT_F_ATC		(1ULL << 16)	/* through the ATC: ATS on a miss, then AT=2 */
#define SVAT_F_PRI		(2ULL << 16)	/* as ATC; what is denied is page-requested, then retried */
#define SVAT_F_TRANSLATED	(3ULL << 16)	/* AT=2, IOVA is taken as translated: nothing checks it */

/* SVAT_CH_CMD */
#define SVAT_CMD_DMA		1	/* buffer <-> [IOVA, IOVA+LEN), LEN 1..4096 */
/* One translation request for the page of IOVA, bypassing but filling the ATC.
 * OK when all wanted permissions (read, and write under SVAT_F_WRITE) came.
 */
#define SVAT_CMD_ATS		2
/* One page request for IOVA. With SVAT_F_LPIG (and not SVAT_F_NO_WAIT) it waits
 * for the group response, else it is done when sent.
 */
#define SVAT_CMD_PAGE_REQ	3
/* Write (SVAT_CMD_FILL) or compare (SVAT_CMD_CHECK) a large range by the route
 * in FLAGS. IOVA and LEN multiples of 8. The word at address A is
 * SVAT_PATTERN(pattern, A). WRITE is implied by the command.
 */
#define SVAT_CMD_FILL		4
#define SVAT_CMD_CHECK		5
#define SVAT_PATTERN(pattern, addr)	((pattern) ^ (addr))
/* COUNT page requests for IOVA, IOVA + 4096, ... GROUP of them per group, the
 * last with LPIG (GROUP 0: never LPIG). Without SVAT_F_FORCE the outstanding
 * allocation is respected: a storm that is allowed. Requests that the IOMMU
 * refuses are counted and not sent again. Done when all were sent; responses
 * are then still counted.
 */
#define SVAT_CMD_FLOOD		6
#define SVAT_MAX_COUNT		(1ULL << 24)
/* Page request with LPIG and neither R nor W, the PASID stop marker. No
 * response is expected.
 */
#define SVAT_CMD_STOP_MARKER	7
#define SVAT_CMD_MSI		8	/* set the channel's bit in SVAT_IRQ_STATUS, send the MSI */
/* End whatever runs, repeats included; status becomes SVAT_ST_STOPPED (or
 * stays, when nothing ran). Accepted while busy. Late responses are counted.
 */
#define SVAT_CMD_STOP		9

/* SVAT_CH_STATUS. After anything but OK, SVAT_CH_BYTES tells what was done. */
#define SVAT_ST_OK		0
#define SVAT_ST_BUSY		1
#define SVAT_ST_INVALID		2	/* unknown command, bad LEN, BUF_OFF, COUNT, ... */
#define SVAT_ST_DMA_ERROR	3	/* emitted, and the IOMMU or the bus said no */
#define SVAT_ST_NO_MASTER	4	/* not emitted: Bus Master Enable is off */
/* Not emitted: a PASID with an address in 0xfee00000-0xfeefffff (QEMU 11.1
 * dies of it), or an address range that wraps.
 */
#define SVAT_ST_REFUSED		5
#define SVAT_ST_NO_PASID	6	/* not emitted: PASID not enabled */
#define SVAT_ST_NO_ATS		7	/* not emitted: ATS not enabled */
#define SVAT_ST_NO_PRI		8	/* not emitted: PRI not enabled */
#define SVAT_ST_ATS_DENIED	9	/* translated without the permission that was needed */
#define SVAT_ST_ATS_ERROR	10	/* translation refused by QEMU, see SVAT_ATS_ERRNO */
#define SVAT_ST_PRI_LIMIT	11	/* PAGE_REQ: outstanding allocation used up */
#define SVAT_ST_PRI_REFUSED	12	/* page request refused by the IOMMU, see SVAT_PRI_ERRNO */
#define SVAT_ST_PRI_INVALID	13	/* group response Invalid Request */
#define SVAT_ST_PRI_FAILURE	14	/* group response Response Failure */
#define SVAT_ST_PRI_TIMEOUT	15	/* no response (or queue full, or no credit) for SVAT_CH_TIMEOUT */
#define SVAT_ST_PRI_RETRIES	16	/* answered Success RETRIES times, still not permitted */
#define SVAT_ST_STOPPED		17	/* ended by SVAT_CMD_STOP */
#define SVAT_ST_MISMATCH	18	/* CHECK: all read, some words differ */
#define SVAT_ST_NO_RESOURCE	19	/* more than SVAT_MAX_PASIDS PASIDs used for ATS or PRI */
#define SVAT_MAX_PASIDS		4096

#endif /* SVA_TESTDEV_H */
