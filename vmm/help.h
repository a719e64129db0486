/*
 * The text of --help. The man page (docs/vmm.1) says the same at length; a
 * unit test compares both with the table of options.
 */
#ifndef VMM_HELP_H
#define VMM_HELP_H

extern const char help_main[]; /* vmm --help */
extern const char help_run[]; /* vmm run --help */

/* Prints the text to standard output and exits: 0, or EXIT_VMM with a
 * message when the output cannot be written. */
_Noreturn void help_print(const char *text);

#endif
