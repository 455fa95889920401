"""VMs, their statuses, their operations and the pipelines these follow."""
