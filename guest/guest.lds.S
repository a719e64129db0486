/*
 * The guest image: one PVH ELF at GUEST_IMAGE_GPA. The kernel's pages come
 * first, then the library OS's. Virtual = IMAGE_BASE + physical.
 *
 * The two lowest page tables are written here, because only the linker knows
 * which page has which rights: pt_image maps the image, pt_direct is the
 * first 2 MiB of the domain's direct map.
 */
#include "kernel/kcall.h"
#undef i386
#define PAGE . = ALIGN(0x1000)
#define PA(s) (s - IMAGE_BASE)
#define IN(p, a, b) ((p) >= PA(a) && (p) < PA(b))
#define RX 0x21
#define RO 0x8000000000000021
#define RW 0x8000000000000063

#define IMAGE_PTE(p) QUAD( \
	(p) == AP_BOOT_GPA ? (p) | RX : \
	IN(p, kernel_text_start, kernel_text_end) ? (p) | RX : \
	IN(p, kernel_ro_start, kernel_ro_end) ? (p) | RO : \
	IN(p, kernel_data_start, kernel_end) ? (p) | RW : \
	IN(p, libos_text_start, libos_text_end) ? (p) | RX | 4 : \
	IN(p, libos_ro_start, libos_ro_end) ? (p) | RO | 4 : \
	IN(p, libos_guard, libos_stack) ? 0 : \
	IN(p, libos_data_start, libos_end) ? (p) | RW | 4 : 0)
#define DIRECT_PTE(p) QUAD( \
	(p) < 0x2000 ? 0 : \
	IN(p, tables_start, tables_end) ? (p) | RO | 4 : \
	IN(p, kernel_start, kernel_end) ? 0 : \
	IN(p, libos_text_start, libos_ro_end) ? (p) | RO | 4 : \
	IN(p, libos_guard, libos_stack) ? 0 : \
	(p) | RW | 4)

#define X8(m, p) m(p) m(p + 0x1000) m(p + 0x2000) m(p + 0x3000) \
	m(p + 0x4000) m(p + 0x5000) m(p + 0x6000) m(p + 0x7000)
#define X64(m, p) X8(m, p) X8(m, p + 0x8000) X8(m, p + 0x10000) X8(m, p + 0x18000) \
	X8(m, p + 0x20000) X8(m, p + 0x28000) X8(m, p + 0x30000) X8(m, p + 0x38000)
#define X512(m, p) X64(m, p) X64(m, p + 0x40000) X64(m, p + 0x80000) X64(m, p + 0xc0000) \
	X64(m, p + 0x100000) X64(m, p + 0x140000) X64(m, p + 0x180000) X64(m, p + 0x1c0000)

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(pvh_start_pa)
PHDRS {
	ktext PT_LOAD FLAGS(5);
	krodata PT_LOAD FLAGS(4);
	kdata PT_LOAD FLAGS(6);
	ltext PT_LOAD FLAGS(5);
	lrodata PT_LOAD FLAGS(4);
	ldata PT_LOAD FLAGS(6);
	note PT_NOTE FLAGS(4);
}
SECTIONS {
	. = IMAGE_BASE + GUEST_IMAGE_GPA;
	kernel_start = .;
	kernel_text_start = .;
	.ktext : AT(ADDR(.ktext) - IMAGE_BASE) {
		*obj?guest?kernel?trap.o(.stubs)
		*obj?guest?kernel?*.o(.text .text.*)
		PAGE;
	} :ktext
	kernel_text_end = .;
	kernel_ro_start = .;
	.krodata : AT(ADDR(.krodata) - IMAGE_BASE) {
		*obj?guest?kernel?*.o(.rodata .rodata.*)
		PAGE;
	} :krodata
	.note : AT(ADDR(.note) - IMAGE_BASE) { *(.note.Xen) PAGE; } :krodata :note
	kernel_ro_end = .;
	kernel_data_start = .;
	.kdata : AT(ADDR(.kdata) - IMAGE_BASE) {
		*obj?guest?kernel?*.o(.data .data.*)
		PAGE;
		tables_start = .;
		*obj?guest?kernel?*.o(.tables)
		PAGE;
		pt_image = .; X512(IMAGE_PTE, 0)
		pt_direct = .; X512(DIRECT_PTE, 0)
	} :kdata
	.kbss : AT(ADDR(.kbss) - IMAGE_BASE) {
		*obj?guest?kernel?*.o(.pool)
		PAGE;
		tables_end = .;
		*obj?guest?kernel?*.o(.bss .bss.* COMMON)
		PAGE;
	} :kdata
	kernel_end = .;

	libos_text_start = .;
	.ltext : AT(ADDR(.ltext) - IMAGE_BASE) {
#include "boot_order.lds"
		*(.text .text.*)
		PAGE;
	} :ltext
	libos_text_end = .;
	libos_ro_start = .;
	.lrodata : AT(ADDR(.lrodata) - IMAGE_BASE) {
		*(.rodata .rodata.*)
		. = ALIGN(16);
		extable_start = .;
		KEEP(*(.extable))
		extable_end = .;
		. = ALIGN(0x1000);
		vdso_start = .;
		KEEP(*(.vdso))
		PAGE;
	} :lrodata
	libos_ro_end = .;
	libos_data_start = .;
	.ldata : AT(ADDR(.ldata) - IMAGE_BASE) {
		*(.data .data.* .got .got.plt)
		PAGE;
	} :ldata
	.lbss : AT(ADDR(.lbss) - IMAGE_BASE) {
		*(.bss.pages)
		PAGE;
		libos_guard = .;
		. += 0x1000;
		libos_stack = .;
		. += 0x4000;
		libos_stack_top = .;
		*(.bss .bss.* COMMON)
		PAGE;
	} :ldata
	libos_end = .;

	ASSERT(libos_ro_end - vdso_start == 0x1000, "boot.S maps one page of vDSO")
	pvh_start_pa = PA(pvh_start);
	ASSERT(kernel_stubs == IMAGE_BASE + GUEST_IMAGE_GPA, "the IDT's constants need the stubs first")
	ASSERT(PA(libos_end) < 0x1e0000, "the guest image must leave room below 2 MiB")
	/DISCARD/ : { *(.comment .note.gnu* .eh_frame .eh_frame_hdr .note.GNU-stack) }
}
