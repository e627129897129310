package server

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations by their length, so cheaply that it can be done for
// each stay under the lock. Any goroutine may add to it.
type histogram struct {
	steps [histogramSteps]atomic.Int64
	nanos atomic.Int64
}

// The steps are powers of four: up to 1.024 µs, 4.096 µs, ... 1.07 s, and beyond.
const (
	histogramSteps = 12
	firstStep      = 10 // bits
)

func (t *histogram) add(d time.Duration) {
	step := max(0, bits.Len64(uint64(max(0, d-1)))-firstStep+1) / 2
	t.steps[min(step, histogramSteps-1)].Add(1)
	t.nanos.Add(int64(d))
}

// Histogram are how long something has taken, each time that it was done.
type Histogram struct {
	Steps []HistogramStep // the shortest first
	Count int64
	Total time.Duration
}

// A HistogramStep says how many times it took up to so long.
type HistogramStep struct {
	UpTo  time.Duration
	Count int64
}

func (t *histogram) snapshot() (all Histogram) {
	for i := range t.steps {
		all.Count += t.steps[i].Load()
		if i < histogramSteps-1 {
			all.Steps = append(all.Steps, HistogramStep{1 << (firstStep + 2*i), all.Count})
		}
	}
	all.Total = time.Duration(t.nanos.Load())
	return all
}
