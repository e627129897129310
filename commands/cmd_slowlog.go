package commands

import (
	"math"
)

var slowlogRow = Command{
	Name: "slowlog", Syntax: "",
	Summary: "Holds the commands about the calls that took long.",
	Since:   "2.2.12", Group: "server", Complexity: "That of the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "get", Syntax: "[count]",
			Summary: "Lists slow calls, the latest first: 10, or count, or with -1 all.",
			Since:   "2.2.12", Group: "server", Complexity: "O(N), N being the number of calls listed",
			Arity: -2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "nondeterministic_output"},
			Run:  slowlogGet,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "6.2.0", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "len", Syntax: "",
			Summary: "Counts the calls in the slow log.",
			Since:   "2.2.12", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"},
			Run:  slowlogLen,
		},
		{
			Name: "reset", Syntax: "",
			Summary: "Empties the slow log.",
			Since:   "2.2.12", Group: "server", Complexity: "O(N), N being the number of calls in the log",
			Arity: 2, Flags: Admin | Loading | Stale,
			Tips: []string{"request_policy:all_nodes", "response_policy:all_succeeded"},
			Run:  slowlogReset,
		},
	},
}

func slowlogGet(c *Context) error {
	count := int64(10)
	switch len(c.Args) {
	case 2:
	case 3:
		n, ok := ParseInt(c.Args[2])
		if !ok || n < -1 {
			return Errorf("ERR count should be greater than or equal to -1")
		}
		if count = n; n == -1 {
			count = math.MaxInt32
		}
	default:
		return c.subcommandError()
	}
	list := c.slowLog.last(int(min(count, math.MaxInt32)))
	c.Array(len(list))
	for _, call := range list {
		c.Array(6)
		c.Int64(call.id)
		c.Int64(call.time)
		c.Int64(call.micros)
		c.Array(len(call.words))
		for _, w := range call.words {
			c.BulkString(w)
		}
		c.BulkString(call.client)
		c.BulkString(call.name)
	}
	return nil
}

func slowlogLen(c *Context) error {
	c.Int(c.slowLog.len())
	return nil
}

func slowlogReset(c *Context) error {
	c.slowLog.reset()
	c.OK()
	return nil
}
