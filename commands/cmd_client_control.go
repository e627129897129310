package commands

import (
	"github.com/parley-chat/parley/commands/resp"
)

// errUnblocked is the reply to a call that CLIENT UNBLOCK ERROR has ended.
const errUnblocked = resp.Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")

// clientUnblock ends another client's call that waits, as its timeout would or
// with an error. A call that a pause holds back does not wait in this sense.
func clientUnblock(c *Context) error {
	var failure error
	switch {
	case len(c.Args) > 4:
		return c.subcommandError()
	case len(c.Args) == 3, Is(c.Args[3], "TIMEOUT"):
	case Is(c.Args[3], "ERROR"):
		failure = errUnblocked
	default:
		return Errorf("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
	}
	id, err := c.IntArg(2)
	if err != nil {
		return err
	}
	l := c.Clients.Get(id)
	c.Flag(l != nil && c.Unblock != nil && c.Unblock(l, failure))
	return nil
}

// clientReply replies to ON only. Within EXEC what it says holds from where it
// stands, so that the reply to EXEC may lack some of the elements that it
// announces, as in Redis.
func clientReply(c *Context) error {
	r := &c.Client.replies
	switch mode := c.Args[2]; {
	case Is(mode, "ON"):
		r.off, r.skip = false, false
		c.Mute(c.Client.Muted())
		c.OK()
	case Is(mode, "OFF"):
		r.off = true
		c.Mute(true)
	case Is(mode, "SKIP"):
		r.skipNext = r.skipNext || !r.off
	default:
		return ErrSyntax
	}
	return nil
}

// clientPause takes, as Redis does, a timeout whose end is past all time for
// one that has passed.
func clientPause(c *Context) error {
	kind := PauseAll
	switch {
	case len(c.Args) > 4:
		return c.subcommandError()
	case len(c.Args) == 3, Is(c.Args[3], "ALL"):
	case Is(c.Args[3], "WRITE"):
		kind = pauseWrites
	default:
		return Errorf("ERR CLIENT PAUSE mode must be WRITE or ALL")
	}
	timeout, err := c.millisArg(2)
	if err != nil {
		return err
	}
	end := int64(0)
	if timeout > 0 {
		end = c.Now + timeout // may wrap around
	}
	c.Pause.prolong(kind, end, c.Now)
	c.OK()
	return nil
}

func clientUnpause(c *Context) error {
	c.Pause = Pause{}
	c.OK()
	return nil
}
