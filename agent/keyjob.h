/*
 * keyjob.h: a key role for a command that asks it one thing after the other. Asks travel over its control socket.
 */
#ifndef AGENT_KEYJOB_H
#define AGENT_KEYJOB_H

#include "agent/monitor.h"
#include "image/ocicrypt.h"

/* Starts the key role with this broker; *control is its socket. */
int keyjob_start(struct monitor *, const char *kbc_params, int *control, struct err *) must_check;

/* kbs:///…? */
bool keyjob_is_resource(const char *name);
/* Is it REPOSITORY/TYPE/TAG with one of these types, NULL at the end? -ERR_CONFIG names them. */
int keyjob_check_type(const char *uri, const char *const types[], struct err *) must_check;

/* Writes a resource to fd; the bytes do not pass through this process. */
int keyjob_resource(struct monitor *, int control, const char *uri, int fd, struct err *) must_check;

/*
 * Makes a layer key, wrapped for every recipient (agent/recipients.h); digest: of the plain blob. out comes zeroed; its values
 * are those of the layer's annotations.
 */
int keyjob_wrap(struct monitor *, int control, uint32_t layer, const char *digest, struct ocicrypt_wrapped *out,
    struct err *) must_check;

#endif
