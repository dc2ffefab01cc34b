// SPDX-License-Identifier: GPL-2.0-only
/*
 * world.c - a machine, operations on it, and who may reach what
 *
 * The oracle is simple because the model is strict: whatever DMA gets through
 * must be covered by a binding that a call is about to make, has made, or has
 * not yet finished to end; and what such a binding covers must get through
 * once it was made.
 */
#include "world.h"

struct world w;
u8 *world_dmar;
unsigned int w_dma_rate;

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

static void request_answered(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 nr, unsigned int code);

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
	model_response_hook = request_answered;
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

/* Is anything bound, or being bound or unbound, that a request can be for? */
static bool covering_any(const struct wfn *fn, u32 pasid)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		const struct wbinding *b = &w.wb[i];

		if (b->state != WB_FREE && b->fn == fn && (b->pasid == pasid || (!b->pasid && pasid != NO_PASID)))
			return true;
	}
	return false;
}

/* ---- page requests ------------------------------------------------------------ */

static struct wgroup *group_find(struct wfn *fn, u32 pasid, u16 nr)
{
	for (unsigned int i = 0; i < W_GROUPS; i++)
		if (fn->group[i].open && fn->group[i].pasid == pasid && fn->group[i].nr == nr)
			return &fn->group[i];
	return NULL;
}

static struct wfn *fn_by_rid(unsigned int unit, u16 rid)
{
	for (unsigned int i = 0; i < w.fns; i++)
		if (w.fn[i].unit == unit && pci_dev_id(w.fn[i].pdev) == rid)
			return &w.fn[i];
	return NULL;
}

/* As a function that keeps the rules: a number is free again once answered. */
bool w_request(struct wfn *fn, u32 pasid, u64 addr, bool write, bool last, u16 nr)
{
	struct wgroup *g = group_find(fn, pasid, nr);

	if (g && g->last)
		return false;
	for (unsigned int i = 0; !g && i < W_GROUPS; i++)
		if (!fn->group[i].open)
			g = &fn->group[i];
	if (!g || !fn->pdev->present || !pci_has_bme(fn->pdev) || !pci_pri_is_on(fn->pdev) ||
	    !model_page_request(fn->unit, pci_dev_id(fn->pdev), pasid, addr, write, last, nr))
		return false;
	if (!g->open)
		*g = (struct wgroup){ .open = true, .pasid = pasid, .nr = nr };
	g->last = last;
	g->bad |= addr >> 47;
	g->since = ++w.now;
	return true;
}

static void request_answered(unsigned int unit, u16 rid, bool pp, u32 pasid, u16 nr, unsigned int code)
{
	struct wfn *fn = fn_by_rid(unit, rid);
	struct wgroup *g = fn ? group_find(fn, pp ? pasid : NO_PASID, nr) : NULL;

	if (!g || !g->last) {
		fail_rule("page response", "requester %#x, PASID %d, group %u: nobody waits for it", rid, pp ? (int)pasid : -1, nr);
		return;
	}
	g->open = false;
	if (code == MODEL_LOST) {
		w.answered[2]++;
		return;
	}
	if (code > 1)
		fail_rule("page response", "%s, group %u: code %u ends all its requests", pci_name(fn->pdev), nr, code);
	if (!code && g->bad)
		fail_rule("page response", "%s, group %u: success, with a kernel address in it", pci_name(fn->pdev), nr);
	if (!code && !covering_any(fn, g->pasid))
		fail_rule("page response", "%s, group %u: success, without a binding", pci_name(fn->pdev), nr);
	w.answered[code & 1]++;
}

unsigned int w_unanswered(struct wfn *fn)
{
	unsigned int count = 0;

	for (struct wfn *f = w.fn; f < w.fn + w.fns; f++)
		for (unsigned int i = 0; i < W_GROUPS; i++)
			count += (!fn || f == fn) && f->group[i].open && f->group[i].last;
	return count;
}

/*
 * All that a binding was asked for before its end began has an answer; but for
 * those of a function that was pulled out, to whom none can be brought.
 */
static void groups_check(const struct wbinding *b, const char *when)
{
	if (w.broken || b->fn->stopped || !b->fn->pdev->present || !pci_pri_is_on(b->fn->pdev))
		return;
	for (unsigned int i = 0; i < W_GROUPS; i++) {
		const struct wgroup *g = &b->fn->group[i];

		if (g->open && g->last && g->pasid == b->pasid && g->since < b->ending_since)
			fail_rule("page request unanswered", "%s, PASID %d, group %u, %s",
				  pci_name(b->fn->pdev), (int)g->pasid, g->nr, when);
	}
}

/* The function was detached, reset or removed: it waits for nothing any more. */
static void groups_forget(struct wfn *fn, const char *when)
{
	/* It says when it has them all (PCIe 10.5.2), or was reset. */
	model_responses_push(fn->unit, pci_dev_id(fn->pdev));
	if (!w.broken && model_translating(fn->unit)) {
		if (model_requests_left(fn->unit, pci_dev_id(fn->pdev)))
			fail_rule("page request left", "%s, %s", pci_name(fn->pdev), when);
		/* Those it waited for when its page requests went off, too. */
		if (w_unanswered(fn))
			fail_rule("page request unanswered", "%s, %s", pci_name(fn->pdev), when);
	}
	memset(fn->group, 0, sizeof(fn->group));
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
	groups_check(&was, when);
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
			groups_forget(&w.fn[i], "after close");
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
		groups_forget(fn, "after detach");
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
	groups_forget(fn, "after its driver was changed");
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
	groups_forget(fn, "after it was removed");
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

/* ---- DMA ------------------------------------------------------------------------ */

/* The binding that would let a request through to @u; NULL: any. */
static struct wbinding *covering(struct wfn *fn, u32 pasid, struct umm *u)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++) {
		struct wbinding *b = &w.wb[i];

		if (b->state == WB_FREE || b->mm != u)
			continue;
		if (w.conf.any_layout && pasid != NO_PASID)
			return b;
		if ((b->fn == fn || b->doomed) && (b->pasid == pasid || (!b->pasid && pasid != NO_PASID)))
			return b;
	}
	return NULL;
}

struct wbinding *w_binding_of(struct wfn *fn, u32 pasid)
{
	for (unsigned int i = 0; i < W_BINDINGS; i++)
		if (w.wb[i].state == WB_LIVE && w.wb[i].fn == fn && w.wb[i].pasid == pasid)
			return &w.wb[i];
	return NULL;
}

static bool passes(struct wfn *fn)
{
	return fn->pdev->dev.driver == &pci_kernel_driver.driver;
}

static void judge_ok(struct wfn *fn, const struct dma *d, const char *how)
{
	struct umm *owner;
	struct upage *p;

	w.dma_ok++;
	if (d->through) {
		if (!model_translating(fn->unit) || fn->changing || (passes(fn) && d->pasid == NO_PASID))
			return;
		fail_rule("passes through", "%s, PASID %d, %#llx: untranslated", pci_name(fn->pdev), (int)d->pasid, d->addr);
		return;
	}
	p = upage_by_pa(d->pa, &owner);
	if (!p || !owner) {
		fail_rule("DMA to freed memory", "%s, PASID %d, %#llx -> %#llx (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, d->pa, how);
		return;
	}
	if (p->pa + (d->addr - p->va) != d->pa)
		fail_rule("DMA to a wrong page", "%s, PASID %d, %#llx -> %#llx, of page %#llx", pci_name(fn->pdev), (int)d->pasid, d->addr, d->pa, p->va);
	if (!covering(fn, d->pasid, owner) && !(w.conf.any_layout && d->pasid != NO_PASID))
		fail_rule("DMA without binding", "%s, PASID %d, %#llx reaches mm %u (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, owner->mm.id, how);
	if (d->write && !p->writable && !p->narrowing && !p->going)
		fail_rule("DMA without right", "%s, PASID %d writes %#llx, which is read-only (%s)", pci_name(fn->pdev), (int)d->pasid, d->addr, how);
}

static void judge_fault(struct wfn *fn, const struct dma *d)
{
	struct wbinding *b;
	struct upage *p;

	w.dma_fault++;
	if (fn->changing || w.broken)
		return;
	if (d->pasid == NO_PASID && passes(fn)) {
		fail_rule("driver's DMA fails", "%s, %#llx: reason %#x", pci_name(fn->pdev), d->addr, d->reason);
		return;
	}
	b = w_binding_of(fn, d->pasid);
	if (!b || !b->mm->live)
		return;
	p = umm_find(b->mm, d->addr);
	if (!p || !p->mapped || p->going || p->narrowing || !p->visible)
		return;
	if (d->write && (!p->writable || !p->wvisible))
		return;
	fail_rule("DMA fails", "%s, PASID %d %s %#llx: reason %#x, though bound and mapped", pci_name(fn->pdev),
		  (int)d->pasid, d->write ? "writes" : "reads", d->addr, d->reason);
}

enum dma_result w_dma(struct wfn *fn, u32 pasid, u64 addr, bool write)
{
	struct dma d = { .unit = fn->unit, .rid = pci_dev_id(fn->pdev), .pasid = pasid, .addr = addr, .write = write };
	enum dma_result r = model_dma(&d);

	if (r == DMA_OK)
		judge_ok(fn, &d, "untranslated");
	else if (r == DMA_FAULT)
		judge_fault(fn, &d);
	return r;
}

/* Ask for a translation, or use one that it has. */
enum dma_result w_ats_dma(struct wfn *fn, u32 pasid, u64 addr, bool write)
{
	struct dma d = { .unit = fn->unit, .rid = pci_dev_id(fn->pdev), .pasid = pasid, .addr = addr, .write = write };

	if (model_atc_lookup(&d)) {
		judge_ok(fn, &d, "translated");
		return DMA_OK;
	}
	return model_ats(&d);
}

/* ---- chance ---------------------------------------------------------------------- */

/* An address of interest, and who would use it. */
bool w_pick(struct dma *d)
{
	struct wbinding *b = &w.wb[rnd_below(W_BINDINGS)];
	struct umm *u = w.proc[rnd_below(W_PROCS)];
	struct wfn *fn = &w.fn[rnd_below(w.fns)];
	unsigned int i;

	for (i = 0; i < 8 && b->state == WB_FREE; i++)
		b = &w.wb[rnd_below(W_BINDINGS)];
	d->pasid = NO_PASID;
	if (b->state != WB_FREE && !one_in(6)) {
		d->pasid = b->pasid ?: 1 + rnd_below(4);
		u = b->mm;
		if (!one_in(4))
			fn = b->fn;
	} else if (!one_in(3)) {
		d->pasid = 1 + rnd_below(one_in(4) ? 70000 : 70);
	}
	d->unit = fn->unit;
	d->rid = pci_dev_id(fn->pdev);
	d->write = one_in(2);
	d->addr = (u64)rnd_below(4) << 39 | (u64)rnd_below(4) << 12;
	if (u && u->nr && !one_in(8)) {
		struct upage *p = &u->pages[rnd_below(MM_PAGES)];

		for (i = 0; i < 16 && !p->used; i++)
			p = &u->pages[rnd_below(MM_PAGES)];
		if (p->used)
			d->addr = p->va + ((u64)rnd() << 12) % p->size;
	}
	if (one_in(64))
		d->addr |= 0xffff800000000000ull;
	return true;
}

void w_random_dma(void)
{
	struct dma d = {};
	struct wfn *fn;

	w_pick(&d);
	for (fn = w.fn; pci_dev_id(fn->pdev) != d.rid; fn++)
		;
	if (pci_ats_is_on(fn->pdev) && one_in(2))
		w_ats_dma(fn, d.pasid, d.addr, d.write);
	else
		w_dma(fn, d.pasid, d.addr, d.write);
}
