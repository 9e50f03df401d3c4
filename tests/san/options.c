/*
 * options.c: linked into the programs of the sanitizer build only. The processes
 * of the agent start with an empty environment and under a system call filter:
 * the leak checker (which traces) and the symbolizer (which forks) cannot work
 * there, and a report without symbols is worth more than none. ASAN_OPTIONS
 * still wins where it is set.
 */
#include "lib/base.h"

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0:symbolize=0:strict_string_checks=1:detect_stack_use_after_return=1";
}

const char *
__ubsan_default_options(void)
{
	return "symbolize=0:halt_on_error=1";
}
