run "names_begin_with_the_deployment" {
  command = plan

  variables {
    deployment = "acme"
    account_id = "123456789012"
    region     = "eu-central-1"
    tags       = { team = "platform" }
  }

  assert {
    condition     = output.bucket == "acme-123456789012-eu-central-1"
    error_message = "The bucket's name is the deployment, the account and the region."
  }
  assert {
    condition     = output.names["executors"] == "acme-executors"
    error_message = "A part's name is the deployment and the part."
  }
  assert {
    condition     = output.tags["api"] == { team = "platform", "code-command:deployment" = "acme", "code-command:part" = "api" }
    error_message = "A part's tags are the caller's and ours."
  }
  assert {
    condition     = output.metric_namespace == "CodeCommand/acme"
    error_message = "Each deployment has a namespace of its own."
  }
}

run "the_shortest_way" {
  command = plan

  assert {
    condition     = output.bucket == "code-command"
    error_message = "Without an account the bucket has the deployment's name."
  }
}

run "a_region_looks_like_one" {
  command = plan

  variables {
    account_id = "123456789012"
    region     = "a-region"
  }
  expect_failures = [var.region]
}

run "capital_letters_are_refused" {
  command = plan

  variables { deployment = "Acme" }
  expect_failures = [var.deployment]
}

run "a_name_that_leaves_no_room_is_refused" {
  command = plan

  variables { deployment = "a-name-of-twenty-five-chr" }
  expect_failures = [var.deployment]
}

run "an_account_is_twelve_digits" {
  command = plan

  variables { account_id = "1234" }
  expect_failures = [var.account_id]
}

run "our_tags_are_ours" {
  command = plan

  variables { tags = { "code-command:part" = "mine" } }
  expect_failures = [var.tags]
}
