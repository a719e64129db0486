/*
 * What a program finds when it starts: arguments, environment, auxiliary
 * vector, the vDSO, thread-local storage, relocated data, CPU state.
 */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "abi.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- arguments and environment ---- */

static void print_args(void)
{
	say("argc = %d", abi_argc);
	for (int i = 1; i < abi_argc; i++)
		say("argv[%d] = \"%s\"", i, abi_argv[i]);
}

CASE(argv_plain, ALONE)
{
	print_args();
	CHECK(abi_argv[abi_argc] == NULL);
}

CASE(argv0_name)
{
	say("argv[0] ends in %s", base_name(abi_argv[0]));
}

CASE(argv_words, ALONE, .args = "one two three")
{
	print_args();
}

CASE(argv_empty, ALONE, .args = "'' x ''")
{
	print_args();
	CHECK(abi_argv[2][0] == 0);
}

CASE(argv_spaces, ALONE, .args = "'a b' '  lead' 'trail  ' 'tab	in'")
{
	print_args();
}

CASE(argv_special, ALONE, .args = "'a=b' '$HOME' '*' '\\\\' '\"q\"' ';' '%s' '--'")
{
	print_args();
}

CASE(argv_dashes, ALONE, .args = "--verbose -- --mem 64M -x")
{
	print_args();
}

CASE(argv_utf8, ALONE, .args = "'grün' '日本'")
{
	print_args();
	say("bytes: %zu %zu", strlen(abi_argv[2]), strlen(abi_argv[3]));
}

CASE(argv_many, ALONE,
     .args = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 "
	     "25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40")
{
	int sum = 0;

	for (int i = 2; i < abi_argc; i++)
		sum += atoi(abi_argv[i]);
	say("argc = %d, sum = %d", abi_argc, sum);
}

#define TEN(x) x x x x x x x x x x
CASE(argv_long, ALONE, .args = TEN(TEN("0123456789abcdef0123456789abcdef")))
{
	say("argc = %d, strlen = %zu", abi_argc, strlen(abi_argv[2]));
	say("tail = %s", abi_argv[2] + strlen(abi_argv[2]) - 8);
}

CASE(argv_writable)
{
	abi_argv[1][0] ^= 0x20;
	abi_argv[1][0] ^= 0x20;
	say("argv can be written");
}

CASE(env_given, ALONE, .env = "ABI_ONE=1 ABI_TWO=two ABI_EMPTY= ABI_EQ=a=b=c")
{
	say("ABI_ONE = %s", getenv("ABI_ONE"));
	say("ABI_TWO = %s", getenv("ABI_TWO"));
	say("ABI_EMPTY = \"%s\"", getenv("ABI_EMPTY"));
	say("ABI_EQ = %s", getenv("ABI_EQ"));
}

CASE(env_missing, ALONE, .env = "ABI_ONE=1")
{
	CHECK(getenv("ABI_ON") == NULL);
	CHECK(getenv("ABI_ONE_") == NULL);
	CHECK(getenv("") == NULL);
}

CASE(env_change, ALONE)
{
	SHOW(setenv("ABI_NEW", "x", 1));
	say("%s", getenv("ABI_NEW"));
	SHOW(setenv("ABI_NEW", "y", 0));
	say("%s", getenv("ABI_NEW"));
	SHOW(unsetenv("ABI_NEW"));
	CHECK(getenv("ABI_NEW") == NULL);
	SHOW(setenv("A=B", "x", 1));
}

/* ---- the initial stack (psABI 3.4.1) ---- */

CASE(stack_layout, ALONE)
{
	long *words = (long *)abi_argv;
	char **end = abi_envp;

	CHECK(words[-1] == abi_argc);
	CHECK((uintptr_t)&words[-1] % 16 == 0);
	CHECK(abi_envp == abi_argv + abi_argc + 1);
	while (*end != NULL)
		end++;
	Elf64_auxv_t *aux = (Elf64_auxv_t *)(end + 1);
	int entries = 0;
	while (aux[entries].a_type != AT_NULL && entries < 100)
		entries++;
	CHECK(entries >= 10 && entries < 100);
	CHECK((uintptr_t)abi_argv[0] > (uintptr_t)&aux[entries]);
}

CASE(stack_strings_in_order, ALONE, .args = "a bb ccc")
{
	bool ordered = true;

	for (int i = 1; i < abi_argc; i++)
		ordered &= abi_argv[i] == abi_argv[i - 1] + strlen(abi_argv[i - 1]) + 1;
	CHECK(ordered);
}

/* ---- auxiliary vector ---- */

CASE(aux_page_size)
{
	SHOW(getauxval(AT_PAGESZ));
	SHOW(sysconf(_SC_PAGESIZE));
}

CASE(aux_program_headers)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long n = getauxval(AT_PHNUM);
	int loads = 0;

	SHOW(getauxval(AT_PHENT));
	CHECK(n > 0 && n < 30);
	for (unsigned long i = 0; i < n; i++)
		loads += ph[i].p_type == PT_LOAD;
	CHECK(loads >= 2);
}

CASE(aux_headers_in_image)
{
	extern const char __ehdr_start[];
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)__ehdr_start;

	CHECK(getauxval(AT_PHDR) == (uintptr_t)eh + eh->e_phoff);
	CHECK(getauxval(AT_PHNUM) == eh->e_phnum);
}

CASE(aux_entry)
{
	extern char _start[];

	CHECK(getauxval(AT_ENTRY) == (uintptr_t)_start);
}

CASE(aux_base)
{
	/* 0: a static program has no interpreter */
	SHOW(getauxval(AT_BASE));
	SHOW(getauxval(AT_FLAGS));
}

CASE(aux_random)
{
	const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
	int zeros = 0;

	CHECK(bytes != NULL);
	for (int i = 0; i < 16; i++)
		zeros += bytes[i] == 0;
	CHECK(zeros < 8);
}

CASE(aux_secure)
{
	SHOW(getauxval(AT_SECURE));
}

CASE(aux_execfn)
{
	const char *name = (const char *)getauxval(AT_EXECFN);

	CHECK(name != NULL);
	say("AT_EXECFN ends in %s", base_name(name));
}

CASE(aux_platform)
{
	const char *name = (const char *)getauxval(AT_PLATFORM);

	say("AT_PLATFORM = %s", name ? name : "none");
}

/* Of AT_HWCAP glibc's getauxval tells its own version. */
static unsigned long raw_aux(unsigned long type)
{
	char **end = abi_envp;

	while (*end != NULL)
		end++;
	for (Elf64_auxv_t *aux = (Elf64_auxv_t *)(end + 1); aux->a_type != AT_NULL; aux++)
		if (aux->a_type == type)
			return aux->a_un.a_val;
	return 0;
}

static unsigned cpuid_1_edx(void)
{
	unsigned a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

CASE(aux_hwcap, ALONE)
{
	/* cpuid(1).edx; bits that Linux may clear or that differ by CPU aside */
	unsigned long basic = 0x07808111 & ~0x100ul;

	CHECK((raw_aux(AT_HWCAP) & basic) == (cpuid_1_edx() & basic));
	CHECK((raw_aux(AT_HWCAP) & (1 << 26)) != 0);
}

CASE(aux_ids)
{
	CHECK(getauxval(AT_UID) == getuid());
	CHECK(getauxval(AT_EUID) == geteuid());
	CHECK(getauxval(AT_GID) == getgid());
	CHECK(getauxval(AT_EGID) == getegid());
}

CASE(aux_clock_tick)
{
	SHOW(getauxval(AT_CLKTCK));
	SHOW(sysconf(_SC_CLK_TCK));
}

CASE(aux_signal_stack)
{
	CHECK(getauxval(AT_MINSIGSTKSZ) >= 1024);
	CHECK(getauxval(AT_MINSIGSTKSZ) < 65536);
}

CASE(aux_raw_agrees, ALONE)
{
	CHECK(raw_aux(AT_PAGESZ) == getauxval(AT_PAGESZ));
	CHECK(raw_aux(AT_PHDR) == getauxval(AT_PHDR));
	CHECK(raw_aux(AT_ENTRY) == getauxval(AT_ENTRY));
	CHECK(raw_aux(AT_RANDOM) == getauxval(AT_RANDOM));
	CHECK(raw_aux(AT_SYSINFO_EHDR) == getauxval(AT_SYSINFO_EHDR));
}

CASE(aux_unknown)
{
	errno = 0;
	SHOW(getauxval(9999));
	say("errno: %s", errno_name(errno));
}

/* ---- vDSO ---- */

static const Elf64_Ehdr *vdso(void)
{
	return (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
}

CASE(vdso_is_elf)
{
	CHECK(vdso() != NULL);
	CHECK((uintptr_t)vdso() % 4096 == 0);
	CHECK(memcmp(vdso()->e_ident, ELFMAG, SELFMAG) == 0);
	CHECK(vdso()->e_type == ET_DYN);
	CHECK(vdso()->e_machine == EM_X86_64);
	CHECK(vdso()->e_phnum >= 2);
}

static const Elf64_Dyn *vdso_dynamic(uintptr_t *bias)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uintptr_t)vdso() + vdso()->e_phoff);
	const Elf64_Dyn *dyn = NULL;

	for (int i = 0; i < vdso()->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			*bias = (uintptr_t)vdso() + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)((uintptr_t)vdso() + ph[i].p_offset);
	}
	return dyn;
}

static uintptr_t dynamic_value(const Elf64_Dyn *dyn, Elf64_Sxword tag)
{
	for (; dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == tag)
			return dyn->d_un.d_ptr;
	return 0;
}

static void *vdso_symbol(const char *name)
{
	uintptr_t bias = 0;
	const Elf64_Dyn *dyn = vdso_dynamic(&bias);
	const char *strings = (const char *)bias + dynamic_value(dyn, DT_STRTAB);
	const Elf64_Sym *sym = (const Elf64_Sym *)(bias + dynamic_value(dyn, DT_SYMTAB));
	/* the symbol table has no length; in a vDSO the strings follow it */
	uintptr_t end = (uintptr_t)strings;

	for (; (uintptr_t)(sym + 1) <= end; sym++)
		if (strcmp(strings + sym->st_name, name) == 0)
			return (void *)(bias + sym->st_value);
	return NULL;
}

CASE(vdso_clock_symbols)
{
	CHECK(vdso_symbol("__vdso_clock_gettime") != NULL);
	CHECK(vdso_symbol("__vdso_gettimeofday") != NULL);
	CHECK(vdso_symbol("__vdso_time") != NULL);
	CHECK(vdso_symbol("__vdso_nothing") == NULL);
}

CASE(vdso_clock_call)
{
	int (*gettime)(int, struct timespec *) =
		(int (*)(int, struct timespec *))(uintptr_t)vdso_symbol("__vdso_clock_gettime");
	struct timespec ts = { 0, -1 };

	if (gettime == NULL) {
		say("no __vdso_clock_gettime");
		return;
	}
	SHOW(gettime(1, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	/* no errno here: the raw value, from the system call behind it */
	say("a clock that is not there: %s", errno_name(-gettime(77, &ts)));
}

/* ---- program data ---- */

static __thread int tls_int = 42;
static __thread char tls_zero[300];
static __thread struct {
	char c;
} __attribute__((aligned(64))) tls_aligned;
static __thread const char *tls_pointer = "relocated";

CASE(tls_initial)
{
	int sum = 0;

	say("tls_int = %d", tls_int);
	for (size_t i = 0; i < sizeof(tls_zero); i++)
		sum += tls_zero[i];
	say("tls_zero sum = %d", sum);
	CHECK((uintptr_t)launder(&tls_aligned) % 64 == 0);
	say("tls_pointer = %s", tls_pointer);
}

CASE(tls_write)
{
	int old = tls_int;

	tls_int = 7;
	tls_zero[299] = 1;
	say("tls_int = %d, tls_zero[299] = %d", tls_int, tls_zero[299]);
	tls_int = old;
	tls_zero[299] = 0;
}

CASE(tls_fs_self)
{
	uintptr_t self;

	/* the psABI's: the word at %fs:0 holds its own address */
	__asm__("mov %%fs:0, %0" : "=r"(self));
	CHECK(self == *(uintptr_t *)self);
	CHECK(self - (uintptr_t)&tls_int < 8192);
}

static int twice(int x)
{
	return 2 * x;
}
static int thrice(int x)
{
	return 3 * x;
}
static int (*volatile const table[])(int) = { twice, thrice };
static const char *const volatile words[] = { "alpha", "beta", "gamma" };

CASE(data_relocated)
{
	say("%d %d", table[0](7), table[1](7));
	say("%s %s %s", words[0], words[1], words[2]);
}

static volatile int data_word = 0x1234;
static volatile int bss_words[5000];

CASE(data_and_bss, ALONE)
{
	int sum = 0;

	for (int i = 0; i < 5000; i++)
		sum |= bss_words[i];
	say("data %#x, bss %d", (unsigned)data_word, sum);
	data_word++;
	bss_words[4999] = 1;
	say("data %#x, bss %d", (unsigned)data_word, bss_words[4999]);
}

static int constructed;

static void __attribute__((constructor(200))) construct_first(void)
{
	constructed = 1;
}

static void __attribute__((constructor(300))) construct_second(void)
{
	constructed = constructed * 10 + 2;
}

CASE(constructors_ran)
{
	say("constructed = %d", constructed);
}

/* Takes part in every run of this program; only one case may hear of it. */
static bool speak_at_end;

static void __attribute__((destructor)) destruct(void)
{
	if (speak_at_end)
		say("destructor");
}

CASE(destructors_run, ALONE)
{
	speak_at_end = true;
	say("leaving");
}

static int count_objects(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	if (info->dlpi_phnum > 0)
		++*(int *)data;
	return 0;
}

CASE(phdr_iterate)
{
	int n = 0;

	dl_iterate_phdr(count_objects, &n);
	CHECK(n >= 1);
}

/* ---- CPU state ---- */

CASE(cpu_float_state)
{
	unsigned mxcsr;
	unsigned short fcw;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	/* flags aside: printing may have set them */
	say("mxcsr %#x, x87 control %#x", mxcsr & ~0x3fu, fcw);
}

CASE(cpu_flags)
{
	unsigned long flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	say("DF %d, TF %d, IF %d, AC %d, IOPL %d", (int)(flags >> 10 & 1), (int)(flags >> 8 & 1),
	    (int)(flags >> 9 & 1), (int)(flags >> 18 & 1), (int)(flags >> 12 & 3));
}

CASE(cpu_segments)
{
	unsigned short cs, ss, ds, es;

	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	__asm__ volatile("mov %%ss, %0" : "=r"(ss));
	__asm__ volatile("mov %%ds, %0" : "=r"(ds));
	__asm__ volatile("mov %%es, %0" : "=r"(es));
	say("privilege %d %d", cs & 3, ss & 3);
	say("ds %d, es %d", ds, es);
}

CASE(cpu_instructions)
{
	/* runtime choice of the best memcpy in glibc relies on it */
	__builtin_cpu_init();
	CHECK(__builtin_cpu_supports("sse2"));
	unsigned lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	uint64_t first = (uint64_t)hi << 32 | lo;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	CHECK(((uint64_t)hi << 32 | lo) >= first);
}
