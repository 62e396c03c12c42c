#!/bin/bash
# debian_scripts.sh UNIT-FOLDER: the maintainer scripts, and the record of what could need a restart after an upgrade.
set -euo pipefail
units=$1
for package in kun-dns64 kun-nat64 kun-6to4 kun-controller; do
    tree=debian/$package
    # One line a part: its name and the digest of its content. postinst compares it with that of the version before.
    {
        (cd "$tree" && find . -type f \( -path './usr/bin/*' -o -path "./usr/lib/$package/*" \) -print0 | LC_ALL=C sort -z |
            xargs -0 sha256sum) | sha256sum | sed 's/ .*/ programs/'
        (cd "$tree/$units" && sha256sum ./*) | sed 's,  \./, ,'
    } >record
    install -D -m 644 record "$tree/usr/lib/$package/parts"
    rm record
    for script in preinst postinst prerm postrm; do
        {
            printf '#!/bin/sh\nset -e\numask 022\n'
            cat "debian/settings/$package" "debian/$script.in"
        } >"debian/$package.$script"
    done
done
