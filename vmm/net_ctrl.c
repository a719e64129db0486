/*
 * The control queue (virtio 1.2, 5.1.6.5): a request is a class, a command and
 * its data, and a byte to answer into. Of the classes only one is offered, the
 * number of queue pairs in use.
 */
#include "net_dev.h"

static uint8_t obey(struct net *net, const struct chain *chain)
{
	uint8_t request[4]; /* class, command, and of the data what we know */
	const uint32_t len = iov_load(chain->iov, chain->nout, 0, request, sizeof(request));
	const unsigned pairs = request[2] | request[3] << 8;

	if (len < sizeof(request) || chain->out_len != sizeof(request) ||
	    request[0] != VIRTIO_NET_CTRL_MQ || request[1] != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    !net_accepted(net, VIRTIO_NET_F_MQ))
		return VIRTIO_NET_ERR;
	if (pairs < 1 || pairs > net->pairs_max) /* 5.1.6.5.5.1 */
		return VIRTIO_NET_ERR;
	net_set_pairs(net, pairs);
	return VIRTIO_NET_OK;
}

/* True when the request could be answered. */
static bool answer(struct net *net, struct virtqueue *queue, const struct chain *chain)
{
	uint8_t ack;

	if (!chain->in_len)
		return false;
	ack = obey(net, chain);
	iov_store(chain->iov + chain->nout, 0, &ack, 1);
	queue_push(queue, chain->head, 1);
	return true;
}

/* The driver waits for each answer, so a queue's worth is more than enough. */
void ctrl_pump(struct net *net, unsigned q)
{
	struct virtio_dev *dev = &net->dev;
	struct virtqueue *queue = &dev->queue[q];
	struct chain chain;

	for (unsigned budget = queue->size; budget; budget--) {
		int r = queue_pop(queue, &dev->vm->mem, &chain);

		if (r < 0 || (r == 1 && !answer(net, queue, &chain))) {
			virtio_broken(dev, "control request");
			break;
		}
		if (r == 0 && !queue_suppress_kicks(queue, false))
			break;
	}
	virtio_notify_used(dev, q);
}
