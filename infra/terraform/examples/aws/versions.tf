terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.62"
    }
  }

  # The state holds the broker's password: keep it encrypted, and where few can read it.
  # backend "s3" {
  #   bucket       = "…"
  #   key          = "code-command.tfstate"
  #   region       = "…"
  #   encrypt      = true
  #   use_lockfile = true
  # }
}

provider "aws" {
  region = var.region
}
