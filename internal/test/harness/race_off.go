//go:build !race

package harness

// Race reports whether the race detector is on, which changes memory use and
// times.
const Race = false

// Slowness is the factor by which the race detector slows tests down.
const Slowness = 1
