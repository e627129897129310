package commands

import (
	"crypto/rand"
	"encoding/hex"
)

var aclRow = Command{
	Name: "acl", Syntax: "",
	Summary: "Holds the commands about users and their rights.",
	Since:   "6.0.0", Group: "server", Complexity: "That of the subcommand",
	Arity: -2,
	Subs: []Command{
		{
			Name: "cat", Syntax: "[categoryname]",
			Summary: "Lists the categories of commands, or the commands of one.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the commands",
			Arity: -2, Flags: NoScript | Loading | Stale,
			Run: aclCat,
		},
		{
			Name: "deluser", Syntax: "username [username ...]",
			Summary: "Removes users and closes their connections.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the connections",
			Arity: -3, Flags: Admin | NoScript | Loading | Stale,
			Run: aclDelUser,
		},
		{
			Name: "dryrun", Syntax: "username command [arg [arg ...]]",
			Summary: "Tells whether a user may make a call, without making it.",
			Since:   "7.0.0", Group: "server", Complexity: "O(N), N being the rules of the user",
			Arity: -4, Flags: Admin | NoScript | Loading | Stale,
			Run: aclDryRun,
		},
		{
			Name: "genpass", Syntax: "[bits]",
			Summary: "Makes up a password of 256 bits, or as many as asked for.",
			Since:   "6.0.0", Group: "server", Complexity: "O(1)",
			Arity: -2, Flags: NoScript | Loading | Stale,
			Run: aclGenPass,
		},
		{
			Name: "getuser", Syntax: "username",
			Summary: "Describes a user in parts.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the rules of the user",
			Arity: 3, Flags: Admin | NoScript | Loading | Stale,
			Run: aclGetUser,
		},
		{
			Name: "help", Syntax: "",
			Summary: "Lists these subcommands.",
			Since:   "6.0.0", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: Loading | Stale,
			Run: Help,
		},
		{
			Name: "list", Syntax: "",
			Summary: "Describes each user in a line of rules.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the users",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Run: aclList,
		},
		{
			Name: "load", Syntax: "",
			Summary: "Reads the users anew from their file, all of them or none.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the users",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Run: aclLoad,
		},
		{
			Name: "log", Syntax: "[count | RESET]",
			Summary: "Lists what users were refused, the latest first: 10 entries, or count; or empties the list.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the entries listed",
			Arity: -2, Flags: Admin | NoScript | Loading | Stale,
			Run: aclLog,
		},
		{
			Name: "save", Syntax: "",
			Summary: "Writes the users to their file.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the users",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Run: aclSave,
		},
		{
			Name: "setuser", Syntax: "username [rule [rule ...]]",
			Summary: "Makes a user, or changes one by rules.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the rules",
			Arity: -3, Flags: Admin | NoScript | Loading | Stale,
			Secrets: allFrom(2),
			Run:     aclSetUser,
		},
		{
			Name: "users", Syntax: "",
			Summary: "Lists the names of all users.",
			Since:   "6.0.0", Group: "server", Complexity: "O(N), N being the users",
			Arity: 2, Flags: Admin | NoScript | Loading | Stale,
			Run: aclUsers,
		},
		{
			Name: "whoami", Syntax: "",
			Summary: "Tells which user this connection is.",
			Since:   "6.0.0", Group: "server", Complexity: "O(1)",
			Arity: 2, Flags: NoScript | Loading | Stale,
			Run: aclWhoAmI,
		},
	},
}

func aclCat(c *Context) error {
	switch len(c.Args) {
	case 2:
		c.Array(len(categoryNames))
		for _, name := range categoryNames {
			c.BulkString(name)
		}
		return nil
	case 3:
	default:
		return c.subcommandError()
	}
	category := CategoryNamed(cString(c.Args[2]))
	if category == 0 {
		return Errorf("ERR Unknown category '%s'", cut(c.Args[2], maxEcho))
	}
	mark, n := c.Mark(), 0
	c.Table.eachRow(func(m *Command) {
		if m.Categories()&category != 0 {
			c.BulkString(m.FullName())
			n++
		}
	})
	c.CloseArray(mark, n)
	return nil
}

// aclSetUser works on a copy, so that after an error nothing has changed.
func aclSetUser(c *Context) error {
	name := c.Args[2]
	if hasSpaces(name) {
		return Errorf("ERR Usernames can't contain spaces or null characters")
	}
	words, open := joinSelectors(c.Args[3:])
	if open >= 0 {
		return Errorf("ERR Unmatched parenthesis in acl selector starting at '%s'.", cString(c.Args[3+open]))
	}
	u, g := c.Users.find(name), c.grammar()
	draft := g.fresh()
	if u != nil {
		draft = u.rules.clone()
	}
	for _, rule := range words {
		if err := g.apply(&draft, rule); err != nil {
			return Errorf("ERR Error in ACL SETUSER modifier '%s': %s", cString(rule), err)
		}
	}
	if u == nil {
		u = c.Users.add(string(name))
	} else {
		c.closeSubscribers(u, &draft)
	}
	u.set(draft)
	c.Users.account(u)
	c.OK()
	c.muteIfKilled()
	return nil
}

func aclDelUser(c *Context) error {
	for _, name := range c.Args[2:] {
		if string(cString(name)) == defaultUser {
			return Errorf("ERR The 'default' user cannot be removed")
		}
	}
	n := 0
	for _, name := range c.Args[2:] {
		if u := c.Users.find(name); u != nil {
			c.Users.remove(u)
			c.closeClients(u)
			n++
		}
	}
	c.Int(n)
	c.muteIfKilled()
	return nil
}

// closeClients closes the connections of a user who is no more. Until then they
// are nobody.
func (c *Context) closeClients(u *User) {
	for _, l := range c.Clients.All() {
		if l.User == u {
			l.User, l.Authed = c.Users.standard, false
			kill(c, l)
		}
	}
}

// closeSubscribers closes those connections of a user that are subscribed to
// what the new rules do not allow.
func (c *Context) closeSubscribers(u *User, now *rules) {
	next := new(selector) // all channels that are allowed from now on
	for _, s := range now.selectors {
		if s.anyChannel {
			return
		}
		for _, p := range s.channels {
			next.addChannels(p)
		}
	}
	if !u.loses(next) {
		return
	}
	for _, l := range c.Clients.All() {
		if l.User == u && !next.letsKeep(l) {
			kill(c, l)
		}
	}
}

// loses reports whether the user may hear what is not among other channels.
func (r *rules) loses(next *selector) bool {
	for _, s := range r.selectors {
		if s.anyChannel {
			return true
		}
		for _, p := range s.channels {
			if !next.allowsChannel([]byte(p), true) {
				return true
			}
		}
	}
	return false
}

// letsKeep reports whether all that a client is subscribed to is allowed.
func (s *selector) letsKeep(l *Client) bool {
	for kind, names := range l.subscriptions {
		for name := range names.names() {
			if !s.allowsChannel([]byte(name), SubscriptionKind(kind) == ToPattern) {
				return false
			}
		}
	}
	return true
}

func aclGetUser(c *Context) error {
	u := c.Users.find(c.Args[2])
	if u == nil {
		c.Null()
		return nil
	}
	c.Map(6)
	flags := u.flags()
	c.BulkString("flags")
	c.Set(len(flags))
	for _, f := range flags {
		c.BulkString(f)
	}
	c.BulkString("passwords")
	c.Array(len(u.passwords))
	for _, d := range u.passwords {
		c.BulkString(d.String())
	}
	writeRights(c, u.selectors[0])
	c.BulkString("selectors")
	c.Array(len(u.selectors) - 1)
	for _, s := range u.selectors[1:] {
		c.Map(3)
		writeRights(c, s)
	}
	return nil
}

func aclList(c *Context) error {
	list := c.Users.all()
	c.Array(len(list))
	for _, u := range list {
		c.BulkString(c.describe(u))
	}
	return nil
}

func aclUsers(c *Context) error {
	list := c.Users.all()
	c.Array(len(list))
	for _, u := range list {
		c.BulkString(u.Name)
	}
	return nil
}

// aclWhoAmI answers null to the process itself, which is nobody.
func aclWhoAmI(c *Context) error {
	u := c.Client.User
	if u == nil {
		c.Null()
		return nil
	}
	c.BulkString(u.Name)
	return nil
}

// aclDryRun replies with what the user lacks: to Redis that is no error.
func aclDryRun(c *Context) error {
	name, args := c.Args[2], c.Args[3:]
	u := c.Users.find(name)
	if u == nil {
		return Errorf("ERR User '%s' not found", cString(name))
	}
	m, err := c.Table.Find(args)
	switch {
	case err != nil:
		return Errorf("ERR Command '%s' not found", cString(args[0]))
	case !m.Accepts(len(args)):
		return ArityError(m)
	}
	switch lack, at := u.check(m, args); lack {
	case allowed:
		c.OK()
	case deniedKey:
		c.BulkString("This user has no permissions to access the '" + string(cString(args[at])) + "' key")
	case deniedChannel:
		c.BulkString("This user has no permissions to access the '" + string(cString(args[at])) + "' channel")
	default:
		c.BulkString("This user has no permissions to run the '" + m.FullName() + "' command")
	}
	return nil
}

const (
	defaultPassBits = 256
	maxPassBits     = 4096
)

// aclGenPass takes no number from c.Rand: whoever knows the seed would know the
// password.
func aclGenPass(c *Context) error {
	bits := int64(defaultPassBits)
	switch len(c.Args) {
	case 2:
	case 3:
		var err error
		if bits, err = c.IntArg(2); err != nil {
			return err
		}
	default:
		return c.subcommandError()
	}
	if bits <= 0 || bits > maxPassBits {
		return Errorf("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to %d", maxPassBits)
	}
	digits := (bits + 3) / 4
	secret := make([]byte, (digits+1)/2)
	rand.Read(secret) // never fails
	c.BulkString(hex.EncodeToString(secret)[:digits])
	return nil
}

// aclLoad closes the connections of all users but the default one, even if they
// are in the file again: as in Redis 7.0.
func aclLoad(c *Context) error {
	if c.Host.ACLFile == nil {
		return errNoACLFile
	}
	before := c.Users.all()
	if err := c.LoadUsers(); err != nil {
		return Errorf("ERR %s", err)
	}
	for _, u := range before {
		if u != c.Users.standard {
			c.closeClients(u)
		}
	}
	c.OK()
	c.muteIfKilled()
	return nil
}

func aclSave(c *Context) error {
	if c.Host.ACLFile == nil {
		return errNoACLFile
	}
	var text []byte
	for _, u := range c.Users.all() {
		text = append(append(text, c.describe(u)...), '\n')
	}
	if err := c.Host.ACLFile.Write(text); err != nil {
		c.logEvent(UsersNotSaved, "error", err.Error())
		return errACLSave
	}
	c.OK()
	return nil
}

func aclLog(c *Context) error {
	count := int64(10)
	if len(c.Args) > 3 {
		return c.subcommandError()
	}
	if len(c.Args) == 3 {
		if Is(cString(c.Args[2]), "RESET") {
			c.denials.reset()
			c.OK()
			return nil
		}
		var err error
		if count, err = c.IntArg(2); err != nil {
			return err
		}
	}
	list := c.denials.last(int(min(max(count, 0), int64(maxListed))))
	c.Array(len(list))
	for _, e := range list {
		e.write(c)
	}
	return nil
}

// maxListed is more than any list has.
const maxListed = 1 << 30

func (e *aclEntry) write(c *Context) {
	c.Map(7)
	c.BulkString("count")
	c.Int(e.count)
	c.BulkString("reason")
	c.BulkString(denialNames[e.lack])
	c.BulkString("context")
	c.BulkString(e.context)
	c.BulkString("object")
	c.BulkString(e.object)
	c.BulkString("username")
	c.BulkString(e.user)
	c.BulkString("age-seconds")
	c.Double(float64(c.Now-e.time) / 1000)
	c.BulkString("client-info")
	c.BulkString(e.client)
}
