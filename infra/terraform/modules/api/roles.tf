locals {
  tasks_may_assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })

  keys_statement = length(var.secrets_kms_key_arns) == 0 ? [] : [{
    Sid      = "ReadSecretsWithTheirKeys"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = var.secrets_kms_key_arns
  }]
}

# What starts the task: it gets the image, the secrets, and opens the log.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-start-"
  assume_role_policy = local.tasks_may_assume
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "execution" {
  name = "secrets"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "ReadOwnSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = distinct(values(var.secrets))
    }], local.keys_statement)
  })
}

# What the processes may do themselves.
resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-"
  assume_role_policy = local.tasks_may_assume
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "storage" {
  role       = aws_iam_role.task.name
  policy_arn = var.storage_policy_arn
}

resource "aws_iam_role_policy" "metrics" {
  name = "metrics"
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "WriteMetricsLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = ["${aws_cloudwatch_log_group.api["metrics"].arn}:*"]
    }]
  })
}
