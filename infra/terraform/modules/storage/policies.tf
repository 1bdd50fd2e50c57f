# What each process may do, as data: no provider is needed to read or to test it.
locals {
  bucket_arn  = "arn:aws:s3:::${var.bucket}"
  objects_arn = "${local.bucket_arn}/${var.prefix}*"

  # AWS counts whole days from the next midnight, and the API refuses what is older to the second.
  expiry_days = ceil(var.session_max_age_hours / 24)

  list_statement = {
    Sid       = "ListOwnPrefix"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = { StringLike = { "s3:prefix" = ["${var.prefix}*"] } }
  }

  # The API keeps uploads, reads, and deletes what clients delete. It may look at the expiry rule,
  # so that it sees that there is one; whoever may change it could make files live for ever.
  api_statements = [
    {
      Sid      = "KeepReadAndDelete"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
      Resource = [local.objects_arn]
    },
    {
      # HeadBucket, and the look at the rule.
      Sid      = "LookAtTheBucket"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:GetLifecycleConfiguration"]
      Resource = [local.bucket_arn]
    },
  ]

  # An executor runs strangers' programs: what it holds may be lost to one that breaks out. It
  # reads inputs and keeps outputs, and can delete nothing.
  executor_statements = [
    local.list_statement,
    {
      Sid      = "ReadAndKeep"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
      Resource = [local.objects_arn]
    },
  ]

  bucket_policy = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  }
}
