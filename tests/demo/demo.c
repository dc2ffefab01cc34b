// SPDX-License-Identifier: GPL-2.0-only
/*
 * demo - two processes, two devices, and one device that lies
 *
 * The story of the 2018 mail, on a live VT-d unit: Process A uses Dev_A,
 * Process B uses Dev_B, each by virtual address. Then Dev_A emits the PASID of
 * Process B. Told once for each layout of PASID tables. The pictures are drawn
 * from the tables that the hardware walks, as the module's WALK ioctl reads
 * them; whether two devices share a table is decided by its address.
 *
 * exit: 0 when the secret leaked with shared tables, stayed safe with one table
 * a device, and all else worked; else 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/lib.h"

#define ADDR(entry)	((entry) & 0xffffffffff000ULL)
#define SECRET_LEN	32

static int fd;
static struct svat dev[2];
static uint32_t device_id[2];
static const char *const dev_name[2] = { "Dev_A", "Dev_B" };

/* What a process tells of itself. */
struct story {
	pid_t pid;
	uint64_t addr;			/* of its secret */
	uint64_t phys;			/* where that is, says its page map */
	uint32_t pasid;
	int error;			/* of bind */
	int own_read, own_write;	/* did its own DMA work? */
	char secret[SECRET_LEN];
};

/* ---- the two processes --------------------------------------------------------- */

static void make_secret(char *secret, int i)
{
	uint32_t r[3];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		fatal("no random numbers");
	memset(secret, 0, SECRET_LEN);
	snprintf(secret, SECRET_LEN, "%c's secret: %08x%08x", 'A' + i, r[0], r[1]);
}

/* Bind to device @arg, use it, say how it went, wait until told to end. */
static int process(int sock, void *arg)
{
	int i = *(int *)arg;
	struct story s = { .pid = getpid() };
	char buf[SECRET_LEN], *page = must_map(PAGE), c;

	make_secret(page, i);
	memcpy(s.secret, page, SECRET_LEN);
	s.addr = (uintptr_t)page;
	s.phys = phys_of(page);
	s.error = vt_bind(fd, device_id[i], 0, 0, NULL, &s.pasid);
	if (!s.error) {
		memset(buf, 0, sizeof(buf));
		s.own_read = svat_read(&dev[i], 0, s.pasid, s.addr, buf, SECRET_LEN) == SVAT_ST_OK &&
			     !memcmp(buf, page, SECRET_LEN);
		s.own_write = svat_write(&dev[i], 0, s.pasid, s.addr + 1024, buf, SECRET_LEN) ==
			      SVAT_ST_OK && !memcmp(page + 1024, page, SECRET_LEN);
	}
	msg_send(sock, &s, sizeof(s));
	msg_recv(sock, &c, 1, 60000);
	return 0;
}

/* ---- the tables, as hardware finds them ------------------------------------------ */

#define MAX_TABLES	8
#define MAX_ROWS	8

struct row {
	uint32_t pasid;
	uint64_t root;			/* first-stage top-level page */
	char text[24];
	bool wired;			/* leads to the root of a process */
};

struct leaf {
	uint64_t addr;
	unsigned int owners;		/* bit per device */
	int rows;
	struct row row[MAX_ROWS];
};

struct view {
	struct {
		uint64_t context_at, dir;
		unsigned int pdts;
		int leaves;
		struct { unsigned int index; int leaf; } used[4];
	} device[2];
	int leaves;
	struct leaf leaf[MAX_TABLES];
	uint64_t root[2];		/* of each process, proved by its secret */
};

static int leaf_at(struct view *v, uint64_t addr)
{
	int i;

	for (i = 0; i < v->leaves; i++)
		if (v->leaf[i].addr == addr)
			return i;
	if (v->leaves == MAX_TABLES)
		fatal("more tables than the picture has room for");
	v->leaf[v->leaves].addr = addr;
	return v->leaves++;
}

/* A PASID entry that was found behind a device. */
static void note_entry(struct view *v, int d, const struct vtdpasid_walk *w)
{
	int n = leaf_at(v, ADDR(w->out_dir)), i;
	struct leaf *leaf = &v->leaf[n];
	struct row *row;

	leaf->owners |= 1u << d;
	for (i = 0; i < v->device[d].leaves; i++)
		if (v->device[d].used[i].leaf == n)
			break;
	if (i == v->device[d].leaves) {
		v->device[d].used[i].index = w->out_pasid / 64;
		v->device[d].used[i].leaf = n;
		v->device[d].leaves++;
	}
	for (i = 0; i < leaf->rows; i++)
		if (leaf->row[i].pasid == w->out_pasid)
			return;
	if (leaf->rows == MAX_ROWS)
		fatal("more entries than the picture has room for");
	row = &leaf->row[leaf->rows++];
	row->pasid = w->out_pasid;
	row->root = ADDR(w->out_pasid_entry[2]);
}

static void read_tables(struct view *v)
{
	struct vtdpasid_walk w;
	uint32_t pasid;
	int d, rc;

	memset(v, 0, sizeof(*v));
	for (d = 0; d < 2; d++) {
		const struct pci_func *f = &dev[d].func;

		for (pasid = 0;; pasid = w.out_pasid + 1) {
			rc = vt_walk(fd, f, VTDPASID_WALK_NEXT, pasid, 0, &w);
			if (rc == -ENOENT)
				break;
			if (rc || !(w.out_valid & VTDPASID_WALK_PASID))
				fatal("WALK of %s: %s", f->name, strerror(-rc));
			v->device[d].context_at = ADDR(w.out_root) + (f->rid & 0x7f) * 32;
			v->device[d].dir = ADDR(w.out_context[0]);
			v->device[d].pdts = w.out_context[0] >> 9 & 7;
			note_entry(v, d, &w);
		}
	}
}

/*
 * Which root is a process's? The one through which hardware translates the
 * address of its secret to the frame in which its page map says that it is.
 */
static void find_roots(struct view *v, const struct story *s)
{
	struct vtdpasid_walk w;
	int i, l, r;

	for (i = 0; i < 2; i++) {
		if (vt_walk(fd, &dev[i].func, 0, s[i].pasid, s[i].addr, &w))
			continue;
		if (w.out_levels == 4 && s[i].phys &&
		    ADDR(w.out_fs[3]) == (s[i].phys & ~(PAGE - 1)))
			v->root[i] = ADDR(w.out_pasid_entry[2]);
	}
	for (l = 0; l < v->leaves; l++) {
		for (r = 0; r < v->leaf[l].rows; r++) {
			struct row *row = &v->leaf[l].row[r];

			row->wired = row->root && (row->root == v->root[0] || row->root == v->root[1]);
			snprintf(row->text, sizeof(row->text), row->wired ? "PASID %u" :
				 row->pasid ? "%u (no one's)" : "%u (blocked)", row->pasid);
		}
	}
}

/* ---- drawing ----------------------------------------------------------------------- */

#define WIDTH	79
#define HEIGHT	40

static char canvas[HEIGHT][WIDTH + 1];

static void clear(void)
{
	int y;

	for (y = 0; y < HEIGHT; y++) {
		memset(canvas[y], ' ', WIDTH);
		canvas[y][WIDTH] = 0;
	}
}

static void put(int x, int y, char c)
{
	if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT)
		fatal("the picture does not fit: %d,%d", x, y);
	canvas[y][x] = c;
}

static void put_text(int x, int y, const char *text)
{
	while (*text)
		put(x++, y, *text++);
}

struct box {
	int x, y, width, rows;
	char row[MAX_ROWS][24];
};

static void box_row(struct box *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void box_row(struct box *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->row[b->rows++], sizeof(b->row[0]), fmt, ap);
	va_end(ap);
}

static int row_y(const struct box *b, int row) { return b->y + 1 + row; }

static void draw_box(const struct box *b)
{
	int x, r;

	for (x = 1; x < b->width - 1; x++) {
		put(b->x + x, b->y, '-');
		put(b->x + x, b->y + b->rows + 1, '-');
	}
	for (r = 0; r < b->rows; r++) {
		put(b->x, row_y(b, r), '|');
		put_text(b->x + 2, row_y(b, r), b->row[r]);
		put(b->x + b->width - 1, row_y(b, r), '|');
	}
	put(b->x, b->y, '.');
	put(b->x + b->width - 1, b->y, '.');
	put(b->x, b->y + b->rows + 1, '\'');
	put(b->x + b->width - 1, b->y + b->rows + 1, '\'');
}

/* Boxes one under the other, the whole column in the middle of @height lines. */
static void stack(struct box **b, int n, int height)
{
	int i, used = -1, y;

	for (i = 0; i < n; i++)
		used += b[i]->rows + 3;
	y = (height - used) / 2;
	for (i = 0; i < n; i++) {
		b[i]->y = y;
		y += b[i]->rows + 3;
	}
}

static int column_height(struct box **b, int n)
{
	int i, used = -1;

	for (i = 0; i < n; i++)
		used += b[i]->rows + 3;
	return used;
}

/* A wire from the right of one row to the left of another. */
struct wire {
	const struct box *from, *to;
	int from_row, to_row;
	int lane;
};

static int wire_from(const struct wire *w) { return row_y(w->from, w->from_row); }
static int wire_to(const struct wire *w) { return row_y(w->to, w->to_row); }

/*
 * Which wire turns further right, so that they do not cross: of those that go
 * down the upper one, of those that go up the lower one.
 */
static int by_lane(const void *p, const void *q)
{
	const struct wire *a = p, *b = q;
	bool a_down = wire_to(a) > wire_from(a), b_down = wire_to(b) > wire_from(b);

	if (a_down != b_down)
		return a_down ? 1 : -1;
	return a_down ? wire_from(b) - wire_from(a) : wire_from(a) - wire_from(b);
}

static void put_wire(int x, int y, char c)
{
	char old = canvas[y][x];

	if ((c == '-' && old == '|') || (c == '|' && old == '-'))
		c = '+';
	put(x, y, c);
}

static void draw_wire(const struct wire *w)
{
	int x = w->from->x + w->from->width, end = w->to->x - 1;
	int y = wire_from(w), target = wire_to(w), step = target > y ? 1 : -1;

	if (y != target) {
		for (; x < w->lane; x++)
			put_wire(x, y, '-');
		put(x, y, step > 0 ? '.' : '\'');
		for (y += step; y != target; y += step)
			put_wire(x, y, '|');
		put(x, y, step > 0 ? '\'' : '.');
		x++;
	}
	for (; x < end; x++)
		put_wire(x, y, '-');
	put(x, y, '>');
}

static void draw_wires(struct wire *w, int n)
{
	int i, lane = 0, bent = 0;

	qsort(w, n, sizeof(*w), by_lane);
	for (i = 0; i < n; i++)
		bent += wire_from(&w[i]) != wire_to(&w[i]);
	for (i = 0; i < n; i++) {
		int left = w[i].from->x + w[i].from->width, room = w[i].to->x - left - 2;

		if (wire_from(&w[i]) != wire_to(&w[i]))
			w[i].lane = left + room * ++lane / (bent + 1);
		draw_wire(&w[i]);
	}
}

/* Tables of Dev_A first, those of both in the middle. */
static int by_owner(const struct leaf *l)
{
	return l->owners == 1 ? 0 : l->owners == 2 ? 2 : 1;
}

static int draw(const struct view *v)
{
	struct box context[2] = { 0 }, dir[2] = { 0 }, table[MAX_TABLES] = { 0 }, root[2] = { 0 };
	struct box *column[4][MAX_TABLES];
	struct wire wire[3][16];
	int boxes[4] = { 2, 0, 0, 0 }, wires[3] = { 0 }, height = 0;
	int leaf_box[MAX_TABLES], arrived[MAX_TABLES] = { 0 };
	int c, d, i, r, turn;

	clear();
	for (d = 0; d < 2; d++) {
		const struct pci_func *f = &dev[d].func;

		context[d].x = 0;
		context[d].width = 14;
		box_row(&context[d], "%s", dev_name[d]);
		box_row(&context[d], "%s", f->name + 5);
		box_row(&context[d], "%#llx", (long long)v->device[d].context_at);
		column[0][d] = &context[d];

		dir[d].x = 18;
		dir[d].width = 15;
		box_row(&dir[d], "%#llx", (long long)v->device[d].dir);
		for (i = 0; i < v->device[d].leaves; i++)
			box_row(&dir[d], "entry %u", v->device[d].used[i].index);
		if (!d || v->device[0].dir != v->device[1].dir)
			column[1][boxes[1]++] = &dir[d];
		wire[0][wires[0]++] = (struct wire){
			&context[d], v->device[0].dir == v->device[1].dir ? &dir[0] : &dir[d], 1, d && v->device[0].dir == v->device[1].dir, 0,
		};

		root[d].x = 62;
		root[d].width = 17;
		box_row(&root[d], "page table of");
		box_row(&root[d], "Process %c", 'A' + d);
		box_row(&root[d], v->root[d] ? "%#llx" : "not found", (long long)v->root[d]);
		column[3][boxes[3]++] = &root[d];
	}
	for (turn = 0; turn < 3; turn++) {
		for (i = 0; i < v->leaves; i++) {
			struct box *b = &table[i];

			if (by_owner(&v->leaf[i]) != turn)
				continue;
			leaf_box[i] = i;
			b->x = 40;
			b->width = 15;
			box_row(b, "%#llx", (long long)v->leaf[i].addr);
			for (r = 0; r < v->leaf[i].rows; r++)
				box_row(b, "%s", v->leaf[i].row[r].text);
			column[2][boxes[2]++] = b;
		}
	}
	for (d = 0; d < 2; d++) {
		if (d && v->device[0].dir == v->device[1].dir)
			break;
		for (i = 0; i < v->device[d].leaves; i++) {
			int l = leaf_box[v->device[d].used[i].leaf];

			wire[1][wires[1]++] = (struct wire){ &dir[d], &table[l], i + 1, arrived[l]++, 0 };
		}
	}
	for (i = 0; i < v->leaves; i++)
		for (r = 0; r < v->leaf[i].rows; r++)
			for (d = 0; d < 2; d++)
				if (v->leaf[i].row[r].wired && v->leaf[i].row[r].root == v->root[d])
					wire[2][wires[2]++] = (struct wire){ &table[i], &root[d], r + 1, 1, 0 };

	for (c = 0; c < 4; c++) {
		int h = column_height(column[c], boxes[c]);

		height = h > height ? h : height;
	}
	for (c = 0; c < 4; c++) {
		stack(column[c], boxes[c], height);
		for (i = 0; i < boxes[c]; i++)
			draw_box(column[c][i]);
	}
	for (c = 0; c < 3; c++)
		draw_wires(wire[c], wires[c]);
	return height;
}

static void print_picture(const struct view *v)
{
	int height = draw(v), y, x;

	printf("context           PASID                 PASID                 paging\n");
	printf("entries           directories           tables                structures\n");
	for (y = 0; y < height; y++) {
		for (x = WIDTH; x > 0 && canvas[y][x - 1] == ' '; x--)
			;
		printf("%.*s\n", x, canvas[y]);
	}
}

/* ---- one layout ---------------------------------------------------------------------- */

struct outcome {
	const char *layout;
	bool own_dma;		/* both processes' own DMA worked */
	bool shared;		/* the tables are shared, by their addresses */
	bool leaked;
	bool recorded;		/* the fault record names Dev_A */
	char text[200];
};

static void must(int rc, const char *what)
{
	if (rc)
		fatal("%s: %s", what, strerror(-rc));
}

static void set_up(const char *layout)
{
	struct vtdpasid_attach out;
	struct pci_func f[2];
	char params[64];
	int i;

	if (vt_loaded())
		must(vt_module_unload(), "rmmod");
	snprintf(params, sizeof(params), "pasid_table=%s", layout);
	must(vt_module_load(params), "insmod");
	fd = must_take_unit();
	if (pci_find(SVAT_VENDOR_ID, SVAT_DEVICE_ID, f, 2) != 2)
		fatal("this machine lacks the two test devices");
	for (i = 0; i < 2; i++) {
		must(pci_claim(&f[i]), "claim");
		must(vt_attach(fd, &f[i], 0, &out), "attach");
		must(svat_open(&dev[i], &f[i]), "registers");
		svat_reset(&dev[i]);
		device_id[i] = out.out_device;
	}
}

static void tear_down(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		svat_close(&dev[i]);
		must(vt_detach(fd, device_id[i]), "detach");
	}
	must(vt_handback(fd, 0), "handback");
	close(fd);
}

/* The table that both devices' directories lead to, or NULL. */
static const struct leaf *shared_table(const struct view *v)
{
	int i;

	for (i = 0; i < v->leaves; i++)
		if (v->leaf[i].owners == 3)
			return &v->leaf[i];
	return NULL;
}

static void print_secret(const char *what, const char *s)
{
	int i;

	printf("%s\"", what);
	for (i = 0; i < SECRET_LEN && s[i]; i++)
		putchar(s[i] >= ' ' && s[i] < 127 ? s[i] : '?');
	printf("\"\n");
}

static const char *reason(uint32_t r)
{
	switch (r) {
	case FR_PASID_DIR:
		return "PASID-directory entry not present";
	case FR_PASID_ENTRY:
		return "PASID-table entry not present";
	case FR_PASID_ENTRY_INVALID:
		return "PASID-table entry without a valid translation type";
	default:
		return "not one that was to be expected";
	}
}

/* Dev_A emits the PASID of Process B, and asks for its secret. */
static void flawed(const struct story *b, struct outcome *o)
{
	struct vtdpasid_event ev = { 0 };
	char got[SECRET_LEN];
	int status;

	memset(got, 0, sizeof(got));
	vt_events_drop(fd);
	printf("\n  Dev_A is flawed: it emits PASID %u, Process B's, and reads %#llx.\n",
	       b->pasid, (long long)b->addr);
	status = svat_read(&dev[0], 1, b->pasid, b->addr, got, SECRET_LEN);
	if (status == SVAT_ST_OK) {
		o->leaked = !memcmp(got, b->secret, SECRET_LEN);
		print_secret("    It read   ", got);
		printf("    %s\n", o->leaked ? "which is what Process B keeps secret: LEAKED." :
					       "which is not what Process B has there.");
		snprintf(o->text, sizeof(o->text), "LEAKED   Dev_A read \"%.31s\" with PASID %u",
			 got, b->pasid);
		return;
	}
	printf("    The device was told: %s.\n", svat_status(status));
	if (vt_event_of(fd, VTDPASID_EVENT_FAULT, dev[0].func.rid, 0, &ev, 5000)) {
		printf("    No fault was recorded.\n");
		snprintf(o->text, sizeof(o->text), "BLOCKED  but no fault was recorded");
		return;
	}
	o->recorded = fault_is_no_pasid(ev.reason) && !(ev.flags & VTDPASID_EVENT_WRITE) &&
		      ev.addr == (b->addr & ~(PAGE - 1));
	printf("    Fault record: %s (%s) %s page %#llx, reason %#x:\n"
	       "      %s.\n", dev_name[0], dev[0].func.name + 5,
	       ev.flags & VTDPASID_EVENT_WRITE ? "writing" : "reading",
	       (long long)ev.addr, ev.reason, reason(ev.reason));
	printf("    %s\n", o->recorded ? "Process B's secret stayed secret: BLOCKED." :
					 "This is not the fault that was to be expected.");
	snprintf(o->text, sizeof(o->text), "BLOCKED  fault %#x recorded for %s at %#llx",
		 ev.reason, dev[0].func.name + 5, (long long)ev.addr);
}

static void show_layout(const char *layout, const char *title, struct outcome *o)
{
	static int number[2] = { 0, 1 };
	struct child child[2];
	const struct leaf *shared;
	struct story s[2];
	struct view v;
	int i;

	o->layout = layout;
	set_up(layout);
	printf("\n==== pasid_table=%s: %s\n\n", layout, title);
	for (i = 0; i < 2; i++) {
		must(child_start(&child[i], process, &number[i]), "fork");
		if (msg_recv(child[i].sock, &s[i], sizeof(s[i]), 30000) != sizeof(s[i]))
			fatal("Process %c does not answer", 'A' + i);
		must(s[i].error, "bind");
	}
	read_tables(&v);
	find_roots(&v, s);
	shared = shared_table(&v);
	o->shared = shared;
	o->own_dma = v.root[0] && v.root[1];
	print_picture(&v);
	if (shared)
		printf("\n  The table at %#llx is the same for both devices.\n",
		       (long long)shared->addr);
	else
		printf("\n  No table is shared.\n");
	for (i = 0; i < 2; i++) {
		printf("  Process %c, pid %d, uses %s with PASID %u. Its secret is at %#llx.\n",
		       'A' + i, s[i].pid, dev_name[i], s[i].pasid, (long long)s[i].addr);
		printf("    Its own DMA: read %s, write %s.\n", s[i].own_read ? "right" : "WRONG",
		       s[i].own_write ? "right" : "WRONG");
		o->own_dma &= s[i].own_read && s[i].own_write;
	}
	flawed(&s[1], o);
	for (i = 0; i < 2; i++)
		child_wait(&child[i], 10000);
	tear_down();
}

int main(void)
{
	struct outcome o[3] = { 0 };
	bool good;
	int i;

	printf("Two processes, two devices, one VT-d unit. Each device does DMA by its\n"
	       "process's virtual addresses; requests carry the process's PASID.\n"
	       "Each picture is drawn from the live tables; 0x... is where they are in memory.\n"
	       "QEMU has one VT-d unit, so `system' and `unit' build the same picture here.\n");
	show_layout("system", "one PASID table for all devices", &o[0]);
	show_layout("unit", "one PASID table for each VT-d unit", &o[1]);
	show_layout("device", "one PASID table for each device", &o[2]);

	good = true;
	for (i = 0; i < 3; i++) {
		bool safe = i == 2;

		good &= o[i].own_dma && o[i].shared == !safe && o[i].leaked == !safe &&
			o[i].recorded == safe;
	}
	printf("\n");
	for (i = 0; i < 3; i++)
		printf("%-7s %s%s\n", o[i].layout, o[i].text,
		       o[i].own_dma ? "" : "; own DMA FAILED");
	return !good;
}
