package commands

var monitorRow = Command{
	Name: "monitor", Syntax: "",
	Summary: "Shows this connection each call that the server runs from now on.",
	Since:   "1.0.0", Group: "server", Complexity: "O(1)",
	Arity: 1, Flags: Admin | NoScript | Loading | Stale | NeedsConnection,
	Run: monitor,
}

// monitor answers a client that is a monitor already with nothing at all, as
// Redis does.
func monitor(c *Context) error {
	switch {
	case c.Final:
		return Errorf("ERR MONITOR isn't allowed for DENY BLOCKING client")
	case c.Client.isMonitor():
		return nil
	}
	c.Client.monitor = c.Monitors.list.PushBack(c.Client)
	c.OK()
	return nil
}
