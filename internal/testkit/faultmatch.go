package testkit

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

// A matcher decides which calls and messages a fault applies to.
type matcher struct {
	rows       map[*commands.Command]bool
	categories commands.Category
	refuses    func(call) bool // nil: any call
	fault      *Fault
}

// compile returns the fault's matcher, or an error if the fault is invalid.
func (f *Fault) compile(t *commands.Table) (a matcher, err error) {
	a = matcher{fault: f}
	if err := f.checkEffect(); err != nil {
		return a, fmt.Errorf("servertest: fault %q: %w", f.String(), err)
	}
	if f.Command == "" && f.Error != "" {
		a.refuses = refusedBy(f.Error)
	}
	for name := range strings.SplitSeq(f.Command, ",") {
		if name = strings.TrimSpace(name); name == "" && f.Command == "" {
			break
		}
		if !a.addCommand(t, name) {
			return a, fmt.Errorf("servertest: fault %q: no command %q", f.String(), name)
		}
	}
	return a, nil
}

// checkEffect returns an error unless the fault has exactly one valid effect.
func (f *Fault) checkEffect() error {
	effects := 0
	for _, set := range []bool{f.Error != "", f.Cut != 0, f.Hold, f.Partition, f.Drop, f.Double} {
		if set {
			effects++
		}
	}
	switch {
	case effects == 0 && f.Delay == 0:
		return errors.New("no effect")
	case effects > 1:
		return errors.New("more than one effect")
	case f.Delay != 0 && (f.affectsMessages() || f.affectsLink()):
		return errors.New("delay excludes hold, partition, drop and double")
	case f.Delay < 0, f.Nth < 0, f.From < 0, f.Times < 0:
		return errors.New("negative number")
	case f.Nth > 0 && f.From > 0:
		return errors.New("nth and from exclude each other")
	case f.Chance < 0 || f.Chance > 1 || math.IsNaN(f.Chance):
		return errors.New("chance is from 0 to 1")
	case f.Cut < 0 || int(f.Cut) >= len(cutNames):
		return errors.New("no such Cut")
	case f.affectsMessages() && (f.Command != "" || f.Key != ""):
		return errors.New("drop and double exclude command and key")
	case f.affectsLink() && f.Client == "" && f.ID == 0:
		return errors.New(`hold and partition need a client or an id; client "*" is all clients`)
	case f.Error != "" && !strings.Contains(fullErrorText(f.Error), " "):
		return errors.New("no predefined error; others are a code and a text")
	case strings.ContainsAny(f.Error, "\r\n"):
		return errors.New("the error contains a line break")
	}
	return nil
}

func (f *Fault) affectsMessages() bool { return f.Drop || f.Double }
func (f *Fault) affectsLink() bool     { return f.Hold || f.Partition }

// selectsCalls reports whether the fault applies only to some calls.
func (f *Fault) selectsCalls() bool {
	return f.Command != "" || f.Key != "" || f.Channel != "" || f.Nth+f.From+f.Times > 0 || f.Chance > 0
}

// appliesToDo reports whether the fault applies to calls of Do.
func (f *Fault) appliesToDo() bool {
	return f.Cut == 0 && !f.affectsLink() && f.Client == "" && f.ID == 0
}

// copies is how often a message arrives that the fault applies to.
func (f *Fault) copies() int {
	if f.Double {
		return 2
	}
	return 0
}

// addCommand adds a name of commands, or a category; false: there is none.
func (a *matcher) addCommand(t *commands.Table, name string) bool {
	if category, ok := strings.CutPrefix(name, "@"); ok {
		c := commands.CategoryNamed([]byte(category))
		a.categories |= c
		return c != 0
	}
	m := t.Named([]byte(name))
	if m == nil {
		return false
	}
	if a.rows == nil {
		a.rows = make(map[*commands.Command]bool)
	}
	a.rows[m] = true
	for _, sub := range m.Children() {
		a.rows[sub] = true
	}
	return true
}

// matchesClient reports whether the fault applies to a client. "*" is not a
// pattern here: it also matches clients without a name.
func (a *matcher) matchesClient(l *commands.Client) bool {
	f := a.fault
	return (f.ID == 0 || f.ID == l.ID) && (f.Client == "" || f.Client == "*" || matches(f.Client, []byte(l.Name)))
}

func (a *matcher) matchesChannel(name []byte) bool {
	return a.fault.Channel == "" || matches(a.fault.Channel, name)
}

// matchesCall reports whether the fault applies to a call. m is nil if there is
// no such command.
func (a *matcher) matchesCall(c call) bool {
	f, m, args := a.fault, c.m, c.args
	switch {
	case m == nil:
		return f.Command == "" && f.Key == "" && f.Channel == "" && a.refuses == nil
	case f.Command != "" && !a.rows[m] && m.Categories()&a.categories == 0:
		return false
	case a.refuses != nil && (!m.Accepts(len(args)) || !a.refuses(c)):
		return false
	}
	return (f.Key == "" || anyKey(f.Key, m, args)) && (f.Channel == "" || anyChannel(f.Channel, m, args))
}

func anyKey(pattern string, m *commands.Command, args [][]byte) bool {
	for _, key := range keysOf(m, args) {
		if matches(pattern, key.Key) {
			return true
		}
	}
	return false
}

func keysOf(m *commands.Command, args [][]byte) []commands.KeyUse {
	if !m.Accepts(len(args)) {
		return nil
	}
	keys, _ := m.Keys.In(args)
	return keys
}

func anyChannel(pattern string, m *commands.Command, args [][]byte) bool {
	if !m.Accepts(len(args)) {
		return false
	}
	for _, name := range m.Channels.In(args) {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

func matches(pattern string, name []byte) bool {
	return datastructs.Match([]byte(pattern), name, false)
}
