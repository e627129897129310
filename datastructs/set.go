package datastructs

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"strconv"
)

// A Set holds distinct members. Its zero value is empty and ready; a nil *Set
// reads as empty.
//
// While all members are integers and there are at most 512 of them, they are
// one sorted array of numbers of 16, 32 or 64 bits, like Redis's intset, and
// come in ascending order. Other small sets are a packed blob, in order of
// insertion; what outgrows that becomes a table. A set never goes back to a
// smaller form.
//
// Nothing that a Set is given may alias its storage. Reads write nothing.
type Set struct {
	blob  []byte // numbers or packed strings; unused once large is set
	large *table[struct{}]
	n     int32 // members in blob
	form  form
}

// A form is how a Set keeps its members. They only ever go up; the first two
// that are no integers are what Redis calls a hashtable, so the form is also
// what clients are told.
type form uint8

const (
	ints16 form = iota
	ints32
	ints64
	packedStrings
	tableOfStrings
)

// Len returns the number of members.
func (s *Set) Len() int {
	switch {
	case s == nil:
		return 0
	case s.form == tableOfStrings:
		return s.large.len()
	}
	return int(s.n)
}

// Empty reports whether there are no members; a key never holds an empty set.
func (s *Set) Empty() bool { return s.Len() == 0 }

// Kind is KindSet.
func (s *Set) Kind() Kind { return KindSet }

// Encoding returns what Redis 7.0.15 would answer to OBJECT ENCODING: "intset"
// until the set has had a member that is no integer, or more than 512 members,
// "hashtable" from then on, whatever becomes of them.
func (s *Set) Encoding() string {
	if s == nil || s.form <= ints64 {
		return "intset"
	}
	return "hashtable"
}

// IntWidth is the size in bytes of each number of an intset; 0 for another set.
func (s *Set) IntWidth() int {
	if s == nil || s.form > ints64 {
		return 0
	}
	return s.width()
}

// Widen gives the numbers of an empty set that many bytes, 2, 4 or 8, though they
// should need less: a set keeps the width that it once had.
func (s *Set) Widen(width int) {
	for s.width() < width {
		s.form++
	}
}

// Clone returns an independent copy, of the same order and encoding.
func (s *Set) Clone() Value {
	if s == nil {
		return &Set{}
	}
	c := &Set{blob: slices.Clone(s.blob), n: s.n, form: s.form}
	if s.large != nil {
		large := s.large.clone(nil)
		c.large = &large
	}
	return c
}

// Has reports whether member is in the set.
func (s *Set) Has(member []byte) bool {
	switch {
	case s == nil:
		return false
	case s.form == tableOfStrings:
		_, ok := s.large.get(member)
		return ok
	case s.form == packedStrings:
		_, _, ok := s.findPacked(member)
		return ok
	}
	v, ok := ParseInt(member)
	if !ok {
		return false
	}
	_, ok = s.findInt(v)
	return ok
}

// Add puts a copy of member into the set and reports whether it is new.
func (s *Set) Add(member []byte) bool {
	if s.form <= ints64 {
		v, ok := ParseInt(member)
		if ok {
			i, found := s.findInt(v)
			if found {
				return false
			}
			if s.n < SetIntsetEntries {
				s.insertInt(i, v)
				return true
			}
		}
		s.convert(len(member))
	}
	if s.form == packedStrings {
		if _, _, ok := s.findPacked(member); ok {
			return false
		}
		if packedFits(s.blob, int(s.n)+1, len(member)) {
			s.blob = appendPacked(s.blob, member)
			s.n++
			return true
		}
		s.convertToTable()
	}
	_, added := s.large.put(member)
	return added
}

// Remove takes member out of the set and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	switch {
	case s == nil:
		return false
	case s.form == tableOfStrings:
		return s.large.delete(member)
	case s.form == packedStrings:
		start, end, ok := s.findPacked(member)
		if !ok {
			return false
		}
		s.blob = resizeGap(s.blob, start, end, 0)
		s.n--
		return true
	}
	v, ok := ParseInt(member)
	if !ok {
		return false
	}
	i, ok := s.findInt(v)
	if !ok {
		return false
	}
	s.blob = resizeGap(s.blob, i*s.width(), (i+1)*s.width(), 0)
	s.n--
	return true
}

// AppendAt appends the i-th member in the order of All, 0 <= i < Len, to dst.
func (s *Set) AppendAt(dst []byte, i int) []byte {
	switch s.form {
	case tableOfStrings:
		member, _ := s.large.at(i)
		return append(dst, member...)
	case packedStrings:
		var member []byte
		for rest := s.blob; i >= 0; i-- {
			member, rest = unpack(rest)
		}
		return append(dst, member...)
	}
	return strconv.AppendInt(dst, s.int(i), 10)
}

// All walks every member. The slice is valid during its step only and must
// not be written to; the set must not change meanwhile.
func (s *Set) All() iter.Seq[[]byte] {
	return func(yield func(member []byte) bool) {
		switch {
		case s == nil:
		case s.form == tableOfStrings:
			for i := range s.large.len() {
				member, _ := s.large.at(i)
				if !yield(bytesOf(member)) {
					return
				}
			}
		case s.form == packedStrings:
			for rest := s.blob; len(rest) > 0; {
				var member []byte
				member, rest = unpack(rest)
				if !yield(member) {
					return
				}
			}
		default:
			buf := make([]byte, 0, 20)
			for i := range int(s.n) {
				if !yield(strconv.AppendInt(buf, s.int(i), 10)) {
					return
				}
			}
		}
	}
}

// Scan visits some members, about count of them, and returns the cursor to go
// on with: 0 starts, and 0 returned means that all is done. A member that is
// there from the first step to the last is visited at least once, whatever
// changes between the steps; visit itself must change nothing, and its slice is
// valid during that visit only.
//
// What is no table is visited whole in one step: Redis does so for an intset,
// and its guarantee allows it for the rest. So no cursor is ever given out
// before the set has become a table, and a table stays one: the promise is that
// of table.scan.
func (s *Set) Scan(cursor uint64, count int, visit func(member []byte)) uint64 {
	switch {
	case s == nil:
		return 0
	case s.form == tableOfStrings:
		return s.large.scan(cursor, count, func(member string, _ *struct{}) { visit(bytesOf(member)) })
	}
	for member := range s.All() {
		visit(member)
	}
	return 0
}

// findPacked returns where a member's string starts and ends in the blob.
func (s *Set) findPacked(member []byte) (start, end int, ok bool) {
	for rest := s.blob; len(rest) > 0; {
		start = len(s.blob) - len(rest)
		var m []byte
		m, rest = unpack(rest)
		if string(m) == string(member) {
			return start, len(s.blob) - len(rest), true
		}
	}
	return 0, 0, false
}

// width is the size of a number in bytes.
func (s *Set) width() int { return 2 << s.form }

func (s *Set) int(i int) int64 {
	switch s.form {
	case ints16:
		return int64(int16(binary.LittleEndian.Uint16(s.blob[2*i:])))
	case ints32:
		return int64(int32(binary.LittleEndian.Uint32(s.blob[4*i:])))
	}
	return int64(binary.LittleEndian.Uint64(s.blob[8*i:]))
}

func (s *Set) putInt(i int, v int64) {
	switch s.form {
	case ints16:
		binary.LittleEndian.PutUint16(s.blob[2*i:], uint16(v))
	case ints32:
		binary.LittleEndian.PutUint32(s.blob[4*i:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(s.blob[8*i:], uint64(v))
	}
}

// findInt returns the place of v, or the one where it would have to be inserted.
func (s *Set) findInt(v int64) (i int, found bool) {
	low, high := 0, int(s.n)
	for low < high {
		if mid := (low + high) / 2; s.int(mid) < v {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < int(s.n) && s.int(low) == v
}

// insertInt puts v at place i, after widening the numbers if v needs it.
func (s *Set) insertInt(i int, v int64) {
	if need := formFor(v); need > s.form {
		wide := Set{blob: make([]byte, int(s.n)*(2<<need)), form: need}
		for j := range int(s.n) {
			wide.putInt(j, s.int(j))
		}
		s.blob, s.form = wide.blob, wide.form
	}
	s.blob = resizeGap(s.blob, i*s.width(), i*s.width(), s.width())
	s.n++
	s.putInt(i, v)
}

// formFor is the narrowest form that v fits in.
func formFor(v int64) form {
	switch {
	case v >= math.MinInt16 && v <= math.MaxInt16:
		return ints16
	case v >= math.MinInt32 && v <= math.MaxInt32:
		return ints32
	}
	return ints64
}

// convert turns numbers into strings, to make room for one more member of that
// length: packed if all fit, else in a table.
func (s *Set) convert(length int) {
	var blob []byte
	for member := range s.All() {
		blob = appendPacked(blob, member)
	}
	fits := packedFits(blob, int(s.n)+1, length)
	s.blob, s.form = blob, packedStrings
	if !fits {
		s.convertToTable()
	}
}

// convertToTable turns the blob into a table of the same order.
func (s *Set) convertToTable() {
	large := &table[struct{}]{}
	for member := range s.All() {
		large.put(member)
	}
	s.large, s.blob, s.n, s.form = large, nil, 0, tableOfStrings
}
