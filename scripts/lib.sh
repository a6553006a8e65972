# Shared by the scripts beside it; sourced, never run.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# as_root COMMAND…: runs it as root, by sudo without a password if need be; else prints it and stops.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif sudo -n true 2>/dev/null; then
    sudo "$@"
  else
    die "This needs root. Please run: sudo $*"
  fi
}

apt_updated=
# want COMMAND PACKAGE WHY: installs PACKAGE when COMMAND is missing.
want() {
  command -v "$1" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null 2>&1 || die "$1 is missing ($3) and this system has no apt-get: please install it and try again."
  say "Installing $2: $3"
  if [ -z "$apt_updated" ]; then
    as_root apt-get update -qq
    apt_updated=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

# The oldest Rust that builds us, from Cargo.toml.
oldest_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

want_rust() {
  # shellcheck source=/dev/null
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  local have oldest
  oldest=$(oldest_rust)
  have=$(rustc --version 2>/dev/null | cut -d' ' -f2)
  if [ -n "$have" ] && [ "$(printf '%s\n' "$oldest" "$have" | sort -V | head -n1)" = "$oldest" ]; then
    return
  fi
  want curl curl "fetches the Rust toolchain"
  say "Installing a Rust toolchain by rustup: cargo is ${have:-absent}${have:+ (too old)}, at least $oldest is needed"
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt >/dev/null
  # shellcheck source=/dev/null
  . "$HOME/.cargo/env"
}

want_build_tools() {
  want cc gcc "compiles the bundled SQLite"
  want_rust
}
