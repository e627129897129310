package commands

import (
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// What it costs to take M members out of a sorted set, looking at K keys for it.
const (
	costPop     = "O(M*log(N)), N being the size of the sorted set and M the number of members taken out"
	costPopKeys = "O(K)+O(M*log(N)), K being the number of keys, N the size of the sorted set and M the number of members taken out"
)

var scorePopRows = []Command{
	{
		Name: "bzmpop", Syntax: "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
		Types:   map[string]string{"timeout": "double"},
		Summary: "Takes members with their scores from one end of the first sorted set that has any, waiting for one if need be.",
		Since:   "7.0.0", Group: "sorted-set", Complexity: costPopKeys,
		Arity: -5, Flags: Write | Blocking,
		Keys: Keys{{First: 2, Count: true, Flags: RW | Access | Delete}},
		Run:  bzmpop,
	},
	{
		Name: "bzpopmax", Syntax: "key [key ...] timeout",
		Types:   map[string]string{"timeout": "double"},
		Summary: "Takes the member with the highest score from the first sorted set that has any, waiting for one if need be.",
		Since:   "5.0.0", Group: "sorted-set", Complexity: costCount,
		Arity: -3, Flags: Write | NoScript | Blocking | Fast,
		Keys: Keys{{First: 1, Last: -2, Flags: RW | Access | Delete}},
		Run:  bzpopmax,
	},
	{
		Name: "bzpopmin", Syntax: "key [key ...] timeout",
		Types:   map[string]string{"timeout": "double"},
		Summary: "Takes the member with the lowest score from the first sorted set that has any, waiting for one if need be.",
		Since:   "5.0.0", Group: "sorted-set", Complexity: costCount,
		Arity: -3, Flags: Write | NoScript | Blocking | Fast,
		Keys: Keys{{First: 1, Last: -2, Flags: RW | Access | Delete}},
		Run:  bzpopmin,
	},
	{
		Name: "zmpop", Syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
		Summary: "Takes members with their scores from one end of the first sorted set that has any.",
		Since:   "7.0.0", Group: "sorted-set", Complexity: costPopKeys,
		Arity: -4, Flags: Write,
		Keys: Keys{{First: 1, Count: true, Flags: RW | Access | Delete}},
		Run:  zmpop,
	},
	{
		Name: "zpopmax", Syntax: "key [count]",
		Summary: "Takes the members with the highest scores.",
		Since:   "5.0.0", Group: "sorted-set", Complexity: costPop,
		Arity: -2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}},
		Run:  zpopmax,
	},
	{
		Name: "zpopmin", Syntax: "key [count]",
		Summary: "Takes the members with the lowest scores.",
		Since:   "5.0.0", Group: "sorted-set", Complexity: costPop,
		Arity: -2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}},
		Run:  zpopmin,
	},
}

const errPopCount = resp.Error("ERR count should be greater than 0")

func zpopmin(c *Context) error { return popFrom(c, false) }

func zpopmax(c *Context) error { return popFrom(c, true) }

// popFrom replies with a flat list, but with pairs in RESP3 if a count is given.
func popFrom(c *Context, highest bool) error {
	if len(c.Args) > 3 {
		return ErrSyntax
	}
	count, pairs := int64(1), false
	if len(c.Args) == 3 {
		n, ok := ParseInt(c.Args[2])
		if !ok || n < 0 {
			return errNotPositive
		}
		count, pairs = n, c.RESP3()
	}
	z, err := Find[*datastructs.SortedSet](c, c.Args[1])
	if err != nil {
		return err
	}
	n := int(min(count, int64(z.Len())))
	if n == 0 {
		c.Array(0)
		return nil
	}
	if pairs {
		c.Array(n)
	} else {
		c.Array(2 * n)
	}
	pop(c, c.Args[1], z, n, highest, pairs)
	return nil
}

func bzpopmin(c *Context) error { return awaitPop(c, false) }

func bzpopmax(c *Context) error { return awaitPop(c, true) }

func awaitPop(c *Context, highest bool) error {
	last := len(c.Args) - 1
	timeout, err := c.blockTimeout(last)
	if err != nil {
		return err
	}
	keys := c.Args[1:last]
	key, z, err := firstHeld(c, keys)
	if err != nil {
		return err
	}
	if key == nil {
		return c.Wait(timeout, keys...)
	}
	c.Array(3)
	c.Bulk(key)
	pop(c, key, z, 1, highest, false)
	return nil
}

// A multiPop is what ZMPOP and BZMPOP ask for.
type multiPop struct {
	keys    [][]byte
	highest bool
	count   int64
}

func zmpop(c *Context) error {
	m, err := readMultiPop(c.Args[1:])
	if err != nil {
		return err
	}
	key, z, err := firstHeld(c, m.keys)
	switch {
	case err != nil:
		return err
	case key == nil:
		c.NullArray()
	default:
		m.pop(c, key, z)
	}
	return nil
}

// bzmpop looks at its timeout last, unlike its kin, as Redis does.
func bzmpop(c *Context) error {
	m, err := readMultiPop(c.Args[2:])
	if err != nil {
		return err
	}
	timeout, err := c.blockTimeout(1)
	if err != nil {
		return err
	}
	key, z, err := firstHeld(c, m.keys)
	switch {
	case err != nil:
		return err
	case key == nil:
		return c.Wait(timeout, m.keys...)
	}
	m.pop(c, key, z)
	return nil
}

// readMultiPop reads the words from the number of keys on.
func readMultiPop(words [][]byte) (m multiPop, err error) {
	n, ok := ParseInt(words[0])
	switch {
	case !ok || n < 1:
		return m, errNumKeys
	case n > int64(len(words)-2):
		return m, ErrSyntax
	}
	m.keys = words[1 : n+1]
	switch end := words[n+1]; {
	case Is(end, "MIN"):
	case Is(end, "MAX"):
		m.highest = true
	default:
		return m, ErrSyntax
	}
	switch options := words[n+2:]; {
	case len(options) == 0:
		m.count = 1
		return m, nil
	case len(options) == 1 || !Is(options[0], "COUNT"):
		return m, ErrSyntax
	default:
		m.count, ok = ParseInt(options[1])
		if !ok || m.count < 1 {
			return m, errPopCount
		}
		if len(options) > 2 {
			return m, ErrSyntax
		}
	}
	return m, nil
}

func (m *multiPop) pop(c *Context, key []byte, z *datastructs.SortedSet) {
	n := int(min(m.count, int64(z.Len())))
	c.Array(2)
	c.Bulk(key)
	c.Array(n)
	pop(c, key, z, n, m.highest, true)
}

// firstHeld returns the first key that is there; nil if none is. A call that
// has waited takes only from the key that it was woken for.
func firstHeld(c *Context, keys [][]byte) ([]byte, *datastructs.SortedSet, error) {
	if c.Woken != nil {
		keys = [][]byte{c.Woken}
	}
	for _, key := range keys {
		z, err := Find[*datastructs.SortedSet](c, key)
		if err != nil || !z.Empty() {
			return key, z, err
		}
	}
	return nil, nil, nil
}

// pop takes n members, no more than there are, from one end, and writes each
// with its score, as a pair of its own or not.
func pop(c *Context, key []byte, z *datastructs.SortedSet, n int, highest, pairs bool) {
	event, s := "zpopmin", rankSpan{0, n, highest}
	for member, score := range z.Range(s.start, s.stop, s.reverse) {
		if pairs {
			c.Array(2)
		}
		c.Bulk(member)
		c.Double(score)
	}
	logRemoval(c, key, z, s)
	if highest {
		event = "zpopmax"
		s.start, s.stop = z.Len()-n, z.Len()
	}
	z.RemoveRange(s.start, s.stop)
	c.Save(key, z, EventZSet, event)
}
