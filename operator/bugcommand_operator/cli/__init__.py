"""`kubectl bug`: what people do with BugCommands, with their own rights. It speaks to the gateway over HTTP, and
to Kubernetes through kubectl only: by its proxy for the API, by `port-forward` and `exec` for the rest."""
