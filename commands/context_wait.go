package commands

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/commands/resp"
)

// A Wait is a call that goes on when one of its keys comes into being, or when its
// errand has been run.
type Wait struct {
	Keys      [][]byte           // in the call's order; none: nothing but time, or the errand, ends it
	Timeout   int64              // ms; 0: for ever
	OnTimeout func(*resp.Writer) // the reply when the time is up
	Async     AsyncFunc          // nil: none
}

// An AsyncFunc is what a call cannot do while it holds the lock, because it waits or
// takes that lock itself: it runs in a goroutine of its own. Its context ends when
// nobody waits for the reply any more: the client has left, was killed or unblocked,
// or the server closes, which waits for the errand. It must not close the server, nor
// touch the Context of the call or what is not the call's own.
//
// The reply that it returns is written under the lock, if the client is still there.
// An error is the reply itself.
type AsyncFunc func(context.Context) (reply func(*resp.Writer), err error)

// errWaits makes the engine park the call. It reaches no client.
var errWaits = errors.New("commands: the call waits")

// Wait ends a call that has found nothing to do: it is to be made again, with
// Woken set, when one of the keys comes into being. When the time in ms is up
// (0: never) the engine answers it with a null array, as Wait itself does in a
// Final call.
func (c *Context) Wait(timeout int64, keys ...[]byte) error {
	return c.wait(&Wait{Keys: keys, Timeout: timeout, OnTimeout: (*resp.Writer).NullArray})
}

// RunAsync ends a call that is to be answered by what f comes to. What the caller sends
// meanwhile runs behind that. There is no time for it within EXEC: there it is an error.
// CLIENT UNBLOCK makes the reply a null array.
func (c *Context) RunAsync(f AsyncFunc) error {
	if c.Final {
		return Errorf("ERR Command not allowed inside a transaction")
	}
	return c.wait(&Wait{OnTimeout: (*resp.Writer).NullArray, Async: f})
}

func (c *Context) wait(w *Wait) error {
	if c.Final {
		w.OnTimeout(c.Writer)
		return nil
	}
	c.call.wait = w
	return errWaits
}

// FinishAsync replies what the errand of a call has come to.
func (c *Context) FinishAsync(m *Command, reply func(*resp.Writer), err error) {
	c.call.mark = c.Len()
	if err == nil {
		reply(c.Writer)
	}
	if err == nil && !c.Full() {
		outer := c.Command
		c.Command = m
		err = c.checkReply(nil)
		if c.Command = outer; err == nil {
			return
		}
	} else if err == nil {
		err = c.failTooLarge()
	} else {
		if _, whole := err.(resp.Error); !whole { // one that is wrapped is but a part of what there is to tell
			err = Errorf("ERR %v", err)
		}
		c.Error(err)
	}
	c.Stats.CountError(err)
	c.Stats.Of(m).Failed.Add(1)
}

// A WaitingCall is one that waits: for keys or a time, as it asks for, or because
// it is held back (by a pause, or because passwords are being guessed).
type WaitingCall struct {
	Client    *Client
	Command   *Command
	Args      [][]byte // not to be kept or changed
	Postponed bool
}
