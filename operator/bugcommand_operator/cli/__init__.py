"""`kubectl bug`: a command's log and its recorded session, in a person's terminal. It reads and never changes
anything; it speaks to the gateway over HTTP and to Kubernetes through kubectl only."""
