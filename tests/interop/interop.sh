#!/bin/sh
# make interop: records anew how the newest ocicrypt gets on with us (tests/vectors/interop), where there is a Go that
# can get it; everywhere else the recording that is there is replayed.
set -eu
top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$top"
status=0
tests/interop/build.sh build/interop || status=$?
case $status in
0)
	tests/interop/record.sh "$top/build/interop/bin/peer" "$top/tests/vectors/interop"
	;;
77)
	echo "interop: there is no current Go here, or nobody answers it: nothing is recorded"
	;;
*)
	cat build/interop/build.log
	echo "interop: peer.go does not build"
	exit 1
	;;
esac
status=0
tests/interop/cosign-build.sh build/interop || status=$?
case $status in
0)
	tests/interop/cosign-record.sh "$top/build/interop/bin/cosign" "$top/tests/vectors/interop/cosign"
	;;
77)
	echo "interop: cosign cannot be had here: nothing is recorded"
	;;
*)
	cat build/interop/cosign-build.log
	echo "interop: cosign does not build"
	exit 1
	;;
esac
tests/run.sh --label interop --bin "${CACAO_BIN_DIR#"$top"/}" e2e:tests/e2e/interop-ocicrypt.sh \
	e2e:tests/e2e/signed-interop.sh
