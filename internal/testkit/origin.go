package testkit

import (
	"errors"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// An origin is what a server was like before anybody used it, but for its data, of
// which there was none.
type origin struct {
	config map[string]string
	users  []string // lines of ACL LIST
}

func (o *origin) note(r *Kit) (err error) {
	o.config, o.users, err = parametersAndUsers(r)
	return err
}

func parametersAndUsers(r *Kit) (config map[string]string, users []string, err error) {
	c, err := r.DB(0).Do("CONFIG", "GET", "*")
	if err != nil {
		return nil, nil, err
	}
	u, err := r.DB(0).Do("ACL", "LIST")
	return c.Map(), u.Strings(), err
}

// back makes the server what it was: its data, users and parameters, what it counts
// and what it holds back. Clients that users of the time between belong to are closed,
// as ACL DELUSER does.
func (o *origin) back(r *Kit) error {
	config, users, err := parametersAndUsers(r)
	if err != nil {
		return err
	}
	r.control.Inspect(func(s *commands.State) { s.KeepExpired = false }) // nothing has a deadline after FLUSHALL
	calls := [][]string{{"CLIENT", "UNPAUSE"}, {"FLUSHALL"}}
	calls = append(calls, o.undoneUsers(users)...)
	for name, value := range o.config {
		if config[name] != value {
			calls = append(calls, []string{"CONFIG", "SET", name, value})
		}
	}
	calls = append(calls, []string{"ACL", "LOG", "RESET"}, []string{"SLOWLOG", "RESET"}, []string{"LATENCY", "RESET"}, []string{"CONFIG", "RESETSTAT"})
	var errs []error
	for _, words := range calls {
		if _, err := r.DB(0).Do(words...); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// undoneUsers are the calls that make the users of now those of the start.
func (o *origin) undoneUsers(now []string) (calls [][]string) {
	named := func(lines []string, name string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return nameIn(line) == name })
	}
	for _, line := range now {
		if name := nameIn(line); !named(o.users, name) {
			calls = append(calls, []string{"ACL", "DELUSER", name})
		}
	}
	for _, line := range o.users {
		if slices.Contains(now, line) {
			continue
		}
		calls = append(calls, append([]string{"ACL", "SETUSER", nameIn(line), "reset"}, rules(line)...))
	}
	return calls
}

// nameIn returns the name in a line of ACL LIST: "user alice on ...".
func nameIn(line string) string { return strings.Fields(line)[1] }

// rules returns what stands behind it. A selector, in parentheses, is one rule.
func rules(line string) (list []string) {
	for _, word := range strings.Fields(line)[2:] {
		if n := len(list); n > 0 && strings.HasPrefix(list[n-1], "(") && !strings.HasSuffix(list[n-1], ")") {
			list[n-1] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}
