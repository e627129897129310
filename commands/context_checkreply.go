package commands

import (
	"github.com/parley-chat/parley/commands/resp"
	"github.com/parley-chat/parley/internal/wire"
)

const errWrongReply = resp.Error("ERR internal error: the command did not write one whole reply")

// checkReply sees to it that a call of a row that a program has added gets exactly
// one whole reply: the client would take any other number, or a header without its
// elements, for the replies to its next calls. What is wrong becomes an error; what
// the call has changed stays. Messages that the client was sent meanwhile do not
// count. err is the reply so far, if it is an error.
func (c *Context) checkReply(err error) error {
	m := c.Command
	if !m.added || c.call.wait != nil {
		return err
	}
	n, whole := wire.Count(c.From(c.call.mark))
	if n -= len(c.call.messages); n == 1 && whole {
		return err
	}
	c.Truncate(c.call.mark)
	for _, message := range c.call.messages {
		c.Message(message.In(c.Client.Protocol))
	}
	c.Error(errWrongReply)
	if _, told := c.misreplied.LoadOrStore(m, true); !told {
		c.logEvent(WrongReply, "command", m.FullName(), "replies", n, "whole", whole)
	}
	return errWrongReply
}
