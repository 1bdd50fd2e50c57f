output "user_data" {
  description = "cloud-init's configuration (#cloud-config) of an executor's host."
  value       = local.user_data

  precondition {
    condition     = length(base64encode(local.user_data)) <= 21848
    error_message = "The user data would be larger than the 16 KiB that AWS takes: give fewer settings."
  }
}

output "files" {
  description = "The files that user_data writes, by path, for hosts that are set up in another way."
  value       = { for file in local.files : file.path => file }
}

output "firewall" {
  description = "The host's firewall, as nft reads it."
  value       = local.firewall
}
