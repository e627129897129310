package commands

var transactionRows = []Command{
	{
		Name: "discard", Syntax: "",
		Summary: "Drops the queued calls and ends the transaction.",
		Since:   "2.0.0", Group: "transactions", Complexity: "O(N), when N is the number of queued commands",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | LeavesMulti | NeedsConnection,
		Run: discard,
	},
	{
		Name: "exec", Syntax: "",
		Summary: "Runs the queued calls with nothing in between.",
		Since:   "1.2.0", Group: "transactions", Complexity: "Depends on commands in the transaction",
		Arity: 1, Flags: NoScript | Loading | Stale | SkipSlowlog | Immediate | EndsMulti | LeavesMulti | NeedsConnection,
		Run: exec,
	},
	{
		Name: "multi", Syntax: "",
		Summary: "Opens a transaction: calls are queued until EXEC.",
		Since:   "1.2.0", Group: "transactions", Complexity: "O(1)",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | NeedsConnection,
		Run: multi,
	},
	{
		Name: "unwatch", Syntax: "",
		Summary: "Forgets all watched keys.",
		Since:   "2.2.0", Group: "transactions", Complexity: "O(1)",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | NeedsConnection,
		Run: unwatch,
	},
	{
		Name: "watch", Syntax: "key [key ...]",
		Summary: "Makes the next EXEC depend on these keys staying as they are.",
		Since:   "2.2.0", Group: "transactions", Complexity: "O(1) for every key.",
		Arity: -2, Flags: NoScript | Loading | Stale | Fast | AllowBusy | Immediate | NeedsConnection,
		Keys: Keys{{First: 1, Last: -1, Flags: RO}},
		Run:  watch,
	},
}

func multi(c *Context) error {
	if c.Client.Multi != nil {
		return Errorf("ERR MULTI calls can not be nested")
	}
	c.Client.Multi = new(Multi)
	c.OK()
	return nil
}

func discard(c *Context) error {
	if c.Client.Multi == nil {
		return Errorf("ERR DISCARD without MULTI")
	}
	c.EndMulti(c.Client)
	c.OK()
	return nil
}

// exec replies with an array of what each call replies. An error of one call
// is its reply and does not stop the others.
func exec(c *Context) error {
	m, spoilt := c.Client.Multi, c.Client.dirty
	if m == nil {
		return Errorf("ERR EXEC without MULTI")
	}
	defer c.EndMulti(c.Client)
	switch {
	case m.aborted:
		return errExecAbort
	case spoilt:
		c.NullArray()
		return nil
	}
	c.Unwatch(c.Client) // the transaction's own changes are no reason to fail
	defer func(before bool) { c.Final = before }(c.Final)
	c.Final = true
	c.Array(len(m.queue))
	for _, q := range m.queue {
		if err := c.aclErrorInExec(q.command, q.args); err != nil {
			c.Error(err)
			c.Stats.CountError(err)
			continue
		}
		c.State.Run(c, q.command, q.args)
	}
	return nil
}

func watch(c *Context) error {
	if c.Client.Multi != nil {
		return Errorf("ERR WATCH inside MULTI is not allowed")
	}
	if !c.Client.dirty {
		for _, key := range c.Args[1:] {
			c.watch(c.Client, c.index, key)
		}
	}
	c.OK()
	return nil
}

func unwatch(c *Context) error {
	c.Unwatch(c.Client)
	c.OK()
	return nil
}
