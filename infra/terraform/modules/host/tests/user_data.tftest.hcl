variables {
  bundle_url    = "https://mirror.example/code-command-0.1.0.tar"
  bundle_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "it_is_cloud_config_with_no_way_in" {
  command = plan

  variables { settings = { S3_BUCKET = "files", SANDBOX_RUNTIME = "runc" } }

  assert {
    condition     = startswith(output.user_data, "#cloud-config\n") && yamldecode(output.user_data).ssh_pwauth == false
    error_message = "cloud-init reads it, and passwords let nobody in."
  }
  assert {
    condition     = !strcontains(output.firewall, "dport 22") && strcontains(output.firewall, "policy drop")
    error_message = "Without administrators nobody connects."
  }
  assert {
    condition     = output.files["/etc/code-command/executor.env"].content == "S3_BUCKET=files\nSANDBOX_RUNTIME=runc\n" || output.files["/etc/code-command/executor.env"].content == "SANDBOX_RUNTIME=runc\nS3_BUCKET=files\n"
    error_message = "The settings are a line each."
  }
  assert {
    condition     = output.files["/etc/code-command/executor.env"].permissions == "0600"
    error_message = "Nobody but root reads the settings."
  }
  assert {
    condition     = !contains(keys(output.files), "/usr/local/sbin/code-command-drain")
    error_message = "Where nobody takes the host away, nobody asks."
  }
}

run "the_metadata_service_is_for_root_and_the_executor" {
  command = plan

  assert {
    condition     = strcontains(output.firewall, "ip daddr 169.254.169.254 meta skuid != { 0, 10001 } drop") && strcontains(output.firewall, "ip6 daddr fd00:ec2::254 meta skuid != { 0, 10001 } drop")
    error_message = "Its addresses are closed to everybody else."
  }
  assert {
    condition     = jsondecode(output.files["/etc/docker/daemon.json"].content).bridge == "none"
    error_message = "No container has a network."
  }
}

run "administrators_come_by_ssh" {
  command = plan

  variables { administrators = ["192.0.2.0/24", "2001:db8::/32"] }

  assert {
    condition     = strcontains(output.firewall, "ip saddr { 192.0.2.0/24 } tcp dport 22 accept") && strcontains(output.firewall, "ip6 saddr { 2001:db8::/32 } tcp dport 22 accept")
    error_message = "Both kinds of addresses are let in, each in its own line."
  }
}

run "a_host_that_may_be_taken_away_asks" {
  command = plan

  variables {
    drain_command   = "test -e /run/going"
    drained_command = "touch /run/gone"
    secrets_command = "echo BROKER_URL=redis://broker"
  }

  assert {
    condition     = strcontains(output.files["/usr/local/sbin/code-command-drain"].content, "test -e /run/going") && strcontains(output.files["/usr/local/sbin/code-command-install"].content, "code-command-drain.service")
    error_message = "The unit that asks is there, and started."
  }
  assert {
    condition     = strcontains(output.files["/etc/systemd/system/code-command-executor.service.d/secrets.conf"].content, "ExecStartPre=+/usr/local/sbin/code-command-secrets")
    error_message = "Secrets are fetched before each start, as root."
  }
}

run "a_bundle_without_tls_is_refused" {
  command = plan

  variables { bundle_url = "http://mirror.example/code-command.tar" }
  expect_failures = [var.bundle_url]
}

run "a_quote_cannot_end_the_address" {
  command = plan

  variables { bundle_url = "https://mirror.example/';reboot;'" }
  expect_failures = [var.bundle_url]
}

run "a_hash_is_64_digits" {
  command = plan

  variables { bundle_sha256 = "0123" }
  expect_failures = [var.bundle_sha256]
}

run "secrets_do_not_go_into_user_data" {
  command = plan

  variables { settings = { BROKER_URL = "redis://:secret@broker/0" } }
  expect_failures = [var.settings]
}

run "a_setting_cannot_bring_another" {
  command = plan

  variables { settings = { S3_BUCKET = "files\nSANDBOX_RUNTIME=runc" } }
  expect_failures = [var.settings]
}

run "everybody_is_no_administrator" {
  command = plan

  variables { administrators = ["0.0.0.0/0"] }
  expect_failures = [var.administrators]
}
