variable "name" {
  description = "Beginning of the alarms' names, and the dashboard's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,62}$", var.name))
    error_message = "name must be lowercase letters, digits and hyphens, and begin with a letter."
  }
}

variable "metric_namespace" {
  description = "CloudWatch namespace of the API's metrics."
  type        = string
}

variable "region" {
  description = "Region that the dashboard's figures come from."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-central-1."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that are told of alarms, and of their end."
  type        = list(string)

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:aws[a-z-]*:sns:", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}

variable "fewest_executors" {
  description = "Executors below which somebody is told."
  type        = number
  default     = 1

  validation {
    condition     = var.fewest_executors >= 1
    error_message = "fewest_executors must be 1 or more."
  }
}

variable "most_queued" {
  description = "Runs that may wait for their turn for five minutes before somebody is told."
  type        = number
  default     = 50

  validation {
    condition     = var.most_queued >= 1
    error_message = "most_queued must be 1 or more."
  }
}

variable "most_failed" {
  description = "Runs in five minutes that may fail through us (no executor, one lost, a full queue, no report) before somebody is told."
  type        = number
  default     = 5

  validation {
    condition     = var.most_failed >= 0
    error_message = "most_failed must be 0 or more."
  }
}

variable "load_balancer_arn_suffix" {
  description = "The load balancer's dimension in CloudWatch."
  type        = string
}

variable "target_group_arn_suffix" {
  description = "The target group's dimension in CloudWatch."
  type        = string
}

variable "broker_clusters" {
  description = "Ids of the broker's nodes, by a name of your choice that is known beforehand."
  type        = map(string)
  default     = {}
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}
