import { versionFolder } from '#bus-schemas/program-folders.mjs';

export interface InstallFacts {
  /** URL of the API, without a slash at its end. */
  readonly url: string;
  readonly version: string;
  /** SHA-256 of the package, in hexadecimal digits. */
  readonly sha256: string;
}

/** Quotes a text for the shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * The script of `curl … | sh`: it downloads the package from this network, compares its digest, and
 * installs it for one user. Everything is in functions that the last line calls, so that a script
 * that was cut off does nothing.
 */
export const installScript = ({ url, version, sha256 }: InstallFacts): string => `#!/bin/sh
# Installs d-inference ${version} into the home folder of this user, without administrator rights.
# DINF_PREFIX names another folder than ~/.local.
set -eu

url=${quoted(url)}
name=${quoted(`d-inference-${version}.tgz`)}
sha256=${quoted(sha256)}
prefix=\${DINF_PREFIX:-$HOME/.local}
# Each version has a folder of its own, and the link in bin names the one in use.
version=${quoted(versionFolder({ version, sha256 }))}
get_node='Get Node 24 from https://nodejs.org/en/download, or with "brew install node@24".'

fail() {
  printf 'install.sh: %s\\n' "$1" >&2
  exit 1
}

check_node() {
  command -v node >/dev/null || fail "Node is not installed. $get_node"
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
    fail "Node $(node --version) is too old. $get_node"
  command -v npm >/dev/null || fail "npm is missing, which comes with Node. $get_node"
}

download() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --output-document "$2" "$1"
  else
    fail 'curl or wget is needed to download the package.'
  fi
}

digest_of() {
  node -e 'const { createHash } = require("node:crypto");
    const { readFileSync } = require("node:fs");
    console.log(createHash("sha256").update(readFileSync(process.argv[1])).digest("hex"))' "$1"
}

use_version() {
  mkdir -p "$prefix/bin"
  ln -s "../lib/d-inference/$version/bin/dinf" "$prefix/bin/dinf.$$"
  mv -f "$prefix/bin/dinf.$$" "$prefix/bin/dinf"
}

show_next() {
  program=$prefix/bin/dinf
  [ "$(command -v dinf || true)" != "$program" ] || program=dinf
  printf '\\n%s is installed. This shows the models that the network asks for, downloads and\\n' "\${name%.tgz}"
  printf 'serves the one that you choose, and shows a code that makes the machine yours:\\n\\n'
  printf '  %s provider start --link --coordinator %s\\n\\n' "$program" "$url"
  printf 'With --model dinf-tiny-4bit it serves a small test model. More models:\\n\\n'
  printf '  %s provider models search qwen3\\n' "$program"
  [ "$program" = dinf ] ||
    printf '\\nWith %s in PATH, "dinf" alone is enough.\\n' "$prefix/bin"
}

main() {
  check_node
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  printf 'Downloading %s/install/%s\\n' "$url" "$name"
  download "$url/install/$name" "$folder/$name" || fail "$name could not be downloaded."
  [ "$(digest_of "$folder/$name")" = "$sha256" ] ||
    fail "The digest of $name is not $sha256, so nothing was installed. Try again later."
  printf 'Installing into %s\\n' "$prefix"
  npm install --global --prefix "$prefix/lib/d-inference/$version" --ignore-scripts --no-audit --no-fund "$folder/$name" ||
    fail 'npm could not install the package. Its messages above have the reason.'
  use_version
  show_next
}

main
`;
