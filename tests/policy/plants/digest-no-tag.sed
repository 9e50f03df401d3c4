# image/simple_signing.c: a signature without tag counts for a digest
/^repo_digest_or_exact/,/^}/s/return has_tag_or_digest(signed_ref) \&\& /return /
