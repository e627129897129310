package hashmodel

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A model is a set of hashes, with the deadlines of keys and fields.
type model struct {
	now  int64
	keys map[string]hash
}

type hash struct {
	fields map[string]field
	at     int64 // deadline of the key
}

type field struct {
	value string
	at    int64
}

const never = math.MaxInt64

func newModel(now int64) *model { return &model{now: now, keys: make(map[string]hash)} }

// advance lets time pass and removes what has expired.
func (m *model) advance(ms int64) {
	m.now += ms
	for key, h := range m.keys {
		maps.DeleteFunc(h.fields, func(_ string, f field) bool { return f.at < m.now })
		if h.at < m.now {
			delete(m.keys, key)
		}
	}
	m.tidy()
}

// tidy removes empty keys.
func (m *model) tidy() {
	maps.DeleteFunc(m.keys, func(_ string, h hash) bool { return len(h.fields) == 0 })
}

// open returns the fields of a key for changes.
func (m *model) open(key string) map[string]field {
	if _, ok := m.keys[key]; !ok {
		m.keys[key] = hash{make(map[string]field), never}
	}
	return m.keys[key].fields
}

// call makes a call and returns the expected reply.
func (m *model) call(words []string) reply {
	defer m.tidy()
	key, rest := words[1], words[2:]
	_, existed := m.keys[key]
	switch h := m.open(key); words[0] {
	case "DEL":
		delete(m.keys, key)
		return flag(existed)
	case "EXISTS":
		return flag(existed)
	case "TYPE":
		if existed {
			return reply{text: "hash"}
		}
		return reply{text: "none"}
	case "RENAME":
		if !existed {
			return reply{text: "ERR no such key"}
		}
		v := m.keys[key]
		delete(m.keys, key)
		m.keys[rest[0]] = v
		return reply{text: "OK"}
	case "COPY":
		if existed {
			m.keys[rest[0]] = hash{maps.Clone(h), m.keys[key].at}
		}
		return flag(existed)
	case "PEXPIRE":
		ms, _ := strconv.ParseInt(rest[0], 10, 64)
		m.keys[key] = hash{h, m.now + ms}
		return flag(existed)
	case "PERSIST":
		had := m.keys[key].at < never
		m.keys[key] = hash{h, never}
		return flag(existed && had)
	case "PTTL":
		return reply{text: fmt.Sprint(tellKey(existed, m.keys[key].at, m.now))}
	default:
		return m.callHash(words[0], h, rest)
	}
}

func tellKey(existed bool, at, now int64) int64 {
	switch {
	case !existed:
		return -2
	case at == never:
		return -1
	}
	return at - now
}

func flag(b bool) reply {
	if b {
		return reply{text: "1"}
	}
	return reply{text: "0"}
}

// callHash makes a call on a hash; rest are the arguments after the key.
func (m *model) callHash(name string, h map[string]field, rest []string) reply {
	switch name {
	case "HSET", "HMSET":
		before := len(h)
		for p := range slices.Chunk(rest, 2) {
			h[p[0]] = field{p[1], never}
		}
		if name == "HMSET" {
			return reply{text: "OK"}
		}
		return reply{text: fmt.Sprint(len(h) - before)}
	case "HSETNX":
		_, found := h[rest[0]]
		if !found {
			h[rest[0]] = field{rest[1], never}
		}
		return flag(!found)
	case "HDEL":
		before := len(h)
		for _, f := range rest {
			delete(h, f)
		}
		return reply{text: fmt.Sprint(before - len(h))}
	case "HGET":
		return reply{text: valueOf(h, rest[0])}
	case "HMGET":
		return each(rest, func(f string) any { return valueOf(h, f) })
	case "HGETALL", "HKEYS", "HVALS", "HSCAN":
		return all(name, h)
	case "HLEN":
		return reply{text: fmt.Sprint(len(h))}
	case "HEXISTS":
		_, found := h[rest[0]]
		return flag(found)
	case "HSTRLEN":
		return reply{text: fmt.Sprint(len(h[rest[0]].value))}
	case "HINCRBY", "HINCRBYFLOAT":
		return increase(name, h, rest[0], rest[1])
	case "HRANDFIELD":
		return random(h, rest)
	default:
		return m.callExpiring(name, h, rest)
	}
}

func valueOf(h map[string]field, name string) string {
	if f, ok := h[name]; ok {
		return f.value
	}
	return "(nil)"
}

func each(names []string, tell func(name string) any) reply {
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = tell(name)
	}
	return reply{text: fmt.Sprint(list)}
}

func all(name string, h map[string]field) reply {
	var list []string
	group := 1
	for f, v := range h {
		switch name {
		case "HKEYS":
			list = append(list, f)
		case "HVALS":
			list = append(list, v.value)
		default:
			list, group = append(list, f, v.value), 2
		}
	}
	if name == "HSCAN" {
		return reply{picked: func(found []string) error {
			return reply{text: inOrder(list, 2)}.same(inOrder(found[1:], 2))
		}}
	}
	return reply{text: inOrder(list, group), group: group}
}

func (r reply) same(got string) error {
	if got != r.text {
		return fmt.Errorf("\nwant %s\ngot  %s", r.text, got)
	}
	return nil
}

func increase(name string, h map[string]field, f, by string) reply {
	old, found := h[f]
	if !found {
		old = field{"0", never}
	}
	sum := ""
	if name == "HINCRBY" {
		n, err := strconv.ParseInt(old.value, 10, 64)
		add, _ := strconv.ParseInt(by, 10, 64)
		switch {
		case err != nil:
			return reply{text: "ERR hash value is not an integer"}
		case add > 0 && n > math.MaxInt64-add:
			return reply{text: "ERR increment or decrement would overflow"}
		}
		sum = fmt.Sprint(n + add)
	} else {
		n, err := strconv.ParseFloat(old.value, 64)
		add, _ := strconv.ParseFloat(by, 64)
		switch {
		case err != nil:
			return reply{text: "ERR hash value is not a float"}
		case len(old.value) > 15:
			return large(h, f)
		}
		sum = strconv.FormatFloat(n+add, 'f', -1, 64)
	}
	h[f] = field{sum, old.at}
	return reply{text: sum}
}

// large accepts the server's reply for a sum that a float64 may not represent.
func large(h map[string]field, f string) reply {
	return reply{picked: func(got []string) error {
		h[f] = field{got[0], h[f].at}
		return nil
	}}
}

func random(h map[string]field, rest []string) reply {
	count, _ := strconv.Atoi(rest[0])
	width := len(rest)
	return reply{picked: func(picked []string) error {
		want := -count
		if count > 0 || len(h) == 0 {
			want = min(max(count, 0), len(h))
		}
		seen := make(map[string]bool)
		n := 0
		for p := range slices.Chunk(picked, width) {
			f, there := h[p[0]]
			if !there || width == 2 && f.value != p[1] || count > 0 && seen[p[0]] {
				return fmt.Errorf("picked %q of %v", picked, h)
			}
			seen[p[0]] = true
			n++
		}
		if n != want {
			return fmt.Errorf("picked %d of %d, not %d", n, len(h), want)
		}
		return nil
	}}
}

// callExpiring makes a call of the commands about deadlines of fields.
func (m *model) callExpiring(name string, h map[string]field, rest []string) reply {
	i := slices.Index(rest, "FIELDS")
	options, names := rest[:i], rest[i+2:]
	switch name {
	case "HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME":
		return each(names, func(f string) any { return m.tell(name, h, f) })
	case "HPERSIST":
		return each(names, func(f string) any { return persist(h, f) })
	case "HGETDEL":
		return each(names, func(f string) any {
			defer delete(h, f)
			return valueOf(h, f)
		})
	case "HGETEX":
		return m.getex(h, options, names)
	case "HSETEX":
		return m.setex(h, options, names)
	}
	at, err := m.deadline(name, formsOfCommands[name], options[0])
	if err != "" {
		return reply{text: err}
	}
	condition := strings.Join(options[1:], "")
	return each(names, func(f string) any { return m.expire(h, f, at, condition) })
}

func (m *model) tell(name string, h map[string]field, f string) int64 {
	v, found := h[f]
	switch {
	case !found:
		return -2
	case v.at == never:
		return -1
	}
	ms := v.at
	if strings.HasSuffix(name, "TTL") {
		ms -= m.now
	}
	if name[1] == 'P' {
		return ms
	}
	return (ms + 999) / 1000
}

func persist(h map[string]field, f string) int {
	v, found := h[f]
	switch {
	case !found:
		return -2
	case v.at == never:
		return -1
	}
	h[f] = field{v.value, never}
	return 1
}

// deadline returns the deadline that a word means in a form, or the error.
func (m *model) deadline(command, form, word string) (at int64, err string) {
	n, wrong := strconv.ParseInt(word, 10, 64)
	switch {
	case wrong != nil:
		return 0, "ERR value is not an integer or out of range"
	case n < 0:
		return 0, "ERR invalid expire time, must be >= 0"
	}
	scaled := float64(n)
	if form[0] == 'E' {
		n, scaled = n*1000, scaled*1000
	}
	if form == "EX" || form == "PX" {
		n, scaled = n+m.now, scaled+float64(m.now)
	}
	if scaled > 1<<46-1 {
		return 0, "ERR invalid expire time in '" + strings.ToLower(command) + "' command"
	}
	return n, ""
}

func (m *model) expire(h map[string]field, f string, at int64, condition string) int {
	v, found := h[f]
	switch {
	case !found:
		return -2
	case condition == "NX" && v.at < never, condition == "XX" && v.at == never,
		condition == "GT" && at <= v.at, condition == "LT" && at >= v.at:
		return 0
	case at <= m.now:
		delete(h, f)
		return 2
	}
	h[f] = field{v.value, at}
	return 1
}

func (m *model) getex(h map[string]field, options, names []string) reply {
	at := int64(0)
	if len(options) == 2 {
		var err string
		if at, err = m.deadline("HGETEX", options[0], options[1]); err != "" {
			return reply{text: err}
		}
	}
	return each(names, func(f string) any {
		value := valueOf(h, f)
		switch len(options) {
		case 1:
			persist(h, f)
		case 2:
			m.expire(h, f, at, "")
		}
		return value
	})
}

func (m *model) setex(h map[string]field, options, pairs []string) reply {
	condition := ""
	if len(options) > 0 && options[0][0] == 'F' {
		condition, options = options[0], options[1:]
	}
	at := int64(never)
	if len(options) == 2 {
		var err string
		if at, err = m.deadline("HSETEX", options[0], options[1]); err != "" {
			return reply{text: err}
		}
	}
	for p := range slices.Chunk(pairs, 2) {
		if _, found := h[p[0]]; found && condition == "FNX" || !found && condition == "FXX" {
			return flag(false)
		}
	}
	for p := range slices.Chunk(pairs, 2) {
		old, found := h[p[0]]
		if !found || len(options) != 1 {
			old.at = at
		}
		h[p[0]] = field{p[1], old.at}
	}
	for p := range slices.Chunk(pairs, 2) {
		if at <= m.now {
			delete(h, p[0])
		}
	}
	return flag(true)
}
