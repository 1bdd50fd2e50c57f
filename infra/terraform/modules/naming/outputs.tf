output "deployment" {
  description = "The deployment's name, checked."
  value       = var.deployment
}

output "bucket" {
  description = "Name for the bucket, at most 63 characters."
  value       = local.bucket

  precondition {
    condition     = length(local.bucket) <= 63
    error_message = "The bucket's name would have more than 63 characters: shorten deployment."
  }
}

output "names" {
  description = "Name of each part's resources, by part."
  value       = { for part in local.parts : part => "${var.deployment}-${part}" }
}

output "metric_namespace" {
  description = "CloudWatch namespace of this deployment's metrics."
  value       = "CodeCommand/${var.deployment}"
}

output "tags" {
  description = "Tags of each part's resources, by part."
  value = {
    for part in local.parts : part => merge(var.tags, {
      "code-command:deployment" = var.deployment
      "code-command:part"       = part
    })
  }
}
