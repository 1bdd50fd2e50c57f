"""How the parts run together. Nothing outside `infra` and the tests imports it."""
