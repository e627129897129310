package commands

import (
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// The commands about when fields of a hash expire, as Redis 7.4 and 8.0 have them.

const (
	errFieldTime      = resp.Error("ERR invalid expire time, must be >= 0")
	errFieldsMissing  = resp.Error("ERR Mandatory argument FIELDS is missing or not at the right position")
	errFieldsPositive = resp.Error("ERR Number of fields must be a positive integer")
	errFieldsAboveNil = resp.Error("ERR Parameter `numFields` should be greater than 0") // HEXPIRE and kin
	errFieldsMatch    = resp.Error("ERR The `numfields` parameter must match the number of arguments")
)

var hashExpiryRows = []Command{
	{
		Name: "hexpire", Syntax: "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
		Summary: "Lets fields of a hash expire after some seconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -6, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hexpire,
	},
	{
		Name: "hexpireat", Syntax: "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
		Summary: "Lets fields of a hash expire at a Unix time in seconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -6, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hexpireat,
	},
	{
		Name: "hexpiretime", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Tells when fields of a hash expire, as a Unix time in seconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  hexpiretime,
	},
	{
		Name: "hpersist", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Lets fields of a hash stay that would have expired.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hpersist,
	},
	{
		Name: "hpexpire", Syntax: "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
		Summary: "Lets fields of a hash expire after some milliseconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -6, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hpexpire,
	},
	{
		Name: "hpexpireat", Syntax: "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
		Summary: "Lets fields of a hash expire at a Unix time in milliseconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -6, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hpexpireat,
	},
	{
		Name: "hpexpiretime", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Tells when fields of a hash expire, as a Unix time in milliseconds.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  hpexpiretime,
	},
	{
		Name: "hpttl", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Tells how many milliseconds fields of a hash have left.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  hpttl,
	},
	{
		Name: "httl", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Tells how many seconds fields of a hash have left.",
		Since:   "7.4.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: ReadOnly | Fast,
		Keys: Keys{{First: 1, Flags: RO | Access}},
		Run:  httl,
	},
}

// What is replied for each field.
const (
	noField     = -2
	noDeadline  = -1
	notAllowed  = 0
	fieldDone   = 1
	fieldPassed = 2 // its new deadline: it is deleted
)

// maxFieldDeadline is the last Unix ms at which Redis lets a field expire.
const maxFieldDeadline = 1<<46 - 1

// fieldDeadline returns the Unix ms that a word stands for as the time at which
// a field expires.
func (c *Context) fieldDeadline(f *timeForm, word []byte) (at int64, err error) {
	n, ok := ParseInt(word)
	base := int64(0)
	if f.relative {
		base = c.Now
	}
	switch {
	case !ok:
		return 0, errNotInteger
	case n < 0:
		return 0, errFieldTime
	case n > maxFieldDeadline/f.scale, n*f.scale > maxFieldDeadline-base:
		return 0, c.expireError()
	}
	return base + n*f.scale, nil
}

// fieldsFrom returns the fields that the call names behind the word FIELDS,
// which is to be argument i, and their number. notPositive is the error for a
// number that is none.
func (c *Context) fieldsFrom(i int, notPositive error) ([][]byte, error) {
	switch {
	case !Is(c.Args[i], "FIELDS"):
		return nil, errFieldsMissing
	case i+1 == len(c.Args):
		return nil, c.arityError()
	}
	n, ok := ParseInt(c.Args[i+1])
	switch {
	case !ok || n < 1:
		return nil, notPositive
	case n != int64(len(c.Args)-i-2):
		return nil, errFieldsMatch
	}
	return c.Args[i+2:], nil
}

func hexpire(c *Context) error    { return hexpireAs(c, &inSeconds) }
func hpexpire(c *Context) error   { return hexpireAs(c, &inMillis) }
func hexpireat(c *Context) error  { return hexpireAs(c, &atUnixSeconds) }
func hpexpireat(c *Context) error { return hexpireAs(c, &atUnixMillis) }

func hexpireAs(c *Context, f *timeForm) error {
	h, err := Find[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	at, err := c.fieldDeadline(f, c.Args[2])
	if err != nil {
		return err
	}
	rule, err := parseExpireRule(c.Args[3:4])
	i := 4
	if err != nil { // it is no option
		i = 3
	}
	fields, err := c.fieldsFrom(i, errFieldsAboveNil)
	if err != nil {
		return err
	}
	var changed [][]byte
	c.Array(len(fields))
	for _, field := range fields {
		code := expireField(c, h, field, at, rule)
		if code > 0 {
			changed = append(changed, field)
		}
		c.Int(code)
	}
	c.saveExpiring(c.Args[1], h, at, changed)
	return nil
}

// expireField gives a field of h, which may be nil, a deadline. One that is not in
// the future deletes it.
func expireField(c *Context, h *datastructs.Hash, field []byte, at int64, rule expireRule) (code int) {
	if _, found := h.Get(field); !found {
		return noField
	}
	switch old, hasDeadline := h.Deadline(field); {
	case !rule.allows(at, old, hasDeadline):
		return notAllowed
	case at <= c.Now:
		h.Delete(field)
		return fieldPassed
	}
	h.SetDeadline(field, at)
	return fieldDone
}

// saveExpiring stores a hash of which some fields have been given a deadline, or
// have been deleted because it is not in the future, and tells the event and
// the effect.
func (c *Context) saveExpiring(key []byte, h *datastructs.Hash, at int64, changed [][]byte) {
	switch {
	case len(changed) == 0:
	case at <= c.Now:
		c.Stats.ExpiredFields.Add(int64(len(changed)))
		c.saveWithout(key, h, changed)
	default:
		c.Store(key, h)
		c.Notify(EventHash, "hexpire", key)
		c.logDeadline(key, at, changed)
	}
}

// saveWithout is Save for a hash of which some fields have been deleted by
// another command than HDEL.
func (c *Context) saveWithout(key []byte, h *datastructs.Hash, deleted [][]byte) {
	c.Save(key, h, EventHash, "hdel")
	c.EmitAs(append([]any{"HDEL", key}, anys(deleted)...)...)
}

func (c *Context) logDeadline(key []byte, at int64, fields [][]byte) {
	c.EmitAs(append([]any{"HPEXPIREAT", key, at, "FIELDS", len(fields)}, anys(fields)...)...)
}

func anys(words [][]byte) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}

func hpersist(c *Context) error {
	h, err := Find[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	fields, err := c.fieldsFrom(2, errFieldsPositive)
	if err != nil {
		return err
	}
	changed := false
	c.Array(len(fields))
	for _, field := range fields {
		_, found := h.Get(field)
		switch {
		case !found:
			c.Int(noField)
		case !h.ClearDeadline(field):
			c.Int(noDeadline)
		default:
			c.Int(fieldDone)
			changed = true
		}
	}
	if changed {
		c.Save(c.Args[1], h, EventHash, "hpersist")
	}
	return nil
}

func httl(c *Context) error {
	return replyFieldDeadlines(c, func(at int64) int64 { return secondsUp(at - c.Now) })
}

func hpttl(c *Context) error {
	return replyFieldDeadlines(c, func(at int64) int64 { return at - c.Now })
}

func hexpiretime(c *Context) error { return replyFieldDeadlines(c, secondsUp) }

func hpexpiretime(c *Context) error {
	return replyFieldDeadlines(c, func(at int64) int64 { return at })
}

// replyFieldDeadlines replies with the deadlines of fields as form puts them.
func replyFieldDeadlines(c *Context, form func(at int64) int64) error {
	h, err := Read[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	fields, err := c.fieldsFrom(2, errFieldsPositive)
	if err != nil {
		return err
	}
	c.Array(len(fields))
	for _, field := range fields {
		at, hasDeadline := h.Deadline(field)
		_, found := h.Get(field)
		switch {
		case hasDeadline:
			c.Int64(form(at))
		case found:
			c.Int(noDeadline)
		default:
			c.Int(noField)
		}
	}
	return nil
}

// secondsUp rounds ms up, as Redis does for fields; the times of keys it rounds.
func secondsUp(ms int64) int64 { return (ms + 999) / 1000 }
