package commands

import "fmt"

var clientRow = Command{
	Name: "client", Syntax: "",
	Summary: "Holds the commands about connections.",
	Since:   "2.4.0", Group: "connection", Complexity: "That of the subcommand",
	Arity: -2, Flags: keepsCaching,
	Subs: []Command{
		{
			Name: "caching", Syntax: "<YES | NO>",
			Summary: "Says whether the keys that the next call reads are tracked.",
			Since:   "6.0.0", Group: "connection", Complexity: "O(1)",
			Arity: 3, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientCaching,
		},
		{
			Name: "getname", Syntax: "",
			Summary: "Replies with the name of this connection.",
			Since:   "2.6.9", Group: "connection", Complexity: "O(1)",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Run: clientGetName,
		},
		{
			Name: "getredir", Syntax: "",
			Summary: "Replies with the number of the connection that is told of changed keys instead of this one.",
			Since:   "6.0.0", Group: "connection", Complexity: "O(1)",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Run: clientGetRedir,
		},
		{
			Name: "id", Syntax: "",
			Summary: "Replies with the number of this connection.",
			Since:   "5.0.0", Group: "connection", Complexity: "O(1)",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Run: clientID,
		},
		{
			Name: "info", Syntax: "",
			Summary: "Describes this connection as CLIENT LIST does.",
			Since:   "6.2.0", Group: "connection", Complexity: "O(1)",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Tips: []string{"nondeterministic_output"},
			Run:  clientInfo,
		},
		{
			Name: "kill", Syntax: "<ip:port | <[ID client-id] | [TYPE NORMAL | MASTER | SLAVE | REPLICA | PUBSUB] | " +
				"[USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no] [[ID client-id] | " +
				"[TYPE NORMAL | MASTER | SLAVE | REPLICA | PUBSUB] | [USER username] | [ADDR ip:port] | " +
				"[LADDR ip:port] | [SKIPME yes/no] ...]>>",
			Summary: "Closes the connections that an address or a filter tells.",
			Since:   "2.4.0", Group: "connection", Complexity: "O(N), N being the connections",
			Arity: -3, Flags: Admin | NoScript | Loading | Stale,
			Run: clientKill,
		},
		{
			Name: "list", Syntax: "[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id ...]]",
			Summary: "Describes all connections, or some, in a line each.",
			Since:   "2.4.0", Group: "connection", Complexity: "O(N), N being the connections",
			Arity: -2, Flags: Admin | NoScript | Loading | Stale,
			Tips: []string{"nondeterministic_output"},
			Run:  clientList,
		},
		{
			Name: "no-evict", Syntax: "<ON | OFF>",
			Summary: "Asks not to be closed for the memory that clients take.",
			Since:   "7.0.0", Group: "connection", Complexity: "O(1)",
			Arity: 3, Flags: Admin | NoScript | Loading | Stale | NeedsConnection,
			Run: clientNoEvict,
		},
		{
			Name: "no-touch", Syntax: "<ON | OFF>",
			Summary: "Makes calls of this connection not count as use of the keys that they look at.",
			Since:   "7.2.0", Group: "connection", Complexity: "O(1)",
			Arity: 3, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientNoTouch,
		},
		{
			Name: "pause", Syntax: "timeout [WRITE | ALL]",
			Summary: "Holds back calls of all clients for so many milliseconds.",
			Since:   "2.9.50", Group: "connection", Complexity: "O(1)",
			Arity: -3, Flags: Admin | NoScript | Loading | Stale,
			Run: clientPause,
		},
		{
			Name: "reply", Syntax: "<ON | OFF | SKIP>",
			Summary: "Switches replies to this connection on or off, or leaves out the next one.",
			Since:   "3.2.0", Group: "connection", Complexity: "O(1)",
			Arity: 3, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientReply,
		},
		{
			Name: "setinfo", Syntax: "<LIB-NAME libname | LIB-VER libver>",
			Summary: "Tells which client library speaks, for CLIENT LIST.",
			Since:   "7.2.0", Group: "connection", Complexity: "O(1)",
			Arity: 4, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientSetInfo,
		},
		{
			Name: "setname", Syntax: "connection-name",
			Summary: "Names this connection.",
			Since:   "2.6.9", Group: "connection", Complexity: "O(1)",
			Arity: 3, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientSetName,
		},
		{
			Name: "tracking", Syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
			Summary: "Starts or stops telling this connection of keys that have changed.",
			Since:   "6.0.0", Group: "connection", Complexity: "O(N log N), N being the prefixes",
			Arity: -3, Flags: NoScript | Loading | Stale | NeedsConnection,
			Run: clientTrackingOnOff,
		},
		{
			Name: "trackinginfo", Syntax: "",
			Summary: "Tells how this connection tracks keys.",
			Since:   "6.2.0", Group: "connection", Complexity: "O(N), N being the prefixes",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Run: clientTrackingInfo,
		},
		{
			Name: "unblock", Syntax: "client-id [TIMEOUT | ERROR]",
			Summary: "Ends the call that a client waits in.",
			Since:   "5.0.0", Group: "connection", Complexity: "O(log(N)), N being the connections",
			Arity: -3, Flags: Admin | NoScript | Loading | Stale,
			Run: clientUnblock,
		},
		{
			Name: "unpause", Syntax: "",
			Summary: "Ends the pause.",
			Since:   "6.2.0", Group: "connection", Complexity: "O(N), N being the calls held back",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Run: clientUnpause,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "5.0.0", Group: "connection", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
	},
}

func clientID(c *Context) error {
	c.Int64(c.Client.ID)
	return nil
}

func clientGetName(c *Context) error {
	c.BulkOrNull([]byte(c.Client.Name), c.Client.Name != "")
	return nil
}

func clientSetName(c *Context) error {
	if err := setName(c, c.Args[2]); err != nil {
		return err
	}
	c.OK()
	return nil
}

// setName names the client; the empty name takes the name away.
func setName(c *Context, name []byte) error {
	if !printable(name) {
		return errClientName
	}
	c.Client.Name = string(name)
	return nil
}

// printable reports whether text can stand in a line of CLIENT LIST: ASCII
// without spaces and control characters.
func printable(text []byte) bool {
	for _, b := range text {
		if b < '!' || b > '~' {
			return false
		}
	}
	return true
}

// clientSetInfo is of Redis 7.2. Libraries call it when they connect and do not
// mind an error.
func clientSetInfo(c *Context) error {
	option, value := c.Args[2], c.Args[3]
	var to *string
	switch {
	case Is(option, "LIB-NAME"):
		to = &c.Client.LibName
	case Is(option, "LIB-VER"):
		to = &c.Client.LibVersion
	default:
		return Errorf("ERR Unrecognized option '%s'", cut(option, len(option)))
	}
	if !printable(value) {
		return Errorf("ERR %s cannot contain spaces, newlines or special characters.", option)
	}
	*to = string(value)
	c.OK()
	return nil
}

func clientNoEvict(c *Context) error {
	on := Is(c.Args[2], "ON")
	if !on && !Is(c.Args[2], "OFF") {
		return ErrSyntax
	}
	c.Client.NoEvict = on
	c.OK()
	return nil
}

// clientNoTouch is of Redis 7.2.
func clientNoTouch(c *Context) error {
	on := Is(c.Args[2], "ON")
	if !on && !Is(c.Args[2], "OFF") {
		return ErrSyntax
	}
	c.Client.NoTouch = on
	c.OK()
	return nil
}

func clientInfo(c *Context) error {
	c.Verbatim("txt", string(appendClient(c, nil, c.Client)))
	return nil
}

func clientList(c *Context) error {
	list, err := listed(c, c.Args[2:])
	if err != nil {
		return err
	}
	var text []byte
	for _, l := range list {
		text = appendClient(c, text, l)
	}
	c.Verbatim("txt", string(text))
	return nil
}

// listed finds the clients that the words behind CLIENT LIST ask for: all, those
// of a type in order of their numbers, or those numbered in the call's order.
func listed(c *Context, words [][]byte) (list []*Client, err error) {
	switch {
	case len(words) == 0:
		return c.Clients.All(), nil
	case len(words) == 2 && Is(words[0], "TYPE"):
		class, err := clientType(words[1])
		if err != nil {
			return nil, err
		}
		for _, l := range c.Clients.All() {
			if l.outputClass() == class {
				list = append(list, l)
			}
		}
		return list, nil
	case len(words) > 1 && Is(words[0], "ID"):
		for _, word := range words[1:] {
			id, ok := ParseInt(word)
			if !ok {
				return nil, Errorf("ERR Invalid client ID")
			}
			if l := c.Clients.Get(id); l != nil {
				list = append(list, l)
			}
		}
		return list, nil
	}
	return nil, ErrSyntax
}

// outputMaster is the type of the server that a replica follows. No client is of it.
const outputMaster OutputClass = -1

// clientType reads a type of clients. Redis sorts them as it does for the limits
// of their output.
func clientType(word []byte) (OutputClass, error) {
	switch {
	case Is(word, "NORMAL"):
		return OutputNormal, nil
	case Is(word, "SLAVE"), Is(word, "REPLICA"):
		return OutputReplica, nil
	case Is(word, "PUBSUB"):
		return OutputPubSub, nil
	case Is(word, "MASTER"):
		return outputMaster, nil
	}
	return 0, Errorf("ERR Unknown client type '%s'", cut(word, len(word)))
}

// A victims filter says which clients CLIENT KILL is about. Zero values ask for
// nothing.
type victims struct {
	id          int64
	class       *OutputClass
	user        *User
	addr, local []byte
	spared      *Client // the caller, unless SKIPME no
}

// clientKill has an old form, which gives an address, spares nobody and must
// find somebody, and a new one with filters.
func clientKill(c *Context) error {
	old := len(c.Args) == 3
	v := victims{addr: c.Args[2]}
	if !old {
		var err error
		if v, err = parseVictims(c, c.Args[2:]); err != nil {
			return err
		}
	}
	killed := 0
	for _, l := range c.Clients.All() {
		if v.include(l) {
			kill(c, l)
			killed++
		}
	}
	switch {
	case !old:
		c.Int(killed)
	case killed == 0:
		return Errorf("ERR No such client")
	default:
		c.OK()
	}
	c.muteIfKilled()
	return nil
}

// parseVictims reads pairs of option and value. Of an option that is given
// twice the later holds.
func parseVictims(c *Context, words [][]byte) (v victims, err error) {
	v.spared = c.Client
	for ; len(words) > 0; words = words[2:] {
		if len(words) == 1 {
			return v, ErrSyntax
		}
		value := words[1]
		switch option := words[0]; {
		case Is(option, "ID"):
			id, ok := ParseInt(value)
			if !ok || id < 1 {
				return v, Errorf("ERR client-id should be greater than 0")
			}
			v.id = id
		case Is(option, "TYPE"):
			class, err := clientType(value)
			if err != nil {
				return v, err
			}
			v.class = &class
		case Is(option, "ADDR"):
			v.addr = value
		case Is(option, "LADDR"):
			v.local = value
		case Is(option, "USER"):
			if v.user = c.Users.find(value); v.user == nil {
				return v, Errorf("ERR No such user '%s'", cut(value, len(value)))
			}
		case Is(option, "SKIPME") && Is(value, "YES"):
			v.spared = c.Client
		case Is(option, "SKIPME") && Is(value, "NO"):
			v.spared = nil
		default:
			return v, ErrSyntax
		}
	}
	return v, nil
}

func (v *victims) include(l *Client) bool {
	return l != v.spared &&
		(v.id == 0 || l.ID == v.id) &&
		(v.class == nil || l.outputClass() == *v.class) &&
		(v.user == nil || l.User == v.user) &&
		(v.addr == nil || l.Addr == string(v.addr)) &&
		(v.local == nil || l.LocalAddr == string(v.local))
}

// appendClient appends the client's line of CLIENT LIST. What Redis has and parley has not
// stands as a constant: file descriptors (-1), a fixed buffer for replies (rbs, rbp) and the
// events that its loop waits for.
func appendClient(c *Context, text []byte, l *Client) []byte {
	use := l.peer().Usage()
	arguments, replies := SizeOf(l.Waiting), 0 // of the call under way, or that waits
	if l == c.Client {
		arguments, replies = SizeOf(c.Args), c.Len()
	}
	queued, multi := 0, -1
	if l.Multi != nil {
		queued, multi = l.Multi.size, len(l.Multi.queue)
	}
	last := "NULL"
	if l.Last != nil {
		last = l.Last.FullName()
	}
	total := c.clientMemory(l, use)
	return fmt.Appendf(text, "id=%d addr=%s laddr=%s fd=-1 name=%s age=%d idle=%d flags=%s db=%d sub=%d psub=%d ssub=%d multi=%d "+
		"qbuf=%d qbuf-free=%d argv-mem=%d multi-mem=%d rbs=0 rbp=0 obl=%d oll=%d omem=%d tot-mem=%d "+
		"events=r cmd=%s user=%s redir=%d resp=%d lib-name=%s lib-ver=%s\n",
		l.ID, l.Addr, l.LocalAddr, l.Name, (c.Now-l.Created)/1000, (c.Now-l.Active)/1000, clientFlags(c, l), l.DB,
		l.subscriptionCount(ToChannel), l.subscriptionCount(ToPattern), l.subscriptionCount(ToShard), multi,
		use.Query, use.QueryFree, arguments, queued, replies, use.OutputPieces, use.Output, total,
		last, l.User, l.redirection(), l.Protocol, l.LibName, l.LibVersion)
}

// clientFlags are letters in Redis's order, those for what is not here left out.
func clientFlags(c *Context, l *Client) string {
	var flags []byte
	now := l.tracked()
	for _, f := range [...]struct {
		letter byte
		holds  bool
	}{
		{'O', l.isMonitor()},
		{'P', l.Subscribed() > 0},
		{'x', l.Multi != nil},
		{'b', l.Blocked},
		{'t', now.on},
		{'R', now.broken},
		{'B', now.broadcast},
		{'d', l.dirty},
		{'U', c.onSocket(l)},
		{'e', l.NoEvict},
		{'T', l.NoTouch},
	} {
		if f.holds {
			flags = append(flags, f.letter)
		}
	}
	if flags == nil {
		return "N"
	}
	return string(flags)
}
