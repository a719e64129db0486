/*
 * mkelf KIND FILE: writes a small ELF file that is malformed in one way, or
 * not at all (good). mkelf --list: the kinds. The base is a program of one
 * segment whose only act is exit_group(0).
 */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE 0x400000

/* mov $231,%eax; xor %edi,%edi; syscall; hlt */
static const uint8_t code[] = { 0xb8, 0xe7, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05, 0xf4 };

static const struct {
	Elf64_Nhdr head;
	char name[4];
	uint32_t entry;
} pvh_note = { { 4, 4, 18 }, "Xen", 0x200000 + 0x400 };

static struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
	uint8_t pad[0x400 - sizeof(Elf64_Ehdr) - 4 * sizeof(Elf64_Phdr)];
	uint8_t code[0x400];
	uint8_t note[0x400];
	uint8_t text[0x400];
} f;

static uint64_t file_size = sizeof(f);

static void base(void)
{
	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_ident[EI_VERSION] = EV_CURRENT;
	f.eh.e_type = ET_EXEC;
	f.eh.e_machine = EM_X86_64;
	f.eh.e_version = EV_CURRENT;
	f.eh.e_entry = BASE + offsetof(struct file, code);
	f.eh.e_phoff = offsetof(struct file, ph);
	f.eh.e_ehsize = sizeof(f.eh);
	f.eh.e_phentsize = sizeof(f.ph[0]);
	f.eh.e_phnum = 1;
	f.ph[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, BASE, BASE, sizeof(f), sizeof(f), 0x1000 };
	memcpy(f.code, code, sizeof(code));
}

/* A second segment, to be spoilt. */
static Elf64_Phdr *second(void)
{
	f.eh.e_phnum = 2;
	f.ph[1] = f.ph[0];
	f.ph[1].p_vaddr = f.ph[1].p_paddr = BASE + 0x10000;
	return &f.ph[1];
}

static void pvh(void)
{
	f.eh.e_phnum = 2;
	f.ph[0].p_paddr = 0x200000;
	f.ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				.p_offset = offsetof(struct file, note),
				.p_filesz = sizeof(pvh_note),
				.p_align = 4 };
	memcpy(f.note, &pvh_note, sizeof(pvh_note));
}

static void interp(const char *path)
{
	second()->p_type = PT_INTERP;
	f.ph[1].p_offset = offsetof(struct file, text);
	f.ph[1].p_filesz = f.ph[1].p_memsz = strlen(path) + 1;
	memcpy(f.text, path, strlen(path) + 1);
}

/* The word that a kind changes, and its new value. */
#define SET(name, field, ...)          \
	static void name(void)         \
	{                              \
		(field) = __VA_ARGS__; \
	}
static void good(void)
{
}
SET(bits32, f.eh.e_ident[EI_CLASS], ELFCLASS32)
SET(class_unknown, f.eh.e_ident[EI_CLASS], 7)
SET(big_endian, f.eh.e_ident[EI_DATA], ELFDATA2MSB)
SET(bad_version, f.eh.e_ident[EI_VERSION], 0)
SET(arm, f.eh.e_machine, EM_AARCH64)
SET(object, f.eh.e_type, ET_REL)
SET(core, f.eh.e_type, ET_CORE)
SET(type_unknown, f.eh.e_type, 0xfff0)
SET(no_headers, f.eh.e_phnum, 0)
SET(many_headers, f.eh.e_phnum, 0xffff)
SET(header_size, f.eh.e_phentsize, 1)
SET(headers_outside, f.eh.e_phoff, 1ull << 40)
SET(headers_wrap, f.eh.e_phoff, -8ull)
SET(headers_past_end, f.eh.e_phoff, sizeof(f) - 8)
SET(no_load, f.ph[0].p_type, PT_NULL)
SET(empty_load, f.ph[0].p_memsz, f.ph[0].p_filesz = 0)
SET(entry_outside, f.eh.e_entry, 0x1000)
SET(entry_kernel, f.eh.e_entry, 0xffffffff80000000)
SET(offset_outside, second()->p_offset, 1ull << 40)
SET(offset_wraps, second()->p_offset, -0x1000ull)
SET(filesz_over_memsz, second()->p_memsz, 16)
SET(memsz_wraps, second()->p_memsz, -0x1000ull)
SET(memsz_huge, second()->p_memsz, 1ull << 46)
SET(vaddr_wraps, second()->p_vaddr, -0x1000ull)
SET(vaddr_kernel, second()->p_vaddr, 0xffffffff80000000)
SET(vaddr_noncanonical, second()->p_vaddr, 1ull << 47)
SET(overlapping, second()->p_vaddr, BASE + 0x800)
SET(same_twice, second()->p_vaddr, BASE)
SET(misaligned, second()->p_vaddr, BASE + 0x10800)
SET(align_zero, f.ph[0].p_align, 0)
SET(align_odd, f.ph[0].p_align, 3)
SET(writable_text, f.ph[0].p_flags, PF_R | PF_W | PF_X)
SET(paddr_wraps, second()->p_paddr, -0x1000ull)
static void sizes(uint64_t size)
{
	second()->p_filesz = size;
	f.ph[1].p_memsz = size;
}
static void filesz_outside(void)
{
	sizes(1 << 20);
}
static void filesz_wraps(void)
{
	sizes(-1ull);
}
static void file_larger_than_memory(void)
{
	file_size = 1ull << 30;
	sizes(file_size);
}
static void cut(void)
{
	file_size = offsetof(struct file, note);
}
/* Where it is called "loader", it is its own. */
static void interp_self(void)
{
	interp("loader");
}
static void interp_missing(void)
{
	interp("/nonexistent/ld.so");
}
static void interp_endless(void)
{
	interp("/lib64/ld.so");
	memset(f.text, 'x', sizeof(f.text));
}
static void interp_outside(void)
{
	interp("/lib64/ld.so");
	f.ph[1].p_offset = 1ull << 40;
}
static void note_outside(void)
{
	pvh();
	f.ph[1].p_offset = -16ull;
}
static void note_cut(void)
{
	pvh();
	f.ph[1].p_filesz = sizeof(pvh_note) - 2;
}
static void note_lengths(void)
{
	pvh();
	memset(f.note, 0xff, 8);
}
static void pvh_entry_outside(void)
{
	pvh();
	memset(f.note + offsetof(__typeof__(pvh_note), entry), 0xff, 4);
}
static void pvh_low(void)
{
	pvh();
	f.ph[0].p_paddr = 0x6000;
}
static void pvh_in_devices(void)
{
	pvh();
	f.ph[2] = f.ph[0];
	f.ph[2].p_paddr = 0xd0000000;
	f.eh.e_phnum = 3;
}
static void pvh_beyond_memory(void)
{
	pvh();
	f.ph[2] = f.ph[0];
	f.ph[2].p_paddr = 0x80000000;
	f.eh.e_phnum = 3;
}
static void pvh_overlapping(void)
{
	pvh();
	f.ph[2] = f.ph[0];
	f.eh.e_phnum = 3;
}

#define KIND(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*spoil)(void);
} kinds[] = {
	KIND(good),
	KIND(bits32),
	KIND(class_unknown),
	KIND(big_endian),
	KIND(bad_version),
	KIND(arm),
	KIND(object),
	KIND(core),
	KIND(type_unknown),
	KIND(no_headers),
	KIND(many_headers),
	KIND(header_size),
	KIND(headers_outside),
	KIND(headers_wrap),
	KIND(headers_past_end),
	KIND(no_load),
	KIND(empty_load),
	KIND(entry_outside),
	KIND(entry_kernel),
	KIND(offset_outside),
	KIND(offset_wraps),
	KIND(filesz_outside),
	KIND(filesz_wraps),
	KIND(filesz_over_memsz),
	KIND(memsz_wraps),
	KIND(memsz_huge),
	KIND(vaddr_wraps),
	KIND(vaddr_kernel),
	KIND(vaddr_noncanonical),
	KIND(overlapping),
	KIND(same_twice),
	KIND(misaligned),
	KIND(align_zero),
	KIND(align_odd),
	KIND(writable_text),
	KIND(cut),
	KIND(paddr_wraps),
	KIND(file_larger_than_memory),
	KIND(interp_self),
	KIND(interp_missing),
	KIND(interp_endless),
	KIND(interp_outside),
	KIND(note_outside),
	KIND(note_cut),
	KIND(note_lengths),
	KIND(pvh_entry_outside),
	KIND(pvh_low),
	KIND(pvh_in_devices),
	KIND(pvh_beyond_memory),
	KIND(pvh_overlapping),
};

static int write_out(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	if (fd < 0 || write(fd, &f, sizeof(f)) != sizeof(f) || ftruncate(fd, (off_t)file_size)) {
		perror(path);
		return 1;
	}
	return close(fd) != 0;
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && !strcmp(argv[1], "--list");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (list) {
			puts(kinds[i].name);
		} else if (argc == 3 && !strcmp(argv[1], kinds[i].name)) {
			base();
			kinds[i].spoil();
			return write_out(argv[2]);
		}
	}
	if (!list)
		fprintf(stderr, "usage: mkelf KIND FILE | mkelf --list\n");
	return list ? 0 : 2;
}
