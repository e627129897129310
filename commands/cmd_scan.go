package commands

import (
	"math"
	"strconv"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/datastructs"
)

var scanRows = []Command{
	{
		Name: "scan", Syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
		Summary: "Walks the keys of the database, some at a time.",
		Since:   "2.8.0", Group: "generic", Complexity: "O(1) a call, O(N) for all, N being the number of keys",
		Arity: -2, Flags: ReadOnly,
		Tips: []string{"nondeterministic_output", "request_policy:special"},
		Run:  scan,
	},
	{
		Name: "hscan", Syntax: "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the fields of a hash, some at a time.",
		Since:   "2.8.0", Group: "hash", Complexity: "O(1) a call, O(N) for all, N being the number of fields",
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  hscan,
	},
	{
		Name: "sscan", Syntax: "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the members of a set, some at a time.",
		Since:   "2.8.0", Group: "set", Complexity: "O(1) a call, O(N) for all, N being the number of members",
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  sscan,
	},
	{
		Name: "zscan", Syntax: "key cursor [MATCH pattern] [COUNT count]",
		Summary: "Walks the members of a sorted set, some at a time.",
		Since:   "2.8.0", Group: "sorted-set", Complexity: "O(1) a call, O(N) for all, N being the number of members",
		Arity: -3, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  zscan,
	},
}

// A pattern is a glob of KEYS or the scans.
type pattern struct {
	glob []byte
	all  bool // it is "*", or none was given
}

// newPattern knows the one glob that Redis does not try: "*" matches even the
// empty key, which no other star does.
func newPattern(glob []byte) pattern { return pattern{glob, string(glob) == "*"} }

func (p pattern) matches(s []byte) bool {
	return p.all || datastructs.Match(p.glob, s, false)
}

// A walk is what the words behind the cursor of a scan ask for.
type walk struct {
	match pattern
	count int
	kind  []byte // SCAN only; nil: all kinds
}

func parseWalk(args [][]byte, kinds bool) (walk, error) {
	w := walk{match: pattern{all: true}, count: 10}
	for ; len(args) > 0; args = args[2:] {
		switch {
		case len(args) == 1:
			return w, ErrSyntax
		case Is(args[0], "COUNT"):
			n, ok := ParseInt(args[1])
			if !ok {
				return w, errNotInteger
			}
			if n < 1 {
				return w, ErrSyntax
			}
			w.count = int(min(n, math.MaxInt32))
		case Is(args[0], "MATCH"):
			w.match = newPattern(args[1])
		case Is(args[0], "TYPE") && kinds:
			w.kind = args[1]
		default:
			return w, ErrSyntax
		}
	}
	return w, nil
}

// parseCursor reads a cursor as strtoul of C does, without space before it:
// nothing at all is 0, a minus sign goes round, and a NUL byte ends it.
func parseCursor(p []byte) (uint64, error) {
	p = cut(p, len(p))
	if len(p) == 0 {
		return 0, nil
	}
	negative := p[0] == '-'
	if negative || p[0] == '+' {
		p = p[1:]
	}
	if len(p) == 0 || p[0] == '+' || p[0] == '-' {
		return 0, errCursor
	}
	n, err := strconv.ParseUint(string(p), 10, 64)
	if err != nil {
		return 0, errCursor
	}
	if negative {
		n = -n
	}
	return n, nil
}

// A page is one step of a scan: bulk strings, which are the same in RESP2 and
// RESP3. They are composed aside, since the next cursor comes before them.
type page struct {
	wire.Writer
	n int
}

func (p *page) add(s []byte) {
	p.Bulk(s)
	p.n++
}

func (p *page) reply(c *Context, next uint64) {
	c.Array(2)
	c.Bulk(strconv.AppendUint(nil, next, 10))
	c.Array(p.n)
	c.Adopt(&p.Writer)
}

func scan(c *Context) error {
	cursor, err := parseCursor(c.Args[1])
	if err != nil {
		return err
	}
	w, err := parseWalk(c.Args[2:], true)
	if err != nil {
		return err
	}
	var p page
	cursor, most, empty := c.perturb(cursor, w.count)
	if empty != 0 && c.DB.Len() > 0 {
		p.reply(c, empty)
		return nil
	}
	next := c.DB.Scan(cursor, most, func(key string, v datastructs.Value) {
		name := []byte(key)
		if w.match.matches(name) && w.wants(v) && !c.DB.Expired(name, c.Now) {
			p.add(name)
		}
	})
	p.reply(c, next)
	return nil
}

// wants reports whether a value is of the kind asked for; a word that names no
// kind matches none.
func (w walk) wants(v datastructs.Value) bool {
	if w.kind == nil {
		return true
	}
	return sameWord(string(cut(w.kind, len(w.kind))), v.Kind().String())
}

// step does what HSCAN, SSCAN and ZSCAN have in common. Redis looks at the key
// before it looks at the options.
func step[T datastructs.Value](c *Context, scan func(v T, cursor uint64, w walk, p *page) uint64) error {
	cursor, err := parseCursor(c.Args[2])
	if err != nil {
		return err
	}
	v := c.Lookup(c.Args[1])
	var p page
	if v == nil {
		p.reply(c, 0)
		return nil
	}
	t, err := as[T](v)
	if err != nil {
		return err
	}
	w, err := parseWalk(c.Args[3:], false)
	if err != nil {
		return err
	}
	if packed(v) {
		p.reply(c, scan(t, cursor, w, &p))
		return nil
	}
	cursor, most, empty := c.perturb(cursor, w.count)
	if empty != 0 {
		p.reply(c, empty)
		return nil
	}
	w.count = most
	p.reply(c, scan(t, cursor, w, &p))
	return nil
}

func hscan(c *Context) error {
	return step(c, func(h *datastructs.Hash, cursor uint64, w walk, p *page) uint64 {
		return h.Scan(cursor, w.count, func(field, value []byte) {
			if w.match.matches(field) {
				p.add(field)
				p.add(value)
			}
		})
	})
}

func sscan(c *Context) error {
	return step(c, func(s *datastructs.Set, cursor uint64, w walk, p *page) uint64 {
		return s.Scan(cursor, w.count, func(member []byte) {
			if w.match.matches(member) {
				p.add(member)
				if c.repeatsMember(s) {
					p.add(member)
				}
			}
		})
	})
}

func zscan(c *Context) error {
	return step(c, func(z *datastructs.SortedSet, cursor uint64, w walk, p *page) uint64 {
		packed := z.Encoding() == "listpack"
		return z.Scan(cursor, w.count, func(member []byte, score float64) {
			if w.match.matches(member) {
				p.add(member)
				p.add(appendScore(nil, score, packed))
			}
		})
	})
}

// appendScore appends a score as ZSCAN tells it: as it is stored. A listpack
// holds what is whole as an integer, within the bounds that Redis has for that.
func appendScore(dst []byte, score float64, packed bool) []byte {
	const most = 1 << 62
	if packed && score >= -most && score <= most && score == math.Trunc(score) {
		return strconv.AppendInt(dst, int64(score), 10)
	}
	return wire.AppendDouble(dst, score)
}
