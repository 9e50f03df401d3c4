# image/simple_signing.c: the default rule compares repositories only
/^repo_digest_or_exact/,/^}/s/return same_reference(image, signed_ref)/return same_repository(image, signed_ref)/
