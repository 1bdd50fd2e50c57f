resource "aws_iam_role" "executor" {
  name_prefix = "${var.name}-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
  tags = var.tags
}

resource "aws_iam_instance_profile" "executor" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.executor.name
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "storage" {
  role       = aws_iam_role.executor.name
  policy_arn = var.storage_policy_arn
}

resource "aws_iam_role_policy" "host" {
  name = "host"
  role = aws_iam_role.executor.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ReadTheBrokersAddress"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = [var.broker_url_secret_arn]
        },
        {
          Sid      = "SayThatItHasDrained"
          Effect   = "Allow"
          Action   = ["autoscaling:CompleteLifecycleAction"]
          Resource = ["arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/${var.name}"]
        },
      ],
      local.bundle_s3 == null ? [] : [{
        Sid      = "FetchTheBundle"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:aws:s3:::${local.bundle_s3.bucket}/${local.bundle_s3.key}"]
      }],
      length(var.secrets_kms_key_arns) == 0 ? [] : [{
        Sid      = "ReadWithTheirKeys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = var.secrets_kms_key_arns
      }],
    )
  })
}
