// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a machine, a unit and a function have to have: each condition once, for
 * PREFLIGHT and for what refuses. The words are in vtdpasid_checks.h.
 */
#include <linux/acpi.h>
#include <linux/bitfield.h>
#include <linux/cpumask.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/security.h>

#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/smp.h>

#include "vtdpasid.h"

#define CHECK_NAMES	4	/* most functions named in one line of the log */
#define CHECK_OTHERS	32	/* most of them in a list */
#define APIC_ID_MAX	254	/* 255 is all CPUs, in a message of 8 bits */

/**
 * struct check - one condition
 * @id: enum vtdpasid_check
 * @scope: VTDPASID_SCOPE_*
 * @severity: VTDPASID_SEVERITY_*
 * @source: VTDPASID_SOURCE_*
 * @err: what a refusal on its account gives back
 * @refuses: VTDPASID_REFUSES_*, if the answer is no
 * @late: not among those that vtdp_check() asks
 * @clear: the bits have to be 0, not 1
 * @reg: register of the unit
 * @mask: the bits
 * @arises: is it a question here? Always, if NULL
 * @excused: is nothing refused here, whatever the answer? If not NULL
 * @look: finds the answer; that of @reg and @mask, if NULL. Called with 0, 1,
 *	and so on while it says VTDPASID_RESULT_OTHER
 */
struct check {
	u32 id;
	u8 scope;
	u8 severity;
	u8 source;
	bool late;
	bool clear;
	int err;
	u32 refuses;
	u32 reg;
	u64 mask;
	bool (*arises)(const struct vtdp_subject *subject);
	bool (*excused)(void);
	void (*look)(const struct vtdp_subject *subject, unsigned int nth,
		     struct vtdpasid_check_result *r);
};

struct check_words {
	const char *name;
	const char *where;
	const char *lack;
	const char *cure;
};

#define CHECK_WORDS(_name, _id, _what, _where, _lack, _cure)		\
	[_id] = { .name = #_name, .where = _where, .lack = _lack, .cure = _cure },

static const struct check_words check_words[] = {
	VTDPASID_CHECKS(CHECK_WORDS)
};

static void answer(struct vtdpasid_check_result *r, bool yes)
{
	r->answer = yes ? VTDPASID_ANSWER_YES : VTDPASID_ANSWER_NO;
}

/* What was read, and which bits of it are meant. */
static void field(struct vtdpasid_check_result *r, u32 reg, u64 value, u64 mask)
{
	r->reg = reg;
	r->value = value;
	if (!mask)
		return;
	r->bit = __ffs64(mask);
	r->bits = hweight64(mask);
}

/* Those that the kernel made up, for functions behind a VMD, are beyond. */
static u16 check_segment(struct pci_dev *pdev)
{
	return min_t(int, pci_domain_nr(pdev->bus), U16_MAX);
}

/* The answer is about another function than the one asked for. */
static void other(struct vtdpasid_check_result *r, struct pci_dev *pdev)
{
	r->flags |= VTDPASID_RESULT_OTHER;
	r->segment = check_segment(pdev);
	r->rid = pci_dev_id(pdev);
}

/* ---- CPU, kernel, module --------------------------------------------------- */

static void look_kernel_iommu(const struct vtdp_subject *subject, unsigned int nth,
			      struct vtdpasid_check_result *r)
{
	field(r, 0, intel_iommu_enabled, 0);
	answer(r, !intel_iommu_enabled);
}

static void look_dmar(const struct vtdp_subject *subject, unsigned int nth,
		      struct vtdpasid_check_result *r)
{
	field(r, ACPI_DMAR_TYPE_HARDWARE_UNIT, vtdp_nr_units, 0);
	answer(r, vtdp_nr_units);
}

/* The boot line is not there for modules to read. */
static void look_boot_line(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	r->answer = VTDPASID_ANSWER_UNKNOWN;
}

static bool in_virtual_machine(void)
{
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
}

static bool interrupts_excused(void)
{
	return in_virtual_machine() || vtdp_allow_unsafe_interrupts;
}

/*
 * Without interrupt remapping, which we need off, a write to 0xFEExxxxx is an
 * interrupt whatever the tables say. In a virtual machine that hits the guest
 * itself only.
 */
static void look_interrupts(const struct vtdp_subject *subject, unsigned int nth,
			    struct vtdpasid_check_result *r)
{
	field(r, 1, cpuid_ecx(1), BIT(31));
	answer(r, false);
}

/**
 * vtdp_check_unsafe_interrupts() - does an attach make the machine less safe?
 *
 * Return: attach is possible here because a parameter allows it, only.
 */
bool vtdp_check_unsafe_interrupts(void)
{
	return !in_virtual_machine() && vtdp_allow_unsafe_interrupts;
}

static void look_apic_ids(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	unsigned int cpu, highest = 0;

	for_each_online_cpu(cpu)
		highest = max_t(unsigned int, highest,
				per_cpu(x86_cpu_to_apicid, cpu));
	field(r, 0, highest, 0);
	answer(r, highest <= APIC_ID_MAX);
}

static bool has_enqcmd(const struct vtdp_subject *subject)
{
	return boot_cpu_data.cpuid_level >= 7 && cpuid_ecx(7) & BIT(29);
}

static void look_enqcmd(const struct vtdp_subject *subject, unsigned int nth,
			struct vtdpasid_check_result *r)
{
	field(r, 7, cpuid_ecx(7), BIT(29));
	answer(r, false);
}

/* Without it the module could not have been built. */
static void look_mm_notifier(const struct vtdp_subject *subject, unsigned int nth,
			     struct vtdpasid_check_result *r)
{
	answer(r, true);
}

static void look_lockdown(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	answer(r, !security_locked_down(LOCKDOWN_PCI_ACCESS));
}

static void look_tested(const struct vtdp_subject *subject, unsigned int nth,
			struct vtdpasid_check_result *r)
{
	answer(r, VTDP_KERNEL_TESTED);
}

static void look_layout(const struct vtdp_subject *subject, unsigned int nth,
			struct vtdpasid_check_result *r)
{
	field(r, 0, vtdp_table_layout, 0);
	answer(r, vtdp_table_layout == VTDPASID_TABLE_DEVICE);
}

static void look_deny(const struct vtdp_subject *subject, unsigned int nth,
		      struct vtdpasid_check_result *r)
{
	field(r, 0, vtdp_passthrough_all, 0);
	answer(r, !vtdp_passthrough_all);
}

/* ---- unit ------------------------------------------------------------------ */

static u64 unit_register(struct vtdp_unit *unit, u32 reg)
{
	switch (reg) {
	case VTD_CAP:
		return unit->cap;
	case VTD_ECAP:
		return unit->ecap;
	}
	return vtdp_read32(unit, reg);
}

static void look_register(const struct check *check, const struct vtdp_subject *subject,
			  struct vtdpasid_check_result *r)
{
	u64 value = unit_register(subject->unit, check->reg);

	field(r, check->reg, value, check->mask);
	answer(r, (value & check->mask) == (check->clear ? 0 : check->mask));
}

/* What we switched on ourselves is no question. */
static bool is_idle(const struct vtdp_subject *subject)
{
	return subject->unit->state == VTDPASID_UNIT_IDLE;
}

static bool has_protected(const struct vtdp_subject *subject)
{
	return is_idle(subject) && subject->unit->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR);
}

static bool cpu_has_1g(const struct vtdp_subject *subject)
{
	return boot_cpu_has(X86_FEATURE_GBPAGES);
}

static bool cpu_has_5_levels(const struct vtdp_subject *subject)
{
	return pgtable_l5_enabled();
}

static void look_working(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	field(r, 0, subject->unit->state, 0);
	answer(r, subject->unit->state != VTDPASID_UNIT_BROKEN);
}

static void look_taken(const struct vtdp_subject *subject, unsigned int nth,
		       struct vtdpasid_check_result *r)
{
	field(r, 0, subject->unit->state, 0);
	answer(r, !is_idle(subject));
}

static void look_sagaw(const struct vtdp_subject *subject, unsigned int nth,
		       struct vtdpasid_check_result *r)
{
	field(r, VTD_CAP, subject->unit->cap, VTD_CAP_SAGAW);
	answer(r, vtdp_pass_through_width(subject->unit));
}

static void look_pss(const struct vtdp_subject *subject, unsigned int nth,
		     struct vtdpasid_check_result *r)
{
	field(r, VTD_ECAP, subject->unit->ecap, VTD_ECAP_PSS);
	answer(r, FIELD_GET(VTD_ECAP_PSS, subject->unit->ecap) >= 19);
}

/* ---- function -------------------------------------------------------------- */

static void look_endpoint(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	field(r, PCI_HEADER_TYPE, subject->pdev->hdr_type, GENMASK(6, 0));
	answer(r, subject->pdev->hdr_type == PCI_HEADER_TYPE_NORMAL);
}

static void look_covered(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	field(r, ACPI_DMAR_TYPE_HARDWARE_UNIT, !!subject->unit, 0);
	answer(r, subject->unit);
}

static void look_free(const struct vtdp_subject *subject, unsigned int nth,
		      struct vtdpasid_check_result *r)
{
	answer(r, !subject->unit ||
	       !vtdp_device_by_rid(subject->unit, pci_dev_id(subject->pdev)));
}

static bool has_driver(const struct vtdp_subject *subject)
{
	return READ_ONCE(subject->pdev->dev.driver);
}

static void look_owned(const struct vtdp_subject *subject, unsigned int nth,
		       struct vtdpasid_check_result *r)
{
	answer(r, has_driver(subject));
}

static bool has_function_driver(const struct vtdp_subject *subject)
{
	return has_driver(subject) &&
	       subject->pdev->hdr_type == PCI_HEADER_TYPE_NORMAL;
}

static void look_userspace(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	answer(r, vtdp_owner_claimed(subject->pdev) ||
	       !vtdp_owner_userspace(subject->pdev));
}

static void look_alias(const struct vtdp_subject *subject, unsigned int nth,
		       struct vtdpasid_check_result *r)
{
	struct pci_dev *pdev;
	int rid;

	rid = vtdp_owner_alias(subject->pdev, nth, &pdev);
	answer(r, rid < 0);
	if (rid < 0)
		return;
	r->flags |= VTDPASID_RESULT_OTHER;
	r->rid = rid;
	if (pdev)
		r->segment = check_segment(pdev);
	pci_dev_put(pdev);
}

static void look_one_unit(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	field(r, 0, vtdp_table_layout, 0);
	answer(r, !subject->unit || vtdp_device_may_share(subject->unit));
}

static bool is_covered(const struct vtdp_subject *subject)
{
	return subject->unit;
}

static void look_firmware(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	bool uses = vtdp_unit_firmware_needs(subject->unit, subject->pdev,
					     pci_dev_id(subject->pdev));

	field(r, ACPI_DMAR_TYPE_RESERVED_MEMORY, uses, 0);
	answer(r, !uses);
}

static void look_pcie(const struct vtdp_subject *subject, unsigned int nth,
		      struct vtdpasid_check_result *r)
{
	answer(r, pci_is_pcie(subject->pdev));
}

static bool is_pcie(const struct vtdp_subject *subject)
{
	return pci_is_pcie(subject->pdev);
}

/* A 16-bit register of an extended capability, which virtual functions share. */
static int capability_word(struct pci_dev *pdev, int id, int offset,
			   struct vtdpasid_check_result *r, u64 mask)
{
	int pos = pci_find_ext_capability(pdev, id);
	u16 word = 0;

	if (pos)
		pci_read_config_word(pdev, pos + offset, &word);
	field(r, pos ? pos + offset : 0, word, mask);
	return pos;
}

static bool has_pasid(const struct vtdp_subject *subject)
{
	return pci_max_pasids(subject->pdev) > 1;
}

static void look_pasid_cap(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	capability_word(pci_physfn(subject->pdev), PCI_EXT_CAP_ID_PASID,
			PCI_PASID_CAP, r, GENMASK(12, 8));
	answer(r, has_pasid(subject));
}

static bool has_pasid_and_unit(const struct vtdp_subject *subject)
{
	return subject->unit && has_pasid(subject);
}

static void look_pasid_width(const struct vtdp_subject *subject, unsigned int nth,
			     struct vtdpasid_check_result *r)
{
	unsigned int bits = FIELD_GET(VTD_ECAP_PSS, subject->unit->ecap) + 1;

	capability_word(pci_physfn(subject->pdev), PCI_EXT_CAP_ID_PASID,
			PCI_PASID_CAP, r, GENMASK(12, 8));
	answer(r, pci_max_pasids(subject->pdev) >= 1 << min(bits, 20u));
}

static bool has_pasid_path(const struct vtdp_subject *subject)
{
	struct pci_dev *pdev = pci_physfn(subject->pdev);

	return vtdp_prefix_path(pdev) || pdev->pasid_no_tlp;
}

static void look_pasid_path(const struct vtdp_subject *subject, unsigned int nth,
			    struct vtdpasid_check_result *r)
{
	answer(r, has_pasid_path(subject));
}

static bool is_virtual_with_pasid(const struct vtdp_subject *subject)
{
	return subject->pdev->is_virtfn && has_pasid(subject);
}

static bool is_physical_with_pasid(const struct vtdp_subject *subject)
{
	return !subject->pdev->is_virtfn && has_pasid(subject);
}

/* Of attached functions it was us who did. */
static void look_pasid_off(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	struct vtdp_device *device = NULL;

	if (subject->unit)
		device = vtdp_device_by_rid(subject->unit,
					    pci_dev_id(subject->pdev));
	capability_word(subject->pdev, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, r,
			PCI_PASID_CTRL_ENABLE);
	answer(r, !subject->pdev->pasid_enabled || (device && device->pasid_on));
}

/* PCIe 9.3.7.14: virtual functions send PASIDs if the physical one does. */
static void look_pasid_pf(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	struct pci_dev *pdev = pci_physfn(subject->pdev);

	capability_word(pdev, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, r,
			PCI_PASID_CTRL_ENABLE);
	other(r, pdev);
	answer(r, pdev->pasid_enabled);
}

static void look_acs(const struct vtdp_subject *subject, unsigned int nth,
		     struct vtdpasid_check_result *r)
{
	struct pci_dev *port = vtdp_acs_lacking(subject->pdev, nth);

	answer(r, !port);
	if (!port)
		return;
	capability_word(port, PCI_EXT_CAP_ID_ACS, PCI_ACS_CAP, r, 0);
	other(r, port);
}

static void look_trusted(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	answer(r, !subject->pdev->untrusted);
}

static bool has_ats(const struct vtdp_subject *subject)
{
	return subject->pdev->ats_cap;
}

static void look_ats_cap(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	capability_word(subject->pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CAP, r, 0);
	answer(r, has_ats(subject));
}

/* 6.5.2.5 invalidates whole pages; the kernel's driver wants it, too. */
static void look_ats_aligned(const struct vtdp_subject *subject, unsigned int nth,
			     struct vtdpasid_check_result *r)
{
	capability_word(subject->pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CAP, r,
			PCI_ATS_CAP_PAGE_ALIGNED);
	answer(r, r->value & PCI_ATS_CAP_PAGE_ALIGNED);
}

/* QuickAssist of Sapphire Rapids, 8086:4940 to 4943. */
static void look_ats_order(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	const struct pci_dev *pdev = subject->pdev;

	answer(r, pdev->vendor != PCI_VENDOR_ID_INTEL ||
	       (pdev->device & 0xfffc) != 0x4940);
}

static void look_ats_off(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	struct vtdp_device *device = NULL;

	if (subject->unit)
		device = vtdp_device_by_rid(subject->unit,
					    pci_dev_id(subject->pdev));
	capability_word(subject->pdev, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, r,
			PCI_ATS_CTRL_ENABLE);
	answer(r, !subject->pdev->ats_enabled || (device && device->ats_pci));
}

static void look_ats_root(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	bool allows = vtdp_unit_allows_ats(subject->pdev);

	field(r, ACPI_DMAR_TYPE_ROOT_ATS, allows, 0);
	answer(r, allows);
}

static void look_ats_needed(const struct vtdp_subject *subject, unsigned int nth,
			    struct vtdpasid_check_result *r)
{
	bool needed = vtdp_unit_wants_ats(subject->pdev);

	field(r, ACPI_DMAR_TYPE_SATC, needed, 0);
	answer(r, !needed);
}

/* Virtual functions share the page requests of the physical one. */
static bool has_pri(const struct vtdp_subject *subject)
{
	return !subject->pdev->is_virtfn && pci_pri_supported(subject->pdev);
}

static void look_pri_cap(const struct vtdp_subject *subject, unsigned int nth,
			 struct vtdpasid_check_result *r)
{
	capability_word(subject->pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS, r, 0);
	answer(r, has_pri(subject));
}

static bool has_pri_and_pasid(const struct vtdp_subject *subject)
{
	return has_pri(subject) && has_pasid(subject) && has_pasid_path(subject);
}

/* PCIe 10.5.2.3; what it does with others is not defined. */
static void look_pri_pasid(const struct vtdp_subject *subject, unsigned int nth,
			   struct vtdpasid_check_result *r)
{
	capability_word(subject->pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS, r,
			PCI_PRI_STATUS_PASID);
	answer(r, r->value & PCI_PRI_STATUS_PASID);
}

static bool has_pri_off(const struct vtdp_subject *subject)
{
	return has_pri(subject) && !subject->pdev->pri_enabled;
}

/* PCIe 10.5.2: the interface must be stopped before it is enabled. */
static void look_pri_idle(const struct vtdp_subject *subject, unsigned int nth,
			  struct vtdpasid_check_result *r)
{
	capability_word(subject->pdev, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS, r,
			PCI_PRI_STATUS_STOPPED);
	answer(r, r->value & PCI_PRI_STATUS_STOPPED);
}

static void look_reset(const struct vtdp_subject *subject, unsigned int nth,
		       struct vtdpasid_check_result *r)
{
	answer(r, subject->pdev->reset_methods[0]);
}

/* ---- the list, in the order in which refusals look ---------------------------- */

#define CHECK(_id, _scope, _severity, _source, ...) {			\
	.id = VTDPASID_CHECK_##_id,					\
	.scope = VTDPASID_SCOPE_##_scope,				\
	.severity = VTDPASID_SEVERITY_##_severity,			\
	.source = VTDPASID_SOURCE_##_source,				\
	__VA_ARGS__							\
}

/* A bit of a unit's register, without which there is no takeover. */
#define CHECK_UNIT(_id, _reg, _mask, _err, ...)				\
	CHECK(_id, UNIT, REQUIRED, UNIT, .reg = _reg, .mask = _mask,	\
	      .refuses = VTDPASID_REFUSES_TAKEOVER, .err = -(_err),	\
	      __VA_ARGS__)

/* A bit of a unit's register that decides about less. */
#define CHECK_BIT(_id, _severity, _reg, _mask, ...)			\
	CHECK(_id, UNIT, _severity, UNIT, .reg = _reg, .mask = _mask,	\
	      .err = -EPROTONOSUPPORT, __VA_ARGS__)

static const struct check checks[] = {
	CHECK(DMAR, SYSTEM, REQUIRED, ACPI, .look = look_dmar,
	      .refuses = VTDPASID_REFUSES_TAKEOVER, .err = -ENOENT),
	CHECK(KERNEL_IOMMU, SYSTEM, REQUIRED, KERNEL, .look = look_kernel_iommu,
	      .refuses = VTDPASID_REFUSES_TAKEOVER, .err = -EBUSY),
	CHECK(BOOT_IOMMU, SYSTEM, ADVICE, BOOT, .look = look_boot_line),
	CHECK(BOOT_INTREMAP, SYSTEM, ADVICE, BOOT, .look = look_boot_line),
	CHECK(MM_NOTIFIER, SYSTEM, REQUIRED, KERNEL, .look = look_mm_notifier),
	CHECK(TESTED, SYSTEM, ADVICE, KERNEL, .look = look_tested),
	CHECK(LOCKDOWN, SYSTEM, LIMITS, KERNEL, .look = look_lockdown),
	CHECK(ENQCMD, SYSTEM, LIMITS, CPUID, .arises = has_enqcmd, .look = look_enqcmd),
	CHECK(APIC_IDS, SYSTEM, LIMITS, KERNEL, .look = look_apic_ids),
	CHECK(DENY, SYSTEM, ADVICE, MODULE, .look = look_deny),

	CHECK(ENDPOINT, DEVICE, REQUIRED, PCI, .look = look_endpoint,
	      .refuses = VTDPASID_REFUSES_CLAIM | VTDPASID_REFUSES_ATTACH,
	      .err = -EISDIR),
	CHECK(COVERED, DEVICE, REQUIRED, ACPI, .look = look_covered,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -ENOTCONN),

	CHECK(WORKING, UNIT, REQUIRED, MODULE, .look = look_working,
	      .refuses = VTDPASID_REFUSES_TAKEOVER | VTDPASID_REFUSES_ATTACH,
	      .err = -EIO),
	CHECK_UNIT(INTR_REMAP, VTD_GSTS, VTD_GSTS_IRES, EADDRINUSE, .clear = true),
	CHECK_UNIT(TRANSLATION, VTD_GSTS, VTD_GSTS_TES, EEXIST, .clear = true,
		   .arises = is_idle),
	CHECK_UNIT(QUEUE, VTD_GSTS, VTD_GSTS_QIES, EADDRINUSE, .clear = true,
		   .arises = is_idle),
	CHECK_UNIT(SMTS, VTD_ECAP, VTD_ECAP_SMTS, EPROTONOSUPPORT),
	CHECK_UNIT(FSTS, VTD_ECAP, VTD_ECAP_FSTS, EPROTONOSUPPORT),
	CHECK_UNIT(QI, VTD_ECAP, VTD_ECAP_QI, EPROTONOSUPPORT),
	CHECK_UNIT(PT, VTD_ECAP, VTD_ECAP_PT, EPROTONOSUPPORT),
	CHECK_UNIT(PASID, VTD_ECAP, VTD_ECAP_PASID, EPROTONOSUPPORT),
	CHECK_UNIT(FS1GP, VTD_CAP, VTD_CAP_FS1GP, EPROTONOSUPPORT,
		   .arises = cpu_has_1g),
	CHECK_UNIT(FS5LP, VTD_CAP, VTD_CAP_FS5LP, EPROTONOSUPPORT,
		   .arises = cpu_has_5_levels),
	CHECK_UNIT(RWBF, VTD_CAP, VTD_CAP_RWBF, EPROTONOSUPPORT, .clear = true),
	CHECK_UNIT(SAGAW, VTD_CAP, VTD_CAP_SAGAW, EPROTONOSUPPORT,
		   .look = look_sagaw),
	CHECK_UNIT(SMPWC, VTD_ECAP, VTD_ECAP_SMPWC, EPROTONOSUPPORT,
		   .excused = in_virtual_machine),
	CHECK_BIT(PROTECTED, ADVICE, VTD_PMEN, VTD_PMEN_PRS, .clear = true,
		  .arises = has_protected),
	CHECK_BIT(COHERENT, ADVICE, VTD_ECAP, VTD_ECAP_C),
	CHECK_BIT(ESRTPS, ADVICE, VTD_CAP, VTD_CAP_ESRTPS),
	CHECK_BIT(PSS, LIMITS, VTD_ECAP, VTD_ECAP_PSS, .look = look_pss),
	CHECK(TAKEN, UNIT, REQUIRED, MODULE, .look = look_taken,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -ENOTCONN),

	CHECK(FREE, DEVICE, REQUIRED, MODULE, .look = look_free,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -EBUSY),
	CHECK(OWNED, DEVICE, REQUIRED, KERNEL, .look = look_owned,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -ENXIO),
	CHECK(USERSPACE, DEVICE, REQUIRED, KERNEL,
	      .arises = has_function_driver, .look = look_userspace,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -EADDRINUSE),
	CHECK(FIRMWARE, DEVICE, REQUIRED, ACPI, .arises = is_covered,
	      .look = look_firmware, .refuses = VTDPASID_REFUSES_CLAIM,
	      .err = -EPERM),
	CHECK(ALIAS, DEVICE, REQUIRED, KERNEL, .look = look_alias,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -EXDEV),
	CHECK(INTR_ISOLATION, SYSTEM, REQUIRED, CPUID, .look = look_interrupts,
	      .excused = interrupts_excused, .refuses = VTDPASID_REFUSES_ATTACH,
	      .err = -EACCES),
	CHECK(ONE_UNIT, DEVICE, REQUIRED, MODULE, .look = look_one_unit,
	      .refuses = VTDPASID_REFUSES_ATTACH, .err = -EXDEV),
	CHECK(RESET, DEVICE, LIMITS, KERNEL, .look = look_reset),

	CHECK(PCIE, DEVICE, LIMITS, PCI, .look = look_pcie,
	      .refuses = VTDPASID_REFUSES_PASID),
	CHECK(PASID_CAP, DEVICE, LIMITS, PCI, .arises = is_pcie,
	      .look = look_pasid_cap, .refuses = VTDPASID_REFUSES_PASID),
	CHECK(PASID_WIDTH, DEVICE, LIMITS, PCI, .arises = has_pasid_and_unit,
	      .look = look_pasid_width),
	CHECK(PASID_PF, DEVICE, LIMITS, PCI, .arises = is_virtual_with_pasid,
	      .look = look_pasid_pf, .refuses = VTDPASID_REFUSES_PASID),
	CHECK(PASID_OFF, DEVICE, LIMITS, PCI, .arises = is_physical_with_pasid,
	      .look = look_pasid_off, .refuses = VTDPASID_REFUSES_PASID),
	CHECK(PASID_PATH, DEVICE, LIMITS, KERNEL, .arises = has_pasid,
	      .look = look_pasid_path, .refuses = VTDPASID_REFUSES_PASID),

	CHECK(LAYOUT, SYSTEM, LIMITS, MODULE, .look = look_layout,
	      .refuses = VTDPASID_REFUSES_ATS, .err = -EPROTONOSUPPORT),
	CHECK(TRUSTED, DEVICE, LIMITS, KERNEL, .look = look_trusted,
	      .refuses = VTDPASID_REFUSES_ATS, .err = -EKEYREJECTED),
	CHECK_BIT(DT, LIMITS, VTD_ECAP, VTD_ECAP_DT, .refuses = VTDPASID_REFUSES_ATS),
	CHECK(ATS_CAP, DEVICE, LIMITS, PCI, .look = look_ats_cap,
	      .refuses = VTDPASID_REFUSES_ATS, .err = -EPROTONOSUPPORT),
	CHECK(ATS_ALIGNED, DEVICE, LIMITS, PCI, .arises = has_ats,
	      .look = look_ats_aligned, .refuses = VTDPASID_REFUSES_ATS,
	      .err = -EPROTONOSUPPORT),
	CHECK(ATS_ORDER, DEVICE, LIMITS, PCI, .arises = has_ats,
	      .look = look_ats_order, .refuses = VTDPASID_REFUSES_ATS,
	      .err = -EPROTONOSUPPORT),
	CHECK(ATS_ROOT, DEVICE, LIMITS, ACPI, .arises = has_ats,
	      .look = look_ats_root, .refuses = VTDPASID_REFUSES_ATS,
	      .err = -EPROTONOSUPPORT),
	CHECK(ATS_OFF, DEVICE, LIMITS, PCI, .arises = has_ats, .look = look_ats_off,
	      .refuses = VTDPASID_REFUSES_ATS, .err = -EBUSY),
	CHECK(ATS_NEEDED, DEVICE, LIMITS, ACPI, .arises = has_ats,
	      .look = look_ats_needed),
	CHECK(ACS, DEVICE, LIMITS, PCI, .look = look_acs,
	      .refuses = VTDPASID_REFUSES_PASID | VTDPASID_REFUSES_ATS,
	      .err = -EXDEV),

	CHECK_BIT(PRS, LIMITS, VTD_ECAP, VTD_ECAP_PRS, .refuses = VTDPASID_REFUSES_PRI),
	CHECK_BIT(PDS, LIMITS, VTD_ECAP, VTD_ECAP_PDS, .refuses = VTDPASID_REFUSES_PRI),
	CHECK(PRI_CAP, DEVICE, LIMITS, PCI, .look = look_pri_cap,
	      .refuses = VTDPASID_REFUSES_PRI, .err = -EPROTONOSUPPORT),
	CHECK(PRI_PASID, DEVICE, LIMITS, PCI, .arises = has_pri_and_pasid,
	      .look = look_pri_pasid, .refuses = VTDPASID_REFUSES_PRI,
	      .err = -EPROTONOSUPPORT),
	/* Only after the interface was reset: ats.c */
	CHECK(PRI_IDLE, DEVICE, LIMITS, PCI, .arises = has_pri_off, .late = true,
	      .look = look_pri_idle, .refuses = VTDPASID_REFUSES_PRI,
	      .err = -EBUSY),
};

/* ---- asking ---------------------------------------------------------------- */

static void ask(const struct check *check, const struct vtdp_subject *subject,
		unsigned int nth, struct vtdpasid_check_result *r)
{
	memset(r, 0, sizeof(*r));
	r->check = check->id;
	r->scope = check->scope;
	r->severity = check->severity;
	r->source = check->source;
	r->unit = ~0u;
	if (check->scope != VTDPASID_SCOPE_SYSTEM && subject->unit)
		r->unit = subject->unit->index;
	if (check->scope == VTDPASID_SCOPE_DEVICE) {
		r->segment = check_segment(subject->pdev);
		r->rid = pci_dev_id(subject->pdev);
	}

	if (check->arises && !check->arises(subject))
		r->answer = VTDPASID_ANSWER_NONE;
	else if (check->look)
		check->look(subject, nth, r);
	else
		look_register(check, subject, r);
	if (r->answer != VTDPASID_ANSWER_NO)
		return;
	if (check->excused && check->excused())
		r->severity = VTDPASID_SEVERITY_LIMITS;
	else
		r->refuses = check->refuses;
}

/* The functions that are in the way, for the log. */
static void name_others(const struct check *check,
			const struct vtdp_subject *subject, char *buf, size_t size)
{
	struct vtdpasid_check_result r;
	unsigned int nth, at = 0;

	buf[0] = 0;
	for (nth = 0; nth <= CHECK_NAMES; nth++) {
		ask(check, subject, nth, &r);
		if (r.answer != VTDPASID_ANSWER_NO ||
		    !(r.flags & VTDPASID_RESULT_OTHER))
			return;
		if (nth == CHECK_NAMES)
			at += scnprintf(buf + at, size - at, ", ...");
		else
			at += scnprintf(buf + at, size - at, "%s%04x:%02x:%02x.%u",
					nth ? ", " : ": ", r.segment,
					PCI_BUS_NUM(r.rid), PCI_SLOT(r.rid),
					PCI_FUNC(r.rid));
	}
}

static void say_unit(const struct vtdp_unit *unit, u32 id)
{
	const struct check_words *words = &check_words[id];

	pr_err("unit %u not taken over: %s: %s (%s): %s\n", unit->index,
	       words->name, words->lack, words->where, words->cure);
}

/**
 * vtdp_check_register() - say that a register did not follow
 * @unit: unit that is not taken over therefore
 *
 * This is found out by trying only.
 */
void vtdp_check_register(const struct vtdp_unit *unit)
{
	say_unit(unit, VTDPASID_CHECK_REGISTER);
}

/* One line: who, what was refused, which check, what is the matter, what helps. */
static void say(const struct check *check, const struct vtdp_subject *subject,
		u32 acts, bool refused)
{
	const struct check_words *words = &check_words[check->id];
	char others[80];

	name_others(check, subject, others, sizeof(others));
	if (!refused)
		pr_warn("unit %u: %s: %s (%s); accepted in a virtual machine only\n",
			subject->unit->index, words->name, words->lack,
			words->where);
	else if (acts & VTDPASID_REFUSES_TAKEOVER)
		say_unit(subject->unit, check->id);
	else if (acts & VTDPASID_REFUSES_PASID)
		pci_info(subject->pdev, "attached without PASIDs: %s: %s (%s%s): %s\n",
			 words->name, words->lack, words->where, others,
			 words->cure);
	else
		pci_err(subject->pdev, "not %s: %s: %s (%s%s): %s\n",
			acts & VTDPASID_REFUSES_CLAIM ? "claimed" : "attached",
			words->name, words->lack, words->where, others,
			words->cure);
}

/**
 * vtdp_check() - may something be done?
 * @subject: with what
 * @acts: VTDPASID_REFUSES_*: what is to be done
 * @id: set to the enum vtdpasid_check that refuses it, or to 0
 *
 * Says in the log what is missing, and what helps.
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or the error that the ioctls document. For VTDPASID_REFUSES_PASID,
 * which is no error of an ioctl, only @id counts.
 */
int vtdp_check(const struct vtdp_subject *subject, u32 acts, u32 *id)
{
	struct vtdpasid_check_result r;
	const struct check *check;

	lockdep_assert_held(&vtdp_lock);
	*id = VTDPASID_CHECK_NONE;
	for (check = checks; check < checks + ARRAY_SIZE(checks); check++) {
		if (!(check->refuses & acts) || check->late)
			continue;
		ask(check, subject, 0, &r);
		if (r.refuses & acts) {
			say(check, subject, acts, true);
			*id = check->id;
			return check->err;
		}
		if (r.answer == VTDPASID_ANSWER_NO &&
		    acts & VTDPASID_REFUSES_TAKEOVER)
			say(check, subject, acts, false);
	}
	return 0;
}

/**
 * vtdp_check_one() - the same, by one condition
 * @subject: with what
 * @which: enum vtdpasid_check
 * @acts: VTDPASID_REFUSES_*: for the log
 *
 * Context: may sleep; under vtdp_lock.
 * Return: 0 or the error that the ioctls document.
 */
int vtdp_check_one(const struct vtdp_subject *subject, u32 which, u32 acts)
{
	struct vtdpasid_check_result r;
	const struct check *check;

	for (check = checks; check->id != which; check++)
		;
	ask(check, subject, 0, &r);
	if (!r.refuses)
		return 0;
	say(check, subject, acts, true);
	return check->err;
}

/**
 * vtdp_check_list() - all answers of a scope
 * @scope: VTDPASID_SCOPE_*
 * @subject: whom it is about
 * @results: filled in
 * @max: how many there is room for
 *
 * Context: may sleep; under vtdp_lock.
 * Return: how many there are.
 */
unsigned int vtdp_check_list(u32 scope, const struct vtdp_subject *subject,
			     struct vtdpasid_check_result *results,
			     unsigned int max)
{
	struct vtdpasid_check_result r;
	const struct check *check;
	unsigned int nth, count = 0;

	lockdep_assert_held(&vtdp_lock);
	for (check = checks; check < checks + ARRAY_SIZE(checks); check++) {
		if (check->scope != scope)
			continue;
		for (nth = 0; nth < CHECK_OTHERS; nth++) {
			ask(check, subject, nth, &r);
			if (nth && r.answer != VTDPASID_ANSWER_NO)
				break;
			if (count < max)
				results[count] = r;
			count++;
			if (!(r.flags & VTDPASID_RESULT_OTHER) ||
			    r.answer != VTDPASID_ANSWER_NO)
				break;
		}
	}
	return count;
}
