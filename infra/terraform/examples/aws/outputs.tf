output "address" {
  description = "Point the certificate's name here."
  value       = module.api.address
}

output "bucket" {
  description = "Name of the bucket."
  value       = module.storage.bucket
}

output "executor_group" {
  description = "Name of the executors' scaling group."
  value       = module.executors.group_name
}

output "dashboard" {
  description = "ARN of the dashboard."
  value       = module.observability.dashboard_arn
}
