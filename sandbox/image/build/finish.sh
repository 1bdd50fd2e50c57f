#!/bin/sh
# The last step before the image is flattened: what a running sandbox can do without goes,
# and nothing that raises privileges stays.
set -eu

# No file may run with another user's rights. The sandbox mounts nothing either, but an
# image that has none needs no promise from the runtime.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# Documentation (licences stay), translations (messages must be English) and leftovers.
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -depth -type d -empty -delete
find /usr/share/locale -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
rm -rf /usr/share/man /usr/share/info /usr/share/lintian /var/lib/apt/lists /var/cache/apt \
    /var/cache/debconf /var/log/* /root/.cache /root/.config /tmp/* /run/secrets /build

# Where the packages came from is the building machine's business.
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d

# One folder under two names; and the place where shared assets are mounted. Python asks
# once, at its start, whether a folder on its path exists: so utils does.
mkdir -p /mnt/data /mnt/shared/utils
# A tmpfs mounted there takes over the folder's mode; whoever the sandbox runs as owns it.
chmod 1777 /mnt/data
ln -sfn /mnt/data /workspace
# What is compiled goes here, a small tmpfs that programs may be executed from.
mkdir -p /run/build
# Where both `import` and `require` look from every folder.
if [ -d /opt/node/node_modules ]; then ln -sfn /opt/node/node_modules /node_modules; fi

fc-cache --system-only --force

# Any user id can run everything.
# Only what lacks a right is touched: each file that is would be copied into this layer.
find /opt /usr /etc/fonts /var/cache/fontconfig ! -type l \
    \( ! -perm -a+r -o \( -type d -o -perm /a+x \) ! -perm -a+x \) -exec chmod a+rX {} +
