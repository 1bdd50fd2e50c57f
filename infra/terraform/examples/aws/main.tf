module "naming" {
  source = "../../modules/naming"

  deployment = var.deployment
  account_id = var.account_id
  region     = var.region
  tags       = var.tags
}

module "storage" {
  source = "../../modules/storage"

  name   = module.naming.names["storage"]
  bucket = module.naming.bucket
  tags   = module.naming.tags["storage"]
}

module "broker" {
  source = "../../modules/broker"

  name        = module.naming.names["broker"]
  vpc_id      = var.vpc_id
  subnet_ids  = var.private_subnet_ids
  password    = var.broker_password
  kms_key_arn = module.storage.kms_key_arn
  tags        = module.naming.tags["broker"]

  client_security_group_ids = {
    api       = module.api.security_group_id
    executors = module.executors.security_group_id
  }
}

module "api" {
  source = "../../modules/api"

  name                     = module.naming.names["api"]
  vpc_id                   = var.vpc_id
  subnet_ids               = var.private_subnet_ids
  load_balancer_subnet_ids = coalesce(var.load_balancer_subnet_ids, var.private_subnet_ids)
  internal                 = var.load_balancer_subnet_ids == null
  client_networks          = var.client_networks
  certificate_arn          = var.certificate_arn
  image                    = var.service_image
  metrics_agent_image      = var.metrics_agent_image
  metric_namespace         = module.naming.metric_namespace
  storage_policy_arn       = module.storage.api_policy_arn
  settings                 = local.settings
  secrets_kms_key_arns     = local.secrets_kms_key_arns
  tags                     = module.naming.tags["api"]

  secrets = {
    BROKER_URL   = module.broker.broker_url_secret_arn
    CODE_API_KEY = var.api_key_secret_arn
  }
}

module "executors" {
  source = "../../modules/executors"

  name                  = module.naming.names["executors"]
  vpc_id                = var.vpc_id
  subnet_ids            = var.private_subnet_ids
  image_id              = var.executor_image_id
  bundle_url            = var.bundle_url
  bundle_sha256         = var.bundle_sha256
  metric_namespace      = module.naming.metric_namespace
  broker_url_secret_arn = module.broker.broker_url_secret_arn
  storage_policy_arn    = module.storage.executor_policy_arn
  settings              = local.settings
  secrets_kms_key_arns  = local.secrets_kms_key_arns
  tags                  = module.naming.tags["executors"]
}

module "observability" {
  source = "../../modules/observability"

  name                     = module.naming.deployment
  region                   = var.region
  metric_namespace         = module.naming.metric_namespace
  alarm_topic_arns         = var.alarm_topic_arns
  load_balancer_arn_suffix = module.api.load_balancer_arn_suffix
  target_group_arn_suffix  = module.api.target_group_arn_suffix
  broker_clusters          = { for number in ["001", "002"] : number => "${module.broker.replication_group_id}-${number}" }
  tags                     = module.naming.tags["observability"]
}

locals {
  # What all processes are told alike.
  settings = {
    S3_BUCKET             = module.storage.bucket
    S3_PREFIX             = module.storage.prefix
    S3_REGION             = var.region
    SESSION_MAX_AGE_HOURS = tostring(module.storage.session_max_age_hours)
  }
  secrets_kms_key_arns = concat([module.storage.kms_key_arn], var.secrets_kms_key_arns)
}
