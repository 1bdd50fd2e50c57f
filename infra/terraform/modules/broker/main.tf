locals {
  port = 6379

  # Celery reads the certificate's check from the address; Python's own certificates are used.
  broker_url = format(
    "rediss://:%s@%s:%d/0?ssl_cert_reqs=required",
    var.password, aws_elasticache_replication_group.broker.primary_endpoint_address, local.port,
  )
}

resource "aws_security_group" "broker" {
  name_prefix = "${var.name}-"
  description = "${var.name}: API and executors, and nobody else"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = var.name })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.broker.id
  referenced_security_group_id = each.value
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_elasticache_subnet_group" "broker" {
  name       = var.name
  subnet_ids = var.subnet_ids
  tags       = var.tags
}

resource "aws_elasticache_parameter_group" "broker" {
  name   = "${var.name}-valkey${split(".", var.engine_version)[0]}"
  family = "valkey${split(".", var.engine_version)[0]}"
  tags   = var.tags

  # A broker that is full has to say so, not to throw away what waits.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_replication_group" "broker" {
  # checkov:skip=CKV_AWS_191:The key is the caller's choice, kms_key_arn; what is here lives for seconds.
  # checkov:skip=CKV2_AWS_50:It is set wherever there is a replica that could take over.
  replication_group_id = var.name
  description          = "${var.name}: queue and results of Code Command"

  engine               = "valkey"
  engine_version       = var.engine_version
  node_type            = var.node_type
  port                 = local.port
  parameter_group_name = aws_elasticache_parameter_group.broker.name
  subnet_group_name    = aws_elasticache_subnet_group.broker.name
  security_group_ids   = [aws_security_group.broker.id]

  # One shard: Celery's scripts and subscriptions want all keys in one place.
  num_cache_clusters         = var.replicas + 1
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0

  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  auth_token                 = var.password
  auth_token_update_strategy = "ROTATE" # The old one counts until the processes have the new one.

  # It holds nothing that may not be lost, so there is nothing to take snapshots of.
  snapshot_retention_limit   = 0
  auto_minor_version_upgrade = true
  apply_immediately          = false
  tags                       = var.tags
}

resource "aws_secretsmanager_secret" "broker_url" {
  # checkov:skip=CKV2_AWS_57:Rotation means a new password here and in the broker: a new `password`, and an apply.
  # checkov:skip=CKV_AWS_149:The key is the caller's choice, kms_key_arn.
  name_prefix             = "${var.name}-url-"
  description             = "BROKER_URL of API and executors"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 7
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "broker_url" {
  secret_id     = aws_secretsmanager_secret.broker_url.id
  secret_string = local.broker_url
}
