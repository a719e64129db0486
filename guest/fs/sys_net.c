/*
 * /sys/class/net: interfaces as programs look at them that know no rtnetlink. What
 * changes is asked for at each read: a file's name and its directory's say which.
 */
#include "../net/stack.h"
#include "sys.h"

#define ARPHRD_ETHER    1
#define ARPHRD_LOOPBACK 772
#define TX_QUEUE        1000
#define MAC_TEXT        20

static const char *const attributes[] = { "address", "addr_len",    "broadcast", "carrier",
					  "dev_id",  "dormant",     "flags",     "ifindex",
					  "iflink",  "link_mode",   "mtu",       "operstate",
					  "type",    "tx_queue_len" };
static const struct {
	const char *name;
	size_t at; /* in struct netif_stats; beyond it: nobody counts that */
} statistics[] = {
#define COUNTER(field)                                      \
	{                                                   \
#field, offsetof(struct netif_stats, field) \
	}
	COUNTER(rx_bytes),
	COUNTER(rx_packets),
	COUNTER(rx_errors),
	COUNTER(rx_dropped),
	COUNTER(tx_bytes),
	COUNTER(tx_packets),
	COUNTER(tx_errors),
	COUNTER(tx_dropped),
	COUNTER(multicast),
#undef COUNTER
	{ "collisions", sizeof(struct netif_stats) },
};

static long print_mac(char *text, const u8 *mac)
{
	return snprintf(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2],
			mac[3], mac[4], mac[5]);
}

static long print_statistic(char *text, size_t size, const struct netif *n, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(statistics); i++) {
		u64 count = 0;

		if (strcmp(statistics[i].name, name) != 0)
			continue;
		if (statistics[i].at < sizeof(n->stats))
			memcpy(&count, (const u8 *)&n->stats + statistics[i].at, sizeof(count));
		return snprintf(text, size, "%lu\n", count);
	}
	return -ENOENT;
}

static long print_state(char *text, size_t size, const struct netif *n)
{
	return snprintf(text, size, "%s\n",
			n->flags & NETIF_LOOPBACK ? "unknown" :
			n->flags & NETIF_RUNNING  ? "up" :
						    "down");
}

static long print_attribute(char *text, size_t size, const struct netif *n, const char *name)
{
	static const u8 all_ones[6] = { 255, 255, 255, 255, 255, 255 }, zeros[6];
	bool loopback = n->flags & NETIF_LOOPBACK;
	long value = 0;

	if (strcmp(name, "address") == 0)
		return print_mac(text, n->mac);
	if (strcmp(name, "broadcast") == 0)
		return print_mac(text, loopback ? zeros : all_ones);
	if (strcmp(name, "operstate") == 0)
		return print_state(text, size, n);
	if (strcmp(name, "flags") == 0)
		return snprintf(text, size, "0x%x\n", n->flags & ~(u32)NETIF_RUNNING);
	if (strcmp(name, "dev_id") == 0)
		return snprintf(text, size, "0x0\n");
	if (strcmp(name, "carrier") == 0) {
		if (!(n->flags & NETIF_UP))
			return -EINVAL;
		value = (n->flags & NETIF_RUNNING) != 0;
	} else if (strcmp(name, "addr_len") == 0) {
		value = sizeof(n->mac);
	} else if (strcmp(name, "ifindex") == 0 || strcmp(name, "iflink") == 0) {
		value = n->index;
	} else if (strcmp(name, "mtu") == 0) {
		value = n->mtu;
	} else if (strcmp(name, "type") == 0) {
		value = loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	} else if (strcmp(name, "tx_queue_len") == 0) {
		value = TX_QUEUE;
	}
	return snprintf(text, size, "%ld\n", value);
}

static long net_read(struct file *file, struct uio *uio, u64 *pos)
{
	const struct dentry *d = file->path.dentry, *dir = d->parent;
	bool statistic = strcmp(dir->name, "statistics") == 0;
	const struct netif *n = netif_by_name(statistic ? dir->parent->name : dir->name);
	char text[48];
	long len, moved;

	if (n == NULL)
		return -ENODEV;
	len = statistic ? print_statistic(text, sizeof(text), n, d->name) :
			  print_attribute(text, sizeof(text), n, d->name);
	if (len < 0 || *pos >= (u64)len)
		return MIN(len, 0l);
	moved = uio_to(uio, text + *pos, MIN(uio->resid, (size_t)len - *pos));
	if (moved > 0)
		*pos += moved;
	return moved;
}

static const struct file_ops net_ops = { .read = net_read, .lseek = file_lseek };

static void put_live(struct dentry *dir, const char *name)
{
	struct inode *inode = tmpfs_new_inode(dir->inode->sb, S_IFREG | 0444, 0);

	if (inode == NULL)
		return;
	inode->size = PAGE_SIZE; /* as all of /sys */
	inode->fops = &net_ops;
	tmpfs_put_inode(dir, name, inode);
}

/* class/net */
static bool fill_net(struct dentry *dir, const char *name)
{
	struct list *at;

	(void)name;
	if (!net_up() && net_init() < 0)
		return true;
	list_for_each (at, &netifs) {
		const struct netif *n = container_of(at, struct netif, link);
		struct dentry *d = tmpfs_make(dir, n->name, S_IFDIR | 0755, 0);

		for (unsigned i = 0; d != NULL && i < ARRAY_SIZE(attributes); i++)
			put_live(d, attributes[i]);
		d = d != NULL ? tmpfs_make(d, "statistics", S_IFDIR | 0755, 0) : NULL;
		for (unsigned i = 0; d != NULL && i < ARRAY_SIZE(statistics); i++)
			put_live(d, statistics[i].name);
	}
	return true;
}

void sys_put_net(struct dentry *sys)
{
	sys_put_dir(sys, "class/net", fill_net);
}
