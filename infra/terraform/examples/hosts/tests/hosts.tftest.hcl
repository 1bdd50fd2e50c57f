variables {
  hosts          = { one = { address = "192.0.2.10" }, two = { address = "192.0.2.11", user = "admin" } }
  host_keys      = { one = "ssh-ed25519 AAAA", two = "ssh-ed25519 BBBB" }
  bundle_url     = "https://mirror.example/code-command-0.1.0.tar"
  bundle_sha256  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  settings       = { S3_BUCKET = "files" }
  secrets        = { BROKER_URL = "rediss://:password@broker.example:6379/0" }
  administrators = ["192.0.2.0/28"]
}

run "each_host_has_an_id_of_its_own_and_no_secret_in_its_user_data" {
  command = plan

  assert {
    condition     = strcontains(output.user_data["one"], "CODE_EXECUTOR_ID=one") && strcontains(output.user_data["two"], "CODE_EXECUTOR_ID=two")
    error_message = "Executors are told apart by the hosts' names."
  }
  assert {
    condition     = !strcontains(join("", values(output.user_data)), "broker.example")
    error_message = "Secrets go over SSH alone."
  }
  assert {
    condition     = length(terraform_data.executor) == 2
    error_message = "Every host is set up."
  }
}

run "a_host_without_a_known_key_is_refused" {
  command = plan

  variables { host_keys = { one = "ssh-ed25519 AAAA" } }
  expect_failures = [var.host_keys]
}

run "no_broker_no_executor" {
  command = plan

  variables { secrets = { S3_SECRET_ACCESS_KEY = "s" } }
  expect_failures = [var.secrets]
}

run "no_host_at_all_is_refused" {
  command = plan

  variables {
    hosts     = {}
    host_keys = {}
  }
  expect_failures = [var.hosts]
}
