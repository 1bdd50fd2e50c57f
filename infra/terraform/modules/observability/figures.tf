# Which figures are watched, as data: no provider is needed to read or to test it. The names are
# those of api/metrics.py, as CloudWatch's agent has them (modules/api, `measured`).
locals {
  # What a run ends with that is our fault, and not the program's. An alarm takes ten at most.
  our_faults = ["no_broker", "no_executor", "executor_lost", "no_report_in_time", "no_report", "queue_full", "sandbox_unavailable", "sandbox_lost", "storage_unavailable", "error"]

  own_alarms = {
    executors = {
      description = "Fewer executors than there should be: runs wait, or are refused."
      metric      = "code_command_executors"
      dimensions  = { engine = "up" }
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = var.fewest_executors
      periods     = 3
      missing     = "breaching" # Nobody to count them is as bad.
    }
    engines = {
      description = "An executor's engine does not answer: docs/production-host.md."
      metric      = "code_command_executors"
      dimensions  = { engine = "down" }
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      periods     = 5
      missing     = "notBreaching"
    }
    storage = {
      description = "Object storage does not answer the API: files cannot be read or kept."
      metric      = "code_command_storage_up"
      dimensions  = {}
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = 2
      missing     = "notBreaching"
    }
    broker = {
      description = "The broker does not answer the API: no program can be run."
      metric      = "code_command_broker_up"
      dimensions  = {}
      statistic   = "Minimum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = 2
      missing     = "notBreaching"
    }
    queue = {
      description = "Runs wait for their turn, and executors do not keep up."
      metric      = "code_command_runs_queued"
      dimensions  = {}
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.most_queued
      periods     = 5
      missing     = "notBreaching"
    }
  }

  panels = [
    { title = "Runs, by how they ended", search = "{NAMESPACE,outcome} MetricName=\"code_command_runs_total\"", stat = "Sum" },
    { title = "Runs that wait for their turn, and all that are asked for", search = "{NAMESPACE} MetricName=(\"code_command_runs_queued\" OR \"code_command_runs_waiting\")", stat = "Maximum" },
    { title = "Slots", search = "{NAMESPACE,state} MetricName=\"code_command_slots\"", stat = "Average" },
    { title = "Sandboxes", search = "{NAMESPACE,state} MetricName=\"code_command_sandboxes\"", stat = "Average" },
    { title = "Executors", search = "{NAMESPACE,engine} MetricName=\"code_command_executors\"", stat = "Minimum" },
  ]

  dashboard = {
    widgets = [for index, panel in local.panels : {
      type   = "metric"
      x      = (index % 2) * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = {
        title  = panel.title
        region = var.region
        view   = "timeSeries"
        period = 60
        metrics = [[{
          expression = "SEARCH('${replace(panel.search, "NAMESPACE", "\"${var.metric_namespace}\"")}', '${panel.stat}', 60)"
        }]]
      }
    }]
  }
}
