/*
 * The boundary between the VMM and the guest: memory map, ports, interrupt
 * vectors and the vocabulary of the device tree. Plain C and assembly, no
 * dependencies. "VMM writes" and "guest writes" say who may change a thing.
 */
#ifndef MAYFLY_ABI_H
#define MAYFLY_ABI_H

#define MAYFLY_VERSION "0.1.0"

/*
 * Guest physical memory, as `vmm` lays it out:
 *
 *   0x000000  never handed out (real-mode vectors; a null page)
 *   0x001000  start-up code of the other vCPUs                 guest writes
 *   0x006000  PVH start_info, memory map, modules               VMM writes
 *   0x007000  boot record (struct boot_record)                guest writes
 *   0x008000  rings of devices handed over ready to use               both
 *   0x010000  device tree, at most 448 KiB                      VMM writes
 *   0x080000  free
 *   0x100000  guest image (guest/guest.lds.S), then the program, then free
 *   top of memory, or 3 GiB and on from 4 GiB when there is more than 3 GiB
 *
 *   0xd0000000  virtio-mmio windows, one page each
 *   0xfec00000  IOAPIC     0xfee00000  local APIC
 */
#define AP_BOOT_GPA      0x1000
#define PVH_INFO_GPA     0x6000
#define BOOT_RECORD_GPA  0x7000
#define RINGS_GPA        0x8000
#define RINGS_SIZE       0x8000
#define FDT_GPA          0x10000
#define FDT_MAX          0x70000
#define LOW_FREE_GPA     0x80000
#define LOW_FREE_END     0xa0000
#define GUEST_IMAGE_GPA  0x100000
#define RAM_HOLE_START   0xc0000000
#define RAM_HOLE_END     0x100000000
#define VIRTIO_MMIO_GPA  0xd0000000
#define VIRTIO_MMIO_SIZE 0x1000
#define VIRTIO_MMIO_MAX  32

/*
 * Mapping the program ahead. The guest image names, in an ELF note "Mayfly" of
 * type NOTE_TABLES, the physical address (u64) of its struct boot_tables. The
 * VMM may enter the program's pages there, in the space that the first process
 * begins with, taking zero pages for tables from the pool; where it did, the
 * guest has no faults and no kernel calls to make (a page costs the soft
 * flavour two microseconds). Entries have the rights of the ELF segment, and
 * U, A and D set. Behind the last segment a part of the heap to come may be
 * mapped too. A program linked to run anywhere is placed at mayfly,base,
 * or, without it, at PIE_BASE plus its physical address modulo 2 MiB. Writable segments are mapped
 * to a second private copy of the file's pages ("mayfly,data").
 */
#define NOTE_TABLES 1
#define PIE_BASE    0x555555400000

/*
 * Port 0xf4, 32 bits (the usual place of QEMU's isa-debug-exit, so that the
 * same write ends QEMU too). Write: the VM ends with this status in bits 0-7;
 * EXIT_PANIC says that the guest image itself failed. Read: the number of a
 * signal that the host sent and the guest has not yet fetched, or 0.
 */
#define EXIT_PORT   0xf4
#define EXIT_PANIC  0x80000000
#define SERIAL_PORT 0x3f8

/*
 * Page tables by the VMM, for a guest kernel that pays for each instruction (the soft
 * flavour: one exit costs it as much as ten). In boot_tables.fill_least the VMM
 * writes from how many entries of a table on it is to be asked, where it finds
 * FILL_NEVER; the guest's kernel puts that back on the hard flavour. 32 bits wide, the
 * registers tell: RDI = physical address of the first entry, RCX = how many.
 *   write: they become RAX, RAX + 4096, ...; all of them were 0, since the VMM's
 *          writes are no news to KVM, which only looks at what was not present.
 *   read:  how many of them, the first one included, have frames that follow
 *          each other and the same bits.
 * Of what is mapped in this way the VMM may bring in the memory at once.
 */
#define FILL_PORT 0xec
/*
 * With mayfly,map the library OS can have that done without the kernel, whose call
 * costs it four times as much: by reading 32 bits at MAP_GPA, the last of the virtio
 * windows, with a run in RDI, RSI and RDX as KCALL_MAP_RUN takes it (guest/kernel/
 * kcall.h). The VMM then makes the kernel's checks, with what boot_tables tells of the
 * kernel, under the kernel's lock, and takes tables from the pool. 1: it is mapped; 0: the
 * kernel has to be asked, because the pool is empty, or it is something unusual.
 * Likewise a read at UNMAP_GPA, with RDI = the first address and RDX = how many pages,
 * takes entries away that are all in use, in one table of the program's half, and of
 * memory without PTE_FILE, whose contents are lost with it. The VMM has KVM forget what
 * it made of them, for all vCPUs: none has to flush anything.
 */
#define MAP_GPA   (VIRTIO_MMIO_GPA + (VIRTIO_MMIO_MAX - 1) * VIRTIO_MMIO_SIZE)
#define UNMAP_GPA (MAP_GPA + 4)
/*
 * With mayfly,attend a guest that has nothing to do but wait for packets, and expects
 * them soon, writes to ATTEND_GPA, 32 bits, for how many microseconds at most, with the
 * receive queues' interrupts off. The vCPU goes on when there are received buffers that
 * its driver has not looked at, when an interrupt for vCPU 0 has come, when another vCPU
 * has written ATTEND_WAKE, or when the time has passed. What the drivers send meanwhile,
 * and between one wait and the next if that is soon, needs no doorbell; 0: there will be
 * none soon. One vCPU may be there at a time, for others the write does nothing.
 */
#define ATTEND_GPA  (MAP_GPA + 8)
#define ATTEND_WAKE 0xffffffff
#define FILL_NEVER  0xffffffffffffffff

/*
 * Interrupt vectors, fixed, delivered as MSIs to the local APIC. A vector's
 * bit in a vCPU's pending word is (vector - VECTOR_BASE).
 */
#define VECTOR_BASE   0x30
#define VECTOR_DEVICE 0x30 /* virtio window i: VECTOR_DEVICE + i, i < 32 */
#define VECTOR_TIMER  0x60
#define VECTOR_IPI    0x61
#define VECTOR_SIGNAL 0x62 /* a signal waits in EXIT_PORT */
#define VECTOR_FLUSH  0x63 /* the kernel's own: another vCPU changed page tables */
#define VECTOR_COUNT  64

#define MAX_CPUS 64

/*
 * Device tree. Root: compatible = "mayfly,vm-1"; #address-cells and
 * #size-cells = 2. /memory@0 reg; /cpus/cpu@N reg = APIC id N;
 * /cpus timebase-frequency (u64): TSC in Hz; the guest's TSC is the host's.
 *
 * /chosen:
 *   rng-seed          48 random bytes
 *   mayfly,args       string list: argv[0]... of the program
 *   mayfly,env        string list: the environment, K=V
 *   mayfly,cwd        string: working directory
 *   mayfly,path       string list: where the program is in the root, if the
 *                     host gives one; more than one where only the guest can
 *                     look: it is the first of them that there is
 *   mayfly,hostname   string
 *   mayfly,program    u64 gpa, u64 size: the program's ELF file
 *   mayfly,base       u64: what is added to the addresses in the program's
 *                     file, if it was linked to run anywhere
 *   mayfly,data       u64 gpa, u64 size: the memory that writable segments
 *                     were mapped to ahead
 *   mayfly,realtime   u64 tsc, u64 ns: CLOCK_REALTIME at that TSC value
 *   mayfly,stdio      three u32 STDIO_*: what 0, 1 and 2 are on the host, and
 *                     what they are open for; STDIO_SAME_AS_OUT in the third
 *                     when 1 and 2 are one open file or one terminal: the guest
 *                     then sends both through console 0, so that their order
 *                     is kept; in the first when 0 and 1 are, which are then
 *                     open for both
 *   mayfly,verbose    present: name unsupported system calls, once each
 *   mayfly,stats      present: say at the end which system calls trapped
 *   mayfly,fills      present: page table entries cost next to nothing, since the
 *                     VMM writes them where the guest's kernel is slow (FILL_PORT)
 *   mayfly,map        present: MAP_GPA and UNMAP_GPA are there
 *   mayfly,attend     present: ATTEND_GPA is there
 *   mayfly,no-patch   present: leave the program's text alone
 *
 * /virtio@d000X000: compatible = "virtio,mmio"; reg; interrupts = the vector.
 *   mayfly,ready      The device is handed over after DRIVER_OK, as if the
 *                     driver had initialised it (virtio 1.2, 3.1.1), because
 *                     each register access costs an exit: u64 features, then
 *                     for each queue u32 size, u64 descriptors, u64 driver
 *                     area, u64 device area. A driver may still reset it.
 *   mayfly,type       u32: the device ID (virtio 1.2, section 5), so that
 *                     nobody has to read the register
 *   mayfly,console    u32: 0 = standard input and output, 1 = standard error
 *   mayfly,disk       u32: n-th disk, /dev/vda + n
 *   mayfly,share      string: a file system, to be mounted at this path; "/":
 *                     it is the root, with mayfly,readonly below a layer in
 *                     memory that takes the changes; a disk may have this "/",
 *                     too, and then holds the program, which nobody has mapped
 *   mayfly,readonly   present: it refuses changes
 *   mayfly,dax        u64 gpa, u64 size: where the host maps files for it, as
 *                     its shared memory region 0 says (virtio 1.2, 5.11.6.4);
 *                     not part of /memory; only to be read, but for what was
 *                     asked for to be written (FUSE_SETUPMAPPING_FLAG_WRITE)
 *   A network interface (eth0 is the first):
 *   local-mac-address 6 bytes
 *   mayfly,mtu        u32
 *   mayfly,addresses  string list: "192.0.2.2/24", "2001:db8::2/64"
 *   mayfly,gateways   string list: at most one of each family
 *   mayfly,nameservers string list
 *   mayfly,dhcp       present: ask for an IPv4 address
 *
 * /chosen, of --copy:
 *   mayfly,files      u64 gpa, u64 size: the list of files (struct copied_file)
 *   mayfly,contents   u64 gpa, u64 size: their contents, in whole pages that
 *                     the VMM has mapped; private, and not part of /memory
 */
#define STDIO_CLOSED      0
#define STDIO_TTY         1
#define STDIO_PIPE        2 /* pipes, sockets, and files, since none is sought in */
#define STDIO_NULL        3 /* /dev/null */
#define STDIO_CHAR        4 /* another character device */
#define STDIO_DIR         5
#define STDIO_KIND        0xff
#define STDIO_SAME_AS_OUT 0x100
#define STDIO_READ        0x200 /* open for reading */
#define STDIO_WRITE       0x400 /* and for writing */

/*
 * Conventions of our console beyond virtio 1.2, 5.3. Other drivers ignore
 * the values, as the standard asks.
 *   receive: the device completes a buffer with what one read() gave; used
 *            length 0 means end of file, as read() does. It reads from the
 *            host only into posted buffers, so nothing is read ahead.
 *   transmit: used length 0 means written; otherwise it is the errno with
 *            which the host refused the rest (EPIPE, ENOSPC, EIO, ...).
 */
#define CONSOLE_QUEUE_SIZE 16

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Physical addresses. The VMM reads pml4, and moves pool_next up. */
struct boot_tables {
	uint64_t pml4, pool_next, pool_limit;
	uint64_t fill_least; /* see FILL_PORT */
	/* For MAP_GPA: the image's part that is the kernel's; of each 2 MiB below 1 GiB
	 * a u64, with PTE_PS if it is the kernel's, and a u32, how many pages of it are
	 * mapped; and the u32 that is 1 while somebody changes any of this. */
	uint64_t kernel_start, kernel_end, blocks, mapped, lock;
};

/*
 * A file of --copy: this, then `name_len` bytes of its path in the guest (no
 * leading slash, parents first, no NUL), then `link_len` bytes of a symbolic
 * link's target; the next one follows at a multiple of 8. The VMM writes.
 */
struct copied_file {
	uint64_t size; /* of the contents */
	uint64_t gpa; /* of the contents, page-aligned; 0 when empty */
	int64_t mtime_ns; /* CLOCK_REALTIME */
	uint32_t mode; /* as st_mode: type and permissions */
	uint32_t uid, gid;
	uint32_t rdev; /* devices, as st_rdev */
	uint32_t name_len, link_len;
};

/* Time stamps (TSC), 0 = not reached. The guest writes, `--verbose` prints. */
struct boot_record {
	uint64_t libos_entry; /* first instruction of the library OS */
	uint64_t program_entry; /* jump to the program's ELF entry point */
	uint64_t program_exit; /* exit system call */
	uint32_t cpus_online; /* vCPUs that have reached the library OS */
	uint32_t hard; /* 1: KVM on VMX/SVM or emulation, 0: soft flavour */
};
#endif
#endif
