/*
 * System V shared memory. Keys are made of the process number, and every segment
 * is removed, as Linux keeps them beyond the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

OWN_IPC

#define PAGE 4096

static key_t some_key(void)
{
	return (key_t)(0x5a000000 | getpid());
}

static int make(size_t size)
{
	return (int)NEED(shmget(IPC_PRIVATE, size, IPC_CREAT | 0600));
}

static void show_state(int id)
{
	struct shmid_ds ds;

	memset(&ds, 0x55, sizeof(ds));
	if (shmctl(id, IPC_STAT, &ds) < 0) {
		say("no state: %s", errno_name(errno));
		return;
	}
	say("size %zu attached %lu mode %o private %d mine %d %d times %d %d pids %d %d",
	    ds.shm_segsz, (unsigned long)ds.shm_nattch, ds.shm_perm.mode,
	    ds.shm_perm.__key == IPC_PRIVATE, ds.shm_perm.uid == geteuid(),
	    ds.shm_perm.cgid == getegid(), ds.shm_atime != 0, ds.shm_ctime != 0,
	    ds.shm_cpid == getpid(), ds.shm_lpid == getpid());
}

CASE(shm_private)
{
	int id = make(5000);
	struct shmid_ds ds;
	char *a, *b;

	show_state(id);
	a = shmat(id, NULL, 0);
	b = shmat(id, NULL, 0);
	CHECK(a != (void *)-1 && b != (void *)-1 && a != b);
	say("first bytes %d %d", a[0], a[4999]);
	strcpy(a + 4990, "hello");
	say("%s", b + 4990);
	say("behind the end, in the page: %s", try_read(a + 8191));
	show_state(id);
	SHOW(shmdt(a));
	say("after it: %s", try_read(a));
	show_state(id);
	CHECK(shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_dtime >= ds.shm_atime);
	SHOW(shmctl(id, IPC_RMID, NULL));
	show_state(id);
	say("%s", b + 4990);
	a = shmat(id, NULL, 0);
	CHECK(a != (void *)-1 && a[4990] == 'h');
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmdt(a));
	SHOW(shmdt(b));
	show_state(id);
	SHOW_MAP(shmat(id, NULL, 0));
	SHOW(shmctl(id, IPC_RMID, NULL));
}

CASE(shm_key)
{
	key_t key = some_key();
	int id, again;

	SHOW(shmget(key, 100, 0600));
	id = shmget(key, 100, IPC_CREAT | 0640);
	show_ok("make", id);
	show_state(id);
	again = shmget(key, 0, 0);
	CHECK(again == id);
	CHECK(shmget(key, 100, IPC_CREAT | 0600) == id);
	SHOW(shmget(key, 101, 0));
	SHOW(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(shmget(key, 101, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmget(key, 100, 0));
	SHOW(shmctl(id, IPC_STAT, (struct shmid_ds *)pages(1)));
	again = shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
	CHECK(again >= 0 && again != id);
	SHOW(shmctl(again, IPC_RMID, NULL));
}

CASE(shm_sizes)
{
	SHOW(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
	SHOW(shmget(IPC_PRIVATE, SIZE_MAX, IPC_CREAT | 0600));
	SHOW(shmget(IPC_PRIVATE, (size_t)1 << 50, IPC_CREAT | 0600));
	SHOW(shmget(some_key(), 0, IPC_CREAT | 0600));
}

CASE(shm_addresses)
{
	int id = make(3 * PAGE);
	char *room = pages(6), *at;

	munmap(room, 7 * PAGE);
	SHOW_MAP(shmat(id, room + 1, 0));
	at = shmat(id, room + 1, SHM_RND);
	CHECK(at == room);
	SHOW_MAP(shmat(id, room + PAGE, 0));
	SHOW_MAP(shmat(id, NULL, SHM_REMAP));
	SHOW(shmdt(room + PAGE));
	SHOW(shmdt(room + 1));
	at[PAGE] = 7;
	at = shmat(id, room + PAGE, SHM_REMAP);
	CHECK(at == room + PAGE && at[PAGE] == 7);
	show_state(id);
	SHOW(shmdt(room));
	show_state(id);
	SHOW(shmdt(room));
	SHOW(shmdt(room + PAGE));
	show_state(id);
	SHOW_MAP(shmat(id, kernel_ptr(), 0));
	SHOW_MAP(shmat(id, (void *)1, SHM_RND | SHM_REMAP));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmdt(bad_ptr()));
	SHOW(shmdt(pages(1)));
}

CASE(shm_in_parts)
{
	int id = make(4 * PAGE);
	char *a = shmat(id, NULL, 0);

	a[3 * PAGE] = 3;
	SHOW(munmap(a + PAGE, PAGE));
	show_state(id);
	SHOW(mprotect(a + 3 * PAGE, PAGE, PROT_READ));
	say("read %s write %s", try_read(a + 3 * PAGE), try_write(a + 3 * PAGE));
	SHOW(shmdt(a));
	show_state(id);
	say("%s %s", try_read(a + 2 * PAGE), try_read(a + 3 * PAGE));
	SHOW(shmctl(id, IPC_RMID, NULL));
}

CASE(shm_rights_of_mappings)
{
	int id = make(PAGE);
	char *a = shmat(id, NULL, SHM_RDONLY), *b = shmat(id, NULL, SHM_EXEC);

	say("read %s write %s exec %s", try_read(a), try_write(a), try_exec(a));
	SHOW(mprotect(a, PAGE, PROT_READ | PROT_WRITE));
	say("write %s", try_write(b));
	b[0] = (char)0xc3; /* ret */
	say("exec %s", try_exec(b));
	SHOW(shmdt(a));
	SHOW(shmdt(b));
	SHOW(shmctl(id, IPC_RMID, NULL));
}

CASE(shm_rights, ALONE)
{
	int id = (int)NEED(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0604));
	int key_id = (int)NEED(shmget(some_key(), PAGE, IPC_CREAT | 0600));
	struct shmid_ds ds;
	char *a = shmat(key_id, NULL, 0);

	CHECK(shmctl(id, IPC_STAT, &ds) == 0);
	SHOW(shmctl(key_id, IPC_SET, &ds));
	ds.shm_perm.mode = 07777;
	SHOW(shmctl(id, IPC_SET, &ds));
	show_state(id);
	ds.shm_perm.mode = 0604;
	SHOW(shmctl(id, IPC_SET, &ds));
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmctl(key_id, IPC_RMID, NULL));
	id = (int)NEED(shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0604));
	char *keep = shmat(id, NULL, 0);
	SHOW(shmctl(id, IPC_RMID, NULL));
	NEED(setgid(1234));
	NEED(setuid(1234));
	CHECK(keep != (void *)-1 && a != (void *)-1);
	SHOW_MAP(shmat(id, NULL, 0));
	a = shmat(id, NULL, SHM_RDONLY);
	CHECK(a != (void *)-1);
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmctl(id, IPC_SET, &ds));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	CHECK(shmctl(id, IPC_STAT, &ds) == 0);
	SHOW(shmctl(key_id, IPC_STAT, &ds));
}

CASE(shm_control)
{
	struct shminfo limits;
	struct shm_info used;
	int id = make(3 * PAGE + 1);

	SHOW(shmctl(id, SHM_LOCK, NULL));
	show_state(id);
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	show_state(id);
	CHECK(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits) >= 0);
	say("min %lu limits %d", limits.shmmin, limits.shmmni > 0 && limits.shmmax > 1 << 30);
	CHECK(shmctl(0, SHM_INFO, (struct shmid_ds *)&used) >= 0);
	CHECK(used.used_ids >= 1 && used.shm_tot >= 4);
	SHOW(shmctl(id, IPC_RMID, NULL));
	SHOW(shmctl(-1, IPC_STAT, NULL));
	SHOW(shmctl(id, -1, NULL));
	SHOW(shmctl(id, 100, NULL));
	SHOW(shmctl(id, IPC_SET, bad_ptr()));
	id = make(1);
	SHOW(shmctl(id, IPC_STAT, bad_ptr()));
	SHOW(shmctl(id, IPC_SET, bad_ptr()));
	SHOW(shmctl(0, IPC_INFO, bad_ptr()));
	SHOW(shmctl(id, IPC_RMID, bad_ptr()));
	SHOW_MAP(shmat(-1, NULL, 0));
}

CASE(shm_in_maps)
{
	char line[512];
	int id = make(PAGE), found = 0;
	void *a = shmat(id, NULL, 0);
	FILE *f = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), f)) {
		unsigned long from, inode;
		char rights[8], name[64] = "";

		if (sscanf(line, "%lx-%*x %7s %*s %*s %lu %63[^\n]", &from, rights, &inode, name) <
			    3 ||
		    from != (unsigned long)a)
			continue;
		found = inode == (unsigned long)id;
		say("%s %s", rights, name);
	}
	fclose(f);
	check("its number is the inode", found);
	SHOW(shmdt(a));
	SHOW(shmctl(id, IPC_RMID, NULL));
}

CASE(shm_in_proc)
{
	char line[300] = "";
	int id = make(3 * PAGE + 1);
	char *a = shmat(id, NULL, 0);

	a[0] = a[PAGE] = 1;
	find_by_id("/proc/sysvipc/shm", id, line, sizeof(line));
	say("%zu bytes, key %.11s perms and size %.27s, attached %.7s owner %.12s", strlen(line),
	    line, line + 21, line + 61, line + 68);
	say("in memory %s", line + 125);
	show_file("/proc/sys/kernel/shmmax");
	show_file("/proc/sys/kernel/shmall");
	show_file("/proc/sys/kernel/shmmni");
	SHOW(shmdt(a));
	SHOW(shmctl(id, IPC_RMID, NULL));
}
