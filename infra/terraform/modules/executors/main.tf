module "host" {
  source = "../host"

  bundle_url      = var.bundle_url
  bundle_sha256   = var.bundle_sha256
  settings        = var.settings
  packages        = ["awscli"]
  secrets_command = local.secrets_command
  drain_command   = local.drain_command
  drained_command = local.drained_command
}

resource "aws_security_group" "executors" {
  # checkov:skip=CKV2_AWS_5:It is the launch template's, below.
  name_prefix = "${var.name}-"
  description = "${var.name}: nobody connects to an executor"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = var.name })

  lifecycle {
    create_before_destroy = true
  }
}

# Debian's packages come over plain HTTP, signed; a mirror of your own may be closed to more.
resource "aws_vpc_security_group_egress_rule" "out" {
  for_each = { https = 443, packages = 80, broker = 6379 }

  security_group_id = aws_security_group.executors.id
  description       = each.key
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
  tags              = var.tags
}

resource "aws_launch_template" "executor" {
  name_prefix            = "${var.name}-"
  description            = "A host for executors"
  image_id               = var.image_id
  instance_type          = var.instance_type
  user_data              = base64encode(module.host.user_data)
  update_default_version = true
  ebs_optimized          = true
  tags                   = var.tags

  iam_instance_profile {
    arn = aws_iam_instance_profile.executor.arn
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [aws_security_group.executors.id]
  }

  # One hop ends in the host itself: no container is that near. The host's firewall keeps
  # everybody but root and the executor away as well.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      kms_key_id            = var.kms_key_arn
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume", "network-interface"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = var.name })
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_autoscaling_group" "executors" {
  name                = var.name
  vpc_zone_identifier = var.subnet_ids
  min_size            = var.fewest
  max_size            = var.most

  # A new host installs the bundle before it counts: some minutes.
  default_instance_warmup   = 300
  health_check_type         = "EC2"
  health_check_grace_period = 300
  capacity_rebalance        = true
  termination_policies      = ["OldestLaunchTemplate", "OldestInstance"]
  metrics_granularity       = "1Minute"
  enabled_metrics           = ["GroupDesiredCapacity", "GroupInServiceInstances", "GroupTerminatingInstances"]

  launch_template {
    id      = aws_launch_template.executor.id
    version = aws_launch_template.executor.latest_version
  }

  # There from the first machine on: one that is added without it would go without draining.
  initial_lifecycle_hook {
    name                 = local.hook_name
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = var.longest_run_s
    default_result       = "CONTINUE"
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
      instance_warmup        = 300
    }
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = var.name })

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

resource "aws_autoscaling_policy" "load" {
  name                   = "${var.name}-load"
  autoscaling_group_name = aws_autoscaling_group.executors.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = var.target_load

    customized_metric_specification {
      dynamic "metrics" {
        for_each = local.load_queries

        content {
          id          = metrics.value.id
          return_data = false

          metric_stat {
            stat = metrics.value.stat

            metric {
              namespace   = var.metric_namespace
              metric_name = metrics.value.metric

              dynamic "dimensions" {
                for_each = metrics.value.state == null ? [] : [metrics.value.state]

                content {
                  name  = "state"
                  value = dimensions.value
                }
              }
            }
          }
        }
      }

      metrics {
        id          = "load"
        label       = "Runs, of what could run"
        expression  = local.load_expression
        return_data = true
      }
    }
  }
}
