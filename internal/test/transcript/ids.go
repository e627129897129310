package transcript

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley/commands/resp"
)

// withIDs replaces the words that stand for connections by their IDs. It asks a
// connection for its ID at the first use of its word.
func (c *conversation) withIDs(words []string) ([]string, error) {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w
		name, marked := strings.CutPrefix(w, "<id:")
		name, closed := strings.CutSuffix(name, ">")
		if !marked || !closed {
			continue
		}
		id, err := c.idOf(name)
		if err != nil {
			return nil, err
		}
		list[i] = fmt.Sprint(id)
	}
	return list, nil
}

func (c *conversation) idOf(name string) (int64, error) {
	for id, known := range c.ids {
		if known == name {
			return id, nil
		}
	}
	conn, err := c.open(name)
	if err != nil {
		return 0, err
	}
	conn.send([]string{"CLIENT", "ID"})
	a, err := conn.read(patience)
	if err != nil {
		return 0, err
	}
	if a.value.Type != resp.TypeInt {
		return 0, fmt.Errorf("connection %q does not tell its number: %s", name, a.render(asSent))
	}
	c.ids[a.value.Int] = name
	return a.value.Int, nil
}

// name replaces the IDs that withIDs has used by their words, if the step asks
// for that.
func (c *conversation) name(a answer, o order) answer {
	if o == withIDs {
		a.value = c.named(a.value)
	}
	return a
}

func (c *conversation) named(v resp.Value) resp.Value {
	if conn, known := c.ids[v.Int]; known && v.Type == resp.TypeInt {
		return resp.Value{Type: resp.TypeStatus, Str: "(integer) <id:" + conn + ">"}
	}
	elems := make([]resp.Value, len(v.Elems))
	for i, e := range v.Elems {
		elems[i] = c.named(e)
	}
	v.Elems = elems
	return v
}
