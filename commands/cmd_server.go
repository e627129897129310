package commands

import (
	"slices"
)

// serverRows are the commands about the server as a whole.
var serverRows = slices.Concat(introspectionRows, databaseRows, infoRows, configRows, clusterRows,
	[]Command{aclRow, debugRow, latencyRow, lolwutRow, memoryRow, monitorRow, roleRow, slowlogRow})

var databaseRows = []Command{
	{
		Name: "dbsize", Syntax: "",
		Summary: "Counts the keys of the current database.",
		Since:   "1.0.0", Group: "server", Complexity: "O(1)",
		Arity: 1, Flags: ReadOnly | Fast,
		ACL:  catKeyspace,
		Tips: []string{"request_policy:all_shards", "response_policy:agg_sum"},
		Run:  dbsize,
	},
	{
		Name: "flushall", Syntax: "[ASYNC | SYNC]",
		Summary: "Removes the keys of all databases.",
		Since:   "1.0.0", Group: "server", Complexity: "O(N), N being the number of keys in all databases",
		Arity: -1, Flags: Write,
		ACL:  catKeyspace | catDangerous,
		Tips: []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		Run:  flushall,
	},
	{
		Name: "flushdb", Syntax: "[ASYNC | SYNC]",
		Summary: "Removes the keys of the current database.",
		Since:   "1.0.0", Group: "server", Complexity: "O(N), N being the number of keys in the database",
		Arity: -1, Flags: Write,
		ACL:  catKeyspace | catDangerous,
		Tips: []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		Run:  flushdb,
	},
	{
		Name: "shutdown", Syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
		Summary: "Ends the server.",
		Since:   "1.0.0", Group: "server", Complexity: "O(1)",
		Arity: -1, Flags: Admin | NoScript | Loading | Stale | NoMulti | AllowBusy,
		Run: shutdown,
	},
	{
		Name: "swapdb", Syntax: "index1 index2",
		Summary: "Exchanges the contents of two databases.",
		Since:   "4.0.0", Group: "server", Complexity: "O(N), N being the number of keys in both databases",
		Arity: 3, Flags: Write | Fast,
		ACL: catKeyspace | catDangerous,
		Run: swapdb,
	},
	{
		Name: "time", Syntax: "",
		Summary: "Tells the server's time, as seconds since 1970 and the microseconds behind them.",
		Since:   "2.6.0", Group: "server", Complexity: "O(1)",
		Arity: 1, Flags: Loading | Stale | Fast,
		Tips: []string{"nondeterministic_output"},
		Run:  timeNow,
	},
}

var roleRow = Command{
	Name: "role", Syntax: "",
	Summary: "Tells the part that the server has in replication.",
	Since:   "2.8.12", Group: "server", Complexity: "O(1)",
	Arity: 1, Flags: NoScript | Loading | Stale | Fast,
	ACL: catAdmin | catDangerous,
	Run: role,
}

// role is that of a master of whom there are no replicas.
func role(c *Context) error {
	c.Array(3)
	c.BulkString("master")
	c.Int(0)
	c.Array(0)
	return nil
}

func dbsize(c *Context) error {
	c.Int(c.DB.Len())
	return nil
}

func flushdb(c *Context) error {
	if err := checkFlush(c); err != nil {
		return err
	}
	c.flush()
	c.OK()
	return nil
}

func flushall(c *Context) error {
	if err := checkFlush(c); err != nil {
		return err
	}
	c.flushAll()
	c.OK()
	return nil
}

// checkFlush reads SYNC and ASYNC, which come to the same here: what was
// removed is left to the garbage collector.
func checkFlush(c *Context) error {
	options := c.Args[1:]
	if len(options) > 1 || len(options) == 1 && !Is(options[0], "SYNC") && !Is(options[0], "ASYNC") {
		return ErrSyntax
	}
	return nil
}

func swapdb(c *Context) error {
	var indexes [2]int
	for i, which := range []string{"first", "second"} {
		n, ok := ParseInt(c.Args[1+i])
		if !ok || n != int64(int32(n)) {
			return Errorf("ERR invalid %s DB index", which)
		}
		indexes[i] = int(n)
	}
	for _, n := range indexes {
		if n < 0 || n >= len(c.Databases) {
			return errDBIndex
		}
	}
	c.swap(indexes[0], indexes[1])
	c.OK()
	return nil
}

func timeNow(c *Context) error {
	c.Array(2)
	c.BulkInt(c.Micros / 1e6)
	c.BulkInt(c.Micros % 1e6)
	return nil
}

// shutdown ends the server. A client that asks for it gets no reply: it sees
// the connection close, as with Redis.
func shutdown(c *Context) error {
	var save, nosave, force, abort bool
	for _, option := range c.Args[1:] {
		switch {
		case Is(option, "SAVE"):
			save = true
		case Is(option, "NOSAVE"):
			nosave = true
		case Is(option, "FORCE"):
			force = true
		case Is(option, "ABORT"):
			abort = true
		case Is(option, "NOW"): // nothing here takes time
		default:
			return ErrSyntax
		}
	}
	switch {
	case save && nosave, abort && slices.ContainsFunc(c.Args[1:], isNotAbort):
		return ErrSyntax
	case abort:
		return Errorf("ERR No shutdown in progress.")
	case c.Host.Shutdown == nil:
		return Errorf("ERR SHUTDOWN is not for clients of this server")
	case save && !force:
		// There is nothing to save to. Redis stays up too when it cannot.
		c.logEvent(SaveRefused)
		return Errorf("ERR Errors trying to SHUTDOWN. Check logs.")
	}
	c.logEvent(ShutdownAsked)
	c.Host.Shutdown()
	if c.Client == nil || c.Client.Peer == nil {
		c.OK() // a caller without a connection waits for a reply
		return nil
	}
	c.Client.Peer.Finish()
	return nil
}

func isNotAbort(option []byte) bool { return !Is(option, "ABORT") }
