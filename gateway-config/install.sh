#!/usr/bin/env bash
# Installs one machine of the egress gateway: bare metal, a Vagrant VM and the lab image all come through here.
# Run it again at any time: it changes only what differs, and never a file that the operator has edited.
set -Eeuo pipefail
# Files and folders are for every user to read, whatever this shell forbids; files.list names those that are not.
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$here/../packaging/files.list
roles="" prefix=/opt/kun etc=/etc bin=/usr/local/bin
wheel="" lock="" wheelhouse="" headers=""
packages=yes files=yes start=yes dry=no
# Without them a wheel can be built, too: one of pure Python alone, in which kun-dns64 is several times slower.
compiler=(gcc libc6-dev python3-dev)
todo=() changed=()

usage() {
    cat <<'TEXT'
Usage: install.sh --role ROLE[,ROLE...] [option...]

Roles
  gateway    NAT64 gateway: Jool, GoBGP, kun-nat64
  dns        kun-dns64
  node       a 6to4 tunnel towards the gateways
  tor        BIRD with equal-cost routes to the gateways (a Linux router in the place of a switch)

What to install
  --wheel FILE        the kun_gateway wheel (default: the newest in dist/ or DIR of --wheelhouse, or built from the
                      source tree around this script, for which gcc, libc6-dev and python3-dev are installed)
  --lock FILE         pinned, hashed dependencies (default: requirements.lock beside this folder)
  --wheelhouse DIR    take dependencies from DIR, never from the network
  --headers PACKAGE   kernel headers for jool-dkms (default: those of the installed kernel packages)

How far to go
  --packages-only     Debian packages, nothing else
  --no-packages       everything else
  --print-packages    print the package names and end
  --no-start          install, but enable and start nothing (an image, a chroot)
  --dry-run           print what would be done
  --prefix DIR        programs (default /opt/kun)
  --etc DIR           configuration (default /etc; another place also means --no-start)
  --bin DIR           links to the commands (default /usr/local/bin)
  --help

Exit code: 0 done, 1 something on this machine is missing or failed, 2 wrong use.
TEXT
}

say() { printf '%s\n' "install: $*"; }
fail() { printf '%s\n' "install: error: $*" >&2; exit 1; }
wrong() { printf '%s\n' "install: $*" "Try: $0 --help" >&2; exit 2; }
has_role() { [[ ",$roles," == *",$1,"* ]]; }
needs_python() { has_role gateway || has_role dns; }

# Lines of files.list for these roles and kinds: kind, mode and name.
listed() {
    [[ -f $list ]] || fail "$list: no such file (it belongs beside the folder of this script)"
    awk -v roles=",$roles," -v kinds=" $* " 'index(roles, "," $1 ",") && index(kinds, " " $2 " ") { print $2, $3, $4 }' "$list"
}

has_changed() {
    local pattern
    for pattern in "$@"; do if [[ " ${changed[*]-} " == *" $pattern "* ]]; then return 0; fi; done
    return 1
}

# Every change of the machine goes through here, so that --dry-run is complete by construction.
run() {
    if [[ $dry == yes ]]; then printf 'would run: %s\n' "$*"; else "$@"; fi
}

parse_arguments() {
    local print=no value
    while (($#)); do
        case $1 in
            --role | --wheel | --lock | --wheelhouse | --headers | --prefix | --etc | --bin)
                value=${2-}
                [[ -n $value && $value != --* ]] || wrong "$1 needs a value"
                case $1 in
                    --role) roles+=${roles:+,}$value ;;
                    *) printf -v "${1#--}" '%s' "$value" ;;
                esac
                shift
                ;;
            --packages-only) files=no ;;
            --no-packages) packages=no ;;
            --print-packages) print=yes ;;
            --no-start) start=no ;;
            --dry-run) dry=yes ;;
            --help | -h) usage; exit 0 ;;
            *) wrong "unknown argument: $1" ;;
        esac
        shift
    done
    check_arguments
    if [[ $print == yes ]]; then package_list; exit 0; fi
}

check_arguments() {
    local role path
    [[ -n $roles ]] || wrong "--role is missing (gateway, dns, node, tor)"
    for role in ${roles//,/ }; do
        [[ $role =~ ^(gateway|dns|node|tor)$ ]] || wrong "unknown role: $role (gateway, dns, node, tor)"
    done
    [[ $packages == yes || $files == yes ]] || wrong "--packages-only and --no-packages leave nothing to do"
    for path in "$prefix" "$etc" "$bin"; do
        [[ $path == /* ]] || wrong "$path: an absolute path is needed"
    done
    [[ -z $wheel || -f $wheel ]] || fail "--wheel $wheel: no such file"
    [[ -z $lock || -f $lock ]] || fail "--lock $lock: no such file"
    [[ -z $wheelhouse || -d $wheelhouse ]] || fail "--wheelhouse $wheelhouse: no such folder"
    [[ $etc == /etc ]] || start=no
}

check_machine() {
    local id="" like=""
    if [[ -r /etc/os-release ]]; then
        id=$(. /etc/os-release && echo "${ID-}")
        like=$(. /etc/os-release && echo "${ID_LIKE-}")
    fi
    if [[ $packages == yes && " $id $like " != *" debian "* ]]; then
        fail "this is ${id:-an unknown system}: packages are known for Debian and its kin only (install them by hand: $(package_list | xargs), then use --no-packages)"
    fi
    [[ $dry == yes || $(id -u) == 0 ]] && return
    if [[ $packages == yes || $etc == /etc ]]; then fail "root is needed (sudo $0 ...), or --dry-run to look first"; fi
}

# Headers follow the kernel *packages*: in a chroot `uname -r` names the kernel of another machine.
header_packages() {
    local found
    if [[ -n $headers ]]; then echo "$headers"; return; fi
    found=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 'linux-image-*' 2>/dev/null |
        sed -nE 's/^ii +linux-image-((cloud-|rt-)?(amd64|arm64)) *$/linux-headers-\1/p') || true
    if [[ -z $found && -d /lib/modules/$(uname -r) ]]; then found=linux-headers-$(uname -r); fi
    echo "${found:-linux-headers-$(dpkg --print-architecture)}"
}

package_list() {
    {
        listed depends recommends | cut -d" " -f3
        if needs_python; then echo "python3 python3-venv ca-certificates"; fi
        if has_role gateway; then header_packages; fi
    } | xargs -n1 | sort -u
}

install_packages() {
    local missing=() name
    for name in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true) == installed ]] || missing+=("$name")
    done
    if ((${#missing[@]} == 0)); then say "packages: all $# are there"; return; fi
    say "packages: installing ${missing[*]}"
    run env DEBIAN_FRONTEND=noninteractive apt-get -q update
    run env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" ||
        fail "apt could not install: ${missing[*]}"
    # Debian starts and enables what it installs; ours start when they are configured, not before.
    for name in gobgpd bird; do
        if [[ " ${missing[*]} " == *" ${name/bird/bird2} "* ]] && command -v systemctl >/dev/null; then
            run systemctl --quiet disable --now "$name.service"
        fi
    done
}

# A kernel without the module boots into a gateway that translates nothing: look now, not at the next boot.
check_module() {
    local kernel built=()
    for kernel in /lib/modules/*/; do
        [[ -d ${kernel}kernel ]] || continue
        kernel=$(basename "$kernel")
        if compgen -G "/lib/modules/$kernel/updates/dkms/jool.ko*" >/dev/null; then built+=("$kernel"); fi
    done
    if ((${#built[@]})); then say "jool module: built for ${built[*]}"; return; fi
    todo+=("the jool module is built for no installed kernel: apt-get install linux-headers-\$(uname -r) && dkms autoinstall")
}

find_wheel() {
    local source=$here/.. found
    if [[ -n $wheel ]]; then return; fi
    found=$(find "$source/dist" ${wheelhouse:+"$wheelhouse"} -maxdepth 1 -name 'kun_gateway-*.whl' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2-) || true
    if [[ -n $found ]]; then wheel=$found; return; fi
    [[ -f $source/pyproject.toml && -d $source/kun_dns64 ]] ||
        fail "no wheel: give --wheel FILE, or put it into $(realpath -m "$source/dist")"
    if [[ $packages == yes ]]; then install_packages "${compiler[@]}"; fi
    if [[ $dry == yes ]]; then say "would build the wheel from $(realpath "$source")"; return; fi
    say "no wheel given: building one from $(realpath "$source")"
    # From a copy: a build leaves its traces in the tree it runs in.
    cp -r "$source"/{pyproject.toml,README.md,LICENSE,kun_base,kun_cluster,kun_dns64,kun_nat64} "$scratch/"
    python3 -m venv "$scratch/venv"
    # A fixed date makes equal sources equal wheels, and a second run a quick one.
    SOURCE_DATE_EPOCH=315532800 "$scratch/venv/bin/pip" --quiet wheel --no-deps --wheel-dir "$scratch" "$scratch" ||
        fail "the wheel could not be built here; build it elsewhere and give it with --wheel FILE"
    wheel=$(find "$scratch" -maxdepth 1 -name 'kun_gateway-*.whl')
}

# Each set of versions is a folder of its own and `current` a link: an interrupted or failed installation changes nothing,
# running programs keep the files they started with, and going back is one `ln -sfn`.
install_programs() {
    local name new from_where=()
    lock=${lock:-$here/../requirements.lock}
    [[ -f $lock ]] || fail "$lock: no such file (give --lock FILE)"
    find_wheel
    if [[ $dry == yes ]]; then say "would install ${wheel:-the wheel} into $prefix and link its commands into $bin"; return; fi
    name=venv-$({ cat "$lock" "$wheel"; python3 --version; } | sha256sum | cut -c1-12)
    new=$prefix/$name
    if [[ -n $wheelhouse ]]; then from_where=(--no-index --find-links "$wheelhouse"); fi
    if [[ ! -f $new/.complete ]]; then
        say "programs: making $new"
        rm -rf "$new"
        mkdir -p "$prefix"
        python3 -m venv "$new" || fail "no working python3 -m venv: apt-get install python3-venv"
        "$new/bin/pip" --quiet --disable-pip-version-check install --require-hashes --only-binary :all: "${from_where[@]}" -r "$lock" ||
            fail "the dependencies of $lock could not be installed"
        "$new/bin/pip" --quiet --disable-pip-version-check install --no-deps --no-index "$wheel" || fail "$wheel could not be installed"
        touch "$new/.complete"
    fi
    link_programs "$name"
}

link_programs() {
    local old command version
    old=$(readlink "$prefix/current" || true)
    ln -sfn "$1" "$prefix/current.new" && mv -T "$prefix/current.new" "$prefix/current"
    if [[ $old != "$1" ]]; then changed+=(programs); fi
    mkdir -p "$bin"
    for command in kun-dns64 kun-nat64; do ln -sfn "$prefix/current/bin/$command" "$bin/$command"; done
    # One earlier set stays for the way back.
    find "$prefix" -maxdepth 1 -name 'venv-*' ! -name "$1" ! -name "${old:-none}" -exec rm -rf {} +
    version=$("$bin/kun-dns64" --version 2>/dev/null || echo "$1")
    say "programs: $bin/kun-dns64 and $bin/kun-nat64 are $version"
    if has_role dns && [[ $version == *"(pure Python)"* ]]; then
        todo+=("kun-dns64 is pure Python, several times slower: install a wheel built where ${compiler[*]} are")
    fi
}

recorded_sum() { awk -v path="$1" '$2 == path { sum = $1 } END { print sum }' "$prefix/installed.sha256" 2>/dev/null || true; }
sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# As dpkg treats a configuration file: an edited one stays, and the new one is put beside it.
place() {
    local source=$here/$1 target=$2 mode=${3:-0644} now=""
    if [[ -e $target ]]; then now=$(sum_of "$target"); fi
    if [[ $now == "$(sum_of "$source")" ]]; then
        # An earlier version, or another umask, may have left another mode.
        if [[ $(stat -c %a "$target") != "${mode#0}" && $now == "$(recorded_sum "$target")" ]]; then run chmod "$mode" "$target"; fi
        return
    fi
    if [[ -n $now && $now != "$(recorded_sum "$target")" ]]; then
        say "kept: $target is yours (the new one is $target.kun-new)"
        run install -D -m "$mode" "$source" "$target.kun-new"
        return
    fi
    say "file: $target"
    changed+=("$(basename "$target")")
    run install -D -m "$mode" "$source" "$target"
    if [[ $dry == no ]]; then printf '%s  %s\n' "$(sum_of "$target")" "$target" >>"$prefix/installed.sha256"; fi
}

folder_of() {
    case $1 in
        config) echo "$etc/kun" ;;
        bird) echo "$etc/bird" ;;
        sysctl) echo "$etc/sysctl.d" ;;
        modules) echo "$etc/modules-load.d" ;;
        unit) echo "$etc/systemd/system" ;;
        program) echo "$bin" ;;
        kernel-hook) echo "$etc/kernel/postinst.d" ;;
    esac
}

install_files() {
    local kind mode source
    run mkdir -p "$prefix" "$etc/kun"
    # Not `< <(...)`: a bare chroot has no /dev/fd.
    while read -r kind mode source; do
        place "$source" "$(folder_of "$kind")/$(basename "$source")" "$mode"
    done <<<"$(listed config bird sysctl modules unit program kernel-hook)"
}

# The shipped configuration carries documentation addresses: nothing runs, now or at boot, before someone has edited it.
# `start_service UNIT CONFIG SHIPPED VERB PART...`: VERB is how a running one takes over a change of a PART.
start_service() {
    local unit=$1 config=$2 shipped=$here/$3 verb=$4
    shift 4
    if cmp -s "$shipped" "$config"; then
        todo+=("edit $config, then: systemctl enable --now $unit")
        return
    fi
    run systemctl enable --quiet "$unit"
    if [[ ! -d /run/systemd/system ]]; then return; fi
    if ! systemctl --quiet is-active "$unit"; then
        run systemctl start "$unit"
    elif has_changed "$unit" "$@"; then
        if [[ $verb == later ]]; then
            todo+=("$unit has changed, and a restart moves this gateway's flows: systemctl restart $unit, when that is convenient")
        else
            run systemctl "$verb" "$unit"
        fi
    fi
}

# A speaker that somebody else set up stays: its operator decides which of the two it is to be.
start_speaker() {
    local name
    for name in gobgpd bird; do
        if systemctl --quiet is-enabled "$name.service" 2>/dev/null || systemctl --quiet is-active "$name.service" 2>/dev/null; then
            todo+=("$name.service is in use here and stays; kun-gobgpd.service was not started")
            return
        fi
    done
    start_service kun-gobgpd.service "$etc/kun/gobgpd.conf" gobgp/gobgpd.conf later
}

start_services() {
    if ! command -v systemctl >/dev/null; then todo+=("no systemd here: start the programs by your own means"); return; fi
    if [[ -d /run/systemd/system && ${#changed[@]} != 0 ]]; then
        run systemctl daemon-reload
        if [[ " ${changed[*]} " == *"kun-nat64.conf "* ]]; then
            run systemctl restart systemd-modules-load.service
        fi
        if [[ " ${changed[*]} " == *" 60-kun-"* ]]; then run sysctl --quiet --system; fi
    fi
    if has_role gateway; then
        start_speaker
        start_service kun-nat64.service "$etc/kun/kun-nat64.toml" kun-nat64.toml restart programs kun-nat64-unit
    fi
    if has_role dns; then
        start_service kun-dns64.service "$etc/kun/kun-dns64.toml" kun-dns64.toml restart programs
    fi
    if has_role node; then
        start_service kun-6to4.service "$etc/kun/kun-6to4.conf" node/kun-6to4.conf reload kun-6to4
    fi
}

main() {
    local wanted
    trap 'printf "install: error: line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
    parse_arguments "$@"
    check_machine
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if [[ $packages == yes ]]; then
        mapfile -t wanted <<<"$(package_list)"
        install_packages "${wanted[@]}"
    fi
    if [[ $files == yes ]]; then
        if needs_python; then install_programs; fi
        install_files
        if has_role gateway && [[ $etc == /etc ]]; then check_module; fi
        if [[ $start == yes ]]; then start_services; fi
    fi
    if ((${#todo[@]})); then say "left to do:"; printf '  - %s\n' "${todo[@]}"; fi
    say "done ($roles)"
}

main "$@"
