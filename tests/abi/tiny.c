/* For the programs about execve(2), see tiny.h. */
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "tiny.h"

char *no_words[] = { NULL };

int execveat_raw(int dirfd, const char *path, char **argv, char **envp, int flags)
{
	return syscall(SYS_execveat, dirfd, path, argv, envp, flags);
}

void make_tiny(const char *path, const char *interp, unsigned machine)
{
	static const unsigned char code[] = { 0x48, 0x8b, 0x3c, 0x24, 0xb8, 0xe7,
					      0x00, 0x00, 0x00, 0x0f, 0x05 };
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[2];
		char interp[64];
		unsigned char code[sizeof(code)];
	} f;
	memset(&f, 0, sizeof(f));
	memcpy(f.e.e_ident, ELFMAG "\2\1\1", 7);
	f.e.e_type = ET_EXEC;
	f.e.e_machine = machine;
	f.e.e_version = 1;
	f.e.e_entry = 0x400000 + offsetof(typeof(f), code);
	f.e.e_phoff = offsetof(typeof(f), p);
	f.e.e_ehsize = sizeof(f.e);
	f.e.e_phentsize = sizeof(f.p[0]);
	f.e.e_phnum = interp ? 2 : 1;
	f.p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			       .p_flags = PF_R | PF_X,
			       .p_vaddr = 0x400000,
			       .p_filesz = sizeof(f),
			       .p_memsz = sizeof(f),
			       .p_align = 4096 };
	f.p[1] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = offsetof(typeof(f), interp) };
	if (interp) {
		f.p[1].p_filesz = f.p[1].p_memsz = strlen(interp) + 1;
		memcpy(f.interp, interp, f.p[1].p_filesz);
	}
	memcpy(f.code, code, sizeof(code));
	int fd = NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
	NEED(write(fd, &f, sizeof(f)));
	close(fd);
}

void make_script(const char *path, const char *text)
{
	make_file(path, text);
	NEED(chmod(path, 0755));
}
