/*
 * upload.h: one image on its way into a registry, a request at a time. Each step is begun by a call and
 * ends with u->ended; it takes as many requests as it takes: challenge, token, redirects, further attempts. Only
 * the net role links this.
 */
#ifndef AGENT_UPLOAD_H
#define AGENT_UPLOAD_H

#include "agent/client.h"
#include "agent/retry.h"

#define UPLOAD_SIZE_UNKNOWN	UINT64_MAX

enum upload_request { UPLOAD_CHECK, UPLOAD_BEGIN, UPLOAD_SEND, UPLOAD_CLOSE, UPLOAD_NAME, UPLOAD_TOKEN, UPLOAD_REQUESTS };
enum upload_job { JOB_FIND, JOB_OPEN, JOB_STREAM, JOB_BYTES, JOB_CLOSE, JOB_MANIFEST, JOB_COUNT };

struct upload {
	struct client		*client;
	struct image_ref	 ref;
	struct registry_place	 place;
	/* The end of a step; failed NULL: well. The next one may be begun. */
	void			(*ended)(void *arg, const struct err *failed);
	void			*arg;
	bool			 there;		/* upload_find: the registry has it */

	enum upload_job		 job;
	struct retry		 retry;
	struct err		 last;		/* why the last attempt failed */
	/* What is sent */
	struct digest		 digest;	/* of the blob or manifest; has_digest */
	bool			 has_digest;
	struct span		 bytes;		/* JOB_BYTES, JOB_MANIFEST */
	char			 media_type[128];
	int			 fd;		/* JOB_STREAM; -1: none */
	uint64_t		 size, sent;	/* of the stream */
	bool			 watched;	/* fd, for bytes to come */
	/* This attempt */
	enum upload_request	 request, behind_token;
	bool			 plain, at_home, final;
	bool			 looked;	/* for what an upload that is no more has left */
	unsigned		 redirects;
	struct login		 login;
	struct transfer		 transfer;
	struct buf		 url;		/* of this request */
	struct buf		 location;	/* of the upload that is open */
	bool			 location_home;	/* it is at the registry itself */
	struct buf		 small;		/* error body or token answer */
};

/* The client must outlive it. -ERR_CONFIG where the registries' table allows no place. */
int upload_init(struct upload *, struct client *, const struct image_ref *, struct err *) must_check;
void upload_fini(struct upload *);

/* Has the registry this blob? u->there says it. */
void upload_find(struct upload *, const struct digest *);
/* Opens an upload; what follows is sent to it. */
void upload_open(struct upload *);
/*
 * Sends what comes from a pipe, exactly size bytes (or however many there are); fd is taken over. With its digest
 * that is all, without it upload_close names what was sent. The bytes come once: where some were sent before
 * a fault, the upload is lost.
 */
void upload_stream(struct upload *, int fd, uint64_t size, const struct digest *);
void upload_close(struct upload *, const struct digest *);
/* Bytes as a blob, from finding out whether it is there to its end. They must stay until then. */
void upload_bytes(struct upload *, struct span, const struct digest *);
/* The same as a manifest under the reference's tag: the image has its name now. */
void upload_manifest(struct upload *, struct span, const struct digest *, const char *media_type);

#endif
