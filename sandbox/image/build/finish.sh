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
    /var/cache/debconf /var/log/* /root/.cache /tmp/* /run/secrets /build

# Where the packages came from is the building machine's business.
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d

# One folder under two names; and the place where shared assets are mounted. Python asks
# once, at its start, whether a folder on its path exists: so utils does.
mkdir -p /mnt/data /mnt/shared/utils
# A tmpfs mounted there takes over the folder's mode; whoever the sandbox runs as owns it.
chmod 1777 /mnt/data
ln -sfn /mnt/data /workspace

fc-cache --system-only --force

# Any user id can run everything.
chmod -R a+rX /opt /usr /etc/fonts /var/cache/fontconfig
