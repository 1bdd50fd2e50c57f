# Run on variables.tf alone, which needs no provider: tests/infra does that.
variables {
  name                      = "code-command-broker"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  client_security_group_ids = { api = "sg-0123456789abcdef0" }
  password                  = "0123456789abcdef0123456789abcdef"
}

run "these_are_fine" {
  command = plan
}

run "a_short_password_is_refused" {
  command = plan

  variables { password = "0123456789abcdef" }
  expect_failures = [var.password]
}

run "a_password_that_an_address_cannot_hold_is_refused" {
  command = plan

  variables { password = "0123456789abcdef0123456789abcd/@" }
  expect_failures = [var.password]
}

run "a_replica_wants_a_second_subnet" {
  command = plan

  variables { subnet_ids = ["subnet-0123456789abcdef0"] }
  expect_failures = [var.subnet_ids]
}

run "one_node_wants_one_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0123456789abcdef0"]
    replicas   = 0
  }
}

run "half_a_replica_is_refused" {
  command = plan

  variables { replicas = 0.5 }
  expect_failures = [var.replicas]
}

run "a_name_that_elasticache_would_refuse_is_refused_before" {
  command = plan

  variables { name = "code--command" }
  expect_failures = [var.name]
}

run "a_machine_s_type_is_no_node_s" {
  command = plan

  variables { node_type = "t4g.small" }
  expect_failures = [var.node_type]
}
