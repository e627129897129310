package commands

import (
	"bytes"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// SORT and SORT_RO. Both leave a sorted set in its large form, which OBJECT
// ENCODING tells; Redis does, and so they run alone.

var sortRows = []Command{
	{
		Name:    "sort",
		Syntax:  "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
		Summary: "Gives the members of a set in order: their own, or that of values of other keys.",
		Since:   "1.0.0", Group: "generic",
		Complexity: "O(N+M*log(M)), N being the number of members and M that of those returned; O(N) if nothing is sorted",
		Arity:      -2, Flags: Write | DenyOOM,
		Keys: Keys{
			{First: 1, Flags: RO | Access},
			{Patterns: true, Flags: RO | Access},
			{First: 2, Option: "STORE", Skip: map[string]int{"by": 1, "get": 1, "limit": 2}, Flags: OW | Update},
		},
		ACL: catSet | catSortedSet | catList | catDangerous,
		Run: sortAny,
	},
	{
		Name:    "sort_ro",
		Syntax:  "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
		Summary: "Is SORT without STORE.",
		Since:   "7.0.0", Group: "generic",
		Complexity: "O(N+M*log(M)), N being the number of members and M that of those returned; O(N) if nothing is sorted",
		Arity:      -2, Flags: ReadOnly | Exclusive,
		Keys: Keys{{First: 1, Flags: RO | Access}, {Patterns: true, Flags: RO | Access}},
		ACL:  catSet | catSortedSet | catList | catDangerous,
		Run:  sortReadOnly,
	},
}

const (
	errNotSortable = resp.Error("ERR One or more scores can't be converted into double")

	// What SORT stores is a list, for which there is no type here.
	errSortBy     = resp.Error("ERR BY option of SORT denied due to insufficient ACL permissions.")
	errSortGet    = resp.Error("ERR GET option of SORT denied due to insufficient ACL permissions.")
	errSortStores = resp.Error("ERR SORT with STORE makes a list, and this server has no lists")

	errSortTooMuch = resp.Error("ERR SORT would have to look up too many keys")
)

// maxSortWork bounds, in bytes, the names of keys that one call may put
// together under the lock. Redis has no bound: a line of a few bytes may stop it
// for hours.
const maxSortWork = 1 << 30

// A sorting is what the options of SORT ask for.
type sorting struct {
	by        []byte // nil: by the members themselves
	unsorted  bool   // BY something that is no pattern
	desc      bool
	alpha     bool
	start     int64
	count     int64 // negative: all
	gets      [][]byte
	storeless bool // SORT_RO
	store     []byte
}

func sortAny(c *Context) error      { return (&sorting{count: -1}).run(c) }
func sortReadOnly(c *Context) error { return (&sorting{count: -1, storeless: true}).run(c) }

func (s *sorting) run(c *Context) error {
	if err := s.parse(c); err != nil {
		return err
	}
	l, err := s.load(c)
	if err != nil {
		return err
	}
	if !s.unsorted {
		if err := l.weigh(c, s.by, s.alpha); err != nil {
			return err
		}
	}
	start, stop := s.span(len(l.members))
	if s.store != nil {
		return s.replace(c, stop-start)
	}
	if !s.unsorted {
		l.sort(s.desc)
	}
	return s.reply(c, l.members[start:stop])
}

func (s *sorting) parse(c *Context) (err error) {
	for i := 2; i < len(c.Args); i++ {
		option, more := c.Args[i], len(c.Args)-i-1
		switch {
		case Is(option, "ASC"):
			s.desc = false
		case Is(option, "DESC"):
			s.desc = true
		case Is(option, "ALPHA"):
			s.alpha = true
		case Is(option, "LIMIT") && more >= 2:
			if s.start, err = c.IntArg(i + 1); err != nil {
				return err
			}
			if s.count, err = c.IntArg(i + 2); err != nil {
				return err
			}
			i += 2
		case Is(option, "STORE") && more >= 1 && !s.storeless:
			i++
			s.store = c.Args[i]
		case Is(option, "BY") && more >= 1:
			i++
			s.by = c.Args[i]
			if bytes.IndexByte(cString(s.by), '*') >= 0 && !c.mayReadAll() {
				return errSortBy
			}
			s.unsorted = s.unsorted || bytes.IndexByte(cString(s.by), '*') < 0
		case Is(option, "GET") && more >= 1:
			i++
			if !c.mayReadAll() {
				return errSortGet
			}
			s.gets = append(s.gets, c.Args[i])
		default:
			return ErrSyntax
		}
	}
	return nil
}

// load reads the members of the key. Of a sorted set that stays in its order
// DESC turns round that order, while it means nothing to an unsorted set; a set
// that is to be stored is sorted in any case, so that its copies are the same.
func (s *sorting) load(c *Context) (*sortList, error) {
	l := new(sortList)
	switch v := c.Lookup(c.Args[1]).(type) {
	case nil:
	case *datastructs.Set:
		if s.unsorted && s.store != nil {
			s.unsorted, s.alpha, s.by = false, true, nil
		}
		l.members = make([][]byte, 0, v.Len())
		for member := range v.All() {
			l.add(member)
		}
	case *datastructs.SortedSet:
		c.DB.BeginChange(c.Args[1], v)
		v.Unpack()
		start, stop := 0, v.Len()
		if s.unsorted {
			start, stop = s.span(stop)
			s.start, s.count = 0, -1
		}
		l.members = make([][]byte, 0, stop-start)
		for member := range v.Range(start, stop, s.unsorted && s.desc) {
			l.add(member)
		}
	default:
		return nil, ErrWrongType
	}
	return l, nil
}

// span returns the places that LIMIT leaves of n.
func (s *sorting) span(n int) (start, stop int) {
	start = int(min(max(s.start, 0), int64(n)))
	if s.count < 0 {
		return start, n
	}
	return start, start + int(min(s.count, int64(n-start)))
}

// replace stores nothing in place of the destination, or refuses to store more.
func (s *sorting) replace(c *Context, n int) error {
	if n > 0 {
		return errSortStores
	}
	if c.Delete(s.store) {
		c.Notify(EventGeneric, "del", s.store)
		c.EmitAs("DEL", s.store)
	}
	c.Int(0)
	return nil
}

func (s *sorting) reply(c *Context, members [][]byte) error {
	if s.gets == nil {
		c.Array(len(members))
		for _, m := range members {
			c.Bulk(m)
		}
		return nil
	}
	if tooMuch(members, s.gets...) {
		return errSortTooMuch
	}
	values := s.values(c, members)
	c.Array(len(values))
	for _, v := range values {
		c.BulkOrNull(v, v != nil)
	}
	return nil
}

// values finds what the GETs ask for, before the reply is begun: a key that is
// missed has an event.
func (s *sorting) values(c *Context, members [][]byte) [][]byte {
	patterns := make([]sortPattern, len(s.gets))
	for i, p := range s.gets {
		patterns[i] = newSortPattern(p)
	}
	values := make([][]byte, 0, len(members)*len(patterns))
	for _, m := range members {
		for i := range patterns {
			v, _ := patterns[i].value(c, m)
			values = append(values, v)
		}
	}
	return values
}

// tooMuch reports whether patterns are too many or too long to be filled in
// with these members.
func tooMuch(members [][]byte, patterns ...[]byte) bool {
	const each = 64 // what a short look-up costs, in bytes that could be copied meanwhile
	n, size := len(members), 0
	for _, m := range members {
		size += len(m)
	}
	work := 0
	for _, p := range patterns {
		if n > 0 && len(p)+each > maxSortWork/n {
			return true
		}
		if work += n*(len(p)+each) + size; work > maxSortWork {
			return true
		}
	}
	return false
}
