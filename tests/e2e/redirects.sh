#!/bin/sh
# Registries that send their clients about, lie, or talk without end; and servers that do not prove who they are.
# time-limit: 400
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

img=$work/img
good=$(mkimage build "$img:good" files=20,size=300k files=3,seed=2,top=more)
mkimage build "$img:other" files=3,seed=9 >/dev/null

# front NAME [CERTIFICATE]: sets $home (host:port) and $front_log
front() {
	front_log=$work/front-$1.log
	python3 "$e2e/front.py" "$work/front-$1.port" "$front_log" "$img" ${2:+"$2" "$tls/server.key"} \
		>"$work/front-$1.out" 2>&1 &
	pids="$pids $!"
	wait_file "$work/front-$1.port" || bail "front.py does not start: $(cat "$work/front-$1.out")"
	home=127.0.0.1:$(cut -d' ' -f1 "$work/front-$1.port")
}

authfile=$work/auth.json
word=$(printf 'user:word' | base64)	# of front.py, too

log_has() { # PATTERN: in the log of the front, since the last pull began
	tail -n "+$((log_start + 1))" "$front_log" | grep -Eq -- "$1"
}
log_lacks() {
	! log_has "$1"
}
log_gets() { # PATTERN: in a while, since a server notices late
	comes_true 30 log_has "$1"
}
mark() {
	log_start=$(wc -l <"$front_log")
}

http_pulled() { # NAME REPOSITORY[:TAG]
	mark
	pulled "$1" --authfile "$authfile" "docker://$home/$2"
}
http_refused() { # NAME CODES REPOSITORY[:TAG]
	mark
	refused "$1" "$2" --policy "$accept_policy" --tls-verify=false --authfile "$authfile" "docker://$home/$3"
}
says() { # NAME PATTERN: in the message of the last pull
	if grep -Eq -- "$2" "$work/err"; then
		ok "$1"
	else
		not_ok "$1"
		diag_file "$work/err"
	fi
}
plain_text() { # NAME: no control byte has reached the terminal
	check "$1: only plain text is printed" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' '$work/err'"
}

# --- a document that comes slowly, while the rest is tested -------------------------------------

front slow
"$aa" pull "$snapshot" --policy "$accept_policy" --tls-verify=false "docker://$home/slow/350" "$work/slow-bundle" \
	>"$work/slow.out" 2>"$work/slow.err" &
slow_pull=$!
pids="$pids $slow_pull"

# --- redirects ------------------------------------------------------------------------------------

front http
echo "{\"auths\":{\"$home\":{\"auth\":\"$word\"}}}" >"$authfile"
for status in 301 302 303 307 308; do
	http_pulled "blobs elsewhere, by $status" "basic-away/$status"
	check "by $status: credentials stay at home" log_lacks 'away .* Basic'
	check "by $status: and are known there" log_has 'home GET /v2/basic-away/.* Basic'
done
http_pulled "a host name is not another port of it" basic-port/x
check "another port: without credentials" log_lacks 'away .* Basic'
http_pulled "the manifest elsewhere" basic-moved/x
check "the manifest elsewhere: without credentials" log_lacks 'away .* Basic'
http_pulled "a Location without host" basic-rooted/x
check "a Location without host: with credentials" log_has 'home GET /v2/basic-good/.* Basic'
http_pulled "a Location relative to the path" basic-relative/x
http_pulled "a Location without scheme" basic-no-scheme/x
check "a Location without scheme: without credentials" log_lacks 'away .* Basic'
http_pulled "five redirects" chain/5
http_refused "six redirects" 22 chain/6
http_refused "a redirect to itself" 22 loop/x
check "a redirect to itself: asked six times" [ "$(grep -c '/v2/loop/x/blobs/' "$front_log")" -eq 6 ]
http_refused "two hosts that point at each other" 22 ping/x
http_refused "another place asks for credentials" 23 basic-away-closed/x
check "another place: gets none" log_lacks 'away .* Basic'
http_refused "away and back home: credentials do not return" 23 basic-away-back/x
check "away and back home: none were sent" log_lacks 'home GET /v2/basic-good/.* Basic'
for where in user word file file-host unix http-unix ftp gopher nowhere space long escapes; do
	http_refused "a Location with '$where'" "1|22" "to/$where"
	plain_text "a Location with '$where'"
done
http_refused "a Location with a port that is none" "20|22" to/port
http_refused "two Locations" 22 two-ways/x
check "nothing was sent to the port of another protocol" log_lacks '^plain '
http_pulled "a redirect with a body without end" long-way/x

# --- lies -------------------------------------------------------------------------------------------

http_refused "a Docker-Content-Digest of another image" 14 digest-lie/x
http_refused "a Docker-Content-Digest that is none" "1|14|22" digest-odd/x
for by in more much-more; do
	http_refused "Content-Length: $by than there is" 20 "length/$by"
done
http_refused "Content-Length: less than there is" "1|14|22" length/less
http_refused "a manifest without end" 1 endless/x
check "a manifest without end: given up soon after 4 MiB" log_gets 'sent ([4-9]|1[0-9]) MiB'
http_refused "10,000 headers" 1 headers/10000
http_refused "129 headers" 1 headers/129
http_pulled "100 headers" headers/100
http_refused "a header of 1 MiB" 1 header/1048576
http_refused "a header of 66 KiB" 1 header/67584
http_refused "answers before the answer, without end" 1 interim/x
http_pulled "headers in the trailers" trailer/x
check "headers in the trailers: they count for nothing" log_lacks '/v2/other'
http_refused "trailers without end" 1 trailers/x
http_refused "a manifest under the type of an index" 22 wrong-type/x
for kind in prettyjws json; do
	http_refused "a manifest of schema 1, $kind" "1|22" "schema1/$kind"
	says "schema 1, $kind: by its name" 'schema.?1|v1'
done
http_refused "an index, and another manifest under the digest it names" 14 index-swap/other
http_pulled "an index and its manifest" index-swap/good
http_pulled "a tag that moves while it is pulled" tag-swap/x
check "a tag that moves: the digest is that of the first answer" [ "$(cat "$work/out")" = "$good" ]
check "a tag that moves: asked for once" [ "$(grep -c '/v2/tag-swap/x/manifests/' "$front_log")" -eq 1 ]

# --- errors of registries ---------------------------------------------------------------------------

status_is() { # STATUS CODE NAME
	for kind in status blob-status; do
		http_refused "$kind $1" "$2" "$kind/$1"
		says "$kind $1: said so, with the registry's words" \
			"HTTP status $1: TEST_CODE: as the test wants it.*\\($3\\)"
	done
}
status_is 404 22 IMAGE_NOTFOUND
status_is 403 23 AUTH
status_is 401 23 AUTH
for status in 429 500 503 204 206 304 400; do
	case $status in
	204 | 304) http_refused "status $status" 22 "status/$status" ;;
	*) status_is $status 22 REGISTRY ;;
	esac
done
http_refused "a page of HTML as error" 22 html/x
says "a page of HTML as error: its status" 'HTTP status 502'
plain_text "a page of HTML as error"
http_refused "a page of HTML as manifest" "1|22" html-good/x
plain_text "a page of HTML as manifest"
http_refused "terminal escapes in an error" 22 escapes/x
says "terminal escapes in an error: shown as text" '\\x1b\[31mred'
plain_text "terminal escapes in an error"
http_refused "terminal escapes in the status line" 22 reason/x
plain_text "terminal escapes in the status line"
http_refused "terminal escapes in a content type" 22 type-escapes/x
plain_text "terminal escapes in a content type"
for status in 500 404 401; do
	http_refused "error $status without end" "22|23" "error-endless/$status"
done
http_refused "error without end instead of a blob" 22 error-endless-blob/x
check "errors without end are not listened to" log_lacks 'sent [0-9]{2,} MiB'

# --- TLS ----------------------------------------------------------------------------------------------

# What has been said to a port of plain http: never a request
refused "https to a server that speaks http" 21 --policy "$accept_policy" --authfile "$authfile" \
	"docker://$home/basic-away/307"
mark
refused "https to a server that speaks http, again" 21 --policy "$accept_policy" --authfile "$authfile" \
	"docker://$home/good/x"
check "no request went there in the clear" log_lacks 'GET'
check "only a greeting of TLS" log_has '^home raw 1603'

make_tls
(
	cd "$tls"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.crt -days 2 \
		-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1
	python3 - <<'PY'
import datetime
import ipaddress
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

ca = x509.load_pem_x509_certificate(open("ca.crt", "rb").read())
ca_key = serialization.load_pem_private_key(open("ca.key", "rb").read(), None)
request = x509.load_pem_x509_csr(open("server.csr", "rb").read())
now, day = datetime.datetime.utcnow(), datetime.timedelta(days=1)
names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
for name, first, last in (("expired", -9, -1), ("future", 1, 9)):
    cert = x509.CertificateBuilder(issuer_name=ca.subject, subject_name=request.subject,
                                   public_key=request.public_key(), serial_number=x509.random_serial_number(),
                                   not_valid_before=now + first * day, not_valid_after=now + last * day)
    cert = cert.add_extension(x509.SubjectAlternativeName(names), False).sign(ca_key, hashes.SHA256())
    open(name + ".crt", "wb").write(cert.public_bytes(serialization.Encoding.PEM))
PY
) >"$work/openssl.log" 2>&1 || bail "no certificates: $(tail -n 1 "$work/openssl.log")"

# tls_server CERTIFICATE KEY [options of openssl]: sets $tls_home
tls_count=0
tls_server() {
	tls_cert=$1
	tls_key=$2
	shift 2
	tls_count=$((tls_count + 1))
	tls_log=$work/s_server-$tls_count.log
	: >"$tls_log"
	openssl s_server -WWW -accept 127.0.0.1:0 -cert "$tls_cert" -key "$tls_key" "$@" \
		</dev/null >"$tls_log" 2>&1 &
	pids="$pids $!"
	tls_turns=0
	until tls_home=$(sed -n 's/^ACCEPT \(127\.0\.0\.1:[0-9]*\)$/\1/p' "$tls_log") && [ -n "$tls_home" ]; do
		tls_turns=$((tls_turns + 1))
		[ "$tls_turns" -le 1000 ] || bail "openssl s_server does not start: $(tail -n 1 "$tls_log")"
		sleep 0.05
	done
}
tls_refused() { # NAME PATTERN: of the reason; the server started last
	refused "$1" 21 --policy "$accept_policy" --ca-file "$tls/ca.crt" "docker://$tls_home/good/x"
	says "$1: the reason" "$2"
	says "$1: the hint names --ca-file" 'ca-file'
}
tls_server "$tls/self.crt" "$tls/self.key"
tls_refused "a certificate that nobody signed" 'self-signed'
tls_server "$tls/wrong-name.crt" "$tls/server.key"
tls_refused "a certificate for another name" 'name'
tls_server "$tls/expired.crt" "$tls/server.key"
tls_refused "a certificate that has expired" 'expired'
tls_server "$tls/future.crt" "$tls/server.key"
tls_refused "a certificate of tomorrow" 'not yet valid'
tls_server "$tls/server.crt" "$tls/server.key" -tls1_1 -cipher DEFAULT@SECLEVEL=0
if echo | openssl s_client -connect "$tls_home" -tls1_1 -cipher DEFAULT@SECLEVEL=0 >"$work/s_client" 2>&1; then
	tls_refused "TLS 1.1" 'version|alert|handshake'
else
	skip "TLS 1.1" "this openssl has none"
fi

front https "$tls/server.crt"
echo "{\"auths\":{\"$home\":{\"auth\":\"$word\"}}}" >"$authfile"
https_refused() { # NAME CODES REPOSITORY
	mark
	refused "$1" "$2" --policy "$accept_policy" --ca-file "$tls/ca.crt" --authfile "$authfile" "docker://$home/$3"
}
fresh_target
mark
pull --ca-file "$tls/ca.crt" --authfile "$authfile" "docker://$home/basic-away/307"
check "https: blobs elsewhere" [ "$rc" -eq 0 ]
check "https: credentials stay at home" log_lacks 'away .* Basic'
https_refused "https: blobs at a place without TLS" 22 basic-plain/x
check "https: nothing was asked there" log_lacks '^plain '
https_refused "https: Location file:" 22 to/file
http_refused "https asked for without TLS" "20|22" good/x
says "https asked for without TLS: the message names the host" "$home"

# --- the slow one ----------------------------------------------------------------------------------------

finish_turns=0
while runs $slow_pull && [ $finish_turns -lt 90 ]; do
	finish_turns=$((finish_turns + 1))
	sleep 1
done
! runs $slow_pull || {
	diag "it hangs"
	kill $slow_pull
}
rc=0
wait $slow_pull || rc=$?
check "a manifest in 350 parts over 35 seconds" [ "$rc" -eq 0 ]
diag_file "$work/slow.err"

plan
