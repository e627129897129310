package commands

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/parley-chat/parley/commands/resp"
)

// Passwordless reports whether clients become this user without AUTH.
func (u *User) Passwordless() bool { return u == nil || u.on && u.nopass }

// NoPass reports whether the user accepts any password, as the ACL rule nopass says.
func (u *User) NoPass() bool { return u == nil || u.nopass }

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

// SetDefaultUser makes a client the default user: after it connects, and at RESET.
func (s *State) SetDefaultUser(l *Client) {
	l.User = s.Users.standard
	l.Authed = l.User.Passwordless()
}

// MustAuthenticate reports whether a client may run nothing before AUTH. If the default user
// stops needing a password, connected clients need none either.
func (s *State) MustAuthenticate(l *Client) bool {
	return !l.Authed && !s.Users.standard.Passwordless()
}

// ApplyRequirePass makes the parameter requirepass the default user's only password. If it
// is "", any password is accepted.
func (s *State) ApplyRequirePass() {
	u := s.Users.standard
	u.passwords, u.nopass = nil, s.Config.Password == ""
	if !u.nopass {
		u.passwords = []digest{sha256.Sum256([]byte(s.Config.Password))}
	}
	s.Users.account(u)
}

// authenticate makes the client a user if the password is one of that user's.
// Otherwise the client stays who it is. AUTH and HELLO come by here.
func (c *Context) authenticate(name, password []byte) error {
	if c.AllowAuth != nil && !c.AllowAuth(c.Client, name, password) {
		return errAuthLimit
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
	if c.AuthFailed != nil {
		c.AuthFailed(c.Client, name, password)
	}
	c.logEvent(AuthFailed, "user", name)
	c.logDenial(deniedAuth, string(c.Args[0]), string(name))
	return errWrongPass
}

// errGuesses is for calls that cannot wait for their turn, as within EXEC.
const errAuthLimit = resp.Error("ERR too many wrong passwords from this address, try again later")

const errNoPassword = resp.Error("ERR AUTH <password> called without any password configured for the default user. " +
	"Are you sure your configuration is correct?")
