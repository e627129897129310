package commands

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"

	"github.com/parley-chat/parley/commands/resp"
)

// defaultUser is the name of the user that a client is before AUTH. It always
// exists.
const defaultUser = "default"

// Users are those whom clients can be, by name. The engine's lock guards them:
// who changes them holds it alone.
type Users struct {
	byName   map[string]*User
	standard *User // the default user; nil in the zero value, which knows nobody and lets everyone do everything
	bytes    int   // that those who were added take; the default user as it is at first does not count
}

// A User is who a client is: how it proves that, and what it may then do. Its
// clients point to it, so that what changes holds for them at once. A nil User
// is the process itself, which may do everything.
type User struct {
	Name string
	rules
	counted int // of what bytes tells, in Users
}

// rules are what ACL SETUSER says of a user. They are changed in a copy, which
// then replaces them.
type rules struct {
	on        bool
	nopass    bool // any password will do
	payloads  payloadRule
	passwords []digest // each of them will do
	selectors []*selector
	unbound   bool // no call of such a user need be looked at
}

// A digest is all that is known of a password.
type digest [sha256.Size]byte

// payloadRule is what was said about checking what RESTORE is given. It is kept
// and told; here all is checked, whatever was said.
type payloadRule int

const (
	payloadsUnmentioned payloadRule = iota
	payloadsUnchecked
	payloadsChecked
)

// NewUsers returns the users of a server that nobody has told of any: the
// default one, which needs no password and may do everything.
func NewUsers() Users {
	u := &User{Name: defaultUser, rules: rules{on: true, nopass: true, selectors: []*selector{unrestricted()}}}
	u.settle()
	u.counted = u.bytes()
	return Users{byName: map[string]*User{defaultUser: u}, standard: u}
}

// account counts a user anew whose rules have changed.
func (s *Users) account(u *User) {
	now := u.bytes()
	s.bytes += now - u.counted
	u.counted = now
}

// Default is the user that a client is before AUTH.
func (s *Users) Default() *User { return s.standard }

// find returns the user of that name, or nil.
func (s *Users) find(name []byte) *User { return s.byName[string(name)] }

// add makes a user of whom nothing was said.
func (s *Users) add(name string) *User {
	u := &User{Name: name}
	s.byName[name] = u
	return u
}

func (s *Users) remove(u *User) {
	delete(s.byName, u.Name)
	s.bytes -= u.counted
}

// all lists the users by their names.
func (s *Users) all() []*User {
	list := make([]*User, 0, len(s.byName))
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		list = append(list, s.byName[name])
	}
	return list
}

// String is the user's name as CLIENT LIST tells it.
func (u *User) String() string {
	if u == nil {
		return "(superuser)"
	}
	return u.Name
}

// set puts rules in force, for those who are this user already, too.
func (u *User) set(r rules) {
	u.rules = r
	u.settle()
}

func (r *rules) settle() { r.unbound = slices.ContainsFunc(r.selectors, (*selector).unbound) }

func (r *rules) clone() rules {
	copied := *r
	copied.passwords = slices.Clone(r.passwords)
	copied.selectors = make([]*selector, len(r.selectors))
	for i, s := range r.selectors {
		copied.selectors[i] = s.clone()
	}
	return copied
}

// Open reports whether clients are let in as this user without a word.
func (u *User) Open() bool { return u == nil || u.on && u.nopass }

// AnyPassword reports whether the user needs none.
func (u *User) AnyPassword() bool { return u == nil || u.nopass }

// accepts reports whether a password proves that a client is the user. To find
// that there is no such user, or that it is off, takes as long.
func (u *User) accepts(password []byte) bool {
	given, known := digest(sha256.Sum256(password)), []digest{{}} // a digest that no password has
	if u != nil && len(u.passwords) > 0 {
		known = u.passwords
	}
	same := 0
	for i := range known {
		same |= subtle.ConstantTimeCompare(known[i][:], given[:])
	}
	return u != nil && u.on && (u.nopass || len(u.passwords) > 0 && same == 1)
}

// Admit makes a client that has connected, or begins again, the default user.
func (s *State) Admit(l *Client) {
	l.User = s.Users.standard
	l.Authed = l.User.Open()
}

// MustAuthenticate reports whether a client is to do nothing before it has told
// who it is. That a default user with a password has come to need none lets in
// those who wait, too.
func (s *State) MustAuthenticate(l *Client) bool { return !l.Authed && !s.Users.standard.Open() }

// UsePassword makes what the parameter requirepass says the default user's only
// password; "" is none: any will do.
func (s *State) UsePassword() {
	u := s.Users.standard
	u.passwords, u.nopass = nil, s.Config.Password == ""
	if !u.nopass {
		u.passwords = []digest{sha256.Sum256([]byte(s.Config.Password))}
	}
	s.Users.account(u)
}

// Authenticate makes the client a user if the password is one of that user's.
// Otherwise the client stays who it is. AUTH and HELLO come by here.
func (c *Context) Authenticate(name, password []byte) error {
	if c.MayGuess != nil && !c.MayGuess(c.Client, name, password) {
		return errGuesses
	}
	u := c.Users.find(name)
	if !u.accepts(password) {
		return c.wrongPassword(name, password)
	}
	c.Client.User, c.Client.Authed, c.Client.Failures = u, true, 0
	return nil
}

// wrongPassword is where each failed authentication is known: it returns what
// to tell the client.
func (c *Context) wrongPassword(name, password []byte) error {
	c.Client.Failures++
	if c.Guessed != nil {
		c.Guessed(c.Client, name, password)
	}
	c.TellOperator(AuthFailed, "user", name)
	c.logDenial(deniedAuth, string(c.Args[0]), string(name))
	return ErrWrongPass
}

// errGuesses is for calls that cannot wait for their turn, as within EXEC.
const errGuesses = resp.Error("ERR too many wrong passwords from this address, try again later")

const errNoPassword = resp.Error("ERR AUTH <password> called without any password configured for the default user. " +
	"Are you sure your configuration is correct?")
