"""The Kubernetes controller: deferrable Jobs wait for low-carbon hours, planned by `plan`.

`reconcile`, `terms`, `snapshot` and `words` are pure; `main` is the loop that reads a cache, asks
them and applies what they say through a `Cluster`. State lives in annotations of Jobs and in one
`Deferral` a Job, never in memory alone. What is promised: `docs/reference/controller.md`.
"""
