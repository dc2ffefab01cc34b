// SPDX-License-Identifier: GPL-2.0-only
/* test_dmar.c - the DMAR table, of machines as they are, and damaged ones */
#include "dmar.h"
#include "tap.h"
#include "world.h"

static LIST_HEAD(out);

static int parse_length(size_t length)
{
	/* An exact copy, so that ASan sees a byte too much. */
	u8 *copy = malloc(length ?: 1);
	int err;

	memcpy(copy, buf, length);
	err = vtdp_dmar_parse(copy, length, &out);
	free(copy);
	return err;
}

static struct vtdp_dmar *nth(unsigned int n)
{
	struct vtdp_dmar *d;

	list_for_each_entry(d, &out, node)
		if (!n--)
			return d;
	return NULL;
}

static unsigned int count(void)
{
	struct vtdp_dmar *d;
	unsigned int n = 0;

	list_for_each_entry(d, &out, node)
		n++;
	return n;
}

static void done(void)
{
	vtdp_dmar_free(&out);
	tap_is(shim_allocs, 0, "all is freed");
	tap_clean("no rule was broken");
}

/* A laptop: graphics with a unit of its own, the rest on the second, an RMRR. */
static void laptop(void)
{
	struct vtdp_dmar *d;
	unsigned int at;

	begin();
	at = drhd(0, 0, 0xfed90000);
	scope(1, 0, 0, 1, (u8[]){ 2, 0 });
	close_structure(at);
	at = drhd(1, 0, 0xfed91000);
	scope(3, 2, 0xf0, 1, (u8[]){ 31, 0 });
	scope(4, 0, 0, 1, (u8[]){ 31, 0 });
	close_structure(at);
	at = rmrr(0, 0x9b800000, 0x9fffffff);
	scope(1, 0, 0, 1, (u8[]){ 2, 0 });
	close_structure(at);

	tap_is(parse_length(len), 0, "a laptop's table");
	tap_is(count(), 3, "has three structures");
	d = nth(0);
	tap_ok(d->type == 0 && d->flags == 0 && d->base == 0xfed90000 && d->scopes == 1, "its first unit");
	tap_ok(d->scope[0].type == 1 && d->scope[0].bus == 0 && d->scope[0].depth == 1 &&
	       d->scope[0].path[0] == PCI_DEVFN(2, 0), "covers graphics");
	d = nth(1);
	tap_ok(d->flags == 1 && d->base == 0xfed91000 && d->scopes == 2, "its second takes the rest");
	tap_ok(d->scope[0].type == 3 && d->scope[0].enumeration_id == 2 && d->scope[0].bus == 0xf0 &&
	       d->scope[0].path[0] == PCI_DEVFN(31, 0), "with an IOAPIC");
	d = nth(2);
	tap_ok(d->type == 1 && d->base == 0x9b800000 && d->limit == 0x9fffffff && d->scopes == 1, "its reserved region");
	done();
}

/* A server: four units on two segments, bridges, ATSR, SATC, RHSA, ANDD. */
static void server(void)
{
	struct vtdp_dmar *d;
	unsigned int at, i;

	begin();
	for (i = 0; i < 3; i++) {
		at = drhd(0, i == 2, 0xd37fc000ull + i * 0x8000000ull);
		scope(2, 0, 0x17, 1, (u8[]){ 0, 0 });
		scope(2, 0, 0x17, 2, (u8[]){ 2, 0, 3, 7 });
		scope(3, 10 + i, 0x17, 1, (u8[]){ 5, 4 });
		close_structure(at);
	}
	at = drhd(1, 0, 0x3fffffffc000ull);
	scope(5, 1, 0, 1, (u8[]){ 0x1e, 3 });
	close_structure(at);
	at = open_structure(2);		/* ATSR */
	put8(0);
	put8(0);
	put16(0);
	scope(2, 0, 0x17, 1, (u8[]){ 0, 0 });
	close_structure(at);
	at = open_structure(3);		/* RHSA */
	put16(0);
	put16(0);
	put64(0xd37fc000);
	put16(0);
	put16(0);
	close_structure(at);
	at = open_structure(4);		/* ANDD */
	put16(0);
	put8(0);
	put8(1);
	for (const char *s = "\\_SB.PCI0.UA00"; ; s++) {
		put8(*s);
		if (!*s)
			break;
	}
	close_structure(at);
	at = open_structure(5);		/* SATC */
	put8(1);
	put8(0);
	put16(1);
	scope(1, 0, 0x6a, 1, (u8[]){ 1, 0 });
	scope(1, 0, 0x6f, 1, (u8[]){ 1, 0 });
	close_structure(at);
	at = open_structure(77);	/* of the future */
	put64(1);
	close_structure(at);

	tap_is(parse_length(len), 0, "a server's table");
	tap_is(count(), 6, "what has scopes is kept, the rest passed over");
	tap_is(nth(2)->segment, 1, "segments");
	tap_is(nth(3)->base, 0x3fffffffc000ull, "a base above 4 GiB");
	d = nth(0);
	tap_ok(d->scopes == 3 && d->scope[1].depth == 2 && d->scope[1].path[0] == PCI_DEVFN(2, 0) &&
	       d->scope[1].path[1] == PCI_DEVFN(3, 7), "a path through a bridge");
	tap_ok(nth(3)->flags == 1 && nth(3)->scope[0].type == 5, "an ACPI name space device");
	tap_ok(nth(4)->type == 2 && nth(4)->scopes == 1, "root ports with ATS");
	tap_ok(nth(5)->type == 5 && nth(5)->segment == 1 && nth(5)->scopes == 2, "integrated devices with ATS");
	done();
}

static void damaged(void)
{
	unsigned int at, i, n, bad = 0;

	begin();
	tap_is(parse_length(48), 0, "a table without structures");
	tap_is(parse_length(47), -EINVAL, "a header cut off");
	tap_is(parse_length(0), -EINVAL, "nothing at all");
	put16(0);
	put16(0);
	tap_is(parse_length(len), -EINVAL, "a structure of no length");
	begin();
	at = drhd(0, 0, 0xfed90000);
	close_structure(at);
	buf[at + 2] = 200;
	tap_is(parse_length(len), -EINVAL, "a structure longer than the table");
	buf[at + 2] = 15;
	tap_is(parse_length(len), -EINVAL, "a unit shorter than a unit");
	vtdp_dmar_free(&out);

	for (i = 0; i < 6; i++) {
		begin();
		at = drhd(0, 0, 0xfed90000);
		scope(1, 0, 0, 1, (u8[]){ 2, 0 });
		close_structure(at);
		buf[at + 17] = i;
		bad += parse_length(len) != -EINVAL;
	}
	tap_is(bad, 0, "a scope shorter than a scope");
	begin();
	at = drhd(0, 0, 0xfed90000);
	put8(1);
	close_structure(at);
	tap_is(parse_length(len), -EINVAL, "a scope of one byte, the table's last");
	begin();
	at = drhd(0, 0, 0xfed90000);
	scope(1, 0, 0, 1, (u8[]){ 2, 0 });
	close_structure(at);
	buf[at + 17] = 7;
	tap_is(parse_length(len), -EINVAL, "a scope of odd length");
	buf[at + 17] = 10;
	tap_is(parse_length(len), -EINVAL, "a scope longer than its structure");
	begin();
	at = drhd(0, 0, 0xfed90000);
	scope(1, 0, 0, 16, (u8[32]){});
	close_structure(at);
	tap_is(parse_length(len), 0, "a path of 16 steps");
	begin();
	at = drhd(0, 0, 0xfed90000);
	scope(1, 0, 0, 17, (u8[34]){});
	close_structure(at);
	tap_is(parse_length(len), -EINVAL, "a path of 17");
	vtdp_dmar_free(&out);

	/* Each prefix of a good table, and each byte of it changed. */
	server();
	n = len;
	for (i = 48; i < n; i++) {
		parse_length(i);
		vtdp_dmar_free(&out);
	}
	for (i = 48; i < n; i++)
		for (unsigned int v = 0; v < 256; v += 5) {
			u8 was = buf[i];

			buf[i] = v;
			parse_length(n);
			vtdp_dmar_free(&out);
			buf[i] = was;
		}
	tap_ok(true, "any prefix, and any byte changed, is survived");
	for (i = 1; i < 8; i++) {
		shim_fail_at = i;
		if (parse_length(n) != (i < 7 ? -ENOMEM : 0))
			break;
		vtdp_dmar_free(&out);
	}
	shim_fail_at = 0;
	tap_is(i, 8, "without memory it is ENOMEM");
	done();
}

int main(int argc, char **argv)
{
	tap_args(argc, argv);
	shim_init();
	model_reset();
	tap_part(laptop);
	tap_part(server);
	tap_part(damaged);
	return tap_done();
}
