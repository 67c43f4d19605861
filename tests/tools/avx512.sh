#!/bin/sh
# Runs the kernel tests on an emulated x86-64 machine with AVX-512, from a Debian
# x86-64 that need not have it. It shows that the path is right, not how fast it is.
#
#   tests/tools/avx512.sh                    kernel tests, on AVX-512 alone
#   tests/tools/avx512.sh ARGS [-- TESTARGS] the tests that `cargo test ARGS`
#                                            selects, with these arguments
#
# such as `tests/tools/avx512.sh --test parity -- seednet`. Every file of tests/kernels/ is
# among the kernel tests. BNN_CPU_ISA=avx512 is set for all of them: a test that
# honours it fails where the machine lacks AVX-512.
#
# How: Bochs, the one emulator in Debian that knows AVX-512, boots Debian's
# kernel and, from a RAM disk, the ordinary test programs of `cargo test` with
# the C library of this machine; what they print comes back over the serial port.
# Debian's own Bochs carries a debugger, which makes it many times slower, so one
# without is built from Debian's source (once: about two minutes of processor time).
# A run then takes somewhat above a minute: 130 million instructions a second, so
# a test takes one to two hundred times as long as on this machine.
#
# Settings, from the environment:
#   AVX512_CACHE    where the emulator and the kernel are kept (target/avx512)
#   AVX512_CPU      the processor: corei7_icelake_u has F, CD, BW, DQ, VL, IFMA,
#                   VBMI, VBMI2, VNNI, BITALG and VPOPCNTDQ (packed kernels);
#                   corei7_skylake_x only F, CD, BW, DQ and VL: run a kernel that
#                   must not need more on that, too, with AVX512_NEEDS=avx512f
#   AVX512_NEEDS    flags of /proc/cpuinfo without which nothing runs
#   AVX512_TIMEOUT  seconds before the emulator is stopped (1200)
#
# Installs, where they are missing, the packages below (needs root for that).
set -eu
cd "$(dirname "$0")/../.."
project=$PWD
cache=${AVX512_CACHE:-$project/target/avx512}
cpu=${AVX512_CPU:-corei7_icelake_u}
needs=${AVX512_NEEDS:-avx512f avx512bw avx512dq avx512vl avx512_vpopcntdq avx512_bitalg avx512_vnni}
limit=${AVX512_TIMEOUT:-1200}

fail() {
    echo "avx512.sh: $*" >&2
    exit 1
}

# What keeps the tests from starting is told from a test that fails: status 3.
unready() {
    echo "avx512.sh: $*" >&2
    exit 3
}

packages="binutils bochsbios busybox-static cpio g++ isolinux make syslinux-common vgabios xorriso xz-utils"
missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || unready "missing$missing; run it once as root to install them"
    # shellcheck disable=SC2086 # a list of packages
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing; } ||
        unready "could not install$missing"
fi

# Everything is made in a directory of its own and moved into place when whole:
# a run that is stopped leaves nothing half done, and two may run side by side.
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=$(mktemp -d "$cache/run.XXXXXX")
emulator=""
finish() {
    [ -z "$emulator" ] || kill "$emulator" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Bochs 3: version 2.7 misreports the size of the XSAVE area, and Linux then
# turns AVX off.
if [ ! -x "$cache/bochs" ]; then
    echo "avx512.sh: building Bochs (once)"
    mkdir -p "$work/bochs/lists/partial"
    (
        cd "$work/bochs"
        echo 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main' >sources.list
        # Lists of our own: the machine's are left as they are.
        apt() {
            apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Dir::Etc::SourceList="$PWD/sources.list" \
                -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$PWD/lists" \
                -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
        }
        apt update
        apt source --download-only --tar-only bochs
        mkdir source
        tar -xf bochs_*.orig.tar.xz -C source --strip-components 1
        cd source
        ./configure --with-nogui --disable-plugins --disable-docbook --disable-debugger \
            --enable-cpu-level=6 --enable-x86-64 --enable-fpu --enable-avx --enable-evex \
            --enable-pci --enable-cdrom --enable-all-optimizations CFLAGS=-O2 CXXFLAGS=-O2
        make -j"$(nproc)"
    ) >"$work/bochs.log" 2>&1 || {
        tail -n 20 "$work/bochs.log" >&2
        unready "Bochs could not be built: see above"
    }
    mv "$work/bochs/source/bochs" "$cache/bochs"
    rm -rf "$work/bochs"
fi

# The kernel that Debian makes for virtual machines: small, and quick to start.
if [ ! -f "$cache/vmlinuz" ]; then
    echo "avx512.sh: fetching a kernel (once)"
    mkdir "$work/kernel"
    (
        cd "$work/kernel"
        package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
        apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${package:?}"
        dpkg -x linux-image-*.deb .
    ) || unready "linux-image-cloud-amd64 could not be fetched; try \`apt-get update\`"
    mv "$work"/kernel/boot/vmlinuz-* "$cache/vmlinuz"
fi

# Arguments up to `--` choose the tests, those after it go to the test programs.
quote() { printf "'%s' " "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
select="" passed="" rest=""
for arg; do
    if [ -n "$rest" ]; then
        passed="$passed$(quote "$arg")"
    elif [ "$arg" = "--" ]; then
        rest=yes
    else
        select="$select$(quote "$arg")"
    fi
done
kernels_only=""
if [ -z "$select" ]; then
    select="--test kernels"
    [ -n "$passed" ] || kernels_only=yes
fi

eval "cargo test --quiet --no-run --message-format=json-render-diagnostics $select" >"$work/build.json"
sed -n 's/.*"overflow_checks":[a-z]*,"test":true}.*"executable":"\([^"]*\)".*/\1/p' \
    "$work/build.json" >"$work/programs"
[ -s "$work/programs" ] || fail "no test program is selected"

# The RAM disk: the programs and their libraries, busybox, and the golden files
# where the tests look for them.
root=$work/root
mkdir -p "$root/bin" "$root/tests" "$root/proc" "$root/dev" "$root/tmp" "$root$project/tests" "$work/iso"
cp /bin/busybox "$root/bin/"
cp -r tests/golden "$root$project/tests/"
while read -r program; do
    name=$(basename "$program")
    strip --strip-debug -o "$root/tests/$name" "$program"
    echo "$name" >>"$root/tests/list"
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -Lu "$library" "$root$library"
    done
done <"$work/programs"

cat >"$root/init" <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin TMPDIR=/tmp HOME=/tmp BNN_CPU_ISA=avx512 RUST_BACKTRACE=0
mount -t devtmpfs dev /dev
mount -t proc proc /proc
exec </dev/null >/dev/ttyS0 2>&1
grep -m 1 '^model name' /proc/cpuinfo
status=0
for flag in $needs; do
    grep -m 1 '^flags' /proc/cpuinfo | grep -qw "\$flag" || { echo "this machine has no \$flag"; status=1; }
done
cd $(quote "$project")
[ \$status != 0 ] || while read -r test; do
    echo "== \$test"
    "/tests/\$test" --test-threads=1 --nocapture $passed || status=1
done </tests/list
echo "== end: \$status"
# Let the serial port send what it holds.
sleep 1
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) >"$work/iso/initrd"

# The clock: as many ticks a second as the emulator counts instructions, told to
# Linux so that it need not measure them. Without `clearcpuid` (the kernel's own
# use of those features, not the programs') and `noxsaves` Linux hangs early in
# its start on the emulated Ice Lake. nosmp, lsm, nokaslr, nopti and mitigations
# save time.
cp "$cache/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
cat >"$work/iso/isolinux.cfg" <<END
default tests
prompt 0
label tests
kernel vmlinuz
append initrd=initrd console=ttyS0,115200 quiet loglevel=1 nosmp nokaslr mitigations=off nopti lsm=capability random.trust_cpu=on tsc_early_khz=50000 noxsaves clearcpuid=fsrm,erms,rdpid,invpcid,pcid,arch_perfmon,pdcm,dtes64 panic=-1
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/iso" 2>"$work/xorriso.log" ||
    fail "no boot image: $(tail -n 1 "$work/xorriso.log")"
cat >"$work/bochsrc" <<END
display_library: nogui
cpu: model=$cpu, ips=50000000, reset_on_triple_fault=0
megs: 512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial
clock: sync=none, time0=utc
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
log: bochs.log
END

# Its exit status says nothing: a machine that turns itself off is an error, too.
(cd "$work" && exec timeout -k 5 "$limit" "$cache/bochs" -q -f bochsrc) </dev/null >"$work/bochs.out" 2>&1 &
emulator=$!
wait "$emulator" || true
emulator=""

[ -f "$work/serial" ] || {
    tail -n 5 "$work/bochs.out" >&2
    fail "the emulator did not start: see above"
}
tr -d '\r' <"$work/serial" >"$work/output"
sed '/^== end: /q' "$work/output"
status=$(sed -n 's/^== end: \([0-9]*\)$/\1/p' "$work/output" | head -n 1)
[ -n "$status" ] || fail "the tests did not end within $limit s (AVX512_TIMEOUT), or the machine stopped: see above"
if [ -n "$kernels_only" ] && [ "$status" = 0 ]; then
    for kind in products "element-wise kernels"; do
        grep -q "$kind tested on: avx512$" "$work/output" || fail "no $kind were tested on avx512: see above"
    done
fi
[ "$status" = 0 ] || fail "tests failed on the emulated machine: see above"
