package server

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/parley-chat/parley/commands"
	"github.com/parley-chat/parley/commands/resp"
)

// A direct is the caller of one call of Do.
type direct struct {
	caller
	reply chan struct{} // of capacity one; gets a value when a blocked call is answered
}

func (*direct) deliver()         {} // Do reads the reply from w
func (d *direct) resume()        { d.reply <- struct{}{} }
func (*direct) releaseLarge(int) {}

func (e *engine) newDirect() *direct {
	d := &direct{reply: make(chan struct{}, 1)}
	now := e.micros() / 1000
	d.caller.init(e, &commands.Client{
		ID:       e.lastID.Add(1),
		Created:  now,
		Active:   now,
		Protocol: 3,
		Authed:   true,
		Direct:   true,
	}, d)
	d.w.SetProtocol(3)
	return d
}

// Do runs one command without a connection, in database 0, and returns its reply in
// RESP3. An error reply is also returned as an error: a resp.Error, which errors.Is
// compares with the variables of package commands. Arguments are strings, []byte,
// integers, floats or booleans (1 or 0). Do needs no password.
//
// A blocking command (BZPOPMIN) blocks Do until ctx is done; the command has then changed
// nothing. A running command is not interrupted. Commands that concern their connection
// (SUBSCRIBE, MULTI, SELECT, CLIENT SETNAME) are rejected: use Dial for them. After Close
// the error is ErrClosed.
func (s *Server) Do(ctx context.Context, args ...any) (resp.Value, error) {
	if err := ctx.Err(); err != nil {
		return resp.Value{}, err
	}
	words, err := encodeArgs(args)
	if err != nil {
		return resp.Value{}, err
	}
	d := s.engine.newDirect()
	if err := s.engine.runDirect(ctx, d, words); err != nil {
		return resp.Value{}, err
	}
	v, err := d.value()
	if err == nil {
		err = v.Err()
	}
	return v, err
}

// value returns the reply.
func (d *direct) value() (resp.Value, error) {
	pieces, last := d.w.Take(nil)
	if len(pieces) == 0 {
		return resp.Parse(last)
	}
	all := make([][]byte, len(pieces), len(pieces)+1)
	for i, p := range pieces {
		all[i] = p.Bytes
	}
	return resp.Parse(append(all, last)...)
}

// runDirect runs a call and waits for its reply, which is then in d.w.
func (e *engine) runDirect(ctx context.Context, d *direct, words [][]byte) (failure error) {
	defer d.recoverPanic(e, &failure)
	select {
	case <-e.ended:
		return ErrClosed
	default:
	}
	if e.batch(&d.caller, []request{e.newRequest(words)}) == 0 {
		return ErrClosed // closed after the check above
	}
	if !d.isBlocked.Load() {
		if d.w.Len() == 0 {
			return ErrClosed // closed while the call was blocked
		}
		return nil
	}
	select {
	case <-d.reply:
	case <-ctx.Done():
		if e.cancelBlocked(&d.caller) {
			return ctx.Err()
		}
		select {
		case <-d.reply:
		default:
			return ErrClosed // the server was closed first
		}
	case <-e.ended:
		return ErrClosed
	}
	return nil
}

// ping runs PING as any call runs.
func (e *engine) ping() error {
	d := e.newDirect()
	if e.batch(&d.caller, []request{e.newRequest([][]byte{[]byte("PING")})}) == 0 {
		return ErrClosed
	}
	e.cancelBlocked(&d.caller) // CLIENT PAUSE may have blocked the call: the lock was free, which is enough
	return nil
}

// cancelBlocked ends a blocked call without a reply. It is false if the call has ended
// before: with a reply, or by close.
func (e *engine) cancelBlocked(c *caller) bool {
	ended := false
	e.exclusive(func() {
		if ended = c.blocked != nil; ended {
			e.unblockCaller(c.blocked)
		}
	})
	return ended
}

// encodeArgs returns the arguments of Do as strings of the protocol.
func encodeArgs(args []any) ([][]byte, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("server: Do needs a command")
	}
	words := make([][]byte, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			words[i] = []byte(a)
		case []byte:
			if words[i] = a; len(a) >= commands.LargeWord {
				words[i] = bytes.Clone(a) // the caller may write to it later
			}
		case int:
			words[i] = strconv.AppendInt(nil, int64(a), 10)
		case int64:
			words[i] = strconv.AppendInt(nil, a, 10)
		case uint64:
			words[i] = strconv.AppendUint(nil, a, 10)
		case int8, int16, int32, uint, uint8, uint16, uint32:
			words[i] = fmt.Append(nil, a)
		case float64:
			words[i] = strconv.AppendFloat(nil, a, 'g', -1, 64)
		case float32:
			words[i] = strconv.AppendFloat(nil, float64(a), 'g', -1, 32)
		case bool:
			words[i] = []byte("0")
			if a {
				words[i] = []byte("1")
			}
		default:
			return nil, fmt.Errorf("server: Do: argument %d is a %T, not a string, []byte, number or bool", i, a)
		}
	}
	return words, nil
}

// recoverPanic turns a panic into the error of Do.
func (d *direct) recoverPanic(e *engine, failure *error) {
	if p := recover(); p != nil {
		e.logPanic("(Do)", p)
		*failure = errPanicked
		e.settleAfterPanic()
	}
}
