/*
 * /proc/cpuinfo, from CPUID (SDM vol. 2A, CPUID; APM vol. 3, appendix E): what
 * the program itself would find.
 */
#include "../libos/proc_info.h"
#include "proc.h"

struct cpuid {
	u32 a, b, c, d;
};

static struct cpuid cpuid(u32 leaf, u32 sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}

/* Names of flags as Linux gives them; NULL: none is shown. */
static const char *const leaf1_edx[32] = {
	"fpu",  "vme",  "de",   "pse", "tsc",  "msr", "pae",   "mce", "cx8",     "apic", NULL,
	"sep",  "mtrr", "pge",  "mca", "cmov", "pat", "pse36", "pn",  "clflush", NULL,   "dts",
	"acpi", "mmx",  "fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",    "pbe",
};
static const char *const leaf1_ecx[32] = {
	"pni",    "pclmulqdq",  "dtes64", "monitor", "ds_cpl",
	"vmx",    "smx",        "est",    "tm2",     "ssse3",
	"cid",    "sdbg",       "fma",    "cx16",    "xtpr",
	"pdcm",   NULL,         "pcid",   "dca",     "sse4_1",
	"sse4_2", "x2apic",     "movbe",  "popcnt",  "tsc_deadline_timer",
	"aes",    "xsave",      NULL,     "avx",     "f16c",
	"rdrand", "hypervisor",
};
static const char *const leaf7_ebx[32] = {
	"fsgsbase",   "tsc_adjust", "sgx",        "bmi1",     "hle",      "avx2",     NULL,
	"smep",       "bmi2",       "erms",       "invpcid",  "rtm",      "cqm",      NULL,
	"mpx",        "rdt_a",      "avx512f",    "avx512dq", "rdseed",   "adx",      "smap",
	"avx512ifma", NULL,         "clflushopt", "clwb",     "intel_pt", "avx512pf", "avx512er",
	"avx512cd",   "sha_ni",     "avx512bw",   "avx512vl",
};
static const char *const ext1_ecx[8] = {
	"lahf_lm", NULL, "svm", NULL, NULL, "abm", "sse4a", "misalignsse",
};

static void show_flags(struct proc_text *t, const char *const *names, unsigned n, u32 bits)
{
	for (unsigned i = 0; i < n; i++)
		if (bits >> i & 1 && names[i] != NULL)
			proc_print(t, " %s", names[i]);
}

static void show_all_flags(struct proc_text *t)
{
	struct cpuid one = cpuid(1, 0);
	struct cpuid ext = cpuid(0x80000001, 0);

	proc_print(t, "flags\t\t:");
	show_flags(t, leaf1_edx, 32, one.d);
	if (ext.d & 1u << 11)
		proc_print(t, " syscall");
	if (ext.d & 1u << 20)
		proc_print(t, " nx");
	if (ext.d & 1u << 27)
		proc_print(t, " rdtscp");
	if (ext.d & 1u << 29)
		proc_print(t, " lm");
	show_flags(t, leaf1_ecx, 32, one.c);
	show_flags(t, ext1_ecx, 8, ext.c);
	if (cpuid(0, 0).a >= 7)
		show_flags(t, leaf7_ebx, 32, cpuid(7, 0).b);
	proc_print(t, "\n");
}

static void brand(char text[49])
{
	for (u32 i = 0; i < 3; i++) {
		struct cpuid r = cpuid(0x80000002 + i, 0);

		memcpy(text + 16 * i, &r, 16);
	}
	text[48] = 0;
}

static void show_cpu(struct proc_text *t, unsigned number)
{
	struct cpuid zero = cpuid(0, 0), one = cpuid(1, 0);
	u32 family = one.a >> 8 & 15, model = one.a >> 4 & 15;
	char vendor[13] = "", name[49];

	memcpy(vendor, &zero.b, 4);
	memcpy(vendor + 4, &zero.d, 4);
	memcpy(vendor + 8, &zero.c, 4);
	if (family == 6 || family == 15)
		model |= one.a >> 12 & 0xf0;
	if (family == 15)
		family += one.a >> 20 & 0xff;
	brand(name);
	proc_print(t, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", number,
		   vendor, family, model);
	proc_print(t, "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.%03lu\n", name,
		   one.a & 15, cpu_khz() / 1000, cpu_khz() % 1000);
	proc_print(t, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
		   cpus_online(), number, cpus_online());
	proc_print(t, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
		   zero.a);
	show_all_flags(t);
	proc_print(t, "clflush size\t: %u\ncache_alignment\t: 64\n\n", (one.b >> 8 & 0xff) * 8);
}

void proc_show_cpuinfo(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	for (unsigned i = 0; i < cpus_online(); i++)
		show_cpu(t, i);
}
