output "address" {
  description = "Name of the load balancer; point the certificate's name at it (CNAME or alias)."
  value       = aws_lb.api.dns_name
}

output "zone_id" {
  description = "Zone of the load balancer, for an alias record."
  value       = aws_lb.api.zone_id
}

output "security_group_id" {
  description = "Security group of the API's tasks, for the broker."
  value       = aws_security_group.api.id
}

output "load_balancer_arn_suffix" {
  description = "The load balancer's dimension in CloudWatch."
  value       = aws_lb.api.arn_suffix
}

output "target_group_arn_suffix" {
  description = "The target group's dimension in CloudWatch."
  value       = aws_lb_target_group.api.arn_suffix
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.api.name
}

output "service_name" {
  description = "Name of the service."
  value       = aws_ecs_service.api.name
}

output "log_group_names" {
  description = "Log groups: of the service, and of the metrics agent."
  value       = { for kind, group in aws_cloudwatch_log_group.api : kind => group.name }
}
