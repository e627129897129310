package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeapIsLimitedAsMaxMemoryIs(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "")
	limitHeap(100 << 20)
	require.Equal(t, int64(120<<20+16<<20), debug.SetMemoryLimit(-1))
	limitHeap(math.MaxUint64)
	require.Equal(t, int64(math.MaxInt64), debug.SetMemoryLimit(-1))
	limitHeap(100 << 20)
	limitHeap(0)
	require.Equal(t, int64(math.MaxInt64), debug.SetMemoryLimit(-1))
	t.Setenv("GOMEMLIMIT", "1GiB")
	limitHeap(100 << 20)
	require.Equal(t, int64(math.MaxInt64), debug.SetMemoryLimit(-1), "the operator has said")
}
