//go:build !race

package servertest_test

const slowness = 1
