package testkit

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/datastructs"
)

// An aim is that of a fault, taken apart.
type aim struct {
	rows       map[*commands.Command]bool
	categories commands.Category
	refuses    func(call) bool // nil: any call
	fault      *Fault
}

// check takes a fault's aim apart, and tells what makes no sense.
func (f *Fault) check(t *commands.Table) (a aim, err error) {
	a = aim{fault: f}
	if err := f.checkEffect(); err != nil {
		return a, fmt.Errorf("servertest: fault %q: %w", f.String(), err)
	}
	if f.Command == "" && f.Error != "" {
		a.refuses = refusalOf(f.Error)
	}
	for name := range strings.SplitSeq(f.Command, ",") {
		if name = strings.TrimSpace(name); name == "" && f.Command == "" {
			break
		}
		if !a.add(t, name) {
			return a, fmt.Errorf("servertest: fault %q: no command %q", f.String(), name)
		}
	}
	return a, nil
}

// checkEffect tells what makes no sense about it.
func (f *Fault) checkEffect() error {
	effects := 0
	for _, set := range []bool{f.Error != "", f.Cut != 0, f.Hold, f.Partition, f.Drop, f.Double} {
		if set {
			effects++
		}
	}
	switch {
	case effects == 0 && f.Delay == 0:
		return errors.New("nothing goes wrong")
	case effects > 1:
		return errors.New("more than one thing goes wrong")
	case f.Delay != 0 && (f.aboutMessages() || f.aboutLine()):
		return errors.New("a delay is before a call, an error or a cut")
	case f.Delay < 0, f.Nth < 0, f.From < 0, f.Times < 0:
		return errors.New("a number is negative")
	case f.Nth > 0 && f.From > 0:
		return errors.New("nth is one call, from all from one on")
	case f.Chance < 0 || f.Chance > 1 || math.IsNaN(f.Chance):
		return errors.New("chance is from 0 to 1")
	case f.Cut < 0 || int(f.Cut) >= len(cutNames):
		return errors.New("no such Cut")
	case f.aboutMessages() && (f.Command != "" || f.Key != ""):
		return errors.New("messages have channels and clients only")
	case f.aboutLine() && f.Client == "" && f.ID == 0:
		return errors.New(`whose connection? Client "*" is everybody's`)
	case f.Error != "" && !strings.Contains(readyMade(f.Error), " "):
		return errors.New("no ready-made error; others are a code and a text")
	case strings.ContainsAny(f.Error, "\r\n"):
		return errors.New("an error is one line")
	}
	return nil
}

func (f *Fault) aboutMessages() bool { return f.Drop || f.Double }
func (f *Fault) aboutLine() bool     { return f.Hold || f.Partition }

// aboutCalls reports whether the aim says something of a call.
func (f *Fault) aboutCalls() bool {
	return f.Command != "" || f.Key != "" || f.Channel != "" || f.Nth+f.From+f.Times > 0 || f.Chance > 0
}

// reachesDo reports whether callers without a connection can be struck.
func (f *Fault) reachesDo() bool {
	return f.Cut == 0 && !f.aboutLine() && f.Client == "" && f.ID == 0
}

// copies is how often a message that was struck arrives.
func (f *Fault) copies() int {
	if f.Double {
		return 2
	}
	return 0
}

// add adds a name of commands to the aim; false: there are none of it.
func (a *aim) add(t *commands.Table, name string) bool {
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

// client reports whether the aim is at a client. As a pattern of channels "*" would
// not match the name of those that have none.
func (a *aim) client(l *commands.Client) bool {
	f := a.fault
	return (f.ID == 0 || f.ID == l.ID) && (f.Client == "" || f.Client == "*" || matches(f.Client, []byte(l.Name)))
}

func (a *aim) channel(name []byte) bool {
	return a.fault.Channel == "" || matches(a.fault.Channel, name)
}

// call reports whether the aim is at a call. Its row is nil if there is no such
// command.
func (a *aim) call(c call) bool {
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
