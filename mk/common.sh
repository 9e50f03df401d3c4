# shellcheck shell=sh
# Read by the other scripts of this folder: the top folder, messages, the work folders.
# It prints nothing and changes nothing outside of build/.

set -eu
umask 022
LC_ALL=C
export LC_ALL

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top"

say() { printf '%s\n' "$*"; }
warn() { printf '%s: warning: %s\n' "${0##*/}" "$*" >&2; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# An absolute name for a folder given by the user; the folder is made.
abs_dir() {
	mkdir -p "$1" || return 1
	(cd "$1" && pwd -P)
}

# Replace $2 by $1 only when they differ, so that make sees no change where there is none.
move_if_changed() {
	if cmp -s "$1" "$2"; then
		rm -f "$1"
	else
		mv -f "$1" "$2"
	fi
}
