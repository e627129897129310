package oracle

import (
	"slices"
	"strings"
)

// dumpedBy names, in a call of RESTORE, what a side dumps when it comes to it.
var dumpedBy = [2]string{"redis's dump of ", "parley's dump of "}

// fixedPayloads are dumps of redis-server 7.0.15, and some that are none.
var fixedPayloads = []string{
	"\x00\x05hello\n\x00cr\xdfve4 \n",
	"\x00\xc0*\n\x00\x81\xfb\\\xfa\x86cOP",
	"\x10\x12\x12\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x81x\x02\xff\n\x00x\x07Lk\xd9\xd7\x05\x1f",
	"", "payload", "\x00\x05hellO\n\x00cr\xdfve4 \n", "\x00\x05hello\x0b\x00cr\xdfve4 \n",
}

// payload makes one for RESTORE: mostly what a key holds on one of the sides.
func (d *draft) payload() string {
	if d.chance(0.2) {
		return d.pick(fixedPayloads)
	}
	return d.pick(dumpedBy[:]) + d.key()
}

// ttl makes the one of RESTORE: 0 is none.
func (d *draft) ttl() string {
	switch {
	case d.chance(0.4):
		return "0"
	case d.tokens["ABSTTL"]:
		return d.deadline(true)
	}
	return d.relative(1000)
}

// restoreBoth gives both sides the same payload.
func restoreBoth(p *pair, l *link, c Call) error {
	words := slices.Clone(c.Words)
	for i, w := range words {
		for side, by := range dumpedBy {
			key, ok := strings.CutPrefix(w, by)
			if !ok {
				continue
			}
			r, err := p.both(l, []string{"DUMP", key})
			if err != nil {
				return err
			}
			words[i] = r[side].node().text
			if r[side].node().null() {
				words[i] = ""
			}
		}
	}
	r, err := p.both(l, words)
	if err != nil {
		return err
	}
	return p.judge(l, c, r)
}

// dumpBoth compares payloads: those of hash tables by what the other side makes
// of them, all others byte for byte.
func dumpBoth(p *pair, l *link, c Call) error {
	r, err := p.both(l, c.Words)
	if err != nil {
		return err
	}
	a, b := r[0].node(), r[1].node()
	if r[0].is(string(r[1])) || a.kind != '$' || b.kind != '$' || a.null() || b.null() {
		return p.judge(l, c, r)
	}
	encoding, err := p.both(l, []string{"OBJECT", "ENCODING", c.Words[1]})
	if err != nil {
		return err
	}
	if encoding[0].node().text != "hashtable" {
		return p.difference(c, r)
	}
	same, err := p.sameWhenExchanged(l, a.text, b.text)
	if err != nil {
		return err
	}
	if !same {
		return p.difference(c, r)
	}
	return p.judge(l, c, [2]reply{r[0], r[0]})
}

// exchanged is a key that is there only while payloads are exchanged.
const exchanged = "oracle:exchanged"

// sameWhenExchanged reports whether each side makes the same value of the payload
// of the other.
func (p *pair) sameWhenExchanged(l *link, redis, parley string) (bool, error) {
	var held [2]string
	for side, payload := range [2]string{parley, redis} {
		replies, err := l.wires[side].ask([][]string{
			{"RESTORE", exchanged, "0", payload},
			{"TYPE", exchanged},
			{"OBJECT", "ENCODING", exchanged},
		})
		if err != nil {
			return false, err
		}
		kind, encoding := replies[1].node().text, replies[2].node().text
		read := contentsOf[kind]
		if !replies[0].is("+OK\r\n") || read == nil {
			held[side] = replies[0].String() + p.sides[side].Name
			continue
		}
		replies, err = l.wires[side].ask([][]string{append([]string{read[0], exchanged}, read[1:]...), {"DEL", exchanged}})
		if err != nil {
			return false, err
		}
		// What was a table has each side's order, even if it is a listpack now.
		held[side] = encoding + " " + canonical(kind, "hashtable", replies[0].node())
	}
	return held[0] == held[1], nil
}
