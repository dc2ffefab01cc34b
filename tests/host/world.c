// SPDX-License-Identifier: GPL-2.0-only
/*
 * world.c - a machine, operations on it, and which bindings there should be
 */
#include "world.h"

struct world w;
u8 *world_dmar;

/* Parts of src/ that may not be there yet. */
int vtdp_prq_init(void) __attribute__((weak));
void vtdp_prq_exit(void) __attribute__((weak));
void vtdp_irq_init(void) __attribute__((weak));
void vtdp_irq_exit(void) __attribute__((weak));

/* ---- the machine ---------------------------------------------------------- */

acpi_status acpi_get_table(const char *sig, u32 instance, struct acpi_table_header **out)
{
	if (!world_dmar || memcmp(sig, "DMAR", 4))
		return 5;
	*out = (struct acpi_table_header *)world_dmar;
	return 0;
}

static u64 unit_base(unsigned int k) { return 0xfed90000ull + k * 0x10000; }

static void put16(u8 *p, unsigned int v) { p[0] = v; p[1] = v >> 8; }

static void make_dmar(void)
{
	u8 *p = calloc(1, 4096);
	unsigned int n = 48, k, i;

	memcpy(p, "DMAR", 4);
	for (k = 0; k < w.conf.units; k++) {
		unsigned int start = n;
		bool last = k + 1 == w.conf.units;

		p[n + 4] = last;	/* INCLUDE_PCI_ALL */
		for (i = 0; i < 8; i++)
			p[n + 8 + i] = unit_base(k) >> (8 * i);
		n += 16;
		for (i = 0; i < w.fns && !last; i++) {
			if (w.fn[i].unit != k)
				continue;
			p[n] = 1;
			p[n + 1] = 8;
			p[n + 5] = w.bus[k].number;
			p[n + 6] = w.fn[i].pdev->devfn >> 3;
			p[n + 7] = w.fn[i].pdev->devfn & 7;
			n += 8;
		}
		put16(p + start + 2, n - start);
	}
	((struct acpi_table_header *)p)->length = n;
	world_dmar = p;
}

static struct wfn *add_fn(unsigned int k, unsigned int devfn, unsigned int place)
{
	struct wfn *f = &w.fn[w.fns++];
	struct pci_dev *d = pci_add(&w.bus[k], devfn);

	f->pdev = d;
	f->unit = k;
	f->client = -1;
	d->pasid_width = place == F_PLAIN ? 0 : place == F_NARROW ? 7 : 20;
	d->ats_cap = place == F_DRIVEN || place == F_CLAIMED ? 0x100 : 0;
	d->has_pri = d->ats_cap;
	if (place == F_DRIVEN) {
		d->dev.driver = &pci_kernel_driver.driver;
		pci_set_master(d);
	}
	if (place == F_UNOWNED)
		pci_set_master(d);	/* a boot loader's leftovers */
	return f;
}

struct wfn *w_more(unsigned int unit, unsigned int devfn)
{
	struct wfn *f = add_fn(unit, devfn, F_CLAIMED);

	w_claim(f);
	return f;
}

struct pci_dev *w_port(unsigned int unit)
{
	static struct pci_bus root;
	struct pci_dev *port;

	root = (struct pci_bus){ .number = 0x40 };
	port = pci_add(&root, 0x08);
	port->subordinate = &w.bus[unit];
	port->pcie_type = PCI_EXP_TYPE_ROOT_PORT;
	w.bus[unit].self = port;
	w.bus[unit].parent = &root;
	return port;
}

static void sched_dma(void)
{
	if (one_in(w_dma_rate))
		w_random_dma();
}

void world_start(const struct world_conf *conf)
{
	static const u8 devfn[W_FUNCTIONS] = { 0x08, 0x10, 0x90, 0x18, 0xa1 };
	unsigned int k, i;

	shim_init();
	model_reset();
	memset(&w, 0, sizeof(w));
	w.conf = *conf;
	vtdp_table_layout = conf->layout;
	w.conf.any_layout = conf->layout != VTDPASID_TABLE_DEVICE;
	for (k = 0; k < conf->units; k++) {
		w.bus[k].number = k;
		model_unit(k, unit_base(k), &conf->caps[k]);
		for (i = 0; i < W_FUNCTIONS; i++)
			add_fn(k, devfn[i], i);
	}
	make_dmar();
	prefetch_pick = w_pick;
	sched_hook = sched_dma;
	model_response_hook = w_request_answered;
	if (vtdp_prq_init && vtdp_prq_init())
		abort();
	if (vtdp_irq_init)
		vtdp_irq_init();
	if (vtdp_units_init() || vtdp_owner_init() || vtdp_power_init())
		abort();
	for (i = 0; i < w.fns; i++)
		if (i % W_FUNCTIONS == F_CLAIMED || i % W_FUNCTIONS == F_NARROW || i % W_FUNCTIONS == F_PLAIN)
			w_claim(&w.fn[i]);
	for (i = 0; i < W_PROCS; i++)
		w.proc[i] = umm_new();
}

void world_start_simple(u64 cap, u64 ecap, unsigned int units)
{
	struct world_conf conf = { .units = units };

	for (unsigned int i = 0; i < units; i++)
		conf.caps[i] = (struct model_caps){ cap, ecap };
	world_start(&conf);
}

void world_stop(void)
{
	unsigned int i, works = 0;
	struct vtdp_unit *unit;

	co_finish();
	/* Whoever waits for an answer gets one, without anything else happening. */
	while (w_unanswered(NULL) && !w.broken && works++ < 300) {
		model_activity();
		shim_run_work();
		co_finish();
	}
	if (w_unanswered(NULL) && !w.broken)
		fail_rule("page request unanswered", "%u of them, at the end", w_unanswered(NULL));
	works = 0;
	for (i = 0; i < W_CLIENTS; i++)
		if (w.client[i])
			w_close(i);
	mutex_lock(&vtdp_lock);
	list_for_each_entry(unit, &vtdp_units, node)
		if (unit->state != VTDPASID_UNIT_IDLE && !w.broken)
			if (w_handback(unit->index))
				fail_rule("handback", "unit %u, at the end", unit->index);
	mutex_unlock(&vtdp_lock);
	vtdp_power_exit();
	vtdp_owner_exit();
	vtdp_prq_flush();
	vtdp_units_exit();
	for (i = 0; i < W_PROCS; i++)
		w_exit(w.proc[i]);
	prefetch_pick = NULL;
	sched_hook = NULL;
	for (i = 0; i < w.nold; i++)
		umm_unref(w.old[i]);
	vtdp_space_exit();
	if (umm_notifiers_put())
		fail_rule("unload", "%u notifiers are still to be freed, by code that will be gone", umm_notifiers_put());
	vtdp_pasid_exit();
	if (vtdp_prq_exit)
		vtdp_prq_exit();
	if (vtdp_irq_exit)
		vtdp_irq_exit();
	shim_settle();
	while (shim_works_pending() && works++ < 100) {
		shim_run_work();
		co_finish();
	}
	if (shim_works_pending())
		fail_rule("work left", "%u", shim_works_pending());
	umm_reset();
	if (!w.broken) {
		for (i = 0; i < w.conf.units; i++)
			model_check_unit_off(i);
		if (shim_allocs)
			fail_rule("leak", "%u allocations left", shim_allocs);
		if (shim_pages)
			fail_rule("leak", "%u pages left", shim_pages);
	}
	pci_remove_all();
	free(world_dmar);
	world_dmar = NULL;
	prefetch_pick = NULL;
	sched_hook = NULL;
	model_reset();
}

struct wfn *w_fn(unsigned int unit, unsigned int place) { return &w.fn[unit * W_FUNCTIONS + place]; }

void w_as(struct umm *u) { current->mm = u ? &u->mm : NULL; }

/* ---- PASIDs: reuse ---------------------------------------------------------- */

struct vtdp_pasid *__real_vtdp_pasid_alloc(u32 min, u32 max, kuid_t uid, bool privileged);
struct vtdp_pasid *__wrap_vtdp_pasid_alloc(u32 min, u32 max, kuid_t uid, bool privileged);
void __real_vtdp_pasid_free(struct vtdp_pasid *pasid);
void __wrap_vtdp_pasid_free(struct vtdp_pasid *pasid);

struct vtdp_pasid *__wrap_vtdp_pasid_alloc(u32 min, u32 max, kuid_t uid, bool privileged)
{
	struct vtdp_pasid *p = __real_vtdp_pasid_alloc(min, max, uid, privileged);

	if (!IS_ERR(p) && !w.broken)
		model_check_pasid_clean(p->nr, "when it is given out");
	return p;
}

void __wrap_vtdp_pasid_free(struct vtdp_pasid *pasid)
{
	if (!w.broken)
		model_check_pasid_clean(pasid->nr, "when it is freed");
	__real_vtdp_pasid_free(pasid);
}

/* ---- operations --------------------------------------------------------------- */

int w_takeover(unsigned int unit)
{
	struct vtdp_unit *u;
	unsigned int i;
	u32 check;
	int err;

	mutex_lock(&vtdp_lock);
	for (i = 0; i < w.fns; i++)
		if (w.fn[i].unit == unit)
			w.fn[i].changing++;
	u = vtdp_unit_by_index(unit);
	err = u ? vtdp_unit_takeover(u, &check) : -ENOENT;
	for (i = 0; i < w.fns; i++)
		if (w.fn[i].unit == unit)
			w.fn[i].changing--;
	if (!err && !model_translating(unit))
		fail_rule("takeover", "unit %u does not translate", unit);
	mutex_unlock(&vtdp_lock);
	return err;
}

int w_handback(unsigned int unit)
{
	bool held = lockdep_is_held(&vtdp_lock);
	struct vtdp_unit *u;
	int err;

	if (!held)
		mutex_lock(&vtdp_lock);
	u = vtdp_unit_by_index(unit);
	err = u ? vtdp_unit_handback(u) : -ENOENT;
	if (!err)
		model_check_unit_off(unit);
	if (!held)
		mutex_unlock(&vtdp_lock);
	return err;
}

int w_open(int c)
{
	struct vtdp_client *client;

	if (w.client[c] || w.opening[c])
		return -EBUSY;
	w.opening[c] = true;
	client = vtdp_client_open();
	w.opening[c] = false;
	w.closing[c] = false;
	w.client[c] = client;
	return client ? 0 : -ENOMEM;
}

/* Of a function (or all), a client (or all), a mm (or all): begin to end. */
static void ending(struct wfn *fn, int client, struct umm *u)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		struct wbinding *b = &w.wb[i];

		if ((fn && b->fn != fn) || (client >= 0 && b->client != client) || (u && b->mm != u))
			continue;
		if (b->state == WB_LIVE || b->state == WB_MAYBE) {
			b->state = WB_ENDING;
			b->ending_since = ++w.now;
		} else if (b->state == WB_BINDING) {
			b->doomed = true;
		}
	}
}

static void binding_ended(struct wbinding *b, const char *when)
{
	struct wbinding was = *b;

	b->state = WB_FREE;
	w_groups_check(&was, when);
	if (was.pasid == NO_PASID || !was.pasid || w.conf.any_layout)
		return;
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if (w.wb[i].state != WB_FREE && w.wb[i].fn == was.fn)
			if (w.wb[i].pasid == was.pasid || !w.wb[i].pasid)
				return;
	model_check_no_access(was.fn->unit, pci_dev_id(was.fn->pdev), was.pasid, when);
}

static void ended(struct wfn *fn, int client, struct umm *u, const char *when)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		struct wbinding *b = &w.wb[i];

		if (b->state == WB_ENDING && (!fn || b->fn == fn) && (client < 0 || b->client == client) && (!u || b->mm == u))
			binding_ended(b, when);
	}
}

int w_close(int c)
{
	struct vtdp_client *client = w.client[c];
	unsigned int i;

	if (!client || w.busy[c] || w.closing[c])
		return -EBUSY;
	w.closing[c] = true;
	ending(NULL, c, NULL);
	vtdp_client_close(client);
	ended(NULL, c, NULL, "after close");
	for (i = 0; i < w.fns; i++)
		if (w.fn[i].client == c) {
			w_groups_forget(&w.fn[i], "after close");
			w.fn[i].client = -1;
			w.fn[i].stopped = false;
		}
	w.client[c] = NULL;
	return 0;
}

static bool enter(int c)
{
	if (c < 0 || c >= W_CLIENTS || !w.client[c] || w.closing[c])
		return false;
	w.busy[c]++;
	return true;
}

static int leave(int c, int err)
{
	w.busy[c]--;
	return err;
}

int w_attach(int c, struct wfn *fn, u32 flags)
{
	struct vtdpasid_attach arg = { .size = sizeof(arg), .flags = flags, .rid = pci_dev_id(fn->pdev) };
	int err;

	if (!enter(c))
		return -EBADF;
	err = vtdp_device_attach(w.client[c], &arg);
	if (!err) {
		fn->client = c;
		fn->id = arg.out_device;
		fn->flags = flags;
		fn->stopped = false;
	}
	return leave(c, err);
}

int w_detach(int c, struct wfn *fn)
{
	int err;

	if (!enter(c))
		return -EBADF;
	if (fn->client != c)
		return leave(c, -ENOENT);
	fn->detaching++;
	ending(fn, -1, NULL);
	err = vtdp_device_detach_id(w.client[c], fn->id);
	fn->detaching--;
	if (err != -ENOENT) {
		ended(fn, -1, NULL, "after detach");
		w_groups_forget(fn, "after detach");
		fn->client = -1;
	}
	return leave(c, err);
}

/*
 * Is its mm bound by another binding? Then what caches hold of it stays when
 * this one comes: rights that grew are seen after SYNC only.
 */
static bool bound_elsewhere(const struct wbinding *b)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if (&w.wb[i] != b && w.wb[i].state != WB_FREE && w.wb[i].mm == b->mm)
			return true;
	return false;
}

int w_bind(int c, struct wfn *fn, struct umm *u, bool no_pasid, u32 pasid, u32 *out)
{
	struct vtdpasid_bind arg = { .size = sizeof(arg), .device = fn->id, .pasid = pasid,
		.flags = no_pasid ? VTDPASID_BIND_NO_PASID : 0 };
	struct mm_struct *was = current->mm;
	struct wbinding *b = NULL;
	struct vtdp_binding *made;
	unsigned int i;
	u64 begun;
	int err;

	if (!enter(c))
		return -EBADF;
	for (i = 0; i < W_BINDINGS && !b; i++)
		if (w.wb[i].state == WB_FREE)
			b = &w.wb[i];
	if (!b || !u->live)
		return leave(c, -EAGAIN);
	*b = (struct wbinding){ WB_BINDING, fn, u, no_pasid ? NO_PASID : 0, c, 0 };
	/* What ends the function's bindings now may end this one, too. */
	b->doomed = fn->changing || fn->detaching;
	/* exit_mmap() comes after the last user: a caller keeps its mm. */
	u->mm.mm_users.counter++;
	current->mm = &u->mm;
	begun = umm_sync_begin();
	err = vtdp_client_bind(w.client[c], &arg);
	current->mm = was;
	if (err) {
		b->state = WB_FREE;
	} else {
		b->state = b->doomed ? WB_MAYBE : WB_LIVE;
		b->id = arg.out_binding;
		if (!no_pasid)
			b->pasid = arg.out_pasid;
		/*
		 * While it waited its function may have been detached, and the
		 * number of the device given to another.
		 */
		made = xa_load(&w.client[c]->bindings, arg.out_binding);
		for (i = 0; i < w.fns && made; i++)
			if (w.fn[i].unit == made->device->unit->index &&
			    pci_dev_id(w.fn[i].pdev) == made->device->rid)
				b->fn = &w.fn[i];
		umm_synced(u, begun, 0, ~0ull, !bound_elsewhere(b));
		if (!no_pasid && !arg.out_pasid)
			fail_rule("PASID 0", "handed out");
		/* One mm, one PASID. */
		for (i = 0; i < W_BINDINGS && !no_pasid; i++)
			if (w.wb[i].state == WB_LIVE && w.wb[i].pasid != NO_PASID &&
			    (w.wb[i].mm == u) != (w.wb[i].pasid == b->pasid))
				fail_rule("PASID", "%u and %u: one for each mm, the same everywhere", b->pasid, w.wb[i].pasid);
		if (out)
			*out = arg.out_pasid;
	}
	mmput(&u->mm);
	return leave(c, err);
}

/*
 * Somebody else had ended the binding, and its number was given to another one
 * before the call came to it: so it is that one which has ended.
 */
static void unbound_another(int c, u32 id)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if ((w.wb[i].state == WB_LIVE || w.wb[i].state == WB_MAYBE) && w.wb[i].client == c &&
		    w.wb[i].id == id && !xa_load(&w.client[c]->bindings, id))
			w.wb[i].state = WB_FREE;
}

int w_unbind(struct wbinding *b)
{
	struct mm_struct *was = current->mm;
	int c = b->client, err;
	struct umm *u = b->mm;
	u32 id = b->id;

	if (b->state != WB_LIVE || !enter(c))
		return -EBADF;
	b->state = WB_ENDING;
	b->ending_since = ++w.now;
	current->mm = &u->mm;
	err = vtdp_client_unbind(w.client[c], id);
	current->mm = was;
	if (b->state == WB_ENDING && err != -EINTR)
		binding_ended(b, "after unbind");
	else if (b->state == WB_ENDING)
		b->state = WB_LIVE;
	else if (!err)
		unbound_another(c, id);
	return leave(c, err);
}

int w_sync(int c, struct umm *u, u64 first, u64 last)
{
	struct mm_struct *was = current->mm;
	u64 begun;
	int err;

	if (!enter(c))
		return -EBADF;
	if (!u->live)
		return leave(c, -ESRCH);
	u->mm.mm_users.counter++;
	current->mm = &u->mm;
	begun = umm_sync_begin();
	err = vtdp_client_sync(w.client[c], first, last - first + 1);
	current->mm = was;
	if (!err)
		umm_synced(u, begun, first, last, true);
	mmput(&u->mm);
	return leave(c, err);
}

int w_pasid_alloc(int c, struct umm *u, u32 *out)
{
	struct vtdpasid_pasid_alloc arg = { .size = sizeof(arg) };
	struct mm_struct *was = current->mm;
	int err;

	if (!enter(c))
		return -EBADF;
	if (!u->live)
		return leave(c, -ESRCH);
	u->mm.mm_users.counter++;
	current->mm = &u->mm;
	err = vtdp_client_pasid_alloc(w.client[c], &arg);
	current->mm = was;
	mmput(&u->mm);
	if (out)
		*out = arg.out_pasid;
	return leave(c, err);
}

int w_reserve(int c, u32 min, u32 max, u32 *out)
{
	struct vtdpasid_pasid_alloc arg = { .size = sizeof(arg), .flags = VTDPASID_PASID_RESERVE, .min = min, .max = max };
	int err;

	if (!enter(c))
		return -EBADF;
	err = vtdp_client_pasid_alloc(w.client[c], &arg);
	if (out)
		*out = arg.out_pasid;
	return leave(c, err);
}

int w_pasid_free(int c, struct umm *u, u32 nr)
{
	struct mm_struct *was = current->mm;
	int err;

	if (!enter(c))
		return -EBADF;
	current->mm = u ? &u->mm : NULL;
	err = vtdp_client_pasid_free(w.client[c], nr);
	current->mm = was;
	return leave(c, err);
}

void w_exit(struct umm *u)
{
	if (!u->live)
		return;
	umm_exit(u);
	for (unsigned int i = 0; i < W_PROCS; i++)
		if (w.proc[i] == u)
			w.old[w.nold++] = u;
}

void w_claim(struct wfn *fn) { w_driver(fn, &vtdp_pci_driver); }

void w_driver(struct wfn *fn, struct pci_driver *drv)
{
	if (fn->changing)
		return;
	fn->changing++;
	ending(fn, -1, NULL);
	pci_bind_driver(fn->pdev, drv);
	ended(fn, -1, NULL, "after its driver was changed");
	w_groups_forget(fn, "after its driver was changed");
	fn->client = -1;
	fn->stopped = false;
	fn->changing--;
}

void w_unplug(struct wfn *fn, bool surprise)
{
	if (fn->changing || !fn->pdev->dev.registered)
		return;
	fn->changing++;
	ending(fn, -1, NULL);
	pci_unplug(fn->pdev, surprise);
	ended(fn, -1, NULL, "after it was removed");
	w_groups_forget(fn, "after it was removed");
	fn->client = -1;
	fn->changing--;
}

void w_plug(struct wfn *fn)
{
	if (fn->changing || fn->pdev->dev.registered)
		return;
	fn->changing++;
	pci_plug(fn->pdev);
	fn->changing--;
}

struct wbinding *w_binding(struct wfn *fn, struct umm *u, bool no_pasid)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if (w.wb[i].state == WB_LIVE && w.wb[i].fn == fn && w.wb[i].mm == u && (w.wb[i].pasid == NO_PASID) == no_pasid)
			return &w.wb[i];
	return NULL;
}

struct wbinding *w_binding_of(struct wfn *fn, u32 pasid)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if (w.wb[i].state == WB_LIVE && w.wb[i].fn == fn && w.wb[i].pasid == pasid)
			return &w.wb[i];
	return NULL;
}
