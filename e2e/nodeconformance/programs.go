//go:build tools

// Package nodeconformance pins the programs that the node specs need: see run.py.
package nodeconformance

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "k8s.io/kubernetes/test/images/agnhost"
)
