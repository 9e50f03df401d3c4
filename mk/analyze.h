/*
 * Read by clang-tidy and cppcheck before every source, never by a compiler. They look at one file at a
 * time and cannot know that these functions never return 0 or more; without that they report the outputs
 * of calls that failed as uninitialised.
 */
#include "lib/err.h"

#define err_set(...)	(err_set(__VA_ARGS__), -1)
#define err_sys(...)	(err_sys(__VA_ARGS__), -1)
#define err_sys_as(...)	(err_sys_as(__VA_ARGS__), -1)
#define err_wrap(...)	(err_wrap(__VA_ARGS__), -1)
