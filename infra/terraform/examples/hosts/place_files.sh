# What cloud-init does with the same list on a machine that is made anew.
set -eu
sudo DEBIAN_FRONTEND=noninteractive apt-get update
# A firewall's file that was placed before is kept, as cloud-init has it: nobody can be asked.
sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -o Dpkg::Options::=--force-confold \
  ca-certificates chrony curl docker.io nftables python3 python3-venv unattended-upgrades
sudo python3 - <<'PYTHON'
import json
import os
import pathlib

for file in json.loads(pathlib.Path("/tmp/code-command-files").read_text()):
    path = pathlib.Path(file["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(path.name + ".new")
    made.unlink(missing_ok=True)
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, int(file["permissions"], 8))
    os.fchmod(handle, int(file["permissions"], 8))
    with open(handle, "w") as target:
        target.write(file["content"])
    made.rename(path)
PYTHON
rm -f /tmp/code-command-files
sudo systemctl enable --now nftables.service
sudo nft -f /etc/nftables.conf
sudo sysctl --system > /dev/null
sudo systemctl restart docker.service
sudo /usr/local/sbin/code-command-install
sudo systemctl restart code-command-executor.service
