package commands

import (
	"bytes"
	"iter"

	"github.com/parley-chat/parley/datastructs"
)

// setRows are the commands on sets, those of cmd_sets_algebra.go included.
var setRows = []Command{
	{
		Name: "sadd", Syntax: "key member [member ...]",
		Summary: "Adds members to a set and tells how many are new.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members given",
		Arity: -3, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Insert}},
		Run:  sadd,
	},
	{
		Name: "scard", Syntax: "key",
		Summary: "Counts the members of a set.",
		Since:   "1.0.0", Group: "set", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  scard,
	},
	{
		Name: "sdiff", Syntax: "key [key ...]",
		Summary: "Gives the members of the first set that no other set has.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members of all sets together",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Last: -1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  sdiff,
	},
	{
		Name: "sdiffstore", Syntax: "destination key [key ...]",
		Summary: "Stores the members of the first set that no other set has.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members of all sets together",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Last: -1, Flags: RO | Access}},
		Run:  sdiffstore,
	},
	{
		Name: "sinter", Syntax: "key [key ...]",
		Summary: "Gives the members that all sets have in common.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Last: -1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  sinter,
	},
	{
		Name: "sintercard", Syntax: "numkeys key [key ...] [LIMIT limit]",
		Summary: "Counts the members that all sets have in common, up to a limit.",
		Since:   "7.0.0", Group: "set", Complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Count: true, Flags: RO | Access}},
		Run:  sintercard,
	},
	{
		Name: "sinterstore", Syntax: "destination key [key ...]",
		Summary: "Stores the members that all sets have in common.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N*M) at worst, N being the size of the smallest set and M the number of sets",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: RW | Update}, {First: 2, Last: -1, Flags: RO | Access}},
		Run:  sinterstore,
	},
	{
		Name: "sismember", Syntax: "key member",
		Summary: "Tells whether a set has a member.",
		Since:   "1.0.0", Group: "set", Complexity: "O(1)",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  sismember,
	},
	{
		Name: "smembers", Syntax: "key",
		Summary: "Lists the members of a set.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members",
		Arity: 2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  smembers,
	},
	{
		Name: "smismember", Syntax: "key member [member ...]",
		Summary: "Tells for each of several members whether a set has it.",
		Since:   "6.2.0", Group: "set", Complexity: "O(N), N being the number of members asked about",
		Arity: -3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  smismember,
	},
	{
		Name: "smove", Syntax: "source destination member",
		Summary: "Takes a member out of one set and puts it into another.",
		Since:   "1.0.0", Group: "set", Complexity: "O(1)",
		Arity: 4, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}, {First: 2, Flags: RW | Insert}},
		Run:  smove,
	},
	{
		Name: "spop", Syntax: "key [count]",
		Summary: "Takes members out of a set at random; without its last member the key goes too.",
		Since:   "1.0.0", Group: "set", Complexity: "O(1) for one, O(N) with a count of N",
		Arity: -2, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}},
		Tips: []string{"nondeterministic_output"},
		Run:  spop,
	},
	{
		Name: "srandmember", Syntax: "key [count]",
		Summary: "Picks members of a set at random: one, several different ones, or with repeats.",
		Since:   "1.0.0", Group: "set", Complexity: "O(1) for one, O(N) with a count of N or -N",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  srandmember,
	},
	{
		Name: "srem", Syntax: "key member [member ...]",
		Summary: "Removes members from a set; without its last member the key goes too.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members named",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  srem,
	},
	{
		Name: "sunion", Syntax: "key [key ...]",
		Summary: "Gives the members that at least one of the sets has.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members of all sets together",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Last: -1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  sunion,
	},
	{
		Name: "sunionstore", Syntax: "destination key [key ...]",
		Summary: "Stores the members that at least one of the sets has.",
		Since:   "1.0.0", Group: "set", Complexity: "O(N), N being the number of members of all sets together",
		Arity: -3, Flags: Write | DenyOOM,
		Keys: Keys{{First: 1, Flags: OW | Update}, {First: 2, Last: -1, Flags: RO | Access}},
		Run:  sunionstore,
	},
}

func sadd(c *Context) error {
	s, err := Open[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	added := 0
	for _, member := range c.Args[2:] {
		if s.Add(member) {
			added++
		}
	}
	if added > 0 {
		c.Save(c.Args[1], s, EventSet, "sadd")
	}
	c.Int(added)
	return nil
}

func srem(c *Context) error {
	s, err := Find[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	removed := 0
	for _, member := range c.Args[2:] {
		if s.Remove(member) {
			removed++
		}
	}
	if removed > 0 {
		c.Save(c.Args[1], s, EventSet, "srem")
	}
	c.Int(removed)
	return nil
}

// smove does not look at the destination when there is no source, not even at
// its type; as Redis.
func smove(c *Context) error {
	source, destination, member := c.Args[1], c.Args[2], c.Args[3]
	from, err := Find[*datastructs.Set](c, source)
	if err != nil {
		return err
	}
	if from == nil {
		c.Flag(false)
		return nil
	}
	to, err := Open[*datastructs.Set](c, destination)
	if err != nil {
		return err
	}
	if bytes.Equal(source, destination) {
		c.Flag(from.Has(member))
		return nil
	}
	moved := from.Remove(member)
	if moved {
		c.Save(source, from, EventSet, "srem")
		if to.Add(member) {
			c.Save(destination, to, EventSet, "sadd")
		}
	}
	c.Flag(moved)
	return nil
}

func scard(c *Context) error {
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Int(s.Len())
	return nil
}

func sismember(c *Context) error {
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Flag(s.Has(c.Args[2]))
	return nil
}

func smismember(c *Context) error {
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		c.Flag(s.Has(member))
	}
	return nil
}

func smembers(c *Context) error {
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	writeSet(c, s)
	return nil
}

func writeSet(c *Context, s *datastructs.Set) {
	c.Set(s.Len())
	for member := range s.All() {
		c.Bulk(member)
	}
}

func spop(c *Context) error {
	switch len(c.Args) {
	case 2:
		return popMember(c)
	case 3:
		return popMembers(c)
	}
	return ErrSyntax
}

func popMember(c *Context) error {
	key := c.Args[1]
	s, err := Find[*datastructs.Set](c, key)
	if err != nil {
		return err
	}
	if s.Empty() {
		c.Null()
		return nil
	}
	member := s.AppendAt(nil, c.Rand.IntN(s.Len()))
	s.Remove(member)
	c.Notify(EventSet, "spop", key)
	c.Bulk(member)
	storeRest(c, key, s)
	c.EmitAs("SREM", key, member)
	return nil
}

// storeRest stores what SPOP has left of a set, once it has replied.
func storeRest(c *Context, key []byte, s *datastructs.Set) {
	c.Store(key, s)
	if s.Empty() {
		c.Notify(EventGeneric, "del", key)
	}
}

// popMembers takes members out of the set, or, where few are to be left, puts
// those into a new one. So does Redis: the new one may be an intset again.
func popMembers(c *Context) error {
	key := c.Args[1]
	count, ok := ParseInt(c.Args[2])
	if !ok || count < 0 {
		return errNotPositive
	}
	s, err := Find[*datastructs.Set](c, key)
	if err != nil {
		return err
	}
	n := int(picks(count, s.Len()))
	if n == 0 {
		c.Set(0)
		return nil
	}
	c.Notify(EventSet, "spop", key)
	c.Set(n)
	popped := popping{c: c, key: key}
	if rest := s.Len() - n; rest > n/5 {
		for range n {
			member := s.AppendAt(nil, c.Rand.IntN(s.Len()))
			s.Remove(member)
			popped.add(member)
		}
	} else {
		s = popped.allBut(rest, s)
	}
	storeRest(c, key, s)
	popped.log(s.Empty())
	return nil
}

// popping is a reply of popped members and, in words, the effect it will have.
type popping struct {
	c      *Context
	key    []byte
	effect []any
}

func (p *popping) add(member []byte) {
	p.c.Bulk(member)
	if p.c.Effects != nil {
		p.effect = append(p.effect, bytes.Clone(member))
	}
}

// allBut pops all members but so many and returns a set of those.
func (p *popping) allBut(rest int, s *datastructs.Set) *datastructs.Set {
	left := new(datastructs.Set)
	stay := reservoir{p.c.Rand, rest, s.Len()}
	for member := range s.All() {
		if stay.next() {
			left.Add(member)
		} else {
			p.add(member)
		}
	}
	return left
}

func (p *popping) log(all bool) {
	if all {
		p.c.EmitAs("DEL", p.key)
		return
	}
	p.c.EmitAs(append([]any{"SREM", p.key}, p.effect...)...)
}

func srandmember(c *Context) error {
	switch {
	case len(c.Args) == 2:
		return randomMember(c)
	case len(c.Args) > 3:
		return ErrSyntax
	}
	count, err := countArg(c, 2)
	if err != nil {
		return err
	}
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(int(picks(count, s.Len())))
	for member := range pickMembers(c, s, count) {
		c.Bulk(member)
	}
	return nil
}

// pickMembers returns what a count asks for.
func pickMembers(c *Context, s *datastructs.Set, count int64) iter.Seq[[]byte] {
	n := picks(count, s.Len())
	var places iter.Seq[int]
	switch {
	case count < 0:
		places = repeats(c, n, s.Len())
	case sparse(n, s.Len()):
		places = distinct(c.Rand, n, s.Len())
	}
	return func(yield func(member []byte) bool) {
		if places != nil {
			var buf []byte
			for i := range places {
				if buf = s.AppendAt(buf[:0], i); !yield(buf) {
					return
				}
			}
			return
		}
		draw := reservoir{c.Rand, int(n), s.Len()}
		for member := range s.All() {
			if draw.next() && !yield(member) {
				return
			}
		}
	}
}

func randomMember(c *Context) error {
	s, err := Read[*datastructs.Set](c, c.Args[1])
	if err != nil {
		return err
	}
	if s.Empty() {
		c.Null()
		return nil
	}
	c.Bulk(s.AppendAt(nil, c.Rand.IntN(s.Len())))
	return nil
}
