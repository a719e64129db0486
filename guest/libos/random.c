/*
 * Random bytes: ChaCha20 (RFC 8439, 2.3) keyed by the VMM's seed and whatever
 * the CPU adds. The key is replaced by output after each request, so what was
 * given out cannot be computed from what is kept.
 */
#include "boot_info.h"
#include "entry.h"
#include "random.h"

static u32 key[8];
static u64 counter;

static u32 rotate(u32 x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter(u32 *s, int a, int b, int c, int d)
{
	s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(u32 *out)
{
	u32 start[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	memcpy(start + 4, key, sizeof(key));
	start[12] = counter;
	start[13] = counter++ >> 32;
	memcpy(out, start, sizeof(start));
	for (int round = 0; round < 10; round++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += start[i];
}

void random_bytes(void *buf, size_t n)
{
	u32 words[16];
	u8 *p = buf;
	while (n) {
		size_t part = MIN(n, sizeof(words));
		block(words);
		memcpy(p, words, part);
		p += part;
		n -= part;
	}
	block(words);
	memcpy(key, words, sizeof(key));
}

/* RDRAND where the CPU says it has it (CPUID.1 ECX bit 30); else nothing. */
static u64 cpu_random(void)
{
	u32 a = 1, b, c = 0, d;
	u64 value = 0;
	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (c & 1u << 30)
		asm volatile("rdrand %0" : "=r"(value) : : "cc");
	return value;
}

u64 random_below(u64 n)
{
	u64 value;
	random_bytes(&value, sizeof(value));
	return value % n;
}

void random_init(void)
{
	u8 *bytes = (u8 *)key;
	for (unsigned i = 0; i < boot_info.seed_len; i++)
		bytes[i % sizeof(key)] ^= ((const u8 *)boot_info.seed)[i];
	counter = rdtsc();
	if (!boot_info.seed_len) {
		u64 value = cpu_random() ^ boot_info.realtime_ns;
		memcpy(key, &value, sizeof(value));
	}
}
