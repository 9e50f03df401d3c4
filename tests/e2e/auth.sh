#!/bin/sh
# Credentials: which are found, where they go, where they never show.
# time-limit: 400
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

img=$work/img
mkimage build "$img:good" files=10,size=100k >/dev/null
mkimage build "$img:other" files=3,seed=9 >/dev/null
authfile=$work/auth.json
word=secret-word

encoded() { # USER:WORD
	printf '%s' "$1" | base64 | tr -d '\n'
}
auths() { # KEY USER:WORD …: writes the auth file
	python3 - "$@" >"$authfile" <<'END'
import base64, json, sys
words = sys.argv[1:]
print(json.dumps({"auths": {key: {"auth": base64.b64encode(pair.encode()).decode()}
                            for key, pair in zip(words[::2], words[1::2])}}))
END
}
silent() { # NAME: the last pull has told no secret
	check "$1: no secret is told" sh -c \
		"! grep -qF -e '$word' -e '$(encoded "user:$word")' -e secret-token '$work/err' '$work/out'"
}

# --- a real registry with a password file --------------------------------------------------------

# bcrypt, as docker-registry wants it
python3 -W ignore - "$word" >"$work/htpasswd" <<'END'
import crypt, sys
print("user:" + crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))
END
grep -q '^user:\$2' "$work/htpasswd" || bail "this machine's crypt has no bcrypt"

registry_config() { # port, storage, [certificate]: in place of that of lib.sh
	cat <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $2}}
auth: {htpasswd: {realm: test, path: $work/htpasswd}}
http:
  addr: 127.0.0.1:$1
END
	[ -z "${3:-}" ] || echo "  tls: {certificate: $3, key: $work/tls/server.key}"
}

make_tls
for way in http https; do
	if [ $way = https ]; then
		registry_start tls "$tls/server.crt"
		way_option=--ca-file=$tls/ca.crt
		mkdir "$work/certs"
		cp "$tls/ca.crt" "$work/certs/"
		skopeo_option=--dest-cert-dir=$work/certs
	else
		registry_start plain
		way_option=--tls-verify=false
		skopeo_option=--dest-tls-verify=false
	fi
	skopeo --insecure-policy copy -q --dest-creds "user:$word" "$skopeo_option" "oci:$img:good" \
		"docker://$registry/a/b:good" 2>"$work/skopeo.err" || bail "skopeo: $(cat "$work/skopeo.err")"
	ref=docker://$registry/a/b:good

	good() { # NAME: with the auth file as it is
		fresh_target
		pull "$way_option" --authfile "$authfile" "$ref"
		check "$way: $1" [ "$rc" -eq 0 -a -f "$bundle/config.json" ]
		[ "$rc" -eq 0 ] || diag_file "$work/err"
	}
	bad() { # NAME CODES [options]
		bad_name=$1
		bad_codes=$2
		shift 2
		refused "$way: $bad_name" "$bad_codes" --policy "$accept_policy" "$way_option" "$@" "$ref"
		silent "$way: $bad_name"
	}

	auths "$registry" "user:$word"
	good "credentials of the host"
	silent "$way: credentials of the host"
	auths "$registry/a/b" "user:$word" "$registry/a" user:no "$registry" user:no
	good "those of the repository come first"
	auths "$registry/a" "user:$word" "$registry" user:no "$registry/a/c" user:no
	good "then those of its parent"
	auths "https://$registry/v1/" "user:$word"
	good "a key as an old docker wrote it"
	echo "{\"$registry\":{\"auth\":\"$(encoded "user:$word")\"}}" >"$authfile"
	good "a .dockercfg"
	echo "{\"auths\":{\"$registry\":{\"username\":\"user\",\"password\":\"$word\"}}}" >"$authfile"
	good "name and password on their own"

	bad "no auth file" 23
	auths "$registry" "user:not-$word"
	bad "a wrong password" 23 --authfile "$authfile"
	auths "$registry" "stranger:$word"
	bad "a wrong name" 23 --authfile "$authfile"
	auths "$registry/a" "user:not-$word" "$registry" "user:$word"
	bad "the nearest entry counts, also when it is wrong" 23 --authfile "$authfile"
	auths "127.0.0.1" "user:$word" "localhost:$registry_port" "user:$word" "$registry/a/bc" "user:$word"
	bad "entries of others are not tried" 23 --authfile "$authfile"
	echo "{\"auths\":{\"$registry\":{}}}" >"$authfile"
	bad "an empty entry" 23 --authfile "$authfile"
	bad "no such auth file" 10 --authfile "$work/nowhere.json"
	bad "an auth file that is a folder" 10 --authfile "$work"
	for text in '' '{' '[]' '"x"' '{"auths":[]}' "{\"auths\":{\"$registry\":5}}" \
		"{\"auths\":{\"$registry\":{\"auth\":\"$(encoded "user:$word")\"}}" \
		"{\"auths\":{\"$registry\":{\"auth\":\"%%%\"}}}" \
		"{\"auths\":{\"$registry\":{\"auth\":\"$(encoded "$word")\"}}}" \
		"{\"auths\":{\"$registry\":{\"auth\":5}}}"; do
		printf '%s' "$text" >"$authfile"
		bad "a malformed auth file: $(printf '%s' "$text" | sed 's/127[0-9.:]*/HOST/' | cut -c1-32)" 10 \
			--authfile "$authfile"
	done
	[ $way = http ] || continue
	head -c 300000 /dev/zero | tr '\0' ' ' >"$authfile"
	bad "an auth file of 300 kB" 10 --authfile "$authfile"
	echo "{\"auths\":{\"$registry\":{\"auth\":\"$(encoded "user:$word")\",\"identitytoken\":\"$word\"}}}" >"$authfile"
	bad "an identitytoken where a password is wanted" 23 --authfile "$authfile"
	if is_root; then
		skip "http: an auth file that may not be read" "root reads everything"
		skip "http: an auth file that may not be read: no secret is told" "root reads everything"
	else
		chmod 000 "$authfile"
		bad "an auth file that may not be read" 10 --authfile "$authfile"
		chmod 600 "$authfile"
	fi
done

# --- tokens ----------------------------------------------------------------------------------------------

# token_registry NAME [CERTIFICATE]: sets $home (host:port) and $log
token_registry() {
	log=$work/token-$1.log
	python3 "$e2e/tokenregistry.py" "$work/token-$1.port" "$log" "$img" ${2:+"$2" "$tls/server.key"} \
		>"$work/token-$1.out" 2>&1 &
	pids="$pids $!"
	wait_file "$work/token-$1.port" || bail "tokenregistry.py does not start: $(cat "$work/token-$1.out")"
	home=127.0.0.1:$(cut -d' ' -f1 "$work/token-$1.port")
	auths "$home" "user:$word"
}
mark() {
	log_start=$(wc -l <"$log")
}
logged() { # what was asked since the mark
	tail -n "+$((log_start + 1))" "$log"
}
log_has() { # PATTERN
	logged | grep -Eq -- "$1"
}
log_lacks() {
	! log_has "$1"
}
token_pulled() { # NAME REPOSITORY [options]
	token_name=$1
	token_repository=$2
	shift 2
	mark
	fresh_target
	pull "$token_option" "$@" "docker://$home/$token_repository:good"
	check "$token_name" [ "$rc" -eq 0 -a -f "$bundle/config.json" ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	silent "$token_name"
}
token_refused() { # NAME CODES REPOSITORY [options]
	token_name=$1
	token_codes=$2
	token_repository=$3
	shift 3
	mark
	refused "$token_name" "$token_codes" --policy "$accept_policy" "$token_option" "$@" \
		"docker://$home/$token_repository:good"
	silent "$token_name"
	check "$token_name: only plain text is printed" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' '$work/err'"
}

token_registry http
token_option=--tls-verify=false
token_pulled "a token for anybody" usual/good
check "a token for anybody: the request is as told" \
	log_has 'GET /token/good\?service=the%20test&scope=repository%3Atoken%2Fx%3Apull -'
token_pulled "an access_token" usual/access
token_pulled "a token for credentials" usual/basic --authfile "$authfile"
check "the registry itself gets no password" log_lacks '/v2/.* Basic'
token_pulled "no scope in the challenge" no-scope/good
check "no scope in the challenge: pull of this repository" log_has 'scope=repository%3Ano-scope%2Fgood%3Apull'
for form in two-in-line two-other-way two-lines case; do
	token_pulled "challenges: $form" $form/good --authfile "$authfile"
	check "challenges: $form: the password goes for a token only" log_lacks '/v2/.* Basic'
done
token_pulled "a token server elsewhere" away/basic --authfile "$authfile"
token_refused "a token for credentials, without" 23 usual/basic
check "without: asked once" [ "$(logged | grep -c 'GET /token/basic')" -eq 1 ]
auths "$home" "user:not-$word"
token_refused "a token for credentials, wrong ones" 23 usual/basic --authfile "$authfile"
auths "$home" "user:$word"
token_refused "another token than the right one" 23 usual/other
check "another token: one challenge is answered" [ "$(logged | wc -l)" -eq 3 ]
token_refused "no end of challenges" 23 never/good
check "no end of challenges: one is answered" [ "$(logged | wc -l)" -eq 3 ]
for answer in empty number lines html long; do
	token_refused "a token answer: $answer" 23 usual/$answer
done
token_refused "a token answer of 2 MiB" 1 usual/large
token_refused "a token answer without end" 1 usual/endless
token_refused "a token server that points elsewhere" "22|23" usual/moved --authfile "$authfile"
check "a token server that points elsewhere: it is not followed" log_lacks '^away '
token_refused "a token server out of order" 22 usual/fault
check "its words are shown" grep -q 'HTTP status 503: UNAVAILABLE: come back later' "$work/err"
for form in user file no-realm space; do
	token_refused "a realm: $form" 23 $form/good --authfile "$authfile"
	check "a realm: $form: nothing is asked" log_lacks '/token|passwd'
done
token_refused "a challenge of unknown kind" 23 unknown/x --authfile "$authfile"
token_refused "no challenge" 23 none/x --authfile "$authfile"
token_refused "a malformed challenge" 22 malformed/x --authfile "$authfile"
token_refused "a challenge with control characters" "22|23" escapes/x --authfile "$authfile"

token_pulled "a token is good for all of a pull" usual/good
check "all of a pull: one challenge, one token" [ "$(logged | wc -l)" -eq 5 ]
token_pulled "tokens that end in the middle" ends/fresh
check "in the middle: a second one is bought" [ "$(logged | grep -c 'GET /token/')" -eq 2 ]
token_pulled "a scope that is not enough" scopes/by-scope
check "not enough: the second is asked for" log_has 'GET /token/by-scope\?.*scope=wide'
token_refused "a scope that is never enough" 23 scopes/good
check "never enough: two tokens, not more" [ "$(logged | grep -c 'GET /token/')" -eq 2 ]
entry() { # MEMBERS: of the registry's entry
	echo "{\"auths\":{\"$home\":{$1}}}" >"$authfile"
}
entry "\"auth\":\"$(encoded user:)\",\"identitytoken\":\"secret-word/1\""
token_pulled "an identity token" usual/identity --authfile "$authfile"
check "an identity token: nothing of it in a URL" log_lacks 'GET /token'
entry '"identitytoken":"secret-word/2"'
token_refused "a wrong identity token" 23 usual/identity --authfile "$authfile"
token_refused "an identity token where a password is wanted" 23 basic/x --authfile "$authfile"
check "where a password is wanted: it is not shown" log_lacks 'Basic|Bearer'
entry '"registrytoken":"secret-token-of-the-test"'
token_pulled "a registry token" usual/good --authfile "$authfile"
check "a registry token: none is bought" log_lacks '/token/'
entry '"registrytoken":"secret-token-of-others"'
token_refused "a wrong registry token" 23 usual/good --authfile "$authfile"
check "a wrong registry token: nobody is asked for another" log_lacks '/token/'

# Where tools leave credentials, without --authfile
auths "$home" "user:$word"
mkdir -p "$work/run/containers" "$work/config/containers" "$work/home/.docker"
for place in run/containers/auth.json config/containers/auth.json home/.docker/config.json home/.dockercfg; do
	cp "$authfile" "$work/$place"
	[ $place != home/.dockercfg ] || echo "{\"$home\":{\"auth\":\"$(encoded "user:$word")\"}}" >"$work/$place"
	(
		XDG_RUNTIME_DIR=$work/run XDG_CONFIG_HOME=$work/config HOME=$work/home
		export XDG_RUNTIME_DIR XDG_CONFIG_HOME HOME
		pull "$token_option" "docker://$home/usual/basic:good"
		echo "$rc" >"$work/found"
		fresh_target
		pull "$token_option" --no-creds "docker://$home/usual/basic:good"
		echo "$rc" >"$work/unasked"
	)
	check "found in $place" [ "$(cat "$work/found")" -eq 0 ]
	check "$place: not with --no-creds" [ "$(cat "$work/unasked")" -eq 23 ]
	fresh_target
	rm "$work/$place"
done
found_as() { # NAME STATUS [options]
	found_name=$1
	found_status=$2
	shift 2
	fresh_target
	run env XDG_RUNTIME_DIR="$work/run" HOME="$work/home" "$aa" pull "$snapshot" --policy "$accept_policy" \
		"$token_option" "$@" "docker://$home/usual/basic:good" "$bundle"
	check "$found_name" [ "$rc" -eq "$found_status" ]
	[ "$rc" -eq "$found_status" ] || diag_file "$work/err"
}
cp "$authfile" "$work/home/.docker/config.json"
echo '{"auths":{"a.test":{"auth":"eDp5"}}}' >"$work/run/containers/auth.json"
found_as "the first file with an entry counts" 0
auths "$home" "user:not-$word"
cp "$authfile" "$work/run/containers/auth.json"
found_as "also when it is wrong" 23
echo '{' >"$work/run/containers/auth.json"
found_as "a file that is malformed is not passed over" 10
rm -r "$work/run/containers/auth.json" "$work/home/.docker"
found_as "no file at all" 23
found_as "--no-creds and --authfile" 2 --no-creds --authfile "$authfile"
auths "$home" "user:$word"

token_registry https "$tls/server.crt"
token_option=--ca-file=$tls/ca.crt
token_pulled "https: a token for credentials" usual/basic --authfile "$authfile"
for form in plain user file; do
	token_refused "https: a realm: $form" 23 $form/good --authfile "$authfile"
	check "https: a realm: $form: nothing is asked" log_lacks '/token'
done
for form in link-local link-local6; do
	token_refused "https: a realm: $form" 23 $form/good --authfile "$authfile"
	check "https: a realm: $form: the reason" grep -q 'or its link' "$work/err"
done
mark
refused "https: no password for a registry that is not proved" 21 --policy "$accept_policy" \
	--ca-file "$tls/other-ca.crt" --authfile "$authfile" "docker://$home/usual/basic:good"
check "not proved: nothing was said" log_lacks GET

# --- where secrets could show ---------------------------------------------------------------------------

log=$work/front.log
python3 "$e2e/front.py" "$work/front.port" "$log" "$img" >"$work/front.out" 2>&1 &
pids="$pids $!"
wait_file "$work/front.port" || bail "front.py does not start: $(cat "$work/front.out")"
home=127.0.0.1:$(cut -d' ' -f1 "$work/front.port")
auths "$home" user:word
fresh_target
"$aa" --log-level debug pull --policy "$accept_policy" --tls-verify=false --authfile "$authfile" \
	"docker://$home/basic-stall/x" "$bundle" >"$work/out" 2>"$work/err" &
pull_pid=$!
pids="$pids $pull_pid"
# The blob waits, with the credentials in use.
until grep -q '/blobs/.* Basic' "$log" || ! runs $pull_pid; do
	sleep 0.05
done
python3 - $pull_pid "$(encoded user:word)" user:word >"$work/seen" <<'END'
"""Command lines and environments of a pull and of all that it started"""
import os, sys

def read(pid, name):
    try:
        with open("/proc/%s/%s" % (pid, name), "rb") as f:
            return f.read()
    except OSError:
        return b""

parents = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    fields = read(pid, "stat").rpartition(b") ")[2].split()
    if fields:
        parents[pid] = fields[1].decode()
ours = {sys.argv[1]}
while True:
    more = {pid for pid, parent in parents.items() if parent in ours} - ours
    if not more:
        break
    ours |= more
for pid in ours:
    for name in "cmdline", "environ":
        if any(needle.encode() in read(pid, name) for needle in sys.argv[2:]):
            print("secret in", name, "of", read(pid, "cmdline"))
print(sum(1 for pid in ours if read(pid, "cmdline")))
END
echo >"$log.go"
rc=0
wait $pull_pid || rc=$?
check "a pull with credentials at log level debug" [ "$rc" -eq 0 ]
diag_file "$work/seen"
check "debug: its processes were seen" [ "$(tail -n 1 "$work/seen")" -ge 4 ]
check "debug: no secret in a command line or environment" sh -c "! grep 'secret in' '$work/seen'"
check "debug: no secret in the log" sh -c \
	"! grep -F -e '$(encoded user:word)' -e user:word -e Basic '$work/err' '$work/out'"

plan
