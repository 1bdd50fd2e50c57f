variable "deployment" {
  description = "Name of this deployment."
  type        = string
  default     = "code-command"
}

variable "account_id" {
  description = "Number of the account; part of the bucket's name."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "vpc_id" {
  description = "An existing VPC."
  type        = string
}

variable "private_subnet_ids" {
  description = "Its private subnets, in two zones or more, with NAT or endpoints as the README says."
  type        = list(string)
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer; null: the private ones."
  type        = list(string)
  default     = null
}

variable "client_networks" {
  description = "Networks (CIDR) of LibreChat."
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate for HTTPS."
  type        = string
}

variable "service_image" {
  description = "The service image in a registry of yours."
  type        = string
}

variable "metrics_agent_image" {
  description = "Image of the CloudWatch agent, by version."
  type        = string
}

variable "executor_image_id" {
  description = "AMI of Debian 12 or 13."
  type        = string
}

variable "bundle_url" {
  description = "Where the bundle is: s3://…"
  type        = string
}

variable "bundle_sha256" {
  description = "SHA-256 of the bundle."
  type        = string
}

variable "broker_password" {
  description = "32 or more letters and digits. Give it as TF_VAR_broker_password."
  type        = string
  sensitive   = true
}

variable "api_key_secret_arn" {
  description = "Secret of Secrets Manager whose text is CODE_API_KEY."
  type        = string
}

variable "secrets_kms_key_arns" {
  description = "Keys that this secret and the bundle are encrypted with, where they are not AWS's own."
  type        = list(string)
  default     = []
}

variable "alarm_topic_arns" {
  description = "SNS topics for alarms."
  type        = list(string)
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
