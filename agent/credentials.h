/*
 * credentials.h: resources that are files for others in the guest: each is fetched from the broker and written below one
 * directory (setting kbc.credentials), for root alone.
 */
#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include "agent/monitor.h"

#define CREDENTIALS_DIR	"/run/confidential-containers/cdh"

/*
 * list: lines "URI PATH", as config.h has checked them. A file has its name when it is whole, and the bytes do not pass
 * through this process. One that cannot be had is logged, and does not hold up the others: the first error is returned.
 */
int credentials_write(struct monitor *, int key, const char *list, struct err *) must_check;

#endif
