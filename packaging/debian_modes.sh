#!/bin/bash
# debian_modes.sh: the modes that packaging/files.list asks for; dh_fixperms has made everything 0644.
set -euo pipefail
while read -r _ kind mode source; do
    case $kind in config) chmod "$mode" debian/kun-*/etc/kun/"$(basename "$source")" ;; esac
done < <(sed -E '/^(#|$)/d' packaging/files.list)
