#!/bin/bash
# Builds the three images without a container engine and runs each as its user on a read-only root.
# Needs root, Node 24, and from Debian: buildah and mmdebstrap. Takes about ten minutes.
#
# Where no registry of images is reachable, the base images are replaced by stand-ins: Debian from
# its own packages, and Node and nats-server from this machine. All steps of the Containerfile run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/dinf-images-XXXXXX")
images() { buildah --root "$work/images" --runroot "$work/run" --storage-driver vfs "$@"; }
trap 'images rm --all >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
say() { printf '\n== %s\n' "$*"; }

say 'base images'
mkdir -p "$work/base/node" "$work/context"
mmdebstrap --quiet --variant=minbase trixie "$work/base/debian.tar"
cp "$(node -p process.execPath)" "$work/base/node/node"
cp -r "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$work/base/node/npm"
cp "${NODE_EXTRA_CA_CERTS:-/dev/null}" "$work/base/node/ca.pem"
cp "${DINF_NATS_SERVER:?set it to the path of a nats-server}" "$work/base/nats-server"
cat >"$work/base/Containerfile" <<EOF
FROM scratch AS debian
ADD debian.tar /
FROM debian AS node
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6
COPY node/node /usr/local/bin/
COPY node/npm /usr/local/lib/node_modules/npm
COPY node/ca.pem /etc/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ca.pem NPM_CONFIG_REGISTRY=$(npm config get registry)
FROM scratch AS nats
COPY nats-server /usr/local/bin/
EOF
build() { images bud --quiet --isolation chroot --pull-never --format docker "$@"; }
for base in debian node nats; do build --target $base --tag "try/$base" "$work/base"; done

say 'images'
(cd "$repository" && node bin/dinf.mjs package --output "$work/dist")
cp "$here"/* "$work/context/"
cp "$work"/dist/d-inference-*.tgz "$work/context/d-inference.tgz"
for image in hub coordinator provider; do
  build --target $image --tag "try/$image" --build-arg NODE=localhost/try/node \
    --build-arg NATS=localhost/try/nats --build-arg DEBIAN=localhost/try/debian "$work/context"
done

# in_image IMAGE [SOURCE:TARGET]… -- COMMAND…: runs a command as the user of the images. Besides the
# targets it can write only to /tmp.
in_image() {
  local root mounts=()
  root=$(images mount "$(images from --pull-never "localhost/try/$1")")
  shift
  while [ "$1" != -- ]; do mounts+=("$1"); shift; done
  shift
  root=$root unshare --mount --propagation private bash -c '
    set -e
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    mount --rbind /dev "$root/dev"
    while [ "$1" != -- ]; do
      if [ -f "${1%%:*}" ]; then touch "$root${1##*:}"; fi
      mount --bind "${1%%:*}" "$root${1##*:}"
      shift
    done
    shift
    mount -o remount,bind,ro "$root"
    exec setpriv --no-new-privs \
      chroot --userspec=65532:65532 --groups= "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"
  ' -- ${mounts[@]+"${mounts[@]}"} -- "$@"
}
settings=(HOME=/var/lib/d-inference DINF_HOME=/var/lib/d-inference DINF_CACHE=/var/cache/d-inference
  DINF_ENGINE=cpu DINF_NATS_SERVER=/usr/local/bin/nats-server)

say 'a provider finds its engine and its nats-server'
install -d -o 65532 -g 65532 -m 0700 "$work/provider"
in_image provider "$work/provider:/var/lib/d-inference" -- "${settings[@]}" dinf provider doctor |
  tee "$work/doctor"
grep -q 'engine cpu .*chosen' "$work/doctor"

say 'a coordinator starts, and names the missing network'
install -d -o 65532 -g 65532 -m 0700 "$work/coordinator"
in_image coordinator "$work/coordinator:/var/lib/d-inference" -- "${settings[@]}" dinf coordinator \
  2>&1 | tee "$work/refusal" || true
grep -q 'dinf network init' "$work/refusal"

say 'a hub runs with the files that "dinf network init" wrote, and its check passes'
DINF_HOME="$work/network" node "$repository/bin/dinf.mjs" network init --hub 127.0.0.1@localhost \
  --client-port 14222 --leaf-port 17422 --cluster-port 16222
install -d -o 65532 -g 65532 "$work/hub-data"
chown -R 65532:65532 "$work/network/hubs"
in_image hub "$work/network/hubs/hub-1/nats-server.conf:/hub/nats-server.conf" \
  "$work/network/hubs/hub-1/tls:/hub/tls" "$work/hub-data:/hub/data" -- \
  HUB_CLIENT_PORT=14222 bash -c '
    cd /hub
    nats-server -c nats-server.conf &
    for _ in {1..50}; do
      sleep 0.2
      if bash /usr/local/lib/d-inference/hub-health.sh; then
        kill $!
        wait
        exit 0
      fi
    done
    exit 1'

say 'sizes'
images images --format '{{.Name}} {{.Size}}'
