package main

import (
	"math"
	"os"
	"runtime/debug"
)

// limitHeap tells Go's runtime of maxmemory, which limits what the server has in
// use: the collector, which otherwise lets the heap grow to twice that, is to keep it
// to a fifth more, and to what a process takes in any case. Where the operator has
// set GOMEMLIMIT it stays.
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
