#!/bin/sh
# Checks for the system packages that the build needs, and for those named as arguments. What is missing is installed with apt-get
# where this user is root or has sudo without a password, else the command to run is printed.
set -eu

missing=
need() { # need PACKAGE COMMAND...: PACKAGE is missing if COMMAND fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

need make command -v make
need g++ command -v c++
need pkg-config command -v pkg-config
need libasound2-dev pkg-config --exists alsa
need python3 command -v python3
# Further packages: PACKAGE, with a command of the same name, or PACKAGE=COMMAND, which fails without it.
for package in "$@"; do
    case $package in
    *=*) need "${package%%=*}" sh -c "${package#*=}" ;;
    *) need "$package" command -v "$package" ;;
    esac
done
# Only to fetch libtorch, unless wheels were put there by hand; a Python other than the system's brings its own pip.
root=$(dirname "$0")/..
if [ -z "${LIBTORCH:-}" ] && [ ! -e "$root/.libtorch/lib/libtorch_cpu.so" ] && [ -z "$(ls "$root"/.libtorch.partial/*.whl 2>/dev/null)" ]; then
    need python3-pip sh -c 'python3 -m pip --version || /usr/bin/python3 -m pip --version'
fi

if [ -n "$missing" ]; then
    install="apt-get install -y --no-install-recommends$missing"
    if ! command -v apt-get >/dev/null; then
        echo "system packages: missing, by their Debian names:$missing" >&2
        echo "Install them with this system's package manager, then run the same command again." >&2
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        sudo=
    elif sudo -n true 2>/dev/null; then
        sudo="sudo -n"
    else
        echo "system packages: missing:$missing" >&2
        echo "Install them, then run the same command again:" >&2
        echo "    sudo apt-get update && sudo $install" >&2
        exit 1
    fi
    echo "system packages: installing$missing"
    # A repository that cannot be reached need not be the one that has the packages.
    $sudo apt-get update -qq || echo "system packages: apt-get update failed, going on" >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 ${install#apt-get}
fi

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust, https://rustup.rs (or add ~/.cargo/bin to PATH)" >&2
    exit 1
fi
