package commands

import (
	"sync"
	"sync/atomic"
)

// rates tell how much happens in a second just now: in the last second and a
// half or so, as in Redis, which looks at its counters ten times a second. Here
// calls themselves do so as they come, and when none comes there is nothing to see.
// The zero value is ready.
type rates struct {
	due atomic.Int64 // µs; when to look next

	mu      sync.Mutex // guards all below
	samples [rateSamples]rateSample
	n       int // made
}

// A rateSample is what the counters said at a time.
type rateSample struct {
	micros                      int64
	commands, inBytes, outBytes int64
}

const (
	rateInterval = 100_000 // µs
	rateSamples  = 16
	rateWindow   = rateInterval * rateSamples
)

func (s *Stats) sampleCounters(micros int64) rateSample {
	return rateSample{micros, s.Commands.Load(), s.InBytes.Load(), s.OutBytes.Load()}
}

// Tick is called with the time whenever calls are about to run.
func (s *Stats) Tick(micros int64) {
	r := &s.rates
	if due := r.due.Load(); micros < due || !r.due.CompareAndSwap(due, micros+rateInterval) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[r.n%rateSamples] = s.sampleCounters(micros)
	r.n++
}

// reset is for counters that have been set to zero.
func (r *rates) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n = 0
	r.due.Store(0)
}

// perSecond returns how much has been done a second since the first look that
// is not too old, or since the last if all are.
func (s *Stats) perSecond(micros int64) (commands, inBytes, outBytes float64) {
	r := &s.rates
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 {
		return 0, 0, 0
	}
	from := r.samples[(r.n-1)%rateSamples]
	for i := max(0, r.n-rateSamples); i < r.n; i++ {
		if l := r.samples[i%rateSamples]; l.micros >= micros-rateWindow {
			from = l
			break
		}
	}
	now := s.sampleCounters(micros)
	seconds := float64(max(now.micros-from.micros, rateInterval)) / 1e6
	return max(0, float64(now.commands-from.commands)) / seconds,
		max(0, float64(now.inBytes-from.inBytes)) / seconds,
		max(0, float64(now.outBytes-from.outBytes)) / seconds
}
