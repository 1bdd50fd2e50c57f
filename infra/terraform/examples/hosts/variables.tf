variable "hosts" {
  description = "Debian or Ubuntu machines that are to be executors, by name: where SSH reaches them, and as whom. The user must be allowed to use sudo without a password."
  type = map(object({
    address = string
    user    = optional(string, "debian")
  }))

  validation {
    condition     = length(var.hosts) > 0 && alltrue([for name in keys(var.hosts) : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "hosts must have one host or more, named in lowercase letters, digits and hyphens."
  }
}

variable "host_keys" {
  description = "The hosts' public SSH keys, by the hosts' names, as `ssh-keyscan -t ed25519` prints them without the address: nobody else is to be given the secrets."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.hosts) : can(regex("^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) ", var.host_keys[name]))])
    error_message = "host_keys must have a public key for each host."
  }
}

variable "bundle_url" {
  description = "Where a host fetches the bundle of `./code-command bundle`."
  type        = string
}

variable "bundle_sha256" {
  description = "SHA-256 of the bundle."
  type        = string
}

variable "settings" {
  description = "Settings of all executors that are no secrets: S3_ENDPOINT_URL, S3_BUCKET, …"
  type        = map(string)
}

variable "secrets" {
  description = "Secret settings: BROKER_URL, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY. They go over SSH, and are in Terraform's state."
  type        = map(string)
  sensitive   = true

  validation {
    condition     = length(setsubtract(["BROKER_URL"], keys(var.secrets))) == 0
    error_message = "secrets must have BROKER_URL."
  }
  validation {
    condition     = alltrue([for value in values(var.secrets) : can(regex("^[^\\n\\r\"'\\\\$]*$", value))])
    error_message = "Values have no line breaks, quotes, backslashes or dollar signs."
  }
}

variable "administrators" {
  description = "Networks (CIDR) that may connect by SSH: the one that Terraform runs in is to be among them."
  type        = list(string)
}
