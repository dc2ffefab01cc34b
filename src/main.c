// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload, and the module's parameters.
 *
 * Loading writes nothing to hardware, unless the parameter takeover says so.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/utsname.h>

#include "vtdpasid.h"

#define VTDP_VERSION	"0.1.0"

/* All objects, their lists, and the units' tables: see vtdpasid.h. */
DEFINE_MUTEX(vtdp_lock);

int vtdp_table_layout = VTDPASID_TABLE_DEVICE;

static char *pasid_table = "device";
module_param(pasid_table, charp, 0444);
MODULE_PARM_DESC(pasid_table,
		 "PASID tables: device (default), or, UNSAFE since devices then reach each other's processes, unit or system");

bool vtdp_allow_unsafe_interrupts;
module_param_named(allow_unsafe_interrupts, vtdp_allow_unsafe_interrupts, bool, 0444);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Attach outside of virtual machines, too: UNSAFE, a device can forge any interrupt (default off)");

bool vtdp_passthrough_all;
module_param_named(passthrough_all, vtdp_passthrough_all, bool, 0444);
MODULE_PARM_DESC(passthrough_all,
		 "Functions that nothing owns keep their DMA at takeover: UNSAFE (default off)");

unsigned int vtdp_user_pasids = 4096;
module_param_named(user_pasids, vtdp_user_pasids, uint, 0644);
MODULE_PARM_DESC(user_pasids,
		 "PASIDs that one user without CAP_SYS_ADMIN may hold (default 4096)");

static char *takeover = "";
module_param(takeover, charp, 0444);
MODULE_PARM_DESC(takeover,
		 "Take units over at load: \"all\" (default none)");

static int main_parse_layout(void)
{
	static const char * const names[] = { "device", "unit", "system" };
	int layout = match_string(names, ARRAY_SIZE(names), pasid_table);

	if (layout < 0) {
		pr_err("pasid_table=%s is not one of device, unit, system\n",
		       pasid_table);
		return -EINVAL;
	}
	vtdp_table_layout = layout;
	if (layout != VTDPASID_TABLE_DEVICE) {
		pr_warn("pasid_table=%s is UNSAFE: a device that emits another's PASID reaches its process\n",
			pasid_table);
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	}
	return 0;
}

/* What cannot be taken over has said so in the log; loading goes on. */
static int main_takeover(void)
{
	struct vtdp_unit *unit;
	u32 check;

	if (!*takeover)
		return 0;
	if (strcmp(takeover, "all")) {
		pr_err("takeover=%s is not \"all\"\n", takeover);
		return -EINVAL;
	}
	mutex_lock(&vtdp_lock);
	list_for_each_entry(unit, &vtdp_units, node)
		vtdp_unit_takeover(unit, &check);
	mutex_unlock(&vtdp_lock);
	return 0;
}

static int __init main_init(void)
{
	int err;

	err = main_parse_layout();
	if (err)
		return err;
	err = vtdp_prq_init();
	if (err)
		return err;
	vtdp_irq_init();
	err = vtdp_netlink_init();
	if (err)
		goto irq;
	err = vtdp_units_init();
	if (err)
		goto netlink;
	err = vtdp_owner_init();
	if (err)
		goto units;
	err = vtdp_power_init();
	if (err)
		goto owner;
	err = main_takeover();
	if (err)
		goto power;
	err = vtdp_chardev_init();
	if (err)
		goto power;
	if (!VTDP_KERNEL_TESTED)
		pr_warn("not tested on this kernel, %s: tested are %s\n",
			init_utsname()->release, VTDP_KERNELS);
	pr_info("%s loaded, %u units found, PASID tables by %s\n", VTDP_VERSION,
		vtdp_nr_units, pasid_table);
	return 0;

power:
	vtdp_power_exit();
owner:
	vtdp_owner_exit();
units:
	vtdp_units_exit();
netlink:
	vtdp_netlink_exit();
irq:
	vtdp_irq_exit();
	vtdp_prq_exit();
	return err;
}

/* No file is open: each holds a reference on the module. */
static void __exit main_exit(void)
{
	vtdp_chardev_exit();
	vtdp_power_exit();
	vtdp_owner_exit();
	/* A page request of a closed file may still be served. */
	vtdp_prq_flush();
	/* Callbacks of ended spaces may still use a unit. */
	vtdp_space_exit();
	vtdp_units_exit();
	/* Whoever listens has heard of the end of the last unit. */
	vtdp_netlink_exit();
	vtdp_prq_exit();
	vtdp_irq_exit();
	vtdp_pasid_exit();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("PASID tables of VT-d units for userspace: one PASID space, one table per device");
MODULE_AUTHOR("The vtdpasid authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(VTDP_VERSION);
