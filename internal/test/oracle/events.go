package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// endOfEvents is published by the pair itself.
const endOfEvents = "oracle:end"

// listen subscribes to all keyspace events of both sides.
func (p *pair) listen() error {
	r, err := p.both(p.checker, []string{"CONFIG", "SET", "notify-keyspace-events", "KEA"})
	if err != nil {
		return err
	}
	for i := range r {
		if !r[i].is("+OK\r\n") {
			return fmt.Errorf("%s: CONFIG SET notify-keyspace-events: %s", p.sides[i].Name, r[i])
		}
	}
	for i := range p.events {
		if _, err := p.events[i].ask([][]string{{"PSUBSCRIBE", "__keyevent@*"}, {"SUBSCRIBE", endOfEvents}}); err != nil {
			return err
		}
	}
	return nil
}

// compareEvents compares the events since the last time, in their order.
func (p *pair) compareEvents(d *Difference) error {
	if _, err := p.both(p.checker, []string{"PUBLISH", endOfEvents, "x"}); err != nil {
		return err
	}
	p.expired = [2]map[string]bool{make(map[string]bool), p.expired[0]}
	var told [2][]string
	for i, w := range p.events {
		w.conn.SetDeadline(time.Now().Add(patience))
		for {
			r, err := readReply(w.r)
			if err != nil {
				return err
			}
			e := r.node().leaves()
			if slices.Contains(e, endOfEvents) {
				break
			}
			if strings.Contains(e[2], ":expired") {
				p.expired[0][e[3]] = true
				continue // Redis sends it when it comes across the key
			}
			told[i] = append(told[i], strings.Join(e[2:], " "))
		}
	}
	for i := range max(len(told[0]), len(told[1])) {
		if i >= len(told[0]) || i >= len(told[1]) || told[0][i] != told[1][i] {
			for side := range told {
				from := max(0, min(i-2, len(told[side])))
				d.Replies[side] = fmt.Sprintf("events: ... %q", told[side][from:min(i+3, len(told[side]))])
			}
			return d
		}
	}
	return nil
}
