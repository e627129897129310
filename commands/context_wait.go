package commands

import (
	"context"
	"errors"

	"github.com/parley-chat/parley/internal/wire"

	"github.com/parley-chat/parley/commands/resp"
)

// A Wait is the result of a call that blocks: until one of its keys is created, or its async
// function returns.
type Wait struct {
	Keys      [][]byte           // in the call's order; none: nothing but time, or the async function, ends it
	Timeout   int64              // ms; 0: for ever
	OnTimeout func(*wire.Writer) // the reply when the time is up
	Async     AsyncFunc          // nil: none
}

// An AsyncFunc is work that a call cannot do under the lock, because it waits or takes that
// lock itself. It runs in its own goroutine. Its context ends when the client disconnects,
// is killed or unblocked, or when the server closes; Close waits for the function. It must
// not close the server. It must not use the Context of the call, or data that the call does
// not own.
//
// The returned reply function runs under the lock if the client is still connected. An error
// is the reply itself.
type AsyncFunc func(context.Context) (reply func(*wire.Writer), err error)

// errWaits makes the engine park the call. It reaches no client.
var errWaits = errors.New("commands: the call waits")

// Wait blocks the call: it is made again, with Woken set, when one of the keys is created.
// After the timeout in ms (0: never) the reply is a null array. In a Final call Wait replies
// that at once.
func (c *Context) Wait(timeout int64, keys ...[]byte) error {
	return c.wait(&Wait{Keys: keys, Timeout: timeout, OnTimeout: (*wire.Writer).NullArray})
}

// RunAsync ends a call whose reply is the result of f. Later calls of the client wait for
// it. Within EXEC it is an error. After CLIENT UNBLOCK the reply is a null array.
func (c *Context) RunAsync(f AsyncFunc) error {
	if c.Final {
		return Errorf("ERR Command not allowed inside a transaction")
	}
	return c.wait(&Wait{OnTimeout: (*wire.Writer).NullArray, Async: f})
}

func (c *Context) wait(w *Wait) error {
	if c.Final {
		w.OnTimeout(c.Writer)
		return nil
	}
	c.call.wait = w
	return errWaits
}

// FinishAsync replies with the result of an async call.
func (c *Context) FinishAsync(m *Command, reply func(*wire.Writer), err error) {
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

// A WaitingCall is a blocked call: it waits for keys or a time, or it is postponed by a
// pause or the auth rate limiter.
type WaitingCall struct {
	Client    *Client
	Command   *Command
	Args      [][]byte // not to be kept or changed
	Postponed bool
}
