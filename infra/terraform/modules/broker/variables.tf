variable "name" {
  description = "Name of the broker's resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 2 to 40 lowercase letters, digits and single hyphens, begin with a letter and not end with a hyphen: ElastiCache wants it so."
  }
}

variable "vpc_id" {
  description = "VPC that the broker is in."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "subnet_ids" {
  description = "Private subnets, in two availability zones or more where there are replicas."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) >= min(2, var.replicas + 1) && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must be subnets (subnet-…), two or more where there are replicas."
  }
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by a name of your choice: those of API and executors."
  type        = map(string)
}

variable "password" {
  description = "The broker's password. It is in Terraform's state, which is to be encrypted."
  type        = string
  sensitive   = true

  validation {
    # It becomes part of BROKER_URL, where other characters would need quoting.
    condition     = can(regex("^[A-Za-z0-9_-]{32,128}$", var.password))
    error_message = "password must be 32 to 128 letters, digits, hyphens and underscores: `openssl rand -hex 32`."
  }
}

variable "node_type" {
  description = "Kind of node. What waits in the broker is small: a program and a report for each run."
  type        = string
  default     = "cache.t4g.small"

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "node_type must be one of ElastiCache's: cache.t4g.small, say."
  }
}

variable "engine_version" {
  description = "Version of Valkey."
  type        = string
  default     = "8.0"

  validation {
    condition     = can(regex("^([7-9]|[1-9][0-9])\\.[0-9]+$", var.engine_version))
    error_message = "engine_version must be a version of Valkey: 7.2 or later."
  }
}

variable "replicas" {
  description = "Replicas that take over when the primary fails. With 0, runs in flight are lost while it is replaced."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas must be a whole number from 0 to 5."
  }
}

variable "kms_key_arn" {
  description = "Key for what the broker writes to disk and for the secret, or null for AWS's own keys."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
