variable "bundle_url" {
  description = "Where the host fetches the bundle that `./code-command bundle` made: https://… or s3://…"
  type        = string

  validation {
    condition     = can(regex("^(https|s3)://[A-Za-z0-9][A-Za-z0-9._~:/?=&%+-]+$", var.bundle_url))
    error_message = "bundle_url must begin with https:// or s3://, and have no spaces or quotes."
  }
}

variable "bundle_sha256" {
  description = "SHA-256 of the bundle; a host installs nothing else."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.bundle_sha256))
    error_message = "bundle_sha256 must be 64 lowercase hexadecimal digits: what `sha256sum` prints."
  }
}

variable "settings" {
  description = "Settings of the executor (README, \"Configuration\"). No secrets: whoever reads a machine's user data reads them."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Names of settings are capital letters, digits and underscores."
  }
  validation {
    condition     = length(setintersection(keys(var.settings), ["BROKER_URL", "RESULT_BACKEND_URL", "S3_SECRET_ACCESS_KEY", "S3_ACCESS_KEY_ID", "CODE_API_KEY", "CODE_API_KEYS"])) == 0
    error_message = "Secrets do not belong into user data: they come from secrets_command, or over SSH (examples/hosts)."
  }
  validation {
    # systemd reads the file: a line ends there, and quotes and backslashes mean something.
    condition     = alltrue([for value in values(var.settings) : can(regex("^[^\\n\\r\"'\\\\$]*$", value))])
    error_message = "Values have no line breaks, quotes, backslashes or dollar signs."
  }
}

variable "secrets_command" {
  description = "Shell command, run as root before each start, that prints the secret settings as NAME=VALUE lines; null: they are in /etc/code-command/executor.env already, or come there later."
  type        = string
  default     = null
}

variable "packages" {
  description = "Debian packages besides ours."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for package in var.packages : can(regex("^[a-z0-9][a-z0-9+.-]+$", package))])
    error_message = "packages must be names of Debian packages."
  }
}

variable "administrators" {
  description = "Networks (CIDR) that may connect by SSH. Empty: nobody may connect to anything."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for network in var.administrators : can(cidrhost(network, 0)) && !endswith(network, "/0")])
    error_message = "administrators must be networks such as 192.0.2.0/24, and not everybody."
  }
}

variable "drain_command" {
  description = "Shell command that exits with 0 once this host is to go; it is asked every 5 s. null: nobody asks."
  type        = string
  default     = null
}

variable "drained_command" {
  description = "Shell command that says that the host has drained."
  type        = string
  default     = "true"
}
