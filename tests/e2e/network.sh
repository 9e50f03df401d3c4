#!/bin/sh
# Bad lines, busy registries, mirrors and proxies: what is tried again, what is not, and that every byte arrives once.
# time-limit: 300
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

img=$work/img
mkimage build "$img:good" files=3,size=3m >/dev/null
mkimage build "$img:other" files=3,seed=9 >/dev/null
good=$(mkimage digest "$img:good")
other=$(mkimage digest "$img:other")
registry_start plain
for tag in good other; do
	skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$img:$tag" "docker://$registry/x:$tag" \
		2>"$work/skopeo.err" || bail "skopeo: $(cat "$work/skopeo.err")"
done
# line NAME: sets $line (host:port) and $log
line() {
	log=$work/line-$1.log
	python3 "$e2e/faultproxy.py" "$work/line-$1.port" "$log" "$registry_port" >"$work/line-$1.out" 2>&1 &
	pids="$pids $!"
	wait_file "$work/line-$1.port" || bail "faultproxy.py does not start: $(cat "$work/line-$1.out")"
	line=127.0.0.1:$(cat "$work/line-$1.port")
}

fresh_target
pull "oci:$img:good"
[ "$rc" -eq 0 ] || bail "the image is no good: $(cat "$work/err")"
mv "$bundle" "$work/wanted"

# came NAME REPOSITORY [options]: the pull works, and brings the same bytes as without all this
came() {
	came_name=$1
	came_repository=$2
	shift 2
	pulled "$came_name" "$@" "docker://$line/$came_repository/x:good"
	check "$came_name: the same bytes" same_trees "$work/wanted/rootfs" "$bundle/rootfs"
}
failed() { # NAME CODE REPOSITORY [options]
	failed_name=$1
	failed_code=$2
	failed_repository=$3
	shift 3
	refused "$failed_name" "$failed_code" --policy "$accept_policy" --tls-verify=false "$@" \
		"docker://$line/$failed_repository/x:good"
}
says() { # NAME PATTERN: in what the last pull said
	if grep -Eq -- "$2" "$work/err"; then
		ok "$1"
	else
		not_ok "$1"
		diag_file "$work/err"
	fi
}
asked() { # NAME COUNT REPOSITORY KIND: for the one asked most often
	asked_most=$(grep -F "/$3/" "$log" | grep "/$4/" | cut -d' ' -f2 | sort | uniq -c | sort -rn |
		awk 'NR == 1 { print $1 }')
	check "$1: asked $2 times" [ "${asked_most:-0}" -eq "$2" ]
}
ranged() { # NAME PATTERN REPOSITORY: of the ranges asked for
	check "$1: a range $2" sh -c "grep -F '/$3/' '$log' | cut -d' ' -f3 | grep -Eqx -- '$2'"
}

# --- those that take time, beside the rest

# later NAME CODE PATTERN COMMAND...: a pull in the background; its end is looked at by all_later
later_names=
later() {
	later_name=$1
	echo "$2" >"$work/later.$later_name.code"
	echo "$3" >"$work/later.$later_name.pattern"
	shift 3
	mkdir "$work/later.$later_name"
	(
		later_rc=0
		"$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "$@" "$work/later.$later_name/bundle" \
			>"$work/later.$later_name.out" 2>"$work/later.$later_name.err" || later_rc=$?
		echo "$later_rc" >"$work/later.$later_name.rc"
	) &
	pids="$pids $!"
	later_names="$later_names $later_name"
}
all_later() {
	for name in $later_names; do
		wait_file "$work/later.$name.rc" || :
		check "$name: exit status" cmp "$work/later.$name.code" "$work/later.$name.rc"
		check "$name: what it says" grep -Eq -- "$(cat "$work/later.$name.pattern")" "$work/later.$name.err"
		[ "$(cat "$work/later.$name.code")" = 0 ] ||
			check "$name: nothing is left" is_empty "$work/later.$name"
	done
}
line later
later a-line-cut-for-ever 20 'after 5 attempts: .*the connection ended early.*\(NET\)' "docker://$line/b.cut-0/x:good"
later cut-in-headers-for-ever 20 'after 5 attempts: ' "docker://$line/m.head/x:good"
later nobody-there 20 'after 5 attempts: .*cannot connect \(NET\)' "docker://127.0.0.1:$(free_port)/x:good"
later busy-for-ever 22 'after 5 attempts: .*HTTP status 503' "docker://$line/m.status-503/x:good"
later a-second-each-time 0 'HTTP status 429.*attempt 2 in 1\.0 s' "docker://$line/m.after-429-1.ok/x:good"
later busy-for-too-long 40 '^aa-cli: pull: .*before: .*HTTP status 503.*\(TIMEOUT\)$' --timeout 20 "docker://$line/m.after-503-30/x:good"
line main # whose log has nothing of these

# --- cut lines

for how in drop head cut-0 cut-1 cut-100000; do
	came "blobs: $how" "b.$how.ok"
	asked "blobs: $how" 2 "b.$how.ok" blobs
	# Where a connection that was used before is closed without a word, libcurl asks again by itself.
	[ $how = drop ] || says "blobs: $how: it is told" 'the connection ended early; attempt 2 in 0\.0 s'
done
ranged "blobs: cut-100000" 'bytes=100000-' b.cut-100000.ok
came "blobs: cut every 1.2 MB" b.cut-1200000.cut-1200000.ok
ranged "blobs: cut every 1.2 MB" 'bytes=2400000-' b.cut-1200000.cut-1200000.ok
came "blobs: elsewhere, cut there" b.away.cut-100000.ok
for how in drop head cut-0 cut-50; do
	came "manifest: $how" "m.$how.ok"
	asked "manifest: $how" 2 "m.$how.ok" manifests
done
pulled "manifest: cut, then another one" "docker://$line/m.cut-50.swap/x:good"
check "manifest: cut, then another one: no mixture" [ "$(cat "$work/out")" = "$other" ]

# --- ranges that are not what was asked for

came "the range is ignored" b.cut-100000.norange
came "the range is refused" b.cut-100000.status-416.ok
check "the range is refused: then all of it" \
	sh -c "grep -F '/b.cut-100000.status-416.ok/' '$log' | tail -n 1 | grep -q ' -\$'"
for how in badrange badtotal norangeheader; do
	came "another range: $how" "b.cut-100000.$how.ok"
done
failed "a part that nobody asked for" 22 b.unasked

# --- lengths

came "less than the manifest says, once" b.short.ok
failed "less than the manifest says, always" 14 b.short
says "less than the manifest says, always: how much" 'bytes are all it has \(DIGEST\)'
failed "more than the manifest says" 14 b.long
came "Content-Length: more than there is" b.more-5
came "Content-Length: less than there is" b.less-5.ok

# --- errors

for status in 408 429 500 502 503 504; do
	came "status $status, then well" "m.after-$status-0.ok"
	asked "status $status" 2 "m.after-$status-0.ok" manifests
done
came "a blob: status 503, then well" b.after-503-0.ok
came "Retry-After as a date" m.date-503-1.ok
came "HTML, then well" m.html-502.html-503.ok
for status in 400 404 403 501; do
	failed "status $status" '22|23' "m.status-$status"
	asked "status $status: at once" 1 "m.status-$status" manifests
done
failed "to be left alone for an hour" 22 m.after-429-3600
asked "to be left alone for an hour" 1 m.after-429-3600 manifests
failed "no HTTP" '20|22' m.garbage
failed "a digest that is another's" 14 m.lie

# --- time

began=$(now)
failed "a byte a second" 40 b.slow --timeout 2
took=$(($(now) - began))
# All in all: the server would take a minute, and five attempts ten seconds and the time between them.
check "a byte a second: two seconds, not more ($took ms)" [ "$took" -ge 1900 -a "$took" -le 30000 ]
asked "a byte a second" 1 b.slow blobs
says "a byte a second: the reason" 'not done within 2 s.*\(TIMEOUT\)'
failed "silence" 40 m.silent --timeout 1s
for text in 0 -1 x 5x 25h 1d ''; do
	run "$aa" pull "--timeout=$text" "docker://$line/ok/x:good" "$bundle"
	check "--timeout=$text is none" [ "$rc" -eq 2 ]
done

# --- places

nobody=127.0.0.1:$(free_port)
places() { # LINE...: of the table
	printf '%s\n' "$@" >"$work/registries.toml"
}
places '[[registry]]' "location = \"name.test/a\"" \
	'[[registry.mirror]]' "location = \"$line/m.status-404\"" 'insecure = true' \
	'[[registry.mirror]]' "location = \"$line/ok\"" 'insecure = true'
table=--registries=$work/registries.toml
fresh_target
: >"$log"
pull "$table" docker://name.test/a/x:good
check "the second mirror has it" [ "$rc" -eq 0 ]
check "the second mirror: the right image" [ "$(cat "$work/out")" = "$good" ]
says "the second mirror: it is told" "warning: .*trying $line"
check "its blobs are not asked for elsewhere" sh -c "! grep 'm.status-404.*/blobs/' '$log'"
places '[[registry]]' "location = \"name.test/a\"" 'blocked = true'
refused "a blocked name" 10 --policy "$accept_policy" "$table" docker://name.test/a/x:good
places '[[registry]]' "prefix = \"name.test/a\"" "location = \"$line/m.status-404\"" 'insecure = true' \
	'[[registry.mirror]]' "location = \"$line/m.status-403\"" 'insecure = true'
refused "two places without it" 22 --policy "$accept_policy" "$table" docker://name.test/a/x:good
says "two places without it: both are named" 'm.status-403/.*; .*m.status-404/'
: >"$log"
places '[[registry]]' "prefix = \"name.test/a\"" "location = \"$line/ok\"" \
	'[[registry.mirror]]' "location = \"$nobody/ok\"" 'insecure = true'
refused "a mirror without TLS opens nothing else without" 21 --policy "$accept_policy" "$table" \
	docker://name.test/a/x:good
check "a mirror without TLS: no request in the clear elsewhere" [ ! -s "$log" ]
places 'what = 1'
refused "a table that is none" 10 --policy "$accept_policy" "$table" docker://name.test/a/x:good
refused "no such table" 10 --policy "$accept_policy" --registries "$work/nowhere" docker://name.test/a/x:good

# --- proxies

make_tls
registry_start tls "$tls/server.crt"
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$img:good" "docker://$registry/x:good" \
	2>"$work/skopeo.err" || bail "skopeo: $(cat "$work/skopeo.err")"
secure=$registry
for name in http https; do
	set -- "$work/$name.port" "$work/$name.log"
	[ $name = http ] || set -- "$@" "$tls/server.crt" "$tls/server.key"
	python3 "$e2e/forward.py" "$@" >"$work/$name.out" 2>&1 &
	pids="$pids $!"
	wait_file "$work/$name.port" || bail "forward.py does not start: $(cat "$work/$name.out")"
done
http_proxy_at=http://127.0.0.1:$(cat "$work/http.port")
https_proxy_at=https://127.0.0.1:$(cat "$work/https.port")

# through NAME LOG COUNT VARIABLES [options] IMAGE; VARIABLES: "NAME=VALUE NAME=VALUE"
through() {
	through_name=$1
	through_log=$work/$2.log
	through_count=$3
	through_variables=$4
	shift 4
	through_before=$(wc -l <"$through_log")
	fresh_target
	# shellcheck disable=SC2086 # several words
	run env $through_variables "$aa" pull "$snapshot" --policy "$accept_policy" --ca-file "$tls/ca.crt" \
		"$@" "$bundle"
	check "$through_name" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
	through_more=$(($(wc -l <"$through_log") - through_before))
	if [ "$through_count" = some ]; then
		check "$through_name: through it" [ "$through_more" -gt 0 ]
	else
		check "$through_name: $through_count requests through it" [ "$through_more" -eq "$through_count" ]
	fi
}
through "CONNECT" http some "" --https-proxy "$http_proxy_at" "docker://$secure/x:good"
check "CONNECT: and nothing but" sh -c "! grep -v '^CONNECT' '$work/http.log'"
through "a proxy for http" http some "" --http-proxy "$http_proxy_at" --tls-verify=false "docker://$line/ok/x:good"
through "a proxy spoken to by https" https some "" --https-proxy "$https_proxy_at" "docker://$secure/x:good"
through "a proxy for the other scheme" http 0 "" --http-proxy "$http_proxy_at" "docker://$secure/x:good"
for variable in https_proxy HTTPS_PROXY; do
	through "\$$variable" http some "$variable=$http_proxy_at" "docker://$secure/x:good"
done
through "options come before variables" http some "https_proxy=http://$nobody" \
	--https-proxy "$http_proxy_at" "docker://$secure/x:good"
for none in 127.0.0.1 '*' 127.0.0.0/8 "a.test,127.0.0.1"; do
	through "--no-proxy $none" http 0 "" --https-proxy "$http_proxy_at" --no-proxy "$none" "docker://$secure/x:good"
done
through "\$no_proxy" http 0 "https_proxy=$http_proxy_at no_proxy=127.0.0.1" "docker://$secure/x:good"
through "--no-proxy of others" http some "" --https-proxy "$http_proxy_at" --no-proxy a.test,.b.test,10.0.0.0/8 \
	"docker://$secure/x:good"
away=localhost:${secure#*:}
through "credentials for a proxy" http some "https_proxy=http://user:word@${http_proxy_at#http://}" \
	"docker://$away/x:good"
check "credentials for a proxy: nothing shows them" sh -c "! grep -q 'user:word' '$work/err'"
refused "a proxy that wants credentials" 23 --policy "$accept_policy" --ca-file "$tls/ca.crt" \
	--https-proxy "$http_proxy_at" "docker://$away/x:good"
says "a proxy that wants credentials: says so" 'the proxy refuses: HTTP status 407'
refused "credentials on the command line" 2 --policy "$accept_policy" --https-proxy http://user:word@127.0.0.1:1 \
	"docker://$away/x:good"
check "credentials on the command line: they are not repeated" sh -c "! grep -q 'word' '$work/err'"
refused "a proxy of another kind" 10 --policy "$accept_policy" --https-proxy socks5://127.0.0.1:1 "docker://$away/x:good"

# --- authorities

mkdir "$work/cas"
cp "$tls/other-ca.crt" "$work/cas/1.crt"
cp "$tls/ca.crt" "$work/cas/2.pem"
echo nothing >"$work/cas/README"
cat "$tls/other-ca.crt" "$tls/ca.crt" >"$work/both.crt"
trusted() { # NAME [options]
	trusted_name=$1
	shift
	fresh_target
	pull "$@" "docker://$secure/x:good"
	check "$trusted_name" [ "$rc" -eq 0 ]
	[ "$rc" -eq 0 ] || diag_file "$work/err"
}
trusted "authorities: a folder" --ca-file "$work/cas"
trusted "authorities: several in a file" --ca-file "$work/both.crt"
trusted "authorities: several files" --ca-file "$tls/other-ca.crt" --ca-file "$tls/ca.crt"
mkdir "$work/none"
refused "authorities: an empty folder" 10 --policy "$accept_policy" --ca-file "$work/none" "docker://$secure/x:good"
refused "authorities: another one" 21 --policy "$accept_policy" --ca-file "$tls/other-ca.crt" "docker://$secure/x:good"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tls/self.key" -out "$tls/self.crt" \
	-days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>"$work/openssl.log"
cp "$tls/self.key" "$tls/server.key"
registry_start self "$tls/self.crt"
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$img:good" "docker://$registry/x:good" \
	2>"$work/skopeo.err" || bail "skopeo: $(cat "$work/skopeo.err")"
secure=$registry
trusted "a certificate that signed itself, and was named" --ca-file "$tls/self.crt"

all_later
plan
