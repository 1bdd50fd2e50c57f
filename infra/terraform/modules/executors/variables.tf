variable "name" {
  description = "Name of the executors' resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 40 lowercase letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "vpc_id" {
  description = "VPC of the executors."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the executors, with a way to S3, Secrets Manager, Auto Scaling and Debian's packages."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "subnet_ids must be one subnet or more."
  }
}

variable "image_id" {
  description = "AMI of Debian 12 or 13 (amd64) with cloud-init: one of yours, or Debian's own of a date that you name."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "image_id must look like ami-0123456789abcdef0."
  }
}

variable "instance_type" {
  description = "Kind of machine. A metal one, or one of the C8i, M8i and R8i families, has what Kata needs."
  type        = string
  default     = "m7i.xlarge"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", var.instance_type)) && !can(regex("^(t[0-9]|[a-z]+[0-9]+g)", var.instance_type))
    error_message = "instance_type must be of the x86 kind (the bundle's wheels and images are), and none with burst credits (t…): what programs may use would depend on who came before."
  }
}

variable "fewest" {
  description = "Executors that are always there."
  type        = number
  default     = 2

  validation {
    condition     = var.fewest >= 1 && floor(var.fewest) == var.fewest
    error_message = "fewest must be a whole number, 1 or more: with none, nothing says how full they are."
  }
}

variable "most" {
  description = "Executors that there may be."
  type        = number
  default     = 10

  validation {
    condition     = var.most >= var.fewest && floor(var.most) == var.most
    error_message = "most must be a whole number, not below fewest."
  }
}

variable "target_load" {
  description = "What share of all slots runs and waits are to fill: above, executors are added; well below, taken away."
  type        = number
  default     = 0.7

  validation {
    condition     = var.target_load >= 0.1 && var.target_load <= 1
    error_message = "target_load must be from 0.1 to 1."
  }
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the API's metrics."
  type        = string
}

variable "longest_run_s" {
  description = "Seconds that a host may take to let its runs end before it goes: CODE_EXEC_TIMEOUT and a margin."
  type        = number
  default     = 180

  validation {
    condition     = var.longest_run_s >= 30 && var.longest_run_s <= 7200
    error_message = "longest_run_s must be from 30 to 7200."
  }
}

variable "bundle_url" {
  description = "Where a host fetches the bundle of `./code-command bundle`: s3://BUCKET/KEY, or https://…"
  type        = string
}

variable "bundle_sha256" {
  description = "SHA-256 of the bundle."
  type        = string
}

variable "settings" {
  description = "Settings of the executor (README, \"Configuration\") that are no secrets."
  type        = map(string)
  default     = {}
}

variable "broker_url_secret_arn" {
  description = "Secret whose text is BROKER_URL."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]+:secret:[A-Za-z0-9/_+=.@-]+$", var.broker_url_secret_arn))
    error_message = "broker_url_secret_arn must be the ARN of a secret of Secrets Manager."
  }
}

variable "secrets_kms_key_arns" {
  description = "Keys that the secret and the bundle are encrypted with, where they are not AWS's own."
  type        = list(string)
  default     = []
}

variable "storage_policy_arn" {
  description = "Policy of what an executor may do with the bucket."
  type        = string
}

variable "disk_gib" {
  description = "GiB of a host's disk: the system, the bundle, the image and its unpacked copy."
  type        = number
  default     = 40

  validation {
    condition     = var.disk_gib >= 30
    error_message = "disk_gib must be 30 or more."
  }
}

variable "kms_key_arn" {
  description = "Key for the disks, or null for AWS's own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
