#!/bin/bash
# debian_files.sh UNIT-FOLDER: what packaging/files.list names, into the package of its role.
set -euo pipefail
units=$1
declare -A package=([gateway]=kun-nat64 [dns]=kun-dns64 [node]=kun-6to4 [controller]=kun-controller)

folder_of() {
    case $1 in
        config) echo etc/kun ;;
        # Not usr/lib/sysctl.d: there Debian 13 puts them in force at once, on a machine that is no gateway yet.
        sysctl) echo "usr/lib/$2/sysctl.d" ;;
        modules) echo usr/lib/modules-load.d ;;
        unit) echo "$units" ;;
        program) echo usr/bin ;;
        kernel-hook) echo etc/kernel/postinst.d ;;
    esac
}

while read -r role kind mode source; do
    name=${package[$role]-}
    if [[ -z $name ]]; then continue; fi
    case $kind in
        depends | recommends) continue ;;
        folder) install -d -m "$mode" "debian/$name$source"; continue ;;
    esac
    target=debian/$name/$(folder_of "$kind" "$name")/$(basename "$source")
    install -D -m "$mode" "gateway-config/$source" "$target"
    # Packages put commands into /usr/bin; /usr/local is the operator's.
    case $kind in unit | program) sed -i 's,/usr/local/bin/kun-,/usr/bin/kun-,g' "$target" ;; esac
done < <(sed -E '/^(#|$)/d' packaging/files.list)

# kun-nat64-unit does the same for a gateway.
sed -i 's,^ExecStart=,ExecStartPre=-+/sbin/sysctl --quiet --load=/usr/lib/kun-dns64/sysctl.d/60-kun-dns64.conf\n&,' \
    "debian/kun-dns64/$units/kun-dns64.service"

install -D -m 644 packaging/man/kun-nat64-unit.8 debian/kun-nat64/usr/share/man/man8/kun-nat64-unit.8
install -D -m 644 packaging/man/kun-6to4.8 debian/kun-6to4/usr/share/man/man8/kun-6to4.8
for name in dns64 nat64; do
    install -d "debian/kun-$name/usr/share/kun-$name"
    cp -r gateway-config/prometheus gateway-config/grafana "debian/kun-$name/usr/share/kun-$name/"
done
install -d debian/kun-controller/usr/share/kun-controller
cp -r gateway-config/helm debian/kun-controller/usr/share/kun-controller/
cp -r gateway-config/coredns gateway-config/kubernetes debian/kun-dns64/usr/share/kun-dns64/
cp -r gateway-config/bird gateway-config/sysctl.d/60-kun-tor.conf debian/kun-nat64/usr/share/kun-nat64/
cp gateway-config/kun-nat64-native.toml gateway-config/gobgp/gobgpd-native.conf debian/kun-nat64/usr/share/kun-nat64/
