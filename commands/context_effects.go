package commands

import (
	"strconv"

	"github.com/parley-chat/parley/internal/wire"
)

// An Effect is a plain deterministic command. Effects that are run in their
// order on an empty server, a real Redis among them, give the same data.
type Effect struct {
	DB    int
	Words [][]byte
}

// EmitAs sets the effect of the call where that is not the call itself: for a random pick, a
// relative time, a float sum. Each call of it adds one command. Words are strings, []byte or
// numbers.
func (c *Context) EmitAs(words ...any) {
	c.call.logged = true
	c.emit(words...)
}

func (c *Context) emit(words ...any) {
	if c.Effects == nil {
		return
	}
	effect := make([][]byte, len(words))
	for i, w := range words {
		effect[i] = word(w)
	}
	c.addEffect(Effect{c.index, effect})
	c.flushEffects()
}

func (c *Context) addEffect(e Effect) {
	if c.Effects != nil {
		c.unit = append(c.unit, e)
	}
}

// flushEffects hands over the unit once it is complete.
func (c *Context) flushEffects() {
	if c.depth == 0 && len(c.unit) > 0 {
		c.Effects(c.unit)
		c.unit = nil
	}
}

func word(w any) []byte {
	switch w := w.(type) {
	case []byte:
		return w
	case string:
		return []byte(w)
	case int:
		return strconv.AppendInt(nil, int64(w), 10)
	case int64:
		return strconv.AppendInt(nil, w, 10)
	case float64:
		return wire.AppendDouble(nil, w)
	}
	panic("commands: an effect's words are strings, []byte or numbers")
}
