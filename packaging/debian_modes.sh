#!/bin/bash
# debian_modes.sh: the modes that packaging/files.list asks for; dh_fixperms has made everything 0644.
set -euo pipefail
while read -r role kind mode source; do
    case $role-$kind in
        tor-*) ;;
        *-config) chmod "$mode" debian/kun-*/etc/kun/"$(basename "$source")" ;;
        *-folder) chmod "$mode" debian/kun-*"$source" ;;
    esac
done < <(sed -E '/^(#|$)/d' packaging/files.list)
