# Run on variables.tf and policies.tf alone, which need no provider: tests/infra does that.
variables {
  name   = "code-command-storage"
  bucket = "code-command-files"
}

run "an_executor_can_delete_nothing_and_change_no_rule" {
  command = plan

  assert {
    condition = alltrue([
      for statement in local.executor_statements : alltrue([
        for action in statement.Action :
        contains(["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket"], action)
      ])
    ])
    error_message = "An executor reads, keeps and lists."
  }
}

run "nobody_reaches_beyond_the_prefix" {
  command = plan

  variables { prefix = "team/sessions/" }

  assert {
    condition = alltrue([
      for statement in concat(local.api_statements, local.executor_statements) :
      join(",", statement.Resource) == "arn:aws:s3:::code-command-files/team/sessions/*"
      if contains(statement.Action, "s3:PutObject")
    ])
    error_message = "Objects are allowed below the prefix alone."
  }
  assert {
    condition     = join(",", local.list_statement.Condition.StringLike["s3:prefix"]) == "team/sessions/*"
    error_message = "An executor lists below the prefix alone."
  }
}

run "nobody_can_change_the_expiry_rule" {
  command = plan

  assert {
    condition = length(flatten([
      for statement in concat(local.api_statements, local.executor_statements) : [
        for action in statement.Action : action if can(regex("^(s3:Put.*(Lifecycle|Policy|Acl)|s3:\\*|\\*)", action))
      ]
    ])) == 0
    error_message = "Rules and policies are Terraform's."
  }
}

run "plain_http_is_denied" {
  command = plan

  assert {
    condition     = local.bucket_policy.Statement[0].Effect == "Deny" && local.bucket_policy.Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The bucket's policy denies what comes without TLS."
  }
}

run "a_day_and_an_hour_are_two_days" {
  command = plan

  variables { session_max_age_hours = 25 }

  assert {
    condition     = local.expiry_days == 2
    error_message = "The bucket counts whole days, rounded up."
  }
}

run "an_empty_prefix_is_refused" {
  command = plan

  variables { prefix = "" }
  expect_failures = [var.prefix]
}

run "a_bucket_with_dots_is_refused" {
  command = plan

  variables { bucket = "files.example.com" }
  expect_failures = [var.bucket]
}

run "no_age_at_all_is_refused" {
  command = plan

  variables { session_max_age_hours = 0 }
  expect_failures = [var.session_max_age_hours]
}
