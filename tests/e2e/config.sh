#!/bin/sh
# Settings as aa-cli config shows them: files, the command line, which holds, whose word counts, what is wrong. The page
# about them shows the program's own table.
set -eu
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$0")/lib.sh"

own=$work/own.toml
agent=$work/aa.toml
hub=$work/cdh.toml
cmdline=$work/cmdline
printf 'format = 1\n' >"$own"
: >"$agent"
: >"$hub"
: >"$cmdline"

config() { # [options]
	run timeout -k 2 20 "$aa" config --config "$own" --attestation-config "$agent" --hub-config "$hub" --cmdline "$cmdline" "$@"
}

# holds NAME SETTING VALUE ORIGIN: this line is printed
holds() {
	config
	if [ "$rc" -eq 0 ] && grep -qxE "$2 +$3  \[$4\]" "$work/out"; then
		ok "$1"
	else
		not_ok "$1"
		diag "exit $rc: $(grep "^$2 " "$work/out")"
		diag_file "$work/err"
	fi
}

# wrong NAME TEXT: --check ends with 10 and says this, in one line and a hint
wrong() {
	config --check
	if [ "$rc" -eq 10 ] && grep -qF -- "$2" "$work/err" && [ "$(wc -l <"$work/err")" -eq 2 ] && [ ! -s "$work/out" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "exit $rc"
		diag_file "$work/err"
	fi
}

# warns NAME TEXT
warns() {
	config --check
	if [ "$rc" -eq 0 ] && grep -qF -- "$2" "$work/err"; then
		ok "$1"
	else
		not_ok "$1"
		diag "exit $rc"
		diag_file "$work/err"
	fi
}

# --- the page

sed -n '/^<!-- mk\/settings.sh -->$/,/^<!-- end -->$/{/^<!--/!p}' "$top/docs/config.md" >"$work/shown"
"$top/mk/settings.sh" "$aa" >"$work/table"
check "docs/config.md has the program's table" cmp "$work/table" "$work/shown"

# --- which holds

holds "a default" image.layers_at_once 3 default
config --check
check "nothing is wrong" [ "$rc" -eq 0 ]
check "and nothing is said" [ ! -s "$work/err" ]
run "$aa" config --check --cmdline "$cmdline"
check "without any file" [ "$rc" -eq 0 ]

echo 'agent.aa_kbc_params=cc_kbc::http://10.0.0.1:8080 agent.https_proxy=http://10.0.0.2:1' >"$cmdline"
holds "the command line names the broker" kbc.params 'cc_kbc::http://10.0.0.1:8080' 'command line, not measured'
holds "and a proxy" image.https_proxy 'http://10.0.0.2:1' 'command line, not measured'
printf '[image]\n' >"$hub"
holds "not where the hub's file has [image]" image.https_proxy - default
printf '[kbc]\nname = "offline_fs_kbc"\n' >"$hub"
holds "the hub's file holds over it" kbc.params offline_fs_kbc:: "guest components' file, line 1"
warns "which is told" 'kbc.params: what the command line says does not count'
printf 'format = 1\n[kbc]\nparams = "eaa_kbc::10.0.0.3:50000"\n' >"$own"
holds "our file over both" kbc.params eaa_kbc::10.0.0.3:50000 'file, line 3'
echo '{"log":{"level":"debug"}}' >"$agent"
holds "JSON" log.level debug "guest components' file"
printf '[log]\nlevel = "error"\n' >"$hub"
holds "of two levels the one that tells more" log.level debug "guest components' file"
printf 'aa_kbc_params = "sample_kbc::null"\n' >"$work/kata.toml"
echo "agent.config_file=$work/kata.toml" >"$cmdline"
printf 'format = 1\n' >"$own"
: >"$hub"
holds "kata-agent's own file" kbc.params sample_kbc::null 'command line, line 1, not measured'

# --- whose word counts

echo 'agent.image_policy_file=/etc/policy.json' >"$cmdline"
holds "a policy on the command line" image.policy - default
warns "does not count" "image.policy does not count from the kernel's command line"
printf 'format = 1\n[cmdline]\nmeasured = true\n' >"$own"
holds "but where that is measured" image.policy /etc/policy.json 'command line'
printf 'format = 1\n' >"$own"
: >"$cmdline"
printf '[kbc]\nname = "cc_kbc"\nurl = "http://10.0.0.1"\n[image]\nimage_security_policy_uri = "kbs:///a/b/c"\n' >"$hub"
holds "a policy in the machine's own file" image.policy kbs:///a/b/c "guest components' file, line 5"
printf 'agent.aa_kbc_params=cc_kbc::http://10.0.0.1:8080\n' >"$cmdline"
printf '[image]\nimage_security_policy_uri = "kbs:///a/b/c"\n' >"$hub"
warns "whose broker is the host's choice" 'image.policy would come from a broker that the host has chosen, so no image is accepted'
: >"$cmdline"
if need_root "initdata: the broker counts" "initdata: the policy does not" "initdata: by a link" "initdata: which is told"; then
	mkdir -p /run
	initdata=$(mktemp -d /run/cacao-test.XXXXXX)
	printf '[kbc]\nname = "cc_kbc"\nurl = "http://10.0.0.1"\n[image]\nimage_security_policy = "{}"\n' >"$initdata/cdh.toml"
	hub=$initdata/cdh.toml
	holds "initdata: the broker counts" kbc.params cc_kbc::http://10.0.0.1 'initdata, line 1, not measured'
	holds "initdata: the policy does not" image.policy_text - default
	ln -s "$initdata/cdh.toml" "$work/link.toml"
	hub=$work/link.toml
	holds "initdata: by a link" image.policy_text - default
	warns "initdata: which is told" 'image.policy_text does not count from a file below /run'
	rm -r "$initdata"
	hub=$work/cdh.toml
fi
: >"$hub"
echo 'agent.registry_password=hunter2' >"$cmdline"
warns "a secret on the command line" 'agent.registry_password'
check "is not repeated" sh -c "! grep -q hunter2 '$work/err' '$work/out'"
: >"$cmdline"
printf 'format = 1\n[image]\nhttps_proxy = "http://me:hunter2@10.0.0.1:3128"\n' >"$own"
holds "a proxy's password is not printed" image.https_proxy 'http://\*\*\*@10.0.0.1:3128' 'file, line 3'
config --json
check "nor for programs" sh -c "! grep -q hunter2 '$work/out'"
check "which get JSON" python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
s = {x["name"]: x for x in d["settings"]}
assert s["image.layers_at_once"]["value"] == 3 and s["pull.bundles"]["value"] == ["/run/kata-containers"]
assert s["image.https_proxy"]["origin"] == "file" and s["image.https_proxy"]["line"] == 3
assert s["image.policy"]["trust"] and not s["kbc.params"]["trust"] and s["log.level"]["measured"]
assert d["warnings"] == []' "$work/out"

# --- what is wrong

printf 'format = 1\n[image]\npolcy = "/x"\n' >"$own"
wrong "an unknown setting" "own.toml: line 3: there is no setting image.polcy; is it image.policy? (CONFIG)"
printf '[image]\n' >"$own"
wrong "no format" "own.toml: line 1: the first setting must be format = 1 (CONFIG)"
printf 'format = 1\n[image\n' >"$own"
wrong "no TOML" "own.toml: line 2"
printf 'format = 1\n' >"$own"
printf '[kbc]\nurl = "x"\n' >"$hub"
wrong "a hub's file without a broker's name" "cdh.toml: line 1: kbc: name is missing (CONFIG)"
: >"$hub"
echo '{"log":' >"$agent"
wrong "no JSON" "aa.toml: "
: >"$agent"
echo 'agent.aa_kbc_params=nothing' >"$cmdline"
wrong "a broker without an address" "cmdline: kbc.params must be NAME::URI"
echo "agent.config_file=$work/nowhere" >"$cmdline"
wrong "a file that is not there" "nowhere: "
mkfifo "$work/fifo"
echo "agent.config_file=$work/fifo" >"$cmdline"
wrong "one that is none" "fifo is not a regular file (CONFIG)"
: >"$cmdline"
head -c 300000 /dev/zero | tr '\0' '#' >"$agent"
wrong "a file too large" "aa.toml: "
own=$work/none.toml
wrong "our own file, named and not there" "none.toml"
expect_exit "operands" 2 "$aa" config x

plan
