output "security_group_id" {
  description = "Security group of the executors, for the broker."
  value       = aws_security_group.executors.id
}

output "group_name" {
  description = "Name of the scaling group."
  value       = aws_autoscaling_group.executors.name
}

output "launch_template_id" {
  description = "Launch template of the hosts."
  value       = aws_launch_template.executor.id
}

output "role_arn" {
  description = "Role of the hosts."
  value       = aws_iam_role.executor.arn
}
