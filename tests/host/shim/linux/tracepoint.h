/* SPDX-License-Identifier: GPL-2.0-only */
/* Trace events that do nothing, and are never on; arguments are still checked. */
#include "shim.h"

#define TP_PROTO(...) __VA_ARGS__
#define TRACE_EVENT(name, proto, ...)						\
	static inline void trace_##name(proto) {}				\
	static inline bool trace_##name##_enabled(void) { return false; }
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(class, name, proto, args) TRACE_EVENT(name, PARAMS(proto))
#define PARAMS(...) __VA_ARGS__
