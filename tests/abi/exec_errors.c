/*
 * execve(2) and execveat(2): every error.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "tiny.h"

/* ---- errors */

CASE(bad_paths, IN_DIR)
{
	static char path[5000];

	memset(path, 'x', sizeof(path) - 1);
	make_file("file", "text");
	make_tiny("tiny", NULL, EM_X86_64);
	NEED(symlink("loop", "loop"));
	NEED(symlink("nowhere", "dangling"));
	SHOW(execve("missing", no_words, no_words));
	SHOW(execve("", no_words, no_words));
	SHOW(execve("tiny/more", no_words, no_words));
	SHOW(execve("tiny/", no_words, no_words));
	SHOW(execve("loop", no_words, no_words));
	SHOW(execve("dangling", no_words, no_words));
	SHOW(execve(".", no_words, no_words));
	SHOW(execve("/dev/null", no_words, no_words));
	SHOW(execve("file", no_words, no_words));
	SHOW(execve(path, no_words, no_words));
	SHOW(execve(bad_ptr(), no_words, no_words));
	SHOW(execve(kernel_ptr(), no_words, no_words));
}

CASE(bad_words, IN_DIR)
{
	char *bad_string[] = { "good", NULL, NULL };
	char **edge = (char **)(pages(1) + 4096 - 8);

	make_tiny("tiny", NULL, EM_X86_64);
	bad_string[1] = bad_ptr();
	edge[0] = "no NULL follows";
	SHOW(execve("tiny", bad_ptr(), no_words));
	SHOW(execve("tiny", no_words, bad_ptr()));
	SHOW(execve("tiny", kernel_ptr(), no_words));
	SHOW(execve("tiny", no_words, wild_ptr()));
	SHOW(execve("tiny", bad_string, no_words));
	SHOW(execve("tiny", no_words, bad_string));
	SHOW(execve("tiny", edge, no_words));
}

CASE(too_long, IN_DIR)
{
	char *text = pages(33), *word[] = { "a", text, NULL };
	static char *many[300002];

	make_tiny("tiny", NULL, EM_X86_64);
	memset(text, 'x', 33 * 4096);
	text[131072] = 0; /* with its NUL one byte too long */
	SHOW(execve("tiny", word, no_words));
	SHOW(execve("tiny", no_words, word));
	text[131071] = 0;
	for (int i = 0; i < 30; i++)
		many[i] = text;
	SHOW(execve("tiny", many, no_words));
	SHOW(execve("tiny", no_words, many));
	for (int i = 0; i < 300001; i++)
		many[i] = "";
	SHOW(execve("tiny", many, no_words));
}

CASE(fits_just, ALONE, IN_DIR)
{
	char *text = pages(32), *word[16] = { NULL };

	memset(text, 'x', 131071);
	for (int i = 0; i < 15; i++)
		word[i] = text;
	make_tiny("tiny", NULL, EM_X86_64);
	SHOW(execve("tiny", word, no_words));
}

CASE(bad_files, IN_DIR)
{
	make_script("text", "echo hello\n");
	make_script("empty", "");
	make_script("short", "\177ELF");
	make_tiny("foreign", NULL, EM_AARCH64);
	make_tiny("cut", NULL, EM_X86_64);
	NEED(truncate("cut", 70));
	make_tiny("no-right", NULL, EM_X86_64);
	NEED(chmod("no-right", 0644));
	make_tiny("no-loader", "/lib/missing.so", EM_X86_64);
	make_tiny("no-right-loader", "no-right", EM_X86_64);
	make_tiny("text-loader", "text", EM_X86_64);
	SHOW(execve("text", no_words, no_words));
	SHOW(execve("empty", no_words, no_words));
	SHOW(execve("short", no_words, no_words));
	SHOW(execve("foreign", no_words, no_words));
	SHOW(execve("cut", no_words, no_words));
	SHOW(execve("no-right", no_words, no_words));
	SHOW(execve("no-loader", no_words, no_words));
	SHOW(execve("no-right-loader", no_words, no_words));
	SHOW(execve("text-loader", no_words, no_words));
}

CASE(bad_scripts, IN_DIR)
{
	make_script("nothing", "#!\n");
	make_script("blank", "#!   \n");
	make_script("missing", "#!/bin/missing arg\n");
	make_script("directory", "#!/proc\n");
	make_script("text", "text\n");
	make_script("of-text", "#!text\n");
	make_file("no-right", "#!/proc/self/exe\n");
	SHOW(execve("nothing", no_words, no_words));
	SHOW(execve("blank", no_words, no_words));
	SHOW(execve("missing", no_words, no_words));
	SHOW(execve("directory", no_words, no_words));
	SHOW(execve("of-text", no_words, no_words));
	SHOW(execve("no-right", no_words, no_words));
}

CASE(busy, IN_DIR)
{
	make_tiny("tiny", NULL, EM_X86_64);
	int fd = NEED(open("tiny", O_WRONLY));
	SHOW(execve("tiny", no_words, no_words));
	close(fd);
}

CASE(at_errors, IN_DIR)
{
	make_tiny("tiny", NULL, EM_X86_64);
	NEED(symlink("tiny", "link"));
	int file = NEED(open("tiny", O_RDONLY)), dir = NEED(open(".", O_RDONLY));
	SHOW(execveat_raw(AT_FDCWD, "tiny", no_words, no_words, 1));
	SHOW(execveat_raw(-1, "tiny", no_words, no_words, 0));
	SHOW(execveat_raw(-1, "", no_words, no_words, AT_EMPTY_PATH));
	SHOW(execveat_raw(file, "", no_words, no_words, 0));
	SHOW(execveat_raw(file, "tiny", no_words, no_words, 0));
	SHOW(execveat_raw(dir, "", no_words, no_words, AT_EMPTY_PATH));
	SHOW(execveat_raw(dir, "missing", no_words, no_words, 0));
	SHOW(execveat_raw(dir, "link", no_words, no_words, AT_SYMLINK_NOFOLLOW));
	SHOW(execveat_raw(AT_FDCWD, "link", no_words, no_words, AT_SYMLINK_NOFOLLOW));
	close(file);
	close(dir);
}
