# Bring Compose v2 and the images that docker-compose.yml and deploy/Dockerfile name. An image that the engine does not
# have is pulled; where no registry answers, a stand-in is made of Debian's packages and takes its name.
# Read by run.sh, which sets $here, $state and untag.

base=solekey-standin/debian:trixie
bundle=/etc/ssl/certs/ca-certificates.crt # with this machine's own authorities, if it has any
declare -A stand_ins=(
    [python:3.13-slim]=python [nginx:1.28]=nginx [postgres:17]=postgres [apache/kafka:4.1.0]=kafka
)

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

make_images() {
    local name folders=() names=()
    for name in "${!stand_ins[@]}"; do
        has_image "$name" && continue
        timeout 300 docker pull --quiet "$name" >/dev/null 2>&1 && continue
        names+=("$name")
    done
    if [ ${#names[@]} -gt 0 ]; then
        say "no registry answers: making stand-ins for ${names[*]}"
        make_base && make_stand_ins "${names[@]}" || return
    fi
    has_compose || { make_base && install_compose; }
}

make_base() { # Debian 13, from the mirror that this machine's own packages come from
    has_image "$base" && return
    local mirror
    command -v mmdebstrap >/dev/null || { say "mmdebstrap is not installed"; return 1; }
    mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME)' | awk '$2 == "bookworm" || $2 == "trixie" {print $1; exit}')
    [ -n "$mirror" ] || { say "apt knows no mirror of Debian 12 or 13: run apt-get update"; return 1; }
    say "Debian 13 ($SECONDS s)"
    mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists --aptopt='Acquire::Languages "none"' \
        --aptopt='APT::Install-Recommends "false"' trixie - "$mirror" | docker import - "$base" >/dev/null
}

make_stand_ins() {
    local name jobs=() job failed=false
    mkdir -p "$state/context"
    for name in "$@"; do
        make_stand_in "$name" "${stand_ins[$name]}" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || failed=true
    done
    ! $failed || return 1
    untag+=("$@")
}

make_stand_in() { # IMAGE FOLDER
    local context=$state/context/$2 tag
    rm -rf "$context"
    cp -r "$here/images/$2" "$context"
    [ ! -e "$bundle" ] || cp "$bundle" "$context/"
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$context/"
    [ "$2" != kafka ] || copy_jars "$context/libs" || return
    tag=solekey-standin/$2:$(cd "$context" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
    if ! has_image "$tag"; then
        say "stand-in for $1 ($SECONDS s)"
        # The classic builder needs no buildx, and the host's network no name server of its own.
        DOCKER_BUILDKIT=0 docker build --quiet --network host --tag "$tag" "$context" >"$context.log" 2>&1 ||
            { tail -n 20 "$context.log" >&2; return 1; }
    fi
    docker tag "$tag" "$1"
}

copy_jars() { # the official ones, which tests resolve by Maven, too
    local libs
    libs=$(cd "$here/../../.." && "${PYTHON:-.venv/bin/python}" -c \
        'from tests.support.engines.kafka.jars import resolve_jars; print(resolve_jars())') || return
    cp -r "$libs" "$1"
}

has_compose() { docker compose version >/dev/null 2>&1; }

install_compose() { # Debian 13's; its program runs on Debian 12, too
    local plugins=$DOCKER_CONFIG/cli-plugins
    say "Compose v2 ($SECONDS s)"
    mkdir -p "$plugins"
    docker run --rm --network host "$base" sh -c \
        'cd /tmp && apt-get download -qq docker-compose >&2 && dpkg-deb --fsys-tarfile docker-compose_*.deb' |
        tar --extract --to-stdout ./usr/libexec/docker/cli-plugins/docker-compose >"$plugins/docker-compose"
    chmod +x "$plugins/docker-compose"
    has_compose
}
