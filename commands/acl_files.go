package commands

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

const (
	errNoACLFile = resp.Error("ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.")
	errACLSave   = resp.Error("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
	aclUnchanged = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)

// An ACLFile is where users are kept: one in a line, as ACL LIST writes them.
type ACLFile struct {
	Path  string
	Read  func() ([]byte, error)
	Write func(text []byte) error // all of it or nothing
}

// LoadUsers puts the users of the file in the place of all others. After an
// error nothing has changed.
func (s *State) LoadUsers() error {
	file := s.Host.ACLFile
	text, err := file.Read()
	if err != nil {
		return Errorf("Error loading ACLs, opening file '%s': %s", file.Path, err)
	}
	users, complaints := s.parseUsers(file.Path, text)
	if len(complaints) > 0 {
		return resp.Error(strings.Join(complaints, "") + aclUnchanged)
	}
	standard := s.Users.standard // its clients point to it
	standard.set(users.standard.rules)
	users.byName[defaultUser], users.standard = standard, standard
	users.bytes = s.Users.bytes
	for _, u := range s.Users.byName {
		if u != standard {
			users.bytes -= u.counted
		}
	}
	s.Users = users
	for _, u := range users.byName {
		s.Users.account(u)
	}
	return nil
}

// parseUsers reads a file of users and lists, in Redis's words, all that is wrong
// with it. A default user that it does not mention is as if nobody had told of
// any.
func (s *State) parseUsers(path string, text []byte) (users Users, complaints []string) {
	users = Users{byName: make(map[string]*User)}
	for i, line := range bytes.Split(text, []byte("\n")) {
		words := bytes.Split(bytes.Trim(line, " \t\r"), []byte(" "))
		if len(words) == 1 && len(words[0]) == 0 {
			continue
		}
		complaints = append(complaints, s.parseUser(&users, fmt.Sprintf("%s:%d", path, i+1), i+1, words)...)
	}
	if users.standard = users.byName[defaultUser]; users.standard == nil {
		users.standard = NewUsers().standard
		users.byName[defaultUser] = users.standard
	}
	return users, complaints
}

// parseUser reads one line, "user", a name and rules. Of the rules that are no
// such it complains once, of those that know a command which does not exist each
// time.
func (s *State) parseUser(users *Users, place string, line int, words [][]byte) (complaints []string) {
	complain := func(format string, args ...any) {
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	if string(words[0]) != "user" || len(words) < 2 {
		complain("%s should start with user keyword followed by the username. ", place)
		return
	}
	name := words[1]
	if hasSpaces(name) {
		complain("'%s: username '%s' contains invalid characters. ", place, name)
		return
	}
	if users.byName[string(name)] != nil {
		complain("WARNING: Duplicate user '%s' found on line %d. ", name, line)
		return
	}
	u, g, said := users.add(string(name)), s.grammar(), false
	r := g.fresh()
	rules, open := joinSelectors(words[2:])
	if open >= 0 {
		complain("%s: Unmatched parenthesis in selector definition.", place)
	}
	for _, rule := range rules {
		switch err := g.apply(&r, bytes.Trim(rule, "\t\r\n")); {
		case err == nil:
		case err == errRuleUnknown:
			complain("%s: Error in applying operation '%s': %s. ", place, rule, err)
		case !said:
			complain("%s: %s. ", place, err)
			said = true
		}
	}
	u.set(r)
	return
}
