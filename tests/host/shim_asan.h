/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim_asan.h - what ASan has to be told, where it is there
 */
#ifndef SHIM_ASAN_H
#define SHIM_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHIM_ASAN 1
#endif
#endif
#ifdef SHIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(a, s)		((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(a, s)	((void)0)
#define __sanitizer_start_switch_fiber(a, b, c)	((void)0)
#define __sanitizer_finish_switch_fiber(a, b, c) ((void)0)
#endif

#endif /* SHIM_ASAN_H */
