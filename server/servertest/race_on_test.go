//go:build race

package servertest_test

// slowness is how many times longer things may take under the race detector.
const slowness = 20
