/*
 * cek.h: what stands between a private key and the content it protects: key derivation, AES key wrap, and
 * AES-GCM with every size of key and additional data.
 */
#ifndef KEYPROVIDER_CEK_H
#define KEYPROVIDER_CEK_H

#include "lib/buf.h"

/* One round of Concat KDF with SHA-256 (NIST SP 800-56A): size <= 32 bytes appended to a secret buffer. */
int cek_derive(struct span shared, struct span other_info, size_t size, struct buf *key, struct err *) must_check;

/* RFC 3394. Appends wrapped.len - 8 bytes to a secret buffer. -ERR_DECRYPT. kek of 16, 24 or 32 bytes. */
int cek_unwrap(struct span kek, struct span wrapped, struct buf *key, struct err *) must_check;

/* AES-GCM; key of 16, 24 or 32 bytes, iv of 12, tag of 16. -ERR_DECRYPT without a reason, and nothing added. */
int cek_open(struct span key, struct span iv, struct span aad, struct span sealed, struct span tag,
    struct buf *out, struct err *) must_check;

/* The same in the other direction. Appends key.len + 8 bytes; key of 16 to 64 bytes, a multiple of 8. */
int cek_wrap(struct span kek, struct span key, struct buf *wrapped, struct err *) must_check;
/* Appends to sealed as many bytes as plain has, and to tag 16. */
int cek_seal(struct span key, struct span iv, struct span aad, struct span plain, struct buf *sealed, struct buf *tag,
    struct err *) must_check;

#endif
