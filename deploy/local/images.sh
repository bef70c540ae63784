#!/usr/bin/env bash
# Builds the unchanged Dockerfile without a registry and looks at what comes of it: bases of the same names stand in
# for those that a release pulls. One build with the dev profile makes all binaries; each image then has to run as a
# user that is not root, on a read-only root, and to have no shell. Needs root and Debian's buildah and mmdebstrap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

started=$SECONDS
say() { printf '  %s (%d s)\n' "$*" $((SECONDS - started)); }
fail() { say "failed: $*"; exit 1; }

work=$PWD/.local/images
mkdir -p "$work/root" "$work/run" "$work/tmp"
export TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs "$@"; }

rust=$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)
runtime=$(sed -n 's/^ARG RUNTIME_IMAGE=//p' Dockerfile)

if ! buildah inspect --type image "$rust" >/dev/null 2>&1; then
    [ -f "$work/rust.tar" ] || mmdebstrap --quiet --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$work/rust.tar"
    mkdir -p "$work/context"
    ln -f "$work/rust.tar" "$work/context/rust.tar"
    # The toolchain and the crates are this computer's, mounted while building.
    printf '%s\n' 'FROM scratch' 'ADD rust.tar /' \
        'ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true PATH=/usr/local/toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        >"$work/context/Dockerfile"
    buildah build --quiet --layers=false --tag "$rust" "$work/context" >/dev/null
    rm -r "$work/context"
    say "base to build on"
fi
if ! buildah inspect --type image "$runtime" >/dev/null 2>&1; then
    mkdir -p "$work/context"
    # What the distroless image is to a program: the C library, certificates, nothing to type into.
    tar -xf "$work/rust.tar" -C "$work/context" ./etc/ssl/certs ./lib ./lib64 \
        ./usr/lib/x86_64-linux-gnu/{libc.so.6,libm.so.6,libgcc_s.so.1,libdl.so.2,libpthread.so.0,librt.so.1,ld-linux-x86-64.so.2} \
        ./usr/lib64 2>/dev/null || true
    find "$work/context" -name '*.so*' | grep -q libc.so.6 || fail "the base has no C library"
    mkdir -p "$work/context/tmp"
    printf '%s\n' 'FROM scratch' 'COPY . /' >"$work/Dockerfile.runtime"
    buildah build --quiet --layers=false --file "$work/Dockerfile.runtime" --tag "$runtime" "$work/context" >/dev/null
    rm -r "$work/context" "$work/Dockerfile.runtime"
    say "base to run on"
fi

cargo fetch --quiet --locked
looked_at=0
toolchain=$(rustc --print sysroot)
registry=${CARGO_HOME:-$HOME/.cargo}/registry
for target in $(sed -n 's/^FROM runtime-base AS //p' Dockerfile); do
    buildah build --quiet --layers --pull-never --build-arg PROFILE=dev --target "$target" \
        --volume "$toolchain:/usr/local/toolchain:ro" --volume "$registry:/usr/local/cargo/registry" \
        --tag "localhost/iidi/$target:dev" . >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "$target is not built"; }
    say "$target built"
    user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' "localhost/iidi/$target:dev")
    [ "$user" = 65532:65532 ] || fail "$target runs as $user"
    container=$(buildah from --pull-never "localhost/iidi/$target:dev")
    root=$(buildah mount "$container")
    for shell in bin/sh bin/bash usr/bin/sh usr/bin/bash bin/busybox; do
        [ ! -e "$root/$shell" ] || fail "$target has a shell: $shell"
    done
    # Its own program, as that user, on a root that cannot be written.
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    said=$(chroot --userspec=65532:65532 "$root" "/usr/local/bin/$target" --help) || { umount "$root"; fail "$target does not answer"; }
    umount "$root"
    [[ $said == *Usage:* ]] || fail "$target does not say how it is used"
    buildah umount "$container" >/dev/null
    buildah rm "$container" >/dev/null
    looked_at=$((looked_at + 1))
done
say "every image runs as 65532 on a read-only root, answers --help, has no shell"
# Gigabytes that nobody needs now; the archive of the base stays.
rm -rf "$work/root" "$work/run" "$work/tmp" || say "some of $work could not be removed"
printf '%d passed, 0 failed\n' "$looked_at"
