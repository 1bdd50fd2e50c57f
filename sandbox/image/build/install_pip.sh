#!/bin/sh
# `pip install` while the image is built, with the building machine's own pip settings and CA
# certificates where it has any. Those come as build secrets: they are in no layer.
set -eu

secrets=/run/secrets
if [ -s "$secrets/pip_conf" ]; then export PIP_CONFIG_FILE="$secrets/pip_conf"; fi
if [ -s "$secrets/ca_bundle" ]; then export PIP_CERT="$secrets/ca_bundle"; fi

# Byte code is compiled once, at the end, in a form that does not depend on time stamps.
exec /opt/python/bin/python3 -m pip install --no-cache-dir --no-compile --progress-bar off \
    --disable-pip-version-check --root-user-action ignore "$@"
