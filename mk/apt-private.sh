# shellcheck shell=sh
# A private apt for source packages: reads the machine's own entries, turns those of the Debian archive
# into deb-src, and keeps lists and caches in build/apt. Nothing outside of build/ is touched, and every
# index is checked against the keys of the Debian archive whatever the machine's entry says of keys.

: "${top:?common.sh comes first}"
apt_dir=$top/build/apt
apt_conf=$apt_dir/apt.conf
apt_keys=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints one line per entry: URI, suite, components. Entries with keys other than Debian's, other suites
# than those of the running release, or without the component "main" are not of the Debian archive.
apt_entries() {
	release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
	[ -n "$release" ] || release=$(apt-config dump APT::Default-Release | sed 's/.*"\(.*\)".*/\1/')
	{
		for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
			[ -r "$file" ] || continue
			# one-line style: deb [options] uri suite components
			sed -n 's/^[[:space:]]*deb[[:space:]][[:space:]]*//p' "$file" | sed 's/#.*//' |
				awk '{
					key = ""
					if ($0 ~ /^\[/) {
						opts = $0; sub(/\].*/, "", opts); sub(/^[^]]*\][ \t]*/, "")
						if (match(opts, /signed-by=[^ \t\]]*/))
							key = substr(opts, RSTART + 10, RLENGTH - 10)
					}
					comps = ""
					for (i = 3; i <= NF; i++) comps = comps " " $i
					print $1 "|" $2 "|" comps "|" key
				}'
		done
		for file in /etc/apt/sources.list.d/*.sources; do
			[ -r "$file" ] || continue
			# deb822 style: stanzas of fields, continued by leading white space
			awk '
				function flush(  i, j, n, m, u, s) {
					if (f["types"] ~ /(^| )deb( |$)/ && f["enabled"] !~ /^ *(no|false|0)/) {
						n = split(f["uris"], u, " "); m = split(f["suites"], s, " ")
						for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
							print u[i] "|" s[j] "| " f["components"] "|" f["signed-by"]
					}
					split("", f)
				}
				/^#/ { next }
				/^[ \t]*$/ { flush(); next }
				/^[ \t]/ { f[last] = f[last] $0; next }
				{
					last = tolower($0); sub(/:.*/, "", last)
					value = $0; sub(/^[^:]*:[ \t]*/, "", value); f[last] = value
				}
				END { flush() }' "$file"
		done
	} | awk -F'|' -v release="$release" '
		$1 ~ /^cdrom:/ { next }
		$2 != release && $2 != release "-updates" && $2 != release "-security" &&
			$2 != release "/updates" { next }
		(" " $3 " ") !~ / main / { next }
		$4 != "" && $4 !~ /debian-archive/ { next }
		!seen[$1, $2]++ { print $1, $2 }'
}

apt_setup() {
	[ -r "$apt_keys" ] || die "no $apt_keys: install debian-archive-keyring"
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" "$apt_dir/state"
	apt_entries | while read -r uri suite; do
		say "deb-src [signed-by=$apt_keys] $uri $suite main"
	done >"$apt_dir/sources.list"
	[ -s "$apt_dir/sources.list" ] ||
		die "no entry of the Debian archive found in /etc/apt/sources.list or sources.list.d"
	cat >"$apt_conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$apt_dir/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::State::lists "$apt_dir/lists";
Dir::Cache "$apt_dir/cache";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::Languages "none";
Acquire::Retries "10";
Acquire::IndexTargets::deb-src::DEP-11::DefaultEnabled "false";
END
}

# One failing entry does not matter as long as the wanted packages are found afterwards.
apt_update() {
	apt_setup
	say "reading the source indexes of the Debian archive"
	apt-get -c "$apt_conf" -qq update >"$apt_dir/update.log" 2>&1 || {
		cat "$apt_dir/update.log" >&2
		warn "not every index could be read"
	}
}

# apt_showsrc PACKAGE: lines "version sha256 file" for every version that the archive has.
apt_showsrc() {
	apt-cache -c "$apt_conf" showsrc --only-source "$1" 2>/dev/null | awk -v want="$1" '
		/^Package:/ { package = $2; insums = 0; next }
		/^Version:/ { version = $2; insums = 0; next }
		/^Checksums-Sha256:/ { insums = 1; next }
		/^[^ ]/ { insums = 0; next }
		insums && NF == 3 && package == want && !seen[version, $3]++ { print version, $1, $3 }'
}

# apt_versions PACKAGE: its versions, the newest first
apt_versions() {
	versions=$(apt_showsrc "$1" | awk '!seen[$1]++ { print $1 }')
	while [ -n "$versions" ]; do
		best=
		for version in $versions; do
			if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then best=$version; fi
		done
		say "$best"
		versions=$(say "$versions" | grep -vxF "$best" || :)
	done
}

# apt_download PACKAGE VERSION: into the current folder; apt checks size and hash.
apt_download() {
	apt-get -c "$apt_conf" -qq --download-only --only-source source "$1=$2" >"$apt_dir/download.log" 2>&1 || {
		cat "$apt_dir/download.log" >&2
		return 1
	}
}
