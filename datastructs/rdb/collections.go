package rdb

import (
	"bytes"
	"iter"
	"math"
	"strconv"

	"github.com/parley-chat/parley/datastructs"
)

// The readers of collections give up at the first member that is there twice,
// so that a few bytes that unpack to very many cost no memory. An empty
// collection is refused: no key holds one.

// strings walks so many strings.
func (r *reader) strings(n uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for ; n > 0; n-- {
			if s := r.string(); r.failed || !yield(s) {
				return
			}
		}
	}
}

// pairs reads a count of pairs, each of which takes at least two bytes.
func (r *reader) pairs() uint64 {
	n := r.count()
	if n > uint64(len(r.left))/2 {
		r.fail()
		return 0
	}
	return n
}

// inPairs walks strings two at a time.
func (r *reader) inPairs(all iter.Seq[[]byte]) iter.Seq2[[]byte, []byte] {
	return func(yield func(a, b []byte) bool) {
		var first []byte
		odd, stopped := false, false
		for s := range all {
			odd = !odd
			if odd {
				first = s
			} else if !yield(first, s) {
				stopped = true
				break
			}
		}
		if odd && !stopped {
			r.fail()
		}
	}
}

func (r *reader) set(members iter.Seq[[]byte]) datastructs.Value {
	s := new(datastructs.Set)
	for m := range members {
		if !s.Add(m) {
			r.fail()
			break
		}
	}
	return r.held(s)
}

// held returns a collection that is not empty.
func (r *reader) held(v datastructs.Value) datastructs.Value {
	if v.Empty() {
		r.fail()
	}
	return v
}

// intset reads numbers that ascend. The width stays what it is, though the
// numbers may need less.
func (r *reader) intset(p []byte) datastructs.Value {
	in := reader{left: p}
	width, n := in.uint(4), in.uint(4)
	if width != 2 && width != 4 && width != 8 || n*width != uint64(len(in.left)) {
		r.fail()
		return nil
	}
	s := new(datastructs.Set)
	s.Widen(int(width))
	last := int64(math.MinInt64)
	var text [20]byte
	for i := range n {
		v := in.int(int(width))
		if i > 0 && v <= last {
			r.fail()
			return nil
		}
		s.Add(strconv.AppendInt(text[:0], v, 10))
		last = v
	}
	return r.held(s)
}

// hash reads fields with their values. One from a packed form is a listpack
// whatever their lengths: another server's limit may be higher.
func (r *reader) hash(all iter.Seq[[]byte], packed bool) datastructs.Value {
	h := new(datastructs.Hash)
	for field, value := range r.inPairs(all) {
		if !h.Set(field, value) {
			r.fail()
			break
		}
	}
	if packed {
		h.KeepListpack()
	}
	return r.held(h)
}

// sortedSet reads so many members, in any order, with scores of their own form.
func (r *reader) sortedSet(n uint64, score func(*reader) float64) datastructs.Value {
	z := new(datastructs.SortedSet)
	if r.isLarge(n, score) {
		z.Unpack()
	}
	for range n {
		if !r.place(z, r.string(), score(r)) {
			return nil
		}
	}
	return r.held(z)
}

// isLarge looks ahead: a large set keeps a score of -0, which a listpack does
// not, so that it must not begin as one.
func (r *reader) isLarge(n uint64, score func(*reader) float64) bool {
	if n > datastructs.SortedSetListpackEntries {
		return true
	}
	ahead := *r
	for range n {
		if len(ahead.string()) > datastructs.SortedSetListpackValue {
			return true
		}
		score(&ahead)
	}
	return false
}

// place adds a member; it fails if it is there already, or the score is none.
func (r *reader) place(z *datastructs.SortedSet, member []byte, score float64) (ok bool) {
	if r.failed || math.IsNaN(score) || !z.Set(member, score) {
		r.fail()
		return false
	}
	return true
}

func (r *reader) binaryScore() float64 { return math.Float64frombits(r.uint(8)) }

// textScore reads a length and so many digits; the highest lengths are numbers
// that have none.
func (r *reader) textScore() float64 {
	switch n := r.byte(); n {
	case 253:
		return math.NaN()
	case 254:
		return math.Inf(1)
	case 255:
		return math.Inf(-1)
	default:
		return parseScore(r.take(uint64(n)))
	}
}

// packedSortedSet reads members with their scores, in order.
func (r *reader) packedSortedSet(all iter.Seq[[]byte]) datastructs.Value {
	z := new(datastructs.SortedSet)
	for member, text := range r.inPairs(all) {
		if !r.place(z, member, parseScore(text)) {
			return nil
		}
		if rank, _ := z.Rank(member); rank != z.Len()-1 {
			r.fail()
			return nil
		}
	}
	return r.held(z)
}

// parseScore reads a score in the form of appendScore, or any that C reads as
// one; NaN if it is none.
func parseScore(text []byte) float64 {
	const longest = 128 // no server writes as many digits
	if len(text) > longest || bytes.IndexByte(text, '_') >= 0 {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func appendScore(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}
