//go:build !race

package clienttest

const slowness = 1
