package commands

import (
	"math"

	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/datastructs"
)

// What Redis says, word for word, to the question that its policy does not answer.
const (
	errNoLFU = resp.Error("ERR An LFU maxmemory policy is not selected, access frequency not tracked. " + policySwitched)
	errLFU   = resp.Error("ERR An LFU maxmemory policy is selected, idle time not tracked. " + policySwitched)

	policySwitched = "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)

var objectRow = Command{
	Name: "object", Syntax: "",
	Summary: "Holds the commands that look at how a value is kept.",
	Since:   "2.2.3", Group: "generic", Complexity: "Depends on the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "encoding", Syntax: "key",
			Summary: "Tells in which form a value is kept.",
			Since:   "2.2.3", Group: "generic", Complexity: "O(1)",
			Arity: 3, Flags: ReadOnly,
			Keys: Keys{{First: 2, Flags: RO}},
			Tips: []string{"nondeterministic_output"},
			Run:  objectEncoding,
		},
		{
			Name: "freq", Syntax: "key",
			Summary: "Tells how often a key is used, where that is tracked.",
			Since:   "4.0.0", Group: "generic", Complexity: "O(1)",
			Arity: 3, Flags: ReadOnly,
			Keys: Keys{{First: 2, Flags: RO}},
			Tips: []string{"nondeterministic_output"},
			Run:  objectFreq,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Shows this list.",
			Since:   "6.2.0", Group: "generic", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "idletime", Syntax: "key",
			Summary: "Tells for how many seconds a key has not been used.",
			Since:   "2.2.3", Group: "generic", Complexity: "O(1)",
			Arity: 3, Flags: ReadOnly,
			Keys: Keys{{First: 2, Flags: RO}},
			Tips: []string{"nondeterministic_output"},
			Run:  objectIdleTime,
		},
		{
			Name: "refcount", Syntax: "key",
			Summary: "Tells how many references a value has.",
			Since:   "2.2.3", Group: "generic", Complexity: "O(1)",
			Arity: 3, Flags: ReadOnly,
			Keys: Keys{{First: 2, Flags: RO}},
			Tips: []string{"nondeterministic_output"},
			Run:  objectRefcount,
		},
	},
}

// inspect is Peek without an event.
func inspect(c *Context, key []byte) datastructs.Value {
	v := c.DB.Peek(key, c.Now)
	c.Stats.lookup(v != nil)
	return v
}

func objectEncoding(c *Context) error {
	v := inspect(c, c.Args[2])
	if v == nil {
		c.Null()
		return nil
	}
	c.BulkString(v.Encoding())
	return nil
}

func objectFreq(c *Context) error {
	switch {
	case inspect(c, c.Args[2]) == nil:
		c.Null()
	case !c.Counting.On:
		return errNoLFU
	default:
		n, _ := c.DB.Frequency(c.Args[2], c.Now)
		c.Int64(n)
	}
	return nil
}

func objectIdleTime(c *Context) error {
	switch {
	case inspect(c, c.Args[2]) == nil:
		c.Null()
	case c.Counting.On:
		return errLFU
	default:
		idle, _ := c.DB.Idle(c.Args[2], c.Now)
		c.Int64(idle)
	}
	return nil
}

// objectRefcount tells what Redis would: small integers are one value that all
// keys share, for ever.
func objectRefcount(c *Context) error {
	v := inspect(c, c.Args[2])
	if v == nil {
		c.Null()
		return nil
	}
	if s, ok := v.(*datastructs.String); ok && s.Shared() {
		c.Int(math.MaxInt32)
	} else {
		c.Int(1)
	}
	return nil
}
