#!/bin/sh
# Installs the Debian packages of mk/packages that are missing. Quick when there is nothing to do.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

missing() {
	sed 's/#.*//' mk/packages | awk 'NF { print $1 }' | while read -r package; do
		case " $installed " in
		*" $package "*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

command -v dpkg-query >/dev/null || die 'this is not a Debian system; the packages needed are listed in mk/packages'
look() {
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | awk '$1 == "installed" { printf "%s ", $2 }')
	want=$(missing)
}

look
if [ -z "$want" ]; then exit 0; fi

root=
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		root=sudo
	else
		say "Packages are missing. Run this as root, then make again:"
		say "apt-get install --no-install-recommends $want"
		exit 1
	fi
fi

# shellcheck disable=SC2086 # both are lists of words
apt() {
	$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=900 -o Acquire::Retries=10 "$@" </dev/null
}

say "installing: $want"
# The lists of a fresh machine are often empty or old: read them and try again. The lock's time-out is not for those of
# the lists and of what is fetched, which a machine that has just started may hold; and mirrors have their bad minutes.
for pause in 0 0 20 60 180; do
	sleep "$pause"
	# shellcheck disable=SC2086 # a list of words
	if apt install --no-install-recommends $want; then break; fi
	apt update || warn 'not every list could be read'
done
look
[ -z "$want" ] || die "still missing: $want"
