resource "aws_kms_key" "files" {
  description             = "${var.name}: files of sessions"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = jsonencode(local.key_policy)
  tags                    = var.tags
}

resource "aws_kms_alias" "files" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.files.key_id
}

resource "aws_s3_bucket" "files" {
  # checkov:skip=CKV_AWS_21:Versions would keep what was deleted or has expired; files live for a day and are not to come back.
  # checkov:skip=CKV_AWS_144:Files live for a day. A second region would keep what is to be gone.
  # checkov:skip=CKV2_AWS_62:Nothing waits for events of this bucket.
  # checkov:skip=CKV_AWS_18:Where access_log_bucket is given there are logs; they are another bucket's, which is not ours to make.
  bucket        = var.bucket
  force_destroy = var.force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket = aws_s3_bucket.files.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    object_ownership = "BucketOwnerEnforced" # No ACLs at all.
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    bucket_key_enabled = true # One call to KMS for many objects.

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.files.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    # The API sets a rule of this name where it may; here it finds one that does the same.
    id     = "code-command:${var.prefix}"
    status = "Enabled"

    filter {
      prefix = var.prefix
    }

    expiration {
      days = local.expiry_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "files" {
  bucket = aws_s3_bucket.files.id
  policy = jsonencode(local.bucket_policy)

  depends_on = [aws_s3_bucket_public_access_block.files]
}

resource "aws_s3_bucket_logging" "files" {
  count = var.access_log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.files.id
  target_bucket = var.access_log_bucket
  target_prefix = "${var.bucket}/"
}

resource "aws_iam_policy" "api" {
  name        = "${var.name}-api"
  description = "What the API may do with ${var.bucket}"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.api_statements, [local.key_use])
  })
  tags = var.tags
}

resource "aws_iam_policy" "executor" {
  name        = "${var.name}-executor"
  description = "What an executor may do with ${var.bucket}"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.executor_statements, [local.key_use])
  })
  tags = var.tags
}

data "aws_caller_identity" "current" {}

locals {
  key_use = {
    Sid      = "UseTheKey"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = [aws_kms_key.files.arn]
  }

  # Without this statement nobody but AWS could administer the key; it lets the account's own
  # IAM policies decide.
  key_policy = {
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheAccountDecides"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  }
}
