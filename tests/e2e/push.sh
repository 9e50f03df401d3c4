#!/bin/sh
# Images on their way into a registry or an archive: what arrives, who is told what, and what becomes of a bad line.
# time-limit: 400
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

kid=default/key/one
img=$work/img
ocicrypt keys "$work/keys" $kid
keys=$work/keys/aa-offline_fs_kbc-keys.json
params=offline_fs_kbc::$work/keys
authfile=$work/auth.json
word=secret-word
# a layer that is taken into no memory as a whole, a small one, an empty one
mkimage build "$img:plain" --config '{"Env":["A=b"]}' files=3,size=7M gzip=none,files=3,size=2k empty >/dev/null
mkimage build "$work/large:plain" files=30,size=24M >/dev/null

encrypt() { # [options] SRC DST
	run timeout -k 2 60 "$aa" encrypt --recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "$params" "$@"
}

# arrived NAME REGISTRY/NAME:TAG [options of skopeo]: what was pushed last is there, all of it, under its digest
arrived() {
	arrived_name=$1
	arrived_ref=$2
	shift 2
	if [ "$rc" -ne 0 ]; then
		not_ok "$arrived_name"
		diag_file "$work/err"
		return
	fi
	arrived_digest=$(cat "$work/out")
	rm -rf "$work/arrived"
	run skopeo --insecure-policy copy -q --preserve-digests --src-tls-verify=false "$@" "docker://$arrived_ref" "oci:$work/arrived:x"
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	check "$arrived_name" [ "$(mkimage digest "$work/arrived:x")" = "$arrived_digest" ]
}

# is_right NAME: what has arrived last is the image, encrypted
is_right() {
	check "$1: packets, HMAC and cipher are right" ocicrypt check "$work/arrived:x" "$img:plain" "$keys" $kid
}

# failed NAME CODES [options] SRC DST: an error is told, no digest
failed() {
	failed_name=$1
	failed_codes=$2
	shift 2
	encrypt "$@"
	failed_fault=
	exit_is "$failed_codes" || failed_fault="exit $rc, wanted $failed_codes"
	grep -q '^aa-cli: encrypt: .* ([A-Z_]*)$' "$work/err" || failed_fault="$failed_fault; no line 'aa-cli: encrypt: … (CODE)'"
	[ ! -s "$work/out" ] || failed_fault="$failed_fault; output on stdout"
	if [ -z "$failed_fault" ]; then
		ok "$failed_name"
		diag "$(grep '^aa-cli: encrypt: ' "$work/err" | head -n 1)"
	else
		not_ok "$failed_name"
		diag "$failed_fault"
		diag_file "$work/err"
	fi
}

encoded() { # USER:WORD
	printf '%s' "$1" | base64 | tr -d '\n'
}
silent() { # NAME: the last one has told no secret
	check "$1: no secret is told" sh -c \
		"! grep -qF -e '$word' -e '$(encoded "user:$word")' -e eyJ '$work/err' '$work/out'"
}

# --- a registry that asks nothing -------------------------------------------------------------------

make_tls
registry_start plain
plain_port=$registry_port
mkimage push "$work/large:plain" "http://$registry/large/image:plain" >/dev/null
encrypt --tls-verify=false "oci:$img:plain" "docker://$registry/a/b:one"
arrived "into a registry" "$registry/a/b:one"
is_right "into a registry"
check "its media type" [ "$(skopeo inspect --raw --tls-verify=false "docker://$registry/a/b:one" |
	jq -r .mediaType)" = application/vnd.oci.image.manifest.v1+json ]
encrypt --tls-verify=false "oci:$img:plain" "docker://$registry/a/b:one"
arrived "under a tag that is there" "$registry/a/b:one"
encrypt --tls-verify=false "docker://$registry/a/b:one" "docker://$registry/a/b:two"
check "what is encrypted already is not encrypted again" [ "$rc" -ne 0 ]
mkimage push "$img:plain" "http://$registry/c/d:plain" >/dev/null
encrypt --tls-verify=false "docker://$registry/c/d:plain" "docker://$registry/c/d"
arrived "from a registry into the same one, tag latest" "$registry/c/d:latest"
is_right "from a registry into the same one, tag latest"
encrypt --tls-verify=false --layer 0 "oci:$img:plain" "docker://$registry/c/d:some"
check "some layers only" [ "$rc" -eq 0 ]
pull_params="--aa-kbc-params=$params"
pulled "what was pushed is pulled" "$pull_params" "docker://$registry/c/d"

expect_exit "decrypted, from one name to another" 0 "$aa" decrypt --aa-kbc-params "$params" --tls-verify=false \
	"docker://$registry/a/b:one" "docker://$registry/e/f:open"
arrived "decrypted: it has arrived" "$registry/e/f:open"
check "decrypted: with the layers it was made of" [ "$(mkimage layers "$work/arrived:x")" = "$(mkimage layers "$img:plain")" ]

failed "a digest is no name for a new image" 2 --tls-verify=false "oci:$img:plain" \
	"docker://$registry/a/b@sha256:$(printf '%064d' 0)"
failed "nobody answers" 20 --tls-verify=false "oci:$img:plain" "docker://127.0.0.1:$(free_port)/a/b"
failed "TLS where none is spoken" "20|21" "oci:$img:plain" "docker://$registry/a/b:tls"

registry_start tls "$tls/server.crt"
encrypt --ca-file "$tls/ca.crt" "oci:$img:plain" "docker://$registry/a/b:one"
arrived "over TLS" "$registry/a/b:one"
failed "over TLS, another authority" 21 --ca-file "$tls/other-ca.crt" "oci:$img:plain" "docker://$registry/a/b:two"

# --- a bad line ---------------------------------------------------------------------------------------

registry_start behind
python3 "$e2e/pushproxy.py" "$work/push.port" "$work/push.log" "$registry_port" >"$work/push.out" 2>&1 &
pids="$pids $!"
wait_file "$work/push.port" || bail "pushproxy.py does not start: $(cat "$work/push.out")"
line=127.0.0.1:$(cat "$work/push.port")
count=0

mark() {
	marked=$(wc -l <"$work/push.log")
}
logged() {
	tail -n "+$((marked + 1))" "$work/push.log"
}
over() { # NAME SCRIPT [options]: pushed in spite of it
	count=$((count + 1))
	over_name=$1
	over_script=$2
	shift 2
	mark
	encrypt --tls-verify=false "$@" "oci:$img:plain" "docker://$line/$over_script/n/$count:x"
	cp "$work/err" "$work/over.err"
	arrived "$over_name" "$registry/n/$count:x"
}
not_over() { # NAME CODES SCRIPT [options]
	count=$((count + 1))
	not_name=$1
	not_codes=$2
	not_script=$3
	shift 3
	mark
	failed "$not_name" "$not_codes" --tls-verify=false "$@" "oci:$img:plain" "docker://$line/$not_script/n/$count:x"
	check "$not_name: the image has no name" \
		sh -c "! skopeo inspect --tls-verify=false 'docker://$registry/n/$count:x' 2>/dev/null"
}

over "a good line" other.ok
is_right "a good line"
check "what is sent: layers once, in one request each" [ "$(logged | grep -c '^send .* PATCH')" -eq 3 ]
check "documents by PUT" [ "$(logged | grep -c '^send .* PUT')" -eq 1 ]
# a plain layer, which is known by its digest before: one request, and none when it is there
over "a large layer that stays plain" other.ok --layer -1
check "stays plain: PUT alone, with its length" [ "$(logged | awk '$1 == "send" && $3 == "PUT" && $6 > 5000000' | wc -l)" -eq 1 ]
count=$((count - 1))
over "the same again" other.ok --layer -1
check "the same again: it is not sent" [ "$(logged | awk '$6 > 5000000' | wc -l)" -eq 0 ]
for step in find open close name; do
	over "500 once: $step" $step.status-500.ok
	over "a line that ends: $step" $step.drop.ok
	over "a lost answer: $step" $step.lost.ok
	over "429 once: $step" $step.early-429.ok
done
over "503 before the first byte of a layer" send.early-503.ok
over "a line that ends in the middle of a layer" send.cut-100000.ok
check "the layer was asked for again" grep -q 'sent anew' "$work/over.err"
over "and again" send.cut-100000.cut-10000.ok
is_right "and again"
not_over "a line that ends in the middle each time" 20 send.cut-100000
check "in the middle each time: three attempts" [ "$(logged | grep -c '^send')" -eq 3 ]
check "in the middle each time: says that bytes were lost" grep -q 'comes but once' "$work/err"
not_over "500 behind a whole layer" 22 send.status-500.ok
not_over "413 before the first byte" 22 send.early-413
check "the registry's words, escaped" grep -qF 'HTTP status 413: TEST: as the test\x1b wants it' "$work/err"
not_over "413 in the middle" "20|22" send.middle-413
not_over "no end of 500" 22 open.status-500
not_over "no end of 429 for the manifest" 22 name.early-429
not_over "a slow line, and no time" 40 send.slow --timeout 2
not_over "a silent one, and no time" 40 open.silent --timeout 2
not_over "403" 23 open.status-403
not_over "404 for the upload" "20|22" open.to-lost

over "a relative Location" open.relative
for place in file nowhere fragment user; do
	not_over "a Location that cannot be: $place" 22 open.to-$place
done
not_over "another digest than a layer's" 14 close.lie
failed "another digest than the manifest's" 14 --tls-verify=false "oci:$img:plain" "docker://$line/name.lie/n/lie:x"

# another host: nothing of the credentials goes there
printf '{"auths":{"%s":{"auth":"%s"}}}' "$line" "$(encoded "user:$word")" >"$authfile"
for status in 307 308; do
	for step in open send name; do
		over "$status to another host: $step" ${step}_auth.away-$status --authfile "$authfile"
		check "$status to another host: $step: it got no credentials" \
			[ "$(logged | grep 'away=1' | cut -d' ' -f5 | sort -u)" = - ]
	done
done
over "an upload that goes on at another host" open_auth.elsewhere --authfile "$authfile"
check "it got no credentials" [ "$(logged | grep -E '^(send|close) ' | cut -d' ' -f5 | sort -u)" = - ]
check "but home did" [ "$(logged | grep '^name ok' | cut -d' ' -f5)" = "Basic_$(encoded "user:$word")" ]
not_over "303 to another host" 22 open.away-303
not_over "no end of redirects" 22 open.loop
check "no end: it was followed a few times" [ "$(logged | grep -c '^open')" -eq 6 ]

# --- passwords ------------------------------------------------------------------------------------------

python3 -W ignore - "$word" >"$work/htpasswd" <<'END'
import crypt, sys
print("user:" + crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))
END
access="htpasswd: {realm: test, path: $work/htpasswd}"
registry_config() { # port, storage: in place of that of lib.sh
	cat <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $2}}
auth: {$access}
http:
  addr: 127.0.0.1:$1
END
}
registry_start password
auths() { # USER:WORD
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$registry" "$(encoded "$1")" >"$authfile"
}
auths "user:$word"
encrypt --tls-verify=false --authfile "$authfile" "oci:$img:plain" "docker://$registry/a/b:one"
arrived "with a password" "$registry/a/b:one" --src-creds "user:$word"
failed "without a password" 23 --tls-verify=false --no-creds "oci:$img:plain" "docker://$registry/a/b:two"
auths "user:not-$word"
failed "with a wrong one" 23 --tls-verify=false --authfile "$authfile" "oci:$img:plain" "docker://$registry/a/b:two"
silent "with a wrong one"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/token.key" -out "$work/token.crt" \
	-days 2 -subj "/CN=tokens" 2>/dev/null
python3 "$e2e/tokenserver.py" "$work/token.port" "$work/token.log" "$work/token.crt" "$work/token.key" \
	>"$work/token.out" 2>&1 &
pids="$pids $!"
wait_file "$work/token.port" || bail "tokenserver.py does not start: $(cat "$work/token.out")"
access="token: {realm: 'http://127.0.0.1:$(cat "$work/token.port")/t', service: registry, issuer: test,
  rootcertbundle: $work/token.crt}"
registry_start token
auths "user:$word"
encrypt --tls-verify=false --authfile "$authfile" "oci:$img:plain" "docker://$registry/a/b:one"
arrived "with a token" "$registry/a/b:one"
check "with a token: one to look, one to push" [ "$(wc -l <"$work/token.log")" -ge 1 ]
check "with a token: it was asked for with the right to push" grep -Eq '(pull%2Cpush|push%2Cpull) user' "$work/token.log"
silent "with a token"
failed "a token that is not good enough" 23 --tls-verify=false --no-creds "oci:$img:plain" "docker://$registry/a/b:two"

# --- archives ---------------------------------------------------------------------------------------------

tar=$work/image.tar
encrypt "oci:$img:plain" "oci-archive:$tar:v1"
check "into an archive" [ "$rc" -eq 0 ]
[ "$rc" -eq 0 ] || diag_file "$work/err"
archive_digest=$(cat "$work/out")
check "its mode" [ "$(stat -c %a "$tar")" = 644 ]
run skopeo --insecure-policy copy -q "oci-archive:$tar:v1" "oci:$work/opened:x"
check "skopeo reads it" [ "$(mkimage digest "$work/opened:x")" = "$archive_digest" ]
check "packets, HMAC and cipher are right" ocicrypt check "$work/opened:x" "$img:plain" "$keys" $kid
mkdir "$work/by-tar" "$work/by-bsdtar"
check "GNU tar reads it" tar -C "$work/by-tar" -xf "$tar"
check "bsdtar reads it" bsdtar -C "$work/by-bsdtar" -xf "$tar"
check "and they find the same" diff -r "$work/by-tar" "$work/by-bsdtar"
check "which is a layout" [ "$(mkimage digest "$work/by-tar:v1")" = "$archive_digest" ]
pulled "we pull from it" "$pull_params" "oci-archive:$tar:v1"
cp "$tar" "$work/before.tar"
failed "an archive that is there, and no such key" 13 --recipient "provider:attestation-agent:kbs:///default/key/none" \
	"oci:$img:plain" "oci-archive:$tar:v1"
check "it is as before" cmp "$tar" "$work/before.tar"
(
	umask 077
	encrypt "oci:$img:plain" "oci-archive:$tar:v2"
)
check "in place of one that is there, for its owner alone" [ "$(stat -c %a "$tar")" = 600 ]
check "with its new name" sh -c "tar -xOf '$tar' index.json | grep -q '\"v2\"'"
check "nothing is left beside it" [ ! -e "$work/.cacao-staging" ]
mkdir "$work/folder"
failed "a folder is not written over" 15 "oci:$img:plain" "oci-archive:$work/folder:v1"
failed "docker-archive: is refused" 1 "oci:$img:plain" "docker-archive:$work/docker.tar:a/b:c"
check "and why" grep -q annotations "$work/err"

# a kill in the middle, which lasts for half a minute, leaves nothing that has a name
slow_line "$plain_port" 800000
"$aa" encrypt --recipient "provider:attestation-agent:kbs:///$kid" --aa-kbc-params "$params" --tls-verify=false \
	"docker://$slow/large/image:plain" "oci-archive:$work/killed.tar" >"$work/out" 2>"$work/err" &
kill_pid=$!
pids="$pids $kill_pid"
until [ -n "$(find "$work/.cacao-staging" -name .new -size +20 2>/dev/null)" ] || ! runs $kill_pid; do
	sleep 0.01
done
kill -TERM $kill_pid
rc=0
wait $kill_pid || rc=$?
check "interrupted" [ "$rc" -eq 41 ]
check "and no archive is there" [ ! -e "$work/killed.tar" ]
check "nor what was begun" [ ! -e "$work/.cacao-staging" ]

plan
