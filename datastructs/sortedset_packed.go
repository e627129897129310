package datastructs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// A scoreList is the small form of a sorted set: one allocation without
// pointers, its first byte the number of entries, and then these in order.
// Nil is the empty list. An entry is
//
//	head    one byte: 0..64, a member of that many bytes; 65..72, a member that
//	        is an integer, in 1..8 bytes; plus shortScore
//	score   6 bytes, an integer, if shortScore is set; else 8, a float64
//	member  the bytes of the text, or of the integer in two's complement
//
// numbers having their low byte first. There is one way only to write a
// member, so that members are equal when head and bytes are.
type scoreList []byte

const (
	shortScore = 1 << 7
	maxShort   = 1<<47 - 1 // milliseconds since 1970 need 41 bits
)

// A listPlace is where an entry begins, and how many stand before it.
type listPlace struct{ at, rank int }

func (l scoreList) len() int {
	if len(l) == 0 {
		return 0
	}
	return int(l[0])
}

// place is the offset of the entry of that rank, or of the end.
func (l scoreList) place(rank int) int {
	at := 1
	for range rank {
		at = l.after(at)
	}
	return at
}

func (l scoreList) after(at int) int { return l.memberAt(at) + bodyLen(l[at]&^shortScore) }

func (l scoreList) memberAt(at int) int {
	if l[at]&shortScore != 0 {
		return at + 1 + 6
	}
	return at + 1 + 8
}

func (l scoreList) score(at int) float64 {
	if l[at]&shortScore != 0 {
		return float64(getInt(l[at+1 : at+7]))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(l[at+1:]))
}

// member returns the member's text: a part of the list, or an integer's text
// appended to scratch.
func (l scoreList) member(at int, scratch []byte) []byte {
	body := l[l.memberAt(at):l.after(at)]
	if l[at]&^shortScore <= SortedSetListpackValue {
		return body[:len(body):len(body)]
	}
	return strconv.AppendInt(scratch, getInt(body), 10)
}

// find looks for a member, whatever its score.
func (l scoreList) find(member []byte) (p listPlace, ok bool) {
	if len(member) > SortedSetListpackValue {
		return p, false
	}
	var scratch [8]byte
	head, body := packMember(scratch[:0], member)
	for p.at = 1; p.rank < l.len(); p.rank++ {
		end := l.after(p.at)
		if l[p.at]&^shortScore == head && string(l[end-len(body):end]) == string(body) {
			return p, true
		}
		p.at = end
	}
	return listPlace{}, false
}

// seek finds the first entry that is not before (score, member), and reports
// whether it is just that.
func (l scoreList) seek(score float64, member []byte) (p listPlace, found bool) {
	var scratch [maxIntLen]byte
	for p.at = 1; p.rank < l.len(); p.rank++ {
		s := l.score(p.at)
		if s > score {
			break
		}
		if s == score {
			if order := bytes.Compare(l.member(p.at, scratch[:0]), member); order >= 0 {
				return p, order == 0
			}
		}
		p.at = l.after(p.at)
	}
	return p, false
}

// set gives member a score. It is not ok, and nothing has happened, if there is
// no room for one more.
func (l *scoreList) set(member []byte, score float64) (added, ok bool) {
	old, known := l.find(member)
	switch {
	case known && l.score(old.at) == score:
		return false, true
	case known:
		l.cut(old.rank, old.rank+1)
	case l.len() >= SortedSetListpackEntries || len(member) > SortedSetListpackValue:
		return false, false
	}
	if score == 0 {
		score = 0 // a listpack knows no -0
	}
	l.insert(member, score)
	return !known, true
}

func (l *scoreList) insert(member []byte, score float64) {
	var scratch [8]byte
	head, body := packMember(scratch[:0], member)
	short := score == math.Trunc(score) && math.Abs(score) <= maxShort
	size := 1 + 8 + len(body)
	if short {
		head |= shortScore
		size -= 2
	}
	p, _ := l.seek(score, member)
	e := l.open(p.at, size)
	e[0] = head
	if short {
		putInt(e[1:7], int64(score))
	} else {
		binary.LittleEndian.PutUint64(e[1:], math.Float64bits(score))
	}
	copy(e[size-len(body):], body)
}

// open makes room for one more entry at that offset. It grows by no more than
// the allocator rounds up to: lists are many, and mostly read.
func (l *scoreList) open(at, size int) []byte {
	old := *l
	if len(old) == 0 {
		old = scoreList{0}
	}
	grown := old
	if cap(old)-len(old) < size {
		grown = append(scoreList(nil), make([]byte, len(old)+size)...)
		copy(grown, old[:at])
	}
	grown = grown[:len(old)+size]
	copy(grown[at+size:], old[at:])
	grown[0]++
	*l = grown
	return grown[at : at+size]
}

// cut takes out the ranks from start up to stop.
func (l *scoreList) cut(start, stop int) {
	from := l.place(start)
	to := from
	for range stop - start {
		to = l.after(to)
	}
	left := append((*l)[:from], (*l)[to:]...)
	left[0] -= byte(stop - start)
	if cap(left) > 64 && len(left) < cap(left)/2 {
		left = append(scoreList(nil), left...)
	}
	*l = left
}

func (l scoreList) ascend(start, stop int, yield func([]byte, float64) bool) {
	var scratch [maxIntLen]byte
	at := l.place(start)
	for range stop - start {
		if !yield(l.member(at, scratch[:0]), l.score(at)) {
			return
		}
		at = l.after(at)
	}
}

// descend notes all places on a walk upwards, as an entry does not know the one
// before it.
func (l scoreList) descend(start, stop int, yield func([]byte, float64) bool) {
	var places [SortedSetListpackEntries]uint16
	var scratch [maxIntLen]byte
	at := l.place(start)
	for i := range stop - start {
		places[i] = uint16(at)
		at = l.after(at)
	}
	for i := stop - start - 1; i >= 0; i-- {
		at := int(places[i])
		if !yield(l.member(at, scratch[:0]), l.score(at)) {
			return
		}
	}
}

// lexRange walks from the first member that min does not cut off while max does.
func (l scoreList) lexRange(min, max LexBound) (start, stop int) {
	var scratch [maxIntLen]byte
	at, rank := 1, 0
	for ; rank < l.len() && min.cuts(l.member(at, scratch[:0]), min.Exclusive); rank++ {
		at = l.after(at)
	}
	start = rank
	for ; rank < l.len() && max.cuts(l.member(at, scratch[:0]), !max.Exclusive); rank++ {
		at = l.after(at)
	}
	return start, rank
}

// lexRangeBackwards walks from the last member within max back while min does
// not cut it off.
func (l scoreList) lexRangeBackwards(min, max LexBound) (start, stop int) {
	var scratch [maxIntLen]byte
	reaching := 0 // rank behind the last member that min cuts off
	for at, rank := 1, 0; rank < l.len(); at, rank = l.after(at), rank+1 {
		member := l.member(at, scratch[:0])
		if min.cuts(member, min.Exclusive) {
			reaching = rank + 1
		}
		if max.cuts(member, !max.Exclusive) {
			start, stop = reaching, rank+1
		}
	}
	return start, stop
}

func (l scoreList) check() error {
	if l == nil {
		return nil
	}
	if n := l.len(); n > SortedSetListpackEntries {
		return fmt.Errorf("sorted set: %d entries in a list", n)
	}
	at := 1
	for rank := range l.len() {
		if at >= len(l) || l.after(at) > len(l) {
			return fmt.Errorf("sorted set: entry %d reaches beyond the list", rank)
		}
		member, score := l.member(at, nil), l.score(at)
		if math.IsNaN(score) || score == 0 && math.Signbit(score) {
			return fmt.Errorf("sorted set: score %v of %q in a list", score, member)
		}
		if p, ok := l.find(member); !ok || p.rank != rank {
			return fmt.Errorf("sorted set: %q at rank %d is found at %d", member, rank, p.rank)
		}
		if p, ok := l.seek(score, member); !ok || p.rank != rank {
			return fmt.Errorf("sorted set: %q at rank %d is out of order", member, rank)
		}
		at = l.after(at)
	}
	if at != len(l) {
		return fmt.Errorf("sorted set: %d bytes behind the last entry", len(l)-at)
	}
	return nil
}

// packMember returns a member's head without shortScore, and its bytes, which
// may lie in scratch: an integer is packed where that is shorter than its text.
func packMember(scratch, member []byte) (head byte, body []byte) {
	if n, ok := ParseInt(member); ok {
		if size := intSize(n); size < len(member) {
			body = scratch[:size]
			putInt(body, n)
			return SortedSetListpackValue + byte(size), body
		}
	}
	return byte(len(member)), member
}

// bodyLen is the number of bytes that a member of this head takes.
func bodyLen(head byte) int {
	if head > SortedSetListpackValue {
		head -= SortedSetListpackValue
	}
	return int(head)
}

// intSize is the number of bytes that n needs in two's complement.
func intSize(n int64) int {
	size := 1
	for n < math.MinInt8 || n > math.MaxInt8 {
		n >>= 8
		size++
	}
	return size
}

func putInt(b []byte, n int64) {
	for i := range b {
		b[i] = byte(n)
		n >>= 8
	}
}

func getInt(b []byte) int64 {
	n := int64(int8(b[len(b)-1]))
	for i := len(b) - 2; i >= 0; i-- {
		n = n<<8 | int64(b[i])
	}
	return n
}
