# Run on variables.tf and scaling.tf alone, which need no provider: tests/infra does that.
variables {
  name                  = "code-command-executors"
  vpc_id                = "vpc-0123456789abcdef0"
  subnet_ids            = ["subnet-0123456789abcdef0"]
  image_id              = "ami-0123456789abcdef0"
  metric_namespace      = "CodeCommand/code-command"
  bundle_url            = "s3://bundles/code-command-0.1.0.tar"
  bundle_sha256         = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  broker_url_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:broker-AbCdEf"
  storage_policy_arn    = "arn:aws:iam::123456789012:policy/code-command-storage-executor"
}

run "the_group_follows_what_waits_and_what_runs" {
  command = plan

  assert {
    condition     = alltrue([for query in local.load_queries : strcontains(local.load_expression, query.id)])
    error_message = "Every figure counts."
  }
  assert {
    condition     = local.bundle_s3.bucket == "bundles" && local.bundle_s3.key == "code-command-0.1.0.tar"
    error_message = "The role may fetch the one bundle."
  }
  assert {
    condition     = strcontains(local.drained_command, local.hook_name) && strcontains(local.drained_command, "--auto-scaling-group-name code-command-executors")
    error_message = "The host tells its own group."
  }
  assert {
    condition     = strcontains(local.secrets_command, "--region eu-central-1")
    error_message = "The secret is asked for where it is."
  }
}

run "a_bundle_elsewhere_needs_no_right_to_s3" {
  command = plan

  variables { bundle_url = "https://mirror.example/code-command-0.1.0.tar" }

  assert {
    condition     = local.bundle_s3 == null
    error_message = "An https address is no object of S3."
  }
}

run "fewer_at_most_than_at_least_is_refused" {
  command = plan

  variables {
    fewest = 3
    most   = 2
  }
  expect_failures = [var.most]
}

run "none_at_all_is_refused" {
  command = plan

  variables { fewest = 0 }
  expect_failures = [var.fewest]
}

run "machines_with_burst_credits_are_refused" {
  command = plan

  variables { instance_type = "t3.large" }
  expect_failures = [var.instance_type]
}

run "machines_of_the_arm_kind_are_refused" {
  command = plan

  variables { instance_type = "m7g.large" }
  expect_failures = [var.instance_type]
}

run "a_load_above_all_slots_is_refused" {
  command = plan

  variables { target_load = 1.5 }
  expect_failures = [var.target_load]
}
