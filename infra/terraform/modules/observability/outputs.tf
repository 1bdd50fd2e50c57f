output "alarm_arns" {
  description = "ARNs of all alarms."
  value = concat(
    [for alarm in aws_cloudwatch_metric_alarm.own : alarm.arn],
    [aws_cloudwatch_metric_alarm.failed_runs.arn, aws_cloudwatch_metric_alarm.unhealthy_tasks.arn],
    [for alarm in aws_cloudwatch_metric_alarm.broker_memory : alarm.arn],
  )
}

output "dashboard_arn" {
  description = "ARN of the dashboard."
  value       = aws_cloudwatch_dashboard.all.dashboard_arn
}
