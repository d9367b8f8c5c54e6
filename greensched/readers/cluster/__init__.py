"""What a Kubernetes cluster says of itself: nodes, workloads, autoscalers, Jobs."""
