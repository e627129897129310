package commands

import (
	"bytes"
	"iter"
	"slices"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

const errTooManyKeys = resp.Error("ERR Number of keys can't be greater than number of args")

// members is what intersecting asks of its operands: a set, or a sorted set
// taken as the set of its members.
type members interface {
	Len() int
	Has(member []byte) bool
	All() iter.Seq[[]byte]
}

// unscored is a sorted set without its scores.
type unscored struct{ *datastructs.SortedSet }

func (u unscored) Has(member []byte) bool {
	_, found := u.Score(member)
	return found
}

func (u unscored) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for member := range u.Range(0, u.Len(), false) {
			if !yield(member) {
				return
			}
		}
	}
}

func sinter(c *Context) error {
	operands, _, err := readOperands(c, c.Args[1:])
	if err != nil {
		return err
	}
	mark, n := c.Mark(), 0
	for member := range intersect(operands) {
		c.Bulk(member)
		n++
	}
	c.CloseSet(mark, n)
	return nil
}

func sintercard(c *Context) error {
	keys, limit, err := sintercardArgs(c)
	if err != nil {
		return err
	}
	operands, _, err := readOperands(c, keys)
	if err != nil {
		return err
	}
	n := int64(0)
	for range intersect(operands) {
		n++
		if n == limit {
			break
		}
	}
	c.Int64(n)
	return nil
}

// sintercardArgs takes the call apart. limit is 0 for none; the last one counts.
func sintercardArgs(c *Context) (keys [][]byte, limit int64, err error) {
	numkeys, ok := ParseInt(c.Args[1])
	switch {
	case !ok || numkeys < 1:
		return nil, 0, errNumKeys
	case numkeys > int64(len(c.Args)-2):
		return nil, 0, errTooManyKeys
	}
	keys, options := c.Args[2:2+numkeys], c.Args[2+numkeys:]
	for ; len(options) > 0; options = options[2:] {
		if !Is(options[0], "LIMIT") || len(options) < 2 {
			return nil, 0, ErrSyntax
		}
		limit, ok = ParseInt(options[1])
		if !ok || limit < 0 {
			return nil, 0, errLimit
		}
	}
	return keys, limit, nil
}

func sinterstore(c *Context) error {
	operands, extended, err := readOperands(c, c.Args[2:])
	if err != nil {
		return err
	}
	result := new(datastructs.Set)
	for member := range intersect(operands) {
		result.Add(member)
	}
	changed := true
	if result.Empty() { // its kin tell of that behind their reply
		if changed = c.Delete(c.Args[1]); changed {
			c.Notify(EventGeneric, "del", c.Args[1])
		}
		c.Int(0)
	} else {
		storeSet(c, result, "sinterstore")
	}
	if changed && extended {
		logSet(c, c.Args[1], result)
	}
	return nil
}

// logSet tells a key's new content in words of plain Redis.
func logSet(c *Context, key []byte, s *datastructs.Set) {
	c.EmitAs("DEL", key)
	if s.Empty() || c.Effects == nil {
		return
	}
	words := append(make([]any, 0, 2+s.Len()), "SADD", key)
	for member := range s.All() {
		words = append(words, bytes.Clone(member))
	}
	c.EmitAs(words...)
}

// readOperands looks up what is to be intersected. extended is set where a sorted
// set is among them, which is beyond Redis: the first time, the operator is told.
func readOperands(c *Context, keys [][]byte) (list []members, extended bool, err error) {
	var key []byte // of the first sorted set
	list = make([]members, len(keys))
	for i, k := range keys {
		v := c.Lookup(k)
		if z, ok := v.(*datastructs.SortedSet); ok && !c.Host.Strict {
			list[i] = unscored{z}
			if key == nil {
				key = k
			}
			continue
		}
		if list[i], err = as[*datastructs.Set](v); err != nil {
			return nil, false, err
		}
	}
	if key == nil {
		return list, false, nil
	}
	if c.ExtensionUsed != nil {
		c.ExtensionUsed(c.Client, c.Command, c.Args)
	}
	c.sinterWarning.Do(func() { c.logEvent(SortedSetIntersected, "key", key) })
	return list, true, nil
}

// once drops operands that are there before: to ask one again, or a million times,
// tells nothing new.
func once[T comparable](operands []T) []T {
	seen := make(map[T]bool, len(operands))
	return slices.DeleteFunc(operands, func(o T) bool {
		before := seen[o]
		seen[o] = true
		return before
	})
}

// intersect returns the members that all operands hold. It walks the smallest and
// asks the others, the small ones first, since they refuse the most.
func intersect(operands []members) iter.Seq[[]byte] {
	operands = once(operands)
	slices.SortStableFunc(operands, func(a, b members) int { return a.Len() - b.Len() })
	others := operands[1:]
	return func(yield func([]byte) bool) {
		for member := range operands[0].All() {
			if inAll(others, member) && !yield(member) {
				return
			}
		}
	}
}

func inAll(list []members, member []byte) bool {
	for _, m := range list {
		if !m.Has(member) {
			return false
		}
	}
	return true
}

func sunion(c *Context) error      { return replySet(c, union) }
func sunionstore(c *Context) error { return combineInto(c, union, "sunionstore") }
func sdiff(c *Context) error       { return replySet(c, subtract) }
func sdiffstore(c *Context) error  { return combineInto(c, subtract, "sdiffstore") }

func replySet(c *Context, combine func([]*datastructs.Set) *datastructs.Set) error {
	sets, err := readSets(c, c.Args[1:])
	if err != nil {
		return err
	}
	writeSet(c, combine(sets))
	return nil
}

func combineInto(c *Context, combine func([]*datastructs.Set) *datastructs.Set, event string) error {
	sets, err := readSets(c, c.Args[2:])
	if err != nil {
		return err
	}
	storeSet(c, combine(sets), event)
	return nil
}

func readSets(c *Context, keys [][]byte) ([]*datastructs.Set, error) {
	sets := make([]*datastructs.Set, len(keys))
	for i, key := range keys {
		s, err := Read[*datastructs.Set](c, key)
		if err != nil {
			return nil, err
		}
		sets[i] = s
	}
	return sets, nil
}

// storeSet puts a result in place of what the destination held, of whatever
// kind, and replies with its size. An empty one only removes what was there.
func storeSet(c *Context, result *datastructs.Set, event string) {
	key := c.Args[1]
	if !result.Empty() {
		c.Replace(key, result)
		c.Int(result.Len())
		c.Notify(EventSet, event, key)
		return
	}
	deleted := c.Delete(key)
	c.Int(0)
	if deleted {
		c.Notify(EventGeneric, "del", key)
	}
}

// union returns a new set of all members.
func union(sets []*datastructs.Set) *datastructs.Set {
	all := new(datastructs.Set)
	for _, s := range once(sets) {
		for member := range s.All() {
			all.Add(member)
		}
	}
	return all
}

// subtract returns a new set of the members that the first set alone holds. It
// asks the others for each of its members, or takes theirs out of a copy,
// whichever is less work; Redis weighs them alike, and what OBJECT ENCODING
// answers about the result depends on it.
func subtract(sets []*datastructs.Set) *datastructs.Set {
	first, others := sets[0], slices.Clone(sets[1:])
	asking, taking := 0, 0
	for _, s := range sets {
		if s != nil {
			asking += first.Len()
			taking += s.Len()
		}
	}
	rest := new(datastructs.Set)
	others = once(others)
	if asking/2 > taking { // to ask may end at the first that has the member
		for member := range first.All() {
			rest.Add(member)
		}
		for _, s := range others {
			for member := range s.All() {
				rest.Remove(member)
			}
		}
		return rest
	}
	slices.SortStableFunc(others, func(a, b *datastructs.Set) int { return b.Len() - a.Len() })
	for member := range first.All() {
		if !slices.ContainsFunc(others, func(s *datastructs.Set) bool { return s.Has(member) }) {
			rest.Add(member)
		}
	}
	return rest
}
