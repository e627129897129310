package commands

import (
	"slices"

	"github.com/parley-chat/parley/commands/resp"
)

// A denial is what a user lacks for a call. Of the denials of several selectors
// the last one in this order counts, as in Redis.
type denial int

const (
	allowed denial = iota
	deniedCommand
	deniedKey
	deniedAuth
	deniedChannel
)

const (
	errNoKeys     = resp.Error("NOPERM this user has no permissions to access one of the keys used as arguments")
	errNoChannels = resp.Error("NOPERM this user has no permissions to access one of the channels used as arguments")
)

// ChannelWords are the words of a call that name channels. The zero value is
// none.
type ChannelWords struct {
	First, Last int  // -1: the call's last word
	Patterns    bool // they are patterns of channels
}

func (w ChannelWords) in(args [][]byte) (from, to int) {
	if w.First == 0 {
		return 0, 0
	}
	if w.Last < 0 {
		return w.First, len(args) + w.Last + 1
	}
	return w.First, w.Last + 1
}

// In returns the words of a call, which has passed the arity check, that name
// channels, or patterns of channels.
func (w ChannelWords) In(args [][]byte) [][]byte {
	from, to := w.in(args)
	return args[from:to]
}

// An aclCheck is a call to be checked against the selectors of a user.
type aclCheck struct {
	command *Command
	args    [][]byte
	uses    []KeyUse // once known
	known   bool
}

// keys finds the keys of the call. One that does not have as many as it says is
// refused by its handler, but first, as in Redis, for keys that it seems to have.
func (q *aclCheck) keys() []KeyUse {
	if !q.known {
		var ok bool
		if q.uses, ok = q.command.Keys.In(q.args); !ok {
			q.uses, _ = q.command.Keys.counted(q.args)
		}
		q.known = true
	}
	return q.uses
}

// check returns what a user lacks for a call, and the place of the word concerned.
func (r *rules) check(m *Command, args [][]byte) (lack denial, at int) {
	q := aclCheck{command: m, args: args}
	lack = deniedCommand
	for _, s := range r.selectors {
		l, i := s.check(&q)
		if l == allowed {
			return allowed, 0
		}
		if l > lack || l == lack && i > at {
			lack, at = l, i
		}
	}
	return lack, at
}

// check is rules.check for one selector.
func (s *selector) check(q *aclCheck) (lack denial, at int) {
	if !s.allowsCall(q.command, q.args) {
		return deniedCommand, 0
	}
	if !s.anyKey {
		for _, use := range q.keys() {
			if !s.allowsKey(use.Key, use.Flags.access()) {
				return deniedKey, use.At
			}
		}
	}
	from, to := q.command.Channels.in(q.args)
	for i := from; i < to; i++ {
		if !s.allowsChannel(q.args[i], q.command.Channels.Patterns) {
			return deniedChannel, i
		}
	}
	return allowed, 0
}

// allowsCall reports whether a command may be run, with these words at least. A test's
// own may, or a test of what users may not could not be cleared away.
func (s *selector) allowsCall(m *Command, args [][]byte) bool {
	if m.Flags&(NoAuth|Hidden) != 0 || s.allows(m.id) {
		return true
	}
	words := s.firstWords[m.id]
	return len(words) > 0 && len(args) > 1 && slices.ContainsFunc(words, func(w string) bool {
		return sameWord(w, string(cString(args[1])))
	})
}

// denial tells what the client's user lacks for a call, and keeps that in the
// ACL log. For a user who may do everything it costs one look.
func (c *Context) denial(m *Command, args [][]byte) denial {
	u := c.Client.User
	if u == nil || u.unrestricted {
		return allowed
	}
	lack, at := u.check(m, args)
	switch lack {
	case allowed:
	case deniedCommand:
		c.logDenial(lack, m.FullName(), u.Name)
	default:
		c.logDenial(lack, string(args[at]), u.Name)
	}
	return lack
}

// ACLError returns the error if the client's user may not make a call, or nil.
func (c *Context) ACLError(m *Command, args [][]byte) error {
	switch c.denial(m, args) {
	case allowed:
		return nil
	case deniedKey:
		return errNoKeys
	case deniedChannel:
		return errNoChannels
	}
	return Errorf("NOPERM this user has no permissions to run the '%s' command", m.FullName())
}

// aclErrorInExec is ACLError for a call that was allowed when it was queued.
func (c *Context) aclErrorInExec(m *Command, args [][]byte) error {
	var why string
	switch c.denial(m, args) {
	case allowed:
		return nil
	case deniedKey:
		why = "no permission to touch the specified keys"
	case deniedChannel:
		why = "no permission to access one of the channels used as arguments"
	default:
		why = "no permission to execute the command or subcommand"
	}
	return Errorf("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "+
		"This command is no longer allowed for the following reason: %s", why)
}

// mayReadAll reports whether the client's user may make the call under way and
// read every key with it.
func (c *Context) mayReadAll() bool {
	if c.Client == nil || c.Client.User == nil || c.Client.User.unrestricted {
		return true
	}
	q := aclCheck{command: c.Command, args: c.Args}
	return slices.ContainsFunc(c.Client.User.selectors, func(s *selector) bool {
		lack, _ := s.check(&q)
		return lack == allowed && s.allowsAllKeys(reading)
	})
}
