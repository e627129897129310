package rdb

import "math"

// LZF (http://oldhome.schmorp.de/marc/liblzf.html) is a sequence of runs. A
// byte below 32 begins a run of that many and one literal bytes. Any other
// begins a reference, to bytes that came before: its upper three bits are the
// length less 2, where 7 means that a byte with the rest follows; the lower five
// and a last byte are the distance less 1.
const (
	lzfLiteral   = 32      // bytes in a run at most
	lzfDistance  = 1 << 13 // how far back at most
	lzfLongest   = 264     // bytes that one reference stands for at most
	lzfShortest  = 3
	lzfLongStart = 7 + 2 // the length from which a further byte tells it
)

// maxString is the length of the longest string that a Redis holds.
const maxString = 512 << 20

// lzfBits is the size of the table of places: where three bytes were last seen.
// Redis has as many, and the same hash, on which depends what it finds.
const lzfBits = 16

func lzfSlot(p []byte) uint32 {
	three := uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2])
	return (three>>(24-lzfBits) - three*5) & (1<<lzfBits - 1)
}

// An lzfWriter appends runs to out.
type lzfWriter struct {
	out   []byte
	room  int // what out may have at most
	begin int // where the byte of the literal run stands that is open
	lit   int // bytes in it
}

func (w *lzfWriter) literal(b byte) (fits bool) {
	if len(w.out) >= w.room {
		return false
	}
	w.out = append(w.out, b)
	if w.lit++; w.lit == lzfLiteral {
		w.close()
		w.open()
	}
	return true
}

func (w *lzfWriter) open() {
	w.begin, w.lit = len(w.out), 0
	w.out = append(w.out, 0)
}

// close ends the run, which leaves nothing behind if it is empty.
func (w *lzfWriter) close() {
	if w.lit == 0 {
		w.out = w.out[:w.begin]
		return
	}
	w.out[w.begin] = byte(w.lit - 1)
}

func (w *lzfWriter) reference(length, distance int) (fits bool) {
	empty := 0
	if w.lit == 0 {
		empty = 1
	}
	if len(w.out)-empty+4 >= w.room {
		return false
	}
	w.close()
	high := byte((distance - 1) >> 8)
	if length < lzfLongStart {
		w.out = append(w.out, byte(length-2)<<5|high)
	} else {
		w.out = append(w.out, 7<<5|high, byte(length-lzfLongStart))
	}
	w.out = append(w.out, byte(distance-1))
	w.open()
	return true
}

// A compressor finds what has come before. It keeps the table of places from one
// string to the next, without clearing it: places of this one are above base.
type compressor struct {
	seen *[1 << lzfBits]uint32
	base uint32
	next uint32 // base of the next
}

func (c *compressor) begin(length int) {
	if c.seen == nil || uint64(c.next)+uint64(length) > math.MaxUint32 {
		*c = compressor{seen: new([1 << lzfBits]uint32)}
	}
	c.base = c.next
	c.next += uint32(length)
}

// note returns the last place before with the same hash, 0 for none, and takes
// this one in its stead.
func (c *compressor) note(p []byte, at int) (before int) {
	slot := lzfSlot(p[at:])
	if old := c.seen[slot]; old > c.base {
		before = int(old - c.base)
	}
	c.seen[slot] = c.base + uint32(at)
	return before
}

// compress returns p in LZF if that takes no more than room bytes.
//
// It is greedy: at each place it takes the last one before with the same hash,
// if the same three bytes stand there. What it finds, and notes, is what Redis
// does: the first byte is never referred to, and of the bytes that a reference
// stands for only the last two places are noted.
func (c *compressor) compress(p []byte, room int) (packed []byte, ok bool) {
	if len(p) < lzfShortest || room <= 0 {
		return nil, false
	}
	c.begin(len(p))
	w := lzfWriter{out: make([]byte, 0, room+1), room: room}
	w.open()
	last := len(p) - lzfShortest + 1 // from here on there are no three bytes
	at := 0
	for at < last {
		before := c.note(p, at)
		length := common(p, before, at)
		if length == 0 {
			if !w.literal(p[at]) {
				return nil, false
			}
			at++
			continue
		}
		if !w.reference(length, at-before) {
			return nil, false
		}
		if at += length; at >= last {
			break
		}
		c.note(p, at-2)
		c.note(p, at-1)
	}
	if len(w.out)+3 > room {
		return nil, false
	}
	for ; at < len(p); at++ {
		w.literal(p[at])
	}
	w.close()
	return w.out, true
}

// common returns how many bytes are the same at two places, 0 if a reference is
// not possible. Redis stops two bytes before the end, unless it has come so far
// in its first steps, which are 16 at a time.
func common(p []byte, before, at int) int {
	if before == 0 || at-before > lzfDistance || string(p[before:before+3]) != string(p[at:at+3]) {
		return 0
	}
	most := min(len(p)-at-2, lzfLongest)
	if most > 16 {
		most = max(most, lzfShortest+16)
	}
	n := lzfShortest
	for n < most && p[before+n] == p[at+n] {
		n++
	}
	return n
}

// decompress undoes compress. size is how many bytes there have to be; before it
// takes memory for them it makes sure that they will be there.
func decompress(packed []byte, size uint64) (p []byte, ok bool) {
	if n, whole := lzfSize(packed); !whole || n != size || n > maxString {
		return nil, false
	}
	p = make([]byte, 0, size)
	for len(packed) > 0 {
		length, distance, rest := lzfRun(packed)
		if distance == 0 {
			p = append(p, rest[:length]...)
			packed = rest[length:]
			continue
		}
		from := len(p) - distance
		if from < 0 {
			return nil, false
		}
		for i := range length { // what it refers to may have begun only just before
			p = append(p, p[from+i])
		}
		packed = rest
	}
	return p, true
}

// lzfSize adds up what the runs stand for; whole is false if one is cut off.
func lzfSize(packed []byte) (size uint64, whole bool) {
	for len(packed) > 0 {
		length, distance, rest := lzfRun(packed)
		if rest == nil || distance == 0 && length > len(rest) {
			return 0, false
		}
		if distance == 0 {
			rest = rest[length:]
		}
		size += uint64(length)
		packed = rest
	}
	return size, true
}

// lzfRun reads the head of a run: of length bytes that follow, if the distance
// is 0. rest is nil if the head is cut off.
func lzfRun(packed []byte) (length, distance int, rest []byte) {
	head, rest := int(packed[0]), packed[1:]
	if head < lzfLiteral {
		return head + 1, 0, rest
	}
	length = head>>5 + 2
	if length == lzfLongStart {
		if len(rest) == 0 {
			return 0, 0, nil
		}
		length += int(rest[0])
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return 0, 0, nil
	}
	return length, (head&31)<<8 | int(rest[0]) + 1, rest[1:]
}
