variable "deployment" {
  description = "Name of this deployment; every resource's name begins with it."
  type        = string
  default     = "code-command"

  validation {
    # 24: load balancers have 32 characters for a name, and we append a few.
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.deployment))
    error_message = "deployment must be 3 to 24 lowercase letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "account_id" {
  description = "Account that the bucket's name is made unique with; null: the name is the deployment's alone."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the bucket's name is made unique with; null: left out."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-central-1."
  }
}

variable "tags" {
  description = "Tags for everything, besides ours."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.tags), ["code-command:deployment", "code-command:part"])) == 0
    error_message = "code-command:deployment and code-command:part are ours to set."
  }
}
