/*
 * What every file of the library OS may use: small string functions, lists,
 * the log and panic. Freestanding; <linux/...> and <asm/...> supply the Linux
 * ABI's types and numbers.
 */
#ifndef LIBOS_LIB_H
#define LIBOS_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/errno.h>
#include "../../shared/x86.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef u64 paddr_t; /* guest physical address */

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define MAX(a, b)                     ((a) > (b) ? (a) : (b))
#define ALIGN_DOWN(x, a)              ((x) & ~((typeof(x))(a)-1))
#define ALIGN_UP(x, a)                ALIGN_DOWN((x) + ((typeof(x))(a)-1), a)
#define likely(x)                     __builtin_expect(!!(x), 1)
#define unlikely(x)                   __builtin_expect(!!(x), 0)

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* snprintf with %d %u %x %X %lx %lu %ld %s %c %p %%, widths and zero padding.
 * Returns the length that the whole text has, like C99's. */
int snprintf(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line to the VMM's stderr (the serial port). */
void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A bug in the library OS, or a broken machine: message, backtrace, end of
 * the VM with EXIT_PANIC. Never for anything that a program can cause. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define BUG_ON(condition)                                                   \
	do {                                                                \
		if (unlikely(condition))                                    \
			panic("%s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)

/* Doubly linked circular lists; a head is a node that no element owns. */
struct list {
	struct list *next, *prev;
};
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
/* Takes a node out and leaves it a list of its own, so that a second removal
 * is harmless. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}
#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)

#endif
