package commands

import (
	"crypto/sha256"
	"maps"
	"slices"
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
	on           bool
	nopass       bool // any password will do
	payloads     payloadRule
	passwords    []digest // each of them will do
	selectors    []*selector
	unrestricted bool // no call of such a user need be looked at
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
	u.updateUnrestricted()
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
	u.updateUnrestricted()
}

func (r *rules) updateUnrestricted() {
	r.unrestricted = slices.ContainsFunc(r.selectors, (*selector).isUnrestricted)
}

func (r *rules) clone() rules {
	copied := *r
	copied.passwords = slices.Clone(r.passwords)
	copied.selectors = make([]*selector, len(r.selectors))
	for i, s := range r.selectors {
		copied.selectors[i] = s.clone()
	}
	return copied
}
