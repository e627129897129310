//go:build race

package clienttest

// slowness is how many times longer things may take under the race detector.
const slowness = 20
