/*
 * evidence.h: what a platform is: one const struct in one file, and one line in
 * the array of evidence.c. Which one this guest is follows from what its kernel
 * shows, tried in the order of the array. Local only: all of the world that a
 * platform may touch is in struct evidence_env.
 */
#ifndef EVIDENCE_EVIDENCE_H
#define EVIDENCE_EVIDENCE_H

#include "lib/buf.h"
#include "lib/limits.h"

#define EVIDENCE_DATA	64	/* report data: what a report binds; shorter data is followed by zeros */

/*
 * Functions the caller supplies: -1 with errno when they fail. Paths are absolute. What open and vsock give is read and
 * written through lib/sys.h and closed by whoever asked.
 */
struct evidence_env {
	int	(*open)(void *arg, const char *path, int flags);	/* close-on-exec; what it makes has mode 0600 */
	int	(*ioctl)(void *arg, int fd, unsigned long request, void *argument);
	int	(*make_dir)(void *arg, const char *path);
	int	(*remove_dir)(void *arg, const char *path);
	int	(*remove_file)(void *arg, const char *path);
	int	(*vsock)(void *arg, uint32_t port);	/* connected to the host */
	void	(*pause)(void *arg, unsigned ms);
	/* Optional. Hygon without its device: makes a report of the request in this page. NULL: is there such a call? */
	int	(*hypercall)(void *arg, uint8_t *page);
	void	*arg;
	bool	 allow_sample;	/* evidence that proves nothing, for tests of brokers */
};

struct attester_ops;

/* What was collected: the bytes as the platform made them. */
struct evidence {
	const struct attester_ops	*tee;
	struct buf	report;		/* quote, report, token */
	struct buf	certs;		/* snp: certificate table; csv: HSK and CEK; may be empty */
	struct buf	event_log;	/* may be empty */
};

struct attester_ops {
	const char		*name;		/* as brokers and verifiers call it */
	size_t			 data_max;	/* report data it takes */
	const char		*shown_by;	/* what probe looks at, for the message that nothing was found */
	bool	(*probe)(const struct evidence_env *);
	/* data: as given, at most data_max bytes; out is empty before. */
	int	(*collect)(const struct evidence_env *, struct span data, struct evidence *out, struct err *);
	/* The JSON value of today's CoCo guest components, without blanks; appended. */
	int	(*json)(const struct evidence *, struct buf *out, struct err *);
	/* What rats-tls carries; NULL: the report. */
	int	(*raw)(const struct evidence *, struct buf *out, struct err *);
	/* Extends the register that belongs to this PCR by a digest of hash_size(extend_alg) bytes. Optional. */
	int	(*extend)(const struct evidence_env *, unsigned pcr, struct span digest, struct err *);
	/* What that register holds now, as many bytes. Optional; -ERR_UNSUPPORTED where this kernel does not show it. */
	int	(*read_register)(const struct evidence_env *, unsigned pcr, uint8_t value[64], struct err *);
	int	 extend_alg;	/* enum hash_alg */
};

extern const struct attester_ops *const attesters[];	/* NULL-ended, in the order they are tried */
extern const struct attester_ops attester_tdx, attester_snp, attester_csv, attester_cca, attester_sev, attester_sample;

/*
 * The platform of this guest. name NULL: the first that shows itself. A name is never replaced by another one:
 * -ERR_CONFIG when there is none of this name, -ERR_NO_TEE when its device is missing, or when nothing was found.
 */
int evidence_select(const struct evidence_env *, const char *name, const struct attester_ops **, struct err *) must_check;

void evidence_init(struct evidence *);
void evidence_free(struct evidence *);
#define autoevidence cleanup(evidence_free) struct evidence

/*
 * Evidence that binds data. More than data_max bytes are -ERR_USAGE, never cut. out must be initialised and empty; it
 * stays so on failure. -ERR_EVIDENCE: the platform gave nothing, or nothing that binds the data. -ERR_TIMEOUT.
 */
int evidence_collect(const struct evidence_env *, const struct attester_ops *, struct span data, struct evidence *out,
    struct err *) must_check;

/* For platforms: data and the zeros behind it. */
void evidence_pad(struct span data, uint8_t out[EVIDENCE_DATA]);

enum evidence_form {
	EVIDENCE_COCO,		/* the platform's JSON value: primary evidence of today's protocol */
	EVIDENCE_STRING,	/* the same as a JSON string: tee-evidence of the archived agent (protocol 0.1.0) */
	EVIDENCE_COMPOSITE,	/* {"primary_evidence":…,"additional_evidence":""} (protocol 0.3 and later) */
	EVIDENCE_RAW,		/* bytes, as rats-tls, librats and verdictd carry them */
	EVIDENCE_FORM_COUNT
};
int evidence_format(const struct evidence *, enum evidence_form, struct buf *out, struct err *) must_check;

#endif
