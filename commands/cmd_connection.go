package commands

import (
	"github.com/parley-chat/parley/commands/resp"
)

const (
	errHelloNoAuth = resp.Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the " +
		"HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	errProtocolVersion = resp.Error("ERR Protocol version is not an integer or out of range")
	errClientName      = resp.Error("ERR Client names cannot contain spaces, newlines or special characters.")
)

var connectionRows = []Command{
	{
		Name: "auth", Syntax: "[username] password",
		Summary: "Proves who the client is.",
		Since:   "1.0.0", Group: "connection", Complexity: "O(N), N being the passwords of the user",
		Arity: -2, Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy | NeedsConnection | Authenticates,
		Secrets: allFrom(1),
		Run:     auth,
	},
	clientRow,
	{
		Name: "echo", Syntax: "message",
		Summary: "Replies with the message.",
		Since:   "1.0.0", Group: "connection", Complexity: "O(1)",
		Arity: 2, Flags: Loading | Stale | Fast,
		Run: echo,
	},
	{
		Name: "hello", Syntax: "[protover [AUTH username password] [SETNAME clientname]]",
		Summary: "Introduces the client, chooses the protocol and tells about the server.",
		Since:   "6.0.0", Group: "connection", Complexity: "O(1)",
		Arity: -1, Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy | NeedsConnection | Authenticates,
		Secrets: helloSecrets,
		Run:     hello,
	},
	{
		Name: "ping", Syntax: "[message]",
		Summary: "Replies with PONG or with the message, to show that the server is there.",
		Since:   "1.0.0", Group: "connection", Complexity: "O(1)",
		Arity: -1, Flags: Fast | Subscribed,
		Tips: []string{"request_policy:all_shards", "response_policy:all_succeeded"},
		Run:  ping,
	},
	{
		Name: "quit", Syntax: "",
		Summary: "Closes the connection once all replies are sent.",
		Since:   "1.0.0", Group: "connection", Complexity: "O(1)",
		Arity: -1, Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy | Immediate | LeavesMulti | Subscribed | NeedsConnection,
		Run: quit,
	},
	{
		Name: "reset", Syntax: "",
		Summary: "Makes the connection as good as new.",
		Since:   "6.2.0", Group: "connection", Complexity: "O(1)",
		Arity: 1, Flags: NoScript | Loading | Stale | Fast | NoAuth | AllowBusy | Immediate | LeavesMulti | Subscribed | NeedsConnection,
		Run: reset,
	},
	{
		Name: "select", Syntax: "index",
		Summary: "Chooses the database that further calls work on.",
		Since:   "1.0.0", Group: "connection", Complexity: "O(1)",
		Arity: 2, Flags: Loading | Stale | Fast | NeedsConnection,
		Run: selectDatabase,
	},
}

// ping replies in the form of a message to a RESP2 client that is subscribed:
// such a client expects nothing else.
func ping(c *Context) error {
	if len(c.Args) > 2 {
		return c.arityError()
	}
	var message []byte
	if len(c.Args) == 2 {
		message = c.Args[1]
	}
	switch {
	case c.Client.Subscribed() > 0 && !c.RESP3():
		c.Array(2)
		c.BulkString("pong")
		c.Bulk(message)
	case len(c.Args) == 2:
		c.Bulk(message)
	default:
		c.Status("PONG")
	}
	return nil
}

func echo(c *Context) error {
	c.Bulk(c.Args[1])
	return nil
}

func quit(c *Context) error {
	c.OK()
	c.Monitors.Remove(c.Client) // a monitor is not shown its own end
	c.Client.peer().Finish()
	return nil
}

func selectDatabase(c *Context) error {
	i, err := c.dbArg(1)
	if err != nil {
		return err
	}
	choose(c, i)
	c.OK()
	return nil
}

// choose makes a database the client's own.
func choose(c *Context, i int) {
	c.Client.DB = i
	c.selectDB(i)
}

// speak changes the client's protocol, from the reply under way on.
func speak(c *Context, protocol int) {
	c.Client.Protocol = protocol
	c.SetProtocol(protocol)
}

// reset leaves the library's name and NO-EVICT as they are, as Redis does: they
// belong to the connection.
func reset(c *Context) error {
	l := c.Client
	c.EndMulti(l)
	c.Channels.UnsubscribeAll(l)
	c.Monitors.Remove(l)
	c.Tracking.disable(l)
	l.Name = ""
	l.NoTouch = false
	l.replies.off, l.replies.skipNext = false, false
	c.Mute(l.Muted())
	c.SetDefaultUser(l)
	choose(c, 0)
	speak(c, 2)
	c.Status("RESET")
	return nil
}

func auth(c *Context) error {
	user, password := []byte(defaultUser), c.Args[1]
	switch {
	case len(c.Args) > 3:
		return ErrSyntax
	case len(c.Args) == 3:
		user, password = c.Args[1], c.Args[2]
	default:
		if c.Users.standard.NoPass() {
			return errNoPassword
		}
	}
	if err := c.authenticate(user, password); err != nil {
		return err
	}
	c.OK()
	return nil
}

// hello applies its options as it reads them, as Redis does: those before a
// wrong one hold, and a name is set even where authentication then lacks.
func hello(c *Context) error {
	protocol := c.Client.Protocol
	if len(c.Args) > 1 {
		version, ok := ParseInt(c.Args[1])
		switch {
		case !ok:
			return errProtocolVersion
		case version != 2 && version != 3:
			return errNoProto
		}
		protocol = int(version)
		if err := helloOptions(c, c.Args[2:]); err != nil {
			return err
		}
	}
	if !c.Client.Authed {
		return errHelloNoAuth
	}
	speak(c, protocol)
	greet(c)
	return nil
}

func helloOptions(c *Context, options [][]byte) error {
	for len(options) > 0 {
		var err error
		switch {
		case Is(options[0], "AUTH") && len(options) > 2:
			err = c.authenticate(options[1], options[2])
			options = options[3:]
		case Is(options[0], "SETNAME") && len(options) > 1:
			err = setName(c, options[1])
			options = options[2:]
		default:
			err = Errorf("ERR Syntax error in HELLO option '%s'", cut(options[0], len(options[0])))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// greet tells about the server. Clients check that it calls itself redis.
func greet(c *Context) {
	c.Map(7)
	c.BulkString("server")
	c.BulkString("redis")
	c.BulkString("version")
	c.BulkString(RedisVersion)
	c.BulkString("proto")
	c.Int(c.Client.Protocol)
	c.BulkString("id")
	c.Int64(c.Client.ID)
	c.BulkString("mode")
	c.BulkString("standalone")
	c.BulkString("role")
	c.BulkString("master")
	c.BulkString("modules")
	c.Array(0)
}
