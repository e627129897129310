package commands

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations, as HdrHistogram does with two significant
// digits: exactly up to 255 ns, and from there on each power of two in 128
// parts. Any number of goroutines may add to it at once. A power of two has no
// counters before something falls into it.
type histogram struct {
	octaves [histogramOctaves]atomic.Pointer[[octaveParts]atomic.Uint64]
}

const (
	octaveParts      = 128
	histogramOctaves = 24
	maxDuration      = time.Second // what takes longer counts as this
)

// add counts a duration.
func (h *histogram) add(d time.Duration) {
	v := uint64(min(max(d, 1), maxDuration))
	octave, part := 0, v
	if v >= octaveParts {
		octave = bits.Len64(v) - 7
		part = v>>(octave-1) - octaveParts
	}
	counts := h.octaves[octave].Load()
	if counts == nil {
		h.octaves[octave].CompareAndSwap(nil, new([octaveParts]atomic.Uint64))
		counts = h.octaves[octave].Load()
	}
	counts[part].Add(1)
}

// A part of a histogram: how many durations were from low to high, in ns.
type part struct {
	low, high int64
	count     uint64
}

// parts lists those that are not empty, the shortest first.
func (h *histogram) parts() (list []part) {
	for octave := range h.octaves {
		counts := h.octaves[octave].Load()
		if counts == nil {
			continue
		}
		for i := range counts {
			if n := counts[i].Load(); n > 0 {
				low, width := int64(i), int64(1)
				if octave > 0 {
					width = 1 << (octave - 1)
					low = (octaveParts + low) * width
				}
				list = append(list, part{low, low + width - 1, n})
			}
		}
	}
	return list
}

// percentile is the duration in ns that p percent of all did not exceed; the
// least that was seen for 0.
func percentile(parts []part, p float64) int64 {
	total := uint64(0)
	for _, x := range parts {
		total += x.count
	}
	want := max(1, uint64(p/100*float64(total)+0.5))
	for _, x := range parts {
		if want <= x.count {
			if p == 0 {
				return x.low
			}
			return x.high
		}
		want -= x.count
	}
	return 0
}

// A reached is one line of a cumulative distribution: how many took at most so many µs.
type reached struct {
	micros int64
	count  uint64
}

// distribution tells it at 1024 ns, twice as much, and so on; steps that
// bring nothing new are left out. Of each limit all counts that are kept with
// it, as they are not told apart.
func distribution(parts []part) (list []reached) {
	total, top := uint64(0), int64(maxDuration)
	for limit := int64(1024); len(parts) > 0; limit *= 2 {
		before := total
		for len(parts) > 0 && (parts[0].low <= limit || limit > top) {
			total += parts[0].count
			parts = parts[1:]
		}
		if total > before {
			end := limit + limit/octaveParts - 1
			if limit > top {
				end = limit - 1 // there are no counters beyond
			}
			list = append(list, reached{end / 1000, total})
		}
	}
	return list
}
