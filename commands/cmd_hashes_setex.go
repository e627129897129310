package commands

import (
	"math"
	"slices"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// The commands that read or write fields of a hash and see to their deadlines,
// or to their removal, in the same step.

const (
	errFieldsNumber   = resp.Error("ERR invalid number of fields")
	errOneCondition   = resp.Error("ERR Only one of FXX or FNX arguments can be specified")
	errOneFieldExpiry = resp.Error("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified")
)

var hashSetexRows = []Command{
	{
		Name: "hgetdel", Syntax: "key FIELDS numfields field [field ...]",
		Summary: "Reads fields of a hash and removes them; without its last field the key goes too.",
		Since:   "8.0.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Delete}},
		Run:  hgetdel,
	},
	{
		Name: "hgetex", Syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] " +
			"FIELDS numfields field [field ...]",
		Summary: "Reads fields of a hash and lets them expire, or stay.",
		Since:   "8.0.0", Group: "hash", Complexity: "O(N), N being the number of fields named",
		Arity: -5, Flags: Write | Fast,
		Keys: Keys{{First: 1, Flags: RW | Access | Update}},
		Run:  hgetex,
	},
	{
		Name: "hsetex", Syntax: "key [FNX | FXX] " +
			"[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] " +
			"FIELDS numfields field value [field value ...]",
		Summary: "Writes fields of a hash and lets them expire, on a condition perhaps.",
		Since:   "8.0.0", Group: "hash", Complexity: "O(N), N being the number of fields written",
		Arity: -6, Flags: Write | DenyOOM | Fast,
		Keys: Keys{{First: 1, Flags: RW | Update}},
		Run:  hsetex,
	},
}

func hgetdel(c *Context) error {
	h, err := Find[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	fields, err := c.fieldsFrom(2, errFieldsPositive)
	if err != nil {
		return err
	}
	var deleted [][]byte
	c.Array(len(fields))
	for _, field := range fields {
		c.BulkOrNull(h.Get(field))
		if h.Delete(field) {
			deleted = append(deleted, field)
		}
	}
	if len(deleted) > 0 {
		c.saveWithout(c.Args[1], h, deleted)
	}
	return nil
}

func hgetex(c *Context) error {
	h, err := Find[*datastructs.Hash](c, c.Args[1])
	if err != nil {
		return err
	}
	form := timeFormOf(c.Args[2])
	stay, at, i := Is(c.Args[2], "PERSIST"), int64(0), 2
	switch {
	case stay:
		i = 3
	case form != nil:
		i = 4
		if at, err = c.fieldDeadline(form, c.Args[3]); err != nil {
			return err
		}
	}
	fields, err := c.fieldsFrom(i, errFieldsPositive)
	if err != nil {
		return err
	}
	var changed [][]byte
	c.Array(len(fields))
	for _, field := range fields {
		c.BulkOrNull(h.Get(field))
		if stay && h.ClearDeadline(field) || form != nil && expireField(c, h, field, at, expireRule{}) > 0 {
			changed = append(changed, field)
		}
	}
	switch {
	case !stay:
		c.saveExpiring(c.Args[1], h, at, changed)
	case len(changed) > 0:
		c.Save(c.Args[1], h, EventHash, "hpersist")
		c.EmitAs(append([]any{"HPERSIST", c.Args[1], "FIELDS", len(changed)}, anys(changed)...)...)
	}
	return nil
}

// timeFormOf returns the form of time that an option introduces, or nil.
func timeFormOf(word []byte) *timeForm {
	for _, f := range timeForms {
		if Is(word, f.word) {
			return f
		}
	}
	return nil
}

// hsetexOptions are the words between the key and FIELDS.
type hsetexOptions struct {
	onlyNew, onlyOld bool // FNX FXX
	keep             bool // KEEPTTL
	expires          bool
	at               int64
	pairs            [][]byte
}

func parseHsetex(c *Context) (o hsetexOptions, err error) {
	for i := 2; i < len(c.Args); i++ {
		form := timeFormOf(c.Args[i])
		switch word := c.Args[i]; {
		case Is(word, "FIELDS"):
			o.pairs, err = pairsFrom(c, i)
			return o, err
		case form != nil && (o.expires || o.keep), Is(word, "KEEPTTL") && (o.expires || o.keep):
			return o, errOneFieldExpiry
		case Is(word, "KEEPTTL"):
			o.keep = true
		case form != nil && i+1 < len(c.Args):
			i++
			o.expires = true
			if o.at, err = c.fieldDeadline(form, c.Args[i]); err != nil {
				return o, err
			}
		case Is(word, "FXX"), Is(word, "FNX"):
			if o.onlyNew || o.onlyOld {
				return o, errOneCondition
			}
			o.onlyNew, o.onlyOld = Is(word, "FNX"), Is(word, "FXX")
		default:
			return o, Errorf("ERR unknown argument: %s", cut(word, len(word)))
		}
	}
	return o, c.arityError() // never: a call has more words than these options can be
}

// pairsFrom returns the fields and values behind the word FIELDS, argument i, and
// their number.
func pairsFrom(c *Context, i int) ([][]byte, error) {
	if i+3 >= len(c.Args) {
		return nil, c.arityError()
	}
	pairs := c.Args[i+2:]
	n, ok := ParseInt(c.Args[i+1])
	switch {
	case !ok || n < 1 || n > math.MaxInt32:
		return nil, errFieldsNumber
	case int64(len(pairs)) != 2*n:
		return nil, c.arityError()
	}
	return pairs, nil
}

// allowed reports whether the fields are there, or not, as the condition asks.
func (o *hsetexOptions) allowed(h *datastructs.Hash) bool {
	for i := 0; i < len(o.pairs); i += 2 {
		if _, found := h.Get(o.pairs[i]); found && o.onlyNew || !found && o.onlyOld {
			return false
		}
	}
	return true
}

func hsetex(c *Context) error {
	o, err := parseHsetex(c)
	if err != nil {
		return err
	}
	key := c.Args[1]
	h, err := Open[*datastructs.Hash](c, key)
	if err != nil {
		return err
	}
	if !o.allowed(h) {
		c.Flag(false)
		return nil
	}
	fields := make([][]byte, 0, len(o.pairs)/2)
	for i := 0; i < len(o.pairs); i += 2 {
		fields = append(fields, o.pairs[i])
		if o.keep || o.expires {
			h.Update(o.pairs[i], o.pairs[i+1])
		} else {
			h.Set(o.pairs[i], o.pairs[i+1])
		}
	}
	c.Store(key, h)
	c.DB.BeginChange(key, h) // it is not final yet
	c.Flag(true)
	c.Notify(EventHash, "hset", key)
	if !o.expires || o.at > c.Now { // else all that remains to be told is HDEL
		c.EmitAs(append([]any{"HSET", key}, anys(o.pairs)...)...)
	}
	if !o.expires {
		c.logKept(key, h, fields)
		return nil
	}
	fields = slices.DeleteFunc(fields, func(field []byte) bool { // named twice, it is gone already
		return expireField(c, h, field, o.at, expireRule{}) == noField
	})
	c.saveExpiring(key, h, o.at, fields)
	return nil
}

// logKept tells the deadlines of fields that an effect before, which is HSET,
// would take away. Fields of one deadline that follow each other are one effect.
func (c *Context) logKept(key []byte, h *datastructs.Hash, fields [][]byte) {
	for i := 0; i < len(fields); {
		at, hasDeadline := h.Deadline(fields[i])
		j := i + 1
		for ; j < len(fields); j++ {
			if next, ok := h.Deadline(fields[j]); ok != hasDeadline || next != at {
				break
			}
		}
		if hasDeadline {
			c.logDeadline(key, at, fields[i:j])
		}
		i = j
	}
}
