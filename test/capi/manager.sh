#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
#
# manager.sh MANAGER TEST_INIT: has the manager run containers.
set -eu
if [ "$(id -u)" != 0 ]; then
    echo 'skipped: needs root'
    exit 77
fi
if [ "${3:-}" != inside ]; then
    exec unshare --mount --net sh "$0" "$1" "$2" inside
fi
manager=$1
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
cd "$work"
name=capi-manager-$$

fail() { echo "$*" >&2; exit 1; }
# runs STATUS ARGUMENT...: what it printed is in the file out.
runs() {
    wanted=$1
    shift
    got=0
    "$manager" -n "$name" "$@" >out 2>err || got=$?
    [ "$got" = "$wanted" ] || fail "$*: status $got instead of $wanted: $(cat out err)"
}
prints() { grep -qx -- "$1" out || fail "no line '$1' in: $(cat out err)"; }

mkdir -p root/bin root/proc private/bin private/proc source
cp "$2" root/bin/test_init
cp "$2" private/bin/test_init
echo text >source/file

runs 7 root /bin/test_init exit 7
runs 125 root /bin/missing
grep -q "'/bin/missing': No such file or directory" err || fail "the log does not tell: $(cat err)"
runs 0 -h inside root /bin/test_init uname
prints inside
PATH=/bin:$PATH
runs 0 -u 12 root test_init ids
prints 'uid 12 12 12'
runs 0 -b source:/data root /bin/test_init cat /data/file
prints text
runs 1 -b source:/data:ro root /bin/test_init write /data/file other
runs 0 root /bin/test_init status
prints 'pid 1'
prints 'cwd /'
runs 0 -p private made /bin/test_init readlink /proc/self
rmdir made
runs 0 -v capim0:eth0:10.66.0.2/24 root /bin/test_init ls /proc/sys/net/ipv4/conf
prints eth0
runs 137 -e /bin/test_init root /bin/test_init pause
grep -q '^entered: ' out || fail "did not enter: $(cat out err)"
if grep -q '^[^ ]* [^ ]* cgroup .*memory' /proc/mounts; then
    runs 0 -m 67108864 root /bin/test_init exit 0
fi
