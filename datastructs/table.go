package datastructs

import (
	"hash/maphash"
	"math"
)

// A table maps byte strings to values of type V. Its zero value is ready, a nil
// table reads as empty.
//
// Entries lie densely, in order of insertion until something is deleted: entry
// i is one step away, so a uniform random pick costs O(1), and a walk follows
// memory. They are kept in pages, and found through an index that grows by
// splitting one small segment at a time (extendible hashing), so that no single
// change ever copies the whole table, however large.
//
// Reads (get, at, scan, len, clone) write nothing and may run concurrently with
// each other.
type table[V any] struct {
	n     int
	pages [][]entry[V] // all but the last are full; at most one empty page is kept behind
	dir   []*segment   // len is a power of two; the low bits of a hash choose the segment
	segs  int          // distinct segments in dir
	bytes int          // that all this takes, the texts of keys included; see measure
}

// An entry is one key with its value. The value stands first: a last field
// without size would be padded to a word.
type entry[V any] struct {
	val V
	key string
}

// A segment is a part of the index: an open-addressing table, probed linearly.
// A slot holds the 32-bit hash of a key in its high half and the position of
// its entry, plus one, in its low half; zero is a free slot. The stored hash
// spares most comparisons of keys and lets a segment grow or split without
// looking at any key.
type segment struct {
	slots []uint64
	n     int32
	depth uint8 // how many low bits of the hash all keys in here share
}

const (
	pageBits = 9
	pageLen  = 1 << pageBits

	minSlots = 8
	maxSlots = 4096 // 32 KiB: a segment that is full at this size or above splits instead of growing
	maxDepth = 20   // leaves the high 12 bits of a hash to tell the slots of a segment apart
)

// hashSeed is chosen at random when the process starts, so that nobody can
// prepare keys that collide. The order in which a table has its entries does
// not depend on it.
var hashSeed = maphash.MakeSeed()

func (t *table[V]) len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// get finds the value of key. The pointer is valid until the next change of the
// table.
func (t *table[V]) get(key []byte) (*V, bool) {
	if t.len() == 0 {
		return nil, false
	}
	h := uint32(maphash.Bytes(hashSeed, key))
	if _, e := t.find(h, key); e != nil {
		return &e.val, true
	}
	return nil, false
}

// keyOf returns key as the table keeps it.
func (t *table[V]) keyOf(key []byte) (string, bool) {
	if t.len() == 0 {
		return "", false
	}
	if _, e := t.find(uint32(maphash.Bytes(hashSeed, key)), key); e != nil {
		return e.key, true
	}
	return "", false
}

// put finds the value of key, or inserts a zero value under a copy of it, or under key
// itself if it is large. The
// pointer is valid until the next change of the table.
func (t *table[V]) put(key []byte) (v *V, added bool) {
	h := uint32(maphash.Bytes(hashSeed, key))
	if t.n > 0 {
		if _, e := t.find(h, key); e != nil {
			return &e.val, false
		}
	}
	e := t.push()
	e.key = textOf(key)
	t.bytes += textBytes(len(key))
	t.segmentWithRoom(h).insert(slot(h, t.n-1))
	return &e.val, true
}

// delete removes key. The last entry takes the place of the removed one; no
// other entry moves.
func (t *table[V]) delete(key []byte) bool {
	if t.len() == 0 {
		return false
	}
	h := uint32(maphash.Bytes(hashSeed, key))
	i, e := t.find(h, key)
	if e == nil {
		return false
	}
	t.bytes -= textBytes(len(key))
	s := t.segment(h)
	pos, last := s.position(i), t.n-1
	if pos != last {
		moved := t.entry(last)
		mh := uint32(maphash.String(hashSeed, moved.key))
		ms := t.segment(mh)
		ms.slots[ms.find(slot(mh, last))] = slot(mh, pos)
		*e = *moved
	}
	s.remove(i)
	t.pop()
	t.shrinkIndex(s)
	return true
}

// deleteInOrder is delete for small tables that must keep their order: all
// entries behind the removed one move down by one. It looks at every entry.
func (t *table[V]) deleteInOrder(key []byte) bool {
	if t.len() == 0 {
		return false
	}
	h := uint32(maphash.Bytes(hashSeed, key))
	i, e := t.find(h, key)
	if e == nil {
		return false
	}
	t.bytes -= textBytes(len(key))
	home := t.segment(h)
	pos := home.position(i)
	home.remove(i)
	for first, s := range t.dir {
		if first&(1<<s.depth-1) < first {
			continue // seen already
		}
		for j := range s.slots {
			if s.slots[j] != 0 && s.position(j) > pos {
				s.slots[j]--
			}
		}
	}
	for j := pos; j < t.n-1; j++ {
		*t.entry(j) = *t.entry(j + 1)
	}
	t.pop()
	t.shrinkIndex(home)
	return true
}

// at returns the i-th entry, 0 <= i < len. The pointer is valid until the next
// change of the table.
func (t *table[V]) at(i int) (key string, v *V) {
	e := t.entry(i)
	return e.key, &e.val
}

// scan visits up to count entries (at least one, if there is one) and returns
// the cursor to go on with; 0 starts, and 0 returned means that all is done.
// visit must not change the table.
//
// A cursor is the number of entries still to visit, walked downwards from the
// end. An entry that is in the table from the first step to the last is visited
// at least once, whatever comes and goes between the steps, because of this
// invariant: every such entry not visited yet lies below the cursor. It holds
// at the start, where the cursor is the length. A step visits what it takes the
// cursor past. An insertion moves nothing. A deletion moves one entry, the last
// one, and only downwards: if it lay below the cursor, it still does. And when
// the table has become shorter than the cursor, whatever is left lies below the
// length. (deleteInOrder moves entries downwards only, too.) So any cursor,
// also a made-up one, is safe and is cut to the length.
func (t *table[V]) scan(cursor uint64, count int, visit func(key string, v *V)) (next uint64) {
	n := uint64(t.len())
	if cursor == 0 || cursor > n {
		cursor = n
	}
	var end uint64
	if c := uint64(max(count, 1)); c < cursor {
		end = cursor - c
	}
	for cursor > end {
		cursor--
		visit(t.at(int(cursor)))
	}
	return end
}

// clone returns a table with the same entries in the same order. Values are
// copied by copyValue or, if that is nil, by assignment.
func (t *table[V]) clone(copyValue func(V) V) table[V] {
	if t.len() == 0 {
		return table[V]{}
	}
	c := table[V]{n: t.n, segs: t.segs, pages: make([][]entry[V], (t.n-1)>>pageBits+1), dir: make([]*segment, len(t.dir))}
	for i := range c.pages {
		c.pages[i] = append(make([]entry[V], 0, cap(t.pages[i])), t.pages[i]...)
		if copyValue != nil {
			for j := range c.pages[i] {
				e := &c.pages[i][j]
				e.val = copyValue(e.val)
			}
		}
	}
	for i, s := range t.dir {
		if first := i & (1<<s.depth - 1); first < i {
			c.dir[i] = c.dir[first]
			continue
		}
		c.dir[i] = &segment{slots: append([]uint64(nil), s.slots...), n: s.n, depth: s.depth}
	}
	c.bytes = t.bytes - t.frameBytes() + c.frameBytes()
	return c
}

// find looks for a key with its hash: the slot within its segment, and its
// entry, or nil. The table must not be empty.
func (t *table[V]) find(h uint32, key []byte) (int, *entry[V]) {
	s := t.segment(h)
	for i := s.home(h); s.slots[i] != 0; i = s.after(i) {
		if uint32(s.slots[i]>>32) != h {
			continue
		}
		if e := t.entry(s.position(i)); e.key == string(key) {
			return i, e
		}
	}
	return 0, nil
}

func (t *table[V]) entry(i int) *entry[V] { return &t.pages[i>>pageBits][i&(pageLen-1)] }

// push appends a zero entry. The first page grows from small, as most tables
// are; the others are allocated whole.
func (t *table[V]) push() *entry[V] {
	if uint64(t.n) >= math.MaxUint32 {
		panic("datastructs: a table holds at most 2^32-1 keys")
	}
	i := t.n >> pageBits
	if i == len(t.pages) {
		size := pageLen
		if i == 0 {
			size = 4
		}
		t.bytes -= t.pagesBytes()
		t.pages = append(t.pages, make([]entry[V], 0, size))
		t.bytes += t.pagesBytes() + pageBytes[V](size)
	}
	p := t.pages[i]
	if len(p) == cap(p) {
		t.bytes -= pageBytes[V](cap(p))
		p = append(make([]entry[V], 0, min(2*cap(p), pageLen)), p...)
		t.bytes += pageBytes[V](cap(p))
	}
	t.pages[i] = append(p, entry[V]{})
	t.n++
	return t.entry(t.n - 1)
}

// pop drops the last entry and gives memory back. One empty page stays, so that
// a table does not allocate each time that it crosses a border to and fro.
func (t *table[V]) pop() {
	t.n--
	i := t.n >> pageBits
	p := t.pages[i]
	p[len(p)-1] = entry[V]{}
	p = p[:len(p)-1]
	if i == 0 && cap(p) > 16 && len(p) < cap(p)/4 {
		t.bytes -= pageBytes[V](cap(p))
		p = append(make([]entry[V], 0, cap(p)/2), p...)
		t.bytes += pageBytes[V](cap(p))
	}
	t.pages[i] = p
	if len(t.pages) > i+2 {
		t.bytes -= pageBytes[V](cap(t.pages[i+2]))
		t.pages[i+2] = nil
		t.pages = t.pages[:i+2]
	}
	if cap(t.pages) > 16 && len(t.pages) < cap(t.pages)/4 {
		t.bytes -= t.pagesBytes()
		t.pages = append(make([][]entry[V], 0, cap(t.pages)/2), t.pages...)
		t.bytes += t.pagesBytes()
	}
}

func (t *table[V]) segment(h uint32) *segment { return t.dir[int(h)&(len(t.dir)-1)] }

// segmentWithRoom returns the segment where h belongs after making sure that
// one more key fits in.
func (t *table[V]) segmentWithRoom(h uint32) *segment {
	if len(t.dir) == 0 {
		t.dir, t.segs = []*segment{newSegment(0, 0)}, 1
		t.bytes += t.dirBytes() + t.dir[0].bytes()
	}
	for {
		s := t.segment(h)
		switch {
		case !s.full():
			return s
		case len(s.slots) < maxSlots || s.depth == maxDepth:
			t.resize(s)
		default:
			t.split(s, h)
		}
	}
}

// split divides the segment of h by the next bit of the hash, doubling the
// directory if that has no such bit yet.
func (t *table[V]) split(s *segment, h uint32) {
	if 1<<s.depth == len(t.dir) {
		t.bytes -= t.dirBytes()
		t.dir = append(t.dir, t.dir...)
		t.bytes += t.dirBytes()
	}
	bit := uint32(1) << s.depth
	ones := 0
	for _, x := range s.slots {
		if x != 0 && uint32(x>>32)&bit != 0 {
			ones++
		}
	}
	zero := newSegment(s.depth+1, (int(s.n)-ones)*5/4)
	one := newSegment(s.depth+1, ones*5/4)
	for _, x := range s.slots {
		switch {
		case x == 0:
		case uint32(x>>32)&bit != 0:
			one.insert(x)
		default:
			zero.insert(x)
		}
	}
	for i := int(h & (bit - 1)); i < len(t.dir); i += int(bit) {
		if uint32(i)&bit != 0 {
			t.dir[i] = one
		} else {
			t.dir[i] = zero
		}
	}
	t.segs++
	t.bytes += zero.bytes() + one.bytes() - s.bytes()
}

// shrinkIndex gives memory back after a deletion from s: segments shrink one by
// one, and once they are nearly empty on the whole, a new index is made, of few
// enough keys to be quick.
func (t *table[V]) shrinkIndex(s *segment) {
	if len(s.slots) > 2*minSlots && int(s.n) < len(s.slots)/4 {
		t.resize(s)
	}
	if t.segs == 1 || t.n > 16*t.segs {
		return
	}
	old := t.dir
	t.bytes -= t.dirBytes()
	t.dir, t.segs = nil, 0
	for i, s := range old {
		if i&(1<<s.depth-1) < i {
			continue // seen already
		}
		t.bytes -= s.bytes()
		for _, x := range s.slots {
			if x != 0 {
				t.segmentWithRoom(uint32(x >> 32)).insert(x)
			}
		}
	}
}

func slot(h uint32, pos int) uint64 { return uint64(h)<<32 | uint64(pos+1) }

// newSegment makes room for n keys, and for what the allocator would round up to.
func newSegment(depth uint8, n int) *segment {
	slots := append([]uint64(nil), make([]uint64, max(minSlots, n*16/13+1))...)
	return &segment{slots: slots[:cap(slots)], depth: depth}
}

// full reports whether s has reached the load, 13/16, from where linear probing
// would become slow.
func (s *segment) full() bool { return int(s.n+1)*16 > len(s.slots)*13 }

func (s *segment) position(i int) int { return int(uint32(s.slots[i])) - 1 }

// home is the slot where a hash belongs. It looks at the high bits, as the
// directory has used the low ones.
func (s *segment) home(h uint32) int { return int(uint64(h) * uint64(len(s.slots)) >> 32) }

func (s *segment) after(i int) int {
	if i++; i < len(s.slots) {
		return i
	}
	return 0
}

// insert stores a slot; there must be room.
func (s *segment) insert(x uint64) {
	i := s.home(uint32(x >> 32))
	for s.slots[i] != 0 {
		i = s.after(i)
	}
	s.slots[i] = x
	s.n++
}

// find returns where a slot is stored; it must be there.
func (s *segment) find(x uint64) int {
	i := s.home(uint32(x >> 32))
	for s.slots[i] != x {
		i = s.after(i)
	}
	return i
}

// remove frees slot i and moves up those behind it that would otherwise be out
// of reach from their home, so that no tombstones are needed.
func (s *segment) remove(i int) {
	s.n--
	for j := s.after(i); s.slots[j] != 0; j = s.after(j) {
		if home := s.home(uint32(s.slots[j] >> 32)); s.distance(home, j) >= s.distance(i, j) {
			s.slots[i] = s.slots[j]
			i = j
		}
	}
	s.slots[i] = 0
}

// distance is the number of steps from slot a to slot b.
func (s *segment) distance(a, b int) int {
	if d := b - a; d >= 0 {
		return d
	}
	return b - a + len(s.slots)
}

// resize moves all of a segment to a new array, with room for some more keys.
func (t *table[V]) resize(s *segment) {
	t.bytes -= s.bytes()
	s.resize(int(s.n) * 5 / 4)
	t.bytes += s.bytes()
}

// resize moves all to a new array with room for n keys.
func (s *segment) resize(n int) {
	grown := newSegment(s.depth, n)
	for _, x := range s.slots {
		if x != 0 {
			grown.insert(x)
		}
	}
	s.slots = grown.slots
}
