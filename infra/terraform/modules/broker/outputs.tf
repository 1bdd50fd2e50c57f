output "broker_url_secret_arn" {
  description = "ARN of the secret whose text is BROKER_URL."
  value       = aws_secretsmanager_secret.broker_url.arn
}

output "replication_group_id" {
  description = "Id of the replication group, for alarms."
  value       = aws_elasticache_replication_group.broker.id
}

output "member_clusters" {
  description = "Ids of the nodes, for alarms."
  value       = aws_elasticache_replication_group.broker.member_clusters
}

output "security_group_id" {
  description = "Id of the broker's security group."
  value       = aws_security_group.broker.id
}

output "port" {
  description = "Port of the broker, for the egress rules of its clients."
  value       = local.port
}
