/*
 * The device tree, written in one pass with libfdt's sequential writer. libfdt
 * keeps the first error and every later call returns it, or does nothing
 * useful; so errors are collected and looked at once, at the end.
 */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include "fdt.h"

struct tree {
	void *buf;
	int error; /* first of libfdt's errors, or 0 */
};

static void note(struct tree *t, int error)
{
	if (error && !t->error)
		t->error = error;
}

static void begin(struct tree *t, const char *name)
{
	note(t, fdt_begin_node(t->buf, name));
}

static void end(struct tree *t)
{
	note(t, fdt_end_node(t->buf));
}

static void property(struct tree *t, const char *name, const void *value, size_t len)
{
	note(t, fdt_property(t->buf, name, value, (int)len));
}

static void string(struct tree *t, const char *name, const char *value)
{
	property(t, name, value, strlen(value) + 1);
}

static void u32s(struct tree *t, const char *name, const uint32_t *value, unsigned n)
{
	void *to = NULL;

	note(t, fdt_property_placeholder(t->buf, name, (int)(n * 4), &to));
	for (unsigned i = 0; to && !t->error && i < n; i++)
		fdt32_st((uint8_t *)to + i * 4, value[i]);
}

static void u64s(struct tree *t, const char *name, const uint64_t *value, unsigned n)
{
	void *to = NULL;

	note(t, fdt_property_placeholder(t->buf, name, (int)(n * 8), &to));
	for (unsigned i = 0; to && !t->error && i < n; i++)
		fdt64_st((uint8_t *)to + i * 8, value[i]);
}

/* A string list of `first` (if not NULL) and n items. */
static void strings(struct tree *t, const char *name, const char *first, char *const *item,
		    unsigned n)
{
	size_t len = first ? strlen(first) + 1 : 0;
	void *to = NULL;
	char *p;

	for (unsigned i = 0; i < n; i++)
		len += strlen(item[i]) + 1;
	if (len > FDT_MAX) {
		note(t, -FDT_ERR_NOSPACE);
		return;
	}
	note(t, fdt_property_placeholder(t->buf, name, (int)len, &to));
	if (t->error)
		return;
	p = to;
	if (first)
		p = stpcpy(p, first) + 1;
	for (unsigned i = 0; i < n; i++)
		p = stpcpy(p, item[i]) + 1;
}

static void memory(struct tree *t, const struct guest_mem *mem)
{
	const uint64_t reg[] = { 0, mem->low, RAM_HOLE_END, mem->size - mem->low };

	begin(t, "memory@0");
	string(t, "device_type", "memory");
	u64s(t, "reg", reg, mem->size > mem->low ? 4 : 2);
	end(t);
}

static void cpus(struct tree *t, unsigned n, uint64_t tsc_hz)
{
	const uint32_t one = 1, zero = 0;

	begin(t, "cpus");
	u32s(t, "#address-cells", &one, 1);
	u32s(t, "#size-cells", &zero, 1);
	u64s(t, "timebase-frequency", &tsc_hz, 1);
	for (uint32_t id = 0; id < n; id++) {
		char name[16];

		snprintf(name, sizeof(name), "cpu@%x", id);
		begin(t, name);
		string(t, "device_type", "cpu");
		u32s(t, "reg", &id, 1);
		end(t);
	}
	end(t);
}

static void chosen(struct tree *t, const struct fdt_machine *m)
{
	const uint64_t program[] = { m->program_gpa, m->program_size };
	const uint64_t data[] = { m->data_gpa, m->data_size };
	const uint64_t files[] = { m->files_gpa, m->files_size };
	const uint64_t contents[] = { m->contents_gpa, m->contents_size };
	const uint64_t realtime[] = { m->realtime_tsc, m->realtime_ns };

	begin(t, "chosen");
	property(t, "rng-seed", m->seed, sizeof(m->seed));
	strings(t, "mayfly,args", m->program, m->args, m->nargs);
	strings(t, "mayfly,env", NULL, m->env, m->nenv);
	string(t, "mayfly,cwd", m->cwd);
	string(t, "mayfly,hostname", m->hostname);
	if (m->path)
		property(t, "mayfly,path", m->path, (int)m->path_len);
	if (m->program_size)
		u64s(t, "mayfly,program", program, 2);
	if (m->program_base)
		u64s(t, "mayfly,base", &m->program_base, 1);
	if (m->data_size)
		u64s(t, "mayfly,data", data, 2);
	if (m->files_size)
		u64s(t, "mayfly,files", files, 2);
	if (m->contents_size)
		u64s(t, "mayfly,contents", contents, 2);
	u64s(t, "mayfly,realtime", realtime, 2);
	u32s(t, "mayfly,stdio", m->stdio, 3);
	if (m->verbose)
		property(t, "mayfly,verbose", NULL, 0);
	if (m->stats)
		property(t, "mayfly,stats", NULL, 0);
	if (m->fills)
		property(t, "mayfly,fills", NULL, 0);
	if (m->maps)
		property(t, "mayfly,map", NULL, 0);
	if (m->attends)
		property(t, "mayfly,attend", NULL, 0);
	if (m->no_patch)
		property(t, "mayfly,no-patch", NULL, 0);
	end(t);
}

/* mayfly,ready: u64 features, then per queue u32 size and three u64. */
static void ready(struct tree *t, const struct fdt_device *dev)
{
	uint8_t value[8 + FDT_MAX_QUEUES * 28], *p = value;

	fdt64_st(p, dev->features);
	p += 8;
	for (unsigned i = 0; i < dev->nqueues; i++, p += 28) {
		fdt32_st(p, dev->queue[i].size);
		fdt64_st(p + 4, dev->queue[i].desc);
		fdt64_st(p + 12, dev->queue[i].driver);
		fdt64_st(p + 20, dev->queue[i].device);
	}
	property(t, "mayfly,ready", value, (size_t)(p - value));
}

static unsigned count(char *const *item)
{
	unsigned n = 0;

	while (item && item[n])
		n++;
	return n;
}

static void net(struct tree *t, const struct fdt_net *net)
{
	property(t, "local-mac-address", net->mac, sizeof(net->mac));
	if (net->mtu)
		u32s(t, "mayfly,mtu", &net->mtu, 1);
	if (count(net->addresses))
		strings(t, "mayfly,addresses", NULL, net->addresses, count(net->addresses));
	if (count(net->gateways))
		strings(t, "mayfly,gateways", NULL, net->gateways, count(net->gateways));
	if (count(net->nameservers))
		strings(t, "mayfly,nameservers", NULL, net->nameservers, count(net->nameservers));
	if (net->dhcp)
		property(t, "mayfly,dhcp", NULL, 0);
}

static void share(struct tree *t, const struct fdt_device *dev)
{
	const uint64_t dax[] = { dev->dax_gpa, dev->dax_size };
	void *to = NULL;

	note(t, fdt_property_placeholder(t->buf, "mayfly,share", (int)dev->share_len + 1, &to));
	if (to && !t->error) {
		memcpy(to, dev->share, dev->share_len);
		((char *)to)[dev->share_len] = 0;
	}
	if (dev->read_only)
		property(t, "mayfly,readonly", NULL, 0);
	if (dev->dax_size)
		u64s(t, "mayfly,dax", dax, 2);
}

static void device(struct tree *t, const struct fdt_device *dev)
{
	const uint64_t gpa = VIRTIO_MMIO_GPA + (uint64_t)dev->window * VIRTIO_MMIO_SIZE;
	const uint64_t reg[] = { gpa, VIRTIO_MMIO_SIZE };
	const uint32_t vector = VECTOR_DEVICE + dev->window;
	char name[24];

	snprintf(name, sizeof(name), "virtio@%llx", (unsigned long long)gpa);
	begin(t, name);
	string(t, "compatible", "virtio,mmio");
	u64s(t, "reg", reg, 2);
	u32s(t, "interrupts", &vector, 1);
	u32s(t, "mayfly,type", &dev->type, 1);
	if (dev->console >= 0)
		u32s(t, "mayfly,console", (const uint32_t *)&dev->console, 1);
	if (dev->disk >= 0)
		u32s(t, "mayfly,disk", (const uint32_t *)&dev->disk, 1);
	if (dev->net)
		net(t, dev->net);
	if (dev->share_len)
		share(t, dev);
	if (dev->nqueues)
		ready(t, dev);
	end(t);
}

/* More than the tree can take: the writer clears all that it is given, and
 * each page of it costs. */
static size_t bound(const struct fdt_machine *m)
{
	size_t n = 2048 + m->cpus * 96 + m->ndevices * (256 + FDT_MAX_QUEUES * 28) +
		   strlen(m->program) + strlen(m->cwd) + strlen(m->hostname) + m->path_len;

	for (unsigned i = 0; i < m->ndevices; i++)
		n += m->device[i].share_len + (m->device[i].net ? 1024 : 0); /* net_options.h */
	for (unsigned i = 0; i < m->nargs; i++)
		n += strlen(m->args[i]) + 1;
	for (unsigned i = 0; i < m->nenv; i++)
		n += strlen(m->env[i]) + 1;
	return n;
}

long fdt_build(void *buf, size_t room, const struct fdt_machine *machine)
{
	struct tree t = { .buf = buf };
	const uint32_t two = 2;

	if (bound(machine) < room)
		room = bound(machine);
	note(&t, fdt_create(buf, (int)room));
	note(&t, fdt_finish_reservemap(buf));
	begin(&t, "");
	string(&t, "compatible", "mayfly,vm-1");
	u32s(&t, "#address-cells", &two, 1);
	u32s(&t, "#size-cells", &two, 1);
	memory(&t, machine->mem);
	cpus(&t, machine->cpus, machine->tsc_hz);
	chosen(&t, machine);
	for (unsigned i = 0; i < machine->ndevices; i++)
		device(&t, &machine->device[i]);
	end(&t);
	note(&t, fdt_finish(buf));
	return t.error ? -ENOSPC : (long)fdt_totalsize(buf);
}
