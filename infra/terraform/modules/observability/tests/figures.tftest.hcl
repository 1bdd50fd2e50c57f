# Run on variables.tf and figures.tf alone, which need no provider: tests/infra does that.
variables {
  name                     = "code-command"
  metric_namespace         = "CodeCommand/code-command"
  region                   = "eu-central-1"
  alarm_topic_arns         = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
  load_balancer_arn_suffix = "app/code-command-api/0123456789abcdef"
  target_group_arn_suffix  = "targetgroup/code-command-api/0123456789abcdef"
}

run "nobody_there_to_be_counted_is_an_alarm_too" {
  command = plan

  assert {
    condition     = local.own_alarms["executors"].missing == "breaching"
    error_message = "Without figures there may be no executor."
  }
}

run "panels_do_not_lie_on_each_other" {
  command = plan

  assert {
    condition     = length(distinct([for widget in local.dashboard.widgets : "${widget.x},${widget.y}"])) == length(local.panels)
    error_message = "Each panel has a place of its own."
  }
  assert {
    condition     = alltrue([for widget in local.dashboard.widgets : strcontains(widget.properties.metrics[0][0].expression, "CodeCommand/code-command")])
    error_message = "Each panel shows this deployment."
  }
}

run "a_mail_address_is_no_topic" {
  command = plan

  variables { alarm_topic_arns = ["on-call@example.com"] }
  expect_failures = [var.alarm_topic_arns]
}

run "at_least_one_executor_is_expected" {
  command = plan

  variables { fewest_executors = 0 }
  expect_failures = [var.fewest_executors]
}
