#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs exobench in a Linux guest under QEMU's TCG and prints the figures (TSV).
#
# Two modes: "icount" counts virtual time in instructions (1 ns each, repeatable on any host);
# "wall" is plain TCG, timed by the host's clock. Needs: qemu-system, apt-get, dpkg-deb, cpio.
# The kernel and busybox come from Debian and are kept, with the initramfs, in the cache directory.
set -eu

usage() {
    cat >&2 <<'END'
usage: run-linux.sh [option]... [case]...
  -a ARCH   x86_64 (default), i386, aarch64, riscv64
  -m MODE   icount, wall or both (default)
  -n RUNS   runs of each mode (1)
  -k ARGS   more kernel arguments, for instance "mitigations=off"
  -t TAG    a word in the result files' names (none)
  -b FILE   the benchmark binary (build/exobench-ARCH)
  -K FILE   a kernel image, instead of Debian's
  -i FILE   an initramfs whose /init says what it finds, instead of exobench's
  -M MIB    guest memory (512)
  -c DIR    cache directory (cache)
  -o DIR    where the results go (results)
END
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
arch=x86_64 mode=both runs=1 kernel_args='' tag='' binary='' kernel='' memory=512
initramfs='' first=/bin/exobench
cache=$here/cache results=$here/results
while getopts a:m:n:k:t:b:K:i:M:c:o: option; do
    case $option in
    a) arch=$OPTARG ;;
    m) mode=$OPTARG ;;
    n) runs=$OPTARG ;;
    k) kernel_args=$OPTARG ;;
    t) tag=-$OPTARG ;;
    b) binary=$OPTARG ;;
    K) kernel=$OPTARG ;;
    i) initramfs=$OPTARG first=/init ;;
    M) memory=$OPTARG ;;
    c) cache=$OPTARG ;;
    o) results=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
cases=$*

# What differs between architectures. Two things are left out of the x86 processor: the random
# number instructions, because the guest would get the host's entropy from them and differ between
# runs; and the fast string moves (erms, fsrm), because an instruction count sees each byte of a
# "rep movsb" as one instruction, and would make every copy look many times slower than it is.
suite=bookworm console=ttyS0,115200
case $arch in
x86_64)
    deb_arch=amd64 package=linux-image-cloud-amd64
    machine="-M pc -cpu max,-rdrand,-rdseed,-erms,-fsrm" ;;
i386)
    deb_arch=i386 package=linux-image-686-pae
    machine="-M pc -cpu max,-rdrand,-rdseed,-erms,-fsrm" ;;
aarch64)
    deb_arch=arm64 package=linux-image-cloud-arm64 console=ttyAMA0,115200
    machine="-M virt,gic-version=3 -cpu max,pauth-impdef=on" ;;
riscv64)
    deb_arch=riscv64 package=linux-image-riscv64 suite=trixie
    machine="-M virt -cpu rv64" ;;
*) usage ;;
esac
case $mode in
both) modes="icount wall" ;;
icount | wall) modes=$mode ;;
*) usage ;;
esac
binary=${binary:-$here/build/exobench-$arch}
tree=$cache/$arch
mkdir -p "$tree" "$results"
cache=$(cd "$cache" && pwd)
tree=$cache/$arch

if [ -z "$initramfs" ] && [ ! -x "$binary" ]; then
    make -C "$here" "build/exobench-$arch" >&2
fi

# apt with lists of its own, so that other architectures need no change of the host's.
private_apt() {
    command=$1
    shift
    "$command" -qq -o APT::Architecture=$deb_arch -o APT::Architectures=$deb_arch \
        -o Dir::Etc::SourceList="$tree/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$tree/apt/state" -o Dir::State::status="$tree/apt/status" \
        -o Dir::Cache="$tree/apt/cache" -o Acquire::Languages=none \
        -o APT::Sandbox::User=root "$@"
}

prepare_apt() {
    [ ! -e "$tree/apt/ready" ] || return 0
    mkdir -p "$tree/apt/state/lists/partial" "$tree/apt/cache/archives/partial"
    : > "$tree/apt/status"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    # The mirror is the one this machine's apt already uses for Debian's main archive.
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(LABEL)' |
        sed -n 's/ Debian Debian$//p' | sort -u | head -n 1)}
    echo "deb [signed-by=$keyring] $mirror $suite main" > "$tree/apt/sources.list"
    private_apt apt-get update >&2
    touch "$tree/apt/ready"
}

# fetch_package NAME DIRECTORY: downloads and unpacks one package.
fetch_package() {
    prepare_apt
    mkdir -p "$2"
    (cd "$2" && private_apt apt-get download "$1" >&2 && dpkg-deb -x "$1"_*.deb . && rm -f ./*.deb)
}

if [ -z "$kernel" ]; then
    if ! ls "$tree"/kernel/boot/vmlinu[xz]-* > /dev/null 2>&1; then
        prepare_apt
        image=$(private_apt apt-cache depends "$package" |
            sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
        fetch_package "$image" "$tree/kernel"
        rm -rf "$tree/kernel/lib" "$tree/kernel/usr"
    fi
    kernel=$(ls "$tree"/kernel/boot/vmlinu[xz]-*)
fi
[ -x "$tree/busybox/bin/busybox" ] || [ -x "$tree/busybox/usr/bin/busybox" ] ||
    fetch_package busybox-static "$tree/busybox"
busybox=$(ls "$tree"/busybox/bin/busybox "$tree"/busybox/usr/bin/busybox 2> /dev/null | head -n 1)

# The guest: exobench is the first program, notes the time since reset, and becomes the script.
if [ -z "$initramfs" ]; then
    initramfs=$tree/initramfs-$(cat "$0" "$busybox" "$binary" | cksum | cut -d ' ' -f 1).gz
fi
if [ ! -e "$initramfs" ]; then
    root=$tree/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
    cp "$busybox" "$root/bin/busybox"
    cp "$binary" "$root/bin/exobench"
    for applet in sh mount cat sed uname ifconfig free poweroff sleep stty; do
        ln -s busybox "$root/bin/$applet"
    done
    cat > "$root/script" <<'END'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
ifconfig lo 127.0.0.1 up
stty -opost 2> /dev/null
cases=$(sed -n 's/.*bench_cases=\([^ ]*\).*/\1/p' /proc/cmdline)
IFS=,
echo "#kernel	$(uname -srm)"
echo "#clocksource	$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
sed -n 's/^\(MemTotal\|MemFree\|MemAvailable\|Shmem\|Slab\): *\([0-9]*\) kB/#\1_kib	\2/p' \
    /proc/meminfo
sleep 3 # let the kernel's background work after boot come to an end
sed -n 's/^cpu  *\(.*\)/#cpu_ticks	\1/p' /proc/stat
echo "#table	begin"
exobench -d /tmp $cases
echo "#table	end"
poweroff -f
END
    chmod +x "$root/script"
    # The same bytes each time: even the length of the archive shifts the timer ticks a little.
    find "$root" -exec touch -h -d @0 {} +
    (cd "$root" && find . -print | LC_ALL=C sort |
        cpio --quiet --reproducible -o -H newc -R 0:0) |
        gzip -9n > "$initramfs.new"
    mv "$initramfs.new" "$initramfs"
fi

# run_guest MODE FILE: one boot; the guest's serial output, cleaned, becomes FILE.
run_guest() {
    case $1 in
    icount) accel="-accel tcg,thread=single -icount shift=0,sleep=off
                   -rtc base=2026-01-01,clock=vm" ;;
    wall) accel="-accel tcg" ;;
    esac
    started=$(cut -d ' ' -f 1 /proc/uptime)
    # shellcheck disable=SC2086
    timeout "${GUEST_LIMIT:-600}" "qemu-system-$arch" $machine $accel -smp 1 -m "$memory" -seed 1 \
        -nodefaults -no-user-config -no-reboot -display none -serial "file:$2.log" \
        -kernel "$kernel" -initrd "$initramfs" -append "console=$console quiet nokaslr \
norandmaps $kernel_args rdinit=$first bench_cases=$(echo $cases | tr ' ' ,) \
-- boot /script" < /dev/null >&2
    ended=$(cut -d ' ' -f 1 /proc/uptime)
    {
        printf '#system\tlinux\n#arch\t%s\n#mode\t%s\n' "$arch" "$1"
        printf '#emulator\t%s\n' "$("qemu-system-$arch" --version | head -n 1)"
        printf '#kernel_args\t%s\n#guest_memory_mib\t%s\n' "$kernel_args" "$memory"
        echo "$started $ended" | awk '{ printf "#host_seconds\t%.1f\n", $2 - $1 }'
        tr -d '\r' < "$2.log" | grep -a -E '^#?[A-Za-z0-9_]+	' || true
    } > "$2"
    if [ $first = /bin/exobench ] && ! grep -q '^#table	end' "$2"; then
        echo "run-linux.sh: the guest did not finish; see $2.log" >&2
        return 1
    fi
}

for each in $modes; do
    number=1
    while [ "$number" -le "$runs" ]; do
        file=$results/linux-$arch-$each$tag-$number.tsv
        run_guest "$each" "$file"
        echo "## $(basename "$file")"
        cat "$file"
        number=$((number + 1))
    done
done
