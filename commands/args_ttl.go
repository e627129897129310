package commands

import "math"

// A timeForm is one of the ways in which clients say when a key expires.
type timeForm struct {
	word     string // the option of SET and GETEX
	scale    int64  // ms in one unit
	relative bool   // from now, not from 1970
}

var (
	inSeconds     = timeForm{"EX", 1000, true}
	inMillis      = timeForm{"PX", 1, true}
	atUnixSeconds = timeForm{"EXAT", 1000, false}
	atUnixMillis  = timeForm{"PXAT", 1, false}

	timeForms = [...]*timeForm{&inSeconds, &inMillis, &atUnixSeconds, &atUnixMillis}
)

// expireError is the reply to a time that no key can expire at.
func (c *Context) expireError() error {
	return Errorf("ERR invalid expire time in '%s' command", c.Command.FullName())
}

// deadline returns the Unix ms that n in the given form stands for.
func (c *Context) deadline(f *timeForm, n int64) (at int64, err error) {
	if n > math.MaxInt64/f.scale || n < math.MinInt64/f.scale {
		return 0, c.expireError()
	}
	at = n * f.scale
	if !f.relative {
		return at, nil
	}
	if c.Now > 0 && at > math.MaxInt64-c.Now || c.Now < 0 && at < math.MinInt64-c.Now {
		return 0, c.expireError()
	}
	return at + c.Now, nil
}
