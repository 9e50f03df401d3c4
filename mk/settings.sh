#!/bin/sh
# Prints the table of docs/config.md out of the program's own: mk/settings.sh AA-CLI. With --write it puts it into the page.
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

page=docs/config.md
write=
[ "${1:-}" != --write ] || {
	write=yes
	shift
}
[ $# -eq 1 ] || die 'usage: mk/settings.sh [--write] AA-CLI'
aa=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'format = 1' >"$work/own"
: >"$work/cmdline"
"$aa" config --json --config "$work/own" --cmdline "$work/cmdline" >"$work/json"

python3 - "$work/json" >"$work/table" <<'END'
import json, sys

def cell(text):
    return text.replace("|", "\\|")

def kind(s):
    if isinstance(s["value"], list):
        return "list of " + s["choices"].replace(" ", ", ") if s["choices"] else "list"
    if s["choices"]:
        return s["choices"].replace(" ", ", ")
    return {bool: "true, false", int: "number"}.get(type(s["value"]), "text")

print("| Setting | Value | Default | Host's word | Meaning |\n|---|---|---|---|---|")
for s in json.load(open(sys.argv[1]))["settings"]:
    print("| `%s` | %s | %s | %s | %s |" % (s["name"], cell(kind(s)), "`%s`" % s["default"] if s["default"] else "",
          "never" if s["trust"] else "counts", cell(s["help"])))
END

if [ -z "$write" ]; then
	cat "$work/table"
	exit
fi
sed -e '/^<!-- mk\/settings.sh -->$/,/^<!-- end -->$/{/^<!--/!d}' -e "/^<!-- mk\/settings.sh -->\$/r $work/table" "$page" >"$work/page"
cp "$work/page" "$page"
