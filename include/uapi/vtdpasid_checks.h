/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vtdpasid: what VTDPASID_PREFLIGHT looks at, and what refusals name
 *
 * One list, for the module's log and for programs: VTDPASID_CHECKS(X) expands to
 * one X(name, id, what, where, lack, cure) for each check, in this order, with
 * the ids of enum vtdpasid_check:
 *
 * name   VTDPASID_CHECK_<name>
 * id     its number; append only, never given a second meaning
 * what   the prerequisite, in words: "what: yes" is how it should be
 * where  the register and field, or whatever else the answer was read from
 * lack   what is the matter when the answer is no
 * cure   what helps then
 */
#ifndef _UAPI_VTDPASID_CHECKS_H
#define _UAPI_VTDPASID_CHECKS_H

#define VTDPASID_CHECKS(X) \
	X(KERNEL_IOMMU, 1, \
	  "the kernel's IOMMU driver is off", "intel_iommu_enabled", \
	  "the kernel's intel-iommu driver runs the units", \
	  "boot with intel_iommu=off") \
	X(TRANSLATION, 2, \
	  "translation is off before takeover", "GSTS.TES", \
	  "firmware or another kernel left translation on", \
	  "reboot with intel_iommu=off, and look for DMA protection in the firmware's setup") \
	X(QUEUE, 3, \
	  "the invalidation queue is off before takeover", "GSTS.QIES", \
	  "somebody uses the invalidation queue", \
	  "boot with intel_iommu=off intremap=off") \
	X(INTR_REMAP, 4, \
	  "interrupt remapping is off", "GSTS.IRES", \
	  "interrupt remapping is on", \
	  "boot with intremap=off; if it stays on, the firmware did it, and nothing helps") \
	X(SMTS, 5, \
	  "scalable mode", "ECAP.SMTS", \
	  "no scalable mode", \
	  "this unit cannot be used") \
	X(FSTS, 6, \
	  "first-stage translation", "ECAP.FSTS", \
	  "no first-stage translation", \
	  "this unit cannot be used") \
	X(QI, 7, \
	  "queued invalidation", "ECAP.QI", \
	  "no queued invalidation", \
	  "this unit cannot be used") \
	X(PT, 8, \
	  "pass-through", "ECAP.PT", \
	  "no pass-through, so drivers would lose their DMA", \
	  "this unit cannot be used") \
	X(PASID, 9, \
	  "requests with PASID", "ECAP.PASID", \
	  "no requests with PASID", \
	  "this unit cannot be used") \
	X(FS1GP, 10, \
	  "1 GiB pages, if the CPU uses them", "CAP.FS1GP", \
	  "no 1 GiB pages, but the CPU uses them", \
	  "hide pdpe1gb from the CPU, which a hypervisor can") \
	X(FS5LP, 11, \
	  "5-level paging, if the CPU runs it", "CAP.FS5LP", \
	  "no 5-level paging, but the CPU runs it", \
	  "boot with no5lvl") \
	X(SMPWC, 12, \
	  "walks of page tables snoop the CPU's caches", "ECAP.SMPWC", \
	  "walks of page tables do not snoop the CPU's caches", \
	  "this unit cannot be used, but in a virtual machine") \
	X(RWBF, 13, \
	  "no write-buffer flushes needed", "CAP.RWBF", \
	  "it needs write-buffer flushes", \
	  "this unit cannot be used") \
	X(REGISTER, 14, \
	  "registers follow in time", "GSTS", \
	  "a register did not follow in time", \
	  "switch the machine off and on; if it stays so, this unit cannot be used") \
	X(DMAR, 15, \
	  "the firmware tells of a unit, and it answers", "ACPI table DMAR", \
	  "no unit of a DMAR table answers", \
	  "switch VT-d on in the firmware's setup, or give the virtual machine an intel-iommu") \
	X(BOOT_IOMMU, 16, \
	  "the boot line has intel_iommu=off", "/proc/cmdline", \
	  "the boot line does not have intel_iommu=off", \
	  "add it: kernels differ in what they do without") \
	X(BOOT_INTREMAP, 17, \
	  "the boot line has intremap=off", "/proc/cmdline", \
	  "the boot line does not have intremap=off", \
	  "add it: kernels differ in what they do without") \
	X(INTR_ISOLATION, 18, \
	  "devices cannot forge interrupts", "CPUID.1:ECX.31, allow_unsafe_interrupts", \
	  "a device can forge any interrupt by a write to 0xFEExxxxx", \
	  "trust your devices: allow_unsafe_interrupts=1, not needed in a virtual machine") \
	X(APIC_IDS, 19, \
	  "interrupts reach every CPU", "highest APIC id", \
	  "a CPU has an APIC id above 254: no interrupt reaches it without remapping", \
	  "direct interrupts to other CPUs, or have fewer") \
	X(ENQCMD, 20, \
	  "ENQCMD works", "CPUID.7:ECX.29", \
	  "ENQCMD does not work, since the kernel loads IA32_PASID from its own PASIDs only", \
	  "use dedicated work queues (DSA, IAX)") \
	X(MM_NOTIFIER, 21, \
	  "the kernel tells of changes of page tables", "struct mmu_notifier_ops", \
	  "the kernel does not tell of changes of page tables", \
	  "use a kernel with CONFIG_MMU_NOTIFIER") \
	X(LOCKDOWN, 22, \
	  "userspace may program devices", "lockdown of PCI access", \
	  "the kernel is locked down: drivers in userspace cannot program devices", \
	  "switch Secure Boot off, or let a kernel driver program the device") \
	X(TESTED, 23, \
	  "a kernel that the module was tested on", "kernel version", \
	  "the module was not tested on this kernel", \
	  "test it first (make check), or use a kernel of the tested range") \
	X(LAYOUT, 24, \
	  "each function has a PASID table of its own", "pasid_table", \
	  "functions share PASID tables: by its PASID a device reaches any process", \
	  "load the module without pasid_table=") \
	X(DENY, 25, \
	  "functions that nothing owns lose their DMA", "passthrough_all", \
	  "functions that nothing owns reach all of memory", \
	  "load the module without passthrough_all=1") \
	X(SAGAW, 26, \
	  "an address width for pass-through", "CAP.SAGAW", \
	  "no address width that pass-through could have", \
	  "this unit cannot be used") \
	X(PSS, 27, \
	  "PASIDs of 20 bits", "ECAP.PSS", \
	  "PASIDs have less than 20 bits", \
	  "nothing need be done: fewer processes can be bound") \
	X(COHERENT, 28, \
	  "walks of root, context and PASID tables snoop", "ECAP.C", \
	  "walks of root, context and PASID tables do not snoop", \
	  "nothing need be done: changes are flushed to memory, which takes longer") \
	X(PRS, 29, \
	  "page requests", "ECAP.PRS", \
	  "the unit has no page requests", \
	  "pin what devices use, or use another unit") \
	X(PDS, 30, \
	  "page requests can be drained", "ECAP.PDS", \
	  "the unit cannot drain page requests", \
	  "attach without page requests") \
	X(DT, 31, \
	  "device TLBs", "ECAP.DT", \
	  "the unit has no device TLBs", \
	  "attach without ATS") \
	X(ESRTPS, 32, \
	  "a new root table flushes the unit's caches", "CAP.ESRTPS", \
	  "a new root table does not flush the unit's caches", \
	  "nothing need be done: they are flushed by descriptors") \
	X(PROTECTED, 33, \
	  "no protected memory regions", "PMEN.PRS", \
	  "the firmware switched protected memory regions on", \
	  "nothing need be done: they are off while the unit is taken over") \
	X(WORKING, 34, \
	  "the unit works", "state of the unit", \
	  "the unit is broken: it stopped answering", \
	  "reboot; the kernel log has more") \
	X(TAKEN, 35, \
	  "the unit is taken over", "state of the unit", \
	  "the unit is not taken over", \
	  "take it over first") \
	X(COVERED, 36, \
	  "a unit covers the function", "ACPI table DMAR", \
	  "no unit covers the function", \
	  "move the card to another slot; if that does not help, it cannot be used") \
	X(ENDPOINT, 37, \
	  "the function is no bridge", "header type", \
	  "the function is a bridge", \
	  "attach the functions below it") \
	X(FREE, 38, \
	  "nobody has attached the function", "attached devices", \
	  "the function is attached already", \
	  "detach it, or close the file that it is attached in") \
	X(OWNED, 39, \
	  "something owns the function", "driver", \
	  "nothing owns the function", \
	  "claim it: write vtdpasid to its driver_override, and its address to drivers_probe") \
	X(USERSPACE, 40, \
	  "its driver does not hand it to userspace", "driver", \
	  "its driver hands it to userspace", \
	  "unbind that driver, and claim the function") \
	X(ALIAS, 41, \
	  "its requests carry a requester id that no other has", "PCI topology and quirks", \
	  "its requests cannot be told apart from another function's", \
	  "use a slot that is not below a PCIe-to-PCI bridge; a quirk cannot be helped") \
	X(FIRMWARE, 42, \
	  "firmware does no DMA with it", "RMRR of the ACPI table DMAR", \
	  "firmware does DMA with it, which would fail", \
	  "leave it to its driver, or switch off in the firmware's setup what uses it") \
	X(PCIE, 43, \
	  "a PCI Express function", "PCI Express capability", \
	  "a conventional PCI function, without PASIDs", \
	  "claim it and bind without PASID") \
	X(PASID_CAP, 44, \
	  "the function can send PASIDs", "PASID capability", \
	  "the function has no PASID capability", \
	  "claim it and bind without PASID") \
	X(PASID_WIDTH, 45, \
	  "the function's PASIDs are as wide as its unit's", "PASID capability", \
	  "the function's PASIDs are narrower than its unit's", \
	  "nothing need be done: low PASIDs are given out first") \
	X(PASID_PATH, 46, \
	  "PASIDs get through to the root complex", "end-end TLP prefixes", \
	  "a port on the way up lets no PASIDs through", \
	  "put it into another slot, or claim it and bind without PASID") \
	X(PASID_OFF, 47, \
	  "nobody else switched its PASIDs on", "PASID capability", \
	  "its driver switched its PASIDs on", \
	  "unbind that driver, and claim the function") \
	X(ACS, 48, \
	  "all requests go to the unit, past ports and functions beside it", "ACS capability", \
	  "it lacks access control services: requests may reach a peer, or bear its id", \
	  "put it into another slot; see also pci=config_acs=") \
	X(TRUSTED, 49, \
	  "the firmware does not mark its port as open to strangers", "ACPI ExternalFacingPort", \
	  "the firmware marks its port as open to untrusted devices", \
	  "attach without ATS") \
	X(ATS_CAP, 50, \
	  "the function has ATS", "ATS capability", \
	  "the function has no ATS", \
	  "attach without ATS") \
	X(ATS_OFF, 51, \
	  "nobody else switched its ATS on", "ATS capability", \
	  "its ATS is on already", \
	  "unbind its driver, and claim the function") \
	X(ATS_ROOT, 52, \
	  "the firmware allows ATS below its root port", "ATSR and SATC of the ACPI table DMAR", \
	  "the firmware names no ATSR for its root port", \
	  "attach without ATS, or put it into another slot") \
	X(PRI_CAP, 53, \
	  "the function has page requests", "PRI capability", \
	  "the function has no page requests of its own", \
	  "attach without page requests, and pin what it uses") \
	X(PRI_IDLE, 54, \
	  "no page requests of an earlier use are outstanding", "PRI status", \
	  "page requests of an earlier use are outstanding", \
	  "reset the function") \
	X(RESET, 55, \
	  "the function can be reset", "reset methods", \
	  "the function has no reset, so that it keeps what it knows of a process", \
	  "switch the machine off and on before somebody else uses it") \
	X(ONE_UNIT, 56, \
	  "what shares PASID tables is of one unit", "pasid_table", \
	  "another unit's functions share PASID tables already", \
	  "load the module without pasid_table=system") \
	X(PASID_PF, 57, \
	  "its physical function has PASIDs on", "PASID capability", \
	  "its physical function has its PASIDs off", \
	  "attach the physical function first") \
	X(ATS_NEEDED, 58, \
	  "the function works without ATS", "SATC of the ACPI table DMAR", \
	  "the firmware says that the function does not work without ATS", \
	  "attach with ATS") \
	X(ATS_ALIGNED, 59, \
	  "it asks for translations of whole pages", "ATS capability", \
	  "it may ask for translations within a page, which the unit need not understand", \
	  "attach without ATS") \
	X(ATS_ORDER, 60, \
	  "no erratum of its ATS is known", "PCI ids", \
	  "it says that it forgot a translation while writes by it are on their way (an erratum)", \
	  "attach without ATS") \
	X(PRI_PASID, 61, \
	  "it takes answers that bear a PASID, if it has PASIDs", "PRI status", \
	  "it does not know answers that bear a PASID", \
	  "attach without page requests, and pin what it uses")

#endif /* _UAPI_VTDPASID_CHECKS_H */
