package commands

import (
	"iter"
	"math"
	"math/rand/v2"
)

// Commands that pick at random take a count: so many different elements, or, if
// it is negative, so many with repeats. What follows serves all of them.

// countArg reads argument i as such a count. The smallest integer has no
// opposite and is out of range.
func countArg(c *Context, i int) (int64, error) {
	n, err := c.IntArg(i)
	if err == nil && n == math.MinInt64 {
		err = Errorf("ERR value is out of range, value must between %d and %d", int64(-math.MaxInt64), int64(math.MaxInt64))
	}
	return n, err
}

// picks is the number of elements that a count asks for out of n. With repeats
// that may be more than any memory holds: nothing must be allocated for it.
func picks(count int64, n int) int64 {
	switch {
	case n == 0:
		return 0
	case count < 0:
		return -count
	}
	return min(count, int64(n))
}

// repeats returns so many random places below n. It ends early, with the
// connection, once the reply has outgrown what the client may leave unread.
func repeats(c *Context, picks int64, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if picks > maxReply(c)/minElementBytes {
			c.Stop() // the reply need not be begun to know how it ends
			return
		}
		for range picks {
			if overflows(c) {
				return
			}
			if !yield(c.Rand.IntN(n)) {
				return
			}
		}
	}
}

// maxRepeatedBytes bounds, in bytes, a reply that repeats what is there: a few bytes
// must not ask for all the memory there is, nor hold up others for seconds. Redis
// has no such bound.
const maxRepeatedBytes = 64 << 20

// overflows reports whether the reply has become more than its client may leave
// unread, or than anybody may ask for, and stops it.
func overflows(c *Context) bool {
	if c.Full() {
		return true
	}
	if int64(c.Len()) <= maxReply(c) {
		return false
	}
	c.Stop()
	return true
}

// maxReply is how many bytes that is.
func maxReply(c *Context) int64 {
	if limit := c.Config.OutputLimits[c.Client.outputClass()].Hard; limit != 0 {
		return limit
	}
	return maxRepeatedBytes
}

// minElementBytes is how many bytes an element has in a reply, if it is empty.
const minElementBytes = int64(len("$0\r\n\r\n"))

// sparse reports whether picks are few among n, so that looking up each is
// quicker than walking past all.
func sparse(picks int64, n int) bool { return n > 512 && picks < int64(n)/8 }

// distinct returns different places below n, in any order; each choice of so many
// is equally likely (Floyd's algorithm: time and memory go by picks, not by n).
func distinct(r *rand.Rand, picks int64, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		taken := make(map[int]struct{}, picks)
		for last := n - int(picks); last < n; last++ {
			place := r.IntN(last + 1)
			if _, found := taken[place]; found {
				place = last
			}
			taken[place] = struct{}{}
			if !yield(place) {
				return
			}
		}
	}
}

// A reservoir draws picks out of n elements that pass by in turn; each choice of
// so many is equally likely.
type reservoir struct {
	rand     *rand.Rand
	picks, n int
}

// next reports whether the next element is drawn.
func (l *reservoir) next() bool {
	drawn := l.rand.IntN(l.n) < l.picks
	l.n--
	if drawn {
		l.picks--
	}
	return drawn
}
