package commands

import (
	"iter"
	"math"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// What a field's value must be for HINCRBY and HINCRBYFLOAT, and what may be
// added to it.
const (
	errHashNotInteger = resp.Error("ERR hash value is not an integer")
	errHashNotFloat   = resp.Error("ERR hash value is not a float")
	errNaNOrInfinity  = resp.Error("ERR value is NaN or Infinity")
)

var hashRows = []Command{
	{
		Name: "hdel", Syntax: "key field [field ...]",
		Summary: "Removes fields from a hash; without its last field the key goes too.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -3, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Delete}},
		Run:  hdel,
	},
	{
		Name: "hexists", Syntax: "key field",
		Summary: "Tells whether a hash has a field.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(1)",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  hexists,
	},
	{
		Name: "hget", Syntax: "key field",
		Summary: "Reads one field of a hash.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(1)",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  hget,
	},
	{
		Name: "hgetall", Syntax: "key",
		Summary: "Reads a whole hash: each field with its value.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields",
		Arity: 2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  hgetall,
	},
	{
		Name: "hincrby", Syntax: "key field increment",
		Summary: "Adds an integer to the number in a field, which counts as 0 if it is missing.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(1)",
		Arity: 4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  hincrby,
	},
	{
		Name: "hincrbyfloat", Syntax: "key field increment",
		Types:   map[string]string{"increment": "double"},
		Summary: "Adds a fraction to the number in a field, which counts as 0 if it is missing.",
		Since:   "2.6.0", Group: "hash", Complexity: "O(1)",
		Arity: 4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  hincrbyfloat,
	},
	{
		Name: "hkeys", Syntax: "key",
		Summary: "Lists the fields of a hash.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields",
		Arity: 2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  hkeys,
	},
	{
		Name: "hlen", Syntax: "key",
		Summary: "Counts the fields of a hash.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(1)",
		Arity: 2, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  hlen,
	},
	{
		Name: "hmget", Syntax: "key field [field ...]",
		Summary: "Reads several fields of a hash, in the order asked for.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  hmget,
	},
	{
		Name: "hmset", Syntax: "key field value [field value ...]",
		Summary: "Writes fields of a hash and answers OK.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields written",
		Arity: -4, Flags: Write | DenyOOM | Fast,
		Keys:       Keys{{First: 1, Flags: RW | Update}},
		Deprecated: "4.0.0", ReplacedBy: "HSET, which takes several fields since then",
		Run: hmset,
	},
	{
		Name: "hrandfield", Syntax: "key [count [WITHVALUES]]",
		Summary: "Picks fields of a hash at random: one, several different ones, or with repeats.",
		Since:   "6.2.0", Group: "hash", Complexity: "O(N), N being the number of fields picked",
		Arity: -2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output"},
		Run:  hrandfield,
	},
	{
		Name: "hset", Syntax: "key field value [field value ...]",
		Summary: "Writes fields of a hash and tells how many are new.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields written",
		Arity: -4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hset,
	},
	{
		Name: "hsetnx", Syntax: "key field value",
		Summary: "Writes a field of a hash unless it is there already.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(1)",
		Arity: 4, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Insert}},
		Run:  hsetnx,
	},
	{
		Name: "hstrlen", Syntax: "key field",
		Summary: "Gives the length in bytes of a field's value.",
		Since:   "3.2.0", Group: "hash", Complexity: "O(1)",
		Arity: 3, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO}},
		Run:  hstrlen,
	},
	{
		Name: "hvals", Syntax: "key",
		Summary: "Lists the values of a hash.",
		Since:   "2.0.0", Group: "hash", Complexity: "O(N), N being the number of fields",
		Arity: 2, Flags: ReadOnly,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Tips: []string{"nondeterministic_output_order"},
		Run:  hvals,
	},
}

// Most of the writes below reply before they tell their event, as Redis does.

func hset(c *Context) error {
	h, added, err := setFields(c)
	if err != nil {
		return err
	}
	c.Store(c.Args[1], h)
	c.Int(added)
	c.Notify(EventHash, "hset", c.Args[1])
	return nil
}

func hmset(c *Context) error {
	h, _, err := setFields(c)
	if err != nil {
		return err
	}
	c.Store(c.Args[1], h)
	c.OK()
	c.Notify(EventHash, "hset", c.Args[1])
	return nil
}

// setFields sets the fields of a call and leaves it to the caller to save.
func setFields(c *Context) (h *datastructs.Hash, added int, err error) {
	if len(c.Args)%2 != 0 {
		return nil, 0, c.arityError()
	}
	h, err = Open[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return nil, 0, err
	}
	for i := 2; i < len(c.Args); i += 2 {
		if h.Set(c.Args[i], c.Args[i+1]) {
			added++
		}
	}
	return h, added, nil
}

func hsetnx(c *Context) error {
	h, err := Open[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	if _, found := h.Get(c.Args[2]); found {
		c.Flag(false)
		return nil
	}
	h.Set(c.Args[2], c.Args[3])
	c.Store(c.Args[1], h)
	c.Flag(true)
	c.Notify(EventHash, "hset", c.Args[1])
	return nil
}

func hdel(c *Context) error {
	h, err := Find[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	deleted := 0
	for _, field := range c.Args[2:] {
		if h.Delete(field) {
			deleted++
		}
	}
	if deleted > 0 {
		c.Save(c.Args[1], h, EventHash, "hdel")
	}
	c.Int(deleted)
	return nil
}

func hincrby(c *Context) error {
	by, err := c.IntArg(3)
	if err != nil {
		return err
	}
	h, err := Open[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	var n int64
	if value, found := h.Get(c.Args[2]); found {
		if n, found = ParseInt(value); !found {
			return errHashNotInteger
		}
	}
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		return errOverflow
	}
	n += by
	h.Update(c.Args[2], word(n))
	c.Store(c.Args[1], h)
	c.Int64(n)
	c.Notify(EventHash, "hincrby", c.Args[1])
	return nil
}

// hincrbyfloat tells its effect as HSET: a sum of floats depends on who adds.
func hincrbyfloat(c *Context) error {
	by, ok := parseLong(c.Args[3])
	if !ok {
		return errNotFloat
	}
	if by.IsInf() {
		return errNaNOrInfinity
	}
	h, err := Open[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	value, found := h.Get(c.Args[2])
	if !found {
		value = []byte("0")
	}
	n, ok := parseLong(value)
	if !ok {
		return errHashNotFloat
	}
	sum, ok := addLong(n, by)
	if !ok {
		return errIncrementInf
	}
	h.Update(c.Args[2], sum)
	c.Store(c.Args[1], h)
	c.Bulk(sum)
	c.Notify(EventHash, "hincrbyfloat", c.Args[1])
	c.EmitAs("HSET", c.Args[1], c.Args[2], sum)
	c.logKept(c.Args[1], h, c.Args[2:3])
	return nil
}

func hget(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.BulkOrNull(h.Get(c.Args[2]))
	return nil
}

func hmget(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(len(c.Args) - 2)
	for _, field := range c.Args[2:] {
		c.BulkOrNull(h.Get(field))
	}
	return nil
}

func hgetall(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Map(h.Len())
	for field, value := range h.All() {
		c.Bulk(field)
		c.Bulk(value)
	}
	return nil
}

func hkeys(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(h.Len())
	for field := range h.All() {
		c.Bulk(field)
	}
	return nil
}

func hvals(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Array(h.Len())
	for _, value := range h.All() {
		c.Bulk(value)
	}
	return nil
}

func hlen(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	c.Int(h.Len())
	return nil
}

func hexists(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	_, found := h.Get(c.Args[2])
	c.Flag(found)
	return nil
}

func hstrlen(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	value, _ := h.Get(c.Args[2])
	c.Int(len(value))
	return nil
}

func hrandfield(c *Context) error {
	if len(c.Args) == 2 {
		return randomField(c)
	}
	count, err := countArg(c, 2)
	if err != nil {
		return err
	}
	values := len(c.Args) == 4 && Is(c.Args[3], "WITHVALUES")
	switch {
	case len(c.Args) > 3 && !values:
		return ErrSyntax
	case values && (count < -math.MaxInt64/2 || count > math.MaxInt64/2):
		return errOutOfRange // the length of a flat reply would not fit in RESP2
	}
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	n := int(picks(count, h.Len()))
	if values && !c.RESP3() {
		n *= 2 // one behind the other; RESP3 has pairs
	}
	c.Array(n)
	for field, value := range pickFields(c, h, count) {
		if values && c.RESP3() {
			c.Array(2)
		}
		c.Bulk(field)
		if values {
			c.Bulk(value)
		}
	}
	return nil
}

// pickFields returns what a count asks for.
func pickFields(c *Context, h *datastructs.Hash, count int64) iter.Seq2[[]byte, []byte] {
	n := picks(count, h.Len())
	var places iter.Seq[int]
	switch {
	case count < 0:
		places = repeats(c, n, h.Len())
	case sparse(n, h.Len()):
		places = distinct(c.Rand, n, h.Len())
	}
	return func(yield func(field, value []byte) bool) {
		if places != nil {
			for i := range places {
				if !yield(h.At(i)) {
					return
				}
			}
			return
		}
		draw := reservoir{c.Rand, int(n), h.Len()}
		for field, value := range h.All() {
			if draw.next() && !yield(field, value) {
				return
			}
		}
	}
}

func randomField(c *Context) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	if h.Empty() {
		c.Null()
		return nil
	}
	field, _ := h.At(c.Rand.IntN(h.Len()))
	c.Bulk(field)
	return nil
}
