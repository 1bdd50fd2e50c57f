output "user_data" {
  description = "cloud-init's configuration for each host, for machines that are made anew."
  value       = { for name, host in module.host : name => host.user_data }
}

output "executor_ids" {
  description = "CODE_EXECUTOR_ID of each host."
  value       = keys(var.hosts)
}
