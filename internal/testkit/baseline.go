package testkit

import (
	"errors"
	"slices"
	"strings"

	"github.com/parley-chat/parley/commands"
)

// A baseline is the initial configuration and users of a server. Its initial
// data is empty.
type baseline struct {
	config map[string]string
	users  []string // lines of ACL LIST
}

func (o *baseline) record(r *Kit) (err error) {
	o.config, o.users, err = configAndUsers(r)
	return err
}

func configAndUsers(r *Kit) (config map[string]string, users []string, err error) {
	c, err := r.DB(0).Do("CONFIG", "GET", "*")
	if err != nil {
		return nil, nil, err
	}
	u, err := r.DB(0).Do("ACL", "LIST")
	return c.Map(), u.Strings(), err
}

// restore resets the server's data, users, parameters, statistics and pauses.
// Clients of users that did not exist at the start are disconnected, as by ACL
// DELUSER.
func (o *baseline) restore(r *Kit) error {
	config, users, err := configAndUsers(r)
	if err != nil {
		return err
	}
	r.control.Inspect(func(s *commands.State) { s.KeepExpired = false }) // nothing has a deadline after FLUSHALL
	calls := [][]string{{"CLIENT", "UNPAUSE"}, {"FLUSHALL"}}
	calls = append(calls, o.userCalls(users)...)
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

// userCalls returns the calls that turn the current users into those of the
// baseline.
func (o *baseline) userCalls(now []string) (calls [][]string) {
	named := func(lines []string, name string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return userName(line) == name })
	}
	for _, line := range now {
		if name := userName(line); !named(o.users, name) {
			calls = append(calls, []string{"ACL", "DELUSER", name})
		}
	}
	for _, line := range o.users {
		if slices.Contains(now, line) {
			continue
		}
		calls = append(calls, append([]string{"ACL", "SETUSER", userName(line), "reset"}, userRules(line)...))
	}
	return calls
}

// userName returns the name in a line of ACL LIST: "user alice on ...".
func userName(line string) string { return strings.Fields(line)[1] }

// userRules returns the rules after the name. A selector, in parentheses, is
// one rule.
func userRules(line string) (list []string) {
	for _, word := range strings.Fields(line)[2:] {
		if n := len(list); n > 0 && strings.HasPrefix(list[n-1], "(") && !strings.HasSuffix(list[n-1], ")") {
			list[n-1] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}
