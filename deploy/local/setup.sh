#!/usr/bin/env bash
# Checks that this computer has what the local stack runs on, and installs what is missing (Debian, Ubuntu) when run
# as root or with passwordless sudo; else says what to type. Safe to run any number of times, quick when all is there.
# The stack runs its own PostgreSQL and Redis: no system service is started or used.
set -euo pipefail

started=$SECONDS
say() { printf '  %s\n' "$*"; }

has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && command -v psql >/dev/null; }
has_redis() { command -v redis-server >/dev/null; }
has_maven() { command -v mvn >/dev/null; }
has_curl() { command -v curl >/dev/null; }
has_openssl() { command -v openssl >/dev/null; }
has_promtool() { command -v promtool >/dev/null; } # checks alert rules; the server beside it is not run
has_python() { # 3.11 or later, able to make virtual environments
    command -v python3 >/dev/null &&
        python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
has_jdk() { # 17 or later, with the compiler
    command -v javac >/dev/null || return 1
    local version
    version=$(javac -version 2>&1) || return 1
    version=${version#javac }
    [ "${version%%.*}" -ge 17 ] 2>/dev/null
}

has_r() { # with the packages of the dashboard and its tests
    command -v Rscript >/dev/null &&
        Rscript -e 'for (name in c("shiny", "bslib", "curl", "later", "jsonlite", "data.table", "testthat")) stopifnot(nzchar(system.file(package = name)))' >/dev/null 2>&1
}
has_buildah() { command -v buildah >/dev/null && command -v mmdebstrap >/dev/null; } # builds images without a daemon
has_chromium() { [ -x /usr/bin/chromium ]; }
has_node() { # 18.19 or later, with npm
    command -v npm >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 18 || (a == 18 && b >= 19) ? 0 : 1)' 2>/dev/null
}

missing=()
has_postgresql || missing+=(postgresql)
has_redis || missing+=(redis-server)
has_jdk || missing+=(default-jdk-headless)
has_maven || missing+=(maven)
has_python || missing+=(python3 python3-venv)
has_curl || missing+=(curl)
has_openssl || missing+=(openssl)
has_promtool || missing+=(prometheus)
has_r || missing+=(r-base-core r-cran-shiny r-cran-bslib r-cran-curl r-cran-later r-cran-jsonlite r-cran-data.table r-cran-testthat)
has_chromium || missing+=(chromium)
has_buildah || missing+=(buildah mmdebstrap)
has_node || missing+=(nodejs npm)

if [ ${#missing[@]} -eq 0 ]; then
    say "PostgreSQL, Redis, JDK, Maven, Python, R, Chromium, Node, curl, OpenSSL, promtool and buildah are installed"
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]} (names of Debian packages); install them and run this again"
    exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
        root=(sudo -n)
    else
        say "missing: ${missing[*]}; type"
        say "    sudo bash $0"
        exit 1
    fi
fi

apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { # what a command prints matters only when it fails
    "$@" >"$log" 2>&1 || { tail -n 20 "$log"; say "failed: $*"; exit 1; }
}

wants() { case " ${missing[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

say "installing ${missing[*]}"
quietly apt update
say "package lists read ($((SECONDS - started)) s)"
if wants postgresql; then
    # The package would make and start a cluster of its own; ours is made by the stack.
    config=/etc/postgresql-common/createcluster.conf
    quietly apt install --no-install-recommends postgresql-common
    "${root[@]}" sed -i.iidi 's/^#\?create_main_cluster.*/create_main_cluster = false/' "$config"
    quietly apt install --no-install-recommends "${missing[@]}"
    "${root[@]}" mv "$config.iidi" "$config"
else
    quietly apt install --no-install-recommends "${missing[@]}"
fi
for service in redis-server prometheus; do
    # The packages start services of their own; we neither need them nor leave them.
    wants "$service" || continue
    if [ -d /run/systemd/system ]; then
        quietly "${root[@]}" systemctl disable --now "$service"
    elif [ -x "/etc/init.d/$service" ]; then
        "${root[@]}" "/etc/init.d/$service" stop >/dev/null 2>&1 || true
    fi
done
say "installed ($((SECONDS - started)) s)"

for part in postgresql redis jdk maven python curl openssl promtool r chromium buildah node; do
    "has_$part" || { say "$part is still missing or too old after the installation"; exit 1; }
done
