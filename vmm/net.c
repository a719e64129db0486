/*
 * virtio-net, device side (virtio 1.2, 5.1), see net.h.
 *
 * Frames go between the backend's descriptors and the driver's buffers without
 * a copy: net_rx.c, net_tx.c. A backend that knows the virtio header (a tap)
 * gets it as it is, with the checksums and the segmentation that driver and
 * host leave to each other in it; for others it is taken off and put on here.
 *
 * The link is down while the backend's interface is; when the backend is gone
 * for good (the interface was removed, the socket closed) it stays so, frames
 * are dropped and nothing is waited for any more.
 *
 * Queues: 2i receives and 2i+1 sends, i < pairs; behind them the control
 * queue, which only a device with several pairs has. The driver uses one pair
 * until it says otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include "fail.h"
#include "net_dev.h"

#define CONTROL_QUEUE_SIZE 64
#define BIT(n)             (1ull << (n))

/* What a backend without the header can have: the checksum is completed here,
 * and what it gives is never to be checked. */
#define OFFLOADS_WITHOUT_HEADER (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))

static struct net *net_of(struct virtio_dev *dev)
{
	return (struct net *)dev;
}

/* ---- the backend */

static void set_link(struct net *net, bool up)
{
	const uint16_t status = up ? VIRTIO_NET_S_LINK_UP : 0;

	if (net->config.status == status)
		return;
	net->config.status = status;
	if (net_accepted(net, VIRTIO_NET_F_STATUS))
		virtio_notify_config(&net->dev);
}

bool net_result(struct net *net, ssize_t result)
{
	switch (-result) {
	case EIO: /* what a tap says that is down */
		if (net->config.status)
			warn("%s is down: what the VM sends is lost; ip link set it up",
			     net->backend.name);
		set_link(net, false);
		return false;
	case EBADFD: /* what a tap says that was deleted */
	case EBADF:
	case ENODEV:
	case ENXIO:
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ENOTCONN:
		if (!net->gone)
			warn("%s is gone: the VM has no network on it any more", net->backend.name);
		net->gone = true;
		set_link(net, false);
		return true;
	default:
		if (result >= 0)
			set_link(net, true);
		return false;
	}
}

void net_configure(struct net *net)
{
	if (net->configured)
		return;
	net->configured = true;
	if (net->backend.set_offloads)
		net->backend.set_offloads(&net->backend, net->dev.accepted);
}

void net_set_pairs(struct net *net, unsigned pairs)
{
	if (pairs == net->pairs)
		return;
	net->pairs = pairs;
	if (net->backend.set_queues)
		net->backend.set_queues(&net->backend, pairs);
	for (unsigned i = 0; i < pairs; i++)
		rx_pump(&net->rx[i]); /* buffers may be there already */
}

/* ---- the device */

static void net_kick(struct virtio_dev *dev, unsigned q)
{
	struct net *net = net_of(dev);
	/* 5.1.2: where the control queue is */
	const unsigned pairs = net_accepted(net, VIRTIO_NET_F_MQ) ? net->pairs_max : 1;

	net_configure(net);
	if (q == 2 * pairs && net_accepted(net, VIRTIO_NET_F_CTRL_VQ))
		ctrl_pump(net, q);
	else if (q >= 2 * pairs)
		return;
	else if (q % 2)
		tx_pump(&net->tx[q / 2]);
	else
		rx_pump(&net->rx[q / 2]);
}

static void net_reset(struct virtio_dev *dev)
{
	struct net *net = net_of(dev);

	net_set_pairs(net, 1);
	if (net->backend.set_offloads)
		net->backend.set_offloads(&net->backend, 0);
	net->configured = false;
	for (unsigned i = 0; i < net->pairs_max; i++) {
		rx_reset(&net->rx[i]);
		tx_reset(&net->tx[i]);
	}
}

static void add_count(struct net_count *sum, const struct net_count *part)
{
	sum->frames += part->frames;
	sum->bytes += part->bytes;
	sum->dropped += part->dropped;
}

static void net_report(const struct virtio_dev *dev, char *text, size_t size)
{
	const struct net *net = (const struct net *)dev;
	struct net_count rx = { 0 }, tx = { 0 };

	for (unsigned i = 0; i < net->pairs_max; i++) {
		add_count(&rx, &net->rx[i].counted);
		add_count(&tx, &net->tx[i].counted);
	}
	snprintf(text, size,
		 "%s: received %llu frames, %llu bytes, %llu dropped; sent %llu frames, "
		 "%llu bytes, %llu dropped",
		 net->backend.name, (unsigned long long)rx.frames, (unsigned long long)rx.bytes,
		 (unsigned long long)rx.dropped, (unsigned long long)tx.frames,
		 (unsigned long long)tx.bytes, (unsigned long long)tx.dropped);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.device_id = VIRTIO_ID_NET,
	.promote = true,
	.kick = net_kick,
	.reset = net_reset,
	.report = net_report,
};

/* ---- set-up */

static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	for (const uint8_t *p = data; len--; p++) /* FNV-1a */
		h = (h ^ *p) * 0x100000001b3;
	return h;
}

/*
 * A locally administered address made of what names this interface: the
 * host's machine-id(5), the VM's host name, the tap, and which of its
 * interfaces it is. So it is the same at each start, and an address that DHCP
 * gave, or a neighbour's ARP entry, stays good.
 */
static void default_mac(uint8_t mac[6], const char *hostname, const char *name, unsigned index)
{
	uint64_t h = 0xcbf29ce484222325;
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	char id[33];
	ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof(id));

	if (fd >= 0)
		close(fd);
	h = hash(h, id, n > 0 ? (size_t)n : 0);
	h = hash(h, hostname, strlen(hostname) + 1);
	h = hash(h, name, strlen(name) + 1);
	h = hash(h, &index, sizeof(index));
	h ^= h >> 32;
	mac[0] = 0x02;
	memcpy(mac + 1, &h, 5);
}

static void init_ops(struct net *net)
{
	net->ops = net_ops;
	net->ops.nqueues = 2 * net->pairs_max;
	for (unsigned q = 0; q < net->ops.nqueues; q++)
		net->ops.queue_size[q] = NET_QUEUE_SIZE;
	if (net->pairs_max > 1)
		net->ops.queue_size[net->ops.nqueues++] = CONTROL_QUEUE_SIZE;
}

static uint64_t features_of(const struct net_backend *backend)
{
	uint64_t features =
		BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MRG_RXBUF);

	if (backend->vnet_header)
		features |= backend->offloads;
	else
		features |= OFFLOADS_WITHOUT_HEADER;
	if (backend->mtu)
		features |= BIT(VIRTIO_NET_F_MTU);
	if (backend->nfds > 1)
		features |= BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ);
	return features;
}

uint64_t net_ready_features(uint64_t offered)
{
	return offered & ~(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ));
}

struct virtio_dev *net_add(struct vm *vm, const struct net_backend *backend,
			   const struct net_option *option, unsigned index)
{
	struct net *net = calloc(1, sizeof(*net));
	unsigned pairs = backend->nfds;

	if (!net || !(net->rx = calloc(pairs, sizeof(*net->rx))) ||
	    !(net->tx = calloc(pairs, sizeof(*net->tx))))
		fail(EXIT_VMM, "no memory for a network device");
	net->backend = *backend;
	net->pairs_max = pairs;
	net->pairs = 1;
	net->recorded = vm->opt->pcap != NULL;
	for (unsigned i = 0; i < pairs; i++) {
		rx_init(&net->rx[i], net, i);
		tx_init(&net->tx[i], net, i);
	}
	init_ops(net);
	net->config.status = backend->down ? 0 : VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = (uint16_t)pairs;
	net->config.mtu = backend->mtu;
	if (option->has_mac)
		memcpy(net->config.mac, option->mac, 6);
	else
		default_mac(net->config.mac, vm->opt->hostname, option->tap, index);
	virtio_add(vm, &net->dev, &net->ops, features_of(backend), &net->config,
		   offsetof(struct virtio_net_config, speed));
	return &net->dev;
}

const uint8_t *net_mac(const struct virtio_dev *dev)
{
	return ((const struct net *)dev)->config.mac;
}

uint16_t net_mtu(const struct virtio_dev *dev)
{
	return ((const struct net *)dev)->config.mtu;
}

static bool is_net(const struct virtio_dev *dev)
{
	return dev->ops->kick == net_kick;
}

void net_drain(struct vm *vm)
{
	for (unsigned i = 0; i < vm->ndev; i++) {
		struct net *net = net_of(vm->dev[i]);

		if (!is_net(vm->dev[i]))
			continue;
		pthread_mutex_lock(&net->dev.lock);
		for (unsigned pair = 0; pair < net->pairs_max; pair++)
			tx_drain(&net->tx[pair]);
		pthread_mutex_unlock(&net->dev.lock);
	}
}

/* From now on they are the mover's work, see net_move(). */
static bool move(struct net *net, enum net_mover mover)
{
	bool unseen = false;

	pthread_mutex_lock(&net->dev.lock);
	net->mover = mover;
	for (unsigned i = 0; i < net->pairs; i++) {
		tx_pump(&net->tx[i]);
		rx_pump(&net->rx[i]);
		unseen |= virtio_live(&net->dev, 2 * i) && queue_unseen(&net->dev.queue[2 * i]);
	}
	pthread_mutex_unlock(&net->dev.lock);
	return unseen;
}

bool net_move(struct vm *vm, enum net_mover mover)
{
	bool unseen = false;

	for (unsigned i = 0; i < vm->ndev; i++)
		if (is_net(vm->dev[i]))
			unseen |= move(net_of(vm->dev[i]), mover);
	return unseen;
}

unsigned net_fds(const struct vm *vm, struct pollfd *fds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < vm->ndev; i++) {
		struct net *net = net_of(vm->dev[i]);

		if (!is_net(vm->dev[i]))
			continue;
		pthread_mutex_lock(&net->dev.lock);
		for (unsigned pair = 0; !net->gone && pair < net->pairs; pair++)
			fds[n++] = (struct pollfd){ .fd = net->backend.fd[pair], .events = POLLIN };
		pthread_mutex_unlock(&net->dev.lock);
	}
	return n;
}

void net_free(struct virtio_dev *dev)
{
	struct net *net = net_of(dev);

	for (unsigned i = 0; i < net->pairs_max; i++)
		free(net->rx[i].spill);
	free(net->rx);
	free(net->tx);
	free(net);
}
