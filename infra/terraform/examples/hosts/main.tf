module "host" {
  source   = "../../modules/host"
  for_each = var.hosts

  bundle_url     = var.bundle_url
  bundle_sha256  = var.bundle_sha256
  administrators = var.administrators
  settings       = merge(var.settings, { CODE_EXECUTOR_ID = each.key })
}

locals {
  secrets = join("", [for name, value in var.secrets : "${name}=${value}\n"])

  # Root's, and nobody's but root's, before the secrets are in it.
  place_secrets = <<-SCRIPT
    set -eu
    sudo install -d -m 0755 /etc/code-command
    sudo install -m 0600 -o root -g root /dev/null /etc/code-command/secrets.env
    sudo tee /etc/code-command/secrets.env > /dev/null < /tmp/code-command-secrets
    rm -f /tmp/code-command-secrets
    sudo install -d -m 0755 /etc/systemd/system/code-command-executor.service.d
    printf '[Service]\nEnvironmentFile=/etc/code-command/secrets.env\n' |
      sudo tee /etc/systemd/system/code-command-executor.service.d/secrets.conf > /dev/null
  SCRIPT
}

# For a host that is there already: the same files, and the same install, over SSH. One that is
# made anew takes `user_data` (below), and then the secrets from here.
resource "terraform_data" "executor" {
  for_each = var.hosts

  triggers_replace = {
    files   = sha256(jsonencode(module.host[each.key].files))
    secrets = sha256(local.secrets)
  }

  connection {
    type     = "ssh"
    host     = each.value.address
    user     = each.value.user
    host_key = var.host_keys[each.key]
    agent    = true
  }

  # The upload is a file of this user's in a folder of everybody's, so it exists first.
  provisioner "remote-exec" {
    inline = ["umask 077 && rm -f /tmp/code-command-secrets /tmp/code-command-files && touch /tmp/code-command-secrets /tmp/code-command-files"]
  }

  provisioner "file" {
    content     = local.secrets
    destination = "/tmp/code-command-secrets"
  }

  provisioner "file" {
    content     = jsonencode(values(module.host[each.key].files))
    destination = "/tmp/code-command-files"
  }

  provisioner "remote-exec" {
    inline = [local.place_secrets, file("${path.module}/place_files.sh")]
  }
}
