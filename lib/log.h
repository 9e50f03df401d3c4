/*
 * log.h: levels and one line per record. In a confidential guest the host reads
 * the console: what is logged is public. Text from outside is escaped; secret
 * buffers have no way in. A role writes its records to the pipe it was given,
 * the monitor puts them where the user wants them.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/base.h"
#include "lib/err.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/*
 * fd: where lines go (default 2). name: role or program, first word of a line,
 * kept as pointer. Records above `level` are dropped (default: above info).
 * A line is "name: level: text"; with json it is one object with the members
 * name, level and msg. The time is added by whoever collects the lines.
 */
void log_init(int fd, const char *name, enum log_level level, bool json);
bool log_level_parse(const char *text, enum log_level *out);
enum log_level log_current(void);

/*
 * At most 1 KiB a record, line end included; what is longer is cut and ends in
 * "…". Keeps errno; a record that cannot be written is lost.
 */
void log_msg(enum log_level, const char *fmt, ...) printf_like(2, 3);
#define log_error(...)		log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warning(...)	log_msg(LOG_WARNING, __VA_ARGS__)
#define log_info(...)		log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...)		log_msg(LOG_DEBUG, __VA_ARGS__)

/*
 * Escapes foreign text for logs, errors and terminals: control characters (of
 * ASCII and of C1), DEL, line and paragraph separators, bidirectional controls
 * and bytes that are not UTF-8 become \xNN. What does not fit in size - 1
 * bytes is cut between two characters and ends in "…". Backslashes stay, so
 * escaping twice changes nothing. Always NUL-ended (size >= 1). Returns out.
 */
char *log_escape(const void *text, size_t len, char *out, size_t size);

#endif
