"""The images that infra/compose.yaml runs: ours, and stand-ins for those of others."""
