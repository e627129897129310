package commands

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// A sortList holds the members to sort.
type sortList struct {
	members [][]byte
	block   []byte // where they are copied to, as a walk lends them for one step only

	weights []sortWeight
	texts   [][]byte // with ALPHA: what decides where ranks are equal; nil: a value that is missing
}

// A sortWeight is what a member is sorted by, small so that it is quickly moved.
type sortWeight struct {
	rank uint64
	at   uint32 // of the member in the list
}

func (l *sortList) add(member []byte) {
	if l.block == nil || len(member) > cap(l.block)-len(l.block) { // a part of nil would be nil, which is no member
		const blockLen = 64 << 10
		l.block = make([]byte, 0, max(blockLen, len(member)))
	}
	from := len(l.block)
	l.block = append(l.block, member...)
	l.members = append(l.members, l.block[from:len(l.block):len(l.block)])
}

// weigh finds what each member is sorted by: itself if by is nil. A value that
// is missing counts as 0 or, with ALPHA, comes before all others. Redis looks up
// all keys even where one has told that the call will fail, and counts that.
func (l *sortList) weigh(c *Context, by []byte, alpha bool) (err error) {
	if by != nil && tooMuch(l.members, by) {
		return errSortTooMuch
	}
	pattern := sortPattern{itself: true}
	if by != nil {
		pattern = newSortPattern(by)
	}
	l.weights = make([]sortWeight, len(l.members))
	if alpha {
		l.texts = make([][]byte, len(l.members))
	}
	for i, member := range l.members {
		w := &l.weights[i]
		w.at = uint32(i)
		value, found := pattern.value(c, member)
		if alpha {
			if found {
				l.texts[i] = cString(value)
			}
			w.rank = rankOfText(l.texts[i])
			continue
		}
		score, ok := 0.0, true
		if found {
			score, ok = sortScore(value)
		}
		if !ok {
			err = errNotSortable
		}
		w.rank = rankOfScore(score)
	}
	return err
}

// sort puts the members in order. Numbers that are equal go by the members'
// bytes; texts that are equal stay where they are, also with DESC.
func (l *sortList) sort(desc bool) {
	sign := 1
	if desc {
		sign = -1
	}
	slices.SortFunc(l.weights, func(a, b sortWeight) int {
		if a.rank != b.rank {
			return sign * cmp.Compare(a.rank, b.rank)
		}
		return cmp.Or(sign*l.compare(a.at, b.at), cmp.Compare(a.at, b.at))
	})
	sorted := make([][]byte, len(l.members))
	for i, w := range l.weights {
		sorted[i] = l.members[w.at]
	}
	l.members = sorted
}

// compare decides between members of one rank.
func (l *sortList) compare(i, j uint32) int {
	if l.texts == nil {
		return bytes.Compare(l.members[i], l.members[j])
	}
	a, b := l.texts[i], l.texts[j]
	switch {
	case a == nil && b != nil:
		return -1
	case a != nil && b == nil:
		return 1
	}
	return bytes.Compare(a, b)
}

// rankOfScore maps numbers to integers of the same order; 0 and -0 are equal.
func rankOfScore(score float64) uint64 {
	const sign = 1 << 63
	bits := math.Float64bits(score + 0)
	if bits&sign != 0 {
		return ^bits
	}
	return bits | sign
}

// rankOfText maps texts to integers that are in order where they differ: the
// first bytes.
func rankOfText(text []byte) uint64 {
	var first [8]byte
	copy(first[:], text)
	return binary.BigEndian.Uint64(first[:])
}
