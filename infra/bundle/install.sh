#!/bin/sh
# Installs the bundle that this file lies in. No index and no registry is asked.
#
#   ./install.sh [--images all|sandbox|none] [FOLDER]
#
# FOLDER is /opt/code-command if it is not named. What is there is replaced, and put back if
# anything fails. Images are loaded into the engine that `docker` talks to.
set -eu
umask 022

images=all
if [ "${1:-}" = --images ]; then
    images=${2:?all, sandbox or none}
    shift 2
fi
target=${1:-/opt/code-command}
here=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

case $images in
all | sandbox | none) ;;
*) fail "--images takes all, sandbox or none" ;;
esac
case $target in
/*) ;;
*) target=$PWD/$target ;;
esac

echo "checking the bundle"
(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS) || fail "the bundle is damaged"

wanted=$(cat "$here/python-version")
found=$(python3 -I -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "needs python3"
[ "$found" = "$wanted" ] || fail "this bundle is for Python $wanted, and python3 is $found: make it on a machine like this one"

restore() {
    rm -rf "$target"
    [ ! -e "$target.old" ] || mv "$target.old" "$target"
    fail "nothing was changed"
}
# What an installation that was killed has put aside is the last whole one.
if [ -e "$target.old" ]; then
    rm -rf "$target"
    mv "$target.old" "$target"
fi
trap restore HUP INT TERM
[ ! -e "$target" ] || mv "$target" "$target.old"
mkdir -p "$target" || restore
cp -R "$here/application/." "$target/" || restore
chmod -R a+rX "$target" || restore

echo "installing the packages"
PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS="$here/wheels" PYTHONPATH="$target" \
    python3 -P -s -m infra.local.install_packages || restore

if [ "$images" != none ]; then
    for file in "$here"/images/*.tar.gz; do
        [ -e "$file" ] || continue
        if [ "$images" = sandbox ] && [ "${file##*/}" != sandbox.tar.gz ]; then continue; fi
        echo "loading ${file##*/}"
        docker load --quiet --input "$file" || restore
    done
fi
trap - HUP INT TERM
rm -rf "$target.old"
echo "installed in $target; next: $target/code-command help"
