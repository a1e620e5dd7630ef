package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const provisionerName = "cluster.mentu.dev/directory"

// directories gives every claim a directory of its own below root. It is for
// one node: "shared by many nodes" is true there of any directory.
type directories struct {
	root string
	node string
}

var _ controller.Provisioner = directories{}

func (d directories) path(volume string) string { return filepath.Join(d.root, volume) }

func (d directories) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	if o.PVC.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("a claim with a selector cannot be provisioned")
	}
	if mode := o.PVC.Spec.VolumeMode; mode != nil && *mode == v1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("block volumes are not offered")
	}
	path := d.path(o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Again, because the umask took part in the first: pods of any user write here.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return d.volume(o, path), controller.ProvisioningFinished, nil
}

func (d directories) volume(o controller.ProvisionOptions, path string) *v1.PersistentVolume {
	onNode := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{d.node}}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			MountOptions:                  o.StorageClass.MountOptions,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{onNode}}},
			}},
		},
	}
}

func (d directories) Delete(_ context.Context, pv *v1.PersistentVolume) error {
	if pv.Spec.Local == nil || pv.Spec.Local.Path != d.path(pv.Name) {
		return fmt.Errorf("volume %s is not a directory below %s", pv.Name, d.root)
	}
	return os.RemoveAll(d.path(pv.Name))
}

func newProvisionerCommand() *cobra.Command {
	var kubeconfig string
	var d directories
	command := &cobra.Command{
		Use:          "volume-provisioner",
		Short:        "Gives every PersistentVolumeClaim a directory on this node",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return provision(genericapiserver.SetupSignalContext(), kubeconfig, d)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&d.root, "root", "", "the folder that the directories are made in")
	command.Flags().StringVar(&d.node, "node", "", "this node's name")
	return command
}

func provision(ctx context.Context, kubeconfig string, d directories) error {
	if !filepath.IsAbs(d.root) || d.node == "" {
		return errors.New("--root must be an absolute path, and --node must be given")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 2000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	// The library's own limiter allows 10 claims a second and waits 15 s after a failure.
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 10*time.Second)
	pc := controller.NewProvisionController(ctx, client, provisionerName, d,
		controller.LeaderElection(false),
		controller.Threadiness(8),
		controller.RateLimiter(limiter),
	)
	pc.Run(ctx)
	return nil
}
