#!/bin/sh
# Installs Debian packages while the image is built:
#   install_apt.sh LIST     every name in LIST (one a line, # comments)
#   install_apt.sh -- NAME… the names given
# The building machine's own apt settings, mirror and CA certificates come as build secrets,
# so they are used here and are in no layer.
set -eu

secrets=/run/secrets
export DEBIAN_FRONTEND=noninteractive
# Settings of the building machine (proxy, retries) are read after the image's own.
if [ -s "$secrets/apt_conf" ]; then export APT_CONFIG="$secrets/apt_conf"; fi

options="-o Acquire::Retries=3 -o Acquire::Languages=none -o Dpkg::Use-Pty=0"
if [ -s "$secrets/apt_sources" ]; then
    options="$options -o Dir::Etc::SourceList=$secrets/apt_sources -o Dir::Etc::SourceParts=-"
fi
if [ -s "$secrets/ca_bundle" ]; then
    options="$options -o Acquire::https::CAInfo=$secrets/ca_bundle"
fi

if [ "$1" = "--" ]; then
    shift
    names="$*"
else
    names=$(sed -e 's/#.*//' "$1" | tr -s '[:space:]' ' ')
fi
# Options and names are lists of words on purpose.
# shellcheck disable=SC2086
apt-get -q $options update
# shellcheck disable=SC2086
apt-get -q $options upgrade --yes  # The base image may be older than the latest fixes.
# shellcheck disable=SC2086
apt-get -q $options install --yes --no-install-recommends $names
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
