output "bucket" {
  description = "Name of the bucket: S3_BUCKET."
  value       = aws_s3_bucket.files.bucket
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.files.arn
}

output "prefix" {
  description = "Prefix that everything is kept below: S3_PREFIX."
  value       = var.prefix
}

output "session_max_age_hours" {
  description = "Hours until sessions are gone: SESSION_MAX_AGE_HOURS, the same for all processes."
  value       = var.session_max_age_hours
}

output "kms_key_arn" {
  description = "ARN of the key that files are encrypted with."
  value       = aws_kms_key.files.arn
}

output "api_policy_arn" {
  description = "ARN of the policy for the API's role."
  value       = aws_iam_policy.api.arn
}

output "executor_policy_arn" {
  description = "ARN of the policy for the executors' role."
  value       = aws_iam_policy.executor.arn
}
