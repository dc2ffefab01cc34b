// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_units.c - several units: who covers whom, and who keeps its DMA
 *
 * DMAR tables and PCI trees in the shapes of real machines, by hand.
 */
#include "dmar.h"
#include "tap.h"
#include "world.h"

#define BASE(n)		(0xfed90000ull + (n) * 0x10000)

/* ---- a machine ------------------------------------------------------------- */

static struct pci_bus buses[16];
static unsigned int nr_buses;

static struct pci_bus *new_bus(int segment, unsigned int number, struct pci_dev *bridge)
{
	struct pci_bus *bus = &buses[nr_buses++];

	*bus = (struct pci_bus){ .number = number, .domain = segment, .self = bridge,
				 .parent = bridge ? bridge->bus : NULL };
	if (bridge)
		bridge->subordinate = bus;
	return bus;
}

static struct pci_dev *function(struct pci_bus *bus, unsigned int dev, unsigned int fn)
{
	return pci_add(bus, PCI_DEVFN(dev, fn));
}

static struct pci_dev *bridge(struct pci_bus *bus, unsigned int dev, unsigned int fn, int type)
{
	struct pci_dev *d = function(bus, dev, fn);

	d->pcie_type = type;
	d->hdr_type = 1;
	return d;
}

static void with_ats(struct pci_dev *d)
{
	d->ats_cap = 0x100;
}

static struct pci_dev *root_port(struct pci_bus *bus, unsigned int dev, unsigned int fn)
{
	return bridge(bus, dev, fn, PCI_EXP_TYPE_ROOT_PORT);
}

static void machine(void)
{
	shim_init();
	model_reset();
	nr_buses = 0;
	vtdp_table_layout = VTDPASID_TABLE_DEVICE;
	vtdp_passthrough_all = false;
	vtdp_allow_unsafe_interrupts = shim_bare_metal = false;
	begin();
}

static void unit_at(unsigned int n, u64 cap)
{
	const struct model_caps caps = { cap, W_ECAP };

	model_unit(n, BASE(n), &caps);
}

/* From now on firmware has the table. */
static void publish(void)
{
	((struct acpi_table_header *)buf)->length = len;
	world_dmar = buf;
}

/* As main.c. */
static int init(void)
{
	int err = vtdp_prq_init();

	if (err)
		return err;
	err = vtdp_units_init();
	if (err)
		goto prq;
	err = vtdp_owner_init();
	if (!err)
		return 0;
	vtdp_units_exit();
prq:
	vtdp_prq_exit();
	return err;
}

static void load(unsigned int units)
{
	unsigned int i;

	for (i = 0; i < units; i++)
		unit_at(i, W_CAP);
	publish();
	if (init())
		abort();
}

static void unload(void)
{
	vtdp_owner_exit();
	vtdp_prq_flush();
	vtdp_units_exit();
	vtdp_space_exit();
	vtdp_pasid_exit();
	vtdp_prq_exit();
	shim_settle();
	pci_remove_all();
	world_dmar = NULL;
	tap_is(shim_allocs, 0, "all is freed");
	tap_is(shim_pages, 0, "all pages, too");
	tap_clean("no rule was broken");
}

static int takeover(unsigned int n, u32 *check)
{
	int err;

	mutex_lock(&vtdp_lock);
	err = vtdp_unit_takeover(vtdp_unit_by_index(n), check);
	mutex_unlock(&vtdp_lock);
	return err;
}

static void take_all(void)
{
	unsigned int i;
	u32 check;

	for (i = 0; i < vtdp_nr_units; i++)
		if (takeover(i, &check))
			tap_ok(false, "unit %u is taken over", i);
}

/* Index of the unit that covers a function, or -1. */
static int covers(struct pci_dev *pdev)
{
	struct vtdp_unit *unit = vtdp_unit_of(pdev);

	return unit ? (int)unit->index : -1;
}

/* The first word of the context entry, 0 without. */
static u64 context(unsigned int n, u16 rid)
{
	u64 *entry;

	mutex_lock(&vtdp_lock);
	entry = vtdp_ctx_entry(vtdp_unit_by_index(n), rid);
	mutex_unlock(&vtdp_lock);
	return entry ? entry[0] : 0;
}

static bool absent(unsigned int n, u16 rid) { return !context(n, rid); }

/* Has it the table whose one entry lets everything through? */
static bool passes(unsigned int n, u16 rid)
{
	u64 *dir = vtdp_unit_by_index(n)->pass->dir;

	return context(n, rid) & VTD_CTX0_P && (context(n, rid) & VTD_CTX0_PASIDDIRPTR) == virt_to_phys(dir);
}

static struct vtdpasid_check_result results[64];

/* The answers about a function; returns the @nth of a check, or NULL. */
static const struct vtdpasid_check_result *asked(struct pci_dev *pdev, u32 check, unsigned int nth)
{
	const struct vtdp_subject subject = { vtdp_unit_of(pdev), pdev };
	unsigned int count, i;

	mutex_lock(&vtdp_lock);
	count = vtdp_check_list(VTDPASID_SCOPE_DEVICE, &subject, results, ARRAY_SIZE(results));
	mutex_unlock(&vtdp_lock);
	for (i = 0; i < count; i++)
		if (results[i].check == check && !nth--)
			return &results[i];
	return NULL;
}

static int answer(struct pci_dev *pdev, u32 check)
{
	const struct vtdpasid_check_result *r = asked(pdev, check, 0);

	return r ? r->answer : -1;
}

/* Attach, and what it names. The device stays attached if it works. */
static int attach(struct vtdp_client *client, struct pci_dev *pdev, u32 flags, u32 *check)
{
	struct vtdpasid_attach arg = { .size = sizeof(arg), .flags = flags, .rid = pci_dev_id(pdev),
				       .segment = pdev->bus->domain };
	int err = vtdp_device_attach(client, &arg);

	*check = arg.out_check;
	return err;
}

static void attach_is(struct pci_dev *pdev, u32 flags, int want, u32 want_check, const char *what)
{
	struct vtdp_client *client = vtdp_client_open();
	u32 check;
	int err = attach(client, pdev, flags, &check);

	tap_ok(err == want && check == want_check, "%s: attach gives %d, check %u (%d, %u)", what, want,
	       want_check, err, check);
	vtdp_client_close(client);
}

static void claim(struct pci_dev *pdev) { pci_bind_driver(pdev, &vtdp_pci_driver); }
static bool claimed(struct pci_dev *pdev) { return vtdp_owner_claimed(pdev); }

/* ---- a laptop ----------------------------------------------------------------- */

/* Graphics have a unit of their own; the rest has an I2C device without PCI. */
static void laptop(void)
{
	struct pci_dev *gfx, *xhci, *i2c, *nvme, *port, *hidden;
	struct pci_bus *root;
	unsigned int at;

	machine();
	at = drhd(0, 0, BASE(0));
	scope(1, 0, 0, 1, (u8[]){ 2, 0 });
	close_structure(at);
	at = drhd(1, 0, BASE(1));
	scope(3, 2, 0, 1, (u8[]){ 0x1e, 7 });
	scope(4, 0, 0, 1, (u8[]){ 0x1e, 6 });
	scope(5, 1, 0, 1, (u8[]){ 0x15, 1 });
	close_structure(at);
	at = rmrr(0, 0x9b800000, 0x9fffffff);
	scope(1, 0, 0, 1, (u8[]){ 2, 0 });
	close_structure(at);
	at = rmrr(0, 0x9a000000, 0x9a0fffff);
	scope(1, 0, 0, 1, (u8[]){ 0x14, 0 });
	scope(1, 0, 0, 1, (u8[]){ 0x16, 0 });
	close_structure(at);
	at = open_structure(4);
	put16(0);
	put8(0);
	put8(1);
	put64(0x30433249);
	close_structure(at);
	root = new_bus(0, 0, NULL);
	gfx = function(root, 2, 0);
	gfx->class = 0x030000;
	xhci = function(root, 0x14, 0);
	xhci->class = 0x0c0330;
	i2c = function(root, 0x16, 0);
	i2c->class = 0x078000;
	port = root_port(root, 0x1c, 0);
	nvme = function(new_bus(0, 1, port), 0, 0);
	nvme->class = 0x010802;
	with_ats(nvme);
	pci_bind_driver(nvme, &pci_kernel_driver);
	load(2);

	tap_is(vtdp_nr_units, 2, "a laptop has two units");
	tap_ok(covers(gfx) == 0 && covers(xhci) == 1 && covers(nvme) == 1, "graphics are the first's, the rest the second's");
	take_all();
	tap_ok(passes(0, 0x0010), "graphics, without a driver: a reserved region lets them pass");
	tap_ok(passes(1, 0x00a0) && passes(1, 0x00b0), "so do USB and the function beside it");
	tap_ok(passes(1, 0x0100), "a disk with a driver passes");
	tap_ok(passes(1, 0x00a9), "so does the device of the ACPI name space");
	tap_ok(absent(1, 0x00e0) && !passes(1, 0x00e0), "a root port has no entry");
	tap_ok(absent(1, 0x0010) && absent(0, 0x00a0), "nobody has an entry in the other unit");

	hidden = function(root, 0x15, 1);
	pci_bind_driver(hidden, &pci_kernel_driver);
	pci_bind_driver(hidden, NULL);
	tap_ok(passes(1, 0x00a9), "also if a function shows up in its place");

	claim(i2c);
	tap_ok(!claimed(i2c) && passes(1, 0x00b0), "what firmware needs cannot be claimed");
	tap_is(answer(i2c, VTDPASID_CHECK_FIRMWARE), VTDPASID_ANSWER_NO, "as preflight says");
	claim(gfx);
	claim(xhci);
	tap_ok(claimed(gfx) && claimed(xhci), "graphics and USB can, their regions are for the time before");
	tap_ok(absent(0, 0x0010) && absent(1, 0x00a0), "and have no entry then");
	pci_bind_driver(xhci, NULL);
	tap_ok(passes(1, 0x00a0), "which USB gets back");
	tap_is(answer(nvme, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_NO, "without an ATSR there is no ATS below a port");
	attach_is(nvme, VTDPASID_ATTACH_ATS, -EPROTONOSUPPORT, VTDPASID_CHECK_ATS_ROOT, "a disk with ATS");
	pci_unplug(nvme, false);
	tap_ok(absent(1, 0x0100), "what was unplugged has no entry");
	pci_plug(nvme);
	tap_ok(absent(1, 0x0100), "what was plugged in has none until a driver binds");
	pci_bind_driver(nvme, &pci_kernel_driver);
	tap_ok(passes(1, 0x0100), "and then it passes");
	unload();
}

/* ---- a server with two sockets ------------------------------------------------ */

/* Units by root ports and by accelerators; ATSR for some, SATC; a catch-all. */
static void server(void)
{
	struct pci_bus *b0, *b17, *b6a, *b18, *b19;
	struct pci_dev *dsa, *iax, *nic, *gpu, *up, *down[2], *below, *bmc, *stray;
	unsigned int at;

	machine();
	at = drhd(0, 0, BASE(0));	/* root ports of the first socket */
	scope(2, 0, 0x17, 1, (u8[]){ 1, 0 });
	close_structure(at);
	at = drhd(0, 0, BASE(1));	/* one port of a switch, and nothing else of it */
	scope(2, 0, 0x17, 3, (u8[]){ 3, 0, 0, 0, 2, 0 });
	close_structure(at);
	at = drhd(0, 0, BASE(2));	/* accelerators */
	scope(1, 0, 0x6a, 1, (u8[]){ 1, 0 });
	scope(1, 0, 0x6a, 1, (u8[]){ 2, 0 });
	close_structure(at);
	at = drhd(1, 0, BASE(3));
	scope(3, 8, 0, 1, (u8[]){ 5, 4 });
	close_structure(at);
	at = open_structure(2);		/* ATSR: the first port only */
	put16(0);
	put16(0);
	scope(2, 0, 0x17, 1, (u8[]){ 1, 0 });
	close_structure(at);
	at = open_structure(3);		/* RHSA */
	put16(0);
	put16(0);
	put64(BASE(0));
	put16(1);
	put16(0);
	close_structure(at);
	at = open_structure(5);		/* SATC: may use ATS */
	put16(0);
	put16(0);
	scope(1, 0, 0x6a, 1, (u8[]){ 1, 0 });
	scope(1, 0, 0x6a, 1, (u8[]){ 2, 0 });
	close_structure(at);
	at = open_structure(5);		/* SATC: does not work without */
	put16(1);
	put16(0);
	scope(1, 0, 0x6a, 1, (u8[]){ 1, 0 });
	close_structure(at);

	b0 = new_bus(0, 0, NULL);
	b17 = new_bus(0, 0x17, NULL);
	b6a = new_bus(0, 0x6a, NULL);
	dsa = function(b6a, 1, 0);
	iax = function(b6a, 2, 0);
	nic = function(new_bus(0, 0x18, root_port(b17, 1, 0)), 0, 0);
	b18 = new_bus(0, 0x1a, root_port(b17, 3, 0));
	up = bridge(b18, 0, 0, PCI_EXP_TYPE_UPSTREAM);
	b19 = new_bus(0, 0x1b, up);
	down[0] = bridge(b19, 1, 0, PCI_EXP_TYPE_DOWNSTREAM);
	down[1] = bridge(b19, 2, 0, PCI_EXP_TYPE_DOWNSTREAM);
	gpu = function(new_bus(0, 0x1c, down[0]), 0, 0);
	below = function(new_bus(0, 0x1d, down[1]), 0, 0);
	bmc = function(b0, 3, 0);
	stray = function(new_bus(1, 0, NULL), 3, 0);
	with_ats(gpu);
	with_ats(nic);
	with_ats(dsa);
	with_ats(iax);
	load(4);

	tap_is(vtdp_nr_units, 4, "a server has four units");
	tap_is(covers(nic), 0, "below a port that a scope names");
	tap_is(covers(below), 1, "below a switch's port, by a path of three steps");
	tap_is(covers(gpu), 3, "its neighbour is the catch-all's");
	tap_is(covers(up), 3, "so is the switch itself");
	tap_is(covers(down[1]), 1, "but not the port that is named");
	tap_ok(covers(dsa) == 2 && covers(iax) == 2, "integrated functions, by name");
	tap_is(covers(bmc), 3, "what nobody names is the catch-all's");
	tap_is(covers(stray), -1, "but not of another segment");

	take_all();
	pci_bind_driver(gpu, &pci_kernel_driver);
	pci_bind_driver(below, &pci_kernel_driver);
	pci_bind_driver(dsa, &pci_kernel_driver);
	pci_bind_driver(stray, &pci_kernel_driver);
	tap_ok(passes(3, 0x1c00) && passes(1, 0x1d00) && passes(2, 0x6a08), "drivers' functions pass, each in its unit");
	tap_ok(absent(0, 0x1800) && absent(2, 0x6a10), "the others do not");
	tap_ok(absent(3, 0x0018), "nor what has the same number in another segment");

	tap_is(answer(nic, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_YES, "the port of an ATSR allows ATS");
	tap_is(answer(gpu, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_NO, "another does not");
	tap_is(answer(iax, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_YES, "integrated functions need none");
	tap_is(answer(iax, VTDPASID_CHECK_ATS_NEEDED), VTDPASID_ANSWER_YES, "SATC: one may use ATS");
	tap_is(answer(dsa, VTDPASID_CHECK_ATS_NEEDED), VTDPASID_ANSWER_NO, "SATC: the other has to");
	tap_is(answer(stray, VTDPASID_CHECK_COVERED), VTDPASID_ANSWER_NO, "a function that no unit covers");
	attach_is(stray, 0, -ENOTCONN, VTDPASID_CHECK_COVERED, "which preflight foretold");

	/* Buses get new numbers; scopes begin at a root bus, and follow bridges. */
	pci_bind_driver(below, NULL);
	tap_ok(absent(1, 0x1d00), "no driver, no entry");
	b19->number = 0x2b;
	below->bus->number = 0x2d;
	tap_is(covers(below), 1, "after buses were renumbered: the same unit");
	tap_is(covers(gpu), 3, "for its neighbour as well");
	pci_bind_driver(below, &pci_kernel_driver);
	tap_ok(passes(1, 0x2d00) && absent(1, 0x1d00), "and the entry is that of the new number");
	unload();
}

/* ---- segments ------------------------------------------------------------------- */

static void segments(void)
{
	struct pci_dev *a, *b, *c, *d;
	unsigned int at, i;

	machine();
	for (i = 0; i < 2; i++) {
		at = drhd(1, i, BASE(i));
		close_structure(at);
	}
	at = drhd(0, 2, BASE(2));	/* no catch-all */
	scope(1, 0, 0, 1, (u8[]){ 4, 0 });
	close_structure(at);
	at = rmrr(1, 0x1000, 0x1fff);
	scope(1, 0, 0, 1, (u8[]){ 4, 0 });
	close_structure(at);
	at = open_structure(2);		/* ATSR: all ports of segment 1 */
	put16(1);
	put16(1);
	close_structure(at);
	a = function(new_bus(0, 1, root_port(new_bus(0, 0, NULL), 1, 0)), 4, 0);
	b = function(new_bus(1, 0, NULL), 4, 0);
	c = function(new_bus(1, 1, root_port(b->bus, 1, 0)), 4, 0);
	d = function(new_bus(2, 0, NULL), 4, 0);
	with_ats(a);
	with_ats(c);
	load(3);

	tap_ok(covers(a) == 0 && covers(b) == 1 && covers(c) == 1, "two segments with a catch-all each");
	tap_ok(covers(d) == 2 && covers(function(d->bus, 5, 0)) == -1, "a third without: only what is named");
	take_all();
	tap_ok(passes(1, 0x0020) && absent(0, 0x0020), "a reserved region is of one segment");
	tap_ok(absent(0, 0x0104) && absent(1, 0x0104), "nobody else has an entry");
	pci_bind_driver(a, &pci_kernel_driver);
	tap_ok(passes(0, 0x0120) && absent(1, 0x0120), "a driver's function passes in its own");
	tap_is(answer(a, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_NO, "ATSR of another segment");
	tap_is(answer(c, VTDPASID_CHECK_ATS_ROOT), VTDPASID_ANSWER_YES, "ATSR of all ports of its segment");
	unload();
}

/* ---- requester ids that are shared ------------------------------------------------ */

static void aliases(void)
{
	static unsigned long quirk[4];
	struct pci_sysdata vmd_data;
	struct pci_dev *pci, *one, *two, *vmd, *behind, *phantom, *real, *alone, *lonely;
	const struct vtdpasid_check_result *r;
	struct pci_bus *root, *bus, *hidden;
	unsigned int at;

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	root = new_bus(0, 0, NULL);
	bus = new_bus(0, 1, root_port(root, 1, 0));
	pci = bridge(bus, 0, 0, PCI_EXP_TYPE_PCI_BRIDGE);
	lonely = function(bus, 1, 0);
	bus = new_bus(0, 2, pci);
	one = function(bus, 4, 0);
	two = function(bus, 5, 0);
	one->pcie_type = two->pcie_type = -1;
	vmd = function(root, 5, 5);
	hidden = new_bus(0x10000, 0, NULL);
	vmd_data.vmd_dev = vmd;
	hidden->sysdata = &vmd_data;
	behind = function(hidden, 0, 0);
	phantom = function(root, 6, 0);
	phantom->dma_alias_mask = quirk;
	quirk[0x31 / 64] |= 1ul << 0x31 % 64;
	real = function(root, 6, 1);
	alone = function(root, 7, 0);
	load(1);
	take_all();

	tap_ok(absent(0, 0x0200), "behind a bridge, nobody driven: its requester id has no entry");
	pci_bind_driver(one, &pci_kernel_driver);
	tap_ok(passes(0, 0x0200) && passes(0, 0x0220), "one driven: it passes, by the bridge's id, too");
	tap_ok(absent(0, 0x0228), "the other's own does not");
	pci_bind_driver(two, &pci_vfio_driver);
	tap_ok(absent(0, 0x0228), "nor with a driver for userspace");
	pci_bind_driver(one, NULL);
	tap_ok(absent(0, 0x0200) && absent(0, 0x0220), "none driven: no entries again");
	r = asked(two, VTDPASID_CHECK_ALIAS, 0);
	tap_ok(r->answer == VTDPASID_ANSWER_NO && r->rid == 0x0220 && r->refuses & VTDPASID_REFUSES_ATTACH,
	       "preflight names the other one behind the bridge");
	tap_ok(!asked(two, VTDPASID_CHECK_ALIAS, 1), "and nobody else");
	pci_bind_driver(two, NULL);
	claim(two);
	attach_is(two, 0, -EXDEV, VTDPASID_CHECK_ALIAS, "behind a bridge");

	pci_bind_driver(vmd, &pci_kernel_driver);
	pci_bind_driver(behind, &pci_kernel_driver);
	tap_ok(passes(0, 0x002d), "a VMD passes, and with it the disk behind it");
	tap_is(covers(behind), -1, "no unit covers the disk's segment");
	pci_bind_driver(behind, NULL);
	tap_ok(passes(0, 0x002d), "whether that has a driver or not");
	r = asked(vmd, VTDPASID_CHECK_ALIAS, 0);
	tap_ok(r->answer == VTDPASID_ANSWER_NO && r->segment == 0xffff && r->rid == 0,
	       "a VMD cannot be told apart from what is behind it");
	attach_is(vmd, 0, -EXDEV, VTDPASID_CHECK_ALIAS, "a VMD");

	claim(phantom);
	claim(real);
	tap_is(asked(phantom, VTDPASID_CHECK_ALIAS, 0)->rid, 0x0031, "a function with a quirk, and whose id it uses");
	attach_is(phantom, 0, -EXDEV, VTDPASID_CHECK_ALIAS, "a function with a quirk");
	attach_is(real, 0, -EXDEV, VTDPASID_CHECK_ALIAS, "the one whose id it uses");
	lonely->dma_alias_mask = quirk;
	claim(lonely);
	tap_is(asked(lonely, VTDPASID_CHECK_ALIAS, 0)->rid, 0x0131, "a function with a quirk, whose other id nobody has");
	attach_is(lonely, 0, -EXDEV, VTDPASID_CHECK_ALIAS, "a function with two ids of its own");
	claim(alone);
	tap_is(answer(alone, VTDPASID_CHECK_ALIAS), VTDPASID_ANSWER_YES, "a function by itself");
	attach_is(alone, 0, 0, VTDPASID_CHECK_PASID_CAP, "a function by itself, without PASIDs");
	unload();
}

/* ---- drivers ------------------------------------------------------------------------ */

static struct pci_driver uio_driver = { .name = "uio_pci_generic",
	.driver = { .name = "uio_pci_generic", .mod_name = "uio_pci_generic" } };
static struct pci_driver card_driver = { .name = "netx",
	.driver = { .name = "netx", .mod_name = "uio_netx" } };
static struct pci_driver igb_driver = { .name = "igb_uio",
	.driver = { .name = "igb_uio", .mod_name = "igb_uio" } };
static struct pci_driver port_driver = { .name = "pcieport", .driver_managed_dma = true,
	.driver = { .name = "pcieport", .mod_name = "pcieport" } };
static struct pci_driver disk_driver = { .name = "nvme",
	.driver = { .name = "nvme", .mod_name = "nvme" } };

static void drivers(void)
{
	static struct pci_driver *const stubs[] = { &pci_vfio_driver, &uio_driver, &card_driver, &igb_driver };
	struct pci_dev *f, *port;
	unsigned int at, i;

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	f = function(new_bus(0, 0, NULL), 4, 0);
	port = root_port(f->bus, 5, 0);
	load(1);
	take_all();
	for (i = 0; i < ARRAY_SIZE(stubs); i++) {
		pci_bind_driver(f, stubs[i]);
		tap_ok(absent(0, 0x0020), "%s opens nothing", stubs[i]->name);
		attach_is(f, 0, -EADDRINUSE, VTDPASID_CHECK_USERSPACE, stubs[i]->name);
		pci_bind_driver(f, NULL);
	}
	pci_bind_driver(f, &disk_driver);
	tap_ok(passes(0, 0x0020), "a driver of the kernel does");
	pci_bind_driver(port, &port_driver);
	tap_ok(absent(0, 0x0028), "a root port does no DMA, and gets no entry");
	pci_bind_driver(f, NULL);
	attach_is(f, 0, -ENXIO, VTDPASID_CHECK_OWNED, "nobody's");
	claim(f);
	shim_bare_metal = true;
	attach_is(f, 0, -EACCES, VTDPASID_CHECK_INTR_ISOLATION, "on real hardware");
	vtdp_allow_unsafe_interrupts = true;
	tap_is(shim_tainted, 0, "the kernel is not tainted by a refusal");
	attach_is(f, 0, 0, VTDPASID_CHECK_PASID_CAP, "on real hardware, with the parameter");
	tap_ok(shim_tainted, "but by that");
	unload();
}

/* ---- shared tables --------------------------------------------------------------------- */

static void shared(void)
{
	struct vtdp_client *client;
	struct pci_dev *f[2];
	unsigned int at, i;
	u32 check;

	machine();
	at = drhd(0, 0, BASE(0));
	scope(1, 0, 0, 1, (u8[]){ 4, 0 });
	close_structure(at);
	at = drhd(1, 0, BASE(1));
	close_structure(at);
	f[0] = function(new_bus(0, 0, NULL), 4, 0);
	f[1] = function(f[0]->bus, 5, 0);
	f[0]->pasid_width = f[1]->pasid_width = 20;
	vtdp_table_layout = VTDPASID_TABLE_SYSTEM;
	load(2);
	take_all();
	for (i = 0; i < 2; i++)
		claim(f[i]);
	client = vtdp_client_open();
	tap_is(attach(client, f[0], 0, &check), 0, "tables that all share: a function");
	attach_is(f[1], 0, -EXDEV, VTDPASID_CHECK_ONE_UNIT, "tables that all share: of another unit");
	attach_is(f[0], 0, -EBUSY, VTDPASID_CHECK_FREE, "tables that all share: the same again");
	vtdp_client_close(client);
	attach_is(f[1], 0, 0, 0, "tables that all share: after the first is gone");
	unload();
	vtdp_table_layout = VTDPASID_TABLE_DEVICE;
}

/* ---- widths ------------------------------------------------------------------------------ */

static void widths(void)
{
	static const struct { unsigned int sagaw, aw; } cases[] = {
		{ 2, 1 }, { 4, 2 }, { 6, 2 }, { 8, 3 }, { 0xe, 3 }, { 0x14, 2 },
		{ 0, 0 }, { 1, 0 }, { 0x10, 0 },
	};
	unsigned int at, i;
	u64 *entry;
	u32 check;
	int err;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		machine();
		at = drhd(1, 0, BASE(0));
		close_structure(at);
		function(new_bus(0, 0, NULL), 4, 0)->dev.driver = &pci_kernel_driver.driver;
		unit_at(0, (W_CAP & ~VTD_CAP_SAGAW) | FIELD_PREP(VTD_CAP_SAGAW, cases[i].sagaw));
		load(0);
		err = takeover(0, &check);
		if (cases[i].aw) {
			mutex_lock(&vtdp_lock);
			entry = vtdp_table_entry(vtdp_unit_by_index(0)->pass, 0);
			mutex_unlock(&vtdp_lock);
			tap_ok(!err && FIELD_GET(VTD_PASID0_AW, entry[0]) == cases[i].aw && passes(0, 0x0020),
			       "SAGAW %#x: entries that pass have AW %u", cases[i].sagaw, cases[i].aw);
		} else {
			tap_ok(err == -EPROTONOSUPPORT && check == VTDPASID_CHECK_SAGAW,
			       "SAGAW %#x: takeover is refused", cases[i].sagaw);
		}
		unload();
	}
}

/* ---- units that are refused ------------------------------------------------------------- */

static void refused(void)
{
	static const struct {
		u64 cap_set, cap_clear, ecap_clear;
		u32 gsts;
		bool bare_metal, l5;
		int err;
		u32 check;
	} cases[] = {
		{ .err = 0, .check = 0 },
		{ .gsts = VTD_GSTS_IRES, .err = -EADDRINUSE, .check = VTDPASID_CHECK_INTR_REMAP },
		{ .gsts = VTD_GSTS_TES, .err = -EEXIST, .check = VTDPASID_CHECK_TRANSLATION },
		{ .gsts = VTD_GSTS_QIES, .err = -EADDRINUSE, .check = VTDPASID_CHECK_QUEUE },
		{ .ecap_clear = VTD_ECAP_SMTS, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_SMTS },
		{ .ecap_clear = VTD_ECAP_FSTS, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_FSTS },
		{ .ecap_clear = VTD_ECAP_QI, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_QI },
		{ .ecap_clear = VTD_ECAP_PT, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_PT },
		{ .ecap_clear = VTD_ECAP_PASID, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_PASID },
		{ .cap_clear = VTD_CAP_FS1GP, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_FS1GP },
		{ .l5 = true, .cap_clear = VTD_CAP_FS5LP, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_FS5LP },
		{ .bare_metal = true, .ecap_clear = VTD_ECAP_SMPWC, .err = -EPROTONOSUPPORT,
		  .check = VTDPASID_CHECK_SMPWC },
		{ .cap_set = VTD_CAP_RWBF, .err = -EPROTONOSUPPORT, .check = VTDPASID_CHECK_RWBF },
	};
	unsigned int at, i;
	u32 check;
	int err;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct model_caps caps = {
			(W_CAP | cases[i].cap_set) & ~cases[i].cap_clear, W_ECAP & ~cases[i].ecap_clear,
		};

		machine();
		at = drhd(1, 0, BASE(0));
		close_structure(at);
		model_unit(0, BASE(0), &caps);
		model_leave_on(0, cases[i].gsts);
		load(0);
		shim_bare_metal = vtdp_allow_unsafe_interrupts = cases[i].bare_metal;
		shim_l5 = cases[i].l5;
		check = 0;
		err = takeover(0, &check);
		shim_l5 = false;
		tap_ok(err == cases[i].err && check == cases[i].check,
		       "case %u: takeover says %d and names check %u", i, cases[i].err, cases[i].check);
		unload();
	}

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	load(1);
	intel_iommu_enabled = 1;
	err = takeover(0, &check);
	intel_iommu_enabled = 0;
	tap_ok(err == -EBUSY && check == VTDPASID_CHECK_KERNEL_IOMMU, "the kernel's own driver keeps us out");
	unload();
}

/* ---- tables that are no good --------------------------------------------------------------- */

static void damaged(void)
{
	const struct vtdp_subject nobody = {};
	struct pci_dev *f;
	unsigned int at;

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	at = drhd(1, 1, BASE(1));
	close_structure(at);
	buf[at + 2] = 250;
	f = function(new_bus(0, 0, NULL), 4, 0);
	load(2);
	tap_is(vtdp_nr_units, 0, "a damaged table: loading works, no unit is used");
	mutex_lock(&vtdp_lock);
	vtdp_check_list(VTDPASID_SCOPE_SYSTEM, &nobody, results, ARRAY_SIZE(results));
	mutex_unlock(&vtdp_lock);
	tap_ok(results[0].check == VTDPASID_CHECK_DMAR && results[0].answer == VTDPASID_ANSWER_NO,
	       "a damaged table: preflight says that there is no unit");
	claim(f);
	tap_ok(claimed(f), "a damaged table: a function can be claimed");
	attach_is(f, 0, -ENOTCONN, VTDPASID_CHECK_COVERED, "a damaged table");
	unload();
}

/* Whose requester id requests from behind a bridge have (PCIe to PCI bridges, 2.3). */
static void bridges(void)
{
	static const struct { int type; u16 flags, rid; const char *what; } cases[] = {
		{ PCI_EXP_TYPE_PCI_BRIDGE, 0, 0x0200, "a bridge to conventional PCI: its secondary bus" },
		{ PCI_EXP_TYPE_PCIE_BRIDGE, 0, 0x0018, "a bridge from it to PCI Express: its own" },
		{ -1, 0, 0x0018, "a conventional bridge: its own" },
		{ -1, PCI_DEV_FLAG_PCIE_BRIDGE_ALIAS, 0x0200, "one that hides being another: its secondary bus" },
	};
	struct pci_dev *b, *f;
	unsigned int at, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		machine();
		at = drhd(1, 0, BASE(0));
		close_structure(at);
		b = bridge(new_bus(0, 0, NULL), 3, 0, cases[i].type);
		b->dev_flags = cases[i].flags;
		f = function(new_bus(0, 2, b), 4, 0);
		load(1);
		take_all();
		tap_ok(absent(0, cases[i].rid), "%s, and has no entry yet", cases[i].what);
		pci_bind_driver(f, &pci_kernel_driver);
		tap_ok(passes(0, cases[i].rid) && passes(0, 0x0220), "which passes with a driver");
		pci_bind_driver(f, NULL);
		unload();
	}
}

/* Functions of a bus without drivers, for whom nothing is there before. */
static void no_memory(void)
{
	struct vtdp_client *client;
	struct pci_dev *f, *driven;
	unsigned int at;
	int n, err;
	u32 check;

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	unit_at(0, W_CAP);
	publish();
	for (n = 1, err = -ENOMEM; err == -ENOMEM && n < 100; n++) {
		shim_fail_at = n;
		err = init();
		tap_ok(!err || (err == -ENOMEM && !shim_allocs && !vtdp_nr_units), "load, allocation %d: %d", n, err);
	}
	shim_fail_at = 0;
	unload();

	machine();
	at = drhd(1, 0, BASE(0));
	scope(5, 1, 1, 1, (u8[]){ 0x15, 1 });
	close_structure(at);
	driven = function(new_bus(0, 0, NULL), 3, 0);
	pci_bind_driver(driven, &pci_kernel_driver);
	load(1);
	for (n = 1, err = -ENOMEM; err == -ENOMEM && n < 100; n++) {
		shim_fail_at = n;
		err = takeover(0, &check);
		tap_ok(!err || (err == -ENOMEM && !model_translating(0)), "takeover, allocation %d: %d", n, err);
	}
	shim_fail_at = 0;
	tap_ok(!err && passes(0, pci_dev_id(driven)), "in the end all is as it should be");

	/* It was plugged in. */
	f = function(new_bus(0, 7, NULL), 0, 0);
	f->enable_fails = true;
	claim(f);
	tap_ok(!claimed(f), "a function that cannot be enabled is not claimed");
	f->enable_fails = false;
	claim(f);
	for (n = 1, client = NULL; !client && n < 20; n++) {
		shim_fail_at = n;
		client = vtdp_client_open();
	}
	tap_ok(client && n > 3, "open, after %d failures", n - 2);
	for (n = 1, err = -ENOMEM; err == -ENOMEM && n < 100; n++) {
		shim_fail_at = n;
		err = attach(client, f, 0, &check);
		tap_ok(!err || (err == -ENOMEM && !context(0, 0x0700)), "attach, allocation %d: %d", n, err);
	}
	shim_fail_at = 0;
	vtdp_client_close(client);
	pci_bind_driver(f, NULL);
	unload();
}

/* What firmware names is not there, or cannot be mapped. */
static void absent_units(void)
{
	const struct model_caps nothing = { ~0ull, ~0ull };
	unsigned int at;

	machine();
	load(0);
	tap_is(vtdp_nr_units, 0, "a table without units");
	unload();

	machine();
	tap_is(init(), 0, "loading without the table");
	tap_is(vtdp_nr_units, 0, "a machine without the table");
	unload();

	machine();
	at = drhd(0, 0, BASE(0));
	close_structure(at);
	at = drhd(1, 0, BASE(1));
	close_structure(at);
	model_unit(0, BASE(0), &nothing);
	unit_at(1, W_CAP);
	load(0);
	tap_is(vtdp_nr_units, 1, "a unit that does not answer is left out");
	tap_is(vtdp_unit_by_index(0)->cap, W_CAP, "the next one is used");
	unload();

	machine();
	at = drhd(1, 0, BASE(0));
	close_structure(at);
	publish();
	tap_is(init(), -ENOMEM, "registers that cannot be mapped");
	tap_is(shim_allocs, 0, "nothing is left of it");

	machine();
	for (unsigned int i = 0; i < VTDP_MAX_UNITS + 1; i++) {
		at = drhd(0, 0, BASE(0));
		close_structure(at);
	}
	load(1);
	tap_is(vtdp_nr_units, VTDP_MAX_UNITS, "more units than anybody has: the rest is left alone");
	unload();
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	tap_part(laptop);
	tap_part(server);
	tap_part(segments);
	tap_part(aliases);
	tap_part(drivers);
	tap_part(shared);
	tap_part(widths);
	tap_part(refused);
	tap_part(damaged);
	tap_part(bridges);
	tap_part(no_memory);
	tap_part(absent_units);
	return tap_done();
}
