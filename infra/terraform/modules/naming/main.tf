locals {
  parts = ["storage", "broker", "api", "executors", "observability"]

  # Bucket names are shared by all accounts of a partition, so ours has the account's number.
  bucket = join("-", compact([var.deployment, var.account_id, var.region]))
}
