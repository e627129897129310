package main

import (
	"math"
	"os"
	"runtime/debug"
)

// limitHeap sets the memory limit of Go's runtime from maxmemory, in bytes; 0 is no limit.
// maxmemory limits what is in use; by default the garbage collector lets the heap grow to
// twice that. The limit is a fifth more than maxmemory, plus what any process needs.
// GOMEMLIMIT in the environment takes precedence.
func limitHeap(maxMemory uint64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const least = 16 << 20
	limit := int64(math.MaxInt64)
	if maxMemory > 0 && maxMemory < math.MaxInt64/2 {
		limit = int64(maxMemory+maxMemory/5) + least
	}
	debug.SetMemoryLimit(limit)
}
