// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vtdpasid: checks and copies what ioctls bring, and passes it on.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "vtdpasid.h"

/* ---- one function for each ioctl; the argument is checked and private ----- */

static int ioctl_get_info(struct vtdp_client *client, void *data)
{
	struct vtdpasid_get_info *arg = data;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	vtdp_get_info(arg);
	mutex_unlock(&vtdp_lock);
	return 0;
}

static int ioctl_unit_info(struct vtdp_client *client, void *data)
{
	struct vtdpasid_unit_info *arg = data;
	struct vtdp_unit *unit;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	unit = vtdp_unit_by_index(arg->unit);
	if (unit)
		vtdp_unit_info(unit, arg);
	mutex_unlock(&vtdp_lock);
	return unit ? 0 : -ENOENT;
}

static int ioctl_takeover(struct vtdp_client *client, void *data)
{
	struct vtdpasid_takeover *arg = data;
	struct vtdp_unit *unit;
	int err = -ENOENT;

	arg->out_check = VTDPASID_CHECK_NONE;
	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	unit = vtdp_unit_by_index(arg->unit);
	if (unit)
		err = vtdp_unit_takeover(unit, &arg->out_check);
	mutex_unlock(&vtdp_lock);
	return err;
}

static int ioctl_handback(struct vtdp_client *client, void *data)
{
	struct vtdpasid_handback *arg = data;
	struct vtdp_unit *unit;
	int err = -ENOENT;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	unit = vtdp_unit_by_index(arg->unit);
	if (unit)
		err = vtdp_unit_handback(unit);
	mutex_unlock(&vtdp_lock);
	return err;
}

static int ioctl_attach(struct vtdp_client *client, void *data)
{
	struct vtdpasid_attach *arg = data;

	if (arg->flags & VTDPASID_ATTACH_PRI && !(arg->flags & VTDPASID_ATTACH_ATS))
		return -EINVAL;
	if (arg->flags & VTDPASID_ATTACH_ATS && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	return vtdp_device_attach(client, arg);
}

static int ioctl_detach(struct vtdp_client *client, void *data)
{
	struct vtdpasid_detach *arg = data;

	return vtdp_device_detach_id(client, arg->device);
}

static int ioctl_device_info(struct vtdp_client *client, void *data)
{
	struct vtdpasid_device_info *arg = data;
	struct vtdp_device *device;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	device = xa_load(&client->devices, arg->device);
	if (device)
		vtdp_device_info(device, arg);
	mutex_unlock(&vtdp_lock);
	return device ? 0 : -ENOENT;
}

static int ioctl_pasid_alloc(struct vtdp_client *client, void *data)
{
	struct vtdpasid_pasid_alloc *arg = data;

	return vtdp_client_pasid_alloc(client, arg);
}

static int ioctl_pasid_free(struct vtdp_client *client, void *data)
{
	struct vtdpasid_pasid_free *arg = data;

	return vtdp_client_pasid_free(client, arg->pasid);
}

static int ioctl_bind(struct vtdp_client *client, void *data)
{
	return vtdp_client_bind(client, data);
}

static int ioctl_unbind(struct vtdp_client *client, void *data)
{
	struct vtdpasid_unbind *arg = data;

	return vtdp_client_unbind(client, arg->binding);
}

static int ioctl_sync(struct vtdp_client *client, void *data)
{
	struct vtdpasid_sync *arg = data;

	return vtdp_client_sync(client, arg->addr, arg->length);
}

static int ioctl_walk(struct vtdp_client *client, void *data)
{
	return vtdp_walk(data);
}

static int ioctl_pin(struct vtdp_client *client, void *data)
{
	struct vtdpasid_pin *arg = data;

	return vtdp_pin(client, arg);
}

static int ioctl_unpin(struct vtdp_client *client, void *data)
{
	struct vtdpasid_unpin *arg = data;

	return vtdp_unpin(client, arg->pin);
}

static int ioctl_binding_info(struct vtdp_client *client, void *data)
{
	struct vtdpasid_binding_info *arg = data;
	struct vtdp_binding *binding;

	if (mutex_lock_interruptible(&vtdp_lock))
		return -EINTR;
	binding = xa_load(&client->bindings, arg->binding);
	if (binding)
		vtdp_binding_info(binding, arg);
	mutex_unlock(&vtdp_lock);
	return binding ? 0 : -ENOENT;
}

static int ioctl_preflight(struct vtdp_client *client, void *data)
{
	return vtdp_preflight(data);
}

/* ---- dispatch ------------------------------------------------------------ */

union ioctl_arg {
	struct vtdpasid_get_info get_info;
	struct vtdpasid_unit_info unit_info;
	struct vtdpasid_takeover takeover;
	struct vtdpasid_handback handback;
	struct vtdpasid_attach attach;
	struct vtdpasid_detach detach;
	struct vtdpasid_device_info device_info;
	struct vtdpasid_pasid_alloc pasid_alloc;
	struct vtdpasid_pasid_free pasid_free;
	struct vtdpasid_bind bind;
	struct vtdpasid_unbind unbind;
	struct vtdpasid_sync sync;
	struct vtdpasid_walk walk;
	struct vtdpasid_pin pin;
	struct vtdpasid_unpin unpin;
	struct vtdpasid_binding_info binding_info;
	struct vtdpasid_preflight preflight;
};

/* What every argument begins with. */
struct ioctl_head {
	u32 size;
	u32 flags;
};

/**
 * struct ioctl_op - an ioctl
 * @cmd: its number
 * @size: of the argument, as the module knows it
 * @min_size: of the argument's first version
 * @reserved: where a u32 is that must be 0, or 0
 * @out: where what is given out begins; the caller's bytes there are ignored
 * @flags: known ones
 * @admin: needs CAP_SYS_ADMIN
 * @reply_on_error: the argument is copied back in any case
 * @execute: does it
 */
struct ioctl_op {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	unsigned int reserved;
	unsigned int out;
	u32 flags;
	bool admin;
	bool reply_on_error;
	int (*execute)(struct vtdp_client *client, void *data);
};

#define IOCTL_OP(_name, _NAME, _last, _out, ...)			\
	[VTDPASID_CMD_##_NAME - VTDPASID_CMD_GET_INFO] = {		\
		.cmd = VTDPASID_##_NAME,				\
		.size = sizeof(struct vtdpasid_##_name),		\
		.min_size = offsetofend(struct vtdpasid_##_name, _last),\
		.out = _out,						\
		.execute = ioctl_##_name,				\
		__VA_ARGS__						\
	}

/* What is given out begins with @_out. */
#define IOCTL_OP_OUT(_name, _NAME, _last, _out, ...)			\
	IOCTL_OP(_name, _NAME, _last,					\
		 offsetof(struct vtdpasid_##_name, _out), ##__VA_ARGS__)

/* Nothing is given out. */
#define IOCTL_OP_IN(_name, _NAME, _last, ...)				\
	IOCTL_OP(_name, _NAME, _last,					\
		 sizeof(struct vtdpasid_##_name), ##__VA_ARGS__)

#define RESERVED(_name)	.reserved = offsetof(struct vtdpasid_##_name, reserved)

static const struct ioctl_op ioctl_ops[] = {
	IOCTL_OP_OUT(get_info, GET_INFO, out_pasid_first, out_units),
	IOCTL_OP_OUT(unit_info, UNIT_INFO, out_overflows, out_state,
		     .admin = true),
	IOCTL_OP_OUT(takeover, TAKEOVER, out_check, out_check,
		     .admin = true, .reply_on_error = true),
	IOCTL_OP_IN(handback, HANDBACK, reserved, RESERVED(handback),
		    .admin = true),
	IOCTL_OP_OUT(attach, ATTACH, out_state, out_device, RESERVED(attach),
		     .admin = true, .reply_on_error = true,
		     .flags = VTDPASID_ATTACH_ATS | VTDPASID_ATTACH_PRI),
	IOCTL_OP_IN(detach, DETACH, reserved, RESERVED(detach), .admin = true),
	IOCTL_OP_OUT(device_info, DEVICE_INFO, out_requests_failed, out_state),
	IOCTL_OP_OUT(pasid_alloc, PASID_ALLOC, out_pasid, out_pasid,
		     RESERVED(pasid_alloc), .flags = VTDPASID_PASID_RESERVE),
	IOCTL_OP_IN(pasid_free, PASID_FREE, reserved, RESERVED(pasid_free)),
	IOCTL_OP_OUT(bind, BIND, out_pasid, out_binding,
		     .flags = VTDPASID_BIND_NO_PASID),
	IOCTL_OP_IN(unbind, UNBIND, reserved, RESERVED(unbind)),
	IOCTL_OP_IN(sync, SYNC, length),
	IOCTL_OP_OUT(walk, WALK, out_fs, out_valid, .admin = true,
		     .flags = VTDPASID_WALK_NEXT),
	IOCTL_OP_OUT(pin, PIN, out_pin, out_pin, RESERVED(pin),
		     .flags = VTDPASID_PIN_WRITE),
	IOCTL_OP_IN(unpin, UNPIN, reserved, RESERVED(unpin)),
	IOCTL_OP_OUT(binding_info, BINDING_INFO, out_pinned, out_device),
	IOCTL_OP_OUT(preflight, PREFLIGHT, out_refuses, out_count,
		     .reply_on_error = true),
};

/* Bring the argument in. What is given out starts from zero. */
static int ioctl_copy_in(const struct ioctl_op *op, union ioctl_arg *arg,
			 void __user *user, u32 *size)
{
	struct ioctl_head *head = (struct ioctl_head *)arg;
	int err;

	if (get_user(*size, (u32 __user *)user))
		return -EFAULT;
	if (*size < op->min_size)
		return -EINVAL;
	/* Nobody's first try needs more; the tail is read byte by byte. */
	if (*size > PAGE_SIZE)
		return -E2BIG;
	memset(arg, 0, sizeof(*arg));
	err = copy_struct_from_user(arg, op->size, user, *size);
	if (err)
		return err;
	if (head->flags & ~op->flags)
		return -EOPNOTSUPP;
	if (op->reserved && *(u32 *)((u8 *)arg + op->reserved))
		return -EINVAL;
	memset((u8 *)arg + op->out, 0, op->size - op->out);
	return 0;
}

static long chardev_ioctl(struct file *file, unsigned int cmd, unsigned long data)
{
	unsigned int nr = _IOC_NR(cmd) - VTDPASID_CMD_GET_INFO;
	void __user *user = (void __user *)data;
	const struct ioctl_op *op;
	union ioctl_arg arg;
	u32 size;
	int err;

	if (nr >= ARRAY_SIZE(ioctl_ops) || ioctl_ops[nr].cmd != cmd)
		return -ENOTTY;
	op = &ioctl_ops[nr];
	err = ioctl_copy_in(op, &arg, user, &size);
	if (err)
		return err;
	if (op->admin && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	/* Where no answer can be written, nothing is done either. */
	if (op->out < op->size && copy_to_user(user, &arg, min(size, op->size)))
		return -EFAULT;

	err = op->execute(file->private_data, &arg);
	if ((!err || op->reply_on_error) && op->out < op->size &&
	    copy_to_user(user, &arg, min(size, op->size)))
		return -EFAULT;
	return err;
}

/* ---- the file ------------------------------------------------------------ */

static int chardev_open(struct inode *inode, struct file *file)
{
	file->private_data = vtdp_client_open();
	return file->private_data ? nonseekable_open(inode, file) : -ENOMEM;
}

static int chardev_release(struct inode *inode, struct file *file)
{
	vtdp_client_close(file->private_data);
	return 0;
}

static ssize_t chardev_read(struct file *file, char __user *buf, size_t count,
			    loff_t *pos)
{
	struct vtdp_client *client = file->private_data;

	return vtdp_events_read(&client->events, buf, count,
				file->f_flags & O_NONBLOCK);
}

static __poll_t chardev_poll(struct file *file, poll_table *wait)
{
	struct vtdp_client *client = file->private_data;

	return vtdp_events_poll(&client->events, file, wait);
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.read = chardev_read,
	.poll = chardev_poll,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice chardev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &chardev_fops,
	.mode = 0600,
};

int vtdp_chardev_init(void)
{
	return misc_register(&chardev);
}

void vtdp_chardev_exit(void)
{
	misc_deregister(&chardev);
}
