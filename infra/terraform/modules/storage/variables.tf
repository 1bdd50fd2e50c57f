variable "name" {
  description = "Beginning of the names of the key and the policies."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,62}$", var.name))
    error_message = "name must be lowercase letters, digits and hyphens, and begin with a letter."
  }
}

variable "bucket" {
  description = "Name of the bucket: S3_BUCKET."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be 3 to 63 lowercase letters, digits and hyphens (no dots: TLS needs a name without)."
  }
}

variable "prefix" {
  description = "Prefix that everything is kept below: S3_PREFIX. The expiry rule is for it alone."
  type        = string
  default     = "sessions/"

  validation {
    condition     = can(regex("^([A-Za-z0-9_-]+/)+$", var.prefix))
    error_message = "prefix must be one or more names, each followed by a slash. An empty one would expire whatever else the bucket holds."
  }
}

variable "session_max_age_hours" {
  description = "Hours until sessions are gone: SESSION_MAX_AGE_HOURS. The bucket counts whole days, rounded up."
  type        = number
  default     = 24

  validation {
    condition     = var.session_max_age_hours > 0 && var.session_max_age_hours <= 8760
    error_message = "session_max_age_hours must be above 0 and at most 8760, a year."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may delete a bucket that still has files."
  type        = bool
  default     = false
}

variable "access_log_bucket" {
  description = "Bucket for S3's access logs, or null for none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
