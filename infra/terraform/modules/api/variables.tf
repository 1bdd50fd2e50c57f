variable "name" {
  description = "Name of the API's resources."
  type        = string

  validation {
    # Load balancers and target groups have 32 characters, and no hyphen at the end.
    condition     = can(regex("^[a-z][a-z0-9-]{0,26}[a-z0-9]$", var.name))
    error_message = "name must be 2 to 28 lowercase letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "vpc_id" {
  description = "VPC of the load balancer and the API."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must look like vpc-0123456789abcdef0."
  }
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two availability zones: public ones if it is not internal."
  type        = list(string)

  validation {
    condition     = length(distinct(var.load_balancer_subnet_ids)) >= 2
    error_message = "load_balancer_subnet_ids must be two subnets or more."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the API, with a way to the image's registry."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "subnet_ids must be one subnet or more."
  }
}

variable "internal" {
  description = "Whether the load balancer has private addresses alone."
  type        = bool
  default     = true
}

variable "client_networks" {
  description = "Networks (CIDR) that may connect: those of LibreChat."
  type        = list(string)

  validation {
    condition     = length(var.client_networks) > 0 && alltrue([for network in var.client_networks : can(cidrnetmask(network))])
    error_message = "client_networks must be IPv4 networks such as 10.0.0.0/16."
  }
  validation {
    condition     = !var.internal || !contains(var.client_networks, "0.0.0.0/0")
    error_message = "An internal load balancer is not for everybody: name the networks."
  }
}

variable "certificate_arn" {
  description = "Certificate for HTTPS; there is no plain HTTP."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:(acm|iam):", var.certificate_arn))
    error_message = "certificate_arn must be a certificate of ACM or IAM."
  }
}

variable "image" {
  description = "The service image (infra/images/Dockerfile) in a registry of yours, by tag or digest."
  type        = string

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must name a version or a digest, and not :latest."
  }
}

variable "metrics_agent_image" {
  description = "Image of the CloudWatch agent, by tag or digest. It reads /metrics inside the task; scaling and alarms depend on it."
  type        = string

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9_.-]*)$", var.metrics_agent_image)) && !endswith(var.metrics_agent_image, ":latest")
    error_message = "metrics_agent_image must name a version or a digest, and not :latest."
  }
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the metrics."
  type        = string
}

variable "count_of_tasks" {
  description = "Tasks of the API. Two survive the loss of a zone; each counts its own tenants' turns."
  type        = number
  default     = 2

  validation {
    condition     = var.count_of_tasks >= 1 && var.count_of_tasks <= 50 && floor(var.count_of_tasks) == var.count_of_tasks
    error_message = "count_of_tasks must be a whole number from 1 to 50."
  }
}

variable "cpu" {
  description = "CPU units of a task (1024 are a processor)."
  type        = number
  default     = 1024

  validation {
    condition     = contains([512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu must be 512, 1024, 2048 or 4096."
  }
}

variable "memory" {
  description = "MiB of memory of a task."
  type        = number
  default     = 2048

  validation {
    condition     = var.memory >= 2 * var.cpu && var.memory <= 8 * var.cpu && var.memory % 1024 == 0
    error_message = "memory must be whole GiB, from 2 to 8 for each processor: Fargate has no other sizes."
  }
}

variable "settings" {
  description = "Settings of the API (README, \"Configuration\") that are no secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Names of settings are capital letters, digits and underscores."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["BROKER_URL", "CODE_API_KEY", "CODE_API_KEYS", "CODEAPI_JWT_HS256_SECRET", "S3_SECRET_ACCESS_KEY"])) == 0
    error_message = "Secrets come from Secrets Manager: use `secrets`."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["CODE_HOST", "CODE_PORT", "METRICS", "LOCAL_MODE"])) == 0
    error_message = "CODE_HOST, CODE_PORT, METRICS and LOCAL_MODE are this module's to set."
  }
}

variable "secrets" {
  description = "Secret settings, by name: ARNs of secrets of Secrets Manager. BROKER_URL and CODE_API_KEY, and what else is secret."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["BROKER_URL", "CODE_API_KEY"], keys(var.secrets))) == 0
    error_message = "secrets must have BROKER_URL and CODE_API_KEY."
  }
  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:aws[a-z-]*:secretsmanager:", arn))])
    error_message = "secrets must be ARNs of secrets of Secrets Manager."
  }
}

variable "secrets_kms_key_arns" {
  description = "Keys that the secrets are encrypted with, where they are not AWS's own."
  type        = list(string)
  default     = []
}

variable "storage_policy_arn" {
  description = "Policy for the task's role: what it may do with the bucket."
  type        = string
}

variable "access_log_bucket" {
  description = "Bucket for the load balancer's access logs, or null for none. Query strings are in them."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days must be 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "longest_request_s" {
  description = "Seconds that a request may take: CODE_EXEC_TIMEOUT, QUEUE_TIMEOUT and a margin."
  type        = number
  default     = 240

  validation {
    condition     = var.longest_request_s >= 60 && var.longest_request_s <= 4000
    error_message = "longest_request_s must be 60 to 4000."
  }
}

variable "kms_key_arn" {
  description = "Key for the logs, or null for AWS's own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
