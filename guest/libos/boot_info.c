/*
 * Reads what the VMM passed (shared/abi.h, shared/pvh.h). The memory map is
 * RAM minus what is in use already: the low pages, this image, the modules.
 */
#include <libfdt.h>
#include <linux/virtio_ids.h>
#include "../net/addr_text.h"
#include "boot_info.h"
#include "entry.h"
#include "frames.h"
#include "memory.h"

#define MAX_USED 8

struct boot_info boot_info;

static struct {
	paddr_t start, end;
} used[MAX_USED];
static unsigned nused;

extern char libos_end[];

static void mark_used(paddr_t start, u64 len)
{
	if (nused == MAX_USED)
		panic("too many boot modules");
	used[nused].start = ALIGN_DOWN(start, PAGE_SIZE);
	used[nused++].end = ALIGN_UP(start + len, PAGE_SIZE);
}

/* Gives [start, end) to the allocator, without what is in use. */
static void add_free(paddr_t start, paddr_t end)
{
	while (start < end) {
		paddr_t stop = end, next = end;
		for (unsigned i = 0; i < nused; i++) {
			if (used[i].end <= start || used[i].start >= stop)
				continue;
			stop = MAX(used[i].start, start);
			next = used[i].end;
		}
		frames_add(start, stop);
		start = next;
	}
}

static void add_memory(const struct pvh_start_info *info)
{
	const struct pvh_memmap_entry *map =
		map_physical(info->memmap_paddr, info->memmap_entries * sizeof(*map));
	for (u32 i = 0; i < info->memmap_entries; i++)
		if (map[i].type == PVH_MEMMAP_RAM)
			add_free(map[i].addr, map[i].addr + map[i].size);
}

static u64 cells(const fdt64_t *p)
{
	return fdt64_to_cpu(*p);
}

static struct strings property_strings(const void *fdt, int node, const char *name)
{
	int len = 0;
	const char *data = fdt_getprop(fdt, node, name, &len);
	if (!data || len <= 0 || data[len - 1])
		return (struct strings){ NULL, 0 };
	return (struct strings){ data, len };
}

static const char *property_string(const void *fdt, int node, const char *name,
				   const char *otherwise)
{
	struct strings s = property_strings(fdt, node, name);
	return s.data ? s.data : otherwise;
}

/* A property of n 64-bit numbers, or NULL. */
static const fdt64_t *property_u64(const void *fdt, int node, const char *name, unsigned n)
{
	int len = 0;
	const fdt64_t *p = fdt_getprop(fdt, node, name, &len);
	return p && len == (int)(n * sizeof(*p)) ? p : NULL;
}

static void read_chosen(const void *fdt)
{
	struct boot_info *b = &boot_info;
	int len, node = fdt_path_offset(fdt, "/chosen");
	b->args = property_strings(fdt, node, "mayfly,args");
	b->env = property_strings(fdt, node, "mayfly,env");
	b->cwd = property_string(fdt, node, "mayfly,cwd", "/");
	b->hostname = property_string(fdt, node, "mayfly,hostname", "mayfly");
	b->paths = property_strings(fdt, node, "mayfly,path");
	b->path = b->paths.data;
	b->seed = fdt_getprop(fdt, node, "rng-seed", &len);
	b->seed_len = b->seed && len > 0 ? len : 0;
	b->verbose = fdt_getprop(fdt, node, "mayfly,verbose", &len) != NULL;
	b->stats = fdt_getprop(fdt, node, "mayfly,stats", &len) != NULL;
	b->fills = fdt_getprop(fdt, node, "mayfly,fills", &len) != NULL;
	b->maps = fdt_getprop(fdt, node, "mayfly,map", &len) != NULL;
	b->attends = fdt_getprop(fdt, node, "mayfly,attend", &len) != NULL;
	b->no_patch = fdt_getprop(fdt, node, "mayfly,no-patch", &len) != NULL;
	const fdt64_t *p = property_u64(fdt, node, "mayfly,program", 2);
	if (p) {
		b->program = cells(p);
		b->program_size = cells(p + 1);
	}
	p = property_u64(fdt, node, "mayfly,base", 1);
	b->program_base = p ? cells(p) : 0;
	p = property_u64(fdt, node, "mayfly,data", 2);
	if (p)
		mark_used(cells(p), cells(p + 1));
	p = property_u64(fdt, node, "mayfly,files", 2);
	if (p) {
		b->files = cells(p);
		b->files_size = cells(p + 1);
	}
	p = property_u64(fdt, node, "mayfly,contents", 2);
	if (p) {
		b->contents = cells(p);
		b->contents_size = cells(p + 1);
	}
	p = property_u64(fdt, node, "mayfly,realtime", 2);
	if (p) {
		b->realtime_tsc = cells(p);
		b->realtime_ns = cells(p + 1);
	}
	const fdt32_t *kinds = fdt_getprop(fdt, node, "mayfly,stdio", &len);
	for (int i = 0; kinds && i < 3 && len == 12; i++)
		b->stdio[i] = fdt32_to_cpu(kinds[i]);
}

static void read_cpus(const void *fdt)
{
	int child, node = fdt_path_offset(fdt, "/cpus");
	const fdt64_t *hz = property_u64(fdt, node, "timebase-frequency", 1);
	boot_info.tsc_hz = hz ? cells(hz) : 0;
	fdt_for_each_subnode (child, fdt, node)
		boot_info.cpus++;
}

static u32 word(const u8 *p)
{
	return fdt32_ld((const fdt32_t *)p);
}

static u64 quad(const u8 *p)
{
	return fdt64_ld((const fdt64_t *)p);
}

static void read_ready(struct virtio_place *v, const u8 *p, int len)
{
	unsigned n = (len - 8) / 28;
	if (len < 8 || n > MAX_QUEUES)
		return;
	v->ready = true;
	v->features = quad(p);
	p += 8;
	for (unsigned i = 0; i < n; i++, p += 28)
		v->queue[i] =
			(struct queue_place){ word(p), quad(p + 4), quad(p + 12), quad(p + 20) };
}

static u32 property_u32(const void *fdt, int node, const char *name, u32 otherwise)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);
	return p && len == 4 ? fdt32_to_cpu(*p) : otherwise;
}

static void read_net(struct net_place *net, const void *fdt, int node)
{
	int len;
	net->mac = fdt_getprop(fdt, node, "local-mac-address", &len);
	if (len != 6)
		net->mac = NULL;
	net->mtu = property_u32(fdt, node, "mayfly,mtu", 0);
	net->addresses = property_strings(fdt, node, "mayfly,addresses");
	net->gateways = property_strings(fdt, node, "mayfly,gateways");
	net->nameservers = property_strings(fdt, node, "mayfly,nameservers");
	net->dhcp = fdt_getprop(fdt, node, "mayfly,dhcp", &len) != NULL;
}

static void read_dax(struct virtio_place *v, const fdt64_t *p)
{
	struct boot_info *b = &boot_info;
	if (!p)
		return;
	v->dax = cells(p);
	v->dax_size = cells(p + 1);
	u64 end = MAX(b->dax + b->dax_size, v->dax + v->dax_size);
	b->dax = b->dax_size ? MIN(b->dax, v->dax) : v->dax;
	b->dax_size = end - b->dax;
}

static void read_virtio(const void *fdt)
{
	int node = -1, len;
	while ((node = fdt_node_offset_by_compatible(fdt, node, "virtio,mmio")) >= 0) {
		const fdt64_t *reg = property_u64(fdt, node, "reg", 2);
		const fdt32_t *irq = fdt_getprop(fdt, node, "interrupts", &len);
		if (!reg || !irq || boot_info.nvirtio == VIRTIO_MMIO_MAX)
			continue;
		struct virtio_place *v = &boot_info.virtio[boot_info.nvirtio++];
		v->gpa = cells(reg);
		v->size = cells(reg + 1);
		v->vector = fdt32_to_cpu(*irq);
		v->type = property_u32(fdt, node, "mayfly,type", 0);
		v->console = property_u32(fdt, node, "mayfly,console", -1);
		v->disk = property_u32(fdt, node, "mayfly,disk", -1);
		v->share = fdt_getprop(fdt, node, "mayfly,share", NULL);
		v->read_only = fdt_getprop(fdt, node, "mayfly,readonly", NULL) != NULL;
		read_dax(v, property_u64(fdt, node, "mayfly,dax", 2));
		if (v->share && !strcmp(v->share, "/"))
			boot_info.root = v;
		if (v->type == VIRTIO_ID_NET)
			read_net(&v->net, fdt, node);
		const u8 *ready = fdt_getprop(fdt, node, "mayfly,ready", &len);
		if (ready)
			read_ready(v, ready, len);
	}
}

static void read_device_tree(const void *fdt)
{
	boot_info.device_tree = true;
	read_chosen(fdt);
	read_cpus(fdt);
	read_virtio(fdt);
}

static u64 number(const char **s, unsigned base)
{
	u64 value = 0;
	if (base == 16 && (*s)[0] == '0' && (*s)[1] == 'x')
		*s += 2;
	for (;; (*s)++) {
		unsigned digit = **s >= '0' && **s <= '9' ? **s - '0' :
				 **s >= 'a' && **s <= 'f' ? **s - 'a' + 10 :
							    99;
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

/* virtio_mmio.device=512@0xfeb00e00:12, as QEMU's microvm appends it */
static bool read_virtio_word(const char *s)
{
	static const char key[] = "virtio_mmio.device=";
	if (strncmp(s, key, sizeof(key) - 1))
		return false;
	if (boot_info.nvirtio == VIRTIO_MMIO_MAX)
		return true;
	struct virtio_place *v = &boot_info.virtio[boot_info.nvirtio++];
	s += sizeof(key) - 1;
	v->console = v->disk = -1;
	v->net.dhcp = true; /* should it be a network interface */
	v->size = number(&s, 10);
	if (*s == 'K')
		v->size *= 1024;
	s = strchr(s, '@');
	if (!s || !*++s) {
		boot_info.nvirtio--;
		return true;
	}
	v->gpa = number(&s, 16);
	if (*s == ':') {
		s++;
		v->irq = number(&s, 10);
	}
	return true;
}

/* Appends a word; false: no room. */
static bool add_string(struct strings *list, char *room, size_t size, const char *word)
{
	size_t n = strlen(word) + 1;
	if (list->len + n > size)
		return false;
	memcpy(room + list->len, word, n);
	list->data = room;
	list->len += n;
	return true;
}

/* mayfly.ip=192.0.2.2/24 and mayfly.gw=192.0.2.1, or IPv6, or both */
static bool read_net_word(const char *s)
{
	static char ip[128], gw[128];
	struct net_place *net = &boot_info.line_net;
	struct ipaddr addr;
	unsigned prefix;
	if (!strncmp(s, "mayfly.ip=", 10) && ip_parse_prefix(s + 10, &addr, &prefix))
		return add_string(&net->addresses, ip, sizeof(ip), s + 10);
	if (!strncmp(s, "mayfly.gw=", 10) && ip_parse(s + 10, &addr))
		return add_string(&net->gateways, gw, sizeof(gw), s + 10);
	return false;
}

/*
 * A command line is the program's arguments, with '...' and "..." as quotes,
 * and what the VMM appended about its devices. argv[0] is the program's name,
 * which only the command line can know: it is the first word.
 */
static void read_command_line(const char *s)
{
	static char words[2048];
	size_t n = 0;
	while (*s) {
		size_t start = n;
		char quote = 0;
		while (*s == ' ')
			s++;
		if (!*s)
			break;
		for (; *s && (quote || *s != ' ') && n < sizeof(words) - 1; s++) {
			if (quote ? *s == quote : *s == '\'' || *s == '"')
				quote = quote ? 0 : *s;
			else
				words[n++] = *s;
		}
		if (n == sizeof(words) - 1)
			panic("command line too long");
		words[n++] = 0;
		if (read_virtio_word(words + start) || read_net_word(words + start))
			n = start;
	}
	boot_info.args = (struct strings){ words, n };
	boot_info.cwd = "/";
	boot_info.hostname = "mayfly";
	boot_info.cpus = 1;
	for (int i = 0; i < 3; i++)
		boot_info.stdio[i] = STDIO_CHAR | (i == 0 ? STDIO_READ : STDIO_WRITE);
}

void boot_info_read(paddr_t start_info)
{
	const struct pvh_start_info *info = map_physical(start_info, sizeof(*info));
	if (info->magic != PVH_MAGIC)
		panic("not a PVH start_info at %lx", start_info);
	const struct pvh_module *module =
		map_physical(info->modlist_paddr, info->nr_modules * sizeof(*module));
	for (u32 i = 0; i < info->nr_modules; i++) {
		const void *data = map_physical(module[i].paddr, module[i].size);
		mark_used(module[i].paddr, module[i].size);
		if (module[i].size >= FDT_V17_SIZE && fdt_magic(data) == FDT_MAGIC)
			read_device_tree(data);
		else if (!boot_info.program) {
			boot_info.program = module[i].paddr;
			boot_info.program_size = module[i].size;
		}
	}
	if (!boot_info.device_tree)
		read_command_line(map_physical(info->cmdline_paddr, PAGE_SIZE));
	mark_used(0, boot_info.device_tree ? LOW_FREE_GPA : GUEST_IMAGE_GPA);
	mark_used(GUEST_IMAGE_GPA, (u64)libos_end - IMAGE_BASE - GUEST_IMAGE_GPA);
	add_memory(info);
}
