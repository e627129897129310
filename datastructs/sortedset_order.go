package datastructs

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/tidwall/btree"
)

// A scored is one entry of a large sorted set.
type scored struct {
	score  float64
	member string
}

func (a scored) less(b scored) bool {
	return a.score < b.score || a.score == b.score && a.member < b.member
}

// A scoreOrder keeps the entries of a large sorted set in order and knows the
// rank of each. The zero value is ready.
//
// The entries lie in chunks; a tree finds the chunk where an entry belongs,
// and counts tell how many entries stand before a chunk. Compared with a tree
// of single entries this halves the memory, and a rank costs two short
// searches instead of some twenty walks down the tree. The price is that all
// chunks are numbered anew whenever one comes or goes in the middle, once in
// hundreds of changes; a new one at the end, where chat adds, costs nothing.
type scoreOrder struct {
	n      int
	spans  *btree.BTreeG[span] // nil until the first entry; never an empty chunk
	counts counts              // of each chunk, by its ordinal
	bytes  int                 // that the chunks take
}

// A span is one chunk in the tree. Its entries are not before its fence, and
// before the next span's; only the first span takes any that are before all
// fences. So a fence stays as it is though entries come and go, until the
// first span is split.
type span struct {
	fence scored
	chunk *chunk
}

type chunk struct {
	ordinal int // how many chunks come before
	entries []scored
}

// A chunk has at most chunkLen entries. Once it has less than sparse, it joins
// a neighbour if the two then make no more than half a chunk.
const (
	chunkLen  = 512
	chunkStep = 128 // a chunk's memory grows and shrinks by so many entries
	sparse    = chunkLen / 4
)

func (o *scoreOrder) len() int { return o.n }

// seek counts the entries before e, and reports whether e is there.
func (o *scoreOrder) seek(e scored) (rank int, found bool) {
	c := o.locate(e)
	if c == nil {
		return 0, false
	}
	i, found := c.seek(e)
	return o.counts.before(c.ordinal) + i, found
}

// at returns the entry of that rank, which must exist.
func (o *scoreOrder) at(rank int) scored {
	ordinal, i := o.counts.seek(rank)
	return o.chunk(ordinal).entries[i]
}

// insert adds an entry that is not there yet.
func (o *scoreOrder) insert(e scored) {
	o.n++
	c := o.locate(e)
	if c == nil {
		o.push(e)
		return
	}
	i, _ := c.seek(e)
	if len(c.entries) == chunkLen {
		if i == chunkLen && c.ordinal == o.spans.Len()-1 {
			o.push(e)
			return
		}
		o.split(c)
		c = o.locate(e)
		i, _ = c.seek(e)
	}
	o.bytes -= c.bytes()
	c.insert(i, e)
	o.bytes += c.bytes()
	o.counts.add(c.ordinal, 1)
}

// remove takes out the entry equal to e and returns it.
func (o *scoreOrder) remove(e scored) (scored, bool) {
	c := o.locate(e)
	if c == nil {
		return scored{}, false
	}
	i, found := c.seek(e)
	if !found {
		return scored{}, false
	}
	e = c.entries[i]
	o.cutChunk(c, i, i+1)
	o.n--
	o.counts.add(c.ordinal, -1)
	o.rebalance(c.ordinal)
	return e, true
}

// cut takes out the ranks from start up to stop, telling each entry.
func (o *scoreOrder) cut(start, stop int, gone func(scored)) {
	first, i := o.counts.seek(start)
	ordinal := first
	for left := stop - start; left > 0; i = 0 {
		c := o.chunk(ordinal)
		end := min(i+left, len(c.entries))
		for _, e := range c.entries[i:end] {
			gone(e)
		}
		left -= end - i
		if i == 0 && end == len(c.entries) {
			o.bytes -= c.bytes()
			o.spans.DeleteAt(ordinal)
			continue
		}
		o.cutChunk(c, i, end)
		ordinal++
	}
	o.n -= stop - start
	o.renumber()
	o.rebalance(first + 1)
	o.rebalance(first)
}

// ascend walks the ranks from start up to stop.
func (o *scoreOrder) ascend(start, stop int, yield func([]byte, float64) bool) {
	ordinal, i := o.counts.seek(start)
	for left := stop - start; left > 0; ordinal++ {
		for _, e := range o.chunk(ordinal).entries[i:] {
			if left == 0 || !yield(bytesOf(e.member), e.score) {
				return
			}
			left--
		}
		i = 0
	}
}

// descend walks the ranks from stop down to start, not including stop.
func (o *scoreOrder) descend(start, stop int, yield func([]byte, float64) bool) {
	ordinal, i := o.counts.seek(stop - 1)
	for left := stop - start; left > 0; {
		entries := o.chunk(ordinal).entries
		if i < 0 {
			i = len(entries) - 1
		}
		for ; i >= 0 && left > 0; i-- {
			if !yield(bytesOf(entries[i].member), entries[i].score) {
				return
			}
			left--
		}
		ordinal--
	}
}

func (o *scoreOrder) clone() scoreOrder {
	c := scoreOrder{n: o.n, counts: slices.Clone(o.counts)}
	if o.spans != nil {
		c.spans = newSpans()
		o.spans.Scan(func(s span) bool {
			copied := &chunk{s.chunk.ordinal, slices.Clone(s.chunk.entries)}
			c.spans.Load(span{s.fence, copied})
			c.bytes += copied.bytes()
			return true
		})
	}
	return c
}

func newSpans() *btree.BTreeG[span] {
	return btree.NewBTreeGOptions(
		func(a, b span) bool { return a.fence.less(b.fence) },
		btree.Options{NoLocks: true})
}

// locate returns the chunk where e belongs; nil if there is no chunk at all.
func (o *scoreOrder) locate(e scored) *chunk {
	if o.spans == nil {
		return nil
	}
	var c *chunk
	o.spans.Descend(span{fence: e}, func(s span) bool {
		c = s.chunk
		return false
	})
	if c == nil {
		first, _ := o.spans.Min()
		c = first.chunk
	}
	return c
}

func (o *scoreOrder) chunk(ordinal int) *chunk {
	s, _ := o.spans.GetAt(ordinal)
	return s.chunk
}

// push opens a new chunk with e behind all others.
func (o *scoreOrder) push(e scored) {
	if o.spans == nil {
		o.spans = newSpans()
	}
	c := &chunk{ordinal: o.spans.Len(), entries: append(make([]scored, 0, chunkStep), e)}
	o.spans.Set(span{e, c})
	o.bytes += c.bytes()
	o.counts.push(1)
}

// split moves the upper half of c to a new chunk.
func (o *scoreOrder) split(c *chunk) {
	half := len(c.entries) / 2
	o.bytes -= c.bytes()
	upper := &chunk{entries: withRoom(c.entries[half:])}
	c.entries = withRoom(c.entries[:half])
	o.bytes += c.bytes() + upper.bytes()
	if c.ordinal == 0 { // may hold entries before its fence, which must stay before the new one
		o.spans.DeleteAt(0)
		o.spans.Set(span{c.entries[0], c})
	}
	o.spans.Set(span{upper.entries[0], upper})
	o.renumber()
}

// rebalance deletes the chunk of that ordinal if it is empty, or joins it with a
// neighbour if both are sparse. There may be no such chunk.
func (o *scoreOrder) rebalance(ordinal int) {
	if ordinal >= o.spans.Len() {
		return
	}
	c := o.chunk(ordinal)
	switch {
	case len(c.entries) >= sparse:
	case len(c.entries) == 0:
		o.bytes -= c.bytes()
		o.spans.DeleteAt(ordinal)
		o.renumber()
	case !o.join(ordinal) && ordinal > 0:
		o.join(ordinal - 1)
	}
}

// join moves the entries of the next chunk to this one if both together are few.
func (o *scoreOrder) join(ordinal int) bool {
	if ordinal+1 >= o.spans.Len() {
		return false
	}
	c, next := o.chunk(ordinal), o.chunk(ordinal+1)
	if len(c.entries)+len(next.entries) > chunkLen/2 {
		return false
	}
	o.bytes -= c.bytes() + next.bytes()
	c.entries = append(withRoom(c.entries), next.entries...)
	o.bytes += c.bytes()
	o.spans.DeleteAt(ordinal + 1)
	o.renumber()
	return true
}

// cutChunk takes entries out of a chunk.
func (o *scoreOrder) cutChunk(c *chunk, start, stop int) {
	o.bytes -= c.bytes()
	c.cut(start, stop)
	o.bytes += c.bytes()
}

// renumber gives each chunk its ordinal, and counts all anew.
func (o *scoreOrder) renumber() {
	o.counts = o.counts[:0]
	o.spans.Scan(func(s span) bool {
		s.chunk.ordinal = len(o.counts)
		o.counts.push(len(s.chunk.entries))
		return true
	})
}

func (o *scoreOrder) check() error {
	if o.spans == nil {
		if o.n != 0 || len(o.counts) != 0 {
			return fmt.Errorf("order: no tree for %d entries", o.n)
		}
		return nil
	}
	if len(o.counts) != o.spans.Len() {
		return fmt.Errorf("order: %d counts of %d chunks", len(o.counts), o.spans.Len())
	}
	var last *scored
	rank, bytes := 0, 0
	for ordinal := range o.spans.Len() {
		s, _ := o.spans.GetAt(ordinal)
		c := s.chunk
		switch {
		case c.ordinal != ordinal || o.counts.before(ordinal) != rank:
			return fmt.Errorf("order: chunk %d is numbered %d, and ranks begin at %d instead of %d", ordinal, c.ordinal, o.counts.before(ordinal), rank)
		case len(c.entries) == 0 || len(c.entries) > chunkLen:
			return fmt.Errorf("order: chunk %d has %d entries", ordinal, len(c.entries))
		case ordinal > 0 && (!last.less(s.fence) || c.entries[0].less(s.fence)):
			return fmt.Errorf("order: fence %v of chunk %d stands wrong", s.fence, ordinal)
		}
		for i := range c.entries {
			e := &c.entries[i]
			if last != nil && !last.less(*e) {
				return fmt.Errorf("order: %v before %v", *last, *e)
			}
			last = e
		}
		rank += len(c.entries)
		bytes += c.bytes()
	}
	if rank != o.n || o.counts.before(len(o.counts)) != rank {
		return fmt.Errorf("order: %d entries, %d in chunks, %d counted", o.n, rank, o.counts.before(len(o.counts)))
	}
	if bytes != o.bytes {
		return fmt.Errorf("order: the chunks take %d bytes, not %d", bytes, o.bytes)
	}
	return nil
}

// seek counts the entries of the chunk before e, and reports whether e is there.
func (c *chunk) seek(e scored) (int, bool) {
	low, high := 0, len(c.entries)
	for low < high {
		mid := (low + high) / 2
		if c.entries[mid].less(e) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(c.entries) && !e.less(c.entries[low])
}

func (c *chunk) insert(i int, e scored) {
	if len(c.entries) == cap(c.entries) {
		c.entries = withRoom(c.entries)
	}
	c.entries = slices.Insert(c.entries, i, e)
}

func (c *chunk) cut(start, stop int) {
	c.entries = slices.Delete(c.entries, start, stop)
	if cap(c.entries)-len(c.entries) > 2*chunkStep {
		c.entries = withRoom(c.entries)
	}
}

// withRoom copies entries, with room for some more but not for more than a
// chunk holds.
func withRoom(entries []scored) []scored {
	return append(make([]scored, 0, min(len(entries)+chunkStep, chunkLen)), entries...)
}

// A counts sums up numbers, by their positions, in logarithmic time. It is a
// Fenwick tree: element i, counted from 1, is the sum of the i&-i numbers that
// end there.
type counts []int

// push adds a number at the end.
func (c *counts) push(n int) {
	i := len(*c) + 1
	for step := 1; step < i&-i; step *= 2 {
		n += (*c)[i-step-1]
	}
	*c = append(*c, n)
}

// add changes the number at position i.
func (c counts) add(i, delta int) {
	for i++; i <= len(c); i += i & -i {
		c[i-1] += delta
	}
}

// before is the sum of the numbers before position i.
func (c counts) before(i int) (sum int) {
	for ; i > 0; i -= i & -i {
		sum += c[i-1]
	}
	return sum
}

// seek finds the position that holds rank, and the rank within it, as if each
// number were so many things in a row.
func (c counts) seek(rank int) (i, rest int) {
	for step := 1 << bits.Len(uint(len(c))); step > 0; step /= 2 {
		if next := i + step; next <= len(c) && c[next-1] <= rank {
			i = next
			rank -= c[next-1]
		}
	}
	return i, rank
}
