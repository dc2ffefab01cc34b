// SPDX-License-Identifier: LGPL-2.1-or-later
/* PASIDs, bindings and pins of the caller's address space. */
#include <stdio.h>
#include <string.h>

#include "private.h"

static const struct refusal pasid_refusals[] = {
	{ ENOSPC, "no number of that range is free", NULL },
	{ EOVERFLOW, "the range begins beyond what every unit supports", NULL },
	{ ENOTUNIQ, "the address space has a PASID already, outside of that range",
	  "ask for it without a range" },
	{ EDQUOT, "this user holds as many PASIDs as he may",
	  "raise the module's parameter user_pasids" },
	{ ESRCH, "the address space is ending", NULL },
	{ ENOENT, "this file holds no such PASID", NULL },
	{ EACCES, "it is another live process's", NULL },
	{ EBUSY, "bindings or pins of this file use it", "end those first" },
	{ 0 }
};

static const struct refusal bind_refusals[] = {
	{ ENOENT, "this file has no such device", "attach it through the same file" },
	{ EEXIST, "this process is bound to it already", NULL },
	{ EBUSY, "another process is bound to it without PASID", "wait for it to end" },
	{ EACCES, "the PASID is another's", NULL },
	{ ENOTUNIQ, "this process has another PASID already", "bind it with that one" },
	{ EOVERFLOW, "the PASID is wider than the device supports", NULL },
	{ ENOSPC, "no PASID or domain id is left, or this process has too many bindings", NULL },
	{ EDQUOT, "this user holds as many PASIDs as he may",
	  "raise the module's parameter user_pasids" },
	{ EPROTONOSUPPORT, "the device has no PASIDs", "bind with VTDPASID_BIND_NO_PASID" },
	{ ENXIO, "a kernel driver drives the function: it keeps its requests without PASID",
	  "claim the function, or bind with a PASID" },
	{ EXDEV, "a port above it lacks access control services", NULL },
	{ ENODEV, "the device was stopped: it or its unit failed",
	  "detach and attach it again" },
	{ ESRCH, "the address space is ending", NULL },
	{ ETIMEDOUT, "the unit did not complete an invalidation", "look into the kernel log" },
	{ 0 }
};

static const struct refusal binding_refusals[] = {
	{ ENOENT, "this file has no such binding", NULL },
	{ EACCES, "it is another live process's", NULL },
	{ ETIMEDOUT, "it has ended, but only by cutting the device off from the bus", NULL },
	{ 0 }
};

static const struct refusal memory_refusals[] = {
	{ ENOENT, "this file holds no binding of this process", "bind first" },
	{ EINVAL, "the range is empty, or not made of whole pages", NULL },
	{ EOVERFLOW, "the range leaves the user's half of the address space", NULL },
	{ EFBIG, "it is more than one pin may hold", "pin it in parts" },
	{ EFAULT, "a page of the range is not mapped, or not writable", NULL },
	{ EOPNOTSUPP, "memory of this kind cannot be pinned for long (shared file, device memory)",
	  "use anonymous memory" },
	{ ENOMEM, "it is beyond RLIMIT_MEMLOCK, or there is no memory", "raise ulimit -l" },
	{ EACCES, "it is another live process's", NULL },
	{ ETIMEDOUT, "the device was cut off from the bus", "look into the kernel log" },
	{ 0 }
};

static const struct refusal unpin_refusals[] = {
	{ ENOENT, "this file has no such pin", NULL },
	{ EACCES, "it is another live process's", NULL },
	{ 0 }
};

int vtdp_pasid_alloc(struct vtdp *v, uint32_t flags, uint32_t min, uint32_t max, uint32_t *pasid)
{
	static const struct call call = { "allocate a PASID", pasid_refusals };
	struct vtdpasid_pasid_alloc arg = { .flags = flags, .min = min, .max = max };
	int rc = file_query(v, &call, NULL, VTDPASID_PASID_ALLOC, &arg, sizeof(arg));

	if (!rc)
		*pasid = arg.out_pasid;
	return rc;
}

int vtdp_pasid_free(struct vtdp *v, uint32_t pasid)
{
	static const struct call call = { "free", pasid_refusals };
	struct vtdpasid_pasid_free arg = { .pasid = pasid };
	char subject[24];

	snprintf(subject, sizeof(subject), "PASID %u", pasid);
	return file_query(v, &call, subject, VTDPASID_PASID_FREE, &arg, sizeof(arg));
}

static int bind_with(struct vtdp *v, struct vtdpasid_bind *arg)
{
	static const struct call call = { "bind this process to", bind_refusals };
	char subject[24];

	snprintf(subject, sizeof(subject), "device %u", arg->device);
	return file_query(v, &call, subject, VTDPASID_BIND, arg, sizeof(*arg));
}

int vtdp_bind(struct vtdp *v, uint32_t device, uint32_t flags, uint32_t *binding, uint32_t *pasid)
{
	struct vtdpasid_bind arg = { .flags = flags, .device = device };
	int rc = bind_with(v, &arg);

	if (!rc && binding)
		*binding = arg.out_binding;
	if (!rc && pasid)
		*pasid = arg.out_pasid;
	return rc;
}

int vtdp_bind_as(struct vtdp *v, uint32_t device, uint32_t pasid, uint32_t *binding)
{
	struct vtdpasid_bind arg = { .device = device, .pasid = pasid };
	int rc = bind_with(v, &arg);

	if (!rc && binding)
		*binding = arg.out_binding;
	return rc;
}

int vtdp_unbind(struct vtdp *v, uint32_t binding)
{
	static const struct call call = { "unbind", binding_refusals };
	struct vtdpasid_unbind arg = { .binding = binding };
	char subject[24];

	snprintf(subject, sizeof(subject), "binding %u", binding);
	return file_query(v, &call, subject, VTDPASID_UNBIND, &arg, sizeof(arg));
}

int vtdp_binding_info(struct vtdp *v, uint32_t binding, struct vtdpasid_binding_info *info,
		      size_t size)
{
	static const struct call call = { "read the state of", binding_refusals };
	char subject[24];

	memset(info, 0, size);
	info->binding = binding;
	snprintf(subject, sizeof(subject), "binding %u", binding);
	return file_query(v, &call, subject, VTDPASID_BINDING_INFO, info, size);
}

int vtdp_sync(struct vtdp *v, const volatile void *addr, size_t length)
{
	static const struct call call = { "tell devices of", memory_refusals };
	struct vtdpasid_sync arg = { .addr = (uintptr_t)addr, .length = length };
	char subject[64];

	snprintf(subject, sizeof(subject), "%zu bytes at %p", length, (const void *)addr);
	return file_query(v, &call, subject, VTDPASID_SYNC, &arg, sizeof(arg));
}

int vtdp_pin(struct vtdp *v, const volatile void *addr, size_t length, uint32_t flags,
	     uint32_t *pin)
{
	static const struct call call = { "pin", memory_refusals };
	struct vtdpasid_pin arg = {
		.flags = flags, .addr = (uintptr_t)addr, .length = length,
	};
	char subject[64];
	int rc;

	snprintf(subject, sizeof(subject), "%zu bytes at %p", length, (const void *)addr);
	rc = file_query(v, &call, subject, VTDPASID_PIN, &arg, sizeof(arg));
	if (!rc)
		*pin = arg.out_pin;
	return rc;
}

int vtdp_unpin(struct vtdp *v, uint32_t pin)
{
	static const struct call call = { "unpin", unpin_refusals };
	struct vtdpasid_unpin arg = { .pin = pin };
	char subject[24];

	snprintf(subject, sizeof(subject), "pin %u", pin);
	return file_query(v, &call, subject, VTDPASID_UNPIN, &arg, sizeof(arg));
}
