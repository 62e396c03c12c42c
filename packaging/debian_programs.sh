#!/bin/bash
# debian_programs.sh PACKAGE: the command, its manual page and completions; out goes what the other packages are for.
set -euo pipefail
package=$1
tree=debian/$package library=debian/$package/usr/lib/$package
case $package in
    kun-dns64) module=kun_dns64 others=(kun_nat64 kun_cluster pyroute2) ;;
    kun-controller) module=kun_cluster others=(kun_dns64 kun_nat64 pyroute2 dnslib uvloop) ;;
    kun-nat64) module=kun_nat64 others=(kun_dns64 kun_cluster dnslib uvloop) ;;
esac
rm -rf "${library:?}/bin"
for other in "${others[@]}"; do rm -rf "${library:?}/$other" "$library/$other"-*.dist-info; done
find "$library" \( -name __pycache__ -o -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.[ch]' \) -prune -exec rm -rf {} +
sed -i 's/"kind": "wheel"/"kind": "deb"/' "$library/kun_base/build.json"
# Where a wheel lay on the machine that built this is nobody's business.
find "$library" -name direct_url.json -delete

mkdir -p "$tree/usr/bin"
cat >"$tree/usr/bin/$package" <<PYTHON
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/usr/lib/$package")
from $module.cli.main import main

sys.exit(main())
PYTHON
chmod 755 "$tree/usr/bin/$package"

PYTHONPATH=$library python3 packaging/describe_commands.py "$module" "$package" "$tree"
