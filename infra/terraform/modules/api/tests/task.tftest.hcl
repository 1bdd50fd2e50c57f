# Run on variables.tf and task.tf alone, which need no provider: tests/infra does that.
variables {
  name                     = "code-command-api"
  vpc_id                   = "vpc-0123456789abcdef0"
  load_balancer_subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  subnet_ids               = ["subnet-0123456789abcdef2"]
  client_networks          = ["10.0.0.0/16"]
  certificate_arn          = "arn:aws:acm:eu-central-1:123456789012:certificate/abc"
  image                    = "registry.example/code-command:0.1.0"
  metrics_agent_image      = "registry.example/cloudwatch-agent:1.300"
  metric_namespace         = "CodeCommand/code-command"
  storage_policy_arn       = "arn:aws:iam::123456789012:policy/code-command-storage-api"
  secrets = {
    BROKER_URL   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:broker"
    CODE_API_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key"
  }
}

run "the_metrics_are_for_the_task_alone" {
  command = plan

  variables { settings = { QUEUE_LIMIT = "500" } }

  assert {
    condition     = local.environment["METRICS"] == "open" && local.environment["QUEUE_LIMIT"] == "500"
    error_message = "The agent reads without a key; the caller's settings are there."
  }
  assert {
    condition     = contains(local.hidden_paths, "/metrics") && contains(local.hidden_paths, "/v1/metrics")
    error_message = "The load balancer answers for both paths of the metrics."
  }
  assert {
    condition     = yamldecode(yamlencode(local.scraping)).scrape_configs[0].static_configs[0].targets[0] == "127.0.0.1:8095"
    error_message = "The agent asks the API beside it."
  }
}

run "an_image_without_a_version_is_refused" {
  command = plan

  variables { image = "registry.example/code-command:latest" }
  expect_failures = [var.image]
}

run "a_secret_among_the_settings_is_refused" {
  command = plan

  variables { settings = { BROKER_URL = "redis://broker" } }
  expect_failures = [var.settings]
}

run "the_address_is_not_a_caller_s_to_set" {
  command = plan

  variables { settings = { CODE_HOST = "::" } }
  expect_failures = [var.settings]
}

run "a_key_and_a_broker_there_must_be" {
  command = plan

  variables { secrets = { CODE_API_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key" } }
  expect_failures = [var.secrets]
}

run "the_text_of_a_secret_is_refused" {
  command = plan

  variables { secrets = { CODE_API_KEY = "s3cret", BROKER_URL = "rediss://" } }
  expect_failures = [var.secrets]
}

run "an_internal_load_balancer_is_not_for_everybody" {
  command = plan

  variables { client_networks = ["0.0.0.0/0"] }
  expect_failures = [var.client_networks]
}

run "a_public_one_may_be" {
  command = plan

  variables {
    internal        = false
    client_networks = ["0.0.0.0/0"]
  }
}

run "sizes_that_fargate_does_not_have_are_refused" {
  command = plan

  variables { memory = 1024 }
  expect_failures = [var.memory]
}
