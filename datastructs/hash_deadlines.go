package datastructs

import (
	"slices"
)

// Deadline returns the last millisecond of a field's life, if it has one.
func (h *Hash) Deadline(field []byte) (at int64, ok bool) {
	if h == nil || h.expiry == nil {
		return 0, false
	}
	if h.large != nil {
		at, ok = h.expiry.at[stringOf(field)]
		return at, ok && !h.expiry.hides(stringOf(field))
	}
	value, start, _ := h.find(field)
	if value == nil {
		return 0, false
	}
	if i := h.place(start); i < len(h.expiry.times) {
		return h.expiry.times[i], true
	}
	return 0, false
}

// SetDeadline gives a field a deadline in place of any other. The field is
// expired once the time is greater than at. An absent field gets none.
func (h *Hash) SetDeadline(field []byte, at int64) {
	h.checkWritable()
	if h.large != nil {
		if kept, ok := h.large.keyOf(field); ok {
			h.ensureExpiry().set(kept, at)
		}
		return
	}
	value, start, end := h.find(field)
	if value == nil {
		return
	}
	d := h.ensureExpiry()
	if i := h.place(start); i < len(d.times) {
		d.times = slices.Delete(d.times, i, i+1)
	}
	pair := h.cut(start, end)
	// Among equals the new one is the first: that is where Redis puts it.
	i, _ := slices.BinarySearch(d.times, at)
	d.times = slices.Insert(d.times, i, at)
	h.packed = slices.Insert(h.packed, h.offset(i), pair...)
}

// ClearDeadline lets a field stay and reports whether it had a deadline.
func (h *Hash) ClearDeadline(field []byte) bool {
	if h == nil {
		return false
	}
	h.checkWritable()
	d := h.expiry
	switch {
	case d == nil:
		return false
	case h.large != nil:
		if !d.remove(stringOf(field)) {
			return false
		}
	default:
		value, start, end := h.find(field)
		if value == nil {
			return false
		}
		i := h.place(start)
		if i >= len(d.times) {
			return false
		}
		d.times = slices.Delete(d.times, i, i+1)
		pair := h.cut(start, end)
		h.packed = append(h.packed, pair...)
	}
	h.dropEmptyExpiry()
	return true
}

// nextDeadline returns the first of the fields' deadlines; not ok if no field
// has one.
func (h *Hash) nextDeadline() (at int64, ok bool) {
	if h == nil || h.expiry.len() == 0 {
		return 0, false
	}
	if h.large == nil {
		return h.expiry.times[0], true
	}
	first, _ := h.expiry.order.GetAt(h.expiry.hidden())
	return first.at, true
}

// firstDeadline is NextDeadline, but that it counts hidden fields too.
func (h *Hash) firstDeadline() (at int64, ok bool) {
	if h.expiry.hidden() == 0 {
		return h.nextDeadline()
	}
	first, ok := h.expiry.order.Min()
	return first.at, ok
}

// NumDeadlines returns how many fields have a deadline.
func (h *Hash) NumDeadlines() int {
	if h == nil {
		return 0
	}
	return h.expiry.len()
}

// expireFirst removes the fields whose deadline is the first, at most limit of
// them, and tells each before it goes.
func (h *Hash) expireFirst(limit int, gone func(field []byte)) (n int) {
	at, ok := h.firstDeadline()
	if !ok {
		return 0
	}
	d := h.expiry
	if h.large == nil {
		rest := h.packed
		for ; n < len(d.times) && d.times[n] == at && n < limit; n++ {
			var field []byte
			field, rest = unpack(rest)
			_, rest = unpack(rest)
			gone(field)
		}
		h.packed = resizeGap(h.packed, 0, len(h.packed)-len(rest), 0)
		h.n -= int32(n)
		d.times = slices.Delete(d.times, 0, n)
	} else {
		for ; n < limit; n++ {
			first, ok := d.order.Min()
			if !ok || first.at != at {
				break
			}
			gone(bytesOf(first.key))
			d.remove(first.key)
			h.deleteLarge(bytesOf(first.key))
		}
	}
	h.dropEmptyExpiry()
	return n
}

// viewAt returns the hash as it is to be seen at a time: itself, or a view if some
// of its fields have expired.
func (h *Hash) viewAt(now int64) *Hash {
	if next, ok := h.firstDeadline(); !ok || next >= now {
		return h
	}
	v := *h
	if h.large == nil {
		dead, _ := slices.BinarySearch(h.expiry.times, now)
		v.packed = h.packed[h.offset(dead):len(h.packed):len(h.packed)]
		v.n -= int32(dead)
		v.expiry = &fieldDeadlines{view: true, times: h.expiry.times[dead:]}
		return &v
	}
	v.expiry = &fieldDeadlines{view: true, at: h.expiry.at, order: h.expiry.order}
	v.expiry.hide(now)
	return &v
}

// hide makes fields that have expired, and that nobody has had the time to remove,
// invisible to those who change the hash. Until they are removed they must not be
// named to it: see Keyspace.ExpireField. It reports whether it can: the fields
// of a packed hash are few, and quickly removed.
func (h *Hash) hide(now int64) bool {
	if h.expiry.all() == 0 || h.large == nil {
		return false
	}
	h.expiry.hide(now)
	return true
}

// numHidden is the number of fields that are not to be seen.
func (h *Hash) numHidden() int {
	if h == nil {
		return 0
	}
	return h.expiry.hidden()
}

// copyVisible makes c, which is empty, what a view of a table shows.
func (h *Hash) copyVisible(c *Hash) {
	for f, v := range h.All() {
		c.Update(f, v)
	}
	for d := range h.expiry.visibleOrder() {
		c.SetDeadline(bytesOf(d.key), d.at)
	}
}

// allExpired reports whether every field has expired.
func (h *Hash) allExpired(now int64) bool {
	d := h.expiry
	switch n := d.all(); {
	case n == 0:
		return false
	case h.large == nil:
		return n == int(h.n) && d.times[n-1] < now
	default:
		last, _ := d.order.Max()
		return n == h.large.len() && last.at < now
	}
}

// checkWritable panics for a view, since a change would be one of the hash
// behind it, seen by others.
func (h *Hash) checkWritable() {
	if h.expiry != nil && h.expiry.view {
		panic("datastructs: a change of a hash that was got for reading")
	}
}

// ensureExpiry makes sure that there is something to put a deadline into.
func (h *Hash) ensureExpiry() *fieldDeadlines {
	if h.expiry == nil {
		h.expiry = &fieldDeadlines{}
	}
	h.listpackex = true
	return h.expiry
}

// dropEmptyExpiry gives back what an empty fieldDeadlines takes, unless the
// Keyspace needs it to find the hash in its order.
func (h *Hash) dropEmptyExpiry() {
	if h.expiry.all() == 0 && !h.expiry.listed {
		h.expiry = nil
	}
}

// place is the number of the pair that starts at an offset of the blob.
func (h *Hash) place(start int) (i int) {
	for rest := h.packed[:start]; len(rest) > 0; i++ {
		_, rest = unpack(rest)
		_, rest = unpack(rest)
	}
	return i
}

// offset is where the i-th pair starts in the blob.
func (h *Hash) offset(i int) int {
	rest := h.packed
	for range i {
		_, rest = unpack(rest)
		_, rest = unpack(rest)
	}
	return len(h.packed) - len(rest)
}

// cut takes a pair out of the blob and leaves room for it behind.
func (h *Hash) cut(start, end int) (pair []byte) {
	pair = slices.Clone(h.packed[start:end])
	h.packed = append(h.packed[:start], h.packed[end:]...)
	return pair
}
