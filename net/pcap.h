/*
 * --pcap: a record of what crosses the VM's network interfaces, in the format
 * of pcap(5) that tcpdump and Wireshark read.
 */
#ifndef NET_PCAP_H
#define NET_PCAP_H

#include <stdint.h>
#include <sys/uio.h>

/* Creates the file and starts the thread that writes it; ends the process
 * when that cannot be. Before the first frame. */
void pcap_open(const char *path);

/* Records `len` bytes of the frame that begins at byte `skip` of the n
 * buffers. Any thread; never waits for the file. */
void pcap_frame(const struct iovec *iov, unsigned n, uint32_t skip, uint32_t len);

/* Writes what is still to be written, for at most two seconds, and says what
 * is missing. Harmless when nothing was opened. */
void pcap_finish(void);

#endif
