"""What happens before the operator is uninstalled (the chart's pre-delete hook): commands are left so that nothing of
them is lost, and none hangs on a finalizer that nobody is there to take off. It starts nothing and ends no agent."""
