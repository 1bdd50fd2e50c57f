# What runs in a task, as data: no provider is needed to read or to test it.
locals {
  port = 8095

  # Everybody in the task may read the metrics; the load balancer lets nobody else.
  environment = merge(var.settings, {
    CODE_HOST = "0.0.0.0"
    CODE_PORT = tostring(local.port)
    METRICS   = "open"
  })

  # The two paths of /metrics: every route is at /v1 as well.
  hidden_paths = ["/metrics", "/metrics/*", "/v1/metrics", "/v1/metrics/*"]

  # Of a metric with labels CloudWatch wants to know which of them are dimensions.
  measured = {
    "code_command_storage_up"   = []
    "code_command_broker_up"    = []
    "code_command_runs_queued"  = []
    "code_command_runs_waiting" = []
    "code_command_executors"    = ["engine"]
    "code_command_slots"        = ["state"]
    "code_command_sandboxes"    = ["state"]
    "code_command_runs_total"   = ["outcome"]
  }

  agent = {
    agent = { omit_hostname = true }
    logs = {
      force_flush_interval = 15
      metrics_collected = {
        prometheus = {
          prometheus_config_path = "env:PROMETHEUS_CONFIG_CONTENT"
          log_group_name         = "/code-command/${var.name}/metrics"
          emf_processor = {
            metric_namespace = var.metric_namespace
            metric_declaration = [for metric, labels in local.measured : {
              source_labels    = ["job"]
              label_matcher    = "^code-command$"
              dimensions       = [labels]
              metric_selectors = ["^${metric}$"]
            }]
          }
        }
      }
    }
  }

  # Twice a minute: a queue is known within the minute that a scaling rule looks at.
  scraping = {
    global = { scrape_interval = "30s", scrape_timeout = "10s" }
    scrape_configs = [{
      job_name       = "code-command"
      static_configs = [{ targets = ["127.0.0.1:${local.port}"] }]
    }]
  }
}
