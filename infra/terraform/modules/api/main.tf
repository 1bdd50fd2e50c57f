data "aws_region" "current" {}

resource "aws_security_group" "load_balancer" {
  # checkov:skip=CKV2_AWS_5:It is the load balancer's, below.
  name_prefix = "${var.name}-lb-"
  description = "${var.name}: clients to the load balancer"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-lb" })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.client_networks)

  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "to_tasks" {
  security_group_id            = aws_security_group.load_balancer.id
  referenced_security_group_id = aws_security_group.api.id
  description                  = "The API's tasks"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_security_group" "api" {
  # checkov:skip=CKV2_AWS_5:It is the service's, below.
  name_prefix = "${var.name}-"
  description = "${var.name}: the load balancer to the API"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = var.name })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  security_group_id            = aws_security_group.api.id
  referenced_security_group_id = aws_security_group.load_balancer.id
  description                  = "The load balancer"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "out" {
  for_each = { https = 443, broker = 6379 }

  security_group_id = aws_security_group.api.id
  description       = each.key
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  tags              = var.tags
}

resource "aws_lb" "api" {
  # checkov:skip=CKV_AWS_91:access_log_bucket is the caller's choice: query strings are in such logs.
  # checkov:skip=CKV2_AWS_28:Callers are machines with keys on named networks; limits and validation are the API's own.
  # checkov:skip=CKV2_AWS_20:There is no listener for plain HTTP that could redirect.
  name               = var.name
  load_balancer_type = "application"
  internal           = var.internal
  security_groups    = [aws_security_group.load_balancer.id]
  subnets            = var.load_balancer_subnet_ids
  idle_timeout       = var.longest_request_s

  drop_invalid_header_fields = true
  enable_deletion_protection = true
  desync_mitigation_mode     = "strictest"
  tags                       = var.tags

  dynamic "access_logs" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]

    content {
      bucket  = access_logs.value
      prefix  = var.name
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "api" {
  # checkov:skip=CKV_AWS_378:TLS ends at the load balancer; from there it is the VPC's own network, which AWS encrypts between its machines.
  name        = var.name
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.port

  # The task gets SIGTERM after this time at the earliest; runs in flight are answered until then.
  deregistration_delay = min(var.longest_request_s, 3600)
  tags                 = var.tags

  # 503 says that storage, the broker or every executor is away. ECS replaces what is unhealthy:
  # it would end the requests of every task, for others that miss the same, and a first deployment
  # would never succeed, since executors come minutes later. Alarms tell of the parts.
  health_check {
    path                = "/health"
    matcher             = "200,503"
    interval            = 10
    timeout             = 9
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.api.arn
  protocol          = "HTTPS"
  port              = 443
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener_rule" "no_metrics" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 1
  tags         = var.tags

  condition {
    path_pattern {
      values = local.hidden_paths
    }
  }

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "application/json"
      message_body = jsonencode({ error = "Not Found" })
      status_code  = "404"
    }
  }
}

resource "aws_cloudwatch_log_group" "api" {
  # checkov:skip=CKV_AWS_158:The key is the caller's choice, kms_key_arn; logs have no programs, output or keys.
  # checkov:skip=CKV_AWS_338:log_retention_days is the caller's choice; 90 days are what an investigation needs.
  for_each = toset(["service", "metrics"])

  name              = "/code-command/${var.name}/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_cluster" "api" {
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "api" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([
    {
      name                   = "api"
      image                  = var.image
      essential              = true
      readonlyRootFilesystem = true
      user                   = "10001:10001"
      stopTimeout            = 30
      environment            = [for name, value in local.environment : { name = name, value = value }]
      secrets                = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
      portMappings           = [{ containerPort = local.port, protocol = "tcp" }]
      mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
      ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      healthCheck = {
        command     = ["CMD", "python3", "/opt/code-command/probes/probe_api.py", "--alive"]
        interval    = 15
        timeout     = 10
        retries     = 3
        startPeriod = 60
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.api["service"].name
          awslogs-region        = data.aws_region.current.region
          awslogs-stream-prefix = "api"
        }
      }
    },
    {
      name      = "metrics"
      image     = var.metrics_agent_image
      essential = false # Runs go on without figures.
      environment = [
        { name = "CW_CONFIG_CONTENT", value = jsonencode(local.agent) },
        { name = "PROMETHEUS_CONFIG_CONTENT", value = yamlencode(local.scraping) },
      ]
      linuxParameters = { capabilities = { drop = ["ALL"] } }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.api["service"].name
          awslogs-region        = data.aws_region.current.region
          awslogs-stream-prefix = "metrics"
        }
      }
    },
  ])
}

resource "aws_ecs_service" "api" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.api.id
  task_definition                    = aws_ecs_task_definition.api.arn
  desired_count                      = var.count_of_tasks
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  propagate_tags                     = "SERVICE"
  tags                               = var.tags

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.api.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.api.arn
    container_name   = "api"
    container_port   = local.port
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.execution]
}
