/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers, tables and descriptors of Intel VT-d in scalable mode. No code.
 *
 * Numbers of chapters are those of the "Intel Virtualization Technology for
 * Directed I/O Architecture Specification", revision 4.1. Names follow it:
 * first-stage (FS), second-stage (SS), PASID directory, PASID table.
 */
#ifndef VTDP_VTD_REGS_H
#define VTDP_VTD_REGS_H

#include <linux/bits.h>

/* 11.4: register offsets; width in bits behind each */
#define VTD_VER			0x00	/* 32 */
#define VTD_CAP			0x08	/* 64 */
#define VTD_ECAP		0x10	/* 64 */
#define VTD_GCMD		0x18	/* 32, write only */
#define VTD_GSTS		0x1c	/* 32 */
#define VTD_RTADDR		0x20	/* 64 */
#define VTD_FSTS		0x34	/* 32 */
#define VTD_FECTL		0x38	/* 32 */
#define VTD_FEDATA		0x3c	/* 32 */
#define VTD_FEADDR		0x40	/* 32 */
#define VTD_FEUADDR		0x44	/* 32 */
#define VTD_PMEN		0x64	/* 32 */
#define VTD_IQH			0x80	/* 64 */
#define VTD_IQT			0x88	/* 64 */
#define VTD_IQA			0x90	/* 64 */
#define VTD_ICS			0x9c	/* 32 */
#define VTD_IQERCD		0xb0	/* 64 */
#define VTD_PQH			0xc0	/* 64 */
#define VTD_PQT			0xc8	/* 64 */
#define VTD_PQA			0xd0	/* 64 */
#define VTD_PRS			0xdc	/* 32 */
#define VTD_PECTL		0xe0	/* 32 */
#define VTD_PEDATA		0xe4	/* 32 */
#define VTD_PEADDR		0xe8	/* 32 */
#define VTD_PEUADDR		0xec	/* 32 */

/* 11.4.2: capability register */
#define VTD_CAP_ND		GENMASK_ULL(2, 0)	/* 2^(4 + 2 ND) domains */
#define VTD_CAP_RWBF		BIT_ULL(4)
#define VTD_CAP_PLMR		BIT_ULL(5)
#define VTD_CAP_PHMR		BIT_ULL(6)
#define VTD_CAP_CM		BIT_ULL(7)
#define VTD_CAP_SAGAW		GENMASK_ULL(12, 8)	/* 1: 39 bit, 2: 48, 3: 57 */
#define VTD_CAP_FRO		GENMASK_ULL(33, 24)	/* in 16 bytes */
#define VTD_CAP_NFR		GENMASK_ULL(47, 40)	/* less one */
#define VTD_CAP_MAMV		GENMASK_ULL(53, 48)
#define VTD_CAP_DWD		BIT_ULL(54)
#define VTD_CAP_DRD		BIT_ULL(55)
#define VTD_CAP_FS1GP		BIT_ULL(56)
#define VTD_CAP_FS5LP		BIT_ULL(60)
#define VTD_CAP_ESRTPS		BIT_ULL(63)

/* 11.4.3: extended capability register */
#define VTD_ECAP_C		BIT_ULL(0)
#define VTD_ECAP_QI		BIT_ULL(1)
#define VTD_ECAP_DT		BIT_ULL(2)
#define VTD_ECAP_IR		BIT_ULL(3)
#define VTD_ECAP_PT		BIT_ULL(6)
#define VTD_ECAP_SC		BIT_ULL(7)
#define VTD_ECAP_IRO		GENMASK_ULL(17, 8)	/* in 16 bytes */
#define VTD_ECAP_PRS		BIT_ULL(29)
#define VTD_ECAP_PSS		GENMASK_ULL(39, 35)	/* width less one */
#define VTD_ECAP_PASID		BIT_ULL(40)
#define VTD_ECAP_DIT		BIT_ULL(41)
#define VTD_ECAP_PDS		BIT_ULL(42)
#define VTD_ECAP_SMTS		BIT_ULL(43)
#define VTD_ECAP_FSTS		BIT_ULL(47)
#define VTD_ECAP_SMPWC		BIT_ULL(48)
#define VTD_ECAP_RPS		BIT_ULL(49)

/* 11.4.4: global command and status; the same bits but for the one-shots */
#define VTD_GCMD_TE		BIT(31)
#define VTD_GCMD_SRTP		BIT(30)
#define VTD_GCMD_QIE		BIT(26)
#define VTD_GSTS_TES		BIT(31)
#define VTD_GSTS_RTPS		BIT(30)
#define VTD_GSTS_QIES		BIT(26)
#define VTD_GSTS_IRES		BIT(25)
/*
 * What to write back: GSTS less the one-shot commands SRTP (30), SFL (29),
 * WBF (27) and SIRTP (24), which would be given again.
 */
#define VTD_GSTS_PERSISTENT	0x96ffffffu

/* 11.4.5: root table address; TTM 01 is scalable mode */
#define VTD_RTADDR_TTM_SCALABLE	BIT_ULL(10)

/* 11.4.7: fault status, control, recording */
#define VTD_FSTS_PFO		BIT(0)
#define VTD_FSTS_PPF		BIT(1)
#define VTD_FSTS_IQE		BIT(4)
#define VTD_FSTS_ICE		BIT(5)
#define VTD_FSTS_ITE		BIT(6)
#define VTD_FSTS_FRI		GENMASK(15, 8)
#define VTD_FRCD_SIZE		16
#define VTD_FRCD_LO_FI		GENMASK_ULL(63, 12)
#define VTD_FRCD_HI_SID		GENMASK_ULL(15, 0)
#define VTD_FRCD_HI_T2		BIT_ULL(28)
#define VTD_FRCD_HI_PRIV	BIT_ULL(29)
#define VTD_FRCD_HI_EXE		BIT_ULL(30)
#define VTD_FRCD_HI_PP		BIT_ULL(31)
#define VTD_FRCD_HI_FR		GENMASK_ULL(39, 32)
#define VTD_FRCD_HI_PASID	GENMASK_ULL(59, 40)
#define VTD_FRCD_HI_AT		GENMASK_ULL(61, 60)
#define VTD_FRCD_HI_T1		BIT_ULL(62)	/* with T2=0: 1 is a read */
#define VTD_FRCD_HI_F		BIT_ULL(63)

/* 11.4.8: protected memory */
#define VTD_PMEN_EPM		BIT(31)
#define VTD_PMEN_PRS		BIT(0)

/* 11.4.9: invalidation queue */
#define VTD_IQA_DW		BIT_ULL(11)		/* 256-bit descriptors */
#define VTD_IQA_QS		GENMASK_ULL(2, 0)	/* 2^QS pages */
#define VTD_IQT_SHIFT		5			/* with DW=1 */
#define VTD_IQERCD_IQEI		GENMASK_ULL(3, 0)
#define VTD_IQERCD_ITESID	GENMASK_ULL(47, 32)

/* 11.4.11: page requests */
#define VTD_PRS_PPR		BIT(0)
#define VTD_PRS_PRO		BIT(1)

/* Event registers: control, and behind it data, address, upper address */
#define VTD_EVENT_DATA		0x4
#define VTD_EVENT_ADDR		0x8
#define VTD_EVENT_UADDR		0xc
#define VTD_EVENT_IM		BIT(31)

/* 8.8: flags of a SATC structure of the DMAR table */
#define VTD_SATC_REQUIRED	BIT(0)

/* 9.1: scalable-mode root entry, two qwords: devfn below 0x80, and the rest */
#define VTD_ROOT_P		BIT_ULL(0)
#define VTD_ROOT_CTP		GENMASK_ULL(63, 12)
#define VTD_ROOT_ENTRIES	256
#define VTD_CTX_PER_TABLE	128

/* 9.4: scalable-mode context entry, four qwords */
#define VTD_CTX_QWORDS		4
#define VTD_CTX0_P		BIT_ULL(0)
#define VTD_CTX0_FPD		BIT_ULL(1)
#define VTD_CTX0_DTE		BIT_ULL(2)
#define VTD_CTX0_PASIDE		BIT_ULL(3)
#define VTD_CTX0_PRE		BIT_ULL(4)
#define VTD_CTX0_PDTS		GENMASK_ULL(11, 9)	/* 2^(PDTS + 7) entries */
#define VTD_CTX0_PASIDDIRPTR	GENMASK_ULL(63, 12)
#define VTD_CTX1_RID_PASID	GENMASK_ULL(19, 0)	/* reserved without RPS */

/* 9.5: PASID-directory entry */
#define VTD_PDIR_P		BIT_ULL(0)
#define VTD_PDIR_FPD		BIT_ULL(1)
#define VTD_PDIR_SMPTBLPTR	GENMASK_ULL(63, 12)

/* 9.6: scalable-mode PASID-table entry, eight qwords */
#define VTD_PASID_QWORDS	8
#define VTD_PASID0_P		BIT_ULL(0)
#define VTD_PASID0_FPD		BIT_ULL(1)
#define VTD_PASID0_AW		GENMASK_ULL(4, 2)	/* 2: 48 bit, 3: 57 bit */
#define VTD_PASID0_PGTT		GENMASK_ULL(8, 6)
#define VTD_PGTT_FIRST_STAGE	1
#define VTD_PGTT_PASS_THROUGH	4
#define VTD_PASID1_DID		GENMASK_ULL(15, 0)
#define VTD_PASID1_PWSNP	BIT_ULL(23)		/* reserved without SMPWC */
#define VTD_PASID1_PGSNP	BIT_ULL(24)		/* reserved without SC */
#define VTD_PASID2_SRE		BIT_ULL(0)
#define VTD_PASID2_FSPM		GENMASK_ULL(3, 2)	/* 0: 4-level, 1: 5-level */
#define VTD_PASID2_WPE		BIT_ULL(4)
#define VTD_PASID2_FSPTPTR	GENMASK_ULL(63, 12)

#define VTD_LEAF_SHIFT		6			/* 64 PASIDs a leaf */
#define VTD_LEAF_PASIDS		64u

/* 9.8: first-stage paging entry: bits that a walk looks at */
#define VTD_FS_P		BIT_ULL(0)
#define VTD_FS_RW		BIT_ULL(1)
#define VTD_FS_US		BIT_ULL(2)
#define VTD_FS_A		BIT_ULL(5)
#define VTD_FS_PS		BIT_ULL(7)
#define VTD_FS_ADDR		GENMASK_ULL(51, 12)

/* 6.5.2: descriptors */
#define VTD_QI_TYPE		GENMASK_ULL(3, 0)	/* of qword 0; 11:9 are 0 */
#define VTD_QI_CC		0x1	/* 6.5.2.1 context cache */
#define VTD_QI_IOTLB		0x2	/* 6.5.2.3 IOTLB */
#define VTD_QI_DEVTLB		0x3	/* 6.5.2.5 device TLB */
#define VTD_QI_WAIT		0x5	/* 6.5.2.8 wait */
#define VTD_QI_PIOTLB		0x6	/* 6.5.2.4 PASID-based IOTLB */
#define VTD_QI_PC		0x7	/* 6.5.2.2 PASID cache */
#define VTD_QI_DEVPIOTLB	0x8	/* 6.5.2.6 PASID-based device TLB */
#define VTD_QI_PGRP_RESP	0x9	/* 7.7.1 page group response */

#define VTD_QI_GRAN		GENMASK_ULL(5, 4)
#define VTD_QI_DID		GENMASK_ULL(31, 16)
#define VTD_QI_CC_GLOBAL	1
#define VTD_QI_CC_DEVICE	3
#define VTD_QI_CC_SID		GENMASK_ULL(47, 32)
#define VTD_QI_CC_FM		GENMASK_ULL(49, 48)
#define VTD_QI_PC_DOMAIN	0
#define VTD_QI_PC_PASID		1
#define VTD_QI_PC_GLOBAL	3
#define VTD_QI_PASID		GENMASK_ULL(51, 32)
#define VTD_QI_IOTLB_GLOBAL	1
#define VTD_QI_IOTLB_DOMAIN	2
#define VTD_QI_IOTLB_DW		BIT_ULL(6)
#define VTD_QI_IOTLB_DR		BIT_ULL(7)
#define VTD_QI_PIOTLB_PASID	2
#define VTD_QI_PIOTLB_PAGE	3
#define VTD_QI_PIOTLB1_AM	GENMASK_ULL(5, 0)
#define VTD_QI_DEVTLB_SID	GENMASK_ULL(47, 32)
#define VTD_QI_DEVTLB_QDEP	GENMASK_ULL(20, 16)
#define VTD_QI_DEVTLB1_S	BIT_ULL(0)
#define VTD_QI_DEVPIOTLB_SID	GENMASK_ULL(31, 16)
#define VTD_QI_DEVPIOTLB_QDEP	GENMASK_ULL(8, 4)
#define VTD_QI_DEVPIOTLB1_S	BIT_ULL(11)
#define VTD_QI_PFSID_LO		GENMASK_ULL(15, 12)	/* both device TLBs */
#define VTD_QI_PFSID_HI		GENMASK_ULL(63, 52)
#define VTD_QI_WAIT_SW		BIT_ULL(5)
#define VTD_QI_WAIT_FN		BIT_ULL(6)
#define VTD_QI_WAIT_PD		BIT_ULL(7)
#define VTD_QI_WAIT_DATA	GENMASK_ULL(63, 32)

/* 7.4.1: page request descriptor, four qwords, the last two private data */
#define VTD_PRQ_SHIFT		5
#define VTD_PRQ0_TYPE		GENMASK_ULL(7, 0)
#define VTD_PRQ_TYPE		1
#define VTD_PRQ0_PP		BIT_ULL(8)
#define VTD_PRQ0_RID		GENMASK_ULL(31, 16)
#define VTD_PRQ0_PASID		GENMASK_ULL(51, 32)
#define VTD_PRQ0_EXR		BIT_ULL(52)
#define VTD_PRQ0_PMR		BIT_ULL(53)
#define VTD_PRQ1_RDR		BIT_ULL(0)
#define VTD_PRQ1_WRR		BIT_ULL(1)
#define VTD_PRQ1_LPIG		BIT_ULL(2)
#define VTD_PRQ1_PRGI		GENMASK_ULL(11, 3)
#define VTD_PRQ1_ADDR		GENMASK_ULL(63, 12)
#define VTD_PRGIS		512

/* 7.7.1: page group response */
#define VTD_QI_PGRP_PP		BIT_ULL(4)
#define VTD_QI_PGRP_RC		GENMASK_ULL(15, 12)
#define VTD_QI_PGRP_RID		GENMASK_ULL(31, 16)
#define VTD_QI_PGRP1_LPIG	BIT_ULL(2)
#define VTD_QI_PGRP1_PRGI	GENMASK_ULL(11, 3)
#define VTD_PGRP_SUCCESS	0
#define VTD_PGRP_INVALID	1

#endif /* VTDP_VTD_REGS_H */
