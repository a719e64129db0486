// link: vmm/elf.c
/*
 * ELF files, good and bad. The bytes are always in a heap block of exactly
 * their length, so that the address sanitizer sees any look outside.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../shared/pvh.h"
#include "../../vmm/elf.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

/* A file of two segments (code, data with bss) and a note. */
static struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t desc;
	} note;
	uint8_t body[0x200];
} file;

static struct elf elf;

static int make_program(void **state)
{
	(void)state;
	memset(&file, 0, sizeof(file));
	memcpy(file.eh.e_ident, ELFMAG, SELFMAG);
	file.eh.e_ident[EI_CLASS] = ELFCLASS64;
	file.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	file.eh.e_ident[EI_VERSION] = EV_CURRENT;
	file.eh.e_type = ET_EXEC;
	file.eh.e_machine = EM_X86_64;
	file.eh.e_version = EV_CURRENT;
	file.eh.e_entry = 0x400010;
	file.eh.e_phoff = offsetof(struct file, ph);
	file.eh.e_ehsize = sizeof(Elf64_Ehdr);
	file.eh.e_phentsize = sizeof(Elf64_Phdr);
	file.eh.e_phnum = 2;
	file.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_X,
				   .p_vaddr = 0x400000,
				   .p_paddr = 0x400000,
				   .p_filesz = 0x100,
				   .p_memsz = 0x100 };
	file.ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				   .p_flags = PF_R | PF_W,
				   .p_offset = 0x100,
				   .p_vaddr = 0x401100,
				   .p_paddr = 0x401100,
				   .p_filesz = 0x100,
				   .p_memsz = 0x5000 };
	return 0;
}

static int make_kernel(void **state)
{
	make_program(state);
	file.eh.e_phnum = 3;
	file.ph[0].p_vaddr += 0xffffffff80000000;
	file.ph[1].p_vaddr += 0xffffffff80000000;
	file.ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE,
				   .p_offset = offsetof(struct file, note),
				   .p_filesz = sizeof(file.note),
				   .p_align = 4 };
	file.note.head = (Elf64_Nhdr){ 4, 4, XEN_ELFNOTE_PHYS32_ENTRY };
	memcpy(file.note.name, "Xen", 4);
	file.note.desc = 0x400020;
	return 0;
}

/* Parses the first `len` bytes of the file. */
static const char *parse_cut(size_t len)
{
	void *copy = malloc(len ? len : 1);
	const char *why;

	memcpy(copy, &file, len);
	why = elf_parse(&elf, copy, len);
	free(copy);
	return why;
}

static const char *parse(void)
{
	return parse_cut(sizeof(file));
}

static void expect(const char *part)
{
	const char *why = parse();

	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
}

/* ---- good files */

static void program(void **state)
{
	(void)state;
	assert_null(parse());
	assert_false(elf.pvh || elf.script || elf.interpreter[0]);
	assert_int_equal(elf.entry, 0x400010);
	assert_int_equal(elf.nsegments, 2);
	assert_int_equal(elf.segment[1].offset, 0x100);
	assert_int_equal(elf.segment[1].vaddr, 0x401100);
	assert_int_equal(elf.segment[1].memsz, 0x5000);
	assert_int_equal(elf.segment[1].flags, PF_R | PF_W);
}

static void kernel(void **state)
{
	(void)state;
	assert_null(parse());
	assert_true(elf.pvh);
	assert_int_equal(elf.pvh_entry, 0x400020);
	assert_int_equal(elf.paddr_end, 0x406100);
}

static void pie(void **state)
{
	(void)state;
	file.eh.e_type = ET_DYN;
	file.eh.e_entry = 0x10;
	file.ph[0].p_vaddr = 0;
	file.ph[1].p_vaddr = 0x1100;
	assert_null(parse());
}

static void dynamic(void **state)
{
	(void)state;
	file.eh.e_phnum = 3;
	file.ph[2] = (Elf64_Phdr){ .p_type = PT_INTERP,
				   .p_offset = offsetof(struct file, body),
				   .p_filesz = 9 };
	memcpy(file.body, "/lib/ld.so", 11);
	expect("wrongly");
	file.ph[2].p_filesz = 11;
	assert_null(parse());
	assert_string_equal(elf.interpreter, "/lib/ld.so");
	for (unsigned size = 0; size < 2; size++) {
		file.ph[2].p_filesz = size;
		expect("wrongly");
	}
	file.ph[2].p_filesz = 300;
	expect("255");
	file.ph[2].p_offset = sizeof(file) - 1;
	file.ph[2].p_filesz = 2;
	expect("truncated");
	file.ph[2].p_offset = UINT64_MAX;
	expect("truncated");
}

static void scripts(void **state)
{
	static const struct {
		const char *text, *interpreter; /* NULL: refused */
	} script[] = {
		{ "#!/bin/sh\n", "/bin/sh" },
		{ "#! \t/bin/sh -e x\n", "/bin/sh" },
		{ "#!/bin/sh", "/bin/sh" },
		{ "#!sh\tx", "sh" },
		{ "#!", NULL },
		{ "#! \n/bin/sh", NULL },
		{ "#!  ", NULL },
	};
	char line[400];

	(void)state;
	for (unsigned i = 0; i < ARRAY(script); i++) {
		size_t len = strlen(script[i].text);
		char *copy = malloc(len);
		const char *why = elf_parse(&elf, memcpy(copy, script[i].text, len), len);

		free(copy);
		assert_true(elf.script == (script[i].interpreter != NULL));
		if (script[i].interpreter)
			assert_string_equal(elf.interpreter, script[i].interpreter);
		else
			assert_non_null(strstr(why, "no interpreter"));
	}
	memset(line, 'x', sizeof(line));
	memcpy(line, "#!/", 3);
	assert_non_null(strstr(elf_parse(&elf, line, sizeof(line)), "too long"));
	line[255] = '\n';
	assert_null(elf_parse(&elf, line, sizeof(line)));
	assert_int_equal(strlen(elf.interpreter), 253);
}

static void empty_segment(void **state)
{
	(void)state;
	file.eh.e_phnum = 3;
	file.ph[2] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = 0x400000 };
	assert_null(parse());
	assert_int_equal(elf.nsegments, 2);
}

/* A note of 8-byte alignment, behind another one. */
static void notes(void **state)
{
	struct {
		Elf64_Nhdr head;
		char name[8]; /* "GNU", padded */
		uint8_t desc[16];
		Elf64_Nhdr xen;
		char xen_name[8];
		uint64_t entry;
	} two = { .head = { 4, 9, 5 },
		  .name = "GNU",
		  .xen = { 4, 8, XEN_ELFNOTE_PHYS32_ENTRY },
		  .xen_name = "Xen",
		  .entry = 0x400030 };

	(void)state;
	memcpy(file.body, &two, sizeof(two));
	file.ph[2].p_offset = offsetof(struct file, body);
	file.ph[2].p_filesz = sizeof(two);
	file.ph[2].p_align = 8;
	/* names and descriptors start at multiples of 4 from the 12-byte heads */
	assert_null(parse());
	assert_true(elf.pvh);
	assert_int_equal(elf.pvh_entry, 0x400030);
}

/* ---- every field that can be wrong */

static void ident(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
		const char *part;
	} bad[] = {
		{ EI_MAG0, 'x', "not an ELF" },     { EI_MAG3, 'x', "not an ELF" },
		{ EI_CLASS, ELFCLASS32, "32-bit" }, { EI_CLASS, 0, "class" },
		{ EI_CLASS, 3, "class" },           { EI_DATA, ELFDATA2MSB, "big-endian" },
		{ EI_DATA, 0, "big-endian" },       { EI_VERSION, 2, "version" },
	};

	for (unsigned i = 0; i < ARRAY(bad); i++) {
		make_program(state);
		file.eh.e_ident[bad[i].at] = bad[i].value;
		expect(bad[i].part);
	}
}

static void header(void **state)
{
	(void)state;
	file.eh.e_machine = EM_AARCH64;
	expect("another machine");
	make_program(NULL);
	file.eh.e_version = 7;
	expect("version");
	make_program(NULL);
	file.eh.e_type = ET_REL;
	expect("object file");
	file.eh.e_type = ET_CORE;
	expect("core dump");
	file.eh.e_type = 77;
	expect("type");
	make_program(NULL);
	file.eh.e_phnum = 0;
	expect("no program headers");
	file.eh.e_phnum = 0xffff;
	expect("more than 256");
	file.eh.e_phnum = 256;
	expect("truncated");
	make_program(NULL);
	file.eh.e_phentsize = 55;
	expect("wrong size");
	make_program(NULL);
	file.eh.e_phoff = sizeof(file) - sizeof(Elf64_Phdr) * 2 + 1;
	expect("truncated");
	file.eh.e_phoff = UINT64_MAX - 10;
	expect("truncated");
}

static void segments(void **state)
{
	(void)state;
	file.ph[1].p_memsz = 0xff;
	expect("larger in the file");
	make_program(NULL);
	file.ph[1].p_offset = sizeof(file) - 0xff;
	expect("truncated");
	file.ph[1].p_offset = UINT64_MAX;
	expect("truncated");
	make_program(NULL);
	file.ph[1].p_filesz = file.ph[1].p_memsz = UINT64_MAX;
	expect("truncated");
	make_program(NULL);
	file.ph[1].p_memsz = UINT64_MAX;
	expect("wrap");
	make_program(NULL);
	file.ph[1].p_paddr = UINT64_MAX;
	expect("wrap");
	make_program(NULL);
	file.ph[1].p_vaddr = 0x7ffffffff100;
	expect("above the addresses");
	make_program(NULL);
	file.ph[1].p_vaddr++;
	expect("cannot be mapped");
	make_program(NULL);
	file.ph[1].p_vaddr = 0x3fc100;
	expect("overlap");
	file.ph[1].p_vaddr = 0x3fb100;
	file.ph[1].p_memsz = 0x4f00; /* ends where the other begins */
	assert_null(parse());
	file.ph[1].p_memsz++;
	expect("overlap");
	make_program(NULL);
	file.ph[0].p_type = file.ph[1].p_type = PT_NULL;
	expect("nothing to load");
}

static void entry(void **state)
{
	(void)state;
	file.eh.e_entry = 0x400100;
	expect("entry point");
	file.eh.e_entry = 0x3fffff;
	expect("entry point");
	file.eh.e_entry = 0;
	expect("entry point");
	file.eh.e_entry = 0x4060ff; /* the last byte of the data */
	assert_null(parse());
	make_kernel(NULL);
	file.note.desc = 0x400100;
	expect("entry point");
	file.note.desc = 0;
	expect("entry point");
	file.note.desc = 0xffffffff;
	expect("entry point");
}

/* Kernels are judged by their physical addresses only. */
static void kernel_overlap(void **state)
{
	(void)state;
	file.ph[1].p_paddr = 0x400000;
	expect("overlap");
	make_kernel(NULL);
	file.ph[1].p_vaddr = file.ph[0].p_vaddr;
	assert_null(parse());
}

/* Notes that make no sense are no PVH notes; the file is then a program. */
static void bad_notes(void **state)
{
	(void)state;
	file.ph[0].p_vaddr = 0x400000;
	file.ph[1].p_vaddr = 0x401100;
	file.note.head.n_namesz = UINT32_MAX;
	assert_null(parse());
	assert_false(elf.pvh);
	file.note.head = (Elf64_Nhdr){ 4, UINT32_MAX, XEN_ELFNOTE_PHYS32_ENTRY };
	assert_null(parse());
	assert_false(elf.pvh);
	file.note.head = (Elf64_Nhdr){ 4, 3, XEN_ELFNOTE_PHYS32_ENTRY };
	assert_null(parse());
	assert_false(elf.pvh);
	file.note.head = (Elf64_Nhdr){ 4, 4, XEN_ELFNOTE_PHYS32_ENTRY };
	file.note.name[0] = 'x';
	assert_null(parse());
	assert_false(elf.pvh);
	file.note.name[0] = 'X';
	for (file.ph[2].p_filesz = 0; file.ph[2].p_filesz < sizeof(file.note);
	     file.ph[2].p_filesz++) {
		assert_null(parse());
		assert_false(elf.pvh);
	}
	file.ph[2].p_filesz = UINT64_MAX;
	expect("truncated");
	file.ph[2].p_offset = UINT64_MAX;
	expect("truncated");
}

static void cut_everywhere(void **state)
{
	(void)state;
	/* the data segment ends at 0x200, the note before */
	for (size_t len = 0; len < 0x200; len++)
		assert_non_null(parse_cut(len));
	assert_null(parse_cut(0x200));
}

static void other_files(void **state)
{
	(void)state;
	assert_non_null(strstr(elf_parse(&elf, "", 0), "empty"));
	assert_non_null(strstr(elf_parse(&elf, "#", 1), "not an ELF"));
	assert_non_null(strstr(elf_parse(&elf, "\177", 1), "truncated"));
	assert_non_null(strstr(elf_parse(&elf, "text", 4), "not an ELF"));
}

static void many_segments(void **state)
{
	const size_t size = sizeof(Elf64_Ehdr) + ELF_MAX_HEADERS * sizeof(Elf64_Phdr);
	uint8_t *big = calloc(1, size);
	Elf64_Phdr *ph = (Elf64_Phdr *)(big + sizeof(Elf64_Ehdr));

	(void)state;
	file.eh.e_phoff = sizeof(Elf64_Ehdr);
	for (unsigned n = ELF_MAX_SEGMENTS; n <= ELF_MAX_SEGMENTS + 1; n++) {
		file.eh.e_phnum = n;
		memcpy(big, &file.eh, sizeof(file.eh));
		for (unsigned i = 0; i < n; i++)
			ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
					      .p_vaddr = 0x400000 + i * 0x1000ull,
					      .p_memsz = 0x1000 };
		if (n == ELF_MAX_SEGMENTS)
			assert_null(elf_parse(&elf, big, size));
		else
			assert_non_null(strstr(elf_parse(&elf, big, size), "more than 64"));
	}
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(program, make_program),
		cmocka_unit_test_setup(kernel, make_kernel),
		cmocka_unit_test_setup(pie, make_program),
		cmocka_unit_test_setup(dynamic, make_program),
		cmocka_unit_test(scripts),
		cmocka_unit_test_setup(empty_segment, make_program),
		cmocka_unit_test_setup(notes, make_kernel),
		cmocka_unit_test_setup(ident, make_program),
		cmocka_unit_test_setup(header, make_program),
		cmocka_unit_test_setup(segments, make_program),
		cmocka_unit_test_setup(entry, make_program),
		cmocka_unit_test_setup(kernel_overlap, make_kernel),
		cmocka_unit_test_setup(bad_notes, make_kernel),
		cmocka_unit_test_setup(cut_everywhere, make_kernel),
		cmocka_unit_test_setup(other_files, make_program),
		cmocka_unit_test_setup(many_segments, make_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
