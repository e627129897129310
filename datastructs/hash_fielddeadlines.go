package datastructs

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"

	"github.com/tidwall/btree"
)

// fieldDeadlines are the deadlines of a hash's fields. A hash has them from the
// first field with a deadline until the last; a nil *fieldDeadlines reads as
// that of a hash without.
//
// In a packed hash the fields with a deadline come first, in the order of their
// deadlines, which is where Redis has them too: a number each is all that is
// kept, and what expires is the beginning of the blob. A table has the deadlines
// beside it, by field and in their order.
//
// A view is a hash as readers are to see it when fields have expired that nobody
// has removed yet. It shares everything with the hash that it was made of, and
// nobody may change it. A table can also hide such fields itself, so that it may
// be changed before they are removed: see Hide.
type fieldDeadlines struct {
	times []int64 // packed: of the first fields, ascending

	at    map[string]int64        // table: by field, a string that the table keeps
	order *btree.BTreeG[deadline] // table

	listed   bool  // the Keyspace has the hash in its order,
	listedAt int64 // with this deadline

	view bool
	past int64 // of a table, or a view of one: fields with an earlier deadline are hidden,
	dead int   // so many
	rest []int // of a view: where the others are in the table, once somebody has asked
}

// len is the number of fields with a deadline that are to be seen, and all that
// of those with one.
func (d *fieldDeadlines) len() int { return d.all() - d.hidden() }

func (d *fieldDeadlines) all() int {
	if d == nil {
		return 0
	}
	return len(d.times) + len(d.at)
}

// hidden is the number of fields that are not to be seen.
func (d *fieldDeadlines) hidden() int {
	if d == nil {
		return 0
	}
	return d.dead
}

// hides reports whether a field is not to be seen.
func (d *fieldDeadlines) hides(field string) bool {
	if d.hidden() == 0 {
		return false
	}
	at, ok := d.at[field]
	return ok && at < d.past
}

// visible is the place in the table of the i-th field that is to be seen. To
// know it takes a walk, which is remembered: a view belongs to one reader.
func (d *fieldDeadlines) visible(t *table[string], i int) int {
	if d.hidden() == 0 {
		return i
	}
	if d.rest != nil {
		return d.rest[i]
	}
	rest := make([]int, 0, t.len()-d.dead)
	for j := range t.len() {
		if field, _ := t.at(j); !d.hides(field) {
			rest = append(rest, j)
		}
	}
	if d.view {
		d.rest = rest
	}
	return rest[i]
}

// hide makes the fields hidden whose deadline is before a time.
func (d *fieldDeadlines) hide(past int64) {
	d.past = past
	d.dead = sort.Search(d.order.Len(), func(i int) bool {
		next, _ := d.order.GetAt(i)
		return next.at >= past
	})
}

// visibleOrder walks the deadlines of the fields in a table that are to be seen.
func (d *fieldDeadlines) visibleOrder() iter.Seq[deadline] {
	return func(yield func(deadline) bool) {
		for i := d.dead; i < d.order.Len(); i++ {
			if next, _ := d.order.GetAt(i); !yield(next) {
				return
			}
		}
	}
}

// set gives a field of a table a deadline. The string is kept.
func (d *fieldDeadlines) set(field string, at int64) {
	d.remove(field)
	if d.at == nil {
		d.at, d.order = make(map[string]int64), newOrder()
	}
	d.at[field] = at
	d.order.Set(deadline{at, field})
}

// remove takes away the deadline of a field of a table.
func (d *fieldDeadlines) remove(field string) bool {
	at, ok := d.at[field]
	if ok {
		delete(d.at, field)
		d.order.Delete(deadline{at, field})
		if d.dead > 0 && at < d.past {
			d.dead--
		}
	}
	return ok
}

// moveTo makes the deadlines of a packed hash those of the table that it has
// become, which has the fields in the same order.
func (d *fieldDeadlines) moveTo(t *table[string]) {
	if d == nil {
		return
	}
	times := d.times
	d.times = nil
	for i, at := range times {
		field, _ := t.at(i)
		d.set(field, at)
	}
}

// clonePacked copies the deadlines of a packed hash.
func (d *fieldDeadlines) clonePacked() *fieldDeadlines {
	if d.len() == 0 {
		return nil
	}
	return &fieldDeadlines{times: slices.Clone(d.times)}
}

// cloneTable copies the deadlines of a table, whose clone has the same strings.
func (d *fieldDeadlines) cloneTable() *fieldDeadlines {
	if d.all() == 0 {
		return nil
	}
	c := &fieldDeadlines{at: maps.Clone(d.at), order: newOrder(), past: d.past, dead: d.dead}
	d.order.Scan(func(next deadline) bool {
		c.order.Load(next)
		return true
	})
	return c
}

// Check reports a broken invariant, for tests.
func (h *Hash) Check() error {
	if h == nil {
		return nil
	}
	return firstError(h.checkFields, h.checkKinds, h.checkDeadlines)
}

// checkDeadlines is the part of Check that looks at them.
func (h *Hash) checkDeadlines() error {
	d := h.expiry
	switch {
	case d == nil:
		return nil
	case d.view || d.rest != nil:
		return fmt.Errorf("hash: a view is kept")
	case d.dead > 0 && d.at == nil || d.dead < 0:
		return fmt.Errorf("hash: %d fields are hidden", d.dead)
	case !h.listpackex:
		return fmt.Errorf("hash: deadlines, and yet %s", h.Encoding())
	case d.all() == 0 && !d.listed:
		return fmt.Errorf("hash: deadlines that are none")
	case h.large == nil && d.at != nil, h.large != nil && d.times != nil:
		return fmt.Errorf("hash: deadlines of another layout")
	case h.large == nil && (len(d.times) > int(h.n) || !slices.IsSorted(d.times)):
		return fmt.Errorf("hash: deadlines %d of %d fields", d.times, h.n)
	case h.large != nil && d.at != nil && d.order.Len() != len(d.at):
		return fmt.Errorf("hash: %d deadlines in order, %d by field", d.order.Len(), len(d.at))
	}
	dead := 0
	for field, at := range d.at {
		if d.dead > 0 && at < d.past {
			dead++
		}
		if _, ok := h.large.get(bytesOf(field)); !ok {
			return fmt.Errorf("hash: the deadline of %q, which is not there", field)
		}
		if _, ok := d.order.Get(deadline{at, field}); !ok {
			return fmt.Errorf("hash: the deadline of %q is not in order", field)
		}
	}
	if dead != d.dead {
		return fmt.Errorf("hash: %d fields are hidden, %d are to be", d.dead, dead)
	}
	return d.checkOrder()
}
