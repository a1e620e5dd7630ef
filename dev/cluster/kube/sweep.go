package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace/noop"
	internalapi "k8s.io/cri-api/pkg/apis"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

const sweepersAtOnce = 16

// newSweepCommand ends and removes every pod that the container runtime has, in
// the runtime's own way: networks and addresses are given back, nothing is left
// to clean by hand. It is for when the kubelet is gone.
func newSweepCommand() *cobra.Command {
	var endpoint string
	var timeout time.Duration
	command := &cobra.Command{
		Use:          "cri-sweep",
		Short:        "Ends and removes every pod of a container runtime",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			logger := klog.Background()
			runtime, err := remote.NewRemoteRuntimeService(endpoint, timeout, noop.NewTracerProvider(), &logger)
			if err != nil {
				return err
			}
			return sweep(ctx, runtime)
		},
	}
	command.Flags().StringVar(&endpoint, "endpoint", "", "the runtime's address, such as unix:///path")
	command.Flags().DurationVar(&timeout, "timeout", 60*time.Second, "give up after this time")
	return command
}

func sweep(ctx context.Context, runtime internalapi.RuntimeService) error {
	sandboxes, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	ids := make(chan string, len(sandboxes))
	for _, sandbox := range sandboxes {
		ids <- sandbox.Id
	}
	close(ids)
	failures := make(chan error, len(sandboxes))
	var workers sync.WaitGroup
	for range sweepersAtOnce {
		workers.Go(func() {
			for id := range ids {
				failures <- remove(ctx, runtime, id)
			}
		})
	}
	workers.Wait()
	close(failures)
	var all error
	for failure := range failures {
		all = errors.Join(all, failure)
	}
	return all
}

func remove(ctx context.Context, runtime internalapi.RuntimeService, id string) error {
	if err := runtime.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	return runtime.RemovePodSandbox(ctx, id)
}
