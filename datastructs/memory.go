package datastructs

import "unsafe"

// What values take is estimated: the sizes of the blocks that hold them as the
// Go runtime hands them out, and of texts in large values the mean of some, as
// many as a caller asks for.

// allBlocks asks for all texts to be looked at.
const allBlocks = int(^uint(0) >> 1)

// Memory returns about how many bytes a value takes: samples texts of a large
// one are looked at, or all if samples is 0.
func Memory(v Value, samples int) int {
	if samples <= 0 {
		samples = allBlocks
	}
	switch v := v.(type) {
	case *String:
		return block(int(unsafe.Sizeof(*v))) + blockOf(v.text)
	case *Hash:
		size := block(int(unsafe.Sizeof(*v))) + blockOf(v.packed)
		if v.large != nil {
			size += v.large.memory(samples, func(value *string) int { return block(len(*value)) })
		}
		if d := v.mortal; d != nil {
			size += block(int(unsafe.Sizeof(*d))) + block(8*cap(d.times)) + len(d.at)*fieldDeadlineMemory
		}
		return size
	case *Set:
		size := block(int(unsafe.Sizeof(*v))) + blockOf(v.blob)
		if v.large != nil {
			size += v.large.memory(samples, nil)
		}
		return size
	case *SortedSet:
		size := block(int(unsafe.Sizeof(*v))) + blockOf(v.list)
		if v.index != nil {
			size += block(int(unsafe.Sizeof(*v.index))) + v.index.scores.memory(samples, nil) + v.index.order.memory()
		}
		return size
	}
	return 0
}

// Memory returns about how many bytes a key with its value takes, and whether
// there is one.
func (k *Keyspace) Memory(key []byte, now int64, samples int) (int, bool) {
	v := k.Peek(key, now)
	if v == nil {
		return 0, false
	}
	size := Memory(v, samples) + block(len(key)) + int(unsafe.Sizeof(entry[record]{})) + slotMemory
	if _, ok := k.Deadline(key); ok {
		size += deadlineMemory
	}
	return size, true
}

// Overhead returns about how many bytes the tables of keys and of deadlines
// take, without keys and values.
func (k *Keyspace) Overhead() (keys, deadlines int) {
	return k.keys.tableMemory(), k.Volatile() * deadlineMemory
}

const (
	slotMemory = 12 // a slot of 8 bytes, two thirds of which are in use
	// That of a field in a table stands in a map as well.
	fieldDeadlineMemory = deadlineMemory + int(unsafe.Sizeof("")+8)*3/2

	deadlineMemory = int(unsafe.Sizeof(deadline{}))*4/3 + 8 // a place in the tree, which is not full, and a number
)

// memory is what a table takes with its keys; value is what one takes beside
// its entry, nil if that is nothing.
func (t *table[V]) memory(samples int, value func(*V) int) int {
	looked, texts := min(samples, t.n), 0
	for i := range looked {
		e := &t.pages[i>>pageBits][i&(pageLen-1)]
		texts += block(len(e.key))
		if value != nil {
			texts += value(&e.val)
		}
	}
	if looked > 0 {
		texts = int(float64(texts) / float64(looked) * float64(t.n))
	}
	return t.tableMemory() + texts
}

func (t *table[V]) tableMemory() int {
	size := block(cap(t.pages)*int(unsafe.Sizeof([]entry[V]{}))) + block(cap(t.dir)*int(unsafe.Sizeof(t.dir)/3))
	for _, p := range t.pages {
		size += block(cap(p) * int(unsafe.Sizeof(entry[V]{})))
	}
	var last *segment // those in dir more than once need not stand together: counted once they change
	seen := make(map[*segment]struct{}, t.segs)
	for _, s := range t.dir {
		if s == last {
			continue
		}
		last = s
		if _, counted := seen[s]; !counted {
			seen[s] = struct{}{}
			size += block(int(unsafe.Sizeof(*s))) + block(8*cap(s.slots))
		}
	}
	return size
}

// memory is what an order takes; the texts of its members are the table's.
func (o *scoreOrder) memory() int {
	size := block(cap(o.counts) * int(unsafe.Sizeof(int(0))))
	if o.spans == nil {
		return size
	}
	o.spans.Scan(func(s span) bool {
		size += int(unsafe.Sizeof(s))*4/3 + block(int(unsafe.Sizeof(*s.chunk))) + block(cap(s.chunk.entries)*int(unsafe.Sizeof(scored{})))
		return true
	})
	return size
}

// blockOf is what a byte slice takes beside its header. The marks of an
// integer, of one or two bytes, are shared by all.
func blockOf(b []byte) int {
	if cap(b) <= cap(integer) {
		return 0
	}
	return block(cap(b))
}

// block rounds up to what the Go runtime hands out: multiples of 8 up to 16 and
// of 16 up to 128, and from there on eight sizes for each power of two.
func block(n int) int {
	step := 8
	switch {
	case n <= 16:
	case n <= 128:
		step = 16
	default:
		for step = 16; step*16 < n; step *= 2 {
		}
	}
	return (n + step - 1) / step * step
}
