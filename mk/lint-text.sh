#!/bin/sh
# Rules of this project that no compiler knows, for one source or header.
# usage: lint-text.sh 'FLOORS FROM LEFT TO RIGHT' FILE
#   floor rule     a file includes headers of its own folder and of folders to its left only
#   banned names   unbounded, locale-dependent, or starting a shell (lib/base.h poisons them too)
#   length         functions of at most 100 lines, files of at most 800, lines of at most 160 columns
#   white space    no trailing blanks, no carriage returns
# shellcheck source=mk/common.sh
. "$(dirname "$0")/common.sh"

awk -v floors="$1" -v file="$2" '
	function bad(line, what) { print file ":" line ": " what; found = 1 }
	BEGIN {
		n = split(floors, list, " ")
		for (i = 1; i <= n; i++) level[list[i]] = i
		split(file, part, "/")
		mine = part[1]
		split("strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets tmpnam tempnam mktemp " \
			"gmtime localtime ctime asctime system popen alloca rand srand execlp execvp setenv putenv", words, " ")
		for (i in words) banned[words[i]] = 1
	}
	{
		raw = $0
		if (raw ~ /[ \t]$/) bad(FNR, "trailing white space")
		if (raw ~ /\r/) bad(FNR, "carriage return")
		columns = 0
		for (i = 1; i <= length(raw); i++)
			columns += substr(raw, i, 1) == "\t" ? 8 - columns % 8 : 1
		if (columns > 160) bad(FNR, columns " columns")
	}
	/^#[ \t]*include[ \t]*"/ {
		header = raw; sub(/^[^"]*"/, "", header); sub(/".*/, "", header)
		if (split(header, place, "/") > 1 && mine in level) {
			if (!(place[1] in level)) bad(FNR, "floor rule: " mine "/ may not include " header)
			else if (level[place[1]] > level[mine])
				bad(FNR, "floor rule: " place[1] "/ is above " mine "/")
		} else if (!(header == "versions.h") && mine in level)
			bad(FNR, "include \"" header "\": write it from the top folder")
	}
	{
		# Code without strings, character constants and comments.
		code = raw
		gsub(/\\\\/, "", code); gsub(/\\["\047]/, "", code)
		gsub(/"[^"]*"/, "\"\"", code); gsub(/\047[^\047]*\047/, "0", code)
		if (comment) {
			if (!match(code, /\*\//)) next
			code = substr(code, RSTART + 2); comment = 0
		}
		while (match(code, /\/\*/)) {
			before = substr(code, 1, RSTART - 1); after = substr(code, RSTART + 2)
			if (match(after, /\*\//)) code = before " " substr(after, RSTART + 2)
			else { code = before; comment = 1 }
		}
		sub(/\/\/.*/, "", code)
		if (code !~ /^#[ \t]*pragma/) {
			rest = code
			while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
				word = substr(rest, RSTART, RLENGTH)
				before = RSTART > 1 ? substr(rest, 1, RSTART - 1) : last
				rest = substr(rest, RSTART + RLENGTH); last = word
				if (word in banned && rest ~ /^[ \t]*\(/ && before !~ /(->|\.)[ \t]*$/)
					bad(FNR, "banned: " word)
			}
			last = ""
		}
		if (code ~ /^\{/ || code ~ /^[A-Za-z_].*\{[ \t]*$/) { start = FNR }
		if (code ~ /^\}[ \t]*$/ && start) {
			if (FNR - start - 1 > 100) bad(start, "function of " FNR - start - 1 " lines (at most 100)")
			start = 0
		} else if (code ~ /^\}/) start = 0
	}
	END {
		if (FNR > 800) bad(FNR, "file of " FNR " lines (at most 800)")
		exit found
	}' "$2"
