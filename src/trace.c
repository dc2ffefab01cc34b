// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events: what trace.h describes is made here.
 */
#include "vtdpasid.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
