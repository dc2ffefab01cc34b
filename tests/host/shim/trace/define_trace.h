/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel makes trace events here; see linux/tracepoint.h. */
