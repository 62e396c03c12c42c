#!/bin/bash
# debian_relations.sh PYTHON NEXT-PYTHON: the packages that packaging/files.list names, as dh_gencontrol reads them.
set -euo pipefail
declare -A role=([kun-nat64]=gateway [kun-dns64]=dns [kun-6to4]=node [kun-controller]=controller)
for package in "${!role[@]}"; do
    for kind in depends recommends; do
        names=$(awk -v role="${role[$package]}" -v kind="$kind" '$1 == role && $2 == kind { print $4 }' packaging/files.list | paste -sd, | sed 's/,/, /g')
        echo "kun:${kind^}=$names" >>"debian/$package.substvars"
    done
    # Compiled for one Python, and it takes the system's.
    if [[ $package != kun-6to4 ]]; then echo "kun:Python=python3 (>= $1), python3 (<< $2)" >>"debian/$package.substvars"; fi
done
