locals {
  systemd = "${path.module}/../../../systemd"

  # The user is made with this number, so that the firewall knows it before there is a name.
  uid = 10001

  daemon = {
    bridge                   = "none" # Sandboxes have no network; so no container has one.
    iptables                 = false
    ip6tables                = false
    ip-forward               = false
    icc                      = false
    live-restore             = false # A sandbox without its executor is of no use to anybody.
    no-new-privileges        = true
    userland-proxy           = false
    log-driver               = "local"
    max-concurrent-downloads = 2
  }

  firewall = templatefile("${path.module}/templates/nftables.conf.tftpl", {
    uid             = local.uid
    administrators4 = [for network in var.administrators : network if !strcontains(network, ":")]
    administrators6 = [for network in var.administrators : network if strcontains(network, ":")]
  })

  environment = join("", [for name, value in var.settings : "${name}=${value}\n"])

  install = templatefile("${path.module}/templates/install.sh.tftpl", {
    url    = var.bundle_url
    sha256 = var.bundle_sha256
    drains = var.drain_command != null
  })

  secrets_unit = var.secrets_command == null ? [] : [
    {
      path        = "/usr/local/sbin/code-command-secrets"
      permissions = "0700"
      content     = <<-SCRIPT
        #!/bin/bash
        # Writes the executor's secrets where only memory is; systemd runs it before each start.
        set -euo pipefail
        umask 077
        mkdir -p /run/code-command-secrets
        made=$(mktemp /run/code-command-secrets/.executor.XXXXXX)
        trap 'rm -f "$made"' EXIT
        { ${var.secrets_command}
        } > "$made"
        mv "$made" /run/code-command-secrets/executor.env
      SCRIPT
    },
    {
      path        = "/etc/systemd/system/code-command-executor.service.d/secrets.conf"
      permissions = "0644"
      content     = <<-UNIT
        [Service]
        ExecStartPre=+/usr/local/sbin/code-command-secrets
      UNIT
    },
  ]

  drain_unit = var.drain_command == null ? [] : [
    {
      path        = "/usr/local/sbin/code-command-drain"
      permissions = "0700"
      content     = <<-SCRIPT
        #!/bin/bash
        # Waits until this host is to go; stops the executor and waits for its end; says so.
        set -uo pipefail
        until { ${var.drain_command}
        }; do
          sleep 5
        done
        systemctl stop code-command-executor.service
        { ${var.drained_command}
        }
      SCRIPT
    },
    {
      path        = "/etc/systemd/system/code-command-drain.service"
      permissions = "0644"
      content     = file("${local.systemd}/code-command-drain.service")
    },
  ]

  files = concat([
    {
      path        = "/etc/docker/daemon.json"
      permissions = "0644"
      content     = "${jsonencode(local.daemon)}\n"
    },
    {
      path        = "/etc/nftables.conf"
      permissions = "0644"
      content     = local.firewall
    },
    {
      path        = "/etc/sysctl.d/60-code-command.conf"
      permissions = "0644"
      content     = file("${path.module}/files/sysctl.conf")
    },
    {
      path        = "/etc/code-command/executor.env"
      permissions = "0600"
      content     = local.environment
    },
    {
      path        = "/etc/systemd/system/code-command-executor.service"
      permissions = "0644"
      content     = file("${local.systemd}/code-command-executor.service")
    },
    {
      path        = "/usr/local/sbin/code-command-install"
      permissions = "0700"
      content     = local.install
    },
  ], local.secrets_unit, local.drain_unit)

  cloud_config = {
    # The firewall first: it is up before anything is fetched or installed with a network.
    package_update  = true
    package_upgrade = true
    packages = concat(
      ["ca-certificates", "chrony", "curl", "docker.io", "nftables", "python3", "python3-venv", "unattended-upgrades"],
      var.packages,
    )
    disable_root = true
    ssh_pwauth   = false
    swap         = { filename = "/swap.img", size = 0 }
    write_files  = [for file in local.files : merge(file, { owner = "root:root" })]
    runcmd = [
      ["systemctl", "enable", "--now", "nftables.service"],
      ["nft", "-f", "/etc/nftables.conf"],
      ["sysctl", "--system"],
      ["/usr/local/sbin/code-command-install"],
    ]
  }

  user_data = "#cloud-config\n${yamlencode(local.cloud_config)}"
}
