# shellcheck shell=sh disable=SC2154
# In the guest: one pull of an encrypted image, and what is to be seen meanwhile.
for role in net key crypt pull unpack; do
	sandbox $role
done

# no policy, key or place is named: all stand where a guest has them
aa-cli pull --tls-verify=false --aa-kbc-params offline_fs_kbc::null "$(word image)" /run/bundle >/run/out 2>/run/err &
pull=$!
while kill -0 $pull 2>/dev/null; do
	seen ''
	sleep 0.1
done >/run/seen
wait $pull
tell "exit $?"
cat /run/out /run/err
sort -u /run/seen | while read -r line; do
	tell "seen $line"
done
tell "file $(sha256sum </run/bundle/rootfs/data/000001 | cut -d' ' -f1)"
tell "program $(chroot /run/bundle/rootfs /bin/busybox cat /etc/motd)"
tell "word $(word word)"
tell "left $(find /run -maxdepth 1 -mindepth 1 -name '.*' | wc -l)"
