package server

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations by length. It is cheap enough for every critical section.
// Any goroutine may add to it.
type histogram struct {
	steps [histogramSteps]atomic.Int64
	nanos atomic.Int64
}

// The upper bounds of the steps are powers of four: 1.024 µs, 4.096 µs, ... 1.07 s. The
// last step has no bound.
const (
	histogramSteps = 12
	firstStep      = 10 // log2 of its bound in ns
)

func (h *histogram) add(d time.Duration) {
	step := max(0, bits.Len64(uint64(max(0, d-1)))-firstStep+1) / 2
	h.steps[min(step, histogramSteps-1)].Add(1)
	h.nanos.Add(int64(d))
}

// A Histogram is a distribution of durations.
type Histogram struct {
	Steps []HistogramStep // by UpTo, ascending
	Count int64           // of all durations, those above the last step included
	Total time.Duration   // the sum of all durations
}

// A HistogramStep is the number of durations up to a bound. It includes those of the steps
// before it.
type HistogramStep struct {
	UpTo  time.Duration
	Count int64
}

func (h *histogram) snapshot() (all Histogram) {
	for i := range h.steps {
		all.Count += h.steps[i].Load()
		if i < histogramSteps-1 {
			all.Steps = append(all.Steps, HistogramStep{1 << (firstStep + 2*i), all.Count})
		}
	}
	all.Total = time.Duration(h.nanos.Load())
	return all
}
