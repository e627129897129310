package datastructs

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// What must hold of the parts that several structures are made of. Their
// methods Check rest on it, and only those, which nothing but tests and
// Server.Check call: it looks at everything.

// check reports a broken invariant of a table: its pages are dense, and its
// index finds each entry, once, and nothing else.
func (t *table[V]) check() error {
	if t == nil {
		return nil
	}
	if err := t.checkPages(); err != nil {
		return err
	}
	segments, slots := 0, 0
	for i, s := range t.dir {
		first := i & (1<<s.depth - 1)
		if t.dir[first] != s {
			return fmt.Errorf("table: the segment at %d, of depth %d, is not that at %d", i, s.depth, first)
		}
		if first < i {
			continue // seen already
		}
		used, err := t.checkSegment(s)
		if err != nil {
			return err
		}
		segments++
		slots += used
	}
	if segments != t.segs || slots != t.n {
		return fmt.Errorf("table: %d slots in %d segments, for %d entries in %d", slots, segments, t.n, t.segs)
	}
	if bytes := t.measure(); bytes != t.bytes {
		return fmt.Errorf("table: %d bytes, not %d", bytes, t.bytes)
	}
	return nil
}

func (t *table[V]) checkPages() error {
	n := 0
	for i, p := range t.pages {
		n += len(p)
		if cap(p) > pageLen || i < (t.n-1)>>pageBits && len(p) != pageLen {
			return fmt.Errorf("table: page %d holds %d, with room for %d", i, len(p), cap(p))
		}
	}
	if n != t.n || len(t.pages) > t.n>>pageBits+2 {
		return fmt.Errorf("table: %d entries, %d in %d pages", t.n, n, len(t.pages))
	}
	return nil
}

func (t *table[V]) checkSegment(s *segment) (used int, err error) {
	for _, x := range s.slots {
		if x != 0 {
			used++
		}
	}
	if int(s.n) != used || used >= len(s.slots) { // without a free slot no search would end
		return 0, fmt.Errorf("table: %d slots of %d are used, and %d counted", used, len(s.slots), s.n)
	}
	for i, x := range s.slots {
		if x == 0 {
			continue
		}
		pos := s.position(i)
		if pos < 0 || pos >= t.n {
			return 0, fmt.Errorf("table: a slot for entry %d of %d", pos, t.n)
		}
		key, _ := t.at(pos)
		h := uint32(maphash.String(hashSeed, key))
		if found, e := t.find(h, bytesOf(key)); e == nil || t.segment(h) != s || found != i {
			return 0, fmt.Errorf("table: %q is not found where it is", key)
		}
	}
	return used, nil
}

// checkPacked reports a blob that is not just n strings one behind the other,
// of which each step-th, from the first on, is there once.
func checkPacked(blob []byte, n, step int) error {
	if len(blob) > packedBytes || n > packedEntries*step {
		return fmt.Errorf("packed: %d strings in %d bytes", n, len(blob))
	}
	seen := make(map[string]struct{}, n)
	i := 0
	for rest := blob; len(rest) > 0; i++ {
		item, next, ok := unpackSafely(rest)
		if !ok {
			return fmt.Errorf("packed: string %d reaches beyond the blob", i)
		}
		if packedLen(len(item)) != len(rest)-len(next) {
			return fmt.Errorf("packed: the length of string %d is written in another way", i)
		}
		if _, twice := seen[string(item)]; twice && i%step == 0 {
			return fmt.Errorf("packed: %q is there twice", item)
		}
		if i%step == 0 {
			seen[string(item)] = struct{}{}
		}
		rest = next
	}
	if i != n {
		return fmt.Errorf("packed: %d strings, %d counted", i, n)
	}
	return nil
}

// unpackSafely is unpack for a blob that may be damaged.
func unpackSafely(blob []byte) (item, rest []byte, ok bool) {
	ok = succeeds(func() error {
		item, rest = unpack(blob)
		return nil
	})
	return item, rest, ok
}

// Check reports a broken invariant, for tests.
func (s *Set) Check() error {
	switch {
	case s == nil:
		return nil
	case s.form > tableOfStrings:
		return fmt.Errorf("set: form %d", s.form)
	case (s.form == tableOfStrings) != (s.large != nil):
		return fmt.Errorf("set: form %d beside a table: %t", s.form, s.large != nil)
	case s.large != nil && (s.blob != nil || s.n != 0):
		return fmt.Errorf("set: %d members in a blob beside a table", s.n)
	case s.large != nil:
		return s.large.check()
	case s.form == packedStrings:
		return checkPacked(s.blob, int(s.n), 1)
	case len(s.blob) != int(s.n)*s.width() || s.n > SetIntsetEntries:
		return fmt.Errorf("set: %d numbers of %d bytes in %d", s.n, s.width(), len(s.blob))
	}
	for i := 1; i < int(s.n); i++ {
		if s.int(i-1) >= s.int(i) {
			return fmt.Errorf("set: %d before %d", s.int(i-1), s.int(i))
		}
	}
	return nil
}

// checkFields is the part of Hash.Check that looks at fields and values.
func (h *Hash) checkFields() error {
	switch {
	case h.large != nil && (h.n != 0 || h.packed != nil):
		return fmt.Errorf("hash: %d fields in a blob beside a table", h.n)
	case h.large != nil:
		return h.large.check()
	}
	return checkPacked(h.packed, 2*int(h.n), 2)
}

// checkKinds reports a hash that is said to be a listpack with more in it than
// Redis has in one.
func (h *Hash) checkKinds() error {
	if h.hashtable || h.Len() <= HashListpackEntries {
		return nil
	}
	return fmt.Errorf("hash: %s of %d fields", h.Encoding(), h.Len())
}

// checkOrder reports deadlines by field that are not those in order.
func (d *fieldDeadlines) checkOrder() error {
	if d.order == nil {
		return nil
	}
	var broken error
	d.order.Scan(func(next deadline) bool {
		if at, ok := d.at[next.key]; !ok || at != next.at {
			broken = fmt.Errorf("hash: %q is in order with %d, by field with %d", next.key, next.at, at)
		}
		return broken == nil
	})
	return broken
}

// checkAll reports a deadline that no record has: all are numbered, once.
func (d *deadlines) checkAll(records []uint32) error {
	slices.Sort(records)
	for i := 1; i < len(records); i++ {
		if records[i] == records[i-1] {
			return fmt.Errorf("keyspace: two keys have deadline %d", records[i])
		}
	}
	for n := d.free; n != 0; n = uint32(d.times[n-1]) { // check has found that this ends
		if _, used := slices.BinarySearch(records, n); used {
			return fmt.Errorf("keyspace: deadline %d is free and in use", n)
		}
	}
	return nil
}

func firstError(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}
