//go:build !race

package harness

// Race says whether the race detector is on: memory and times are not what they are without it.
const Race = false

// Slowness is how many times longer things may take under the race detector.
const Slowness = 1
