package oracle

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/parley-chat/parley/server"
)

// settable are parameters that may be changed for a moment, with what they are
// set back to.
var settable = map[string]string{
	"client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
	"client-query-buffer-limit":  "1073741824",
	"maxclients":                 "10000",
	"notify-keyspace-events":     "KEA",
	"proto-max-bulk-len":         "536870912",
	"slowlog-log-slower-than":    "-1",
	"slowlog-max-len":            "128",
}

var settableNames = sortedNames(settable)

func sortedNames(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// configs reads parameters by patterns, and sets them to odd values.
func configs(g *Generator) Call {
	if len(g.pending) == 0 {
		name := g.pick(settableNames)
		set := []string{"CONFIG", "SET", g.odded(name), g.configValue(name)}
		if g.chance(0.15) {
			other := g.pick(settableNames)
			set = append(set, other, settable[other])
		}
		if g.chance(0.05) {
			set = set[:len(set)-1]
		}
		g.add(0, set)
		g.add(0, []string{"CONFIG", "GET", name})
		g.add(0, []string{"CONFIG", "SET", name, settable[name]})
		for range 3 {
			g.add(0, []string{"CONFIG", "GET", g.configGlob()})
		}
	}
	return g.Next()
}

// odded is a name as nobody writes it, now and then.
func (g *Generator) odded(name string) string {
	switch g.rand.IntN(12) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return name + " x" // no NUL: whether Redis then finds the name is chance, that of a hash
	case 2:
		return g.pick([]string{"nosuch", "", "databases", "cluster-enabled", "io-threads", "unixsocket"})
	}
	return name
}

func (g *Generator) configValue(name string) string {
	switch name {
	case "notify-keyspace-events":
		const letters = "KEA$lshzxtdgenmK"
		b := make([]byte, g.rand.IntN(6))
		for i := range b {
			b[i] = letters[g.rand.IntN(len(letters))]
		}
		if g.chance(0.1) {
			return string(b) + g.pick([]string{"Q", " ", "a", "\x00K"})
		}
		return string(b)
	case "client-output-buffer-limit":
		words := strings.Fields(settable[name])[4:] // not our own class: a limit would cut us off
		if g.chance(0.5) {
			words = words[:4]
		}
		for ok := true; ok; ok = g.chance(0.3) {
			i := g.rand.IntN(len(words))
			words[i] = g.pick([]string{"replica", "REPLICA", "slave", "pubsub", "master", "1mb", "1k", "10gb", "0", "-1", "60", "60\x00", "pubsub\x00", "x", "", g.memory()})
		}
		return strings.Join(words, g.pick([]string{" ", " ", " ", "  ", ","}))
	}
	value := g.wholeNumeral()
	if g.chance(0.6) {
		value = g.memory()
	}
	if n, err := strconv.ParseInt(value, 10, 64); name == "maxclients" && err == nil && n > 0 && n <= math.MaxUint32 {
		return "10000" // the oracle has some, too, and Redis counts files
	}
	return value
}

// memory is a number of bytes with a unit.
func (g *Generator) memory() string {
	n := g.pick([]string{"0", "1", "2", "5", "10", "100", "1024", "1048576", "-1", "01", "1.5", "", g.wholeNumeral()})
	return n + g.pick([]string{"", "", "b", "k", "kb", "K", "KB", "m", "mb", "Mb", "g", "gb", "GB", "t", "tb", " mb", "x", "kbb", "\x00", "kb\x00x"})
}

// configGlob is a pattern of which names are made, or a name.
func (g *Generator) configGlob() string {
	name := []byte(g.pick(append([]string{"hash-max-ziplist-entries", "maxmemory", "save", "port", "BIND", "zset-max-listpack-value"}, settableNames...)))
	for range g.rand.IntN(4) {
		at := g.rand.IntN(len(name))
		what := g.pick([]string{"*", "?", "[a-z]", "[^a]", "[A-Z]", "\\" + string(name[at]), "[Z-a]", "[\\" + string(name[at]) + "]", strings.ToUpper(string(name[at])), "["})
		name = slices.Concat(name[:at], []byte(what), name[at+1:])
	}
	if g.chance(0.5) {
		name = append(name[:g.rand.IntN(len(name))], '*')
	}
	return string(name)
}

// sameParameters compares what both know.
func sameParameters(j judged) bool {
	names := func(n node) (list []string) {
		for pair := range slices.Chunk(n.elems, 2) {
			if known()[strings.ToLower(pair[0].text)] {
				value := pair[1].text
				if _, ours := settable[pair[0].text]; !ours {
					value = "" // of the process, or of its build
				}
				list = append(list, pair[0].text+" "+value)
			}
		}
		slices.Sort(list)
		return list
	}
	return j.redis.kind == j.parley.kind && slices.Equal(names(j.redis), names(j.parley))
}

// own are parameters that Redis does not have.
var own = []string{
	"auth-failure-burst", "auth-failure-delay", "auth-failure-loopback", "auth-failure-rate", "auth-max-failures", "auth-timeout",
	"client-output-min-rate", "client-output-timeout", "client-query-min-rate", "client-query-timeout",
	"unauthenticated-clients-percent",
}

// known are the parameters of parley that Redis has as well.
var known = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool)
	s, err := server.New(server.Options{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	v, err := s.Do(context.Background(), "CONFIG", "GET", "*")
	if err != nil {
		panic(err)
	}
	for name := range v.Map() {
		all[name] = true
	}
	for _, name := range own {
		delete(all, name)
	}
	return all
})
