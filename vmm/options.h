/*
 * What the user asked for: the command line of `vmm run` and the JSON file
 * of --config, whose keys are the long options.
 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct string_list {
	char **item; /* NULL-terminated once parsing is done */
	unsigned count;
};

struct options {
	const char *image; /* as given; load.c looks it up in PATH */
	char **args; /* after the image: argv[1]... of the program */
	unsigned nargs;
	unsigned cpus; /* 1..MAX_CPUS, default 1 */
	uint64_t mem; /* bytes, default 128 MiB, a multiple of 4 KiB */
	struct string_list env; /* K=V */
	const char *cwd; /* default "/" */
	const char *hostname; /* default "mayfly" */
	const char *kernel; /* another guest image, or NULL */
	const char *append; /* its command line, or NULL */
	uint64_t timeout_ms; /* 0: none */
	bool stats;
	bool verbose;
	bool no_patch;
	/* As given, in this order; their own files parse them: net_options.c,
	 * blk.c, copy.c, fs_option.c. */
	struct string_list net, publish, disk, copy, share;
	const char *root; /* DIR|IMG[,rw], or NULL; fs_option.c parses it */
	const char *pcap; /* file, or NULL */
	/* private to options.c and config.c */
	const char *config; /* file of --config, or NULL */
	uint32_t given; /* bit i: entry i of option_table was on the command line */
	bool args_given; /* "--" was on the command line */
	struct string_list config_args; /* what args points to when a file gave them */
	struct string_list owned; /* heap strings that the fields above point to */
};

#define MEM_MIN     (2ull << 20)
#define MEM_MAX     (64ull << 30) /* what the guest's direct map covers */
#define MEM_DEFAULT (128ull << 20)

/*
 * Parses argv[0..argc-1], the words after `vmm run`, and a --config file if
 * one is named; options on the command line win over the file. On bad input
 * prints one line to stderr that names the word and the remedy and exits
 * with EXIT_VMM.
 */
void options_parse(struct options *opt, int argc, char **argv);

/* Sets the defaults, as options_parse() does first. */
void options_init(struct options *opt);

/* Gives back what parsing allocated; a VM never needs to. */
void options_free(struct options *opt);

/* Parses a size such as 64M: a decimal number and an optional K, M or G, in
 * either case. Returns false, leaving *bytes alone, when it is not one or
 * overflows. */
bool parse_size(const char *text, uint64_t *bytes);

/* Exit statuses of the VMM itself (design.md, "Exit status"). */
enum { EXIT_TIMEOUT = 124, EXIT_VMM = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

#endif
