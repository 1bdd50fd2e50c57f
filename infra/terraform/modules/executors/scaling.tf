# When executors come and go, as data: no provider is needed to read or to test it.
locals {
  # Runs that wait for their turn and runs that have one, as a share of what could run at once.
  # Each API task counts those that wait in it, so they are added; all of them see the same
  # executors. Metrics are read twice a minute, hence the half.
  load_queries = [
    {
      id = "queued", metric = "code_command_runs_queued", stat = "Sum", state = null
    },
    {
      id = "running", metric = "code_command_slots", stat = "Average", state = "running"
    },
    {
      id = "capacity", metric = "code_command_slots", stat = "Average", state = "capacity"
    },
  ]
  load_expression = "(queued / 2 + running) / IF(capacity > 0, capacity, 1)"

  hook_name = "${var.name}-drain"
  bundle_s3 = try(regex("^s3://(?P<bucket>[a-z0-9.-]+)/(?P<key>.+)$", var.bundle_url), null)

  # The host asks for its own fate. Only root and the executor's user reach the metadata service.
  metadata = "http://169.254.169.254/latest"
  token    = "$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${local.metadata}/api/token)"
  asked    = "curl -sf -H \"X-aws-ec2-metadata-token: ${local.token}\" ${local.metadata}"

  drain_command = "test \"$(${local.asked}/meta-data/autoscaling/target-lifecycle-state)\" = Terminated"
  drained_command = join(" ", [
    "aws autoscaling complete-lifecycle-action",
    "--region \"$(${local.asked}/meta-data/placement/region)\"",
    "--lifecycle-hook-name ${local.hook_name} --auto-scaling-group-name ${var.name}",
    "--lifecycle-action-result CONTINUE",
    "--instance-id \"$(${local.asked}/meta-data/instance-id)\"",
  ])

  secret_region = split(":", var.broker_url_secret_arn)[3]
  secrets_command = join(" ", [
    "printf 'BROKER_URL=%s\\n'",
    "\"$(aws secretsmanager get-secret-value --region ${local.secret_region}",
    "--secret-id '${var.broker_url_secret_arn}' --query SecretString --output text)\"",
  ])
}
